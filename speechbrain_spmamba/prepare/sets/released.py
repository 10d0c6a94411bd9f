"""Echo2Mix, EchoSet and LRS2-2Mix as their authors released them.

    Echo2Mix, EchoSet: {train,val,test}/<scene>/<room>/<reader>_<reader>/
                           {mix,spk1_reverb,spk2_reverb}.wav
    LRS2-2Mix:         {tr,cv,tt}/{mix,s1,s2}/<name>.wav

The archives hold these trees below other folders, EchoSet's below an absolute
path of another machine: they are found at any depth. Every path is built from
its own folder, never by replacing a word in a whole path, and both references
are looked for, so that no folder's name can mislead.
"""

from pathlib import Path

from speechbrain_spmamba.prepare.sets.finished import (
    files_below,
    join_parts,
    locate,
    match_parts,
    name_parts,
    write_manifests,
)
from speechbrain_spmamba.prepare.sets.options import split_places

SCENES = {"train": "train", "valid": "val", "test": "test"}
FLAT = {"train": "tr", "valid": "cv", "test": "tt"}
TREES = {
    "echo2mix": "{train,val,test}/<scene>/<room>/<a>_<b>/"
    "{mix,spk1_reverb,spk2_reverb}.wav, from the authors of SPMamba",
    "echoset": "{train,val,test}/<scene>/<room>/<a>_<b>/"
    "{mix,spk1_reverb,spk2_reverb}.wav, the parts EchoSet.tar.gz.* joined "
    "with cat and unpacked",
    "lrs2-2mix": "{tr,cv,tt}/{mix,s1,s2}/*.wav, lrs2.tar.gz unpacked",
}
PARTS = name_parts("mix", ["spk1_reverb", "spk2_reverb"])


def prepare(
    folder: str | Path,
    output_folder: str | Path,
    splits: dict | None = None,
    name: str = "echo2mix",
    sample_rate: int = 16000,
    jobs: int = 1,
) -> dict:
    """Writes the manifests of a set as it was released, one a split.

    Arguments
    ---------
    folder : str or Path
        The unpacked archive.
    output_folder : str or Path
        Gets ``<split>.csv``.
    splits : dict, optional
        Split name -> name of its folder; by default train, valid and test.
        Only those named here need be there.
    name : str
        ``echo2mix``, ``echoset`` or ``lrs2-2mix``.
    sample_rate : int
        Rate in Hz that the files must have.
    jobs : int
        Threads that read headers.

    Returns
    -------
    dict
        Split name -> path of its manifest; ``$data_root`` is ``folder``.

    Raises
    ------
    ValueError
        No such data set, or its files are missing or do not fit together.

    Example
    -------
    >>> prepare("nowhere", "out", name="echo3mix")
    Traceback (most recent call last):
        ...
    ValueError: name is echo3mix; expected echo2mix, echoset, lrs2-2mix
    """
    if name not in TREES:
        raise ValueError(f"name is {name}; expected {', '.join(TREES)}")
    flat = name == "lrs2-2mix"
    splits = split_places(splits, FLAT if flat else SCENES)
    settings = {"set": name, "splits": splits, "sample_rate": sample_rate}

    def find(root, split):
        base = locate(root, list(splits.values()), TREES[name])
        if flat:
            parts = name_parts("mix", ["s1", "s2"])
            return match_parts(base / split, parts, TREES[name], 2)
        return find_scenes(base / split, TREES[name])

    return write_manifests(folder, output_folder, settings, find, jobs)


def find_scenes(folder: Path, tree: str) -> dict:
    """Finds mixtures that have a folder of their own each.

    Arguments
    ---------
    folder : Path
        Folder of a split.
    tree : str
        What was expected, for the message.

    Returns
    -------
    dict
        ``<scene>_<room>_<a>_<b>`` -> {column: path}.

    Raises
    ------
    ValueError
        No mixtures, or one without its references.
    """
    columns = {part: column for column, part in PARTS.items()}
    files = {column: {} for column in PARTS}
    for path in files_below(folder).values():
        if path.stem in columns:
            item = "_".join(path.parent.relative_to(folder).parts)
            files[columns[path.stem]][item] = path
    if not files["mix_wav"]:
        raise ValueError(f"{folder} holds no mix.wav; expected {tree}")
    return join_parts(files)
