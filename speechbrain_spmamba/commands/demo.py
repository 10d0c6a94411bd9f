"""``spmamba demo``: a page in the browser on which to try a model."""

from speechbrain_spmamba.commands.device import add_device, load_model
from speechbrain_spmamba.commands.trust import add_trust

HELP = "Open a page on which recordings are separated, seen and heard."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument("model", help="model folder, see `spmamba export`")
    parser.add_argument("--port", type=int, default=7860, help="of the page")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address of the page; by default only this computer reaches it, "
        "with 0.0.0.0 all that reach this computer",
    )
    add_device(parser)
    add_trust(parser)


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    from speechbrain_spmamba.demo.page import (
        check_address,
        import_gradio,
        serve,
    )

    # All that is quickly said comes before the model is loaded.
    check_address(arguments.host, arguments.port)
    import_gradio()
    model = load_model(arguments.model, arguments.device, arguments.trust)
    serve(model, arguments.host, arguments.port)
