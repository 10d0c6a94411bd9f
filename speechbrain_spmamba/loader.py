"""From manifest rows to batches: crop on read, deterministic.

Where a training crop starts, or what a freshly mixed item holds, depends on
(seed, epoch, item) and on nothing else, so results do not change with the
number of workers, ranks or restarts.
"""

import zlib
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_spmamba.audio import check_rate, open_audio, read_audio
from speechbrain_spmamba.augment import make_draw
from speechbrain_spmamba.manifest import read_manifest, source_keys


def make_dataset(
    manifest,
    data_root,
    sample_rate,
    num_spks=None,
    segment=None,
    seed=0,
    epoch_counter=None,
    dynamic_mixing=None,
):
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
        ``augment.DynamicMixing``, ``{"scenes": folder}``, or any
        ``draw(seed, epoch, item)`` that returns mixture and sources
        (``augment.py``). False, None and ``{}`` are off.

    Returns
    -------
    DynamicItemDataset
        Items ``id``, ``mix_sig`` ``[T]`` and ``src_sig`` ``[T, S]``.

    Raises
    ------
    ValueError
        Here for a bad manifest or a wrong ``data_root``; at reading, for bad
        audio (``audio.py``) and for a source whose length differs from that
        of its mixture.
    """
    rows = read_manifest(manifest, data_root, num_spks)
    first = next(iter(rows.values()))["mix_wav"]
    if not Path(first).is_file():
        raise ValueError(
            f"{first} of manifest {manifest} does not exist; data_root is "
            f"{data_root}: give the folder that $data_root stands for"
        )
    sources = source_keys(next(iter(rows.values())))
    draw = make_draw(dynamic_mixing, rows, sample_rate, segment)
    reader = ExampleReader(sample_rate, segment, seed, epoch_counter, draw)
    dataset = DynamicItemDataset(rows)
    dataset.add_dynamic_item(
        reader, takes=["id", "mix_wav", *sources], provides="signals"
    )
    dataset.add_dynamic_item(itemgetter(0), "signals", "mix_sig")
    dataset.add_dynamic_item(itemgetter(1), "signals", "src_sig")
    dataset.set_output_keys(["id", "mix_sig", "src_sig"])
    return dataset


class ExampleReader:
    """Reads the files of an item, cropped as the epoch wants it.

    A class and no closure: loaders send it to their worker processes.

    Arguments
    ---------
    sample_rate : int
        Rate in Hz that all files must have.
    segment : float, optional
        Seconds of a crop.
    seed : int
        Seed of the crops.
    epoch_counter : object, optional
        Its ``current`` is the epoch.
    draw : callable, optional
        Draws mixture and sources in place of reading the item's files.
    """

    def __init__(self, sample_rate, segment, seed, epoch_counter, draw=None):
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
        rng = np.random.default_rng(
            [self.seed, epoch, zlib.crc32(item.encode())]
        )
        return read_example(
            mix_wav, source_wavs, self.sample_rate, self.frames, rng
        )


def read_example(mix_wav, source_wavs, sample_rate, frames=None, rng=None):
    """Reads a mixture and its sources over one stretch of time.

    Arguments
    ---------
    mix_wav : str or Path
        The mixture.
    source_wavs : list of str or Path
        The sources.
    sample_rate : int
        Rate in Hz that all files must have.
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
        start, count = int(rng.integers(total - frames + 1)), frames
    mix = read_audio(mix_wav, sample_rate, start, count)
    src = []
    for path in source_wavs:
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
