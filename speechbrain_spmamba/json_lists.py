"""look2hear's lists of files, read as a manifest.

Its scripts write a folder a split with ``mix.json``, ``s1.json``, ``s2.json``
(and ``noise.json``), each ``[[path, samples], ...]``: the same place of every
list is one mixture. A source with an empty path is silent.
"""

import os
from pathlib import Path

from speechbrain_spmamba.audio import open_audio
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.files.text import read_json

SUFFIX = ".json"


def is_list(path: str | Path) -> bool:
    """Whether a path is a folder of such lists, or its list of mixtures.

    Arguments
    ---------
    path : str or Path
        What was given for a manifest.

    Returns
    -------
    bool
        Whether ``read_lists`` is for it.
    """
    path = Path(path)
    return path.suffix == SUFFIX or (path / f"mix{SUFFIX}").is_file()


def read_lists(
    path: str | Path, data_root: str | Path
) -> tuple[list[str], list[tuple]]:
    """Reads the lists of a split.

    Arguments
    ---------
    path : str or Path
        The list of mixtures, which may have any name, or its folder.
    data_root : str or Path
        What paths that are not absolute are relative to.

    Returns
    -------
    columns : list of str
        Those of a manifest.
    rows : list of tuple
        Place in the list, and a row, of each mixture. An ID is the mixture's
        path below the folder that all have in common.

    Raises
    ------
    ValueError
        No such lists, lists of unequal lengths, two sources with the same
        list, or a first mixture that cannot be read.

    Example
    -------
    >>> import numpy as np
    >>> from speechbrain_spmamba.audio import write_audio
    >>> folder = getfixture("tmp_path")
    >>> write_audio(folder / "a.wav", np.zeros(80, "float32"), 8000)
    >>> for name in ("mix", "s1"):
    ...     text = '[["a.wav", 80]]'
    ...     _ = (folder / f"{name}.json").write_text(text)
    >>> read_lists(folder, folder)[1][0][1]["ID"]
    'a'
    """
    path = Path(path)
    path = path / f"mix{SUFFIX}" if path.is_dir() else path
    lists, sizes = {}, {}
    lists["mix_wav"], sizes["mix_wav"] = _read(path)
    while (source := path.with_name(f"s{len(lists)}{SUFFIX}")).is_file():
        key = f"{source.stem}_wav"
        lists[key], sizes[key] = _read(source)
        for other in list(lists)[1:-1]:
            # A script that is in use writes the first list for the second.
            if lists[other] == lists[key]:
                raise ValueError(
                    f"{shown(source)} lists the same files as "
                    f"{other.removesuffix('_wav')}{SUFFIX}; write it anew"
                )
    noise = path.with_name(f"noise{SUFFIX}")
    if noise.is_file():
        lists["noise_wav"], sizes["noise_wav"] = _read(noise)
    if len(lists) == 1:
        raise ValueError(f"{shown(path)} has no s1{SUFFIX} beside it")
    for key, files in lists.items():
        if len(files) != len(lists["mix_wav"]):
            raise ValueError(
                f"{shown(path.parent)} has {len(lists['mix_wav'])} mixtures "
                f"and {len(files)} files in {key.removesuffix('_wav')}{SUFFIX};"
                " expected as many"
            )
    root = Path(data_root)
    paths = {
        key: [name and root / name for name in names]
        for key, names in lists.items()
    }
    with open_audio(paths["mix_wav"][0]) as file:
        sample_rate = file.samplerate
    names = _names(paths["mix_wav"])
    rows = [
        (
            place,
            {
                "ID": name,
                "duration": str(sizes["mix_wav"][place - 1] / sample_rate),
                **{key: str(files[place - 1]) for key, files in paths.items()},
            },
        )
        for place, name in enumerate(names, 1)
    ]
    return list(rows[0][1]), rows


def _read(path):
    """Paths and numbers of samples of one list."""
    try:
        items = read_json(path)
        names = [name for name, _ in items]
        sizes = [size for _, size in items]
        fine = names and all(isinstance(name, str) for name in names)
        fine = fine and all(type(size) is int for size in sizes)
    except (ValueError, TypeError, OSError, RecursionError):
        fine = False
    if not fine:
        raise ValueError(
            f"{shown(path)} is no list of files; expected "
            "[[path, samples], ...], as look2hear's scripts write it"
        )
    return names, sizes


def _names(files):
    """An ID for each file: its path below what all have in common."""
    files = [os.path.abspath(name) for name in files]
    common = os.path.commonpath([os.path.dirname(name) for name in files])
    below = [Path(name).relative_to(common) for name in files]
    return ["_".join(path.with_suffix("").parts) for path in below]
