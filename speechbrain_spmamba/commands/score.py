"""``spmamba score``: scores of estimates that any tool has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_spmamba.commands.options import Output, Whole

if TYPE_CHECKING:
    from speechbrain_spmamba.estimates.items import Item
    from speechbrain_spmamba.estimates.layouts import Files


def score(
    references: str,
    estimates: str,
    /,
    *,
    output: Output,
    mixtures: str | None = None,
    against: str | None = None,
    metrics: str = "[si_snr, sdr, sir, sar]",
    jobs: Whole = 1,
    partial: bool = False,
    reference_pattern: str | None = None,
    estimate_pattern: str | None = None,
    against_pattern: str | None = None,
    mixture_pattern: str | None = None,
    data_root: str | None = None,
) -> None:
    """Score the estimates of any tool, see docs/scores.md.

    Arguments
    ---------
    references : str
        Folder of the true sources, a CSV file that lists them (a manifest,
        metadata of Asteroid), or a folder of look2hear's lists.
    estimates : str
        Folder of what the tool has written, or a CSV file.
    output : str
        Results folder. A run that was interrupted goes on.
    mixtures : str, optional
        Folder of the mixtures, for improvements.
    against : str, optional
        Estimates of another tool: differences item by item.
    metrics : str
        Of si_snr, sdr, sir, sar, pesq, stoi, estoi and dnsmos.
    jobs : int
        Processes; -1 is one a core.
    partial : bool
        Leave out references without estimates.
    reference_pattern : str, optional
        How references are named, where that is not found, such as
        "{id}_s{n}.wav": {id} is the item, {n} the source, * anything.
    estimate_pattern : str, optional
        The same of estimates.
    against_pattern : str, optional
        The same of those of the other tool.
    mixture_pattern : str, optional
        The same of mixtures, without {n}.
    data_root : str, optional
        What $data_root means in CSV files, and their paths are relative to;
        by default their own folder.
    """
    from pathlib import Path

    from speechbrain_spmamba.estimates.items import (
        find_estimates,
        find_references,
        pair,
    )
    from speechbrain_spmamba.estimates.score_set import rate_of, score_set
    from speechbrain_spmamba.files.lock import locked
    from speechbrain_spmamba.files.names import shown
    from speechbrain_spmamba.files.writing import write_csv, write_json
    from speechbrain_spmamba.scoring.choice import (
        check_metrics,
        read_metrics,
    )
    from speechbrain_spmamba.scoring.evaluate import summary_lines
    from speechbrain_spmamba.scoring.paired import (
        all_differences,
        difference_lines,
    )

    metrics, folder = read_metrics(metrics), Path(output)
    if not jobs:
        raise ValueError("--jobs is 0; give at least 1, or -1 for all cores")
    true, mixed = find_references(
        references, mixtures, reference_pattern, mixture_pattern, data_root
    )
    print(*filter(None, (true, mixed)), sep="\n", flush=True)
    places = {estimates: folder}
    if against in places:
        raise ValueError(
            f"--against is {shown(against)} as well; give estimates of another "
            "tool"
        )
    if against is not None:
        places[against] = folder / "against"
    sets = {}
    for place in places:
        pattern = estimate_pattern if place == estimates else against_pattern
        found = find_estimates(place, true, pattern, data_root)
        print(found, flush=True)
        sets[place] = pair(true, found, mixed, partial)
        print(*notes(true, found, sets[place]), sep="", end="", flush=True)
        check_metrics(metrics, rate_of(sets[place]))
    rows = {}
    with locked(folder):
        for place, items in sets.items():
            tested = {"name": place}
            label = f"scoring {shown(place)}"
            summary, rows[place] = score_set(
                items, places[place], metrics, tested, jobs, label
            )
            print(f"{shown(place)}:")
            if summary["cut"]:
                print(f"  {summary['cut']} items cut to their shortest file")
            print(*summary_lines(summary), sep="\n", flush=True)
        if against is not None:
            found, table = all_differences(rows[estimates], rows[against])
            write_csv(folder / "differences.csv", table, undefined="")
            write_json(folder / "differences.json", found)
            print(f"{shown(estimates)} minus {shown(against)}:")
            print(*difference_lines(found), sep="\n")
    print(f"  scores: {folder}")


def notes(references: Files, estimates: Files, items: list[Item]) -> list[str]:
    """What is not as one expects it, in lines.

    Arguments
    ---------
    references, estimates : estimates.layouts.Files
        What was found.
    items : list of estimates.items.Item
        What was made of it.

    Returns
    -------
    list of str
        Lines with their ends.
    """
    left_out = len(references.items) - len(items)
    fewer = sum(len(x.estimates) < len(x.references) for x in items)
    more = sum(len(x.estimates) > len(x.references) for x in items)
    said = {
        "references have no estimate and are left out": left_out,
        "items have fewer estimates than references: those missing count as "
        "silence": fewer,
        "items have more estimates than references: the further ones should "
        "be silent": more,
    }
    return [f"  {count} {text}\n" for text, count in said.items() if count]
