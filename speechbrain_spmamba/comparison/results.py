"""From the files of a comparison to its tables and figures.

Reads what ``comparison`` has left in a folder and writes beside it

report.md           the table of the paper with costs, differences, figures
report.json         the same figures for programs
table.csv           a row a system
per_utterance.csv   a row a test mixture, four columns a system
curves.png          learning curves
quality_cost.png    SI-SNRi against MACs and parameters

All intervals are 95 % bootstrap intervals over the talkers of the test, or over
its mixtures where talkers are not known: they say how much other talkers would
change a figure, not how much another training would. Differences between
systems are taken mixture by mixture.
"""

from pathlib import Path

from speechbrain_spmamba.comparison.figures import draw_costs, draw_curves
from speechbrain_spmamba.comparison.one_system import read_noted
from speechbrain_spmamba.comparison.results_page import results_page
from speechbrain_spmamba.files.figures import write_figure
from speechbrain_spmamba.files.text import read_csv
from speechbrain_spmamba.files.writing import (
    write_csv,
    write_json,
    write_text,
)
from speechbrain_spmamba.scoring.intervals import describe
from speechbrain_spmamba.scoring.paired import paired_difference

FIGURES = ("si_snr", "si_snri", "sdr", "sdri")
REFERENCE = "spmamba"
TEXTS = ("ID", "talkers")  # columns of results.csv; all others are numbers
COSTS = (
    "parameters",
    "macs",
    "macs_computed",
    "peak_bytes",
    "rtf",
    "device",
)


def write_report(folder: str | Path) -> dict:
    """Writes the report of a comparison, also of one that is not complete.

    Arguments
    ---------
    folder : str or Path
        The folder of the comparison.

    Returns
    -------
    dict
        What ``report.json`` holds.

    Raises
    ------
    ValueError
        The folder is no comparison.
    """
    folder = Path(folder)
    report = collect(folder)
    scores = {name: read_scores(folder / name) for name in report["systems"]}
    write_json(folder / "report.json", report)
    tables = {
        "table.csv": [table_row(*row) for row in report["systems"].items()],
        "per_utterance.csv": scores_side_by_side(scores),
    }
    for name, rows in tables.items():
        if rows:
            write_csv(folder / name, rows, undefined="")
    histories = {
        name: rows
        for name in report["systems"]
        if (rows := read_rows(folder / name / "run" / "history.csv"))
    }
    figures = {
        "curves.png": histories and draw_curves(histories),
        "quality_cost.png": draw_costs(report["systems"]),
    }
    for name, figure in figures.items():
        if not figure:
            (folder / name).unlink(missing_ok=True)
            continue
        write_figure(folder / name, figure, dpi=130)
    drawn = [name for name, figure in figures.items() if figure]
    write_text(folder / "report.md", results_page(report, drawn))
    return report


def collect(folder: Path) -> dict:
    """All figures of a comparison.

    Arguments
    ---------
    folder : Path
        The folder of the comparison.

    Returns
    -------
    dict
        ``smoke``, ``sizes``, ``budget``, ``commands``, ``failures``, ``data``
        of the comparison and ``systems``, name -> see ``collect_system``.

    Raises
    ------
    ValueError
        The folder is no comparison.
    """
    about = read_noted(folder / "comparison.json")
    if not about:
        raise ValueError(
            f"{folder} is no comparison: it has no comparison.json; make one "
            "with `spmamba compare EXPERIMENT.yaml OUT`"
        )
    names = [
        n for n in about["systems"] if read_noted(folder / n / "finished.json")
    ]
    reference = read_scores(folder / REFERENCE) if REFERENCE in names else {}
    return {
        "path": str(folder / "report.md"),
        **{k: about[k] for k in ("smoke", "budget", "commands", "failures")},
        # Not in older folders.
        "sizes": about.get("sizes", "small" if about["smoke"] else "published"),
        "unfinished": [n for n in about["systems"] if n not in names],
        "data": read_noted(folder / "data.json"),
        "systems": {n: collect_system(folder / n, reference) for n in names},
    }


def collect_system(folder: Path, reference: dict | None = None) -> dict:
    """The figures of a system.

    Arguments
    ---------
    folder : Path
        Its folder.
    reference : dict, optional
        Scores of the system to compare with, see ``read_scores``.

    Returns
    -------
    dict
        ``items``, ``undefined`` (those without an improvement) and, for each
        score, mean, median and interval; costs;
        ``minutes``, ``epochs``, ``best_epoch`` of training; ``learned``;
        ``differences`` to the reference.
    """
    scores = read_scores(folder)
    found: dict = {"items": len(scores)}
    for figure in FIGURES:
        found[figure] = describe(
            [row[figure] for row in scores.values()],
            [row["talkers"] for row in scores.values()],
        )
    found["undefined"] = len(scores) - found["si_snri"]["items"]
    costs = read_noted(folder / "complexity.json")
    found.update({name: costs.get(name) for name in COSTS})
    finished = read_noted(folder / "finished.json")
    found.update({k: finished[k] for k in ("minutes", "versions", "commands")})
    history = read_rows(folder / "run" / "history.csv")
    found.update(judge_training(history, found["si_snri"]))
    found["differences"] = None
    if reference and folder.name != REFERENCE:
        found["differences"] = {
            figure: paired_difference(scores, reference, figure)
            for figure in ("si_snri", "sdri")
        }
    return found


def judge_training(history: list[dict], si_snri: dict) -> dict:
    """What the learning curve says.

    Arguments
    ---------
    history : list of dict
        Rows of ``history.csv``; none for a model that was not trained here.
    si_snri : dict
        Of the test set, see ``scoring.intervals.describe``.

    Returns
    -------
    dict
        ``epochs``; ``lr`` of the first; ``best_epoch``, by validation;
        ``train_snr`` of the first and the last epoch; ``learned``: the loss
        fell from the first epoch to the last, if there are two, and SI-SNRi
        on the test set is so far above 0 dB that an interval of twice the
        length would be, too.

    Example
    -------
    >>> rows = [
    ...     {"lr": 0.1, "train_snr": t, "valid_si_snr": v}
    ...     for t, v in ((1, 2), (3, 1))
    ... ]
    >>> found = judge_training(rows, {"mean": 0.5, "interval": [0.3, 0.7]})
    >>> found["best_epoch"], found["train_snr"], found["learned"]
    (1, [1, 3], True)
    """
    if not history:
        names = ("epochs", "lr", "best_epoch", "train_snr", "learned")
        return dict.fromkeys(names)
    valid = [row["valid_si_snr"] for row in history]
    ends = [history[0]["train_snr"], history[-1]["train_snr"]]
    mean = si_snri["mean"]
    sure = mean is not None and mean > 2 * (mean - si_snri["interval"][0])
    return {
        "epochs": len(history),
        "lr": history[0]["lr"],
        "best_epoch": valid.index(max(valid)) + 1,
        "train_snr": ends,
        "learned": (len(history) == 1 or ends[1] > ends[0]) and sure,
    }


def scores_side_by_side(scores: dict) -> list[dict]:
    """The scores of all systems, a row a mixture.

    Arguments
    ---------
    scores : dict
        System -> see ``read_scores``.

    Returns
    -------
    list of dict
        ``ID`` and ``<system>_<score>``, empty where a system has none.

    Example
    -------
    >>> row = dict.fromkeys(FIGURES, 1.0)
    >>> list(scores_side_by_side({"dprnn": {"a": row}})[0])[:2]
    ['ID', 'dprnn_si_snr']
    """
    items = sorted({item for rows in scores.values() for item in rows})
    return [
        {
            "ID": item,
            **{
                f"{name}_{figure}": rows.get(item, {}).get(figure, "")
                for name, rows in scores.items()
                for figure in FIGURES
            },
        }
        for item in items
    ]


def table_row(name: str, found: dict) -> dict:
    """A system's figures in one row.

    Arguments
    ---------
    name : str
        Its name.
    found : dict
        See ``collect_system``.

    Returns
    -------
    dict
        Scores with ``_low`` and ``_high`` of their intervals, costs and
        training.
    """
    row = {"system": name, "items": found["items"]}
    for figure in FIGURES:
        row[figure] = found[figure]["mean"]
        low, high = found[figure]["interval"] or (None, None)
        row[f"{figure}_low"], row[f"{figure}_high"] = low, high
    names = (*COSTS, "minutes", "lr", "epochs", "best_epoch", "learned")
    return {**row, **{name: found[name] for name in names}}


def read_scores(folder: Path) -> dict:
    """Scores of a system.

    Arguments
    ---------
    folder : Path
        Its folder in the comparison.

    Returns
    -------
    dict
        ID -> row of floats, with ``talkers``, a list that is empty where they
        are not known.
    """
    rows = read_rows(folder / "run" / "test" / "results.csv")
    for row in rows:
        row["talkers"] = row.get("talkers", "").split()
    return {row["ID"]: row for row in rows}


def read_rows(path: Path) -> list[dict]:
    """Rows of a CSV file: text, or else floats, NaN for empty cells.

    Arguments
    ---------
    path : Path
        The file.

    Returns
    -------
    list of dict
        Its rows; none without a file.
    """
    if not path.is_file():
        return []
    return [
        {k: v if k in TEXTS else float(v or "nan") for k, v in row.items()}
        for _, row in read_csv(path)[1]
    ]
