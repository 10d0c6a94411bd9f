"""WHAM! and WHAMR!: manifests of a finished folder.

    <folder>/wav{8k,16k}/{min,max}/{tr,cv,tt}/<part>/<name>.wav

Parts of WHAM!: ``mix_both`` (two talkers and noise), ``mix_clean`` (no
noise), ``mix_single`` (one talker and noise), ``noise``, ``s1``, ``s2``.
WHAMR! has two of each but the noise, ``_anechoic`` and ``_reverb``.
"""

from pathlib import Path

from speechbrain_spmamba.prepare.sets.finished import (
    locate,
    match_parts,
    name_parts,
    write_manifests,
)
from speechbrain_spmamba.prepare.sets.options import split_places
from speechbrain_spmamba.prepare.sets.wsj0mix import SPLITS, version_folder

TALKERS = {"both": 2, "clean": 2, "single": 1}
ROOMS = ("anechoic", "reverb")


def prepare(
    folder: str | Path,
    output_folder: str | Path,
    splits: dict | None = None,
    mixture: str = "both",
    room: str | None = None,
    reference: str | None = None,
    sample_rate: int = 8000,
    version: str = "min",
    jobs: int = 1,
) -> dict:
    """Writes the manifests of WHAM! or WHAMR!, one a split.

    Arguments
    ---------
    folder : str or Path
        The data set, or any folder above it.
    output_folder : str or Path
        Gets ``<split>.csv``.
    splits : dict, optional
        Split name -> name of its folder; by default train, valid and test.
    mixture : str
        ``both``: two talkers and noise; ``clean``: two talkers; ``single``:
        one talker and noise.
    room : str, optional
        What the mixture is in WHAMR!: ``anechoic`` or ``reverb``. None is
        WHAM!.
    reference : str, optional
        What the model is to give in WHAMR!: ``anechoic`` (the default:
        separation and dereverberation) or ``reverb``.
    sample_rate : int
        8000 or 16000 Hz.
    version : str
        ``min``: cut to the shortest talker; ``max``: padded to the longest.
    jobs : int
        Threads that read headers.

    Returns
    -------
    dict
        Split name -> path of its manifest; ``$data_root`` is ``folder``.

    Raises
    ------
    ValueError
        Folders or files are missing or do not fit together, or an argument
        is none of those above.
    """
    parts = choose_parts(mixture, room, reference)
    below = version_folder(sample_rate, version)
    tree = f"{below}/{{tr,cv,tt}}/{{{','.join(parts.values())}}}/*.wav"
    settings = {
        "set": "wham",
        "splits": split_places(splits, SPLITS),
        "parts": parts,
        "sample_rate": sample_rate,
        "version": version,
    }

    def find(root, name):
        inside = f"{below}/{name}"
        base = locate(root, [f"{inside}/{parts['mix_wav']}"], tree) / inside
        return match_parts(base, parts, tree)

    return write_manifests(folder, output_folder, settings, find, jobs)


def choose_parts(
    mixture: str = "both", room: str | None = None, reference: str | None = None
) -> dict:
    """Which folders a task needs.

    Arguments
    ---------
    mixture, room, reference : str
        See ``prepare``.

    Returns
    -------
    dict
        Column of the manifest -> folder.

    Raises
    ------
    ValueError
        No such task.

    Example
    -------
    >>> choose_parts("clean", "reverb")
    {'mix_wav': 'mix_clean_reverb', 's1_wav': 's1_anechoic', ...}
    """
    if mixture not in TALKERS:
        raise ValueError(f"mixture is {mixture}; expected {', '.join(TALKERS)}")
    if room is None and reference is not None:
        raise ValueError("reference is for WHAMR!; set room as well")
    reference = reference or (room and ROOMS[0])
    for name, value in (("room", room), ("reference", reference)):
        if value not in (None, *ROOMS):
            raise ValueError(
                f"{name} is {value}; expected {' or '.join(ROOMS)}"
            )
    mix, source = f"_{room}" * bool(room), f"_{reference}" * bool(room)
    return name_parts(
        f"mix_{mixture}{mix}",
        [f"s{i + 1}{source}" for i in range(TALKERS[mixture])],
        None if mixture == "clean" else "noise",
    )
