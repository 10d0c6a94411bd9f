"""``spmamba listen``: the voices that a microphone hears, as they speak.

Ctrl-C and SIGTERM are its normal end: the files get their names then. Exit
status: 0, 1 if the microphone ended first, 2 if nothing could begin.
"""

from typing import Annotated

from cyclopts import Parameter

from speechbrain_spmamba.commands.options import Device, Output, Trust


def listen(
    *,
    output: Output = ".",
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    microphone: str = "default",
    play: str | None = None,
    seconds: float | None = None,
    device: Device = None,
    trust: Trust = False,
) -> int:
    """Separate the voices that a microphone hears, until Ctrl-C.

    Arguments
    ---------
    output : str
        Folder of the files, live-DATE-TIME_s1.wav and so on.
    model : str, optional
        Folder of a causal model, or one of the package; by default the
        package's, see `spmamba models`.
    microphone : str
        Number or part of the name of the input device; `python -m
        sounddevice` lists them.
    play : str, optional
        Number or part of the name of an output device, or default: where
        the voices are played, the first left, the second right. Wear
        headphones, or the microphone hears them again.
    seconds : float, optional
        End after so much sound.
    device, trust
        See ``commands.options``.

    Returns
    -------
    int
        0, or 1 if the microphone ended first.
    """
    if seconds is not None and not seconds > 0:
        raise ValueError(f"--seconds is {seconds}; give more than 0")
    from speechbrain_spmamba.recordings.sound_device import import_sounddevice

    # All that is quickly said comes before the model is loaded.
    import_sounddevice()

    from speechbrain_spmamba.builtin.models import LIVE
    from speechbrain_spmamba.commands.live import load_live_model
    from speechbrain_spmamba.commands.separate_messages import (
        default_model_line,
        print_result,
    )

    loaded = load_live_model(model or LIVE, device, trust)
    if model is None:
        print_result(default_model_line(LIVE))
    return _listen(loaded, output, microphone, play, seconds)


def _listen(model, output, microphone, play, seconds):
    """Listens with a model; the rest is as ``listen`` has it."""
    import sys
    import time
    from contextlib import ExitStack
    from pathlib import Path

    from speechbrain_spmamba import signals
    from speechbrain_spmamba.commands import listen_messages as messages
    from speechbrain_spmamba.commands.live import warm_up
    from speechbrain_spmamba.commands.separate_messages import print_result
    from speechbrain_spmamba.recordings.live import separate_live
    from speechbrain_spmamba.recordings.live_files import live_files
    from speechbrain_spmamba.recordings.options import SeparationOptions
    from speechbrain_spmamba.recordings.separation import source_paths
    from speechbrain_spmamba.recordings.sound_device import (
        Loudspeakers,
        Microphone,
        as_device,
    )

    separator, rate = model.mods.separator, model.hparams.sample_rate
    hop, voices = separator.stft.hop_length, model.hparams.num_spks
    stem = Path(output) / time.strftime("live-%Y%m%d-%H%M%S")
    paths = source_paths(stem, voices)
    notice, slow = signals.Notice(), False
    meter = messages.LevelMeter(rate, visible=sys.stderr.isatty())
    warm_up(separator)
    with ExitStack() as stack:
        stack.callback(meter.clear)
        stack.enter_context(signals.handled(notice.take))
        heard = stack.enter_context(
            Microphone(
                rate,
                hop,
                as_device(microphone),
                latency="low" if play else "high",
            )
        )
        played = play and stack.enter_context(
            Loudspeakers(rate, hop, voices, as_device(play))
        )
        print_result(messages.listening_line(rate, separator.latency_samples))
        files = stack.enter_context(live_files(paths, rate))
        blocks = heard.blocks(lambda: notice.signum, seconds)
        for block in separate_live(
            separator, blocks, rate, SeparationOptions()
        ):
            files.push(block)
            if played:
                played.play(block)
            meter.push(block)
            if heard.behind > messages.SLOW and not slow:
                slow = True
                meter.clear()
                print_result(messages.slow_line(heard.behind))
        if not heard.heard:
            raise ValueError(
                "the microphone gave nothing; choose another, --microphone"
            )
    print_result(messages.heard_line(heard, files, played), paths)
    return int(heard.gone)
