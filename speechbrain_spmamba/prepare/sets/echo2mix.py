"""Reverberant scenes of talkers, effects, music and noise: Echo2Mix.

    prepare -> draw plans -> <split>.plans.jsonl -> render -> audio -> manifest

Two protocols:

* ``paper``: scenes of 60 s whose classes have levels in LUFS, as the SPMamba
  paper describes its data;
* ``release``: items of 6 s cut where talkers are active, levelled as in the
  Echo2Mix that was released.

A plan says all about a mixture, and ``rebuild`` makes it from its plan alone.
"""

from dataclasses import asdict
from pathlib import Path

from speechbrain_spmamba.prepare.scenes.excerpts import ExcerptLaw
from speechbrain_spmamba.prepare.scenes.plans import plan_mixture, rebuild
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import SceneLaw
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

SPLIT_KEYS = (
    *("speech", "readers", "sex"),
    *("noise", "music", "effects", "dnr"),
)


def prepare(
    *,
    speech_folder: str,
    noise_folder: str | None = None,
    music_folder: str | None = None,
    effects_folder: str | None = None,
    dnr_folder: str | None = None,
    output_folder: str | Path,
    splits: dict,
    protocol: str = "paper",
    sample_rate: int = 16000,
    num_spks: int | list | dict = 2,
    reference: str = "reverberant",
    scene: dict | None = None,
    room: dict | None = None,
    cut: dict | None = None,
    pools: dict | None = None,
    stems: bool = False,
    write_silence: bool = False,
    format: str = "wav",
    subtype: str | None = None,
    most_bad: float = 0.01,
    seed: int = 0,
    jobs: int = 1,
    scheduler: str | None = None,
) -> dict:
    """Makes reverberant scenes and their manifests; at once when done.

    May be interrupted anywhere: the next call completes what is missing.

    Arguments
    ---------
    speech_folder, noise_folder, music_folder, effects_folder, dnr_folder : str
        Corpora, as in ``pools.make_pools``: a folder or a list of folders
        each; all but speech are optional.
    output_folder : str or Path
        Gets ``<split>/{mix,s1,...,noise}/<ID>.<format>``, ``<split>.csv``
        and ``<split>.plans.jsonl``. ``noise`` is all of the mixture but the
        references: with reverberant ones, everything that is not speech.
    splits : dict
        Split name -> ``{"mixtures": number, "speech": [subset, ...],
        "readers": [reader, ...], "sex": F or M, ...}``, the rest as in
        ``pools.make_pools``.
    protocol : str
        ``paper`` or ``release``.
    sample_rate : int
        Rate in Hz; other rates are resampled.
    num_spks : int, list or dict
        Talkers in each mixture: a number, the least and the most as
        ``[0, 3]``, or numbers with weights as ``{1: 1, 2: 3}``. Sources
        without a talker have empty cells in the manifest.
    reference : str
        ``reverberant``, ``early`` or ``dry``.
    scene, room, cut : dict, optional
        Arguments of ``SceneLaw``, ``RoomLaw`` and ``ExcerptLaw``, where the
        defaults are not wanted.
    pools : dict, optional
        Further arguments of ``pools.make_pools``: ``min_seconds``, ``check``,
        ``bad_share``.
    stems : bool
        Whether effects, background, music and ambience are written, too.
    write_silence : bool
        Whether sources without a talker are files of zeros instead of empty
        cells, for tools that read every cell.
    format : str
        ``wav`` or ``flac``.
    subtype : str, optional
        ``FLOAT`` (the default for wav), ``PCM_16`` (for flac) or ``PCM_24``.
        For integers, loud mixtures are scaled with all their parts.
    most_bad : float
        Share of events whose file may turn out to be bad. Fewer are left
        out and noted in ``<split>/problems/<ID>.txt``; mixtures in which a
        talker is silent for this reason are not in the manifest.
    seed : int
        Other seeds give other mixtures.
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
    if protocol not in ("paper", "release"):
        raise ValueError(f"protocol is '{protocol}'; give paper or release")
    check_splits(splits, SPLIT_KEYS)
    check_switches(stems=stems, write_silence=write_silence)
    numbers = {"sample_rate": sample_rate, "num_spks": num_spks, "seed": seed}
    check_numbers({**numbers, "jobs": jobs})
    law, excerpt_law = _laws(protocol, num_spks, scene, room, cut)
    folders = {
        "speech_folder": speech_folder,
        "noise_folder": noise_folder,
        "music_folder": music_folder,
        "effects_folder": effects_folder,
        "dnr_folder": dnr_folder,
    }
    settings = {
        "splits": splits,
        "protocol": protocol,
        "sample_rate": sample_rate,
        "reference": reference,
        "scene": asdict(law),
        "cut": excerpt_law and asdict(excerpt_law),
        "pools": pools or {},
        "stems": stems,
        "write_silence": write_silence or None,
        "format": format,
        "subtype": subtype,
        "seed": seed,
    }

    def draw(pools, split, number):
        return plan_mixture(pools, law, excerpt_law, split, number, settings)

    return prepare_planned(
        output_folder,
        settings,
        folders,
        draw,
        law.sources,
        pools=pools,
        most_bad=most_bad,
        jobs=jobs,
        scheduler=scheduler,
    )


def _laws(protocol, num_spks, scene, room, cut):
    """The numbers as dataclasses."""
    room, cut = make_law(RoomLaw, room), make_law(ExcerptLaw, cut)
    given = {"num_spks": num_spks, **(scene or {}), "room": room}
    return make_law(SceneLaw, given), cut if protocol == "release" else None
