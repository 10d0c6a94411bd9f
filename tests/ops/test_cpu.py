"""The C kernels: every build, every width, threads, memory, and no compiler."""

import logging
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import torch

from speechbrain_spmamba.ops import (
    available_backends,
    backends,
    cpu,
    selective_scan,
)
from speechbrain_spmamba.ops.cpu import library
from tests.ops import test_scan_step, test_state
from tests.ops.test_selective_scan import (
    assert_close,
    make_inputs,
    reference,
    value_and_gradients,
)

SOURCES = pathlib.Path(cpu.__file__).parent
ROOT = SOURCES.parents[2]
COMPILER = shutil.which(os.environ.get("CC", "cc"))

needs_kernels = pytest.mark.skipif(
    bool(available_backends()["cpu"]), reason=available_backends()["cpu"]
)
needs_compiler = pytest.mark.skipif(
    COMPILER is None or sys.platform != "linux", reason="needs cc on Linux"
)


def builds():
    """Builds whose instructions this processor has."""
    names = list(library._BUILDS.values())
    capability = torch.backends.cpu.get_cpu_capability()
    names = names[names.index(library._BUILDS.get(capability, "base")) :]
    return [name for name in names if library.find(name)]


@pytest.fixture(scope="session")
def without_openmp(tmp_path_factory):
    """A library as of a compiler that has no OpenMP."""
    path = tmp_path_factory.mktemp("kernels") / "_kernels_base.so"
    command = [COMPILER, "-std=gnu11", "-O3", "-shared", "-fPIC"]
    command += [str(source) for source in sorted(SOURCES.glob("*.c"))]
    subprocess.run([*command, "-o", str(path)], check=True)
    return path


@pytest.fixture(
    params=[
        *builds(),
        pytest.param("alone", marks=[pytest.mark.slow, needs_compiler]),
    ]
)
def build(request, monkeypatch):
    """Makes one build the loaded one."""
    if request.param == "alone":
        path = request.getfixturevalue("without_openmp")
    else:
        path = library.find(request.param)[0]
    loaded = library.open_library(path)
    monkeypatch.setattr(library, "load", lambda: loaded)
    return request.param


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "channels, states, length",
    [(1, 16, 33), (15, 16, 64), (16, 3, 31), (40, 17, 32), (300, 16, 5)],
)
def test_every_build_matches_float64_for_any_size(
    build, channels, states, length, reverse
):
    inputs = make_inputs(length=length, channels=channels, states=states)
    options = {"delta_softplus": True, "reverse": reverse}
    found = value_and_gradients(
        selective_scan, inputs, torch.float32, backend="cpu", **options
    )
    assert_close(found, reference(inputs, **options), 1e-5)


@pytest.mark.parametrize("channels, states", [(15, 16), (40, 3), (16, 37)])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_build_hands_on_a_state(build, channels, states, reverse):
    inputs = test_state.state_inputs(3, 50, channels, states)
    found, expected = (
        test_state.results(
            inputs, dtype, cuts, backend=backend, reverse=reverse
        )
        for dtype, cuts, backend in (
            (torch.float32, [1, 34], "cpu"),
            (torch.float64, [], "reference"),
        )
    )
    assert_close(found, expected, 1e-5)
    if not reverse:
        inputs = {k: v.float() for k, v in inputs.items()}
        steps = test_scan_step.steps(inputs, delta_softplus=True, backend="cpu")
        assert_close(steps, {k: expected[k] for k in steps}, 1e-5)


@needs_kernels
def test_the_result_does_not_depend_on_the_number_of_threads():
    inputs = {k: v.float() for k, v in make_inputs(batch=5, length=40).items()}
    options = {"backend": "cpu", "delta_softplus": True}
    run = (selective_scan, inputs, torch.float32)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = value_and_gradients(*run, **options)
        torch.set_num_threads(3)
        three = value_and_gradients(*run, **options)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one[name], three[name]) for name in one)


@needs_kernels
def test_what_is_not_a_number_stays_visible():
    inputs = {k: v.float() for k, v in make_inputs().items()}
    for name in inputs:
        spoilt = {k: v.clone() for k, v in inputs.items()}
        spoilt[name].flatten()[0] = torch.nan
        y = selective_scan(**spoilt, delta_softplus=True, backend="cpu")
        assert y.isnan().any(), name


@needs_kernels
def test_extreme_steps_neither_overflow_nor_lose_their_size():
    delta = torch.tensor([-80.0, -20.0, 0.0, 20.0, 80.0]).view(1, 1, 5)
    one, A = torch.ones(1, 1, 1), -torch.ones(5, 1)
    y = selective_scan(
        torch.ones_like(delta),
        delta,
        A,
        one,
        one,
        delta_softplus=True,
        backend="cpu",
    )
    expected = torch.nn.functional.softplus(delta.double(), threshold=100)
    torch.testing.assert_close(y.double(), expected, rtol=3e-6, atol=0)


@pytest.mark.slow
@needs_compiler
def test_no_kernel_touches_memory_that_is_not_its_own(tmp_path):
    program = tmp_path / "bounds"
    command = [COMPILER, "-std=gnu11", "-g", "-fopenmp"]
    command += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += ["-I", str(SOURCES), str(ROOT / "tests/ops/cpu_values.c")]
    command += [str(path) for path in sorted(SOURCES.glob("*.c"))]
    built = subprocess.run(
        [*command, "-lm", "-o", str(program)], capture_output=True, text=True
    )
    if "sanitize" in built.stderr or "asan" in built.stderr:
        pytest.skip("this compiler has no address sanitizer")
    assert built.returncode == 0, built.stderr
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("LD_PRELOAD", None)
    found = subprocess.run(
        [str(program), str(tmp_path / "values")],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert found.returncode == 0, found.stderr


@needs_compiler
def test_the_build_survives_a_missing_compiler(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "speechbrain_spmamba", tmp_path / SOURCES.parts[-3])
    for path in tmp_path.rglob("*.so"):
        path.unlink()
    found = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "CC": "/no/such/compiler"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert not list(tmp_path.rglob("*.so"))


def test_without_kernels_auto_takes_torch_and_says_how_to_get_them(
    monkeypatch, caplog
):
    library.load.cache_clear()
    backends._log_choice.cache_clear()
    monkeypatch.setattr(library, "find", lambda build: [])
    inputs = {k: v.float() for k, v in make_inputs().items()}
    try:
        with caplog.at_level(logging.INFO, logger=backends.__name__):
            y = selective_scan(**inputs)
        with pytest.raises(ValueError, match="install a C compiler"):
            selective_scan(**inputs, backend="cpu")
    finally:
        library.load.cache_clear()
        backends._log_choice.cache_clear()
    expected = selective_scan(**inputs, backend="torch")
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)
    (record,) = caplog.records
    assert "backend 'torch' on cpu" in record.getMessage()
    assert "install a C compiler" in record.getMessage()


@needs_kernels
def test_a_library_from_other_sources_is_refused(monkeypatch):
    built_for = library._INTERFACE
    monkeypatch.setattr(library, "_INTERFACE", -1)
    opened, reason = library.open_library(library.find(builds()[0])[0])
    assert opened is None
    assert f"interface {built_for}, expected -1" in reason


def test_a_file_that_is_no_library_is_reported(tmp_path):
    path = tmp_path / "_kernels_base.so"
    path.write_text("not a library")
    opened, reason = library.open_library(path)
    assert opened is None
    assert reason.startswith("_kernels_base.so does not load:")
    assert "\n" not in reason
