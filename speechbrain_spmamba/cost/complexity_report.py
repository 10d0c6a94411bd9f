"""The report of ``spmamba complexity``: rows, and JSON, CSV and Markdown.

complexity.json   all that was counted and measured
complexity.csv    a row for each model and length
complexity.md     what one reads: models, parts, growth
"""

from pathlib import Path
from typing import Any

from speechbrain_spmamba.cost.complexity import (
    count,
    growth,
    load,
    ptflops,
)
from speechbrain_spmamba.cost.time_and_memory import (
    Measurement,
    measure_in_turns,
)
from speechbrain_spmamba.files.markdown import markdown_table, number
from speechbrain_spmamba.files.writing import write_csv, write_json, write_text
from speechbrain_spmamba.models.systems import SYSTEMS

# Seconds of audio: the same factor between neighbours.
GROWTH = (1.0, 4.0, 15.0, 60.0)
RUNS = ("forward", "step")


def count_model(
    source: str | Path,
    seconds: float = 1.0,
    num_spks: int | None = None,
    trust: bool = False,
) -> dict:
    """Everything about a model that needs no time to be measured.

    Arguments
    ---------
    source, num_spks, trust
        See ``cost.complexity.load``.
    seconds : float
        Length of the recording that the main figures are for.

    Returns
    -------
    dict
        That of ``cost.complexity.count``, and ``ptflops``, ``table1``,
        ``growth`` and, of a causal model, ``stream``.
    """
    model: Any = load(source, num_spks, trust)
    found = count(model, seconds)
    total = [
        count(model, length, computed=False)["macs"] * length
        for length in GROWTH
    ]
    row = SYSTEMS.get(str(source))
    printed = row and row.table_1
    causal = getattr(model, "causal", None)
    return {
        **found,
        "stream": causal
        and {
            "latency_ms": 1000 * model.latency_samples / model.sample_rate,
            "state_bytes": model.state_bytes,
        },
        "ptflops": ptflops(model),
        "table1": printed
        and {
            "parameters": round(printed[0] * 1e6),
            "macs": round(printed[1] * 1e9),
        },
        "growth": {
            "lengths": list(GROWTH),
            "macs": [round(macs) for macs in total],
            "exponent": growth(GROWTH, total),
        },
    }


def measure_models(
    builders: dict, lengths: tuple, device: str, step: bool, repeats: int
) -> dict:
    """Time and memory of models, in turns.

    Arguments
    ---------
    builders : dict
        Name -> function that builds the model.
    lengths, device, step
        See ``Measurement``; the same for all.
    repeats : int
        See ``measure_in_turns``.

    Returns
    -------
    dict
        Name -> dict with the ``runs`` and the exponents ``seconds`` and
        ``peak_bytes``, the latter of what comes on top of the weights.
    """
    lengths = tuple(sorted(lengths))
    wanted = {
        name: Measurement(build, lengths, device, step)
        for name, build in builders.items()
    }
    found = {}
    for name, runs in measure_in_turns(wanted, repeats).items():
        done = [run for run in runs if "error" not in run]
        over = [run["length"] for run in done]
        above = [run["peak_bytes"] - run["weight_bytes"] for run in done]
        found[name] = {
            "runs": runs,
            "seconds": growth(over, [run["seconds"] for run in done]),
            # A run may need nothing on top, which has no logarithm.
            "peak_bytes": growth(over, above) if all(above) else None,
        }
    return found


def write_report(report: dict, folder: str | Path) -> str:
    """Writes the three files.

    Arguments
    ---------
    report : dict
        ``about`` (what the figures were made with) and ``models``, name ->
        what ``count_model`` gives, with ``forward`` and ``step`` of
        ``measure_models`` where measured.
    folder : str or Path
        Made if need be.

    Returns
    -------
    str
        The Markdown text.
    """
    text = complexity_page(report)
    folder = Path(folder)
    write_json(folder / "complexity.json", report, indent=1)
    write_csv(folder / "complexity.csv", *_csv_rows(report))
    write_text(folder / "complexity.md", text)
    return text


def _csv_rows(report):
    """Rows, one a model and length that was counted or measured; columns."""
    figures = ("seconds", "rtf", "peak_bytes", "runs", "error")
    columns = ["model", "length", "parameters", "macs", "macs_computed"]
    columns += [f"{run}_{figure}" for run in RUNS for figure in figures]
    columns += list(report["about"])
    rows = [
        {
            "model": name,
            "length": f"{length:g}",
            "parameters": model["parameters"],
            **row,
            **report["about"],
        }
        for name, model in report["models"].items()
        for length, row in sorted(_rows(model).items())
    ]
    return rows, columns


def _rows(model):
    """Length -> columns; MACs are those of the whole length."""
    grown = model["growth"]
    rows = {
        length: {"macs": macs}
        for length, macs in zip(grown["lengths"], grown["macs"], strict=True)
    }
    whole = {
        key: round(model[key] * model["seconds"])
        for key in ("macs", "macs_computed")
    }
    rows.setdefault(model["seconds"], {}).update(whole)
    for kind in RUNS:
        for run in model.get(kind, {"runs": []})["runs"]:
            values = {
                f"{kind}_{key}": f"{v:.5g}" if isinstance(v, float) else v
                for key, v in run.items()
                if key not in ("length", "weight_bytes")
            }
            rows.setdefault(run["length"], {}).update(values)
    return rows


def complexity_page(report: dict) -> str:
    """The report as one reads it.

    Arguments
    ---------
    report : dict
        See ``write_report``.

    Returns
    -------
    str
        Markdown text.
    """
    about, models = report["about"], report["models"]
    sections = ["# Complexity", _about(about), _summary(models)]
    if any(model.get("stream") for model in models.values()):
        sections.append(_streams(models))
    if any(kind in model for model in models.values() for kind in RUNS):
        sections.append(_measured(models))
    sections += ["## MACs by part, G for a second of audio", _parts(models)]
    return "\n\n".join(sections) + "\n"


def _about(about):
    made = ", ".join(f"{key} {value}" for key, value in about.items() if value)
    return (
        f"Made by `spmamba complexity`: {made}. MACs are multiply-accumulates "
        "of the network as published, those *computed* what this package "
        "executes; *scan x 2* takes each addition and each multiplication of "
        "a scan for one. Conventions: `docs/complexity.md`."
    )


def _summary(models):
    head = ("model", "parameters, M", "MACs, G/s", "computed, G/s")
    head += ("scan x 2, G/s", "ptflops, G/s", "Table 1: M", "Table 1: G/s")
    head += (f"growth, {GROWTH[0]:g} to {GROWTH[-1]:g} s",)
    rows = []
    for name, model in models.items():
        other, printed = model["ptflops"] or {}, model["table1"] or {}
        row = (
            name,
            number(model["parameters"], 1e6, ".3f"),
            number(model["macs"], 1e9, ".3f"),
            number(model["macs_computed"], 1e9, ".3f"),
            number(model["macs_scan_as_operations"], 1e9, ".3f"),
            number(other.get("macs"), 1e9, ".3f"),
            number(printed.get("parameters"), 1e6, ".2f"),
            number(printed.get("macs"), 1e9, ".2f"),
            number(model["growth"]["exponent"], form=".2f"),
        )
        rows.append(row)
    return markdown_table(head, rows)


def _streams(models):
    """Latency and state of causal models."""
    head = ("model", "algorithmic latency, ms", "state, MB")
    rows = [
        (
            name,
            number(model["stream"]["latency_ms"], form=".3g"),
            number(model["stream"]["state_bytes"], 1e6, ".2f"),
        )
        for name, model in models.items()
        if model.get("stream")
    ]
    text = (
        "## Streams\n\nFor how long a sample waits at most, without the time "
        "of computing, and what a stream keeps (`docs/streaming.md`)."
    )
    return f"{text}\n\n{markdown_table(head, rows)}"


def _measured(models):
    """Time and memory, a row for each model, kind of run and length."""
    head = ("model", "run", "audio, s", "computing, s", "real-time factor")
    head += ("peak memory, MB", "growth: time", "growth: memory")
    rows = []
    for name, model in models.items():
        for kind in RUNS:
            found = model.get(kind, {"runs": []})
            for run in found["runs"]:
                row = [name, kind, f"{run['length']:g}"]
                if "error" in run:
                    row += [run["error"], *"----"]
                else:
                    row += [
                        number(run["seconds"], form=".3g"),
                        number(run["rtf"], form=".3g"),
                        number(run["peak_bytes"], 1e6, ".0f"),
                        number(found["seconds"], form=".2f"),
                        number(found["peak_bytes"], form=".2f"),
                    ]
                rows.append(row)
    text = (
        "## Time and memory\n\n`forward` is the forward pass, `step` forward "
        "pass, loss and backward pass, batch of one, float32; medians of runs "
        "in turns. Peaks include weights and gradients. Growth is the exponent "
        "fitted over the lengths of the model's rows; that of memory leaves "
        "the weights out."
    )
    return f"{text}\n\n{markdown_table(head, rows, text_columns=2)}"


def _parts(models):
    rows = [
        (
            name,
            part,
            number(macs, 1e9, ".3f"),
            f"{100 * macs / model['macs']:.1f}",
        )
        for name, model in models.items()
        for part, macs in model["parts"].items()
        if macs >= 0.001 * model["macs"]
    ]
    note = "Parts under a thousandth of their model are in the JSON file."
    head = ("model", "part", "MACs, G/s", "%")
    return f"{note}\n\n{markdown_table(head, rows, text_columns=2)}"
