"""A conversation as a figure: mixture, true and found activity, voices.

    python benchmarks/conversation_figure.py MANIFEST ITEM OUT.png
        [--model voices-8k-3]

MANIFEST is one that `spmamba prepare conversations` made, ITEM an ID in it.
The recording is separated as `spmamba separate` does; for their colours alone,
outputs are put in the order of the references.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from speechbrain_spmamba.files.figures import new_figure, write_figure
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.loading.loader import read_example
from speechbrain_spmamba.manifest import read_manifest, source_keys
from speechbrain_spmamba.scoring.diarization import segments
from speechbrain_spmamba.scoring.loss import pit, reorder
from speechbrain_spmamba.scoring.silence import pairwise_neg_si_snr_or_level
from speechbrain_spmamba.scoring.who_speaks import who_speaks

COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")
COLUMNS = 2000  # of a waveform


def draw_wave(axis, wave, rate, color):
    """The range of a waveform in each of so many stretches of time."""
    size = max(1, len(wave) // COLUMNS)
    parts = wave[: len(wave) // size * size].reshape(-1, size)
    times = np.arange(len(parts)) * size / rate
    axis.fill_between(times, parts.min(1), parts.max(1), color=color, lw=0)
    axis.set_yticks([])


def draw(path, mix, est, speech, rate):
    """Draws a figure of mixture ``[T]`` and estimates ``[T, S]``."""
    talkers, frame = est.shape[1], speech.size / rate
    figure = new_figure((9, 1.3 * (2 + talkers)))
    axes = figure.subplots(2 + talkers, 1, sharex=True)
    draw_wave(axes[0], mix, rate, "0.4")
    axes[0].set_title("recording", loc="left", fontsize=9)
    bars, names = axes[1], []
    for talker in range(talkers):
        for row, (name, active) in enumerate(
            (("true", speech.true), ("found", speech.found))
        ):
            place = 2 * talker + row
            spans = [
                (first * frame, (last - first) * frame)
                for first, last in segments(active[:, talker])
            ]
            color = COLORS[talker % len(COLORS)]
            alpha = 0.45 if row else 1.0
            bars.broken_barh(spans, (place, 0.9), color=color, alpha=alpha)
            names.append(f"{talker + 1} {name}")
    bars.set_yticks(np.arange(len(names)) + 0.45, names, fontsize=7)
    bars.invert_yaxis()
    bars.set_title("who speaks when", loc="left", fontsize=9)
    top = float(np.abs(est).max()) or 1.0
    for talker, axis in enumerate(axes[2:]):
        draw_wave(axis, est[:, talker], rate, COLORS[talker % len(COLORS)])
        axis.set_ylim(-top, top)
        speaks = speech.found[:, talker].any()
        title = f"voice {talker + 1}" + ("" if speaks else ": nobody speaks")
        axis.set_title(title, loc="left", fontsize=9)
    axes[-1].set(xlabel="seconds", xlim=(0, len(mix) / rate))
    write_figure(path, figure, dpi=90)


def main():
    """Separates an item and draws it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("item")
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="voices-8k-3")
    asked = parser.parse_args()
    model = WaveformSeparation.from_hparams(asked.model)
    rate = model.hparams.sample_rate
    rows = read_manifest(asked.manifest, asked.manifest.parent)
    row = rows[asked.item]
    paths = [row[key] for key in source_keys(row)]
    mix, src = read_example(row["mix_wav"], paths, rate)
    est = model.separate_array(mix, rate)
    pairwise = partial(pairwise_neg_si_snr_or_level, mix=mix.unsqueeze(0))
    est, src = est.unsqueeze(0), src.unsqueeze(0)
    est = reorder(est, pit(pairwise, est, src)[1])[0]
    speech = who_speaks(est, src[0], rate, mix)
    draw(asked.out, mix.numpy(), est.numpy(), speech, rate)
    print(f"{speech.talkers} talk, {100 * speech.wrong:.1f} % of frames wrong")


if __name__ == "__main__":
    main()
