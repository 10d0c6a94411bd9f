"""``spmamba export``: a training run becomes a model folder."""

HELP = "Make a model folder of a training run."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument("results", help="output folder of train.py")
    parser.add_argument("output", help="the model folder")


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    from speechbrain_spmamba.export import export

    print(export(arguments.results, arguments.output))
