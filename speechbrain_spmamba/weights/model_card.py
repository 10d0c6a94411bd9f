"""The model card of a training run: README.md of a folder for the Hub.

Everything in it is read from the run. What the run does not tell is said to
be unknown; nothing is supposed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.licenses import (
    InvalidLicenseExpression,
    canonicalize_license_expression,
)

from speechbrain_spmamba.files.markdown import markdown_table
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

if TYPE_CHECKING:
    import torch

    from speechbrain_spmamba.weights.training_run import RunFacts


HUB_TASK = "audio-to-audio"
TITLES = {
    "si_snri": "SI-SNR improvement",
    "sdri": "SDR improvement",
    "si_snr": "SI-SNR",
    "sdr": "SDR",
}
# For readers alone: it is no metric that the Hub could rank.
SILENCE = {"silence": "outputs for silent sources, below the mixture"}
UNKNOWN = "unknown"
# Losses, the toolkit's and ours, that are the same at every level.
WITHOUT_LEVEL = ("get_si_snr_with_pitwrapper", "pairwise_neg_si_snr")
# What the Hub knows besides the SPDX list.
HUB_LICENSES = ("other", "unknown", "cc", "gpl", "lgpl", "openrail")


def known_license(name: str) -> str:
    """A licence as the Hub names it.

    Arguments
    ---------
    name : str
        SPDX expression in any case, or one of the Hub's own words.

    Returns
    -------
    str
        In small letters.

    Raises
    ------
    ValueError
        No such licence.

    Example
    -------
    >>> known_license("CC-BY-4.0")
    'cc-by-4.0'
    """
    if name.lower() in HUB_LICENSES:
        return name.lower()
    try:
        return canonicalize_license_expression(name).lower()
    except InvalidLicenseExpression:
        raise ValueError(
            f"--license is '{name}'; expected a licence of the SPDX list, for "
            "example cc-by-4.0, apache-2.0 or mit, or "
            + ", ".join(HUB_LICENSES)
        ) from None


def model_card(
    facts: RunFacts, separator: torch.nn.Module, license: str | None = None
) -> str:
    """Writes the card.

    Arguments
    ---------
    facts : speechbrain_spmamba.weights.training_run.RunFacts
        Of the run whose weights are exported.
    separator : torch.nn.Module
        Its model.
    license : str, optional
        Licence of the weights, as the Hub names it.

    Returns
    -------
    str
        Markdown with YAML front matter.
    """
    settings = facts.settings
    name = f"{type(separator).__name__} ({settings.get('name', UNKNOWN)})"
    parts = [
        f"---\n{_front_matter(name, facts, license)}\n---",
        f"# {name}",
        _about(separator, settings),
        "## Use",
        USAGE,
        "## Data",
        _data(facts),
        "## Training",
        _training(facts),
        "## Scores",
        _results(facts.scores),
        "## Limits",
        _limits(settings, facts.sets["train"]),
        "## Licence",
        license or "Not stated; ask who made these weights.",
    ]
    return "\n\n".join(parts) + "\n"


USAGE = """\
```python
from speechbrain_spmamba.inference import WaveformSeparation

model = WaveformSeparation.from_hparams(source="this folder, or user/name")
sources = model.separate_file("mixture.wav", "separated")  # [T, num_spks]
```

The same by the toolkit, which runs what the folder says, whoever made it:

```python
from speechbrain.inference.interfaces import foreign_class

model = foreign_class(
    "this folder, or user/name",
    pymodule_file="custom_interface.py",
    classname="WaveformSeparation",
)
```"""


def _front_matter(name, facts, license):
    """What the Hub reads: YAML."""
    # Not at import: it brings much that only this needs.
    from huggingface_hub import EvalResult, ModelCardData

    data_set, scores = facts.data_set or UNKNOWN, facts.scores or {}
    results = [
        EvalResult(
            task_type=HUB_TASK,
            task_name="Speech separation",
            dataset_type=data_set,
            dataset_name=f"{data_set} (test)",
            metric_type=metric,
            metric_name=f"{title} (dB)",
            metric_value=round(mean, 2),
        )
        for metric, title in TITLES.items()
        if (mean := (scores.get(metric) or {}).get("mean")) is not None
    ]
    return ModelCardData(
        library_name="speechbrain",
        pipeline_tag=HUB_TASK,
        tags=["speech-separation", "source-separation", "speechbrain"],
        license=license,
        metrics=[result.metric_type for result in results] or None,
        model_name=name if results else None,
        eval_results=results or None,
    ).to_yaml()


def _about(separator, settings):
    """Parameters, rate and sources."""
    parameters = sum(p.numel() for p in separator.parameters())
    model = f"{type(separator).__module__}.{type(separator).__qualname__}"
    return (
        f"Separates {settings['num_spks']} sources from one mixture at "
        f"{settings['sample_rate']} Hz. Model: `{model}`, "
        f"{parameters:,} parameters."
    )


def _data(facts):
    """What it was trained and tested on."""
    settings = facts.settings
    lines = [f"Data set: {facts.data_set or UNKNOWN}."]
    if isinstance(settings.get("splits"), dict):
        kept = {k: v for k, v in settings["splits"].items() if k != "!"}
        lines.append(f"Splits, as set: `{json.dumps(kept)}`.")
    for split, found in facts.sets.items():
        if found is None:
            lines.append(f"{split}: size unknown, its manifest was not there.")
        else:
            noise = "with" if found["noise"] else "without"
            sources = " to ".join(map(str, dict.fromkeys(found["sources"])))
            lines.append(
                f"{split}: {found['mixtures']} mixtures of {sources} "
                f"sources, {_hours(found)}, {noise} noise files."
            )
    mixing = settings.get("dynamic_mixing")
    if mixing and mixing != {}:
        lines.append("Trained on new mixtures of these sources every epoch.")
    return "\n".join(f"* {line}" for line in lines)


def _training(facts):
    """How it was trained."""
    settings = facts.settings
    known = {
        "epochs": facts.epochs,
        "minutes": _rounded(facts.minutes),
        "batch size of a process": settings.get("batch_size"),
        "batches a step": settings.get("grad_accumulation_factor"),
        "seconds of a crop": settings.get("segment"),
        "precision": settings.get("precision"),
        "optimizer": (settings.get("optimizer") or {}).get("!"),
        "learning rate": settings.get("lr"),
        "loss": (settings.get("train_loss") or {}).get("!"),
        "decay of the average of weights": settings.get("ema_decay"),
        "seed": settings.get("seed"),
        "number of processes": None,
        **facts.further,
    }
    if settings.get("start_from"):
        # Its epochs and minutes are not all that it has learned.
        known["began with the weights of"] = Path(settings["start_from"]).name
    return "\n".join(
        f"* {name}: {UNKNOWN if value is None else value}"
        for name, value in known.items()
    )


def _results(scores):
    """Measured scores."""
    if scores is None:
        return "Not measured for these weights."
    rows = []
    for metric, title in {**TITLES, **SILENCE}.items():
        figure = scores.get(metric) or {}
        if figure.get("mean") is None:
            continue
        low, high = figure["interval"]
        mean, median = f"{figure['mean']:.2f}", f"{figure['median']:.2f}"
        rows.append([title, mean, f"{low:.2f} to {high:.2f}", median])
    head = ["figure", "mean (dB)", "95 % interval", "median"]
    lines = [markdown_table(head, rows, text_columns=4), ""]
    lines += [f"On {scores['mixtures']} mixtures, {_hours(scores)}."]
    if scores.get("undefined"):
        lines.append(
            f"{scores['undefined']} of them have no improvement: a source is "
            "silent, or alone in the mixture."
        )
    return "\n".join(lines)


def _limits(settings, train):
    """What it has never met, as far as the run tells."""
    sample_rate, most = settings["sample_rate"], settings["num_spks"]
    least = _least_sources(settings, train)
    seen = f"more or fewer than {most}"
    if least < most:
        fewer = f"fewer than {least} or " if least else ""
        seen = f"{fewer}more than {most}"
    lines = [
        f"Never saw {seen} sources a mixture, nor "
        f"frequencies above {sample_rate / 2:g} Hz.",
        "Never saw other data than named above: other languages, rooms and "
        "microphones are not measured.",
        "The order of its outputs means nothing.",
    ]
    if isinstance(settings.get("segment"), (int, float)):
        lines.append(
            f"Never saw more than {settings['segment']:g} s at once while it "
            "was trained."
        )
    loss = (settings.get("train_loss") or {}).get("!", "")
    if loss.endswith(WITHOUT_LEVEL):
        lines.append(
            "Its loss does not hear levels: what it gives may be louder or "
            "softer than in the mixture."
        )
    if train is not None and not train["noise"]:
        lines.append("Its training mixtures name no noise files.")
    return "\n".join(f"* {line}" for line in lines)


def _least_sources(settings, train):
    """The fewest sources of a training mixture; all, if nothing tells."""
    mixing = settings.get("dynamic_mixing")
    if isinstance(mixing, dict) and mixing.get("num_spks") is not None:
        return TalkerCounts.of(mixing["num_spks"]).least
    return train["sources"][0] if train else settings["num_spks"]


def _hours(found):
    """The hours of a set."""
    hours = found["hours"]
    return f"{UNKNOWN} hours" if hours is None else f"{hours:.3g} h"


def _rounded(number):
    """One decimal, or None."""
    return round(number, 1) if isinstance(number, (int, float)) else None
