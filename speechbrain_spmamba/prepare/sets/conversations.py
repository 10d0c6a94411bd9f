"""Conversations of readers: they take turns, overlap, fall silent, come back.

    prepare -> draw plans -> <split>.plans.jsonl -> render -> audio -> manifest
                                                 -> <split>.rttm

Items are made of LibriSpeech-shaped corpora: utterances of a reader are joined
to turns, and turns overlap by a stated share of the time with speech. A plan
says all about an item, and ``rebuild`` makes it from its plan alone. The law
stands in ``scenes/conversation.py``, published ones in ``scenes/presets.py``.
"""

import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np

from speechbrain_spmamba.prepare.scenes.conversation import (
    ConversationLaw,
    bounds,
    draw_conversation,
)
from speechbrain_spmamba.prepare.scenes.inspect import speech_activity
from speechbrain_spmamba.prepare.scenes.plans import plan_line, rebuild
from speechbrain_spmamba.prepare.scenes.presets import find_preset
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.rttm import as_rttm
from speechbrain_spmamba.prepare.sets.options import (
    check_numbers,
    check_splits,
    check_switches,
)
from speechbrain_spmamba.prepare.sets.planned import (
    check_format,
    make_law,
    prepare_planned,
)

__all__ = ["prepare", "rebuild"]

logger = logging.getLogger(__name__)

MISSED = 0.02  # of the share of overlap that is worth a word
SILENCE = 0.1  # of an item, behind the last utterance, that is worth another
SPLIT_KEYS = ("speech", "readers", "sex", "noise")


def prepare(
    *,
    speech_folder: str | Path | list,
    noise_folder: str | Path | list | None = None,
    output_folder: str | Path,
    splits: dict,
    preset: str | None = None,
    sample_rate: int = 16000,
    num_spks: int | list | dict | None = None,
    conversation: dict | None = None,
    room: dict | None = None,
    reference: str = "reverberant",
    pools: dict | None = None,
    write_silence: bool = False,
    format: str = "wav",
    subtype: str | None = None,
    most_bad: float = 0.01,
    seed: int = 0,
    jobs: int = 1,
    scheduler: str | None = None,
) -> dict:
    """Makes conversations and their manifests; at once when done.

    May be interrupted anywhere: the next call completes what is missing.

    Arguments
    ---------
    speech_folder : str, Path or list
        LibriSpeech-shaped tree, or several.
    noise_folder : str, Path or list, optional
        WHAM! noise, high_res_wham, a plain folder, or several; without it, no
        noise is added.
    output_folder : str or Path
        Gets ``<split>/{mix,s1,...,noise}/<ID>.<format>``, ``<split>.csv``,
        ``<split>.plans.jsonl``, and ``<split>.rttm``, which tells who speaks
        when. ``noise`` is all of the mixture but the references.
    splits : dict
        Split name -> ``{"mixtures": number, "speech": [subset, ...],
        "readers": [reader, ...], "sex": F or M, "noise": subfolder}``, as in
        ``pools.make_pools``.
    preset : str, optional
        A published law: ``libricss-0S``, ``libricss-0L``, ``libricss-OV10``
        to ``libricss-OV40``, or ``sparselibrimix``.
    sample_rate : int
        Rate in Hz; other rates are resampled.
    num_spks : int, list or dict, optional
        Talkers in each item: a number, the least and the most as ``[0, 3]``,
        or numbers with weights as ``{1: 1, 2: 3}``. Sources without a talker
        have empty cells in the manifest. 1 to 3 without it, or the preset's.
    conversation : dict, optional
        Arguments of ``ConversationLaw``, where those of the preset or the
        defaults are not wanted: ``{seconds: 60, overlap: 0.2}``.
    room : dict, optional
        Arguments of ``RoomLaw``; ``{}`` is rooms of the default. Without it,
        there is no room.
    reference : str
        ``reverberant``, ``early`` or ``dry``.
    pools : dict, optional
        Further arguments of ``pools.make_pools``: ``min_seconds``, ``check``,
        ``bad_share``.
    write_silence : bool
        Whether sources without a talker are files of zeros instead of empty
        cells, for tools that read every cell.
    format : str
        ``wav`` or ``flac``.
    subtype : str, optional
        ``FLOAT`` (the default for wav), ``PCM_16`` (for flac) or ``PCM_24``.
        For integers, loud mixtures are scaled with all their parts.
    most_bad : float
        Share of events whose file may turn out to be bad, as in ``echo2mix``.
    seed : int
        Other seeds give other conversations.
    jobs : int
        Processes on this machine.
    scheduler : str, optional
        Address of a Dask scheduler, to work on its cluster instead.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        Missing or empty corpora, too few readers, too many bad files, too
        little disk, settings that do not exist, or a folder that holds
        mixtures made with other settings.
    """
    subtype = check_format(format, subtype)
    check_splits(splits, SPLIT_KEYS)
    check_switches(write_silence=write_silence)
    numbers = {"sample_rate": sample_rate, "num_spks": num_spks, "seed": seed}
    check_numbers({**numbers, "jobs": jobs})
    given = {"room": room, **find_preset(preset), **(conversation or {})}
    given |= {} if num_spks is None else {"num_spks": num_spks}
    if given["room"] is not None:
        given["room"] = make_law(RoomLaw, given["room"])
    law = make_law(ConversationLaw, given)
    if not law.counts.least and not noise_folder:
        raise ValueError(
            f"num_spks is {law.num_spks}: an item without a talker is noise "
            "alone; give noise_folder, or 1 talker or more"
        )
    settings = {
        "splits": splits,
        "sample_rate": sample_rate,
        "reference": reference,
        "conversation": asdict(law),
        "pools": pools or {},
        "stems": False,
        "write_silence": write_silence or None,
        "format": format,
        "subtype": subtype,
        "seed": seed,
    }

    def draw(pools, split, number):
        scene = draw_conversation(pools, law, seed, split, number)
        return plan_line(scene, None, pools, law, settings)

    def beside(split, plans):
        _say_what_is_missed(split, plans, law)
        return {".rttm": as_rttm(plans)}

    return prepare_planned(
        output_folder,
        settings,
        {"speech_folder": speech_folder, "noise_folder": noise_folder},
        draw,
        law.sources,
        pools=pools,
        most_bad=most_bad,
        jobs=jobs,
        scheduler=scheduler,
        beside=beside,
    )


def _say_what_is_missed(split, plans, law):
    """Warns where utterances do not allow what was wanted."""
    active = [speech_activity(plan) for plan in plans]
    shares = [
        np.mean(one.sum(0)[one.any(0)] > 1) for one in active if len(one) > 1
    ]
    low, high = bounds(law.overlap)
    if shares and not low - MISSED <= np.mean(shares) <= high + MISSED:
        logger.warning(
            "split %s: two or more speak in %.0f %% of the time with speech, "
            "and overlap is %s; longer items, readers with more to say or a "
            "shorter gap may help",
            *(split, 100 * np.mean(shares), law.overlap),
        )
    rests = [
        np.argmax(one.any(0)[::-1]) / one.shape[1] for one in active if len(one)
    ]
    if rests and np.mean(rests) > SILENCE:
        logger.warning(
            "split %s: all is said before the last %.0f %% of an item; add "
            "utterances, or leave readers with few of them out by least_speech",
            *(split, 100 * np.mean(rests)),
        )
