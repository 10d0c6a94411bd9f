"""How tools lay out what they write, and which of it a folder has.

``s{n}/{id}``            LibriMix, WSJ0-mix, WHAM; estimates of look2hear
``{id}_s{n}``            `spmamba separate`, ClearerVoice
``{id}/s{n}``            Asteroid's evaluation (references), look2hear
``{id}_est{n}``          `asteroid-infer`
``{id}/s{n}_estimate``   Asteroid's evaluation
``{id}_source{n}``       the toolkit's save_audio (references)
``{id}_source{n}hat``    the same, estimates
``wavs/{n}/{id}``        ESPnet's enh_inference
``{id}/reference{n}``    examples of `spmamba evaluate`, with
``{id}/estimate{n}``     their estimates

Names that only estimates have are looked for first: tools write references
beside them. Of what is left, that pattern is taken which fits most files, of
items that the references have as well.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from speechbrain_spmamba.estimates.patterns import example, match_files
from speechbrain_spmamba.files.audio_files import audio_files
from speechbrain_spmamba.files.names import shown

SOURCES = (
    "s{n}/{id}",
    "{id}_s{n}",
    "{id}/s{n}",
    "{id}_source{n}",
    "{id}/source{n}",
    "spk{n}/{id}",
    "{id}_spk{n}",
    "{id}/spk{n}",
)
# What is tried, one row after the other.
LAYOUTS = {
    "reference": (("{id}/reference{n}", *SOURCES),),
    "estimate": (
        (
            "{id}_est{n}",
            "{id}/s{n}_estimate",
            "{id}_source{n}hat",
            "{id}/estimate{n}",
            "wavs/{n}/{id}",
        ),
        SOURCES,
    ),
    "mixture": (
        (
            "{id}",
            *(f"{name}/{{id}}" for name in ("mix", "mix_clean", "mix_both")),
            *(f"{name}/{{id}}" for name in ("mix_single", "mixtures")),
            "{id}/mixture",
            "{id}/mix",
            "{id}_mix",
        ),
    ),
}


@dataclass(frozen=True)
class Files:
    """Files of one kind.

    Arguments
    ---------
    kind : str
        A key of ``LAYOUTS``.
    where : str
        The folder or table that they come from, and how.
    items : dict
        ID -> number of the source -> path, empty for silence.
    """

    kind: str
    where: str
    items: dict

    @property
    def count(self):
        """How many files."""
        return sum(map(len, self.items.values()))

    def __str__(self):
        items = f"{len(self.items)} items, {self.count} files"
        return f"{self.kind}s: {items}, {self.where}"


def find_files(
    folder: str | Path,
    kind: str,
    pattern: str | None = None,
    ids: Collection[str] | None = None,
) -> Files:
    """Finds the files of one kind in a folder.

    Arguments
    ---------
    folder : str or Path
        Where to look.
    kind : str
        ``reference``, ``estimate`` or ``mixture``.
    pattern : str, optional
        How they are named, see ``patterns``; by default one of ``LAYOUTS``.
    ids : collection of str, optional
        Those of the references.

    Returns
    -------
    Files
        With ``ids``, the IDs are of these: where none fits, the last parts of
        both may, if they are unlike each other.

    Raises
    ------
    ValueError
        No folder, no pattern that fits, or several.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("s1/a.wav", "s2/a.wav", "mix_clean/a.wav"):
    ...     (folder / name).parent.mkdir()
    ...     (folder / name).touch()
    >>> print(find_files(folder, "reference"))
    references: 1 items, 2 files, '.../s{n}/{id}'
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is no folder" if folder.exists() else "does not exist"
        raise ValueError(
            f"{shown(folder)} {found}; a folder of {kind}s was expected, or "
            "a CSV file of them"
        )
    names = [
        path.relative_to(folder).as_posix() for path in audio_files(folder)[0]
    ]
    needed = ("id",) if kind == "mixture" else ("id", "n")
    tried = ((pattern,),) if pattern else LAYOUTS[kind]
    for patterns in tried:
        fitting, unlike = {}, {}
        for one in patterns:
            items = match_files(one, names, needed)
            known = items if ids is None else renamed(items, ids)
            if known:
                fitting[one] = known
            elif items:
                unlike[one] = items
        if fitting:
            break
    if not fitting:
        raise ValueError(_nothing_fits(folder, kind, names, unlike, ids))
    found = {one: Files(kind, "", items) for one, items in fitting.items()}
    most = max(files.count for files in found.values())
    best = [one for one, files in found.items() if files.count == most]
    if len(best) > 1:
        raise ValueError(
            f"{shown(folder)}: as many {kind}s, {most} files, fit "
            f"{' and '.join(map(repr, best))}; give --{kind}_pattern, or a "
            "folder with one of them"
        )
    items = {
        item: {number: str(folder / name) for number, name in files.items()}
        for item, files in fitting[best[0]].items()
    }
    return Files(kind, f"'{shown(folder / best[0])}'", items)


def renamed(items, ids):
    """What is found of these IDs, see ``find_files``.

    Example
    -------
    >>> renamed({"out/a": 1, "out/b": 2}, ["a", "c"])
    {'a': 1}
    """
    exact = {item: files for item, files in items.items() if item in ids}
    if exact:
        return exact
    theirs, ours = _last_parts(items), _last_parts(ids)
    if len(theirs) < len(items) or len(ours) < len(ids):
        return {}
    return {
        ours[last]: items[item] for last, item in theirs.items() if last in ours
    }


def _last_parts(ids):
    return {item.rpartition("/")[2]: item for item in ids}


def _nothing_fits(folder, kind, names, unlike, ids):
    """Why there are no files of this kind, in one line."""
    advice = example(("id",) if kind == "mixture" else ("id", "n"))
    advice = f"give --{kind}_pattern, such as '{advice}'"
    if not names:
        return f"{shown(folder)} has no audio files; {kind}s were expected"
    if not unlike:
        return (
            f"{shown(folder)} has {len(names)} audio files, such as "
            f"'{shown(names[0])}', and none of them is named like a {kind}; "
            f"{advice}, where {{id}} is the item and {{n}} the source"
        )
    pattern, items = max(unlike.items(), key=lambda pair: len(pair[1]))
    return (
        f"{shown(folder)}: {len(items)} {kind} items by '{pattern}', such as "
        f"'{shown(next(iter(items)))}', and none of them is one of the "
        f"{len(ids)} references, such as '{shown(next(iter(ids)))}'; {advice}, "
        "so that {id} is the same in both"
    )
