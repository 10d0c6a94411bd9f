"""``spmamba prepare``: mixtures and their manifests."""

import argparse

from speechbrain_spmamba.prepare.sets import SETS

HELP = "Make mixtures and their manifests."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "what",
        metavar="WHAT",
        help=f"data set ({', '.join(SETS)}), or YAML file of an experiment, "
        "or inspect",
    )
    parser.add_argument(
        "words",
        metavar="...",
        nargs=argparse.REMAINDER,
        help="OUT --key value for a set (`spmamba prepare SET --help`), "
        "--key value for an experiment, DIR for a look",
    )


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    from speechbrain_spmamba.commands.prepare_sets import run

    run(arguments.what, arguments.words)
