"""The page of ``spmamba demo``, made with Gradio.

Nothing on it comes from the net or goes there: fonts are those of the system,
statistics, update checks and public links are off, and recordings lie in a
temporary folder that ends with the command.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.demo.live_tab import add_live
from speechbrain_spmamba.demo.parts import notice, player
from speechbrain_spmamba.demo.voices import separate_upload
from speechbrain_spmamba.errors import explain
from speechbrain_spmamba.recordings.live import is_causal

if TYPE_CHECKING:
    import gradio

    from speechbrain_spmamba.inference import WaveformSeparation


TITLE = "Separate voices"
INTRODUCTION = f"""\
# {TITLE}
Give a recording in which people talk at the same time, and hear each of them
alone. Nothing is sent to the internet.
"""
CONSISTENT = "What is in the recording is in one of the voices, noise included"
ALL_VOICES = "All that the model gives, also where nobody speaks"
FORMS = ("RTTM", "labels for Audacity", "JSON")  # of voices.Voices.texts
CHANNEL = "Channel of the recording; 0 is the mean of all"
CANCELLED = "The channels cancel in their mean: choose channel 1"
CSS = ".gradio-container {max-width: 60rem !important; margin: auto}"


def import_gradio() -> ModuleType:
    """Imports Gradio, told to keep quiet.

    Returns
    -------
    module
        Gradio.

    Raises
    ------
    ValueError
        It is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError:
        raise ValueError(
            "the page needs Gradio, which is not installed; "
            "pip install 'speechbrain_spmamba[demo]'"
        ) from None
    return gradio


def check_address(host: str, port: int) -> None:
    """Finds out whether a page can be served there.

    Arguments
    ---------
    host : str
        Address or name of this computer.
    port : int
        Port.

    Raises
    ------
    ValueError
        It is taken, or no address of this computer.

    Example
    -------
    >>> check_address("127.0.0.1", 70000)
    Traceback (most recent call last):
        ...
    ValueError: --port is 70000; give 1 to 65535
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port is {port}; give 1 to 65535")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise ValueError(
            f"no page can be served at {host}, port {port} "
            f"({error.strerror}); give another --port or --host"
        ) from None


def serve(model: WaveformSeparation, host: str, port: int) -> None:
    """Serves the page until the process is told to end.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        The model.
    host, port : str, int
        See ``check_address``.
    """
    # Told to end by another process, it takes its temporary folder with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Gradio calls itself at the start, which no proxy must answer.
    for name in ("no_proxy", "NO_PROXY"):
        others = os.environ.get(name, "")
        os.environ[name] = ",".join(filter(None, [others, host, "localhost"]))
    with tempfile.TemporaryDirectory(prefix="spmamba_demo_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build_page(model, folder)
        launch(page, host, port, prevent_thread_lock=True)
        print(f"http://{host}:{port} (Ctrl-C ends)", flush=True)
        page.block_thread()


def build_page(model: WaveformSeparation, folder: str | Path) -> gradio.Blocks:
    """The page and what its buttons do.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        Separates.
    folder : str or Path
        Gets a folder for each recording that is separated.

    Returns
    -------
    gradio.Blocks
        The page.
    """
    gr = import_gradio()
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(INTRODUCTION)
        if is_causal(model.mods.separator):
            with gr.Tab("Recording"):
                _add_recordings(gr, model, folder)
            with gr.Tab("Live"):
                add_live(gr, page, model, folder)
        else:
            _add_recordings(gr, model, folder)
    return page


def _add_recordings(gr, model, folder):
    """What is separated as a whole."""
    speakers = model.hparams.num_spks
    recording = gr.Audio(
        label="Recording",
        sources=["upload", "microphone"],
        type="filepath",
        editable=False,
        buttons=[],
        elem_id="recording",
    )
    with gr.Accordion("Options", open=False):
        consistent = gr.Checkbox(label=CONSISTENT, elem_id="consistent")
        every = gr.Checkbox(label=ALL_VOICES, elem_id="all_voices")
        channel = gr.Number(
            0, label=CHANNEL, precision=0, minimum=0, elem_id="channel"
        )
    button = gr.Button("Separate", variant="primary", elem_id="separate")
    with gr.Column(visible=False) as status:
        place = gr.HTML(min_height=70)
    with gr.Column(visible=False) as results:
        talkers = gr.Markdown(elem_id="talkers")
        with gr.Row():
            players = [player(gr, index) for index in range(speakers)]
        figure = gr.Image(
            show_label=False, buttons=["fullscreen"], elem_id="figure"
        )
        with gr.Row():
            texts = [
                gr.DownloadButton(
                    f"Who speaks when: {form}",
                    size="sm",
                    elem_id=f"text{index}",
                )
                for index, form in enumerate(FORMS)
            ]
        archive = gr.DownloadButton(
            "Download all", size="sm", elem_id="archive"
        )

    bar = gr.Progress()  # Gradio finds it among the defaults

    def run(path, consistent, every, channel, progress=bar):
        options = {
            "mixture_consistent": consistent,
            "all_outputs": every,
            "channel": channel or None,
        }
        found = _separate(gr, model, path, folder, progress, **options)
        return [*_visible(gr, False, True), *found]

    views = [status, results]
    # What was separated before must not stand under another recording.
    separation = gr.on(
        [button.click, recording.upload],
        lambda: _visible(gr, True, False),
        outputs=views,
        queue=False,
    ).then(
        run,
        inputs=[recording, consistent, every, channel],
        outputs=[*views, talkers, *players, figure, *texts, archive],
        show_progress_on=place,
    )
    recording.clear(
        lambda: _visible(gr, False, False),
        outputs=views,
        queue=False,
        cancels=[separation],
    )


def _visible(gr, status, results):
    """Shows or hides the place of the progress bar, and the results."""
    return [gr.Column(visible=status), gr.Column(visible=results)]


def _separate(gr, model, path, folder, progress, **options):
    """What the page shows of a recording; what is wrong becomes a notice."""
    if path is None:
        raise notice(gr, "there is no recording; drop one or record one")

    def report(done, total):
        text = f"{done:.0f} s" + (f" of {total:.0f} s" if total else "")
        progress(done / total if total else None, desc=text)

    progress(0.0, desc="separating")
    try:
        own = tempfile.mkdtemp(dir=folder)
        found = separate_upload(model, path, own, report, **options)
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        raise notice(gr, reason) from None
    if found.cancelled:
        gr.Warning(CANCELLED)
    voices = [*zip(map(str, found.paths), found.lines, strict=True)]
    voices += [(None, "")] * (model.hparams.num_spks - len(voices))
    return [
        f"## {found.talkers.capitalize()}",
        *(player(gr, index, *voice) for index, voice in enumerate(voices)),
        str(found.figure),
        *map(str, found.texts),
        str(found.archive),
    ]


def launch(page: gradio.Blocks, host: str, port: int, **options: Any) -> None:
    """Starts the server of a page, with all off that would use the net.

    Arguments
    ---------
    page : gradio.Blocks
        The page.
    host, port : str, int
        See ``check_address``.
    **options : dict
        Passed on to ``gradio.Blocks.launch``.
    """
    gr = import_gradio()
    theme = gr.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    page.queue(default_concurrency_limit=1)  # one recording at a time
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        ssr_mode=False,
        run_history=False,
        footer_links=[],
        theme=theme,
        css=CSS,
        **options,
    )
