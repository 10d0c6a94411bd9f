"""A mixture as a line of JSON, and as files.

The line says all about the mixture, down to the sample format, so that it can
be made again alone, and by any process or machine that sees the corpora. Their
files have names in it that stay when the corpora move (``corpora/roots.py``).
Below, ``plan`` is such a line, read, and ``folder`` that of its split.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from scipy.io import wavfile

from speechbrain_spmamba.files.names import file_name
from speechbrain_spmamba.files.writing import write_bytes, write_text
from speechbrain_spmamba.prepare.corpora.roots import find_roots, to_path
from speechbrain_spmamba.prepare.provenance import read_folders
from speechbrain_spmamba.prepare.scenes.excerpts import Excerpt, draw_excerpt
from speechbrain_spmamba.prepare.scenes.render import fit_to_integers, render
from speechbrain_spmamba.prepare.scenes.scene import Scene, draw_scene

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.corpora.clips import Pools
    from speechbrain_spmamba.prepare.scenes.conversation import ConversationLaw
    from speechbrain_spmamba.prepare.scenes.excerpts import ExcerptLaw
    from speechbrain_spmamba.prepare.scenes.scene import SceneLaw


FORMATS = {
    "wav": ("FLOAT", "PCM_16", "PCM_24"),
    "flac": ("PCM_16", "PCM_24"),
}
BYTES = {"FLOAT": 4, "PCM_16": 2, "PCM_24": 3}


def plan_mixture(
    pools: Pools,
    law: SceneLaw,
    excerpt_law: ExcerptLaw | None,
    split: str,
    number: int,
    settings: dict,
) -> str:
    """The plan of one mixture as a line of JSON.

    Arguments
    ---------
    pools, law, split, number
        As in ``scene.draw_scene``.
    excerpt_law : ExcerptLaw or None
        How items are cut out of scenes, if they are.
    settings : dict
        ``seed``, ``sample_rate``, ``reference``, ``format``, ``subtype``,
        ``stems`` and ``write_silence``.

    Returns
    -------
    str
        Ends with a line break.
    """
    scene = draw_scene(pools, law, settings["seed"], split, number)
    excerpt = None
    if excerpt_law:
        scene, excerpt = draw_excerpt(scene, excerpt_law)
    return plan_line(scene, excerpt, pools, law, settings)


def plan_line(
    scene: Scene,
    excerpt: Excerpt | None,
    pools: Pools,
    law: SceneLaw | ConversationLaw,
    settings: dict,
) -> str:
    """Writes down what was drawn.

    Arguments
    ---------
    scene, excerpt : Scene, Excerpt or None
        The plan of one mixture.
    pools, law : Pools, SceneLaw or ConversationLaw
        What it was drawn from; ``law.sources`` names all references.
    settings : dict
        As in ``plan_mixture``.

    Returns
    -------
    str
        A line of JSON.
    """
    readers = [track.group for track in scene.readers]
    count = len(law.sources if settings["write_silence"] else readers)
    parts = law.sources[:count]
    others = pools.noise, pools.music, pools.effects, pools.background
    if any(others) or settings["reference"] != "reverberant":
        parts.append("noise")
    if settings["stems"]:
        parts += [t.name for t in scene.tracks if not t.group]
    plan = {
        "ID": "_".join([f"{scene.number:06d}", *readers]),
        "parts": [*parts, "mix"],
        **{k: settings[k] for k in ("sample_rate", "reference")},
        **{k: settings[k] for k in ("format", "subtype")},
        "cut": excerpt and excerpt.to_dict(),
        "scene": scene.to_dict(),
    }
    return json.dumps(plan) + "\n"


def rebuild(line: str | dict, folder: str | Path | None = None) -> dict:
    """Makes one mixture again from its plan, as it is in its files.

    Arguments
    ---------
    line : str or dict
        A line of ``<split>.plans.jsonl``.
    folder : str or Path, optional
        The folder of that file, which knows where the corpora lie; only
        plans of older versions go without.

    Returns
    -------
    dict
        ``mix``, ``s1``, ... -> array as soundfile reads it from the file:
        shape ``[T]``, or ``[T, mics]`` of several microphones.
    """
    plan = json.loads(line) if isinstance(line, str) else line
    roots = find_roots(read_folders(folder)) if folder else {}
    signals = _make_signals(plan, roots).signals
    arrays = {}
    for name in plan["parts"]:
        wave = signals[name].T.squeeze()
        if plan["subtype"] != "FLOAT":
            file = io.BytesIO(_encode(signals[name], plan))
            wave, _ = soundfile.read(file, dtype="float32")
        arrays[name] = wave
    return arrays


def _make_signals(plan, roots):
    """What ``render`` makes of a plan, scaled for integer formats."""
    excerpt = plan["cut"] and Excerpt.from_dict(plan["cut"])
    scene = _with_paths(Scene.from_dict(plan["scene"]), roots)
    made = render(scene, plan["sample_rate"], plan["reference"], excerpt)
    for name in plan["parts"]:
        if name not in made.signals:  # a source without a talker
            made.signals[name] = np.zeros_like(made.signals["mix"])
    if plan["subtype"] != "FLOAT":
        made.signals = fit_to_integers(made.signals)
    return made


def _with_paths(scene, roots):
    """The scene with files where it has their names."""
    tracks = [
        replace(
            track,
            events=tuple(
                replace(event, path=str(to_path(event.path, roots)))
                for event in track.events
            ),
        )
        for track in scene.tracks
    ]
    return replace(scene, tracks=tuple(tracks))


def write_mixture(folder: Path, roots: dict, plan: dict) -> None:
    """Writes one mixture: what a process or a machine is asked for.

    Arguments
    ---------
    folder : Path
        That of the split.
    roots : dict
        Where the corpora lie, from ``roots.find_roots``.
    plan : dict
        What ``plan_line`` wrote.
    """
    made = _make_signals(plan, roots)
    if made.problems:
        # Kept beside the mixtures, as the next run does not make them again.
        path = folder / "problems" / f"{file_name(plan['ID'])}.txt"
        write_text(path, "".join(f"{x}\n" for x in made.problems))
    if made.silent:
        return
    # The mixture is written last: where it stands, all of it stands.
    for name, path in part_paths(folder, plan).items():
        write_bytes(path, _encode(made.signals[name], plan))


def _encode(signal, plan):
    """The bytes of an audio file; the same signal gives the same bytes."""
    file = io.BytesIO()
    sample_rate, wave = plan["sample_rate"], signal.T.squeeze()
    if plan["subtype"] == "FLOAT":
        # libsndfile would note the time of writing in the file.
        wavfile.write(file, sample_rate, np.ascontiguousarray(wave))
    else:
        soundfile.write(
            file,
            wave,
            sample_rate,
            subtype=plan["subtype"],
            format=plan["format"].upper(),
        )
    return file.getvalue()


def part_paths(folder: Path, plan: dict) -> dict:
    """Names the files of a mixture.

    Returns
    -------
    dict
        Part -> file, the mixture last.
    """
    name = file_name(f"{plan['ID']}.{plan['format']}")
    return {part: folder / file_name(part) / name for part in plan["parts"]}


def _seconds(plan):
    return (plan["cut"] or plan["scene"])["seconds"]


def needed_bytes(plan: dict) -> int:
    """Estimates from above what a mixture takes on disk.

    Returns
    -------
    int
        Bytes.
    """
    mics = len(plan["scene"]["room"]["mics"])
    samples = _seconds(plan) * plan["sample_rate"] * mics * len(plan["parts"])
    # FLAC takes 55 % of reverberant speech, more of noise.
    share = 0.8 if plan["format"] == "flac" else 1.0
    return int(samples * BYTES[plan["subtype"]] * share) + 4096


def manifest_row(folder: Path, plan: dict, sources: list[str]) -> dict:
    """Makes the row of a mixture.

    Arguments
    ---------
    sources : list of str
        Names of all sources: of those that are no part of this mixture, the
        cells are empty.

    Returns
    -------
    dict
        For ``write_manifest``.
    """
    paths = part_paths(folder, plan)
    names = ["mix", *sources, *(["noise"] if "noise" in paths else [])]
    row = {"ID": plan["ID"], "duration": _seconds(plan)}
    return {**row, **{f"{name}_wav": paths.get(name, "") for name in names}}
