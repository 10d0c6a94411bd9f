"""WSJ0-2mix and WSJ0-3mix: manifests of a finished folder.

    <folder>/[wsj0-mix/]{2,3}speakers/wav{8k,16k}/{min,max}/{tr,cv,tt}/
        {mix,s1,s2[,s3]}/<utterance>_<level>_<utterance>_<level>.wav

The WSJ0 corpus is sold by the LDC (LDC93S6A), so that there is nothing to
download; the mixtures are made from it by the scripts of their authors.
"""

from pathlib import Path

from speechbrain_spmamba.prepare.sets.finished import (
    locate,
    match_parts,
    name_parts,
    write_manifests,
)
from speechbrain_spmamba.prepare.sets.options import (
    check_one_number,
    split_places,
)

SPLITS = {"train": "tr", "valid": "cv", "test": "tt"}


def prepare(
    folder: str | Path,
    output_folder: str | Path,
    splits: dict | None = None,
    num_spks: int = 2,
    sample_rate: int = 8000,
    version: str = "min",
    jobs: int = 1,
) -> dict:
    """Writes the manifests of WSJ0-2mix or WSJ0-3mix, one a split.

    Arguments
    ---------
    folder : str or Path
        The data set, or any folder above it.
    output_folder : str or Path
        Gets ``<split>.csv``.
    splits : dict, optional
        Split name -> name of its folder; by default train, valid and test.
    num_spks : int
        Talkers: 2 or 3.
    sample_rate : int
        8000 or 16000 Hz.
    version : str
        ``min``: cut to the shortest talker; ``max``: padded to the longest.
    jobs : int
        Threads that read headers.

    Returns
    -------
    dict
        Split name -> path of its manifest; ``$data_root`` is ``folder``.

    Raises
    ------
    ValueError
        Folders or files are missing or do not fit together.
    """
    check_one_number(num_spks)
    below = version_folder(sample_rate, version)
    tree = f"{num_spks}speakers/{below}/{{tr,cv,tt}}/{{mix,s1,s2}}/*.wav"
    parts = name_parts("mix", [f"s{i + 1}" for i in range(num_spks)])
    settings = {
        "set": "wsj0mix",
        "splits": split_places(splits, SPLITS),
        "num_spks": num_spks,
        "sample_rate": sample_rate,
        "version": version,
    }

    def find(root, name):
        above = f"{num_spks}speakers/"
        # Either the folder of one number of talkers or one above it.
        if root.name == above[:-1] or (root / below).is_dir():
            above = ""
        inside = f"{above}{below}/{name}"
        base = locate(root, [inside], tree) / inside
        return match_parts(base, parts, tree, num_spks)

    return write_manifests(folder, output_folder, settings, find, jobs)


def version_folder(sample_rate: int, version: str) -> str:
    """The folders of a sample rate and a length, also in WSJ0-mix's heirs.

    Arguments
    ---------
    sample_rate : int
        8000 or 16000 Hz.
    version : str
        ``min`` or ``max``.

    Returns
    -------
    str
        Relative path.

    Raises
    ------
    ValueError
        There are none of that name.

    Example
    -------
    >>> version_folder(8000, "min")
    'wav8k/min'
    """
    if sample_rate not in (8000, 16000):
        raise ValueError(
            f"sample_rate is {sample_rate}; the data set has 8000 and 16000"
        )
    if version not in ("min", "max"):
        raise ValueError(f"version is {version}; expected min or max")
    return f"wav{sample_rate // 1000}k/{version}"
