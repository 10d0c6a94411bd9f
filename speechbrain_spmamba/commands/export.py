"""``spmamba export``: a training run becomes a model folder, or a file."""

from typing import Literal

from speechbrain_spmamba.commands.options import Trust


def export(
    results: str,
    output: str,
    /,
    *,
    layout: Literal["model", "toolkit"] = "model",
    license: str | None = None,
    overwrite: bool = False,
    onnx: bool = False,
    trust: Trust = False,
) -> None:
    """Make a model folder of a training run, ready for the Hub.

    With --onnx, make an ONNX file of it, or of any model: see docs/deploy.md.

    Arguments
    ---------
    results : str
        Output folder of train.py, or of a separation recipe of SpeechBrain's
        with a model of this package; or a model folder, or the name of a
        model of the package.
    output : str
        The model folder; with --onnx NAME.onnx, or a folder for model.onnx.
    layout : str
        model, or toolkit: SpeechBrain's own SepformerSeparation loads the
        folder, too (docs/toolkit.md).
    license : str, optional
        Licence of the weights for the model card, as the Hugging Face Hub
        names it: cc-by-4.0, apache-2.0 ...; by default not stated.
    overwrite : bool
        Replace what is there.
    onnx : bool
        Write one file for ONNX Runtime, which needs no torch.
    trust : bool
        See ``commands.options``.
    """
    options: dict = {"license": license, "overwrite": overwrite}
    options["trust"] = trust
    if onnx and layout != "model":
        raise ValueError(
            f"--onnx writes a file, which has no layout {layout}; leave out "
            "one of the two"
        )
    if onnx:
        from speechbrain_spmamba.deploy.export import export_onnx

        path, error = export_onnx(results, output, **options)
        print(f"{path}: within {error:.0e} of the model's peak")
        return
    from speechbrain_spmamba.weights.export import export

    print(export(results, output, layout=layout, **options))
