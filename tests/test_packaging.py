"""The sdist holds what it takes to build and no more; the wheel needs nothing.

What is built here is a copy of the sources: nothing is left in the checkout.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from speechbrain_spmamba.settings.experiments import experiment_names
from tests import PACKAGE, ROOT

pytest.importorskip("setuptools", minversion="77")

AT_THE_ROOT = {
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "train.py",
}
# What builds, tests and trainings leave in a checkout.
LEFT = {
    ".venv/lib/site.py",
    "build/lib/speechbrain_spmamba/old.py",
    "data/tiny/mixtures/test.csv",
    "docs/page.md",
    "recipes/Voices/results/scores.csv",
    "results/tiny/1234/hyperparams.yaml",
    "speechbrain_spmamba/builtin/voices-8k-2/notes.txt",
    "speechbrain_spmamba/ops/cpu/_kernels_base.so",
    "tests/test_own.py",
}
MADE = {".so", ".dll", ".pyc"}


def _sources():
    """Files of the package in this checkout, by their paths in it."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in MADE
    }


def _run(*command, **options):
    """Runs a program that knows nothing of this checkout."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the sources, with what work leaves beside them."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in {*AT_THE_ROOT, *_sources(), *experiment_names()}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in LEFT:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left")
    return folder


def _names(sdist):
    """Files of an sdist, without its folder and what setuptools adds."""
    with tarfile.open(sdist) as archive:
        files = [x.name for x in archive.getmembers() if x.isfile()]
    names = {name.partition("/")[2] for name in files}
    own = {"PKG-INFO", "speechbrain_spmamba.egg-info/"}
    return {name for name in names if not name.startswith(tuple(own))}


def test_the_sdist_has_what_builds_and_nothing_foreign(checkout, tmp_path):
    _run(
        *(sys.executable, "setup.py", "-q", "sdist"),
        *("-d", tmp_path, "--formats", "tar"),
        cwd=checkout,
    )
    (sdist,) = tmp_path.iterdir()
    assert _names(sdist) == AT_THE_ROOT | _sources() | set(experiment_names())


@pytest.fixture(scope="module")
def built(checkout, tmp_path_factory):
    """The sdist, and the wheel that is built from it alone."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    _run(
        *(sys.executable, "-P", "-m", "build", "--no-isolation"),
        *("-o", folder, checkout),
        cwd=folder,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    """The wheel."""
    (path,) = built.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_has_the_package_experiments_and_kernels(wheel):
    assert wheel.name.split("-")[2:4] == ["py3", "none"]
    with zipfile.ZipFile(wheel) as archive:
        names = {x for x in archive.namelist() if ".dist-info/" not in x}
    inside = "speechbrain_spmamba/experiments"
    expected = {x for x in _sources() if not x.endswith((".c", ".h"))}
    expected |= {f"{inside}/{x}" for x in ["train.py", *experiment_names()]}
    kernels = names - expected
    assert expected <= names
    assert "speechbrain_spmamba/ops/cpu/_kernels_base.so" in kernels
    assert all(Path(x).name.startswith("_kernels_") for x in kernels)


def _environment(folder, wheel, constraints=None):
    """A virtual environment with the wheel.

    It takes everything else from this one, or, given constraints, from PyPI.
    """
    _run(sys.executable, "-m", "venv", folder)
    python = folder / "bin/python"
    install = [python, "-m", "pip", "install", "-q"]
    if constraints:
        _run(*install, "-c", constraints, wheel, cwd=folder)
    else:
        (site,) = folder.glob("lib/python*/site-packages")
        there = Path(importlib.util.find_spec("speechbrain").origin).parents[1]
        (site / "others.pth").write_text(f"{there}\n")
        _run(*install, "--no-deps", "--no-index", wheel, cwd=folder)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("constraints", [None, ROOT / "constraints.txt"])
def test_the_wheel_works_without_a_checkout(wheel, constraints, tmp_path):
    python = _environment(tmp_path / "venv", wheel, constraints)
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(ROOT / "docs/example/talk.wav", work)
    program = ROOT / "tests/installed.py"
    _run(python, "-I", program, "talk.wav", cwd=work)

    if constraints:
        return
    spmamba = python.parent / "spmamba"
    few = "{train: {speech: [train-clean-100], noise: tr, mixtures: 4}, "
    few += "valid: {speech: [dev-clean], noise: cv, mixtures: 1}, "
    few += "test: {speech: [test-clean], noise: tt, mixtures: 1}}"
    _run(spmamba, "new", "hparams/tiny.yaml", "mine.yaml", cwd=work)
    options = ["--max_epochs", 1, "--splits", few, "--debug"]
    _run(spmamba, "train", "mine.yaml", *options, cwd=work)
    assert list(work.glob("results/tiny/*/train_log.txt"))
