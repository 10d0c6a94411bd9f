"""One's own mixtures: any folder, or a table; any number of talkers.

A split is given by the name of a folder or of a CSV file below ``folder``.
Three forms are understood:

    <split>/{mix,s1,s2,...[,noise]}/<name>.wav       a folder for each part
    <split>/<name>{_mix,_s1,_s2,...[,_noise]}.wav    an ending for each part
    <split>.csv                                      a column for each part

Columns are ``mix,s1,s2,...`` or ``mix_wav,s1_wav,...``, with paths relative to
the table's folder or absolute, and an ``ID`` if the mixtures' file names do
not differ. Sources with an empty path are silent; in the other forms, where
``num_spks`` lets fewer talk, those without a file.
"""

import os
from itertools import chain
from pathlib import Path

from speechbrain_spmamba.files.text import read_columns, read_csv
from speechbrain_spmamba.prepare.sets.finished import (
    files_below,
    join_parts,
    match_parts,
    name_parts,
    write_manifests,
)
from speechbrain_spmamba.prepare.sets.options import split_places
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

SPLITS = {"train": "train", "valid": "valid", "test": "test"}
TREE = (
    "{mix,s1,s2,...}/<name>.wav, <name>_{mix,s1,s2,...}.wav, or a CSV file "
    "with the columns mix,s1,s2,..."
)


def prepare(
    folder: str | Path,
    output_folder: str | Path,
    splits: dict | None = None,
    num_spks: int | list | dict | None = None,
    mix: str = "mix",
    sources: list[str] | None = None,
    noise: str = "noise",
    sample_rate: int | None = None,
    jobs: int = 1,
) -> dict:
    """Writes the manifests of a folder of mixtures, or of a CSV file.

    Arguments
    ---------
    folder : str or Path
        Folder above all audio files; ``$data_root`` of the manifests.
    output_folder : str or Path
        Gets ``<split>.csv``.
    splits : dict, optional
        Split name -> folder or CSV file below ``folder``; by default train,
        valid and test. A dot is ``folder`` itself.
    num_spks : int, list or dict, optional
        Talkers that are expected: a number, or the least and the most as
        ``[0, 3]``; by default as many as there are.
    mix : str
        Name of the mixtures' folder, ending or column.
    sources : list of str, optional
        Names of the sources'; by default s1, s2, ... as far as they go.
    noise : str
        Name of the noise's; used where there is one.
    sample_rate : int, optional
        Rate in Hz that the files must have.
    jobs : int
        Threads that read headers.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        Nothing of the three forms, or files do not fit together.
    """
    sources = [sources] if isinstance(sources, str) else sources
    counts = None if num_spks is None else TalkerCounts.of(num_spks)
    settings = {
        "set": "custom",
        "splits": split_places(splits, SPLITS),
        "num_spks": num_spks,
        "parts": [mix, sources and list(sources), noise],
        "sample_rate": sample_rate,
    }

    def find(root, where):
        path = root / where
        if path.is_dir():
            names = _names_in_folder(path, mix)
            read = read_folders if (path / mix).is_dir() else read_endings
        elif path.suffix.lower() == ".csv" and path.is_file():
            names = _columns(path)
            read = read_table
        else:
            raise ValueError(f"{path} does not exist; expected {TREE}")
        parts = choose_parts(names, mix, sources, noise, path)
        columns = [column for column in parts if column[0] == "s"]
        if counts and counts.most != len(columns):
            raise ValueError(
                f"{path} has {len(columns)} sources a mixture, num_spks is "
                f"{num_spks}; set num_spks or sources"
            )
        fewer = counts and counts.least < counts.most
        silent = columns if fewer or read is read_table else []
        items = read(path, parts, silent)
        for item, files in items.items():
            talkers = sum(bool(files[column]) for column in columns)
            if counts and talkers not in counts.weights:
                raise ValueError(
                    f"{path}: {item} has files of {talkers} sources, num_spks "
                    f"is {num_spks}; set num_spks or complete the data"
                )
        for file in chain.from_iterable(map(dict.values, items.values())):
            if file and not file.is_relative_to(root):
                raise ValueError(
                    f"{file} is not below {root}; give a folder above all files"
                )
        return items

    return write_manifests(folder, output_folder, settings, find, jobs)


def choose_parts(
    names: set[str],
    mix: str,
    sources: list[str] | None,
    noise: str | None,
    where: Path,
) -> dict:
    """Finds out which parts there are.

    Arguments
    ---------
    names : set of str
        Folders, endings or columns that exist.
    mix, sources, noise
        See ``prepare``.
    where : Path
        For the message.

    Returns
    -------
    dict
        Column of the manifest -> its name in ``names``.

    Raises
    ------
    ValueError
        The mixture or a source is missing.

    Example
    -------
    >>> choose_parts({"mix", "s1", "s2", "x"}, "mix", None, "noise", "here")
    {'mix_wav': 'mix', 's1_wav': 's1', 's2_wav': 's2'}
    """
    if sources is None:
        sources = []
        while f"s{len(sources) + 1}" in names:
            sources.append(f"s{len(sources) + 1}")
    missing = [name for name in (mix, *sources) if name not in names]
    if missing or not sources:
        found = ", ".join(sorted(names)[:8]) or "nothing"
        raise ValueError(
            f"{where} has no {(missing or ['s1'])[0]}; expected {TREE}; found "
            f"{found}; mix and sources name the parts"
        )
    return name_parts(mix, sources, noise if noise in names else None)


def read_folders(folder, parts, silent):
    """Files of one name in a folder for each part, see ``match_parts``."""
    return match_parts(folder, parts, TREE, silent=silent)


def read_endings(folder: Path, parts: dict, silent: list[str]) -> dict:
    """Finds the files ``<name>_<part>``.

    Arguments
    ---------
    folder : Path
        Holds the files, at any depth.
    parts : dict
        Column of the manifest -> ending.
    silent : list of str
        Columns of sources that are silent where there is no file.

    Returns
    -------
    dict
        ID -> {column: path}.
    """
    columns = {part: column for column, part in parts.items()}
    files = {column: {} for column in parts}
    for name, path in files_below(folder).items():
        item, _, part = name.rpartition("_")
        if item and part in columns:
            files[columns[part]][item] = path
    return join_parts(files, silent)


def read_table(path: Path, parts: dict, silent: list[str]) -> dict:
    """Reads a CSV file.

    Arguments
    ---------
    path : Path
        The file.
    parts : dict
        Column of the manifest -> column of the file.
    silent : list of str
        Columns of the manifest that may be empty.

    Returns
    -------
    dict
        ID -> {column: path}.

    Raises
    ------
    ValueError
        No rows, an ID twice, or a field that may not be empty.
    """
    wanted = {"ID", "duration", *parts.values()}

    def known(columns):
        return [name for name in columns if _part(name) in wanted]

    items = {}
    for line, row in read_csv(path, known)[1]:
        row = {_part(name): text for name, text in row.items()}
        empty = [p for c, p in parts.items() if not row[p] and c not in silent]
        if empty:
            raise ValueError(f"{path} line {line}: '{empty[0]}' is empty")
        files = {
            column: row[part] and Path(os.path.abspath(path.parent / row[part]))
            for column, part in parts.items()
        }
        item = row.get("ID") or files["mix_wav"].stem
        if item in items:
            raise ValueError(
                f"{path} line {line}: '{item}' stands there twice; add a "
                "column ID with names that differ"
            )
        items[item] = files
    if not items:
        raise ValueError(f"{path} has no rows; expected a mixture a line")
    return items


def _names_in_folder(folder, mix):
    """Subfolders; where ``mix`` is none, endings of file names as well."""
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    if mix not in names:
        files = files_below(folder)
        names |= {name.rpartition("_")[2] for name in files if "_" in name}
    return names


def _columns(path):
    """Columns of a table, without the manifest's ending."""
    names = [_part(column) for column in read_columns(path)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"{path} has both {twice[0]} and {twice[0]}_wav; keep one"
        )
    return set(names)


def _part(column):
    """A column's name without the manifest's ending."""
    return column.removesuffix("_wav")
