"""Bad files are found before the first epoch, and never trained on."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from speechbrain.dataio.dataloader import make_dataloader

from speechbrain_spmamba.loading import loader
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import write_manifest

RATE = 8000
ITEMS = 200  # two of which may be bad


@pytest.fixture
def folder(tmp_path):
    """Items of which the first four have files of their own."""
    rng, rows = np.random.default_rng(0), []
    for name in ("0", "1", "2", "3", "shared"):
        for part in ("mix", "s1", "s2"):
            wave = rng.uniform(-0.1, 0.1, 800)
            soundfile.write(tmp_path / f"{part}-{name}.wav", wave, RATE)
    for number in range(ITEMS):
        name = number if number < 4 else "shared"
        paths = {
            f"{part}_wav": tmp_path / f"{part}-{name}.wav"
            for part in ("mix", "s1", "s2")
        }
        rows.append({"ID": f"item{number:03}", "duration": 0.1, **paths})
    write_manifest(tmp_path / "m.csv", rows, tmp_path)
    return tmp_path


def _dataset(folder, policy, **options):
    return make_dataset(
        folder / "m.csv", folder, RATE, bad_audio=policy, **options
    )


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def _write(wave, rate=RATE, subtype="PCM_16"):
    return lambda path: soundfile.write(path, wave, rate, subtype)


FAULTS = {
    "gone": lambda path: path.unlink(),
    "no audio": lambda path: path.write_bytes(b"no audio"),
    "truncated": _truncate,
    "too short": _write(np.zeros(799)),
    "another rate": _write(np.zeros(800), 16000),
    "NaN at its end": _write(np.r_[np.zeros(799), np.nan], subtype="FLOAT"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_file_is_named_before_anything_is_trained(folder, fault):
    FAULTS[fault](folder / "s2-1.wav")
    with pytest.raises(ValueError, match="1 of 200 items.*s2-1.wav.*--bad_aud"):
        _dataset(folder, "stop", segment=0.05)


def test_a_silent_source_has_no_file_that_could_be_bad(folder):
    text = (folder / "m.csv").read_text()
    text = text.replace("$data_root/s1-1.wav", "")
    text = text.replace("$data_root/s2-2.wav", "")
    (folder / "m.csv").write_text(text)
    _truncate(folder / "s1-1.wav")
    for _ in range(2):  # the second time, all are known to be good
        dataset = _dataset(folder, "stop")
        assert dataset[1]["src_sig"].any(0).tolist() == [False, True]
        assert dataset[2]["src_sig"].any(0).tolist() == [True, False]
    _truncate(folder / "s2-1.wav")
    with pytest.raises(ValueError, match="1 of 200 items.*s2-1.wav"):
        _dataset(folder, "stop")


def test_silence_and_full_scale_are_not_bad(folder):
    soundfile.write(folder / "s1-0.wav", np.zeros(800), RATE)
    soundfile.write(folder / "s2-0.wav", np.ones(800), RATE)
    assert len(_dataset(folder, "stop")) == ITEMS


def test_bad_items_are_left_out_and_each_is_named(folder, caplog):
    for number in (1, 3):
        _truncate(folder / f"mix-{number}.wav")
    dataset = _dataset(folder, "skip")
    assert len(dataset) == ITEMS - 2
    assert not {"item001", "item003"} & set(dataset.data_ids)
    assert caplog.text.count("left out item001, 1 so far: ") == 1
    assert caplog.text.count("left out item003, 2 so far: ") == 1


def test_more_than_may_be_left_out_is_an_error(folder):
    for number in range(3):
        _truncate(folder / f"mix-{number}.wav")
    with pytest.raises(ValueError, match="3 of 200 items have bad files, more"):
        _dataset(folder, "skip")


def test_bad_items_are_not_drawn_from_either(folder, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        loader, "make_draw", lambda wanted, rows, *rest: drawn.extend(rows)
    )
    (folder / "s1-0.wav").unlink()
    _dataset(folder, "skip", dynamic_mixing=True)
    assert "item000" not in drawn and len(drawn) == ITEMS - 1


def test_a_policy_that_there_is_not_is_named(folder):
    with pytest.raises(ValueError, match="'ignore'; expected stop or skip"):
        _dataset(folder, "ignore")


def test_what_was_good_is_read_again_only_if_it_changed(folder, monkeypatch):
    seen, read = [], loader.read_example
    monkeypatch.setattr(
        loader,
        "read_example",
        lambda mix, *rest: seen.append(mix) or read(mix, *rest),
    )
    _dataset(folder, "stop")
    assert len(seen) == ITEMS
    seen.clear()
    _dataset(folder, "stop")
    assert not seen
    wave, _ = soundfile.read(folder / "s1-2.wav")
    soundfile.write(folder / "s1-2.wav", wave[:700], RATE)
    for _ in range(2):  # what is bad is looked at every time
        seen.clear()
        with pytest.raises(ValueError, match="s1-2.wav has 700 samples"):
            _dataset(folder, "stop")
        assert seen == [str(folder / "mix-2.wav")]


def test_without_a_cache_folder_nothing_fails(folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("SPMAMBA_CACHE", str(folder / "file" / "below"))
    assert len(_dataset(folder, "stop")) == ITEMS


def _epoch(folder, workers=0, **options):
    """IDs, samples and what was left out of an epoch over the first items."""
    counter = SimpleNamespace(current=1)
    dataset = _dataset(folder, "skip", epoch_counter=counter, **options)
    _truncate(folder / "s1-1.wav")  # after the check
    dataset.data_ids = dataset.data_ids[:8]
    batches = make_dataloader(dataset, batch_size=2, num_workers=workers)
    found = [(b.id, b.src_sig.data.tolist(), b.left_out) for b in batches]
    return [list(part) for part in zip(*found, strict=True)]


def test_an_item_that_turns_bad_in_an_epoch_is_replaced(folder, tmp_path):
    ids, sources, left_out = _epoch(folder, seed=3)
    ids, left_out = sum(ids, []), sum(left_out, [])
    assert "item001" not in ids and len(ids) == 8
    assert set(ids) <= {f"item{n:03}" for n in range(8)}
    assert [bool(text) for text in left_out] == [False, True] + [False] * 6
    assert left_out[1].startswith("item001\t") and "s1-1.wav" in left_out[1]


def test_the_replacement_follows_from_seed_epoch_and_item(folder):
    original = (folder / "s1-1.wav").read_bytes()

    def epoch(**options):
        (folder / "s1-1.wav").write_bytes(original)
        return _epoch(folder, **options)

    first = epoch(seed=3)
    assert epoch(seed=3) == first
    assert epoch(seed=3, workers=2) == first
    others = [epoch(seed=seed)[0] for seed in range(4, 9)]
    assert any(ids != first[0] for ids in others)


def test_tests_are_never_filled_up_with_other_items(folder):
    dataset = _dataset(folder, "skip")
    _truncate(folder / "s1-1.wav")
    with pytest.raises(ValueError, match="s1-1.wav"):
        dataset[1]
