"""Corpora of any layout become pools, and splits share nothing."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.prepare.corpora.clips import Clip, Pools
from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora
from speechbrain_spmamba.prepare.scenes.pools import check_apart, make_pools
from tests import SHARED

BESIDE = SHARED / "minicorpus"
REAL = Path(os.environ.get("MINICORPUS", BESIDE))
TINY = {
    "readers": (3, 2, 2),
    "utterances_per_reader": (2, 1, 1),
    "utterance_seconds": (1.0, 1.5),
    "noise_files": (3, 1, 1),
    "noise_seconds": (1.0, 1.5),
    "dnr_items": (2, 1, 1),
    "dnr_seconds": (1.5, 2.0),
}
SPLITS = {
    "train": {"speech": ["train-clean-100"], "mixtures": 7},
    "valid": {"speech": ["dev-clean"], "noise": "cv"},
    "test": {"speech": ["test-clean"], "noise": "tt", "dnr": "tt"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "made_up"
    make_corpora(folder, **TINY)
    return folder


@pytest.fixture
def plain(tmp_path):
    """A plain folder with one sound a split."""
    for split in ("train", "valid", "test"):
        (tmp_path / "plain" / split).mkdir(parents=True)
        path = tmp_path / "plain" / split / f"{split}_sound.wav"
        soundfile.write(path, np.full(9, 0.1), 8000)
    return tmp_path / "plain"


def groups(pool):
    return {one.group for one in pool}


def test_all_corpora_make_all_pools(made):
    pools = make_pools(
        SPLITS,
        speech_folder=made / "LibriSpeech",
        noise_folder=made / "wham_noise",
        dnr_folder=made / "dnr_v2",
    )
    assert list(pools) == ["train", "valid", "test"]
    train = pools["train"]
    assert list(train.speech) == ["60", "63", "66"]
    assert groups(train.noise) == {"tr0000", "tr0001"}
    assert len(groups(train.music)) == len(groups(train.effects)) == 2
    assert len(pools["test"].noise) == len(pools["test"].music) == 1


def test_the_folder_above_all_corpora_will_do(made):
    above = make_pools(SPLITS, made, made, dnr_folder=made)
    assert above == make_pools(
        SPLITS,
        made / "LibriSpeech",
        made / "wham_noise",
        music_folder=made / "dnr_v2",
        effects_folder=made / "dnr_v2",
    )


def test_plain_folders_stand_in_for_corpora(made, plain):
    splits = {name: {"speech": one["speech"]} for name, one in SPLITS.items()}
    pools = make_pools(
        splits,
        made / "LibriSpeech",
        noise_folder=plain,
        music_folder=plain,
        effects_folder=plain,
    )
    for split, pool in pools.items():
        for some in (pool.noise, pool.music, pool.effects):
            assert [one.group for one in some] == [f"{split}_sound"]
        assert not pool.background


def test_a_plain_folder_adds_to_dnr(made, plain):
    settings = {"speech_folder": made, "dnr_folder": made}
    without = make_pools(SPLITS, **settings)["train"]
    both = make_pools(SPLITS, music_folder=plain, **settings)["train"]
    assert len(both.music) == len(without.music) + 1
    assert both.effects == without.effects


@pytest.mark.parametrize("given_as", ["dnr_folder", "effects_folder"])
def test_background_is_told_from_effects(made, tmp_path, given_as):
    corpus = shutil.copytree(made / "dnr_v2", tmp_path / "dnr_v2")
    for table in corpus.glob("*/*/annots.csv"):
        lines = table.read_text().splitlines(keepends=True)
        table.write_text("".join(one for one in lines if ",sfx," not in one))
    pool = make_pools(SPLITS, made, **{given_as: corpus})["train"]
    assert not pool.effects
    assert len(groups(pool.background)) == 2


def test_what_is_not_given_is_empty(made):
    pools = make_pools(SPLITS, made / "LibriSpeech")
    for pool in pools.values():
        assert pool.speech
        assert not pool.noise + pool.music + pool.effects + pool.background


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"valid": {"speech": ["dev-clean", "train-clean-100"]}},
            "train and valid share 3 readers, first 60",
        ),
        (
            {"test": {"speech": ["test-clean"], "noise": "cv"}},
            "valid and test share 1 noise recordings, first cv0000",
        ),
        (
            {"test": {"speech": ["test-clean"], "dnr": "tr"}},
            r"train and test share 2 music recordings, first tr/\d+",
        ),
    ],
)
def test_what_is_in_two_splits_is_named(made, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        make_pools({**SPLITS, **changes}, made, made, dnr_folder=made)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["noise", "music", "effects", "background"])
def test_every_class_is_kept_apart(kind):
    one = Clip("a.wav", 9, 8000, "a")
    pools = {"x": Pools({}, **{kind: [one]}), "y": Pools({}, **{kind: [one]})}
    with pytest.raises(ValueError, match=f"x and y share 1 {kind} .* first a"):
        check_apart(pools)
    other = Clip("b.wav", 9, 8000, "b")
    check_apart({**pools, "y": Pools({}, **{kind: [other]})})


def test_one_plain_folder_for_all_splits_is_refused(made, plain):
    splits = {name: {**one, "noise": None} for name, one in SPLITS.items()}
    with pytest.raises(ValueError, match="share 3 noise recordings"):
        make_pools(splits, made, plain)
    one = {"train": splits["train"]}
    assert len(make_pools(one, made, plain)["train"].noise) == 3


def test_too_few_readers_are_counted(made):
    with pytest.raises(
        ValueError, match="split valid has 2 readers, 3 talkers a scene need"
    ):
        make_pools(SPLITS, made, num_spks=3)


def test_readers_of_short_utterances_only_do_not_count(made):
    with pytest.raises(ValueError, match="no utterance of 1.5 s or more"):
        make_pools(SPLITS, made, min_seconds=1.5)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"speech_folder": "nowhere"}, "no speech in nowhere.*openslr"),
        ({"noise_folder": "nowhere"}, "nowhere.train does not exist.*wham"),
        ({"music_folder": "nowhere"}, "no audio in nowhere.train; expected"),
        ({"dnr_folder": "nowhere"}, "no DnR in nowhere; expected.*zenodo"),
    ],
)
def test_missing_corpora_are_named(made, changes, message):
    with pytest.raises(ValueError, match=message):
        make_pools(SPLITS, **{"speech_folder": made, **changes})


def test_checking_reaches_every_corpus(made, tmp_path):
    corpora = shutil.copytree(made, tmp_path / "copy")
    settings = {
        "speech_folder": corpora,
        "noise_folder": corpora,
        "dnr_folder": corpora,
        "check": True,
    }
    make_pools(SPLITS, **settings)
    for pattern in ("tr/*/sfx.wav", "tr/*.wav", "train-clean-100/*/*/*.flac"):
        path = next(corpora.glob(f"*/{pattern}"))
        info = soundfile.info(path)
        silence = np.zeros((info.frames, info.channels))
        soundfile.write(path, silence, info.samplerate, info.subtype)
        with pytest.raises(ValueError, match=f"{path.name} is silent"):
            make_pools(SPLITS, **settings)
        make_pools(SPLITS, **{**settings, "bad_share": 0.6})


@pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no corpus in {REAL}; set MINICORPUS"
)
def test_real_recordings_make_all_pools(tmp_path, monkeypatch):
    monkeypatch.setenv("SPMAMBA_CACHE", str(tmp_path))
    splits = {name: {"speech": [name]} for name in ("train", "valid", "test")}
    folders = {
        "speech_folder": REAL / "speech",
        "noise_folder": REAL / "noise",
        "music_folder": REAL / "music",
        "effects_folder": REAL / "sfx",
    }
    pools = make_pools(splits, **folders)
    assert [len(pool.speech) for pool in pools.values()] == [213, 30, 6]
    sexes = {some[0].sex for some in pools["train"].speech.values()}
    assert sexes == {"F", "M"}
    for pool, counts in zip(
        pools.values(), ((8, 6, 45), (3, 3, 9), (3, 4, 11)), strict=True
    ):
        assert (len(pool.noise), len(pool.music), len(pool.effects)) == counts
        for one in pool.noise + pool.music + pool.effects:
            assert one.sample_rate == 16000 and one.seconds > 0.1
    assert make_pools(splits, **folders) == pools
