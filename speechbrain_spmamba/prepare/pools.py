"""From the folders of corpora to what each split may draw from.

What a folder is shows in its layout: noise may be WHAM!, high_res_wham or any
plain folder; music and effects may be DnR v2 or v3 or any plain folder;
speech is LibriSpeech or shaped like it. No reader, noise recording, music
track or sound effect may be in two splits.
"""

from dataclasses import fields
from itertools import combinations
from pathlib import Path

from speechbrain_spmamba.prepare.dnr import dnr_pools, find_dnr
from speechbrain_spmamba.prepare.folder import folder_pool
from speechbrain_spmamba.prepare.librispeech import speech_pool
from speechbrain_spmamba.prepare.recordings import Pools
from speechbrain_spmamba.prepare.wham_noise import find_wham, noise_pool


def make_pools(
    splits,
    speech_folder,
    noise_folder=None,
    music_folder=None,
    effects_folder=None,
    dnr_folder=None,
    num_spks=2,
    min_seconds=0.0,
    check=False,
    bad_share=0.05,
    jobs=1,
):
    """Indexes the corpora of all splits and keeps the splits apart.

    Arguments
    ---------
    splits : dict
        Split name -> ``{"speech": [subset, ...], "noise": subfolder,
        "music": subfolder, "effects": subfolder, "dnr": subfolder}``. Names
        that are missing are the split's own; ``train``, ``valid`` and
        ``test`` also find ``tr``, ``cv`` and ``tt``. None takes a plain
        folder whole. Other keys are not used.
    speech_folder : str or Path
        LibriSpeech, or a tree of its shape.
    noise_folder : str or Path, optional
        WHAM! noise, high_res_wham, or a plain folder.
    music_folder : str or Path, optional
        A plain folder, or DnR, whose music is taken.
    effects_folder : str or Path, optional
        A plain folder, all foreground; or DnR, whose effects are taken.
    dnr_folder : str or Path, optional
        DnR for both, in addition.
    num_spks : int
        Readers in a scene; each split needs as many.
    min_seconds : float
        Shortest utterance.
    check : bool
        Decode every file and leave out bad ones (see ``index``).
    bad_share : float
        Share of bad files that is still forgiven.
    jobs : int
        Threads that open files.

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
    settings = {"check": check, "bad_share": bad_share, "jobs": jobs}
    pools = {}
    for split, wanted in splits.items():
        speech = speech_pool(
            speech_folder,
            wanted.get("speech", [split]),
            min_seconds,
            **settings,
        )
        if len(speech) < num_spks:
            raise ValueError(
                f"split {split} has {len(speech)} readers, {num_spks} talkers "
                "a scene need at least as many; add subsets"
            )
        noise, music, effects, background = [], [], [], []
        if noise_folder:
            noise = _noise(noise_folder, wanted, split, settings)
        if music_folder:
            music = _sounds(music_folder, "music", wanted, split, settings)[0]
        if effects_folder:
            _, effects, background = _sounds(
                effects_folder, "effects", wanted, split, settings
            )
        if dnr_folder:
            found = dnr_pools(dnr_folder, wanted.get("dnr", split), **settings)
            music = music + found["music"]
            effects = effects + found["effects"]
            background = background + found["background"]
        pools[split] = Pools(speech, noise, music, effects, background)
    check_apart(pools)
    return pools


def check_apart(pools):
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


def _noise(folder, wanted, split, settings):
    """Noise of whatever kind of folder it is."""
    name = wanted.get("noise", split)
    if find_wham(folder) or not Path(folder).is_dir():
        return noise_pool(folder, name or split, **settings)
    return folder_pool(folder, name, **settings)


def _sounds(folder, kind, wanted, split, settings):
    """Music, effects and background of whatever kind of folder it is."""
    name = wanted.get(kind, split)
    if find_dnr(folder):
        found = dnr_pools(folder, name or split, **settings)
    else:
        found = {kind: folder_pool(folder, name, **settings)}
    return [found.get(one, []) for one in ("music", "effects", "background")]
