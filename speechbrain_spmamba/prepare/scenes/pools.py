"""From the folders of corpora to what each split may draw from.

What a folder is shows in its layout: noise may be WHAM!, high_res_wham or any
plain folder; music and effects may be DnR v2 or v3 or any plain folder;
speech is LibriSpeech or shaped like it. Of each there may be several folders.
No reader, noise recording, music track or sound effect may be in two splits.
"""

from dataclasses import fields, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from speechbrain_spmamba.prepare.corpora.clips import Pools
from speechbrain_spmamba.prepare.corpora.dnr import dnr_pools, find_dnr
from speechbrain_spmamba.prepare.corpora.index import split_folder
from speechbrain_spmamba.prepare.corpora.librispeech import speech_pool
from speechbrain_spmamba.prepare.corpora.plain_folder import folder_pool
from speechbrain_spmamba.prepare.corpora.roots import folders_with
from speechbrain_spmamba.prepare.corpora.wham_noise import (
    HIGH_RES,
    find_wham,
    noise_pool,
)

# What is taken from a folder of some kind, whatever else is in it.
KINDS = {
    "noise": ("noise",),
    "music": ("music",),
    "effects": ("effects", "background"),
    "dnr": ("music", "effects", "background"),
}


def make_pools(
    splits: dict,
    speech_folder: str | Path | list,
    noise_folder: str | Path | list | None = None,
    music_folder: str | Path | list | None = None,
    effects_folder: str | Path | list | None = None,
    dnr_folder: str | Path | list | None = None,
    num_spks: int = 2,
    min_seconds: float = 0.0,
    **checks: Any,
) -> dict:
    """Indexes the corpora of all splits and keeps the splits apart.

    Arguments
    ---------
    splits : dict
        Split name -> ``{"speech": [subset, ...], "readers": [reader, ...],
        "sex": F or M, "noise": subfolder, "music": subfolder, "effects":
        subfolder, "dnr": subfolder}``. Without readers and sex, all readers
        of the subsets talk. Names that are missing are the split's own;
        ``train``, ``valid`` and ``test`` also find ``tr``, ``cv`` and
        ``tt``. None takes a plain folder whole. Other keys are not used.
    speech_folder : str, Path or list
        LibriSpeech, or a tree of its shape; a list of folders is several.
    noise_folder : str, Path or list, optional
        WHAM! noise, high_res_wham, or a plain folder.
    music_folder : str, Path or list, optional
        A plain folder, or DnR, whose music is taken.
    effects_folder : str, Path or list, optional
        A plain folder, all foreground; or DnR, whose effects are taken.
    dnr_folder : str, Path or list, optional
        DnR for both, in addition.
    num_spks : int
        Readers in a scene; each split needs as many.
    min_seconds : float
        Shortest utterance.
    **checks : dict
        How files are checked, see ``index.list_audio``.

    Returns
    -------
    dict
        Split name -> Pools.

    Raises
    ------
    ValueError
        A corpus is missing or in parts, too few readers, or something that is
        in two splits.

    Example
    -------
    >>> from speechbrain_spmamba.audio import write_audio
    >>> folder = getfixture("tmp_path")
    >>> for reader in ("10", "11"):
    ...     path = folder / "train" / reader / "7" / f"{reader}-7-0000.flac"
    ...     write_audio(path, [0.0] * 16000, 16000, "PCM_16")
    >>> pools = make_pools({"train": {"speech": ["train"]}}, folder)
    >>> list(pools["train"].speech)
    ['10', '11']
    """
    folders = {
        "noise": noise_folder,
        "music": music_folder,
        "effects": effects_folder,
        "dnr": dnr_folder,
    }
    pools = {}
    for split, wanted in splits.items():
        speech = speech_pool(
            speech_folder,
            wanted.get("speech", [split]),
            min_seconds,
            readers=wanted.get("readers"),
            sex=wanted.get("sex"),
            **checks,
        )
        if len(speech) < num_spks:
            raise ValueError(
                f"split {split} has {len(speech)} readers, {num_spks} talkers "
                "a scene need at least as many; add subsets"
            )
        sounds = {name: [] for name in KINDS["noise"] + KINDS["dnr"]}
        for kind, classes in KINDS.items():
            name = wanted.get(kind, split)
            for number, folder in folders_with(
                split,
                folders[kind],
                partial(_has_split, kind=kind, name=name),
                f"{kind}_folder",
            ):
                found = _find(folder, kind, name, split, checks)
                for one in classes:
                    sounds[one] += _labelled(found.get(one, []), number)
        pools[split] = Pools(speech, **sounds)
    check_apart(pools)
    return pools


def check_apart(pools: dict) -> None:
    """Says no where two splits share a recording of a class.

    Arguments
    ---------
    pools : dict
        Split name -> Pools.

    Raises
    ------
    ValueError
        Names the first that is shared.

    Example
    -------
    >>> check_apart({"train": Pools({"10": []}), "test": Pools({"11": []})})
    """
    for kind in (field.name for field in fields(Pools)):
        groups = {
            split: _groups(getattr(pool, kind)) for split, pool in pools.items()
        }
        for one, other in combinations(groups, 2):
            shared = sorted(groups[one] & groups[other])
            if shared:
                what = "readers" if kind == "speech" else f"{kind} recordings"
                raise ValueError(
                    f"splits {one} and {other} share {len(shared)} {what}, "
                    f"first {shared[0]}; name other subsets or folders in "
                    "splits, or move files until none is in two of them"
                )


def _groups(pool):
    """The groups of a pool; those of speech are its readers."""
    return set(pool) if isinstance(pool, dict) else {one.group for one in pool}


def _find(folder, kind, name, split, checks):
    """Class -> clips of whatever kind of folder it is."""
    if kind == "noise":
        if find_wham(folder) or not folder.is_dir():
            return {"noise": noise_pool(folder, name or split, **checks)}
    elif kind == "dnr" or find_dnr(folder):
        return dnr_pools(folder, name or split, **checks)
    return {kind: folder_pool(folder, name, **checks)}


def _has_split(folder, kind, name):
    """Whether a folder has something for a split."""
    if kind == "noise":
        home = find_wham(folder)
        by_table = home and (home / HIGH_RES).is_file()
    else:
        version, home = find_dnr(folder) or (0, folder)
        home, by_table = home / "audio" if version == 3 else home, False
    return (
        name is None or by_table or split_folder(home or folder, name).is_dir()
    )


def _labelled(clips, number):
    """Clips whose groups differ from those of other corpora."""
    if number == 1:
        return clips
    return [replace(one, group=f"c{number}.{one.group}") for one in clips]
