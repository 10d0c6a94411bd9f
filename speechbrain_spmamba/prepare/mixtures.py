"""Noisy mixtures from a LibriSpeech-shaped tree and a folder of noise.

The plainest data set that separation can be trained on: talkers placed in a
few seconds, levels drawn, noise added. Every mixture is drawn from (seed,
split, number) alone, so that any of them can be made again by itself, by any
number of processes, in any order.

Laws: speaker-to-speaker ratio uniform in ±6 dB and speaker-to-noise ratio
uniform in 10 to 20 dB, over the whole clip, relative to the first speaker.
"""

import math
import zlib
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from speechbrain_spmamba.audio import (
    open_audio,
    read_audio,
    write_audio,
)
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.names import file_name
from speechbrain_spmamba.prepare.librispeech import index_speech
from speechbrain_spmamba.prepare.stamp import check_stamp, write_stamp
from speechbrain_spmamba.prepare.wham_noise import index_noise
from speechbrain_spmamba.resampling import resample

SHARE = 20  # mixtures a task: an index of LibriSpeech weighs megabytes
PEAK = 0.9  # joint scaling keeps the mixture and its parts below this


def prepare(
    speech_folder,
    output_folder,
    splits,
    noise_folder=None,
    sample_rate=16000,
    num_spks=2,
    seconds=6.0,
    level=(-28.0, -22.0),
    sir=(-6.0, 6.0),
    snr=(10.0, 20.0),
    sexes=None,
    seed=0,
    jobs=1,
):
    """Makes mixtures and one manifest a split; returns at once when done.

    Arguments
    ---------
    speech_folder : str or Path
        LibriSpeech-shaped tree.
    output_folder : str or Path
        Gets ``<split>/{mix,s1,...,noise}/<ID>.wav`` and ``<split>.csv``.
    splits : dict
        Split name -> ``{"speech": [subset, ...], "noise": subset,
        "mixtures": number}``.
    noise_folder : str or Path, optional
        Folder of noise, one folder a split; without it, no noise is added.
    sample_rate : int
        Rate in Hz; other rates are resampled.
    num_spks : int
        Talkers in each mixture.
    seconds : float
        Length of each mixture.
    level : tuple of float
        Range of the first talker's level, dB full scale (RMS).
    sir : tuple of float
        Range of the first talker's level over each other's, dB.
    snr : tuple of float
        Range of the first talker's level over the noise, dB.
    sexes : list of str, optional
        F or M for each talker in turn, where SPEAKERS.TXT tells; [M, F] is
        an easier task than the default, anyone with anyone.
    seed : int
        Other seeds give other mixtures.
    jobs : int
        Processes.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        Missing or empty corpora, too few readers, or a folder that holds
        mixtures made with other settings.
    """
    output_folder = Path(output_folder)
    settings = {
        "speech_folder": str(Path(speech_folder).resolve()),
        "noise_folder": noise_folder and str(Path(noise_folder).resolve()),
        "splits": {split: dict(wanted) for split, wanted in splits.items()},
        "sample_rate": sample_rate,
        "num_spks": num_spks,
        "seconds": seconds,
        "level": list(level),
        "sir": list(sir),
        "snr": list(snr),
        "sexes": sexes and list(sexes),
        "seed": seed,
    }
    manifests = {split: output_folder / f"{split}.csv" for split in splits}
    check_stamp(output_folder, settings)
    if all(path.is_file() for path in manifests.values()):
        return manifests

    # Everything is looked at before anything is written.
    corpora = {}
    for split, wanted in splits.items():
        speech = index_speech(speech_folder, wanted["speech"])
        if len(speech) < num_spks:
            raise ValueError(
                f"split {split} has {len(speech)} readers, {num_spks} talkers "
                "a mixture need at least as many; add subsets"
            )
        _check_sexes(sexes, num_spks, speech, split)
        noise = noise_folder and index_noise(noise_folder, wanted["noise"])
        corpora[split] = speech, noise
    write_stamp(output_folder, settings)

    for split, wanted in splits.items():
        numbers = range(wanted["mixtures"])
        shares = [numbers[i : i + SHARE] for i in numbers[::SHARE]]
        made = Parallel(n_jobs=jobs)(
            delayed(_make_share)(
                output_folder / split, split, share, *corpora[split], settings
            )
            for share in tqdm(shares, desc=f"mixing {split}", disable=None)
        )
        rows = [row for share in made for row in share]
        write_manifest(manifests[split], rows, output_folder)
    return manifests


def _make_share(folder, split, numbers, speech, noise, settings):
    """What is sent to a process at once: many mixtures, one index."""
    return [
        _make(folder, split, number, speech, noise, settings)
        for number in numbers
    ]


def _make(folder, split, number, speech, noise, settings):
    """Writes one mixture unless it is there; returns its manifest row."""
    rng = np.random.default_rng(
        [settings["seed"], zlib.crc32(split.encode()), number]
    )
    utterances = []
    for reader in _draw_readers(speech, settings, rng):
        spoken = speech[reader]
        utterances.append(spoken[rng.integers(len(spoken))])
    stems = "_".join(utterance.path.stem for utterance in utterances)
    item = f"{number:06d}_{stems}"
    parts = [f"s{i + 1}" for i in range(len(utterances))]
    parts += ["noise"] if noise else []
    row = {"ID": item, "duration": settings["seconds"]}
    row.update(
        {
            f"{part}_wav": folder / part / f"{file_name(item)}.wav"
            for part in ["mix", *parts]
        }
    )
    # The mixture is written last: where it stands, all of it stands.
    if not row["mix_wav"].is_file():
        signals = draw_mixture(utterances, noise, settings, rng)
        for part, signal in zip([*parts, "mix"], signals, strict=True):
            path = row[f"{part}_wav"]
            write_audio(path, signal, settings["sample_rate"], "PCM_16")
    return row


def _check_sexes(sexes, num_spks, speech, split):
    """Says no where talkers of some sex are wanted and not to be had."""
    if not sexes:
        return
    known = {utterances[0].sex for utterances in speech.values()}
    if len(sexes) != num_spks or not set(sexes) <= known:
        raise ValueError(
            f"sexes is {list(sexes)} for {num_spks} talkers; give F or M for "
            f"each, and SPEAKERS.TXT beside the subsets (it knows "
            f"{sorted(known - {''}) or 'nobody'} in split {split})"
        )


def _draw_readers(speech, settings, rng):
    """Names of the talkers of a mixture, all different."""
    chosen = []
    for sex in settings["sexes"] or [None] * settings["num_spks"]:
        names = [
            name
            for name, utterances in speech.items()
            if name not in chosen and sex in (None, utterances[0].sex)
        ]
        chosen.append(names[rng.integers(len(names))])
    return chosen


def draw_mixture(utterances, noise, settings, rng):
    """Places and levels talkers and noise.

    Arguments
    ---------
    utterances : list of Utterance
        One for each talker.
    noise : list of Path, optional
        Recordings to draw from.
    settings : dict
        ``sample_rate``, ``seconds``, ``level``, ``sir``, ``snr``.
    rng : numpy.random.Generator
        Draws everything.

    Returns
    -------
    list of numpy.ndarray
        Talkers, noise if any, and last their sum; float64, shape ``[T]``.
    """
    rate = settings["sample_rate"]
    total = round(settings["seconds"] * rate)
    signals = []
    for number, utterance in enumerate(utterances):
        speech = _draw_stretch(utterance.path, total, rate, rng)
        # A talker who is done early begins anywhere in the time that is left.
        start = rng.integers(total - len(speech) + 1)
        speech = np.pad(speech, (start, total - len(speech) - start))
        if number == 0:
            first = rng.uniform(*settings["level"])
        below = rng.uniform(*settings["sir"]) if number else 0.0
        signals.append(_at_level(speech, first - below))
    if noise:
        path = noise[rng.integers(len(noise))]
        sound = _draw_stretch(path, total, rate, rng)
        sound = np.resize(sound, total)  # a short recording is repeated
        below = rng.uniform(*settings["snr"])
        signals.append(_at_level(sound, first - below))
    signals.append(np.sum(signals, axis=0))
    peak = max(np.abs(signal).max() for signal in signals)
    return [signal * min(1.0, PEAK / max(peak, 1e-9)) for signal in signals]


def _draw_stretch(path, total, rate, rng):
    """At most ``total`` samples at ``rate`` from anywhere in a recording."""
    with open_audio(path) as file:
        frames, own_rate = file.frames, file.samplerate
    wanted = min(frames, math.ceil(total * own_rate / rate))
    start = int(rng.integers(frames - wanted + 1))
    wave = read_audio(path, None, start, wanted)[:, 0].astype(np.float64)
    return resample(wave, own_rate, rate)[:total]


def _at_level(signal, decibels):
    """Scales to a root mean square; silence stays silence."""
    rms = np.sqrt(np.mean(signal**2))
    return signal * (10 ** (decibels / 20) / rms) if rms > 0 else signal
