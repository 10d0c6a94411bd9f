"""``spmamba export``: a training run becomes a model folder, or a file."""

from speechbrain_spmamba.commands.options import Trust


def export(
    results: str,
    output: str,
    /,
    *,
    license: str | None = None,
    overwrite: bool = False,
    onnx: bool = False,
    trust: Trust = False,
):
    """Make a model folder of a training run, ready for the Hub.

    With --onnx, make an ONNX file of it, or of any model: see docs/deploy.md.

    Arguments
    ---------
    results : str
        Output folder of train.py; with --onnx also a model folder or the
        name of a model of the package.
    output : str
        The model folder; with --onnx NAME.onnx, or a folder for model.onnx.
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
    options = {"license": license, "overwrite": overwrite, "trust": trust}
    if onnx:
        from speechbrain_spmamba.deploy.export import export_onnx

        path, error = export_onnx(results, output, **options)
        print(f"{path}: within {error:.0e} of the model's peak")
        return
    from speechbrain_spmamba.weights.export import export

    print(export(results, output, **options))
