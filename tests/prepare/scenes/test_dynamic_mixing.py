"""Fresh scenes: the data set's laws, another scene in every epoch."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.prepare.scenes.dynamic_mixing import DynamicScenes
from speechbrain_spmamba.prepare.sets.echo2mix import prepare
from tests.prepare.small_scenes import RATE, SHORT, replace_pools, sound_pools

SCENE = {key: value for key, value in SHORT.items() if key != "room"}


@pytest.fixture(params=["paper", "release"])
def folder(request, tmp_path, monkeypatch):
    """Two scenes on disk, by either protocol; items of 2 s."""
    replace_pools(monkeypatch, {"train": sound_pools(tmp_path / "train")})
    prepare(
        output_folder=tmp_path / "out",
        splits={"train": {"mixtures": 2}},
        speech_folder="speech",
        protocol=request.param,
        sample_rate=RATE,
        scene=SCENE,
        room=SHORT["room"],
        cut={"seconds": 2.0} if request.param == "release" else None,
    )
    return tmp_path / "out"


def _dataset(folder, epoch):
    return make_dataset(
        folder / "train.csv",
        folder,
        RATE,
        num_spks=2,
        segment=1.0,
        seed=5,
        epoch_counter=SimpleNamespace(current=epoch),
        dynamic_mixing={"scenes": folder},
    )


def test_items_are_scenes_of_their_epoch(folder):
    first, again, later = (_dataset(folder, epoch) for epoch in (1, 1, 2))
    for one, same, other in zip(first, again, later, strict=True):
        assert one["mix_sig"].shape == (RATE,)
        assert one["src_sig"].shape == (RATE, 2)
        assert torch.equal(one["mix_sig"], same["mix_sig"])
        assert torch.equal(one["src_sig"], same["src_sig"])
        assert not torch.equal(one["mix_sig"], other["mix_sig"])


def test_scenes_do_not_depend_on_what_was_drawn_before(folder):
    scenes = DynamicScenes(folder, RATE)
    wanted = scenes(1, 1, "a")[0]
    scenes(1, 1, "b")
    twin = pickle.loads(pickle.dumps(scenes))
    np.testing.assert_array_equal(twin(1, 1, "a")[0], wanted)


def test_whole_scenes_have_the_data_sets_length(folder):
    scenes = DynamicScenes(folder, RATE)
    mix, sources = scenes(0, 0, "a")
    seconds = 2.0 if scenes.excerpt_law else 8.0
    assert len(mix) == len(sources) == seconds * RATE
    assert np.abs(mix - sources.sum(axis=1)).max() > 0  # noise


def test_a_folder_without_scenes_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no scenes of split train; fre"):
        DynamicScenes(tmp_path, RATE)
