"""``spmamba demo``: a page in the browser on which to try a model."""

from speechbrain_spmamba.commands.options import Device, Trust, Whole


def demo(
    model: str,
    /,
    *,
    port: Whole = 7860,
    host: str = "127.0.0.1",
    device: Device = None,
    trust: Trust = False,
) -> None:
    """Open a page on which recordings are separated, seen and heard.

    Arguments
    ---------
    model : str
        Model folder, see `spmamba export`, a model of the package, see
        `spmamba models`, or of the Hugging Face Hub.
    port : int
        Of the page.
    host : str
        Address of the page; by default only this computer reaches it, with
        0.0.0.0 all that reach this computer.
    device, trust
        See ``commands.options``.
    """
    from speechbrain_spmamba.commands.model import load_model
    from speechbrain_spmamba.demo.page import (
        check_address,
        import_gradio,
        serve,
    )

    # All that is quickly said comes before the model is loaded.
    check_address(host, port)
    import_gradio()
    serve(load_model(model, device, trust), host, port)
