"""The live tab of ``spmamba demo``: voices while somebody speaks.

    microphone -> chunks -> live.LiveVoices -> levels, one voice to the ears
                                            -> files, when the recording stops

Gradio plays streams as HLS, which needs ffmpeg and does not begin while chunks
come from a microphone. Here a few lines of script play samples as they come,
through Web Audio.
"""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.audio import decibels
from speechbrain_spmamba.demo.live import LiveVoices
from speechbrain_spmamba.demo.parts import notice, player
from speechbrain_spmamba.demo.voices import SUBTYPE, activity_line
from speechbrain_spmamba.errors import explain
from speechbrain_spmamba.recordings.source_writer import SourceWriter

if TYPE_CHECKING:
    import gradio

    from speechbrain_spmamba.inference import WaveformSeparation


EVERY = 0.1  # seconds of a chunk; in a tab, Gradio takes no other
LOWEST = -60  # dB to full scale, the left end of a level
SLOW = 2.0  # seconds behind from which on it is said
NOBODY = "Nobody"
LISTEN = "Listen to, with headphones: loudspeakers are heard by the microphone"
INTRODUCTION = """\
Record, and see and hear the voices while they speak. Stop, and they are there
to be played and downloaded.
"""
RECENT = 0.5  # seconds that are sent again, for messages may be skipped
METER = 0.25  # seconds of which the level is shown
# Samples are played one after the other, each once. The first, and the first
# after a pause, wait a little, so that the next ones arrive in time; what has
# piled up is left out.
PLAY = """\
(message) => {
  if (!message) return [];
  const {name, start, rate, pcm} = JSON.parse(message);
  const live = window.liveVoice ??= {context: new AudioContext(), at: 0,
                                     played: 0};
  if (live.name !== name) Object.assign(live, {name, next: start});
  const bytes = Uint8Array.from(atob(pcm), (c) => c.charCodeAt(0));
  const all = Float32Array.from(new Int16Array(bytes.buffer), (x) => x / 32768);
  const samples = all.subarray(Math.max(0, live.next - start));
  live.next = Math.max(live.next, start + all.length);
  const {context} = live;
  context.resume();
  const now = context.currentTime;
  if (!samples.length || live.at > now + 0.6) return [];
  if (live.at < now) live.at = now + 0.15;
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.start(live.at);
  live.at += buffer.duration;
  live.played += samples.length;
  return [];
}
"""


class LiveRecording:
    """What one browser records, and its voices up to now.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        A causal one.
    folder : str or Path
        Gets a folder for the voices.

    Attributes
    ----------
    recent : numpy.ndarray
        The newest samples of the voices, ``[n, S]``.
    over : bool
        Something went wrong, and has been said: no chunk says it again.
    """

    def __init__(self, model: WaveformSeparation, folder: str | Path) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.live = LiveVoices(model)
        self.writer = SourceWriter(self.live.sample_rate, self.folder)
        self.recent = np.zeros((0, self.live.speakers), "float32")
        self.over = False

    def feed(self, sample_rate, samples):
        """Takes a chunk, see ``LiveVoices.feed``; voices wait on disk."""
        block = self.live.feed(sample_rate, samples)
        self.writer.push(block)
        kept = round(RECENT * self.live.sample_rate)
        self.recent = np.concatenate([self.recent, block])[-kept:]

    def levels(self):
        """How loud each voice is now, see ``levels``."""
        count = round(METER * self.live.sample_rate)
        return levels(self.recent[-count:], self.live.behind)

    def sound(self, voice: int | None) -> str:
        """What is to be played of a voice.

        Arguments
        ---------
        voice : int or None
            From 1; 0 and None for none.

        Returns
        -------
        str
            A message for the script: JSON, or nothing.
        """
        if not voice:
            return ""
        wave = np.clip(self.recent[:, voice - 1], -1, 1) * 32767
        return json.dumps(
            {
                "name": self.folder.name,
                "start": self.live.given - len(wave),
                "rate": self.live.sample_rate,
                "pcm": base64.b64encode(wave.astype("<i2").tobytes()).decode(),
            }
        )

    def finish(self) -> tuple[list[Path], list[str]]:
        """Writes a file a voice.

        Returns
        -------
        list of Path
            The files; none if nothing was heard.
        list of str
            What is said about each voice.
        """
        with self.writer as writer:
            writer.push(self.live.stop())
            if not writer.frames:
                return [], []
            paths = [
                self.folder / f"live_s{number + 1}.wav"
                for number in range(writer.sources)
            ]
            writer.write(paths, SUBTYPE)
            return paths, [activity_line(one) for one in writer.meter.result()]

    def drop(self) -> None:
        """Ends all that is going on; nothing is kept."""
        self.over = True
        with self.writer:
            self.live.drop()


def levels(block: np.ndarray, behind: float = 0.0) -> str:
    """How loud each voice is, as HTML.

    Arguments
    ---------
    block : numpy.ndarray
        Samples ``[n, S]``.
    behind : float
        Seconds that the voices lag behind.

    Returns
    -------
    str
        A bar a voice, and a line if they lag much.

    Example
    -------
    >>> print(levels(np.full((8, 1), 0.1)))
    <div>Voice 1 <meter style="width: 80%" min="-60" max="0" value="-20">...
    """
    power = np.square(block).sum(0) / max(1, len(block))
    rows = [
        f'<div>Voice {number} <meter style="width: 80%" min="{LOWEST}" max="0" '
        f'value="{max(LOWEST, round(decibels(one)))}"></meter></div>'
        for number, one in enumerate(power, 1)
    ]
    if behind > SLOW:
        rows.append(
            f"<div>{behind:.0f} s behind: the model is too slow here</div>"
        )
    return "".join(rows)


def add_live(
    gr: ModuleType,
    page: gradio.Blocks,
    model: WaveformSeparation,
    folder: str | Path,
) -> None:
    """What the tab has, and what it does.

    Arguments
    ---------
    gr : module
        Gradio.
    page : gradio.Blocks
        The page.
    model : speechbrain_spmamba.inference.WaveformSeparation
        A causal one.
    folder : str or Path
        Gets a folder for each recording.
    """
    speakers = model.hparams.num_spks
    silence = levels(np.zeros((0, speakers)))
    gr.Markdown(INTRODUCTION)
    microphone = gr.Audio(
        label="Microphone",
        sources=["microphone"],
        streaming=True,
        buttons=[],
        elem_id="live_microphone",
    )
    choices = [NOBODY, *(f"Voice {n + 1}" for n in range(speakers))]
    listen = gr.Radio(
        choices, value=NOBODY, type="index", label=LISTEN, elem_id="listen"
    )
    meters = gr.HTML(silence, elem_id="levels")
    message = gr.Textbox(visible="hidden", elem_id="live_sound")
    with gr.Row(visible=False) as results:
        players = [
            player(gr, index, prefix="live_voice") for index in range(speakers)
        ]
    # Each browser has its own; one that goes away leaves nothing running.
    state, ended = (gr.State(delete_callback=_drop) for _ in range(2))

    def begin(recording):
        _drop(recording)
        new = _or_notice(gr, None, LiveRecording, model, folder)
        return new, gr.Row(visible=False), silence, ""

    def hear(chunk, voice, recording):
        if chunk is None or recording is None or recording.over:
            return gr.skip(), gr.skip()
        _or_notice(gr, recording, recording.feed, *chunk)
        return recording.levels(), recording.sound(voice)

    def end(recording):
        paths, lines = [], []
        if recording is not None and not recording.over:
            paths, lines = _or_notice(gr, recording, recording.finish)
        found = [
            player(gr, index, str(path), line, "live_voice")
            for index, (path, line) in enumerate(zip(paths, lines, strict=True))
        ]
        found = found or [gr.skip()] * speakers
        return gr.Row(visible=bool(paths)), silence, *found

    # One thing after the other, in the order in which it happened; none of
    # these takes long. To end may, and another recording may begin meanwhile.
    lane = {
        "concurrency_id": "live",
        "concurrency_limit": 1,
        "show_progress": "hidden",
    }
    microphone.start_recording(
        begin, state, [state, results, meters, message], **lane
    )
    chunks = microphone.stream(
        hear,
        [microphone, listen, state],
        [meters, message],
        stream_every=EVERY,
        trigger_mode="multiple",
        **lane,
    )
    # A stream of Gradio's keeps one chunk: one that comes before the last has
    # been taken replaces it. As single events all wait, one after the other.
    page.fns[chunks["id"]].connection = "sse"
    microphone.stop_recording(
        lambda recording: (None, recording), state, [state, ended], **lane
    ).then(
        end,
        ended,
        [results, meters, *players],
        concurrency_limit=None,
        show_progress_on=meters,
    )
    message.change(None, message, None, js=PLAY)


def _drop(recording):
    """Ends a recording, if there is one."""
    if recording is not None:
        recording.drop()


def _or_notice(gr, recording, run, *arguments):
    """Runs it; what is wrong ends the recording and becomes a notice."""
    try:
        return run(*arguments)
    except Exception as error:
        _drop(recording)
        reason = explain(error)
        if reason is None:
            raise
        raise notice(gr, reason) from None
