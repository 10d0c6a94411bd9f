"""Crops are aligned, decoded alone, and depend on nothing but their seed."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.dataio.dataloader import make_dataloader

from speechbrain_spmamba.loading import loader
from speechbrain_spmamba.loading.loader import ReplacingDataset, make_dataset
from speechbrain_spmamba.manifest import read_manifest, write_manifest
from speechbrain_spmamba.prepare.scenes import dynamic_mixing

RATE = 8000


@pytest.fixture
def folder(tmp_path):
    """Six mixtures of two sources; every sample of source 1 tells its place."""
    rows = []
    for number in range(6):
        frames = 4000 + 1000 * number
        s1 = np.arange(frames) / 2**15
        signals = {"s1": s1, "s2": -0.5 * s1, "mix": 0.5 * s1}
        row = {"ID": f"item{number}", "duration": frames / RATE}
        for part, signal in signals.items():
            row[f"{part}_wav"] = tmp_path / f"{part}{number}.wav"
            soundfile.write(row[f"{part}_wav"], signal, RATE, subtype="FLOAT")
        rows.append(row)
    write_manifest(tmp_path / "m.csv", rows, tmp_path)
    return tmp_path


def _dataset(folder, **kwargs):
    return make_dataset(folder / "m.csv", folder, RATE, **kwargs)


def _starts(dataset, num_workers=0):
    batches = make_dataloader(dataset, batch_size=2, num_workers=num_workers)
    return [
        round(x.item() * 2**15)
        for b in batches
        for x in b.src_sig.data[:, 0, 0]
    ]


def test_without_a_segment_items_are_whole(folder):
    dataset = _dataset(folder)
    assert [len(item["mix_sig"]) for item in dataset] == list(
        range(4000, 10000, 1000)
    )


def test_an_empty_cell_is_silence_as_long_as_the_mixture(folder):
    text = (folder / "m.csv").read_text().replace("$data_root/s20.wav", "")
    text = text.replace("$data_root/s11.wav,$data_root/s21.wav", ",")
    (folder / "m.csv").write_text(text)
    for segment in (None, 0.25):
        first, second, third, *_ = _dataset(folder, segment=segment)
        assert first["src_sig"].any(0).tolist() == [True, False]
        assert second["src_sig"].any(0).tolist() == [False, False]
        assert third["src_sig"].any(0).tolist() == [True, True]
        for item in (first, second, third):
            assert item["src_sig"].shape == (len(item["mix_sig"]), 2)


def test_mixture_and_sources_are_cropped_alike(folder):
    for item in _dataset(folder, segment=0.25):
        assert item["mix_sig"].shape == (2000,)
        assert item["src_sig"].shape == (2000, 2)
        torch.testing.assert_close(item["mix_sig"], item["src_sig"].sum(1))


def test_a_crop_begins_anywhere_from_the_first_sample_to_the_last(folder):
    epoch = SimpleNamespace(current=0)
    # Items of 4000 samples and more: this leaves the first one two places.
    dataset = _dataset(folder, segment=3999 / RATE, epoch_counter=epoch)
    places = set()
    for epoch.current in range(20):
        place = dataset[0]["src_sig"][0, 0].item() * 2**15
        places.add(round(place))
    assert places == {0, 1}
    for count in (1, 4000):
        dataset = _dataset(folder, segment=count / RATE)
        assert len(dataset[0]["mix_sig"]) == count


def test_items_shorter_than_the_segment_are_padded_in_the_batch(folder):
    dataset = _dataset(folder, segment=0.6)
    batch = next(iter(make_dataloader(dataset, batch_size=2)))
    assert batch.mix_sig.data.shape == (2, 4800)
    torch.testing.assert_close(
        batch.mix_sig.lengths, torch.tensor([4000 / 4800, 1.0])
    )


def test_mixtures_made_afresh_are_as_long_as_crops(folder):
    dataset = _dataset(folder, segment=0.25, dynamic_mixing=True)
    assert dataset[0]["src_sig"].shape == (2000, 2)


def test_only_the_wanted_samples_are_decoded(folder, monkeypatch):
    decoded = []
    read = loader.read_audio

    def spy(path, rate, start, count):
        wave = read(path, rate, start, count)
        decoded.append(len(wave))
        return wave

    monkeypatch.setattr(loader, "read_audio", spy)
    _dataset(folder, segment=0.1)[5]
    assert decoded == [800, 800, 800]


def test_crops_depend_on_seed_epoch_and_item_only(folder):
    epoch = SimpleNamespace(current=1)
    dataset = _dataset(folder, segment=0.1, seed=3, epoch_counter=epoch)
    first = _starts(dataset)
    assert len(set(first)) > 1
    assert _starts(dataset) == first
    assert _starts(dataset, num_workers=2) == first
    epoch.current = 2
    assert _starts(dataset) != first
    assert _starts(dataset, num_workers=2) != first
    epoch.current = 1
    other = _dataset(folder, segment=0.1, seed=4, epoch_counter=epoch)
    assert _starts(other) != first


def test_what_is_mixed_afresh_depends_on_seed_epoch_and_item(folder):
    asked = []

    def draw(*args):
        asked.append(args)
        return np.zeros(9), np.full((9, 2), 0.5)

    epoch = SimpleNamespace(current=7)
    dataset = _dataset(folder, seed=3, epoch_counter=epoch, dynamic_mixing=draw)
    assert dataset[1]["src_sig"].unique().tolist() == [0.5]
    assert asked == [(3, 7, "item1")]


def _replacing(seed, good):
    """Items a to f, of which few can be read; and what was tried."""
    tried = []

    def read(item):
        tried.append(item)
        if item not in good:
            raise ValueError(f"{item} is\n bad")
        return 1.0

    rows = {item: {} for item in "abcdef"}
    dataset = ReplacingDataset(rows, seed, SimpleNamespace(current=2))
    dataset.add_dynamic_item(read, takes="id", provides="sig")
    dataset.set_output_keys(["id", "sig"])
    return dataset, tried


def test_items_are_replaced_in_training_alone_and_on_demand(folder):
    counter = SimpleNamespace(current=1)
    for policy, epoch_counter, more in (
        ("skip", counter, ["left_out"]),
        ("skip", None, []),
        ("stop", counter, []),
        (None, counter, []),
    ):
        dataset = _dataset(
            folder, bad_audio=policy, epoch_counter=epoch_counter, seed=3
        )
        assert list(dataset[0]) == ["id", "mix_sig", "src_sig", *more]
        assert dataset[0]["id"] == "item0"
        if more:
            assert (dataset.seed, dataset.epoch_counter) == (3, counter)


def test_what_another_item_stands_for_is_told_line_by_line():
    left_out = []
    for seed in range(10):
        dataset, tried = _replacing(seed, good="ef")
        item = dataset[0]
        assert item["id"] == tried[-1] and item["id"] in "ef"
        lines = item["left_out"].split("\n")
        assert lines == [f"{bad}\t{bad} is bad" for bad in tried[:-1]]
        again, tried_again = _replacing(seed, good="ef")
        assert again[0] == item and tried_again == tried
        assert dataset[4] == {"id": "e", "sig": 1.0, "left_out": ""}
        left_out.append(tried[:-1])
    assert len({tuple(bad) for bad in left_out}) > 2
    assert max(map(len, left_out)) > 1


def test_the_search_for_an_item_that_can_be_read_ends():
    dataset, tried = _replacing(0, good="")
    with pytest.raises(ValueError, match="is\n bad"):
        dataset[0]
    assert len(tried) == 1 + loader.TRIES


def test_noise_files_are_read_beforehand_where_they_are_mixed(folder):
    rows = [
        {**row, "noise_wav": folder / "noise.wav"}
        for row in read_manifest(folder / "m.csv", folder).values()
    ]
    write_manifest(folder / "m.csv", rows, folder)
    soundfile.write(folder / "noise.wav", np.zeros(4000), 2 * RATE)
    assert len(_dataset(folder, bad_audio="stop")) == 6
    with pytest.raises(ValueError, match="noise.wav is sampled at 16000 Hz"):
        _dataset(folder, dynamic_mixing=True, bad_audio="stop")
    soundfile.write(folder / "noise.wav", np.zeros(4000), RATE)
    assert len(_dataset(folder, dynamic_mixing=True, bad_audio="stop")) == 6


def test_files_that_nothing_is_read_from_are_not_looked_at(folder, monkeypatch):
    monkeypatch.setattr(dynamic_mixing, "DynamicScenes", lambda *_: None)
    (folder / "s11.wav").write_bytes(b"no audio")
    for drawn in (lambda *_: None, {"scenes": folder}):
        _dataset(folder, dynamic_mixing=drawn, bad_audio="stop")
    for mixed in (None, True, {"noise": "none"}):
        with pytest.raises(ValueError, match="s11.wav cannot be read"):
            _dataset(folder, dynamic_mixing=mixed, bad_audio="stop")


def test_of_a_source_the_first_channel_is_read_of_a_mixture_all(folder):
    two = np.random.default_rng(0).standard_normal((4000, 2))
    for part in ("s20", "mix0"):
        soundfile.write(folder / f"{part}.wav", two, RATE, "FLOAT")
    item = _dataset(folder)[0]
    assert item["src_sig"].shape == (4000, 2)
    np.testing.assert_allclose(item["src_sig"][:, 1], two[:, 0], rtol=1e-6)
    np.testing.assert_allclose(item["mix_sig"], two, rtol=1e-6)


def test_a_dataset_can_be_sent_to_other_processes(folder):
    dataset = _dataset(folder, segment=0.1, seed=3)
    twin = pickle.loads(pickle.dumps(dataset))
    assert _starts(twin) == _starts(dataset)


def test_sources_of_another_length_are_named(folder):
    soundfile.write(folder / "s22.wav", np.zeros(5), RATE)
    with pytest.raises(ValueError, match="s22.wav has 5 samples.*mix2.wav"):
        _dataset(folder)[2]


def test_a_wrong_data_root_is_named(folder):
    message = f"wrong/mix0.wav of manifest .*data_root is {folder}/wrong"
    with pytest.raises(ValueError, match=message):
        make_dataset(folder / "m.csv", folder / "wrong", RATE)


def test_another_rate_is_named(folder):
    with pytest.raises(ValueError, match="mix0.wav is sampled at 8000 Hz"):
        make_dataset(folder / "m.csv", folder, 16000)[0]
    wave, _ = soundfile.read(folder / "s22.wav")
    soundfile.write(folder / "s22.wav", wave, 16000, "FLOAT")
    with pytest.raises(ValueError, match="s22.wav is sampled at 16000 Hz"):
        _dataset(folder)[2]


@pytest.mark.parametrize("name", ["mix1.wav", "s11.wav", "s21.wav"])
def test_samples_that_are_not_finite_are_named(folder, name):
    wave, _ = soundfile.read(folder / name)
    wave[-1] = np.nan
    soundfile.write(folder / name, wave, RATE, "FLOAT")
    with pytest.raises(ValueError, match=f"{name} has NaN or infinite"):
        _dataset(folder)[1]


@pytest.mark.parametrize(
    "segment", [0, -1.0, 1e-5, "one", [1.0], float("nan"), float("inf")]
)
def test_a_segment_without_a_sample_is_refused(segment, folder):
    with pytest.raises(ValueError, match="give seconds, at least one sample"):
        _dataset(folder, segment=segment)


def test_a_manifest_of_another_number_of_sources_is_refused(folder):
    assert _dataset(folder, num_spks=2)[0]["src_sig"].shape[1] == 2
    with pytest.raises(ValueError, match="model separates 3; set num_spks"):
        _dataset(folder, num_spks=3)
