"""SPEAKERS.TXT, LibriSpeech's table of readers."""

from pathlib import Path

from speechbrain_spmamba.files.text import read_text

TABLE = "SPEAKERS.TXT"


def read_sexes(folder):
    """Reads who is a woman and who a man.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``.

    Returns
    -------
    dict
        reader -> F or M; empty without that file.
    """
    return {reader: row[0] for reader, row in read_speakers(folder).items()}


def read_speakers(folder):
    """Reads who reads what.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``: lines ``ID | SEX | SUBSET | MINUTES |
        NAME``, and comments that begin with ``;``.

    Returns
    -------
    dict
        reader -> (F or M, subset); empty without that file.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> line = "60   | M | train-clean-100  | 20.18 | |CBW|Simon"
    >>> (folder / "SPEAKERS.TXT").write_text(line)
    48
    >>> read_speakers(folder)
    {'60': ('M', 'train-clean-100')}
    """
    return {reader: row[:2] for reader, row in read_table(folder).items()}


def read_table(folder):
    """Reads all that tells readers apart.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``.

    Returns
    -------
    dict
        reader -> (sex, subset, name); empty without that file.
    """
    path = Path(folder) / TABLE
    speakers = {}
    if path.is_file():
        # Names may be in any encoding; that they are equal is all that counts.
        for line in read_text(path, errors="replace").splitlines():
            # Reader 60 is named `|CBW|Simon`: the bars behind the fourth
            # belong to the name.
            fields = [field.strip() for field in line.split("|", 4)]
            if not line.startswith(";") and len(fields) == 5:
                speakers[fields[0]] = fields[1], fields[2], fields[4]
    return speakers


def check_readers(place, homes, table):
    """Says no to a subset that was unpacked in part.

    Arguments
    ---------
    place : Path
        The subset's folder.
    homes : list of Path
        Folders over which the corpus may be spread.
    table : dict
        From ``read_table``.

    Raises
    ------
    ValueError
        Readers of the table are missing; their number and the first.
    """
    promised = [one for one, row in table.items() if row[1] == place.name]
    missing = [
        one
        for one in promised
        if not any((home / place.name / one).is_dir() for home in homes)
    ]
    if missing:
        there = [one for one in promised if one not in missing]
        raise ValueError(
            f"{place} is incomplete: {len(missing)} of the {len(promised)} "
            f"readers in SPEAKERS.TXT are missing, first {missing[0]}; unpack "
            "it again, or name those to use, readers: "
            f"[{', '.join(there[:4])}{', ...' if there[4:] else ''}], in splits"
        )
