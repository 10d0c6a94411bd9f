"""Noisy mixtures from a LibriSpeech-shaped tree and a folder of noise.

The plainest data set that separation can be trained on: talkers placed in a
few seconds, levels drawn, noise added. Every mixture is drawn from (seed,
split, number) alone, so that any of them can be made again by itself, by any
number of processes, in any order. The laws stand in ``mixture_items.py``.
"""

import logging
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from speechbrain_spmamba.audio import write_audio
from speechbrain_spmamba.files.names import file_name
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.prepare.corpora.librispeech import index_speech
from speechbrain_spmamba.prepare.corpora.wham_noise import index_noise
from speechbrain_spmamba.prepare.provenance import Provenance
from speechbrain_spmamba.prepare.seeded import generator
from speechbrain_spmamba.prepare.sets.mixture_items import (
    draw_mixture,
    draw_talkers,
)
from speechbrain_spmamba.prepare.sets.options import (
    check_numbers,
    check_splits,
    check_switches,
)
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

logger = logging.getLogger(__name__)

SPLIT_KEYS = ("speech", "readers", "sex", "noise")
SHARE = 20  # mixtures a task: an index of LibriSpeech weighs megabytes
SILENCE = 0.1  # share of a talker's time that is worth a word


def prepare(
    *,
    speech_folder: str | Path | list,
    noise_folder: str | Path | list | None = None,
    output_folder: str | Path,
    splits: dict,
    sample_rate: int = 16000,
    num_spks: int | list | dict = 2,
    seconds: float = 6.0,
    level: tuple[float, ...] = (-28.0, -22.0),
    sir: tuple[float, ...] = (-6.0, 6.0),
    snr: tuple[float, ...] = (10.0, 20.0),
    sexes: list[str] | None = None,
    join: bool = False,
    write_silence: bool = False,
    seed: int = 0,
    jobs: int = 1,
) -> dict:
    """Makes talkers in noise and their manifests; at once when done.

    Arguments
    ---------
    speech_folder : str, Path or list
        LibriSpeech-shaped tree, or several.
    noise_folder : str, Path or list, optional
        Folder of noise, one folder a split, or several; without it, no noise
        is added.
    output_folder : str or Path
        Gets ``<split>/{mix,s1,...,noise}/<ID>.wav`` and ``<split>.csv``.
    splits : dict
        Split name -> ``{"speech": [subset, ...], "readers": [reader, ...],
        "sex": F or M, "noise": subset, "mixtures": number}``. Without
        readers and sex, all readers of the subsets talk; subsets that are
        missing are the split's own.
    sample_rate : int
        Rate in Hz; other rates are resampled.
    num_spks : int, list or dict
        Talkers in each mixture: a number, the least and the most as
        ``[0, 3]``, or numbers with weights as ``{1: 1, 2: 3}``. Sources
        without a talker have empty cells in the manifest.
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
    join : bool
        Whether a talker who is done early goes on with other utterances;
        the manifests then name them in ``s1_utterances``, ...
    write_silence : bool
        Whether sources without a talker are files of zeros instead of empty
        cells, for tools that read every cell.
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
    check_splits(splits, SPLIT_KEYS)
    check_switches(join=join, write_silence=write_silence)
    settings = {
        "splits": splits,
        "sample_rate": sample_rate,
        "num_spks": num_spks,
        "seconds": seconds,
        "level": level,
        "sir": sir,
        "snr": snr,
        "seed": seed,
        "sexes": sexes and list(sexes),
        "join": join or None,
        "write_silence": write_silence or None,
    }
    check_numbers({**settings, "jobs": jobs})
    folders = {"speech_folder": speech_folder, "noise_folder": noise_folder}
    provenance = Provenance(output_folder, settings, folders)
    if provenance.is_finished():
        return provenance.manifests

    # Everything is looked at before anything is written.
    corpora = {
        split: _find_corpora(split, wanted, settings, **folders)
        for split, wanted in splits.items()
    }
    _say_what_is_shared(corpora)
    provenance.write(
        path
        for speech, noise in corpora.values()
        for path in [
            *(one.path for some in speech.values() for one in some),
            *(noise or []),
        ]
    )

    for split, path in provenance.manifests.items():
        folder, numbers = (
            output_folder / split,
            range(splits[split]["mixtures"]),
        )
        speech, noise = corpora[split]
        make = partial(_make, folder, split, speech, noise, settings)
        label = f"mixing {split}"
        rows = workers.run(make, numbers, jobs, label=label, share=SHARE)
        write_manifest(path, rows, output_folder)
    return provenance.manifests


def _make(folder, split, speech, noise, settings, number):
    """Writes one mixture unless it is there; returns its manifest row."""
    rng = generator(settings["seed"], split, number)
    talkers = draw_talkers(speech, settings, rng)
    most = TalkerCounts.of(settings["num_spks"]).most
    names = [[_name(one) for _, one in utterances] for utterances in talkers]
    item = "_".join([f"{number:06d}", *(some[0] for some in names)])
    written = most if settings["write_silence"] else len(talkers)
    parts = [f"s{i + 1}" for i in range(written)]
    parts += ["noise"] if noise else []
    row = {"ID": item, "duration": settings["seconds"], "mix_wav": None}
    row |= {f"s{i + 1}_wav": "" for i in range(most)}  # silent, unless below
    for part in ["mix", *parts]:
        row[f"{part}_wav"] = folder / part / f"{file_name(item)}.wav"
    if settings["join"]:
        for i in range(most):
            said = " ".join(names[i]) if i < len(names) else ""
            row[f"s{i + 1}_utterances"] = said
    # The mixture is written last: where it stands, all of it stands.
    if not row["mix_wav"].is_file():
        signals = draw_mixture(talkers, noise, settings, rng)
        silence = [np.zeros_like(signals[-1])] * (written - len(talkers))
        signals[len(talkers) : len(talkers)] = silence
        for part, signal in zip([*parts, "mix"], signals, strict=True):
            path = row[f"{part}_wav"]
            write_audio(path, signal, settings["sample_rate"], "PCM_16")
    return row


def _find_corpora(split, wanted, settings, speech_folder, noise_folder):
    """Speech and noise of a split."""
    speech = index_speech(
        speech_folder,
        wanted.get("speech", [split]),
        readers=wanted.get("readers"),
        sex=wanted.get("sex"),
    )
    most = TalkerCounts.of(settings["num_spks"]).most
    if len(speech) < most:
        raise ValueError(
            f"split {split} has {len(speech)} readers, {most} talkers a "
            "mixture need at least as many; add subsets or readers"
        )
    _check_sexes(settings["sexes"], most, speech, split)
    _say_what_is_silent(split, speech, settings)
    noise = None
    if noise_folder:
        noise = index_noise(noise_folder, wanted.get("noise", split))
    return speech, noise


def _say_what_is_silent(split, speech, settings):
    """Warns where utterances are much shorter than mixtures."""
    seconds, shares = settings["seconds"], []
    for spoken in speech.values():
        lengths = [one.seconds for one in spoken]
        lengths = [sum(lengths)] if settings["join"] else lengths
        shares.append(np.mean([max(0, 1 - x / seconds) for x in lengths]))
    if np.mean(shares) > SILENCE:
        logger.warning(
            "split %s: a talker is silent in %.0f %% of a mixture of %g s, for "
            "utterances are short%s",
            split,
            100 * np.mean(shares),
            seconds,
            "" if settings["join"] else "; join: True puts several together",
        )


def _say_what_is_shared(corpora):
    """Warns of readers who are in two splits."""
    for one, other in combinations(corpora, 2):
        shared = sorted(corpora[one][0].keys() & corpora[other][0].keys())
        if shared:
            logger.warning(
                "splits %s and %s share %d readers, first %s: no test of the "
                "one is fair to a model trained on the other",
                one,
                other,
                len(shared),
                shared[0],
            )


def _check_sexes(sexes, num_spks, speech, split):
    """Says no where talkers of some sex are wanted and not to be had."""
    if not sexes:
        return
    known = [utterances[0].sex for utterances in speech.values()]
    if len(sexes) != num_spks or any(
        sexes.count(sex) > known.count(sex) for sex in sexes
    ):
        raise ValueError(
            f"sexes is {list(sexes)} for {num_spks} talkers; give F or M for "
            f"each, and SPEAKERS.TXT beside the subsets (it knows "
            f"{known.count('F')} F and {known.count('M')} M in split {split})"
        )


def _name(utterance):
    """Its file's name; of a second corpus, with what tells its readers."""
    path = Path(utterance.path)
    return utterance.group.removesuffix(path.parents[1].name) + path.stem
