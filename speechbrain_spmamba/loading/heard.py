"""Which sources of a manifest can be heard: dynamic mixing draws no others.

A silent source has an empty path, or a file of zeros. An ID that names as many
talkers as there are paths is believed; where it does not, the files are looked
into until something sounds. With the silent ones away, the ID may name the
others: ``000012_103-1240-0000`` has one talker, however many files.
"""

from joblib import Parallel, delayed

from speechbrain_spmamba.audio import is_silent
from speechbrain_spmamba.talkers import find_talkers


def heard_sources(
    rows: dict, sources: list[str], talker_pattern: str | None = None
) -> dict:
    """Finds the sources that are not silent.

    Arguments
    ---------
    rows : dict
        ID -> row, see ``manifest.read_manifest``.
    sources : list of str
        Columns of the sources.
    talker_pattern : str, optional
        As for ``find_talkers``.

    Returns
    -------
    dict
        ID -> its columns that can be heard.

    Raises
    ------
    ValueError
        The pattern is none. Files that cannot be read count as heard: who
        reads them will say what is wrong.

    Example
    -------
    >>> rows = {"103-1240-0000": {"s1_wav": "a.wav", "s2_wav": ""}}
    >>> heard_sources(rows, ["s1_wav", "s2_wav"])
    {'103-1240-0000': ['s1_wav']}
    """
    heard = {item: [k for k in sources if rows[item][k]] for item in rows}
    unsure = [
        (item, key)
        for item, keys in heard.items()
        if item in find_talkers(item, len(keys), talker_pattern)
        for key in keys
    ]
    # Threads: decoding does not hold Python's lock.
    silent = Parallel(n_jobs=-1, prefer="threads")(
        delayed(_is_silent)(rows[item][key]) for item, key in unsure
    )
    for (item, key), so in zip(unsure, silent, strict=True):
        if so:
            heard[item].remove(key)
    return heard


def _is_silent(path):
    try:
        return is_silent(path)
    except ValueError:
        return False
