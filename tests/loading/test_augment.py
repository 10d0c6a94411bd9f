"""Fresh mixtures follow their laws and depend on seed, epoch and item only."""

import pickle
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.dataio.dataloader import make_dataloader

from speechbrain_spmamba.loading.augment import DynamicMixing
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest, write_manifest
from speechbrain_spmamba.talkers import find_talkers
from speechbrain_spmamba.training.brain import SeparationBrain
from tests import train_server

RATE = 8000
SECONDS = 0.5
KEEP = {"speed": (1.0, 1.0), "noise": "none"}


def _tone(reader, frames):
    """Every reader has a pitch, so that a source tells who it is."""
    phase = 2 * np.pi * 50 * reader * np.arange(frames) / RATE
    return 0.1 * np.sin(phase)


@pytest.fixture
def folder(tmp_path):
    """Six mixtures of readers 10 to 15, each with its successor, and noise."""
    rng, rows = np.random.default_rng(0), []
    for number in range(6):
        readers = [10 + number, 10 + (number + 1) % 6]
        frames = round(RATE * (SECONDS + 0.25 * (number % 3)))
        parts = {f"s{i + 1}": _tone(r, frames) for i, r in enumerate(readers)}
        parts["noise"] = 0.02 * rng.standard_normal(frames)
        parts["mix"] = sum(parts.values())
        item = "_".join(f"{reader}-7-000{number}" for reader in readers)
        row = {"ID": item, "duration": frames / RATE}
        for part in ("mix", "s1", "s2", "noise"):
            path = tmp_path / part / f"{item}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, parts[part], RATE, "PCM_16")
            row[f"{part}_wav"] = path
        rows.append(row)
    write_manifest(tmp_path / "with.csv", rows, tmp_path)
    for row in rows:
        del row["noise_wav"]
    write_manifest(tmp_path / "m.csv", rows, tmp_path)
    return tmp_path


def _mixing(folder, manifest="with.csv", segment=SECONDS, **laws):
    rows = read_manifest(folder / manifest, folder)
    return DynamicMixing(rows, RATE, segment, **laws)


def _draws(mixing, epochs=10, seed=1):
    return [
        mixing(seed, epoch, item)
        for epoch in range(epochs)
        for item in mixing.items
    ]


def _level(signal):
    return 10 * np.log10(np.mean(np.square(signal, dtype=np.float64)))


def _readers(sources, percent=100):
    """Whose pitch is heard in each source."""
    spectra = np.abs(np.fft.rfft(sources, axis=0, n=16000))
    hertz = np.argmax(spectra, axis=0) * RATE / 16000
    return [round(h / 50 * 100 / percent) for h in hertz]


def test_a_fresh_mixture_is_the_sum_of_its_parts(folder):
    for mix, sources in _draws(_mixing(folder, **KEEP)):
        assert mix.shape == (4000,) and sources.shape == (4000, 2)
        assert mix.dtype == sources.dtype == np.float32
        np.testing.assert_allclose(mix, sources.sum(axis=1), atol=1e-6)


def test_talkers_are_paired_anew_and_differ(folder):
    pairs = {
        tuple(_readers(sources))
        for _, sources in _draws(_mixing(folder, **KEEP), epochs=20)
    }
    assert all(one != other for one, other in pairs)
    assert len(pairs) > 20  # of 30; in the files there are 6


def test_one_talker_is_the_items_own(folder):
    mixing = _mixing(folder, **KEEP)
    for item in mixing.items:
        own = {int(name) for name in find_talkers(item, 2)}
        assert own & set(_readers(mixing(1, 1, item)[1]))


def test_the_order_does_not_tell_whose_item_it_is(folder):
    mixing = _mixing(folder, **KEEP)
    item = mixing.items[0]  # of readers 10 and 11
    draws = [_readers(mixing(1, epoch, item)[1]) for epoch in range(20)]
    first, second = zip(*draws, strict=True)
    assert not set(first) <= {10, 11} and not set(second) <= {10, 11}


def test_levels_follow_their_laws(folder):
    laws = {"sir": (3.0, 4.0), "snr": (12.0, 13.0), "level": (-30.0, -29.0)}
    for mix, sources in _draws(_mixing(folder, **laws)):
        # The first talker, after whom the others are set, is the louder one.
        high, low = sorted((_level(s) for s in sources.T), reverse=True)
        assert -30.1 < high < -28.9
        assert 2.9 < high - low < 4.1
        noise = _level(mix - sources.sum(axis=1))
        assert 11.9 < high - noise < 13.1


def test_levels_are_uniform(folder):
    mixing = _mixing(folder, sir=(-6.0, 6.0), **KEEP)
    ratios = [
        _level(sources[:, 0]) - _level(sources[:, 1])
        for _, sources in _draws(mixing, epochs=40)
    ]
    assert -6.1 < min(ratios) < -5 and 5 < max(ratios) < 6.1
    assert abs(np.mean(ratios)) < 0.8
    assert abs(np.std(ratios) - 12 / np.sqrt(12)) < 0.5


def test_the_files_level_is_kept_without_another(folder):
    for _, sources in _draws(_mixing(folder, sir=(0.0, 0.0), **KEEP)):
        for source in sources.T:
            assert abs(_level(source) - 10 * np.log10(0.1**2 / 2)) < 0.2


def test_speed_is_changed_within_its_range(folder):
    mixing = _mixing(folder, speed=(0.9, 1.1), noise="none")
    pitches = []
    for _, sources in _draws(mixing, epochs=20):
        spectra = np.abs(np.fft.rfft(sources, axis=0, n=32000))
        pitches += list(np.argmax(spectra, axis=0) * RATE / 32000)
    # Readers speak at 500 to 750 Hz; ten percent around are all that is heard.
    assert 445 < min(pitches) < 480 and 760 < max(pitches) < 830
    assert len({round(p) for p in pitches}) > 60


@pytest.mark.parametrize("speed, pitch", [(0.5, 0.5), (1.25, 1.25), (2, 2)])
def test_a_talker_at_another_speed_has_another_pitch(folder, speed, pitch):
    mixing = _mixing(folder, speed=(speed, speed), noise="none")
    item = mixing.items[0]
    readers = _readers(mixing(0, 0, item)[1], 100 * pitch)
    assert set(readers) <= set(range(10, 16))


def test_noise_is_what_mixtures_hold_beside_their_sources(folder):
    mixing = _mixing(folder, "m.csv", snr=(20.0, 20.0), sir=(0.0, 0.0))
    assert mixing.noise == "residual"
    for mix, sources in _draws(mixing):
        noise = mix - sources.sum(axis=1)
        assert abs(_level(sources[:, 0]) - _level(noise) - 20) < 0.1
        # White as in the files, no tone of a talker in it.
        spectrum = np.abs(np.fft.rfft(noise))
        assert spectrum.max() < 6 * np.sqrt(np.mean(spectrum**2))


def test_rounding_is_no_noise(folder):
    rows = read_manifest(folder / "m.csv", folder)
    for row in rows.values():
        waves = [soundfile.read(row[f"s{i}_wav"])[0] for i in (1, 2)]
        soundfile.write(row["mix_wav"], sum(waves) + 4e-5, RATE, "PCM_16")
    for mix, sources in _draws(DynamicMixing(rows, RATE, SECONDS), epochs=2):
        np.testing.assert_allclose(mix, sources.sum(axis=1), atol=1e-6)


def test_loud_mixtures_are_scaled_together(folder):
    mixing = _mixing(folder, level=(0.0, 0.0), sir=(0.0, 0.0), noise="none")
    for mix, sources in _draws(mixing, epochs=2):
        assert max(np.abs(mix).max(), np.abs(sources).max()) <= 0.9 + 1e-6
        np.testing.assert_allclose(mix, sources.sum(axis=1), atol=1e-6)


def test_lengths_are_those_of_the_items(folder):
    mixing = _mixing(folder, segment=0.7)
    for item in mixing.items:
        length = round(mixing.rows[item]["duration"] * RATE)
        assert len(mixing(0, 0, item)[0]) == min(length, 5600)


def test_stretches_without_speech_are_drawn_again(folder):
    rows = read_manifest(folder / "with.csv", folder)
    for row in rows.values():
        for key in ("s1_wav", "s2_wav"):
            wave = np.zeros(40000)
            wave[20000:] = _tone(12, 20000)
            soundfile.write(row[key], wave, RATE, "PCM_16")
    mixing = DynamicMixing(rows, RATE, 0.1)
    levels = [_level(s) for _, src in _draws(mixing) for s in (src + 1e-9).T]
    assert np.mean(np.array(levels) < -60) < 0.01  # half of them otherwise


def test_draws_depend_on_seed_epoch_and_item_only(folder):
    one, other = _mixing(folder), _mixing(folder)
    items = one.items
    wanted = {item: one(1, 2, item)[0] for item in items}
    for item in reversed(items):  # another order, another object
        np.testing.assert_array_equal(other(1, 2, item)[0], wanted[item])
    for seed, epoch in ((1, 3), (2, 2)):
        mix = one(seed, epoch, items[0])[0]
        assert not np.array_equal(mix, wanted[items[0]])


def _dataset(folder, epoch, **kwargs):
    return make_dataset(
        folder / "with.csv",
        folder,
        RATE,
        num_spks=2,
        segment=SECONDS,
        seed=3,
        epoch_counter=epoch,
        **kwargs,
    )


def _batches(dataset, num_workers):
    loader = make_dataloader(dataset, batch_size=2, num_workers=num_workers)
    return [(b.id, b.mix_sig.data, b.src_sig.data) for b in loader]


def test_workers_draw_what_one_process_draws(folder):
    epoch = SimpleNamespace(current=1)
    dataset = _dataset(folder, epoch, dynamic_mixing=True)
    alone = _batches(dataset, 0)
    for many in (_batches(dataset, 1), _batches(dataset, 2)):
        for (ids, mix, src), (ids2, mix2, src2) in zip(
            alone, many, strict=True
        ):
            assert ids == ids2
            assert torch.equal(mix, mix2) and torch.equal(src, src2)
    epoch.current = 2
    assert not torch.equal(_batches(dataset, 2)[0][1], alone[0][1])


def test_a_dataset_that_mixes_can_be_sent_to_other_processes(folder):
    epoch = SimpleNamespace(current=1)
    dataset = _dataset(folder, epoch, dynamic_mixing={"speed": [0.9, 1.1]})
    twin = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(twin[3]["mix_sig"], dataset[3]["mix_sig"])


def test_nothing_is_written(folder):
    def listing():
        return sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))

    before = listing()
    _batches(_dataset(folder, None, dynamic_mixing=True), 0)
    assert listing() == before


@pytest.mark.parametrize("off", [None, False, {}])
def test_without_it_files_are_read_as_ever(folder, off):
    plain = _dataset(folder, None)
    for one, other in zip(
        plain, _dataset(folder, None, dynamic_mixing=off), strict=True
    ):
        assert torch.equal(one["mix_sig"], other["mix_sig"])
        assert torch.equal(one["src_sig"], other["src_sig"])


class _Scenes:
    """Another source of fresh items: it tells what it was asked for."""

    def __call__(self, seed, epoch, item):
        mix = np.array([seed, epoch, len(item)], dtype=np.float32)
        return mix, np.stack([mix, 0 * mix], axis=1)


def test_any_callable_can_draw(folder):
    epoch = SimpleNamespace(current=7)
    dataset = _dataset(folder, epoch, dynamic_mixing=_Scenes())
    assert dataset[0]["mix_sig"].tolist() == [3, 7, 19]  # letters of the ID
    assert dataset[0]["src_sig"].shape == (3, 2)


@pytest.mark.parametrize(
    "item, spks, talkers",
    [
        ("000012_103-1240-0000_26-495-0001", 2, ["103", "26"]),
        ("4992-23-0001_908-31-0012_61-7-0000", 3, ["4992", "908", "61"]),
        ("000003_29612", 1, ["29612"]),
        ("000003", 0, []),
        ("01aa010b_0.97_209a010p_-0.97", 2, ["01a", "209"]),
        ("01aa010b_1_209a010p_-0.9_40na0102_0.1", 3, ["01a", "209", "40n"]),
        ("17DRP5sb8fy_1_3_library_84_121", 2, ["84", "121"]),
        ("000012_84_121_2384", 3, ["84", "121", "2384"]),
        ("meeting_4", 2, ["meeting_4", "meeting_4"]),
        ("103-1240-0000", 2, ["103-1240-0000"] * 2),
    ],
)
def test_talkers_are_found_in_ids(item, spks, talkers):
    assert find_talkers(item, spks) == talkers


def test_unknown_talkers_are_taken_from_different_mixtures(folder):
    rows = read_manifest(folder / "with.csv", folder)
    rows = {f"take {i}": row for i, row in enumerate(rows.values())}
    mixing = DynamicMixing(rows, RATE, SECONDS, **KEEP)
    assert mixing.talkers == sorted(rows)
    pattern = {"talker_pattern": r"take (\d)"}
    with pytest.raises(ValueError, match="no regular expression"):
        DynamicMixing(rows, RATE, talker_pattern="(")
    # One match a source is needed: this finds one, so IDs stand for talkers.
    assert DynamicMixing(rows, RATE, **pattern).talkers == sorted(rows)


@pytest.mark.parametrize(
    "laws, message",
    [
        ({"sir": (6, -6)}, "sir is .*expected two numbers, the smaller"),
        ({"snr": 10}, "snr is 10; expected two numbers"),
        ({"speed": (0.1, 1)}, "speed is .*within 0.5 to 2.0"),
        ({"noise": "loud"}, "noise is loud; expected auto, file, residual"),
        ({"noise": "file"}, "the manifest has no noise_wav; choose residual"),
        (
            {"sped": (1, 1)},
            "dynamic_mixing has no setting 'sped'; it has sir, snr",
        ),
    ],
)
def test_mistakes_are_named(folder, laws, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(folder / "m.csv", folder, RATE, dynamic_mixing=laws)


def test_too_few_talkers_are_named(folder):
    rows = read_manifest(folder / "m.csv", folder)
    rows = {"10-1-1_10-1-2": next(iter(rows.values()))}
    with pytest.raises(ValueError, match="finds 1 talkers, 2 a mixture need"):
        DynamicMixing(rows, RATE)


def test_bad_files_are_named(folder):
    rows = read_manifest(folder / "m.csv", folder)
    mixing = DynamicMixing(rows, RATE, SECONDS, **KEEP)
    for row in rows.values():
        for key in ("s1_wav", "s2_wav"):
            wave, _ = soundfile.read(row[key])
            wave[:] = np.nan
            soundfile.write(row[key], wave, RATE, "FLOAT")
    with pytest.raises(ValueError, match="has NaN or infinite samples"):
        mixing(0, 0, mixing.items[0])
    path = rows[mixing.items[0]]["mix_wav"]
    soundfile.write(path, np.zeros((4000, 2)), RATE)
    with pytest.raises(ValueError, match="has 2 channels; dynamic mixing"):
        mixing(0, 0, mixing.items[0])


def _train_until_killed(folder, options):
    train_server.kill_at(SeparationBrain, "compute_forward", 7)
    train_server.train(folder, *options)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_fresh_mixtures(tmp_path):
    options = ["--dynamic_mixing=True", "--ckpt_interval_steps=2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert train_server.run(train_server.train, whole, *options) == 0
    code = train_server.run(_train_until_killed, killed, options)
    assert code == -signal.SIGKILL
    assert train_server.run(train_server.train, killed, *options) == 0
    one, other = (train_server.last_checkpoint(f)[1] for f in (whole, killed))
    for key, weights in one["separator"].items():
        assert torch.equal(weights, other["separator"][key]), key
    # And these mixtures are others than those of the files.
    plain = tmp_path / "plain"
    plain.mkdir()
    assert train_server.run(train_server.train, plain) == 0
    states = train_server.last_checkpoint(plain)[1]["separator"]
    assert any(
        not torch.equal(w, states[k]) for k, w in one["separator"].items()
    )
