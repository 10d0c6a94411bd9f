"""Shared by all tests: a small model, and settings that make runs equal."""

import pytest
import torch

from speechbrain_spmamba.models import build_model

SMALL = {
    "n_fft": 64,
    "hop_length": 32,
    "num_blocks": 2,
    "emb_dim": 4,
    "emb_ks": 4,
    "emb_hs": 1,
    "d_state": 4,
    "expand": 2,
    "num_heads": 2,
    "attn_qk_dim": 64,
    "sample_rate": 8000,
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def small_model():
    """Builds a SPMamba of a few thousand weights; arguments may differ."""

    def build(**overrides):
        return build_model("spmamba", **{**SMALL, **overrides})

    return build


def pytest_collection_modifyitems(items):
    """The longest fixture first: the rest then runs beside it."""
    items.sort(key=lambda item: "test_first_run" not in item.nodeid)
