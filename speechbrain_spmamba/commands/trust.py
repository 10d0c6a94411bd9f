"""The option ``--trust``: whoever gives it takes a folder for his own."""

import os
import sys


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
        "models of your own classes, with modules in the working folder",
    )


def trusted(arguments):
    """Whether the option was given; if so, own modules can be imported.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.

    Returns
    -------
    bool
        The option.
    """
    # Behind all that is installed; train.py has it on its path, too.
    if arguments.trust and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return arguments.trust
