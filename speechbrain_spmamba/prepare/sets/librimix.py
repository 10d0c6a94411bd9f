"""Libri2Mix and Libri3Mix: read when finished, else made from their metadata.

    <folder>/[Libri2Mix/]wav{8k,16k}/{min,max}/<split>/<part>/<mixture>.wav

Splits: train-100, train-360, dev, test. Parts: ``mix_both``, ``mix_clean``,
``mix_single``, ``noise``, ``s1``, ``s2``, ...

How the mixtures are made stands in ``librimix_items.py``.
"""

from functools import partial
from pathlib import Path

from speechbrain_spmamba.audio import open_audio, write_audio
from speechbrain_spmamba.files.names import file_name
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.prepare.corpora.roots import folder_list
from speechbrain_spmamba.prepare.provenance import Provenance
from speechbrain_spmamba.prepare.sets.finished import (
    locate,
    match_parts,
    name_parts,
    write_manifests,
)
from speechbrain_spmamba.prepare.sets.librimix_items import (
    SUBSETS,
    find_metadata,
    mix_row,
    read_metadata,
    row_files,
)
from speechbrain_spmamba.prepare.sets.options import (
    check_one_number,
    split_places,
)
from speechbrain_spmamba.prepare.sets.wsj0mix import version_folder

SPLITS = {"train": "train-100", "valid": "dev", "test": "test"}
SECONDS = 14  # a mixture on average, from above: for the need of disk only


def prepare(
    *,
    folder: str | Path | None = None,
    metadata_folder: str | Path | None = None,
    speech_folder: str | Path | list | None = None,
    noise_folder: str | Path | list | None = None,
    output_folder: str | Path,
    splits: dict | None = None,
    num_spks: int = 2,
    mixture: str = "both",
    sample_rate: int = 8000,
    version: str = "min",
    jobs: int = 1,
    scheduler: str | None = None,
) -> dict:
    """Reads or makes Libri2Mix or Libri3Mix; one manifest a split.

    Arguments
    ---------
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
    output_folder : str or Path
        Gets ``<split>.csv`` and, without ``folder``, the audio as well.
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
    check_one_number(num_spks)
    if mixture not in ("both", "clean"):
        raise ValueError(f"mixture is {mixture}; expected both or clean")
    splits = {
        split: [names] if isinstance(names, str) else list(names)
        for split, names in split_places(splits, SPLITS, several=True).items()
    }
    unknown = [x for x in sum(splits.values(), []) if x not in list(SUBSETS)]
    if unknown:
        raise ValueError(
            f"in LibriMix is no split {unknown[0]}; it has {', '.join(SUBSETS)}"
        )
    parts = name_parts(
        f"mix_{mixture}",
        [f"s{i + 1}" for i in range(num_spks)],
        "noise" if mixture == "both" else None,
    )
    settings: dict = {
        "set": f"Libri{num_spks}Mix",
        "splits": splits,
        "mixture": mixture,
        "sample_rate": sample_rate,
        "version": version,
    }
    below = version_folder(sample_rate, version)
    if folder:
        find = partial(
            find_finished, below=below, parts=parts, num_spks=num_spks
        )
        return write_manifests(folder, output_folder, settings, find, jobs)
    folders = {
        "speech_folder": speech_folder,
        "noise_folder": noise_folder if mixture == "both" else None,
        "metadata_folder": metadata_folder,
    }
    output_folder = Path(output_folder).absolute()
    provenance = Provenance(output_folder, settings, folders)
    if provenance.is_finished():
        return provenance.manifests

    # Everything is looked at before anything is written.
    _check_folders(folders, mixture)
    assert metadata_folder is not None
    tables = {
        name: find_metadata(metadata_folder, name, num_spks)
        for name in sum(splits.values(), [])
    }
    base = output_folder / settings["set"] / below
    read = partial(read_metadata, num_spks=num_spks)
    found = {name: read(path) for name, path in tables.items()}
    rows = {
        split: [
            {**row, "folder": base / name}
            for name in names
            for row in found[name]
        ]
        for split, names in splits.items()
    }
    everything = sum(rows.values(), [])
    missing = sum(
        not _files(parts, row)["mix_wav"].is_file() for row in everything
    )
    seconds = missing * len(parts) * SECONDS
    workers.check_space(output_folder, seconds * sample_rate * 2)
    for key in ("speech_folder", "noise_folder"):
        some = folder_list(folders[key])
        settings[key] = [str(path.absolute()) for path in some]
    drawn = {path for row in everything for path in row_files(row, settings)}
    provenance.write([*tables.values(), *drawn])

    for split, path in provenance.manifests.items():
        make, label = partial(_make, parts, settings), f"mixing {split}"
        made = workers.run(make, rows[split], jobs, scheduler, label)
        write_manifest(path, made, output_folder)
    return provenance.manifests


def find_finished(
    root: Path, names: list[str], below: str, parts: dict, num_spks: int
) -> dict:
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
        How many there are to be.

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


def _files(parts, row):
    """Files of a mixture by the manifest's column."""
    return {
        column: row["folder"] / part / f"{file_name(row['item'])}.wav"
        for column, part in parts.items()
    }


def _make(parts, settings, row):
    """Writes one mixture unless it is there; returns its manifest row."""
    files = _files(parts, row)
    sample_rate = settings["sample_rate"]
    # The mixture is written last: where it stands, all of it stands.
    if not files["mix_wav"].is_file():
        columns = [column for column in parts if column != "mix_wav"]
        signals = mix_row(row, settings)
        for column, signal in zip([*columns, "mix_wav"], signals, strict=True):
            write_audio(files[column], signal, sample_rate, "PCM_16")
    with open_audio(files["mix_wav"]) as file:
        duration = file.frames / sample_rate
    return {"ID": row["item"], "duration": duration, **files}
