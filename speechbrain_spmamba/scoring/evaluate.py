"""Test results: a row a mixture, a summary with an interval, examples.

results.csv    ID, duration, si_snr, si_snri, sdr, sdri, sir, sar, silence
               (dB), or what else is chosen (``choice.py``), how many talk
               and were found, frames with wrong activity, talkers
summary.json   mean, median and 95 % interval of each figure, of all and by the
               number of talkers, and over time; whose they are
talkers.csv    mixtures and mean si_snri of each talker, if IDs tell them
examples/<ID>/ mixture, estimates and references as audio and a figure

``silence`` is how far the outputs for silent sources are below the mixture. A
figure that is undefined (``metrics.py``) is empty in the table and left out of
the mean; ``undefined`` counts the mixtures without an improvement. By the
number of talkers: ``by_talkers.py``; over time: ``over_time.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_spmamba.audio import write_audio
from speechbrain_spmamba.files.names import file_name, shown
from speechbrain_spmamba.files.writing import write_csv, write_json
from speechbrain_spmamba.scoring.by_talkers import (
    by_talkers,
    count_matrix,
    describe_rows,
    talker_lines,
)
from speechbrain_spmamba.scoring.choice import (
    DEFAULT,
    METRICS,
    TITLES,
    form,
    unit,
)
from speechbrain_spmamba.scoring.diarization import (
    DiarizationErrors,
    diarization_lines,
)
from speechbrain_spmamba.scoring.intervals import interval_text
from speechbrain_spmamba.scoring.item import COUNTS, SILENCE, score_item
from speechbrain_spmamba.scoring.loss import first_microphone, reorder
from speechbrain_spmamba.scoring.over_time import (
    describe_over_time,
    over_time_lines,
)
from speechbrain_spmamba.scoring.spectrograms import draw_spectrograms

if TYPE_CHECKING:
    import torch


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
    diarization : bool
        Also tell the diarization error, see ``scoring.diarization``.
    metrics : list of str
        Keys of ``scoring.choice.METRICS``.

    Raises
    ------
    ValueError
        What diarization needs is not installed.

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

    def __init__(
        self,
        folder: str | Path,
        sample_rate: int,
        num_examples: int = 0,
        diarization: bool = False,
        metrics: Sequence[str] = DEFAULT,
    ) -> None:
        self.folder = Path(folder)
        self.sample_rate = sample_rate
        self.metrics = metrics
        self.num_examples = num_examples
        self.diarization = (
            DiarizationErrors(sample_rate) if diarization else None
        )
        self.rows, self.over_time = [], []  # an entry a mixture

    def add(
        self,
        ids: list[str],
        mix: torch.Tensor,
        est: torch.Tensor,
        src: torch.Tensor,
        order: torch.Tensor,
        lengths: torch.Tensor | None = None,
    ) -> None:
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
        rate = self.sample_rate
        items = each_item(ids, mix, est, src, order, lengths)
        for item, mix_item, est_item, src_item in items:
            row, over_time, speech = score_item(
                item, mix_item, est_item, src_item, rate, self.metrics
            )
            self.take(row, over_time)
            if self.diarization is not None:
                self.diarization.add(speech)
            if len(self.rows) <= self.num_examples:
                folder = self.folder / "examples" / file_name(item)
                save_example(folder, mix_item, est_item, src_item, rate)

    def take(self, row, over_time):
        """Takes the scores of an item, see ``item.score_item``."""
        self.rows.append(row)
        self.over_time.append(over_time)

    def finish(
        self, checkpoint: dict | None = None, further: dict | None = None
    ) -> dict:
        """Writes the table and the summary.

        Arguments
        ---------
        checkpoint : dict, optional
            That which was tested, see ``training.checkpoint.identity``.
        further : dict, optional
            What else the summary tells.

        Returns
        -------
        dict
            ``checkpoint``, ``further``, ``mixtures``, ``hours``, ``longest``
            (seconds), ``undefined`` (mixtures without an improvement),
            ``worse`` (share of the others that is worse than before); what
            ``by_talkers.describe_rows`` says of all, and by the number of
            talkers (``by_talkers``); ``count_matrix``, mixtures by the number
            of talkers (rows) and the number found (columns); ``over_time``
            (``over_time.describe_over_time``) and, if wanted,
            ``diarization`` (``diarization.DiarizationErrors``).
        """
        both = zip(self.rows, self.over_time, strict=True)
        both = sorted(both, key=lambda pair: pair[0]["ID"])
        rows, over_time = map(list, zip(*both, strict=True))
        figures = [name for name in TITLES if name in rows[0]]
        columns = ["ID", "duration", *figures, SILENCE, *COUNTS, "talkers"]
        write_csv(self.folder / "results.csv", rows, columns, undefined="")
        durations = [row["duration"] for row in rows]
        true, found = ([row[name] for row in rows] for name in COUNTS[:2])
        outputs = len(over_time[0]["frames"]) - 1
        talkers = [row["talkers"].split() for row in rows]
        summary = {
            "checkpoint": checkpoint,
            **(further or {}),
            "hours": sum(durations) / 3600,
            "longest": max(durations),
            **describe_rows(rows),
            "by_talkers": by_talkers(rows),
            "count_matrix": count_matrix(true, found, outputs).tolist(),
            "over_time": describe_over_time(over_time, talkers),
        }
        if self.diarization is not None:
            summary["diarization"] = self.diarization.finish()
        gains = [row.get("si_snri", math.nan) for row in rows]
        items = len(rows) - sum(map(math.isnan, gains))
        summary["undefined"] = len(rows) - items
        worse = sum(gain < 0 for gain in gains)  # NaN is not
        summary["worse"] = worse / items if items else None
        known = all(row["talkers"] or not row["num_talkers"] for row in rows)
        if known and items:
            write_csv(self.folder / "talkers.csv", by_talker(rows))
        write_json(self.folder / "summary.json", summary)
        return summary


def by_talker(rows: list[dict]) -> list[dict]:
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


def each_item(
    ids: list[str],
    mix: torch.Tensor,
    est: torch.Tensor,
    src: torch.Tensor,
    order: torch.Tensor,
    lengths: torch.Tensor | None = None,
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor, torch.Tensor]]:
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
        yield item, signals[0], signals[1], signals[2]


def summary_lines(summary: dict) -> list[str]:
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
    >>> import torch
    >>> evaluation = Evaluation(getfixture("tmp_path"), 8000)
    >>> src, order = torch.randn(1, 4000, 2), torch.tensor([[0, 1]])
    >>> evaluation.add(["a"], src.sum(-1), src, src, order)
    >>> for line in summary_lines(evaluation.finish()):
    ...     print(line)
    Tested on 1 mixtures:
      mean SI-SNRi ... dB (95 % interval over mixtures ...)
      mean SDRi ... dB (95 % interval over mixtures ...)
      mean SIR ... dB (95 % interval over mixtures ...)
      mean SAR ... dB (95 % interval over mixtures ...)
      0.0 % of them are worse than before
    """
    lines = [f"Tested on {summary['mixtures']} mixtures:"]
    texts = {
        name: f"mean {title} {{mean:{form(name)}}}{unit(name)}"
        for name, title in TITLES.items()
        # Where there are improvements, they tell more.
        if f"{name}i" not in summary
    }
    texts[SILENCE] = (
        "outputs for silent sources, of {items} mixtures: {mean:.2f} dB "
        "below the mixture"
    )
    for name, text in texts.items():
        figure = summary.get(name)
        if figure and figure["mean"] is not None:
            lost = summary["mixtures"] - figure["items"]
            # Of improvements and silence that is said elsewhere.
            if lost and name in METRICS:
                text += f", undefined for {lost} mixtures"
            interval = interval_text(figure, form=form(name))
            lines.append(f"  {text.format(**figure)} {interval}")
    if summary["worse"] is not None:
        lines.append(
            f"  {100 * summary['worse']:.1f} % of them are worse than before"
        )
    if summary["undefined"] and "si_snri" in summary:
        lines.append(
            f"  {summary['undefined']} mixtures without an improvement, in "
            "neither mean: nobody talks, or one with nothing else in it"
        )
    return [
        *lines,
        *talker_lines(summary),
        *over_time_lines(summary),
        *diarization_lines(summary.get("diarization")),
    ]


def save_example(
    folder: Path,
    mix: torch.Tensor,
    est: torch.Tensor,
    src: torch.Tensor,
    sample_rate: int,
) -> None:
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
