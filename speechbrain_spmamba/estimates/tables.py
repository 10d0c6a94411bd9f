"""CSV files that list references, estimates and mixtures.

Manifests of this package and tables of the toolkit (``ID``, ``mix_wav``,
``s1_wav``, ...), metadata of Asteroid and LibriMix (``mixture_ID``,
``mixture_path``, ``source_1_path``, ...), and look2hear's lists.

Relative paths are below ``data_root``, if it is given, else below the folder
of the table.
"""

from collections.abc import Collection
from pathlib import Path

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.estimates.layouts import Files, renamed
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.files.text import read_csv
from speechbrain_spmamba.json_lists import is_list, read_lists
from speechbrain_spmamba.manifest import DATA_ROOT

ID_COLUMNS = ("ID", "mixture_ID", "id")
MIXTURE_COLUMNS = ("mix_wav", "mixture_path", "mix")
SOURCE_COLUMNS = ("s{}_wav", "source_{}_path", "s{}")


def is_table(path):
    """Whether a path is a table, and not a folder of audio."""
    return Path(path).suffix.lower() == ".csv" or is_list(path)


def read_table(
    path: str | Path,
    kind: str,
    data_root: str | Path | None = None,
    ids: Collection[str] | None = None,
) -> tuple[Files, Files | None]:
    """Reads a table.

    Arguments
    ---------
    path : str or Path
        The file, or a folder of look2hear's lists.
    kind : str
        What its sources are, ``reference`` or ``estimate``.
    data_root : str or Path, optional
        What paths are relative to, and what ``$data_root`` stands for.
    ids : collection of str, optional
        As for ``layouts.find_files``.

    Returns
    -------
    Files
        The sources.
    Files or None
        The mixtures, if the table has them.

    Raises
    ------
    ValueError
        No table, none of these columns, an ID twice or no rows.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> _ = path.write_text("ID,mix_wav,s1_wav\\na,/d/mix.wav,/d/s1.wav\\n")
    >>> read_table(path, "reference")[0].items
    {'a': {1: '/d/s1.wav'}}
    """
    path = Path(path)
    root = Path(data_root or path.parent)
    if is_list(path):
        columns, rows = read_lists(path, root)
    elif path.is_file():
        columns, rows = read_csv(path)
    else:
        raise ValueError(f"{shown(path)} does not exist; check the path")
    name = next((one for one in ID_COLUMNS if one in columns), None)
    sources = next(
        filter(None, (_numbered(columns, x) for x in SOURCE_COLUMNS)), {}
    )
    if name is None or not sources:
        wanted = "ID" if name is None else "s1_wav"
        raise ValueError(
            f"{shown(path)} has the columns {shown(', '.join(columns))[:200]}; "
            "expected ID and s1_wav, s2_wav, ..., or mixture_ID and "
            f"source_1_path, ...{did_you_mean(wanted, columns)}"
        )
    mixture = next((one for one in MIXTURE_COLUMNS if one in columns), None)
    items, mixtures = {}, {}
    for line, row in rows:
        item = row[name]
        if item in items:
            raise ValueError(
                f"{shown(path)} line {line}: {name} '{shown(item)}' stands "
                "there twice; IDs must differ"
            )
        items[item] = {n: _path(row[x], root) for n, x in sources.items()}
        if mixture:
            mixtures[item] = {0: _path(row[mixture], root)}
    if not items:
        raise ValueError(f"{shown(path)} has no rows; {kind}s were expected")
    if ids is not None:
        own, items = items, renamed(items, ids)
        if not items:
            raise ValueError(
                f"{shown(path)}: none of its {len(own)} items, such as "
                f"'{shown(next(iter(own)))}', is one of the {len(ids)} "
                f"references, such as '{shown(next(iter(ids)))}'; IDs must be "
                "the same"
            )
    where = f"'{shown(path)}'"
    found = Files("mixture", where, mixtures) if mixtures else None
    return Files(kind, where, items), found


def _numbered(columns, form):
    """Number -> column of a form, as far as they go."""
    found = {}
    while (name := form.format(len(found) + 1)) in columns:
        found[len(found) + 1] = name
    return found


def _path(cell, root):
    """A path that can be opened; an empty one is silence."""
    cell = cell.replace(DATA_ROOT, str(root))
    return cell and str(root / cell)
