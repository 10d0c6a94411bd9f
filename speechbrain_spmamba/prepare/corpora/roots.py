"""Files of corpora by names that stay when the corpora move.

speech_folder: [A, B]    A/84/121/84-121-0000.flac is $speech/84/121/...
                         B/p225/1/p225-1-0001.wav is $speech2/p225/1/...
noise_folder: C          C/tr/street.wav is $noise/tr/street.wav
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

logger = logging.getLogger(__name__)


def folder_list(
    folders: str | Path | Sequence | None, key: str = "folder"
) -> list[Path]:
    """One folder or several, as a list.

    Arguments
    ---------
    folders : str, Path, list of those, or None
        As users give them.
    key : str
        What is set, for the message.

    Returns
    -------
    list of Path
        Each once, in the given order; none of None.

    Raises
    ------
    ValueError
        Something else.

    Example
    -------
    >>> [path.name for path in folder_list(["a", "b", "a"])]
    ['a', 'b']
    """
    some = [] if folders is None else folders
    some = [some] if isinstance(some, (str, PurePath)) else some
    if not isinstance(some, (list, tuple)) or not all(
        one and isinstance(one, (str, PurePath)) for one in some
    ):
        raise ValueError(
            f"{key} is {folders!r}; give a folder or a list of folders"
        )
    unique = {}
    for one in some:
        unique.setdefault(os.path.realpath(one), Path(one))
    return list(unique.values())


def one_folder(folder: str | Path) -> Path:
    """A folder where a list of them has no meaning.

    Arguments
    ---------
    folder : str or Path
        As users give it.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    ValueError
        Something else, or several.

    Example
    -------
    >>> one_folder(["a", "b"])
    Traceback (most recent call last):
        ...
    ValueError: folder is ['a', 'b']; give one folder
    """
    some = folder_list(folder)
    if len(some) != 1:
        raise ValueError(f"folder is {folder!r}; give one folder")
    return some[0].absolute()


def folders_with(
    split: str, folders: str | Path | list | None, has: Callable, key: str
) -> list[tuple]:
    """Those of several folders that have something for a split.

    Arguments
    ---------
    split : str
        Its name, for messages.
    folders : str, Path, list or None
        As users give them.
    has : callable
        Says it of a folder.
    key : str
        What is set, for messages.

    Returns
    -------
    list of tuple
        Number, from 1, and path of each; all if none has, so that whoever
        reads them says what is missing.

    Raises
    ------
    ValueError
        There is no such folder.
    """
    some = list(enumerate(folder_list(folders, key), 1))
    if len(some) < 2:
        return some
    for _, folder in some:
        if not folder.is_dir():
            raise ValueError(f"{folder}, of {key}, is no folder; give others")
    found = [(number, folder) for number, folder in some if has(folder)]
    for number, folder in some if found else []:
        if (number, folder) not in found:
            logger.warning("split %s takes nothing of %s", split, folder)
    return found or some


def find_roots(folders: dict) -> dict:
    """Names of the corpora's folders.

    Arguments
    ---------
    folders : dict
        ``speech_folder``, ``noise_folder``, ... -> as in ``folder_list``.

    Returns
    -------
    dict
        Name without ``$`` -> absolute path.

    Example
    -------
    >>> list(find_roots({"speech_folder": ["A", "B"], "noise_folder": "C"}))
    ['speech', 'speech2', 'noise']
    """
    return {
        key.removesuffix("_folder") + str(number)[number == 1 :]: Path(
            os.path.abspath(one)
        )
        for key, some in folders.items()
        for number, one in enumerate(folder_list(some, key), 1)
    }


def to_name(path: str | Path, roots: dict) -> str:
    """The name of a file.

    Arguments
    ---------
    path : str or Path
        The file.
    roots : dict
        From ``find_roots``.

    Returns
    -------
    str
        Below the nearest root; of a file that is below none, its path.

    Example
    -------
    >>> roots = find_roots({"speech_folder": "A", "noise_folder": "A/C"})
    >>> to_name("A/x.wav", roots), to_name("A/C/y.wav", roots)
    ('$speech/x.wav', '$noise/y.wav')
    """
    path = Path(os.path.abspath(path))
    above = [item for item in roots.items() if path.is_relative_to(item[1])]
    if not above:
        return str(path)
    name, root = max(above, key=lambda item: len(item[1].parts))
    return f"${name}/{path.relative_to(root).as_posix()}"


def to_path(name: str, roots: dict) -> Path:
    """The file of a name.

    Arguments
    ---------
    name : str
        From ``to_name``.
    roots : dict
        From ``find_roots``.

    Returns
    -------
    Path
        Where the file is, or should be.

    Raises
    ------
    ValueError
        It is below a root that is not known.

    Example
    -------
    >>> roots = find_roots({"speech_folder": "/new"})
    >>> to_path("$speech/x.wav", roots).as_posix()
    '/new/x.wav'
    """
    if not name.startswith("$"):
        return Path(name)
    root, _, inside = name[1:].partition("/")
    if root not in roots:
        raise ValueError(
            f"{name} is of a corpus that is not given; there are "
            f"{', '.join(roots) or 'none'}"
        )
    return roots[root] / inside
