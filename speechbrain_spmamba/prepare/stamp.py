"""What a folder of mixtures was made with, so that settings never mix.

Every preparation leaves its settings beside what it makes, before the first
mixture: the next call with the same settings completes the folder, and one with
others is refused.
"""

import json
from pathlib import Path

from speechbrain_spmamba.audio import replacing

STAMP = "settings.json"


def check_stamp(output_folder, settings):
    """Says no where a folder holds what was made with other settings.

    Arguments
    ---------
    output_folder : str or Path
        The folder; without a stamp in it, anything goes.
    settings : dict
        The settings of now.

    Raises
    ------
    ValueError
        The settings differ; the message names the first that does.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_stamp(folder, {"sample_rate": 8000})
    >>> check_stamp(folder, {"sample_rate": 8000})
    """
    path = Path(output_folder) / STAMP
    if not path.is_file():
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    # Through JSON, so that tuples and lists compare equal.
    for key, wanted in json.loads(json.dumps(settings)).items():
        was = found.get(key)
        if was == wanted:
            continue
        if isinstance(wanted, dict) and isinstance(was, dict):
            # Of laws with dozens of numbers, the one that differs.
            inner = [k for k in wanted if was.get(k) != wanted[k]]
            key = (inner or [k for k in was if k not in wanted])[0]
            was, wanted = was.get(key), wanted.get(key)
        raise ValueError(
            f"{output_folder} holds mixtures made with {key}={was}, now "
            f"{key}={wanted}; choose another folder or remove it"
        )


def write_stamp(output_folder, settings):
    """Writes down what a folder is made with, see ``check_stamp``."""
    with replacing(Path(output_folder) / STAMP) as temporary:
        temporary.write_text(json.dumps(settings, indent=2), encoding="utf-8")
