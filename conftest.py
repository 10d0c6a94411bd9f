"""Shared by tests and doctests: nobody's real cache is touched."""

import pytest

from speechbrain_spmamba.files.cache import VARIABLE


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield
