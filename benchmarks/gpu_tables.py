"""Writes docs/speed.md's tables, from what was counted and what was measured.

    python benchmarks/gpu_tables.py

Counts are those of ``launches.py`` and ``memory.py``. What ``gpu_quarter`` (or
``model.py --device cuda``) has measured comes beside them, a column for every
card, once its ``model_cuda.csv`` is among the results.
"""

from pathlib import Path

from measure import RESULTS, read_rows

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import write_text

PAGE = Path(__file__).parents[1] / "docs/speed.md"
SECONDS = 4


def rows_of(name):
    """Rows of a table among the results."""
    return read_rows(RESULTS / f"{name}.csv")


def table(head, rows):
    """Lines of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def counted(parts):
    """Launches, peak and estimated time of a step, or of inference."""
    launches = sum(
        int(part["torch_launches"]) + int(part["triton_launches"])
        for part in parts
    )
    peak = max(float(part["peak_GB"]) for part in parts)
    # Whichever is slower, the device or the host that launches.
    seconds = (
        sum(float(part[f"{of}_ms"]) for part in parts)
        for of in ("device", "host")
    )
    return [f"{launches:,}", f"{peak:.1f} GB", f"{max(seconds):.0f} ms"]


def measured(found, case, variant):
    """Time, peak, and how much faster than the published form."""
    of_case = {
        row["variant"]: row
        for row in found
        if row["case"] == f"{case}, {SECONDS} s"
    }
    if variant not in of_case:
        return "not yet"
    row = of_case[variant]
    cell = f"{1e3 * float(row['seconds_median']):.0f} ms"
    cell += f", {float(row['megabytes']) * 2**20 / 1e9:.1f} GB"
    if "published" in of_case:
        cell += f", {row['times_faster']} times as fast as published"
    return cell


def work_table():
    """What a GPU is given to do, and how long it takes where one was there."""
    counts = [
        row
        for row in rows_of("launches_counted")
        if (row["batch"], float(row["seconds"])) == ("1", SECONDS)
    ]
    found = {}
    for row in rows_of("model_cuda"):
        found.setdefault(row["machine"], []).append(row)
    head = ["4 s, bfloat16", "kernels", "memory", "estimated for an H100"]
    head += [f"measured, {card}" for card in found] or ["measured"]
    cases = {"": ("inference", "inference", "ours")}
    for memory in ("speed", "balanced", "low"):
        name = f"training step, `{memory}`"
        cases[memory] = (name, "training step", f"memory: {memory}")
    rows = []
    for memory, (name, case, variant) in cases.items():
        parts = [row for row in counts if row["memory"] == memory]
        times = [measured(of, case, variant) for of in found.values()]
        rows.append([name, *counted(parts), *(times or ["not yet"])])
    return table(head, rows)


def batch_table():
    """Largest batches on cards of several sizes."""
    rows = rows_of("memory_counted")
    cards = [name for name in rows[0] if name.startswith("batch_")]
    sizes = [name.removeprefix("batch_").replace("GB", " GB") for name in cards]
    head = ["`memory`", "an item of 4 s more", *(f"{s} card" for s in sizes)]
    return table(
        head,
        [
            [f"`{row['memory']}`", f"{row['GB_per_item']} GB"]
            + [row[name] for name in cards]
            for row in rows
        ],
    )


def with_tables(page):
    """A page whose marked tables are made anew."""
    for name, make in {"work": work_table, "batches": batch_table}.items():
        begin, end = f"<!-- gpu_tables.py: {name} -->\n", "<!-- end -->\n"
        before, _, rest = page.partition(begin)
        after = rest.partition(end)[2]
        page = before + begin + make() + end + after
    return page


def main():
    """Writes the page anew."""
    write_text(PAGE, with_tables(read_text(PAGE)))


if __name__ == "__main__":
    main()
