"""Makes the mixtures of LibriMix, one by one, from the published tables.

What a mixture is made of is frozen in tables that the authors publish, so
that everyone's is the same: a file of LibriSpeech and a gain for each talker,
a file of WHAM! noise and a gain. The law: apply the gains, resample, cut or
pad, add. Sources and mixture are then 16 bit PCM.

Noise with ``sp08`` or ``sp12`` in its name is a copy at 0.8 or 1.2 times the
speed, which the authors make with SoX. Where such a copy is missing it is made
here on the fly by a polyphase filter, so those noises are not theirs to the
last bit; talkers, and all noise of dev and test, are.
"""

import math
from pathlib import Path

import numpy as np

from speechbrain_spmamba.audio import read_audio, resample
from speechbrain_spmamba.files.text import read_csv

SUBSETS = {
    "train-100": "train-clean-100",
    "train-360": "train-clean-360",
    "dev": "dev-clean",
    "test": "test-clean",
}
SAMPLE_RATE = 16000  # of LibriSpeech and WHAM! noise
SPED_UP = {"sp08": (4, 5), "sp12": (6, 5)}  # old sample rate, new one


def find_metadata(folder: str | Path, name: str, num_spks: int) -> Path:
    """Finds the published table of a split.

    Arguments
    ---------
    folder : str or Path
        The tables' folder, or one or two above it.
    name : str
        train-100, train-360, dev or test.
    num_spks : int
        Talkers a mixture.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    ValueError
        No such table.
    """
    file_name = f"libri{num_spks}mix_{SUBSETS[name]}.csv"
    found = sorted(Path(folder).rglob(file_name))
    if not found:
        raise ValueError(
            f"{folder} has no {file_name}; expected metadata/Libri{num_spks}"
            "Mix/ of github.com/JorisCos/LibriMix"
        )
    return found[0]


def read_metadata(path: Path, num_spks: int) -> list[dict]:
    """Reads the published table of a split.

    Arguments
    ---------
    path : Path
        From ``find_metadata``.
    num_spks : int
        As given there.

    Returns
    -------
    list of dict
        ``item``; ``sources`` and ``noise``, each (path, gain).

    Raises
    ------
    ValueError
        No table, a column is missing, or a gain is no number.
    """
    keys = [f"source_{i}" for i in range(1, num_spks + 1)] + ["noise"]
    rows = []
    for line, row in read_csv(path)[1]:
        try:
            pairs = [
                (row[f"{key}_path"], float(row[f"{key}_gain"])) for key in keys
            ]
            item = row["mixture_ID"]
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"{path} line {line} is damaged ({error}); expected "
                "mixture_ID, source_1_path, source_1_gain, ..., "
                "noise_path, noise_gain; get the table again"
            ) from None
        rows.append({"item": item, "sources": pairs[:-1], "noise": pairs[-1]})
    return rows


def row_files(row: dict, settings: dict) -> list[Path]:
    """Finds the files that a mixture is made of.

    Arguments
    ---------
    row, settings : dict
        As for ``mix_row``.

    Returns
    -------
    list of Path
        Talkers, and the noise unless the mixture is clean: where a sped-up
        copy is missing, the original.

    Raises
    ------
    ValueError
        One is missing.
    """
    files = [_find(settings["speech_folder"], p) for p, _ in row["sources"]]
    if settings["mixture"] == "both":
        noise = _find_noise(settings, row["noise"][0])
        files.append(noise if noise.is_file() else original_noise(noise))
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise ValueError(
            f"{missing[0]} does not exist, and {row['item']} is made of it; "
            "unpack the corpus again"
        )
    return files


def mix_row(row: dict, settings: dict) -> list[np.ndarray]:
    """Makes the signals of one mixture.

    Arguments
    ---------
    row : dict
        See ``read_metadata``.
    settings : dict
        ``sample_rate``, ``mixture``, ``version``, and the lists
        ``speech_folder`` and ``noise_folder``.

    Returns
    -------
    list of numpy.ndarray
        Talkers, noise unless the mixture is clean, and last their sum;
        float32, shape ``[T]``.
    """
    from scipy.signal import resample_poly

    signals = []
    for path, gain in row["sources"]:
        wave = read_audio(_find(settings["speech_folder"], path), SAMPLE_RATE)[
            :, 0
        ]
        signals.append(wave * gain)
    if settings["mixture"] == "both":
        path, gain = row["noise"]
        longest = max(len(signal) for signal in signals)
        noise = read_noise(_find_noise(settings, path), longest)
        signals.append(noise * gain)
    # By the authors' filter: their mixtures come out sample by sample.
    signals = [
        resample_poly(x, settings["sample_rate"], SAMPLE_RATE) for x in signals
    ]
    if settings["version"] == "min":
        total = min(len(signal) for signal in signals)
    else:
        total = max(len(signal) for signal in signals)
    signals = [np.pad(x[:total], (0, max(0, total - len(x)))) for x in signals]
    mix = np.zeros_like(signals[0])
    for signal in signals:
        mix += signal
    # The published gains keep clear of full scale; resampling may overshoot.
    peak = max(np.abs(signal).max() for signal in [*signals, mix])
    return [x / max(1.0, peak) for x in [*signals, mix]]


def original_noise(path: Path) -> Path:
    """The noise that a sped-up copy was made of; any other is its own.

    Arguments
    ---------
    path : Path
        The copy.

    Returns
    -------
    Path
        The original.
    """
    stem = path.stem
    return path.with_name(
        (stem[:-4] if stem[-4:] in SPED_UP else stem) + path.suffix
    )


def _find(folders, path):
    """A file in the first of some folders that has it."""
    paths = [Path(folder) / path for folder in folders]
    return next((path for path in paths if path.is_file()), paths[0])


def _find_noise(settings, path):
    """A noise file, there or to be made of its original."""
    found = _find(settings["noise_folder"], path)
    if found.is_file():
        return found
    near = _find(settings["noise_folder"], original_noise(Path(path)))
    return near.with_name(found.name)


def read_noise(path: Path, frames: int) -> np.ndarray:
    """Reads the first channel of a noise file, made as long as is needed.

    Arguments
    ---------
    path : Path
        The file; a sped-up copy may be missing.
    frames : int
        Samples that are needed at 16 kHz.

    Returns
    -------
    numpy.ndarray
        Shape ``[frames]``. A short file goes on from its beginning,
        one second faded over by Hann slopes.
    """
    ending = path.stem[-4:]
    if ending in SPED_UP and not path.is_file():
        wave = read_audio(original_noise(path), SAMPLE_RATE)[:, 0]
        wave = resample(wave, *SPED_UP[ending])
    else:
        wave = read_audio(path, SAMPLE_RATE)[:, 0]
    if not len(wave):
        raise ValueError(f"{path} is empty; replace it")
    fade = np.hanning(SAMPLE_RATE + 1)[: SAMPLE_RATE // 2 + 1]
    if len(wave) < min(frames, len(fade) + 1):
        repeats = math.ceil(frames / len(wave))
        return np.tile(wave, repeats)[:frames]  # too short to be faded
    noise = wave[:frames]
    while len(noise) < frames:
        kept, faded = np.split(noise, [len(noise) - len(fade)])
        seam = faded * fade[::-1] + wave[: len(fade)] * fade
        noise = np.concatenate([kept, seam, wave[len(fade) :]])
    return noise[:frames]
