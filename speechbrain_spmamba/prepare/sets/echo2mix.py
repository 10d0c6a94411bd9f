"""Reverberant scenes of talkers, effects, music and noise: Echo2Mix.

    prepare -> draw plans -> <split>.plans.jsonl -> render -> audio -> manifest

Two protocols:

* ``paper``: scenes of 60 s whose classes have levels in LUFS, as the SPMamba
  paper describes its data;
* ``release``: items of 6 s cut where talkers are active, levelled as in the
  Echo2Mix that was released.

A plan says all about a mixture, and ``rebuild`` makes it from its plan alone.
"""

import json
import logging
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import write_text
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.prepare.corpora.roots import to_name
from speechbrain_spmamba.prepare.provenance import Provenance
from speechbrain_spmamba.prepare.scenes.excerpts import ExcerptLaw
from speechbrain_spmamba.prepare.scenes.plans import (
    FORMATS,
    manifest_row,
    needed_bytes,
    part_paths,
    plan_mixture,
    rebuild,
    write_mixture,
)
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import SceneLaw
from speechbrain_spmamba.prepare.sets.options import (
    check_numbers,
    check_splits,
    check_switches,
)

__all__ = ["prepare", "rebuild"]

logger = logging.getLogger(__name__)

SPLIT_KEYS = (
    *("speech", "readers", "sex"),
    *("noise", "music", "effects", "dnr"),
)


def prepare(
    *,
    speech_folder,
    noise_folder=None,
    music_folder=None,
    effects_folder=None,
    dnr_folder=None,
    output_folder,
    splits,
    protocol="paper",
    sample_rate=16000,
    num_spks=2,
    reference="reverberant",
    scene=None,
    room=None,
    cut=None,
    pools=None,
    stems=False,
    write_silence=False,
    format="wav",
    subtype=None,
    most_bad=0.01,
    seed=0,
    jobs=1,
    scheduler=None,
):
    """Makes reverberant scenes and their manifests; at once when done.

    May be interrupted anywhere: the next call completes what is missing.

    Arguments
    ---------
    speech_folder, noise_folder, music_folder, effects_folder, dnr_folder : str
        Corpora, as in ``pools.make_pools``: a folder or a list of folders
        each; all but speech are optional.
    output_folder : str or Path
        Gets ``<split>/{mix,s1,...,noise}/<ID>.<format>``, ``<split>.csv``
        and ``<split>.plans.jsonl``. ``noise`` is all of the mixture but the
        references: with reverberant ones, everything that is not speech.
    splits : dict
        Split name -> ``{"mixtures": number, "speech": [subset, ...],
        "readers": [reader, ...], "sex": F or M, ...}``, the rest as in
        ``pools.make_pools``.
    protocol : str
        ``paper`` or ``release``.
    sample_rate : int
        Rate in Hz; other rates are resampled.
    num_spks : int, list or dict
        Talkers in each mixture: a number, the least and the most as
        ``[0, 3]``, or numbers with weights as ``{1: 1, 2: 3}``. Sources
        without a talker have empty cells in the manifest.
    reference : str
        ``reverberant``, ``early`` or ``dry``.
    scene, room, cut : dict, optional
        Arguments of ``SceneLaw``, ``RoomLaw`` and ``ExcerptLaw``, where the
        defaults are not wanted.
    pools : dict, optional
        Further arguments of ``pools.make_pools``: ``min_seconds``, ``check``,
        ``bad_share``.
    stems : bool
        Whether effects, background, music and ambience are written, too.
    write_silence : bool
        Whether sources without a talker are files of zeros instead of empty
        cells, for tools that read every cell.
    format : str
        ``wav`` or ``flac``.
    subtype : str, optional
        ``FLOAT`` (the default for wav), ``PCM_16`` (for flac) or ``PCM_24``.
        For integers, loud mixtures are scaled with all their parts.
    most_bad : float
        Share of events whose file may turn out to be bad. Fewer are left
        out and noted in ``<split>/problems/<ID>.txt``; mixtures in which a
        talker is silent for this reason are not in the manifest.
    seed : int
        Other seeds give other mixtures.
    jobs : int
        Processes on this machine.
    scheduler : str, optional
        Address of a Dask scheduler, to work on its cluster instead.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        Missing or empty corpora, too few readers, too many bad files, too
        little disk, settings that do not exist, or a folder that holds
        mixtures made with other settings.
    """
    output_folder = Path(output_folder)
    subtype = _check_format(format, subtype)
    if protocol not in ("paper", "release"):
        raise ValueError(f"protocol is '{protocol}'; give paper or release")
    check_splits(splits, SPLIT_KEYS)
    check_switches(stems=stems, write_silence=write_silence)
    numbers = {"sample_rate": sample_rate, "num_spks": num_spks, "seed": seed}
    check_numbers({**numbers, "jobs": jobs})
    law, excerpt_law = _laws(protocol, num_spks, scene, room, cut)
    folders = {
        "speech_folder": speech_folder,
        "noise_folder": noise_folder,
        "music_folder": music_folder,
        "effects_folder": effects_folder,
        "dnr_folder": dnr_folder,
    }
    settings = {
        "splits": splits,
        "protocol": protocol,
        "sample_rate": sample_rate,
        "reference": reference,
        "scene": asdict(law),
        "cut": excerpt_law and asdict(excerpt_law),
        "pools": pools or {},
        "stems": stems,
        "write_silence": write_silence or None,
        "format": format,
        "subtype": subtype,
        "seed": seed,
    }
    provenance = Provenance(output_folder, settings, folders)
    if provenance.is_finished():
        return provenance.manifests

    # Everything is looked at before anything is written.
    corpora = partial(
        _name_pools, provenance.roots, **folders, jobs=jobs, **(pools or {})
    )
    plans, files = _plan(output_folder, settings, law, excerpt_law, corpora)
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
        rows = [
            manifest_row(folder, json.loads(line), law.sources)
            for line in lines
        ]
        rows = [row for row in rows if row["mix_wav"].is_file()]
        if len(rows) < len(lines):
            logger.warning(
                "%s: %d of %d mixtures are left out, a talker is silent there",
                split,
                len(lines) - len(rows),
                len(lines),
            )
        write_manifest(provenance.manifests[split], rows, output_folder)
    return provenance.manifests


def _laws(protocol, num_spks, scene, room, cut):
    """The numbers as dataclasses, or an error that names what is unknown."""
    made = []
    for law, given in ((RoomLaw, room), (ExcerptLaw, cut), (SceneLaw, scene)):
        given = dict(given or {})
        if law is SceneLaw:
            given = {"num_spks": num_spks, **given, "room": made[0]}
        unknown = set(given) - set(law.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"{law.__name__} has no {', '.join(sorted(unknown))}; it has "
                f"{', '.join(law.__dataclass_fields__)}"
            )
        made.append(law(**given))
    return made[2], made[1] if protocol == "release" else None


def _check_format(format, subtype):
    """The sample format, or an error that lists what there is."""
    subtypes = FORMATS.get(format, ())
    chosen = subtype or (subtypes[0] if subtypes else None)
    if chosen not in subtypes or chosen is None:
        offers = "; ".join(f"{k}: {', '.join(v)}" for k, v in FORMATS.items())
        raise ValueError(
            f"format is {format} and subtype {subtype}; give {offers}"
        )
    return chosen


def _plan(output_folder, settings, law, excerpt_law, corpora):
    """Split -> lines of plans; and the corpora's files, if any are new."""
    pools, plans = None, {}
    for split, wanted in settings["splits"].items():
        path = output_folder / f"{split}.plans.jsonl"
        if path.is_file():
            # Corpora may have grown since; what was begun is completed.
            plans[split] = read_text(path).splitlines(keepends=True)
            continue
        if pools is None:
            most = law.counts.most
            pools, files = corpora(settings["splits"], num_spks=most)
        plans[split] = [
            plan_mixture(
                pools[split], law, excerpt_law, split, number, settings
            )
            for number in range(wanted["mixtures"])
        ]
    return plans, None if pools is None else files


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
