"""Shared by all tests: a small model, and settings that make runs equal.

Torch and the toolkit are imported where they are used: the process that hands
the tests out to others needs neither.
"""

import functools
import gc
import importlib
import logging
import signal
import sys

import pytest

from tests import ROOT

# The longest first, so that the rest runs beside it; then what forks from a
# server that imports everything, so that one worker starts it and not each.
FIRST = [
    "tests/test_first_run.py",
    "tests/test_resume.py",
    "tests/test_distributed.py",
    "tests/training/test_schedule.py",
    "tests/test_kept.py",
]


@pytest.fixture(autouse=True)
def _seed():
    import torch

    # torch.manual_seed notes a traceback for each kind of device: a millisecond
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)
    # The toolkit allows it when it is imported: ten bits are no reference.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_counts():
    """Also where a shell has started the tests behind it, which ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _packages_listed_once():
    """Every run writes the list of installed packages, which takes a second."""
    from speechbrain.utils import logger

    with pytest.MonkeyPatch.context() as patch:
        listed = functools.cache(logger.get_environment_description)
        patch.setattr(logger, "get_environment_description", listed)
        yield


@pytest.fixture
def small_model():
    """Builds a SPMamba of a few thousand weights; arguments may differ."""
    from speechbrain_spmamba.models import build_model
    from tests import small_models

    def build(**overrides):
        small = {**small_models.SMALL["spmamba"], **overrides}
        return build_model("spmamba", **small)

    return build


@pytest.fixture
def train(monkeypatch):
    """``python train.py`` in this process, which has imported everything."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield importlib.import_module("train").main
    # A run logs to this test's stderr, which is about to be closed.
    logging.getLogger().handlers.clear()


def pytest_collection_modifyitems(items):
    """Moves the tests of those files to the front."""
    assert all((ROOT / file).is_file() for file in FIRST)

    def place(item):
        file = item.nodeid.split("::")[0]
        return FIRST.index(file) if file in FIRST else len(FIRST)

    items.sort(key=place)


def pytest_collection_finish():
    """What each test would pay for what has been imported.

    The capture of logs attaches itself to each logger that hands nothing on, of
    which torch has seventy. And every search for garbage would look at it all.
    """
    for name in logging.root.manager.loggerDict:
        if name.startswith("torch"):
            logging.getLogger(name).propagate = True
    gc.collect()
    gc.freeze()
