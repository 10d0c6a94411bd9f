"""The report of ``spmamba complexity``: rows, and JSON, CSV and Markdown.

complexity.json   all that was counted and measured
complexity.csv    a row for each model and length
complexity.md     what one reads: models, parts, growth
"""

from pathlib import Path

from speechbrain_spmamba.cost.complexity import (
    count,
    growth,
    load,
    ptflops,
)
from speechbrain_spmamba.cost.time_and_memory import Case, measure_in_turns
from speechbrain_spmamba.files.writing import write_csv, write_json, write_text
from speechbrain_spmamba.models.systems import SYSTEMS

# Seconds of audio: the same factor between neighbours.
GROWTH = (1.0, 4.0, 15.0, 60.0)
RUNS = ("forward", "step")


def count_model(
    source, seconds=1.0, num_spks=None, lengths=GROWTH, trust=False
):
    """Everything about a model that needs no time to be measured.

    Arguments
    ---------
    source : str
        See ``cost.complexity.load``.
    seconds : float
        Length of the recording that the main figures are for.
    num_spks : int, optional
        Sources.
    lengths : tuple
        Lengths over which growth is counted.
    trust : bool
        See ``cost.complexity.load``.

    Returns
    -------
    dict
        That of ``cost.complexity.count``, and ``ptflops``, ``table1`` and
        ``growth``.
    """
    model = load(source, num_spks, trust)
    found = count(model, seconds)
    total = [
        count(model, length, computed=False)["macs"] * length
        for length in lengths
    ]
    row = SYSTEMS.get(source)
    printed = row and row.table_1
    return {
        **found,
        "ptflops": ptflops(model),
        "table1": printed
        and {
            "parameters": round(printed[0] * 1e6),
            "macs": round(printed[1] * 1e9),
        },
        "growth": {
            "lengths": list(lengths),
            "macs": [round(macs) for macs in total],
            "exponent": growth(lengths, total),
        },
    }


def measure_models(builders, lengths, device, step, repeats):
    """Time and memory of models, in turns.

    Arguments
    ---------
    builders : dict
        Name -> function that builds the model.
    lengths : tuple
        Seconds of audio.
    device : str
        Where they run.
    step : bool
        Training step instead of forward pass.
    repeats : int
        Rounds.

    Returns
    -------
    dict
        Name -> dict with ``runs`` (see ``footprint.measure_in_turns``) and
        the exponents ``seconds`` and ``peak_bytes``, the latter of what
        comes on top of the weights.
    """
    lengths = tuple(sorted(lengths))
    cases = {n: Case(b, lengths, device, step) for n, b in builders.items()}
    found = {}
    for name, runs in measure_in_turns(cases, repeats).items():
        done = [run for run in runs if "error" not in run]
        over = [run["length"] for run in done]
        above = [run["peak_bytes"] - run["weight_bytes"] for run in done]
        found[name] = {
            "runs": runs,
            "seconds": growth(over, [run["seconds"] for run in done]),
            "peak_bytes": growth(over, above)
            if min(above, default=0)
            else None,
        }
    return found


def write_report(report, folder):
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
    text = markdown(report)
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


def markdown(report):
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
    head = (
        "model",
        "parameters, M",
        "MACs, G/s",
        "computed, G/s",
        "scan x 2, G/s",
        "ptflops, G/s",
        "Table 1: M",
        "Table 1: G/s",
        f"growth, {GROWTH[0]:g} to {GROWTH[-1]:g} s",
    )
    rows = []
    for name, model in models.items():
        other, printed = model["ptflops"], model["table1"]
        rows.append(
            (
                name,
                f"{model['parameters'] / 1e6:.3f}",
                _giga(model["macs"]),
                _giga(model["macs_computed"]),
                _giga(model["macs_scan_as_operations"]),
                _giga(other["macs"]) if other else "-",
                f"{printed['parameters'] / 1e6:.2f}" if printed else "-",
                f"{printed['macs'] / 1e9:.2f}" if printed else "-",
                _exponent(model["growth"]["exponent"]),
            )
        )
    return _table(head, rows)


def _measured(models):
    """Time and memory, a row for each model, kind of run and length."""
    head = (
        "model",
        "run",
        "audio, s",
        "computing, s",
        "real-time factor",
        "peak memory, MB",
        "growth: time",
        "growth: memory",
    )
    rows = []
    for name, model in models.items():
        for kind in RUNS:
            found = model.get(kind, {"runs": []})
            for run in found["runs"]:
                label = (name, kind, f"{run['length']:g}")
                if "error" in run:
                    rows.append((*label, run["error"], *"----"))
                    continue
                rows.append(
                    (
                        *label,
                        f"{run['seconds']:.3g}",
                        f"{run['rtf']:.3g}",
                        f"{run['peak_bytes'] / 1e6:.0f}",
                        _exponent(found["seconds"]),
                        _exponent(found["peak_bytes"]),
                    )
                )
    text = (
        "## Time and memory\n\n`forward` is the forward pass, `step` forward "
        "pass, loss and backward pass, batch of one, float32; medians of runs "
        "in turns. Peaks include weights and gradients. Growth is the exponent "
        "fitted over the lengths of the model's rows; that of memory leaves "
        "the weights out."
    )
    return f"{text}\n\n{_table(head, rows)}"


def _parts(models):
    rows = [
        (name, part, _giga(macs), f"{100 * macs / model['macs']:.1f}")
        for name, model in models.items()
        for part, macs in model["parts"].items()
        if macs >= 0.001 * model["macs"]
    ]
    note = "Parts under a thousandth of their model are in the JSON file."
    return note + "\n\n" + _table(("model", "part", "MACs, G/s", "%"), rows)


def _giga(macs):
    return f"{macs / 1e9:.3f}"


def _exponent(value):
    return "-" if value is None else f"{value:.2f}"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
