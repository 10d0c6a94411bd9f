"""The cache folder is where the user, or else the system, wants it."""

from pathlib import Path

import pytest

from speechbrain_spmamba.files.cache import cache_folder

NAME = "speechbrain_spmamba"


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch):
    monkeypatch.delenv("SPMAMBA_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


def test_the_variable_names_the_folder_itself(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv("SPMAMBA_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_without_it_the_users_cache_gets_one_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    assert cache_folder() == tmp_path / ".cache" / NAME
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / NAME
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / NAME


def test_a_user_without_a_home_has_a_cache_too(monkeypatch):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", staticmethod(homeless))
    assert cache_folder().name == NAME and cache_folder().is_absolute()
