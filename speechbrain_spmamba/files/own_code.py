"""Modules of one's own, which a YAML file names: found, and kept with it.

They are looked for behind all that Python has: beside the file, then in the
working folder. A run and a model folder keep a copy beside their YAML file.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

from speechbrain_spmamba.files.writing import write_bytes

NAMED = re.compile(r"!(?:new|name|apply|applyref|module):\s*([A-Za-z_]\w*)")
OURS = __name__.partition(".")[0]


def find_own_code(path: str | Path, *texts: str) -> dict:
    """Lets Python import what a YAML file names, and says what of it is own.

    Arguments
    ---------
    path : str or Path
        The file.
    *texts : str
        What names modules: its text, keys set on the command line.

    Returns
    -------
    dict
        Name as seen from the folder -> file, for each module or package of
        those that stands beside the YAML file or in the working folder.

    Raises
    ------
    ValueError
        One beside the YAML file is not what Python has under this name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "own_net.py").write_text("class Net: pass")
    >>> list(find_own_code(folder / "a.yaml", "separator: !new:own_net.Net"))
    ['own_net.py']
    """
    beside, found = os.path.abspath(Path(path).parent), {}
    folders = dict.fromkeys([beside, os.getcwd()])
    sys.path += [folder for folder in folders if folder not in sys.path]
    importlib.invalidate_caches()
    names = {name for text in texts for name in NAMED.findall(text)}
    for name in sorted(names - {OURS}):
        for folder in folders:
            files = _files(folder, name)
            if not files:
                continue
            other = _difference(name, files)
            if other is None:
                found |= files
                break
            if folder == beside:
                raise ValueError(
                    f"{path} names {name}, and there are two of this name: "
                    f"{[*files.values()][0]} beside it, and Python's {other}; "
                    "rename one, or work in another folder"
                )
    return found


def keep_own_code(path: str | Path, folder: str | Path, text: str) -> None:
    """Copies the modules of one's own beside a YAML file made of another.

    Arguments
    ---------
    path : str or Path
        The file that they were found with.
    folder : str or Path
        The folder of the new one.
    text : str
        What names them.
    """
    for name, file in find_own_code(path, text).items():
        write_bytes(Path(folder) / name, file.read_bytes())


def _files(folder, name):
    """A module's or a package's files: name in the folder -> file."""
    folder = Path(folder)
    files = [folder / f"{name}.py"]
    if (folder / name / "__init__.py").is_file():
        files = sorted((folder / name).rglob("*.py"))
    return {f.relative_to(folder).as_posix(): f for f in files if f.is_file()}


def _difference(name, files):
    """What Python imports in the place of these; None if the same."""
    loaded = sys.modules.get(name)
    spec = loaded.__spec__ if loaded else importlib.util.find_spec(name)
    top = Path(getattr(spec, "origin", None) or name)
    home = top.parent.parent if top.name == "__init__.py" else top.parent
    for key, file in files.items():
        other = home / key
        if not other.is_file() or other.read_bytes() != file.read_bytes():
            return top
    return None
