"""A green run means the same on every processor.

What hands work to oneDNN or to the C kernels is tested once more as on a
processor without AVX-512, whose primitives and builds are others.
"""

import os
import subprocess
import sys

import pytest
import torch

from tests import ROOT

RESTRICTED = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",  # decides the build of the C kernels, too
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
TESTS = [
    "tests/models/test_contract.py::test_the_output_is_float32_under_autocast",
    "tests/models/test_contract.py::test_gradients_are_finite_under_autocast",
    "tests/training/test_brain.py::test_bfloat16_training_takes_steps",
    "tests/nnet/test_recurrent.py",
    "tests/models/test_published.py::"
    "test_converted_weights_compute_what_the_published_network_computes",
    "tests/ops/test_cpu.py::test_every_build_matches_float64_for_any_size",
    "tests/ops/test_extremes.py",
]


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="this processor has no AVX-512: all tests run without",
)
def test_everything_works_without_avx512():
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            *TESTS,
        ],
        cwd=ROOT,
        env=os.environ | RESTRICTED,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stdout[-5000:]
    assert "[avx512" not in child.stdout
    for test in TESTS:
        assert test in child.stdout, f"{test} has not run"
