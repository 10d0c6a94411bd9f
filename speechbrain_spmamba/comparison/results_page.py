"""The results of a comparison as a page of Markdown."""

from collections.abc import Sequence

from speechbrain_spmamba.comparison.figures import title_of
from speechbrain_spmamba.files.markdown import markdown_table, number

SCORES = (
    ("sdr", "SDR"),
    ("sdri", "SDRi"),
    ("si_snr", "SI-SNR"),
    ("si_snri", "SI-SNRi"),
)
SIZES = {
    "small": "small sizes (`--smoke`)",
    "published": "published sizes",
    "own": "sizes of its own (`<system>/experiment.yaml`)",
}
FIGURE_TEXTS = {
    "curves.png": "Learning curves: SNR in training, SI-SNRi in validation.",
    "quality_cost.png": "SI-SNRi of the test set, with its interval, against "
    "cost. Left and up is better.",
}


def results_page(report: dict, figures: Sequence[str] = ()) -> str:
    """The text of ``report.md``.

    Arguments
    ---------
    report : dict
        See ``comparison.results.collect``.
    figures : list of str
        Names of the figures that stand beside it.

    Returns
    -------
    str
        Markdown.
    """
    systems = report["systems"]
    parts = ["# Comparison", _budget(report)]
    if report["failures"] or report["unfinished"]:
        parts.append(_missing(report))
    parts += ["## Scores and costs", _scores(systems), _notes(systems)]
    if any(s["differences"] for s in systems.values()):
        parts += ["## Differences to SPMamba", _differences(systems)]
    parts += ["## Training", _training(systems)]
    parts += [
        f"![{FIGURE_TEXTS[f]}]({f})\n\n{FIGURE_TEXTS[f]}" for f in figures
    ]
    parts += ["## Data", _data(report["data"])]
    parts += [
        "## Versions",
        _versions(systems),
        "## Commands",
        _commands(report),
    ]
    return "\n\n".join(parts) + "\n"


def score(found: dict, sign: str = "") -> str:
    """A mean and its interval as text.

    Arguments
    ---------
    found : dict
        See ``scoring.intervals.describe``.
    sign : str
        "+" writes the sign of positive numbers, too.

    Returns
    -------
    str
        The text.

    Example
    -------
    >>> score({"mean": 3.456, "interval": [3.0, 4.0]})
    '3.46 (3.00 to 4.00)'
    """
    if found["mean"] is None:
        return "-"
    low, high = found["interval"]
    return f"{found['mean']:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})"


def _budget(report):
    """What each system was given."""
    budget = report["budget"]
    if "epochs" in budget:
        text = f"{budget['epochs']} epochs"
    elif "minutes" in budget:
        text = f"{budget['minutes']:g} minutes of training"
    else:
        text = "the epochs of the experiment"
    return (
        f"Every system trained on the same data for {text}, in "
        f"{SIZES[report['sizes']]}; the "
        "weights with the best validation were tested."
    )


def _missing(report):
    """What failed or has not been run."""
    lines = [
        f"- **{n} failed**: {why}" for n, why in report["failures"].items()
    ]
    lines += [
        f"- {name} is not finished"
        for name in report["unfinished"]
        if name not in report["failures"]
    ]
    return "\n".join(lines)


def _scores(systems):
    """The table of the paper, with costs beside."""
    head = ["", *(f"{title}, dB" for _, title in SCORES)]
    head += ["parameters, M", "MACs, G/s", "memory, MB", "RTF"]
    rows = [
        [
            title_of(name),
            *(score(found[key]) for key, _ in SCORES),
            number(found["parameters"], 1e6),
            number(found["macs"], 1e9),
            number(found["peak_bytes"], 1e6, ".0f"),
            number(found["rtf"]),
        ]
        for name, found in systems.items()
    ]
    return markdown_table(head, rows)


def _notes(systems):
    """What the columns are."""
    devices = {s["device"] for s in systems.values() if s["device"]}
    where = f" on {', '.join(sorted(devices))}" if devices else ""
    items = sorted({str(s["items"]) for s in systems.values()})
    talkers = {s["si_snri"]["talkers"] for s in systems.values()}
    known = talkers and None not in talkers
    over = f"their {max(talkers)} talkers" if known else "mixtures"
    return (
        f"Means over {' or '.join(items) or 'no'} test mixtures, in brackets "
        f"95 % bootstrap intervals over {over}. MACs for a second of audio, "
        "of the networks as published. Memory (peak) and RTF (seconds of "
        f"computing for a second of audio) of one forward pass{where}."
        f"{_undefined(systems)}"
    )


def _undefined(systems):
    """What the means of improvements leave out, if anything."""
    counts = sorted({s["undefined"] for s in systems.values()} - {0})
    if not counts:
        return ""
    return (
        f" SI-SNRi and SDRi leave out {' or '.join(map(str, counts))} "
        "mixtures: a source is silent, or alone in the mixture."
    )


def _differences(systems):
    """Each system against the reference."""
    rows = [
        [
            title_of(name),
            score(found["differences"]["si_snri"], "+"),
            score(found["differences"]["sdri"], "+"),
            found["differences"]["si_snri"]["items"],
        ]
        for name, found in systems.items()
        if found["differences"]
    ]
    text = (
        "System minus SPMamba on the same mixtures: mean and 95 % bootstrap "
        "interval. An interval that holds 0 shows no difference."
    )
    head = ["", "SI-SNRi, dB", "SDRi, dB", "mixtures"]
    return f"{markdown_table(head, rows)}\n\n{text}"


def _training(systems):
    """What training brought."""
    learned = {True: "yes", False: "no", None: "-"}
    rows = [
        [
            title_of(name),
            number(found["minutes"], form=".1f"),
            number(found["lr"]),
            found["epochs"] or "-",
            found["best_epoch"] or "-",
            *(number(v, form=".2f") for v in found["train_snr"] or (None,) * 2),
            learned[found["learned"]],
        ]
        for name, found in systems.items()
    ]
    head = ["", "minutes", "learning rate", "epochs", "best epoch"]
    head += ["first train SNR, dB", "last train SNR, dB", "learned"]
    text = (
        "Learned: the training loss (negative SNR) fell from the first epoch "
        "to the last, if there are two, and SI-SNRi on the test set is above "
        "0 dB by twice what its interval leaves below it. Dashes: a model "
        "folder that was not trained here."
    )
    return f"{markdown_table(head, rows)}\n\n{text}"


def _data(data):
    """The sets."""
    rows = [
        [name, s["items"], f"{s['hours']:.2f}", f"`{s['sha256'][:16]}`"]
        for name, s in data.items()
    ]
    return markdown_table(
        ["set", "mixtures", "hours", "SHA-256 of manifest"], rows
    )


def _versions(systems):
    """Versions; more than one of a kind is told apart by system."""
    texts_of = {}
    for name, found in systems.items():
        for what, text in found["versions"].items():
            texts_of.setdefault(what, {}).setdefault(text, []).append(name)
    rows = []
    for what, texts in texts_of.items():
        for text, names in texts.items():
            who = f" ({', '.join(names)})" if len(texts) > 1 else ""
            rows.append([what, f"{text}{who}"])
    return markdown_table(["", "version or name"], rows)


def _commands(report):
    """What was typed, and what that ran."""
    typed = "\n".join(dict.fromkeys(report["commands"]))
    ran = "\n".join(
        c for s in report["systems"].values() for c in s["commands"]
    )
    return f"```sh\n{typed}\n```\n\nwhich ran\n\n```sh\n{ran}\n```"
