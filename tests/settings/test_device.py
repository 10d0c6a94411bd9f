"""A device that is not there is said, and one that is passes."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_spmamba.settings.device import check_device


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine with two CUDA devices, as far as torch tells."""
    fake = SimpleNamespace(
        is_available=lambda: True,
        current_accelerator=lambda: torch.device("cuda"),
        device_count=lambda: 2,
    )
    monkeypatch.setattr(torch, "accelerator", fake)


@pytest.mark.parametrize("name", [None, "cpu", "cuda", "cuda:0", "cuda:1"])
def test_a_device_that_is_there_passes(two_gpus, name):
    check_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:2", "mps", "cuda:x", ""])
def test_another_is_named_with_those_that_are_there(two_gpus, name):
    with pytest.raises(ValueError, match=f"'{name}'.*cpu, cuda:0, cuda:1: "):
        check_device(name)


def test_without_a_gpu_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    check_device("cpu")
    with pytest.raises(ValueError, match="'cuda'; here there is cpu: "):
        check_device("cuda")
