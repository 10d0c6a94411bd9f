"""Shared by all tests: a small model, and settings that make runs equal."""

import pytest
import torch

from speechbrain_spmamba.models import build_model
from tests import small_models

SMALL = small_models.SMALL["spmamba"]


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
