"""``spmamba convert``: published weights become a model folder."""

from speechbrain_spmamba.commands.options import Further


def convert(
    system: str,
    file: str,
    output: str,
    /,
    *,
    config: str | None = None,
    prefix: str | None = None,
    skip_objects: bool = False,
    overwrite: bool = False,
    further: Further = (),
) -> None:
    """Make a model folder of published weights.

    Further options, --key value, are arguments of the model that its weights
    do not tell (--hop_length 64).

    Arguments
    ---------
    system : str
        Name of a system, for example tdanet (docs/weights.md has all); or
        look2hear: that which the file has.
    file : str
        Checkpoint of the published code.
    output : str
        The model folder.
    config : str, optional
        The YAML file that came with the weights.
    prefix : str, optional
        What stands before the names of the weights, if the file has several
        networks.
    skip_objects : bool
        Read no more than the weights.
    overwrite : bool
        Replace what is in the folder.
    further : list of str
        Arguments of the model.
    """
    from speechbrain_spmamba.settings.command_line import read_options
    from speechbrain_spmamba.weights.convert import convert_checkpoint

    folder, notes = convert_checkpoint(
        system,
        file,
        output,
        config=config,
        skip_objects=skip_objects,
        prefix=prefix,
        overwrite=overwrite,
        **read_options(list(further)),
    )
    print("\n".join([*notes, str(folder)]))
