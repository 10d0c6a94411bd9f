"""Names of weights tell their system; settings are not taken from anywhere."""

import pytest
import torch

from speechbrain_spmamba.published.network import find_arguments, find_network

NAMES = {"stride": "hop_length", "sample_rate": "sample_rate", "eps": "eps"}


def test_a_network_that_is_not_known_shows_its_names():
    with pytest.raises(ValueError, match="no network.*masker.0.weight"):
        find_network({"masker.0.weight": torch.zeros(1)})


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
