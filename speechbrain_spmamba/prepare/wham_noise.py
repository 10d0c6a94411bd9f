"""Finds the recordings of a WHAM!-shaped noise folder: <folder>/<split>/*.

Any split names and audio suffixes will do. LibriMix adds sped-up copies
(``*sp08.wav``, ``*sp12.wav``) beside the originals; those are left out.
"""

from pathlib import Path

from speechbrain_spmamba.audio import AUDIO_SUFFIXES

SPED_UP = ("sp08", "sp12")


def index_noise(folder, split):
    """Lists the noise recordings of a split.

    Arguments
    ---------
    folder : str or Path
        Folder that holds the splits.
    split : str
        Name of the split's folder: tr, cv or tt in WHAM!.

    Returns
    -------
    list of Path
        Audio files, sorted.

    Raises
    ------
    ValueError
        The folder is missing or holds no audio.
    """
    folder = Path(folder) / split
    paths = [
        path
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not path.stem.endswith(SPED_UP)
    ]
    if not paths:
        state = "holds no audio" if folder.is_dir() else "does not exist"
        raise ValueError(
            f"noise folder {folder} {state}; expected <noise_folder>/<split>/"
            "*.wav; get WHAM! noise from wham.whisper.ai or set noise_folder"
        )
    return paths
