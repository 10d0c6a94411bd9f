"""From manifest rows to batches: crop on read, deterministic.

Where a training crop starts, or what a freshly mixed item holds, depends on
(seed, epoch, item) and on nothing else, so results do not change with the
number of workers, ranks or restarts.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_spmamba.audio import check_rate, open_audio, read_audio
from speechbrain_spmamba.loading.bad_audio import good_rows
from speechbrain_spmamba.loading.draw import make_draw
from speechbrain_spmamba.manifest import read_manifest, source_keys
from speechbrain_spmamba.prepare.seeded import generator

TRIES = 10  # items that are drawn in search of one that can be read


def make_dataset(
    manifest: str | Path,
    data_root: str | Path,
    sample_rate: int,
    num_spks: int | None = None,
    segment: float | None = None,
    seed: int = 0,
    epoch_counter: object | None = None,
    dynamic_mixing: bool | dict | Callable | None = None,
    bad_audio: str | None = None,
) -> DynamicItemDataset:
    """Makes a dataset that SpeechBrain's loaders batch and pad.

    Arguments
    ---------
    manifest : str or Path
        CSV file, see ``manifest.py``.
    data_root : str or Path
        What ``$data_root`` stands for in it.
    sample_rate : int
        Rate in Hz that all files must have.
    num_spks : int, optional
        Sources that every row must have.
    segment : float, optional
        Seconds of a random crop; shorter items stay whole. Without it, all
        items do.
    seed : int
        Seed of the crops.
    epoch_counter : object, optional
        Its ``current`` is the epoch; another epoch gives other crops.
    dynamic_mixing : bool, dict or callable, optional
        Fresh mixtures in every epoch: True or the arguments of
        ``loading.augment.DynamicMixing``, ``{"scenes": folder}``, or any
        ``draw(seed, epoch, item)`` that returns mixture and sources
        (``augment.py``). False, None and ``{}`` are off.
    bad_audio : str, optional
        Read all files now, and ``stop`` at bad ones or ``skip`` their items
        (``bad_audio.py``). In training, which has an ``epoch_counter``, skip
        also replaces items that turn bad later. Without it, files are looked
        at when they are read.

    Returns
    -------
    DynamicItemDataset
        Items ``id``, ``mix_sig`` ``[T]`` and ``src_sig`` ``[T, S]``.

    Raises
    ------
    ValueError
        Here for a bad manifest or a wrong ``data_root``; at reading, for bad
        audio (``audio.py``) and for a source whose length differs from that
        of its mixture; for a segment that is no length of time.
    """
    number = isinstance(segment, (int, float))
    if segment is not None and not (
        number and 1 <= segment * sample_rate < math.inf
    ):
        raise ValueError(
            f"segment is {segment}; give seconds, at least one sample, or null"
        )
    rows = read_manifest(manifest, data_root, num_spks)
    if not any(Path(row["mix_wav"]).is_file() for row in rows.values()):
        first = next(iter(rows.values()))["mix_wav"]
        raise ValueError(
            f"{first} of manifest {manifest} does not exist; data_root is "
            f"{data_root}: give the folder that $data_root stands for"
        )
    sources = source_keys(next(iter(rows.values())))
    keys = _files_read(dynamic_mixing, sources)
    if bad_audio is not None and keys:
        read = partial(_read_whole, keys=keys, sample_rate=sample_rate)
        rows = good_rows(rows, keys, read, bad_audio, manifest)
    draw = make_draw(dynamic_mixing, rows, sample_rate, segment)
    reader = ExampleReader(sample_rate, segment, seed, epoch_counter, draw)
    if bad_audio == "skip" and epoch_counter is not None:
        dataset = ReplacingDataset(rows, seed, epoch_counter)
    else:
        dataset = DynamicItemDataset(rows)
    dataset.add_dynamic_item(
        reader, takes=["id", "mix_wav", *sources], provides="signals"
    )
    dataset.add_dynamic_item(itemgetter(0), "signals", "mix_sig")
    dataset.add_dynamic_item(itemgetter(1), "signals", "src_sig")
    dataset.set_output_keys(["id", "mix_sig", "src_sig"])
    return dataset


class ReplacingDataset(DynamicItemDataset):
    """Gives another item in the place of one that cannot be read.

    That has its own ``id``; ``left_out`` tells for what it stands, in lines of
    an ID, a tab and a reason.

    Arguments
    ---------
    rows : dict
        ID -> row.
    seed : int
        With epoch and ID of the bad item, it decides which item that is.
    epoch_counter : object
        Its ``current`` is the epoch.
    """

    def __init__(self, rows: dict, seed: int, epoch_counter: object) -> None:
        super().__init__(rows)
        self.seed = seed
        self.epoch_counter = epoch_counter

    def __getitem__(self, index):
        epoch = self.epoch_counter.current
        rng = generator(self.seed, epoch, self.data_ids[index])
        left_out = []
        while True:
            try:
                found = super().__getitem__(index)
                return {**found, "left_out": "\n".join(left_out)}
            except ValueError as error:
                if len(left_out) == TRIES:
                    raise
                reason = " ".join(str(error).split())
                left_out.append(f"{self.data_ids[index]}\t{reason}")
                index = int(rng.integers(len(self)))


class ExampleReader:
    """Reads the files of an item, cropped as the epoch wants it.

    A class and no closure: loaders send it to their worker processes.

    Arguments
    ---------
    sample_rate, segment, seed, epoch_counter
        As for ``make_dataset``.
    draw : callable, optional
        Draws mixture and sources in place of reading the item's files.
    """

    def __init__(
        self,
        sample_rate: int,
        segment: float | None,
        seed: int,
        epoch_counter: object | None,
        draw: Callable | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.frames = segment and round(segment * sample_rate)
        self.seed = seed
        self.epoch_counter = epoch_counter
        self.draw = draw

    def __call__(self, item, mix_wav, *source_wavs):
        """Mixture and sources of an item, see ``read_example``."""
        epoch = self.epoch_counter.current if self.epoch_counter else 0
        if self.draw is not None:
            mix, sources = self.draw(self.seed, epoch, item)
            return torch.as_tensor(mix), torch.as_tensor(sources)
        rng = generator(self.seed, epoch, item)
        return read_example(
            mix_wav, source_wavs, self.sample_rate, self.frames, rng
        )


def _files_read(dynamic_mixing, sources):
    """Columns of the files that are read; none if all is drawn elsewhere."""
    if callable(dynamic_mixing):
        return []
    if isinstance(dynamic_mixing, dict) and "scenes" in dynamic_mixing:
        return []
    return ["mix_wav", *sources] + ["noise_wav"] * bool(dynamic_mixing)


def _read_whole(row, keys, sample_rate):
    """Reads all files of a row; raises ValueError if one is bad."""
    mix, *sources = (row[key] for key in keys if key != "noise_wav")
    read_example(mix, sources, sample_rate)
    if "noise_wav" in keys and row.get("noise_wav"):
        read_audio(row["noise_wav"], sample_rate)


def read_example(
    mix_wav: str | Path,
    source_wavs: Sequence[str | Path],
    sample_rate: int,
    frames: int | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Reads a mixture and its sources over one stretch of time.

    Arguments
    ---------
    mix_wav : str or Path
        The mixture.
    source_wavs : list of str or Path
        The sources; an empty path is silence.
    sample_rate
        As for ``make_dataset``.
    frames : int, optional
        Samples to read; without it, or where a file is shorter, all.
    rng : numpy.random.Generator, optional
        Draws where the stretch starts.

    Returns
    -------
    torch.Tensor
        Mixture, shape ``[T]``, or ``[T, M]`` with several channels.
    torch.Tensor
        Sources, shape ``[T, S]`` (first channel of each).

    Raises
    ------
    ValueError
        A file that cannot be read, of another rate or length, or with samples
        that are not finite.
    """
    with open_audio(mix_wav) as file:
        check_rate(file, mix_wav, sample_rate)
        total = file.frames
    start, count = 0, total
    if frames is not None and frames < total:
        assert rng is not None, "a stretch has to be drawn"
        start, count = int(rng.integers(total - frames + 1)), frames
    mix = read_audio(mix_wav, sample_rate, start, count)
    src = []
    for path in source_wavs:
        if not path:
            src.append(np.zeros((len(mix), 1), "float32"))
            continue
        with open_audio(path) as file:
            if file.frames != total:
                raise ValueError(
                    f"{path} has {file.frames} samples, its mixture {mix_wav} "
                    f"has {total}; sources and mixture must be equally long"
                )
        src.append(read_audio(path, sample_rate, start, count)[:, :1])
    for path, wave in zip([mix_wav, *source_wavs], [mix, *src], strict=True):
        if not np.isfinite(wave).all():
            raise ValueError(
                f"{path} has NaN or infinite samples; repair or leave it out"
            )
    mix = mix[:, 0] if mix.shape[1] == 1 else mix
    return torch.from_numpy(mix), torch.from_numpy(np.concatenate(src, axis=1))
