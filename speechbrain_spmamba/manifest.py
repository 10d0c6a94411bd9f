"""The manifest: one CSV row a mixture, as SpeechBrain's recipes read it.

Columns ``ID,duration,mix_wav,s1_wav,...,sN_wav[,noise_wav]``; durations in
seconds; paths begin with ``$data_root`` so that a folder can be moved. Where
fewer talk than there are columns, the cells of the others are empty: these
sources are silent.
"""

from collections.abc import Iterable
from pathlib import Path

from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.files.text import read_csv
from speechbrain_spmamba.files.writing import write_csv
from speechbrain_spmamba.json_lists import is_list, read_lists

DATA_ROOT = "$data_root"


def source_keys(columns: Iterable[str]) -> list[str]:
    """Names of the source columns, in order.

    Arguments
    ---------
    columns : iterable of str
        Column names.

    Returns
    -------
    list of str
        ``s1_wav``, ``s2_wav``, ... as far as they go.

    Example
    -------
    >>> source_keys(["ID", "mix_wav", "s1_wav", "s2_wav", "noise_wav"])
    ['s1_wav', 's2_wav']
    """
    keys = []
    while f"s{len(keys) + 1}_wav" in columns:
        keys.append(f"s{len(keys) + 1}_wav")
    return keys


def known_columns(columns: Iterable[str]) -> list[str]:
    """Names of the columns that mean something in a manifest.

    Arguments
    ---------
    columns : iterable of str
        Column names.

    Returns
    -------
    list of str
        Those of this file's head, and ``s1_utterances``, ..., which tell
        people what a source was made of.

    Example
    -------
    >>> known_columns(["ID", "s1_wav", "s3_wav"])
    ['ID', 'duration', 'mix_wav', 'noise_wav', 's1_wav', 's1_utterances']
    """
    sources = source_keys(columns)
    told = [key.replace("_wav", "_utterances") for key in sources]
    return ["ID", "duration", "mix_wav", "noise_wav", *sources, *told]


def write_manifest(
    path: str | Path, rows: list[dict], data_root: str | Path
) -> None:
    """Writes rows, sorted by ID, with paths relative to ``$data_root``.

    Arguments
    ---------
    path : str or Path
        The CSV file; it appears only when complete.
    rows : list of dict
        ``ID``, ``duration`` and the ``*_wav`` paths of each mixture; the
        path of a silent source is empty.
    data_root : str or Path
        Folder above all paths.

    Raises
    ------
    ValueError
        No rows.

    Example
    -------
    >>> path = getfixture("tmp_path") / "test.csv"
    >>> row = {
    ...     "ID": "a",
    ...     "duration": 1.5,
    ...     "mix_wav": "/d/a.wav",
    ...     "s1_wav": "/d/a1.wav",
    ... }
    >>> write_manifest(path, [row], "/d")
    >>> print(path.read_text().strip())
    ID,duration,mix_wav,s1_wav
    a,1.5,$data_root/a.wav,$data_root/a1.wav
    """
    if not rows:
        raise ValueError(f"{path} would be empty: no mixtures were made")
    root = Path(data_root)
    written = []
    for row in sorted(rows, key=lambda row: row["ID"]):
        paths = {
            key: f"{DATA_ROOT}/{Path(value).relative_to(root).as_posix()}"
            for key, value in row.items()
            if key.endswith("_wav") and value
        }
        written.append({**row, **paths})
    write_csv(path, written, list(rows[0]))


def read_manifest(
    path: str | Path, data_root: str | Path, num_spks: int | None = None
) -> dict:
    """Reads and checks a manifest.

    Arguments
    ---------
    path : str or Path
        The CSV file, or a folder of look2hear's lists (``json_lists.py``).
    data_root : str or Path
        What ``$data_root`` stands for.
    num_spks : int, optional
        Sources that must be there.

    Returns
    -------
    dict
        ID -> row, with float ``duration`` and resolved paths, in file order;
        a silent source has an empty path.

    Raises
    ------
    ValueError
        Not a file, no CSV file, a column missing, no rows, an ID twice, a
        duration that is no positive number, or another number of sources than
        wanted.
    """
    path = Path(path)
    if is_list(path):
        columns, lines = read_lists(path, data_root)
    elif path.is_file():
        columns, lines = read_csv(path, known_columns)
    else:
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(
            f"manifest {path} {found}; prepare the data first "
            "(`spmamba prepare --help`)"
        )
    sources = source_keys(columns)
    for needed in ("ID", "duration", "mix_wav", "s1_wav"):
        if needed not in columns:
            raise ValueError(
                f"manifest {path} has no column '{needed}'; it has "
                f"{shown(', '.join(columns))[:200] or 'none'}; expected "
                "ID,duration,mix_wav,s1_wav,s2_wav,..."
            )
    if num_spks is not None and len(sources) != num_spks:
        raise ValueError(
            f"manifest {path} has {len(sources)} sources a mixture, the "
            f"model separates {num_spks}; set num_spks or use other data"
        )
    rows = {}
    for line, row in lines:
        row = _checked(row, f"manifest {path} line {line}")
        if row["ID"] in rows:
            raise ValueError(
                f"manifest {path} line {line}: ID '{row['ID']}' stands "
                "there twice; IDs must differ"
            )
        rows[row["ID"]] = row
        for key in ("mix_wav", *sources, "noise_wav"):
            if row.get(key):
                row[key] = row[key].replace(DATA_ROOT, str(data_root))
    if not rows:
        raise ValueError(f"manifest {path} has no rows; prepare the data again")
    return rows


def _checked(row, where):
    """The row with a float duration, or an error that names the line."""
    try:
        duration = float(row["duration"])
    except ValueError:
        duration = -1.0
    if not 0 < duration < float("inf"):
        raise ValueError(
            f"{where}: duration is '{row['duration']}', expected seconds"
        )
    empty = [key for key in ("ID", "mix_wav") if not row[key]]
    if empty:
        raise ValueError(f"{where}: '{empty[0]}' is empty")
    row["duration"] = duration
    return row
