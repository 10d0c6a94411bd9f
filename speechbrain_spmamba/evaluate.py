"""Test results: a row a mixture, a summary with an interval, examples.

results.csv    ID, duration, si_snr, si_snri, sdr, sdri   (dB)
summary.json   mean, median and 95 % interval of each figure
examples/<ID>/ mixture, estimates and references as audio and a figure
"""

import csv
import json
import math
from pathlib import Path

import numpy as np

from speechbrain_spmamba.audio import replacing, write_audio
from speechbrain_spmamba.loss import reorder
from speechbrain_spmamba.metrics import score
from speechbrain_spmamba.spectrograms import draw_spectrograms

FIGURES = ("si_snr", "si_snri", "sdr", "sdri")


class Evaluation:
    """Collects the scores of a test set from the batches of one pass.

    Arguments
    ---------
    folder : str or Path
        Gets the files that stand at the top of this module.
    sample_rate : int
        Rate in Hz, for durations and examples.
    num_examples : int
        Mixtures of which audio and a figure are kept.

    Example
    -------
    >>> import torch
    >>> folder = getfixture("tmp_path")
    >>> evaluation = Evaluation(folder, 8000)
    >>> src = torch.randn(1, 4000, 2)
    >>> order = torch.tensor([[0, 1]])
    >>> evaluation.add(["a"], src.sum(-1), src, src, order)
    >>> evaluation.finish()["mixtures"]
    1
    """

    def __init__(self, folder, sample_rate, num_examples=0):
        self.folder = Path(folder)
        self.sample_rate = sample_rate
        self.num_examples = num_examples
        self.rows = []

    def add(self, ids, mix, est, src, order, lengths=None):
        """Scores a batch.

        Arguments
        ---------
        ids : list of str
            Names of the items.
        mix : torch.Tensor
            Mixtures, shape ``[B, T]`` or ``[B, T, M]``.
        est : torch.Tensor
            Estimates, shape ``[B, T, S]``.
        src : torch.Tensor
            Sources, shape ``[B, T, S]``.
        order : torch.Tensor
            Which estimate is which source, shape ``[B, S]``, from ``pit``.
        lengths : torch.Tensor, optional
            Relative lengths, shape ``[B]``.
        """
        mix = mix if mix.dim() == 2 else mix[..., 0]
        est = reorder(est, order)
        for index, item in enumerate(ids):
            samples = mix.shape[1]
            if lengths is not None:
                samples = round(float(lengths[index]) * samples)
            signals = [
                x[index, :samples].cpu().float() for x in (mix, est, src)
            ]
            figures = score(*signals)
            duration = samples / self.sample_rate
            self.rows.append({"ID": item, "duration": duration, **figures})
            if len(self.rows) <= self.num_examples:
                save_example(
                    self.folder / "examples" / item, *signals, self.sample_rate
                )

    def finish(self):
        """Writes the table and the summary.

        Returns
        -------
        dict
            ``mixtures``, ``hours`` and, for each figure, ``mean``,
            ``median`` and ``interval`` (95 %, of the mean).
        """
        rows = sorted(self.rows, key=lambda row: row["ID"])
        with (
            replacing(self.folder / "results.csv") as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(
                file, ["ID", "duration", *FIGURES], lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(rows)
        summary = {
            "mixtures": len(rows),
            "hours": sum(row["duration"] for row in rows) / 3600,
        }
        for name in FIGURES:
            summary[name] = describe([row[name] for row in rows])
        with replacing(self.folder / "summary.json") as temporary:
            temporary.write_text(
                json.dumps(summary, indent=2) + "\n", encoding="utf-8"
            )
        return summary


def describe(values, draws=2000):
    """Mean, median and a bootstrap interval of the mean.

    Arguments
    ---------
    values : list of float
        One for each mixture; those that are not finite are left out.
    draws : int
        Resamplings.

    Returns
    -------
    dict
        ``mean``, ``median``, ``interval`` (list of two); None without values.

    Example
    -------
    >>> describe([1.0, 2.0, 6.0])["median"]
    2.0
    """
    values = np.array([v for v in values if math.isfinite(v)])
    if not len(values):
        return {"mean": None, "median": None, "interval": None}
    rng = np.random.default_rng(0)
    means = rng.choice(values, (draws, len(values))).mean(axis=1)
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "interval": [float(q) for q in np.quantile(means, (0.025, 0.975))],
    }


def save_example(folder, mix, est, src, sample_rate):
    """Keeps a mixture, its estimates and references as audio and figure.

    Arguments
    ---------
    folder : Path
        Where to.
    mix : torch.Tensor
        Shape ``[T]``.
    est : torch.Tensor
        Shape ``[T, S]``, in the order of the references.
    src : torch.Tensor
        Shape ``[T, S]``.
    sample_rate : int
        Rate in Hz.
    """
    signals = {"mixture": mix}
    for index in range(src.shape[1]):
        signals[f"estimate{index + 1}"] = est[:, index]
        signals[f"reference{index + 1}"] = src[:, index]
    signals = {name: signal.numpy() for name, signal in signals.items()}
    for name, signal in signals.items():
        write_audio(folder / f"{name}.wav", signal, sample_rate)
    draw_spectrograms(folder / "spectrograms.png", signals, sample_rate)
