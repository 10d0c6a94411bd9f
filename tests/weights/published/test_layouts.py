"""Every layout of published weights has what its package says of them all."""

import importlib
import inspect
import pkgutil

import pytest
import torch

from speechbrain_spmamba.weights import published
from speechbrain_spmamba.weights.published.checkpoint import read_file
from speechbrain_spmamba.weights.published.renaming import PublishedWeights
from speechbrain_spmamba.weights.state_dict import read_weights

MODULES = [
    importlib.import_module(f"{published.__name__}.{info.name}")
    for info in pkgutil.iter_modules(published.__path__)
]
LAYOUTS = [module for module in MODULES if hasattr(module, "SIGNATURE")]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_has_names_and_converts_and_measures(layout):
    assert isinstance(layout.SIGNATURE, str) and isinstance(layout.NAMES, dict)
    assert list(inspect.signature(layout.convert).parameters) == ["weights"]
    measured = inspect.signature(layout.measure).parameters
    assert list(measured) == ["weights", "given"]
    # An empty state dict lacks something, and says what.
    with pytest.raises(ValueError, match="not a published x: lacks '"):
        layout.convert(PublishedWeights("x", {}))


def test_a_tensor_that_is_moved_is_the_same_under_another_name():
    gain, offset = torch.ones(3), torch.zeros(3)
    weights = PublishedWeights("x", {"ln.gamma": gain, "ln.beta": offset})
    weights.move("ln", "norm", {"weight": "gamma", "bias": "beta"})
    assert weights.converted["norm.weight"] is gain
    assert weights.converted["norm.bias"] is offset
    weights.check_empty()


@pytest.mark.parametrize("read", [read_weights, read_file])
def test_both_readers_refuse_what_is_no_file_in_the_same_words(read, tmp_path):
    with pytest.raises(ValueError, match="is a folder; a file of weights was"):
        read(tmp_path)
    with pytest.raises(ValueError, match="exist; a file of weights was"):
        read(str(tmp_path / "net.safetensors"))
