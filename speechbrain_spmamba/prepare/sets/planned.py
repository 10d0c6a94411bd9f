"""What sets share whose items are planned first: plans, files, manifests.

    settings, corpora -> plans -> <split>.plans.jsonl -> render -> manifest

A set of this kind says how an item is drawn; all else is done here, so that it
may be interrupted anywhere and goes on where it stood.
"""

import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import write_text
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.prepare.corpora.roots import to_name
from speechbrain_spmamba.prepare.provenance import Provenance
from speechbrain_spmamba.prepare.scenes.plans import (
    FORMATS,
    manifest_row,
    needed_bytes,
    part_paths,
    write_mixture,
)

logger = logging.getLogger(__name__)

Law = TypeVar("Law")


def prepare_planned(
    output_folder: str | Path,
    settings: dict,
    folders: dict,
    draw: Callable,
    sources: list[str],
    *,
    pools: dict | None = None,
    most_bad: float = 0.01,
    jobs: int = 1,
    scheduler: str | None = None,
    beside: Callable | None = None,
) -> dict:
    """Plans all items, makes those that are missing, and writes manifests.

    Arguments
    ---------
    output_folder, settings, folders
        As in ``provenance.Provenance``; ``settings`` has the ``splits``.
    draw : callable
        ``(pools, split, number) -> line``: the plan of one item, as
        ``plans.plan_line`` gives it.
    sources : list of str
        ``s1``, ``s2``, ...: the columns of every manifest; each split must
        have as many readers.
    pools : dict, optional
        Further arguments of ``pools.make_pools``.
    most_bad : float
        Share of events whose file may turn out to be bad.
    jobs, scheduler
        As in ``workers.run``.
    beside : callable, optional
        ``(split, plans) -> {ending: text}``: what is written to
        ``<split><ending>``; of the plans that will be in the manifest.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        As in ``echo2mix.prepare``.
    """
    output_folder = Path(output_folder)
    provenance = Provenance(output_folder, settings, folders)
    if provenance.is_finished():
        return provenance.manifests

    # Everything is looked at before anything is written.
    corpora = partial(
        _name_pools,
        provenance.roots,
        settings["splits"],
        num_spks=len(sources),
        **folders,
        jobs=jobs,
        **(pools or {}),
    )
    plans, files = _plan(output_folder, settings["splits"], draw, corpora)
    missing = {
        split: [
            plan
            for plan in map(json.loads, lines)
            if not part_paths(output_folder / split, plan)["mix"].is_file()
        ]
        for split, lines in plans.items()
    }
    needed = sum(
        needed_bytes(plan) for todo in missing.values() for plan in todo
    )
    workers.check_space(output_folder, needed)
    if files is not None:
        provenance.write(files)
    for split, lines in plans.items():
        path = output_folder / f"{split}.plans.jsonl"
        if not path.is_file():
            write_text(path, "".join(lines))

    for split, lines in plans.items():
        folder = output_folder / split
        work = partial(write_mixture, folder, provenance.roots)
        workers.run(work, missing[split], jobs, scheduler, f"mixing {split}")
        _report_problems(folder, lines, most_bad)
        workers.remove_leftovers(folder)
        made = [
            plan
            for plan in map(json.loads, lines)
            if part_paths(folder, plan)["mix"].is_file()
        ]
        if len(made) < len(lines):
            logger.warning(
                "%s: %d of %d mixtures are left out, a talker is silent there",
                split,
                len(lines) - len(made),
                len(lines),
            )
        for ending, text in (beside(split, made) if beside else {}).items():
            write_text(output_folder / f"{split}{ending}", text)
        rows = [manifest_row(folder, plan, sources) for plan in made]
        write_manifest(provenance.manifests[split], rows, output_folder)
    return provenance.manifests


def make_law(law: Callable[..., Law], given: dict | None) -> Law:
    """A law with some of its numbers given.

    Arguments
    ---------
    law : type
        A dataclass.
    given : dict or None
        Its arguments, where the defaults are not wanted.

    Returns
    -------
    object
        Of that class.

    Raises
    ------
    ValueError
        It has no such argument, or not of this value.

    Example
    -------
    >>> from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
    >>> make_law(RoomLaw, {"anechoic": True}).anechoic
    True
    >>> make_law(RoomLaw, {"doors": 3})
    Traceback (most recent call last):
        ...
    ValueError: RoomLaw has no doors; it has length, width, height, rt60, ...
    """
    known = inspect.signature(law).parameters
    unknown = set(given or {}) - set(known)
    if unknown:
        raise ValueError(
            f"{law.__name__} has no {', '.join(sorted(unknown))}; it has "
            f"{', '.join(known)}"
        )
    return law(**(given or {}))


def check_format(format: str, subtype: str | None) -> str:
    """The sample format, or an error that lists what there is.

    Arguments
    ---------
    format, subtype : str, str or None
        As in ``echo2mix.prepare``.

    Returns
    -------
    str
        The subtype; without one, the first of the format.

    Raises
    ------
    ValueError
        There is no such format.

    Example
    -------
    >>> check_format("flac", None)
    'PCM_16'
    """
    subtypes = FORMATS.get(format, ())
    chosen = subtype or (subtypes[0] if subtypes else None)
    if chosen not in subtypes or chosen is None:
        offers = "; ".join(f"{k}: {', '.join(v)}" for k, v in FORMATS.items())
        raise ValueError(
            f"format is {format} and subtype {subtype}; give {offers}"
        )
    return chosen


def _plan(output_folder, splits, draw, corpora):
    """Split -> lines of plans; and the corpora's files, if any are new."""
    pools, files, plans = None, None, {}
    for split, wanted in splits.items():
        path = output_folder / f"{split}.plans.jsonl"
        if path.is_file():
            # Corpora may have grown since; what was begun is completed.
            plans[split] = read_text(path).splitlines(keepends=True)
            continue
        if pools is None:
            pools, files = corpora()
        plans[split] = [
            draw(pools[split], split, number)
            for number in range(wanted["mixtures"])
        ]
    return plans, files


def _name_pools(roots, splits, **corpora):
    """Pools whose clips have names for paths; and all those paths."""
    from speechbrain_spmamba.prepare.scenes.pools import make_pools

    names = {}

    def named(clip):
        if clip.path not in names:
            names[clip.path] = to_name(clip.path, roots)
        return replace(clip, path=names[clip.path])

    pools = {}
    for split, pool in make_pools(splits, **corpora).items():
        speech = {k: list(map(named, v)) for k, v in pool.speech.items()}
        others = {
            kind: list(map(named, getattr(pool, kind)))
            for kind in ("noise", "music", "effects", "background")
        }
        pools[split] = replace(pool, speech=speech, **others)
    return pools, list(names)


def _report_problems(folder, lines, most_bad):
    """Warns of bad files; raises where they are too many."""
    problems = []
    for path in sorted((folder / "problems").glob("*.txt")):
        problems += read_text(path).splitlines()
    if not problems:
        return
    events = sum(line.count('"onset"') for line in lines)
    message = (
        f"{folder.name}: {len(problems)} of {events} events could not be "
        f"used, listed in {folder / 'problems'}; the first: {problems[0]}"
    )
    if len(problems) > most_bad * events:
        raise ValueError(
            f"{message} (at most {most_bad:.1%} may be; mend the corpus and "
            f"remove {folder.parent}, or raise most_bad)"
        )
    logger.warning(message)
