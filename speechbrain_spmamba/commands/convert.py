"""``spmamba convert``: published weights become a model folder."""

import argparse

HELP = "Make a model folder of published weights."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "system",
        help="name of a system, for example tdanet (docs/weights.md has "
        "all); or look2hear: that which the file has",
    )
    parser.add_argument("file", help="checkpoint of the published code")
    parser.add_argument("output", help="the model folder")
    parser.add_argument(
        "words",
        metavar="...",
        nargs=argparse.REMAINDER,
        help="--key value for arguments of the model that its weights do not "
        "tell (--hop_length 64); --config FILE, the YAML file that came with "
        "the weights; --prefix P, if the file has several networks; "
        "--skip_objects True, to read no more than the weights; --overwrite "
        "True, to replace what is in the folder",
    )


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    from speechbrain_spmamba.settings.command_line import read_options
    from speechbrain_spmamba.weights.convert import convert_checkpoint

    options = read_options(arguments.words)
    folder, notes = convert_checkpoint(
        arguments.system, arguments.file, arguments.output, **options
    )
    print("\n".join([*notes, str(folder)]))
