"""``spmamba export``: a training run becomes a model folder."""

from speechbrain_spmamba.commands.options import Trust


def export(
    results: str,
    output: str,
    /,
    *,
    license: str | None = None,
    overwrite: bool = False,
    trust: Trust = False,
) -> None:
    """Make a model folder of a training run, ready for the Hub.

    Arguments
    ---------
    results : str
        Output folder of train.py.
    output : str
        The model folder.
    license : str, optional
        Licence of the weights for the model card, as the Hugging Face Hub
        names it: cc-by-4.0, apache-2.0 ...; by default not stated.
    overwrite : bool
        Replace what is there.
    trust : bool
        See ``commands.options``.
    """
    from speechbrain_spmamba.weights.export import export

    print(
        export(
            results,
            output,
            license=license,
            overwrite=overwrite,
            trust=trust,
        )
    )
