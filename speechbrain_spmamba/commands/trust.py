"""The option ``--trust``: whoever gives it takes a folder for his own."""


def add_trust(parser):
    """Declares ``--trust``.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of a command that builds the model of a folder or of a YAML file.
    """
    parser.add_argument(
        "--trust",
        action="store_true",
        help="build whatever the YAML file says, which may run any code: for "
        "models of your own classes, see docs/own_model.md",
    )
