"""Shared by all tests: a small model, and settings that make runs equal."""

import functools

import pytest
import torch
from speechbrain.utils import logger

from speechbrain_spmamba.models import build_model
from tests import small_models

SMALL = small_models.SMALL["spmamba"]

# Every run writes the list of installed packages, which takes a second.
logger.get_environment_description = functools.cache(
    logger.get_environment_description
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def small_model():
    """Builds a SPMamba of a few thousand weights; arguments may differ."""

    def build(**overrides):
        return build_model("spmamba", **{**SMALL, **overrides})

    return build


# The longest first, so that the rest runs beside it; then what forks from a
# server that imports everything, so that one worker starts it and not each.
FIRST = ("first_run", "resume", "distributed", "schedule")


def pytest_collection_modifyitems(items):
    """Moves the tests of those files to the front."""
    names = [f"tests/test_{name}.py" for name in FIRST]

    def place(item):
        file = item.nodeid.split("::")[0]
        return names.index(file) if file in names else len(names)

    items.sort(key=place)
