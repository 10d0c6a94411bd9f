"""``spmamba export``: a training run becomes a model folder."""

from speechbrain_spmamba.commands.trust import add_trust

HELP = "Make a model folder of a training run, ready for the Hub."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument("results", help="output folder of train.py")
    parser.add_argument("output", help="the model folder")
    parser.add_argument(
        "--license",
        help="licence of the weights for the model card, as the Hugging Face "
        "Hub names it: cc-by-4.0, apache-2.0 ...; by default not stated",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is there"
    )
    add_trust(parser)


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    from speechbrain_spmamba.weights.export import export

    folder = export(
        arguments.results,
        arguments.output,
        license=arguments.license,
        overwrite=arguments.overwrite,
        trust=arguments.trust,
    )
    print(folder)
