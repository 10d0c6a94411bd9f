"""Test results: a row a mixture, a summary with an interval, examples.

results.csv    ID, duration, si_snr, si_snri, sdr, sdri, silence (dB), talkers
summary.json   mean, median and 95 % interval of each figure; whose they are
talkers.csv    mixtures and mean si_snri of each talker, if IDs tell them
examples/<ID>/ mixture, estimates and references as audio and a figure

``silence`` is how far the outputs for silent sources are below the mixture. A
figure that is undefined (``metrics.py``) is empty in the table and left out of
the mean; ``undefined`` counts the mixtures without an improvement.
"""

import math
from pathlib import Path

from speechbrain_spmamba.audio import write_audio
from speechbrain_spmamba.files.names import file_name, shown
from speechbrain_spmamba.files.writing import write_csv, write_json
from speechbrain_spmamba.scoring.intervals import describe
from speechbrain_spmamba.scoring.loss import first_microphone, reorder
from speechbrain_spmamba.scoring.metrics import below_mixture, score
from speechbrain_spmamba.scoring.spectrograms import draw_spectrograms
from speechbrain_spmamba.talkers import find_talkers

FIGURES = ("si_snr", "si_snri", "sdr", "sdri")
SILENCE = "silence"
NOT_FINITE = (
    "the mixture of '{item}' has NaN or infinite samples; repair it or leave "
    "the item out",
    "the model gives NaN or infinite samples for '{item}'; check its weights, "
    "take an earlier checkpoint or another precision",
    "a source of '{item}' has NaN or infinite samples; repair it or leave the "
    "item out",
)


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
        est, src, lengths
            As for ``pit``.
        order : torch.Tensor
            Which estimate is which source, shape ``[B, S]``, from ``pit``.

        Raises
        ------
        ValueError
            A signal that is not finite.
        """
        for item, *signals in each_item(ids, mix, est, src, order, lengths):
            row = {"ID": item, "duration": len(signals[0]) / self.sample_rate}
            row.update(score(*signals))
            row[SILENCE] = below_mixture(*signals)
            names = find_talkers(item, signals[-1].shape[1])
            row["talkers"] = "" if item in names else " ".join(names)
            self.rows.append(row)
            if len(self.rows) <= self.num_examples:
                folder = self.folder / "examples" / file_name(item)
                save_example(folder, *signals, self.sample_rate)

    def finish(self, checkpoint=None):
        """Writes the table and the summary.

        Arguments
        ---------
        checkpoint : dict, optional
            That which was tested, see ``training.checkpoint.identity``.

        Returns
        -------
        dict
            ``checkpoint``, ``mixtures``, ``hours``, ``undefined`` (mixtures
            without an improvement), ``worse`` (share of the others that is
            worse than before) and, for each figure, what
            ``scoring.intervals.describe`` says of it.
        """
        rows = sorted(self.rows, key=lambda row: row["ID"])
        columns = ["ID", "duration", *FIGURES, SILENCE, "talkers"]
        write_csv(self.folder / "results.csv", rows, columns, undefined="")
        summary = {
            "checkpoint": checkpoint,
            "mixtures": len(rows),
            "hours": sum(row["duration"] for row in rows) / 3600,
        }
        talkers = [row["talkers"].split() for row in rows]
        for name in (*FIGURES, SILENCE):
            summary[name] = describe([row[name] for row in rows], talkers)
        items = summary["si_snri"]["items"]
        summary["undefined"] = len(rows) - items
        worse = sum(row["si_snri"] < 0 for row in rows)  # NaN is not
        summary["worse"] = worse / items if items else None
        if all(talkers):
            write_csv(self.folder / "talkers.csv", by_talker(rows))
        write_json(self.folder / "summary.json", summary)
        return summary


def by_talker(rows):
    """What the model does for each talker, worst first.

    Arguments
    ---------
    rows : list of dict
        Of ``results.csv``, with ``talkers`` and ``si_snri``.

    Returns
    -------
    list of dict
        ``talker``, ``mixtures`` (of those with an improvement) and
        ``si_snri``, the mean of these.

    Example
    -------
    >>> rows = [{"talkers": "a b", "si_snri": 1.0}]
    >>> by_talker(rows + [{"talkers": "a c", "si_snri": 2.0}])[0]
    {'talker': 'b', 'mixtures': 1, 'si_snri': 1.0}
    """
    gains = {}
    for row in rows:
        if not math.isnan(row["si_snri"]):
            for name in row["talkers"].split():
                gains.setdefault(name, []).append(row["si_snri"])
    found = [
        {
            "talker": name,
            "mixtures": len(some),
            "si_snri": sum(some) / len(some),
        }
        for name, some in gains.items()
    ]
    return sorted(found, key=lambda row: (row["si_snri"], row["talker"]))


def each_item(ids, mix, est, src, order, lengths=None):
    """Takes a batch apart.

    Arguments
    ---------
    ids, mix, est, src, order, lengths
        See ``Evaluation.add``.

    Yields
    ------
    str
        Name of an item.
    torch.Tensor
        Its mixture (first microphone), shape ``[T]``, without padding.
    torch.Tensor
        Its estimates in the order of the sources, shape ``[T, S]``.
    torch.Tensor
        Its sources, shape ``[T, S]``.

    Raises
    ------
    ValueError
        A signal that is not finite: no score can be trusted then.
    """
    mix, est = first_microphone(mix), reorder(est, order)
    for index, item in enumerate(ids):
        samples = mix.shape[1]
        if lengths is not None:
            samples = round(float(lengths[index]) * samples)
        signals = [x[index, :samples].cpu().float() for x in (mix, est, src)]
        for signal, what in zip(signals, NOT_FINITE, strict=True):
            if not signal.isfinite().all():
                raise ValueError(what.format(item=shown(item)))
        yield item, *signals


def summary_lines(summary):
    """What a test brought, to be printed.

    Arguments
    ---------
    summary : dict
        See ``Evaluation.finish``.

    Returns
    -------
    list of str
        Lines.

    Example
    -------
    >>> figures = dict.fromkeys(("si_snri", "sdri", "silence"), describe([]))
    >>> figures |= {"si_snri": describe([3.0, 3.0]), "worse": 0.0}
    >>> for line in summary_lines({"mixtures": 2, "undefined": 0, **figures}):
    ...     print(line)
    Tested on 2 mixtures:
      mean SI-SNRi 3.00 dB (95 % interval over mixtures 3.00 to 3.00)
      0.0 % of them are worse than before
    """
    lines = [f"Tested on {summary['mixtures']} mixtures:"]
    for name, text in (
        ("si_snri", "mean SI-SNRi {mean:.2f} dB"),
        ("sdri", "mean SDRi {mean:.2f} dB"),
        (
            SILENCE,
            "outputs for silent sources, of {items} mixtures: {mean:.2f} dB "
            "below the mixture",
        ),
    ):
        figure = summary[name]
        if figure["mean"] is not None:
            low, high = figure["interval"]
            over = figure["talkers"]
            over = f"{over} talkers" if over else "mixtures"
            interval = f"(95 % interval over {over} {low:.2f} to {high:.2f})"
            lines.append(f"  {text.format(**figure)} {interval}")
    if summary["worse"] is not None:
        lines.append(
            f"  {100 * summary['worse']:.1f} % of them are worse than before"
        )
    if summary["undefined"]:
        lines.append(
            f"  {summary['undefined']} mixtures without an improvement, in "
            "neither mean: a source is silent, or alone in the mixture"
        )
    return lines


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
