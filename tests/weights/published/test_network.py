"""Names of weights tell their system; settings are not taken from anywhere."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.weights.published.network import (
    convertible,
    find_arguments,
    find_choices,
    find_layout,
    find_network,
    layouts,
)

NAMES = {"stride": "hop_length", "sample_rate": "sample_rate", "eps": "eps"}
CHOICES = {"mask_act": {"relu": {"mask_act": "relu"}}, "causal": {"False": {}}}
LAYOUTS = [(name, x) for name in convertible() for x in layouts(name)]


def test_a_network_that_is_not_known_shows_its_names():
    with pytest.raises(ValueError, match="no network.*masker.0.weight"):
        find_network({"masker.0.weight": torch.zeros(1)})


@pytest.mark.parametrize("prefix", ["", "audio_model."])
@pytest.mark.parametrize("name, layout", LAYOUTS)
def test_a_signature_tells_one_layout_and_no_other(name, layout, prefix):
    weights = {f"{layout.SIGNATURE}weight": torch.zeros(1)}
    given = {f"{prefix}{key}": w for key, w in weights.items()}
    assert find_network(given) == (name, weights)
    assert find_layout(name, weights) is layout


def test_of_two_signatures_in_a_name_the_longer_counts(monkeypatch):
    for name, signature in (("first", "sm.0."), ("second", "masker.sm.0.")):
        monkeypatch.setitem(
            sys.modules, name, SimpleNamespace(SIGNATURE=signature)
        )
        row = replace(SYSTEMS["dprnn"], layouts=(name,))
        monkeypatch.setitem(SYSTEMS, name, row)
    weights = {"masker.sm.0.conv": torch.zeros(1)}
    assert find_network(weights) == ("second", weights)
    assert find_network({"net.sm.0.conv": torch.zeros(1)})[0] == "first"


@pytest.mark.parametrize("prefix", ["", "module.", "model.separator."])
def test_what_stands_before_the_names_is_taken_away(prefix):
    weights = {
        f"{prefix}separator.0.band_rnn.norm.weight": torch.ones(2),
        f"{prefix}BN.0.0.weight": torch.ones(2),
    }
    system, found = find_network(weights)
    assert system == "bsrnn"
    assert list(found) == ["separator.0.band_rnn.norm.weight", "BN.0.0.weight"]


def test_a_name_within_another_is_no_network():
    with pytest.raises(ValueError, match="no network"):
        find_network({"xsm.0.proj_1x1.conv.bias": torch.zeros(1)})


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer_eps": 1e-8},
        {"optimizer": {"eps": 1e-8}},
        {"n_sample_rate": 2},  # in every file of look2hear; it means nothing
        {"audionet": {"stride": True}},
        {"audionet": {"stride": "64"}},
        {"augment": {"stride": 64}},
    ],
)
def test_settings_of_something_else_are_left_alone(settings):
    assert find_arguments(settings, NAMES) == {}


def test_settings_of_the_network_are_found_at_any_depth():
    settings = {
        "audionet": {"audionet_config": {"stride": 64, "eps": 1e-6}},
        "optimizer": {"eps": 1e-8},
        "datamodule_data_config_sample_rate": 8000,
    }
    assert find_arguments(settings, NAMES) == {
        "hop_length": 64,
        "sample_rate": 8000,
        "eps": 1e-6,
    }


@pytest.mark.parametrize("rate", [16000.0, np.float64(16000), np.int64(16000)])
def test_numbers_of_any_kind_are_plain_numbers(rate):
    found = find_arguments({"sample_rate": rate, "eps": np.float32(0.5)}, NAMES)
    assert found == {"sample_rate": 16000, "eps": 0.5}
    assert [type(value) for value in found.values()] == [int, float]


@pytest.mark.parametrize(
    "settings",
    [
        {"mask_act": "relu", "causal": False},
        {"masknet": {"mask_act": "relu", "causal": False}},
        {"masknet_mask_act": "relu", "masknet_causal": "False"},
    ],
)
def test_words_that_are_known_become_arguments(settings):
    assert find_choices(settings, CHOICES) == {"mask_act": "relu"}
    assert find_choices({}, CHOICES) == {}


@pytest.mark.parametrize("value", ["tanh", None, 3, torch.zeros(2)])
def test_words_of_another_network_are_refused(value):
    with pytest.raises(ValueError, match="mask_act is .*; known is relu$") as e:
        find_choices({"mask_act": value}, CHOICES)
    assert "\n" not in str(e.value)
