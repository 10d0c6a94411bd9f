"""The C kernels compute elsewhere what they compute here.

Programs for other systems are made by Zig's C compiler (`pip install ziglang`)
and run by an emulator: qemu-user, Wine. What they write is compared with what
the program of this machine writes, whose kernels test_cpu.py compares with
float64.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests import ROOT

pytestmark = pytest.mark.slow

SOURCES = ROOT / "speechbrain_spmamba/ops/cpu"
PROGRAM = ROOT / "tests/ops/cpu_values.c"
ZIG = [sys.executable, "-m", "ziglang", "cc"]
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
# Of what torch says that this processor has.
FLAGS_OF = {"AVX2": AVX2, "AVX512": AVX512}
# Debian keeps what is behind `wine` there.
WINE_PATH = os.pathsep.join([os.environ["PATH"], "/usr/lib/wine"])


def _write(tmp_path, compiler, flags=(), emulator=()):
    program, values = tmp_path / "values.exe", tmp_path / "values"
    command = [*compiler, "-std=gnu11", "-O3", "-ffp-contract=fast", *flags]
    command += ["-I", SOURCES, PROGRAM, *sorted(SOURCES.glob("*.c"))]
    subprocess.run([*command, "-lm", "-o", program], check=True)
    subprocess.run([*emulator, program, values.name], cwd=tmp_path, check=True)
    return np.fromfile(values, np.float32)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What the program of this machine writes."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("needs a C compiler")
    return _write(tmp_path_factory.mktemp("here"), [compiler])


def _assert_equal_but_for_rounding(found, expected):
    assert found.shape == expected.shape and np.isfinite(expected).all()
    # Where float32 rounds otherwise, a bfloat16 may be the next one.
    np.testing.assert_allclose(found, expected, rtol=2**-7, atol=1e-4)
    close = np.isclose(found, expected, rtol=1e-4, atol=1e-5)
    assert close.mean() > 0.9999


@pytest.mark.parametrize("target", ["aarch64-linux-musl"])
def test_on_other_processors(target, here, tmp_path):
    pytest.importorskip("ziglang")
    emulator = shutil.which(f"qemu-{target.partition('-')[0]}")
    if emulator is None:
        pytest.skip("needs qemu-user")
    compiler = [*ZIG, "-target", target]
    found = _write(tmp_path, compiler, emulator=[emulator])
    _assert_equal_but_for_rounding(found, here)


@pytest.mark.parametrize("flags", [[], AVX2, AVX512])
def test_on_windows(flags, here, tmp_path, monkeypatch):
    import torch

    pytest.importorskip("ziglang")
    wine = shutil.which("wine") or shutil.which("wine64", path=WINE_PATH)
    if wine is None:
        pytest.skip("needs Wine")
    level = torch.backends.cpu.get_cpu_capability()
    if len(flags) > len(FLAGS_OF.get(level, [])):
        pytest.skip("needs a processor with AVX2 or AVX-512")
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "prefix"))
    monkeypatch.setenv("WINEDEBUG", "-all")
    compiler = [*ZIG, "-target", "x86_64-windows-gnu"]
    found = _write(tmp_path, compiler, flags, [wine])
    _assert_equal_but_for_rounding(found, here)


@pytest.mark.parametrize("target", ["aarch64-macos", "x86_64-macos"])
def test_for_macos_they_compile(target, tmp_path):
    pytest.importorskip("ziglang")
    command = [*ZIG, "-target", target, "-std=gnu11", "-O3", "-shared"]
    command += [*sorted(SOURCES.glob("*.c")), "-o", tmp_path / "kernels.so"]
    subprocess.run(command, check=True)
    assert (tmp_path / "kernels.so").read_bytes()[:4] == b"\xcf\xfa\xed\xfe"
