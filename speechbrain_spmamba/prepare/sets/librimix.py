"""Libri2Mix and Libri3Mix: read when finished, else made from their metadata.

    <folder>/[Libri2Mix/]wav{8k,16k}/{min,max}/<split>/<part>/<mixture>.wav

Splits: train-100, train-360, dev, test. Parts: ``mix_both``, ``mix_clean``,
``mix_single``, ``noise``, ``s1``, ``s2``, ...

How the mixtures are made stands in ``librimix_items.py``.
"""

import functools
from pathlib import Path

from speechbrain_spmamba.audio import open_audio, write_audio
from speechbrain_spmamba.files.names import file_name
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.prepare.corpora.roots import folder_list, one_folder
from speechbrain_spmamba.prepare.provenance import Stamp
from speechbrain_spmamba.prepare.sets.finished import (
    locate,
    match_parts,
    write_manifests,
)
from speechbrain_spmamba.prepare.sets.librimix_items import (
    SUBSETS,
    find_metadata,
    mix_row,
    read_metadata,
    row_files,
)
from speechbrain_spmamba.prepare.sets.wsj0mix import check_version

SPLITS = {"train": "train-100", "valid": "dev", "test": "test"}
SECONDS = 14  # a mixture on average, from above: for the need of disk only


def prepare(
    output_folder,
    folder=None,
    metadata_folder=None,
    speech_folder=None,
    noise_folder=None,
    splits=None,
    num_spks=2,
    mixture="both",
    sample_rate=8000,
    version="min",
    jobs=1,
    scheduler=None,
):
    """Reads a finished folder or makes the mixtures; one manifest a split.

    Arguments
    ---------
    output_folder : str or Path
        Gets ``<split>.csv`` and, without ``folder``, the audio as well.
    folder : str or Path, optional
        The finished data set, or any folder above it; ``$data_root`` of the
        manifests then. Without it, the mixtures are made and ``$data_root``
        is ``output_folder``.
    metadata_folder : str or Path, optional
        A copy of the repository of LibriMix, or its ``metadata``.
    speech_folder : str, Path or list, optional
        LibriSpeech, with its subsets; they may be spread over folders.
    noise_folder : str, Path or list, optional
        WHAM! noise, with tr, cv and tt; not needed for clean mixtures.
    splits : dict, optional
        Split name -> train-100, train-360, dev, test or a list of those.
    num_spks : int
        Talkers: 2 or 3.
    mixture : str
        ``both``: talkers and noise; ``clean``: talkers.
    sample_rate : int
        8000 or 16000 Hz.
    version : str
        ``min``: cut to the shortest talker; ``max``: padded to the longest.
    jobs : int
        Processes; threads where headers are all that is read.
    scheduler : str, optional
        Address of a Dask scheduler, to mix on its cluster.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        Folders, files or rows are missing or do not fit, an argument is
        none of those above, or the output folder has other settings.
    """
    if mixture not in ("both", "clean"):
        raise ValueError(f"mixture is {mixture}; expected both or clean")
    splits = SPLITS if splits is None else splits
    if not isinstance(splits, dict) or not splits:
        raise ValueError(
            f"splits is {splits!r}; expected {{test: test}} or the like"
        )
    splits = {
        split: list(names) if isinstance(names, (list, tuple)) else [names]
        for split, names in splits.items()
    }
    unknown = [x for x in sum(splits.values(), []) if x not in list(SUBSETS)]
    if unknown:
        raise ValueError(
            f"LibriMix has no split {unknown[0]}; it has {', '.join(SUBSETS)}"
        )
    below = check_version(sample_rate, version)
    parts = {"mix_wav": f"mix_{mixture}"}
    parts.update({f"s{i}_wav": f"s{i}" for i in range(1, num_spks + 1)})
    if mixture == "both":
        parts["noise_wav"] = "noise"
    settings = {
        "set": f"Libri{num_spks}Mix",
        "splits": splits,
        "mixture": mixture,
        "sample_rate": sample_rate,
        "version": version,
    }
    if folder:
        root = one_folder(folder)
        find = functools.partial(
            find_finished, root, below=below, parts=parts, num_spks=num_spks
        )
        return write_manifests(
            output_folder, root, splits, find, settings, sample_rate, jobs
        )
    folders = {
        "speech_folder": speech_folder,
        "noise_folder": noise_folder if mixture == "both" else None,
        "metadata_folder": metadata_folder,
    }
    return _make_all(
        Path(output_folder).absolute(),
        folders,
        settings,
        parts,
        jobs,
        scheduler,
    )


def find_finished(root, names, below, parts, num_spks):
    """Finds the mixtures of some splits.

    Arguments
    ---------
    root : Path
        Libri2Mix or Libri3Mix, or any folder above it.
    names : list of str
        LibriMix's names of the splits.
    below : str
        The version: ``wav8k/min`` ...
    parts : dict
        Column of the manifest -> folder.
    num_spks : int
        Talkers a mixture.

    Returns
    -------
    dict
        ID -> {column: path}.
    """
    title = f"Libri{num_spks}Mix"
    tree = (
        f"{title}/{below}/{{{','.join(SUBSETS)}}}/"
        f"{{{','.join(parts.values())}}}/*.wav"
    )
    items = {}
    for name in names:
        inside = f"{below}/{name}"
        # A folder may hold Libri2Mix and Libri3Mix side by side.
        if not (root / inside).is_dir():
            inside = f"{title}/{inside}"
        base = locate(root, [inside], tree) / inside
        items.update(match_parts(base, parts, tree, num_spks))
    return items


def _check_folders(folders, mixture):
    """Says what is needed to make mixtures and is not there."""
    needed = {
        "metadata_folder": "github.com/JorisCos/LibriMix",
        "speech_folder": "LibriSpeech from openslr.org/12",
    }
    if mixture == "both":
        needed["noise_folder"] = "WHAM! noise from wham.whisper.ai"
    for key, source in needed.items():
        some = folder_list(folders[key], key)
        for path in some or [None]:
            if path is None or not path.is_dir():
                raise ValueError(
                    f"{key} is {path}, which is no folder; get {source}, or "
                    "give folder, a finished LibriMix"
                )


def _make_all(output_folder, folders, settings, parts, jobs, scheduler):
    """Makes what is missing and writes the manifests."""
    splits = settings["splits"]
    manifests = {split: output_folder / f"{split}.csv" for split in splits}
    stamp = Stamp(output_folder, settings, folders)
    finished = all(path.is_file() for path in manifests.values())
    stamp.check(finished)
    if finished:
        return manifests
    _check_folders(folders, settings["mixture"])
    num_spks = sum(column[0] == "s" for column in parts)
    paths = {
        name: find_metadata(folders["metadata_folder"], name, num_spks)
        for name in sum(splits.values(), [])
    }
    tables = {n: read_metadata(path, num_spks) for n, path in paths.items()}
    below = check_version(settings["sample_rate"], settings["version"])
    base = output_folder / settings["set"] / below
    rows = {
        split: [
            {**row, "folder": base / name}
            for name in names
            for row in tables[name]
        ]
        for split, names in splits.items()
    }
    everything = sum(rows.values(), [])
    missing = sum(
        not _files(parts, row)["mix_wav"].is_file() for row in everything
    )
    seconds = missing * len(parts) * SECONDS
    workers.check_space(output_folder, seconds * settings["sample_rate"] * 2)
    corpora = {
        key: [str(path.absolute()) for path in folder_list(folders[key])]
        for key in ("speech_folder", "noise_folder")
    }
    settings = {**settings, **corpora}
    drawn = {path for row in everything for path in row_files(row, settings)}
    stamp.write([*paths.values(), *drawn])
    for split, path in manifests.items():
        make = functools.partial(_make, parts, settings)
        made = workers.run(
            make, rows[split], jobs, scheduler, f"mixing {split}"
        )
        write_manifest(path, made, output_folder)
    return manifests


def _files(parts, row):
    """Files of a mixture by the manifest's column."""
    return {
        column: row["folder"] / part / f"{file_name(row['item'])}.wav"
        for column, part in parts.items()
    }


def _make(parts, settings, row):
    """Writes one mixture unless it is there; returns its manifest row."""
    files = _files(parts, row)
    rate = settings["sample_rate"]
    # The mixture is written last: where it stands, all of it stands.
    if not files["mix_wav"].is_file():
        columns = [column for column in parts if column != "mix_wav"]
        signals = mix_row(row, settings)
        for column, signal in zip([*columns, "mix_wav"], signals, strict=True):
            write_audio(files[column], signal, rate, "PCM_16")
    with open_audio(files["mix_wav"]) as file:
        duration = file.frames / rate
    return {"ID": row["item"], "duration": duration, **files}
