"""``pretrained_path`` says whose weights a model begins with, or has."""

import pytest
import torch
from speechbrain.inference.interfaces import foreign_class
from speechbrain.inference.separation import SepformerSeparation

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.export import export
from speechbrain_spmamba.weights.pretrainer import (
    SeparatorPretrainer,
    wanted_path,
)
from tests.small_models import build_small
from tests.test_strange_files import make_folder

CPU = {"run_opts": {"device": "cpu"}}


@pytest.fixture
def folders(tmp_path):
    """Two model folders of one network with other weights."""
    made = []
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        made.append(make_folder(tmp_path / name, keep_sums=True))
    return made


def _weights(model):
    return model.mods.separator.state_dict()


def _equal(found, wanted):
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
def test_weights_of_another_folder(safe, as_text, folders, tmp_path):
    first, second = folders
    overrides = {"pretrained_path": str(second)}
    if as_text:
        overrides = f"pretrained_path: {second}"
    model = WaveformSeparation.from_hparams(
        first, safe=safe, overrides=overrides, savedir=tmp_path / "kept", **CPU
    )
    wanted = _weights(WaveformSeparation.from_hparams(second, **CPU))
    other = _weights(WaveformSeparation.from_hparams(first, **CPU))
    assert _equal(_weights(model), wanted)
    assert not _equal(_weights(model), other)


def test_weights_of_another_folder_by_the_toolkit(folders):
    first, second = folders
    model = foreign_class(
        str(first),
        pymodule_file="custom_interface.py",
        classname="WaveformSeparation",
        overrides={"pretrained_path": str(second)},
        **CPU,
    )
    wanted = _weights(WaveformSeparation.from_hparams(second, **CPU))
    assert _equal(_weights(model), wanted)


def test_weights_of_another_folder_by_the_stock_class(folders, tmp_path):
    first, second = folders
    folder = export(first, tmp_path / "toolkit", layout="toolkit")
    stock = SepformerSeparation.from_hparams(
        str(folder), overrides={"pretrained_path": str(second)}, **CPU
    )
    wanted = WaveformSeparation.from_hparams(second, **CPU).mods.separator
    mix = 0.1 * torch.randn(1, 1001)
    found = stock.separate_batch(mix)
    assert torch.allclose(found, wanted(mix), atol=1e-5)
    other = WaveformSeparation.from_hparams(first, **CPU).mods.separator
    assert not torch.allclose(found, other(mix), atol=1e-3)


@pytest.mark.parametrize("safe", [True, False])
def test_what_does_not_fit_or_is_not_there_is_named(safe, folders, tmp_path):
    first, _ = folders
    other = make_folder(tmp_path / "other", "conv_tasnet")
    for path, message in (
        (other, "separator.ckpt do not fit the model of"),
        (tmp_path / "none", "none is no model folder"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            WaveformSeparation.from_hparams(
                first, safe=safe, overrides={"pretrained_path": str(path)}
            )
        assert "\n" not in str(error.value)


def test_a_recipe_without_a_path_keeps_what_it_has():
    model = build_small("dprnn")
    before = {k: w.clone() for k, w in model.state_dict().items()}
    pretrainer = SeparatorPretrainer(model)
    assert pretrainer.collect_files() == {}
    pretrainer.load_collected()
    assert _equal(model.state_dict(), before)


def test_a_process_that_collected_nothing_loads_the_same(folders):
    # Of several, a recipe lets the first alone collect.
    wanted = _weights(WaveformSeparation.from_hparams(folders[0], **CPU))
    model = WaveformSeparation.from_hparams(folders[1], **CPU).mods.separator
    SeparatorPretrainer(model, folders[0]).load_collected()
    assert _equal(model.state_dict(), wanted)


def test_no_path_among_other_changes():
    assert wanted_path(None) is None
    assert wanted_path({}) is wanted_path("") is wanted_path("a: 1") is None
