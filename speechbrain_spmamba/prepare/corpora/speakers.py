"""Who is who among the readers of one or several corpora, and who is wanted.

LibriSpeech's table of readers is SPEAKERS.TXT.
"""

import difflib
from pathlib import Path

from speechbrain_spmamba.files.text import read_text

TABLE = "SPEAKERS.TXT"


def read_speakers(folder: str | Path) -> dict:
    """Reads all that tells readers apart.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``: lines ``ID | SEX | SUBSET | MINUTES |
        NAME``, and comments that begin with ``;``.

    Returns
    -------
    dict
        reader -> (F or M, subset, name); empty without that file.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> line = "60   | M | train-clean-100  | 20.18 | |CBW|Simon"
    >>> (folder / "SPEAKERS.TXT").write_text(line)
    48
    >>> read_speakers(folder)
    {'60': ('M', 'train-clean-100', '|CBW|Simon')}
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


def check_readers(place: Path, homes: list[Path], table: dict) -> None:
    """Says no to a subset that was unpacked in part.

    Arguments
    ---------
    place : Path
        The subset's folder.
    homes : list of Path
        Folders over which the corpus may be spread.
    table : dict
        From ``read_speakers``.

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


def name_reader(ident: str, number: int, tables: list[dict]) -> str:
    """Names a reader so that no two people have one name.

    Arguments
    ---------
    ident : str
        What the corpus calls the reader.
    number : int
        Of the corpus, from 0.
    tables : list of dict
        What ``read_speakers`` gives of each corpus.

    Returns
    -------
    str
        In the first corpus its own name, in others behind ``c2.``, ``c3.``
        and so on: names may coincide. Where the tables of both say that it
        is the same person, it is the name in the earlier one.

    Example
    -------
    >>> ann, bob = ("F", "dev", "Ann"), ("M", "dev", "Bob")
    >>> tables = [{"10": ann, "11": bob}, {"10": ann, "11": ann}]
    >>> [name_reader(ident, 1, tables) for ident in ("10", "11", "12")]
    ['10', 'c2.11', 'c2.12']
    """
    row = tables[number].get(ident, ("", "", ""))
    for earlier, table in enumerate(tables[:number]):
        other = table.get(ident, ("", "", ""))
        if row[2] and (row[0], row[2]) == (other[0], other[2]):
            number = earlier
            break
    return f"c{number + 1}.{ident}" if number else ident


def choose_readers(
    sexes: dict,
    readers: list | None = None,
    sex: str | None = None,
    where: str = "the corpus",
) -> list[str]:
    """Chooses readers by name, by sex, or both.

    Arguments
    ---------
    sexes : dict
        Reader -> F, M, or nothing where it is not known.
    readers : list, optional
        Names; without it, all. Those of a second corpus may stand with or
        without their ``c2.``.
    sex : str, optional
        F or M; without it, both.
    where : str
        For messages.

    Returns
    -------
    list of str
        Readers in their order in ``sexes``.

    Raises
    ------
    ValueError
        One is not there, nobody is left, or a sex is not known.

    Example
    -------
    >>> choose_readers({"84": "F", "174": "M", "251": "M"}, [84, 251], "M")
    ['251']
    """
    chosen = set(sexes)
    if readers is not None:
        some = readers if isinstance(readers, (list, tuple)) else [readers]
        chosen = {_find(str(one), sexes, where) for one in some}
    if sex is not None:
        if sex not in ("F", "M"):
            raise ValueError(f"{where}: sex is {sex!r}; expected F or M")
        unknown = [one for one in sexes if one in chosen and not sexes[one]]
        if unknown:
            raise ValueError(
                f"{where}: sex is {sex}, and SPEAKERS.TXT does not tell that "
                f"of {len(unknown)} of {len(chosen)} readers, first "
                f"{unknown[0]}; complete it, or choose by readers alone"
            )
        chosen = {one for one in chosen if sexes[one] == sex}
    if sexes and not chosen:
        raise ValueError(
            f"{where} has none of {len(sexes)} readers that are wanted "
            f"(readers={readers}, sex={sex}); choose others"
        )
    return [one for one in sexes if one in chosen]


def _find(name, sexes, where):
    """A reader by the full name, or by one that only one of them has."""
    if name in sexes:
        return name
    found = [one for one in sexes if one.partition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    near = found or difflib.get_close_matches(name, sexes, n=3)
    near = near or sorted(sexes)[:3]
    raise ValueError(
        f"{where} has no reader {name} among {len(sexes)}; there are "
        f"{', '.join(near) or 'none'}{', ...' if len(sexes) > 3 else ''}; "
        "name others in readers"
    )
