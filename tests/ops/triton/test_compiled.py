"""What the compiler makes of the Triton kernels; needs no GPU."""

import functools
import os

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("Triton interprets here", allow_module_level=True)

from benchmarks import instructions
from speechbrain_spmamba.ops.triton import (
    backward,
    convolution,
    forward,
    head_norm,
    windows,
)

SCAN = instructions.scan_constants
CONV = instructions.conv_constants()
WINDOWS = instructions.window_constants()
# Of the queries, and of the projection behind the attention.
HEADS = instructions.head_constants()
WHOLE = instructions.head_constants(size=4112, heads=1)

# Kernel, constants, and registers that it may take. Warps of 64 registers, as
# the forward scan has, fit 32 times on a multiprocessor; of 255, 8.
KERNELS = {
    "scan": (forward.scan_forward_kernel, SCAN(rank=8), 64),
    "scan of full steps": (forward.scan_forward_kernel, SCAN(), 64),
    "scan of a high rank": (forward.scan_forward_kernel, SCAN(rank=16), 104),
    "scan backward": (backward.scan_backward_kernel, SCAN(rank=8), 255),
    "scan with a state": (
        forward.scan_forward_kernel,
        SCAN(rank=8, state=True),
        104,
    ),
    "scan backward with a state": (
        backward.scan_backward_kernel,
        SCAN(rank=8, state=True),
        255,
    ),
    "scan backward of 64 states": (
        backward.scan_backward_kernel,
        SCAN(states=64, rank=8),
        255,
    ),
    "parts of a scan": (backward.add_parts_kernel, SCAN(rank=8), 80),
    "convolution": (convolution.conv_forward_kernel, CONV, 96),
    "convolution backward": (convolution.conv_backward_kernel, CONV, 168),
    "windows": (windows.windows_forward_kernel, WINDOWS, 64),
    "means along windows": (windows.along_kernel, WINDOWS, 64),
    "windows backward": (windows.windows_backward_kernel, WINDOWS, 128),
    "overlap-add": (windows.overlap_add_kernel, WINDOWS, 64),
    "norm of heads": (head_norm.head_norm_forward_kernel, HEADS, 64),
    "norm of heads backward": (
        head_norm.head_norm_backward_kernel,
        HEADS,
        128,
    ),
    "norm of the whole": (head_norm.head_norm_forward_kernel, WHOLE, 64),
    "norm of the whole backward": (
        head_norm.head_norm_backward_kernel,
        WHOLE,
        128,
    ),
}


def _warps(constants):
    """Warps of a program."""
    if constants is WINDOWS:
        return windows.WARPS
    return head_norm.warps_of(constants.get("BLOCK", 1))


@pytest.fixture(scope="module")
def compiled():
    """Compiles a kernel for an architecture, once."""

    @functools.cache
    def get(name, dtype, arch):
        kernel, constants, _ = KERNELS[name]
        return instructions.compile_kernel(
            kernel, constants, dtype, arch, _warps(constants)
        )

    return get


@pytest.mark.parametrize(
    "dtype, arch",
    [
        pytest.param("bf16", 80, marks=pytest.mark.slow),
        ("bf16", 90),
        pytest.param("fp32", 90, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_stay_in_their_registers(name, dtype, arch, compiled):
    taken = instructions.resources(compiled(name, dtype, arch))
    assert taken["REG"] <= KERNELS[name][2]
    # A program of several warps passes its sums from one to the other, and one
    # of fewer channels than lanes from lane to lane.
    constants = KERNELS[name][1]
    few_channels = constants.get("BLOCK_N", 1) > constants.get("BLOCK_D", 1)
    is_shared = _warps(constants) > 1 or few_channels
    assert taken["SHARED"] <= (1024 if is_shared else 0)
    # A few are spilled of what the scan needs beyond them; sm_80 needs more.
    is_scan = name.startswith("scan")
    assert taken["STACK"] <= is_scan * (112 if arch == 80 else 24)


@pytest.mark.parametrize("name", ["scan", "scan of full steps"])
def test_forward_scan_exchanges_nothing_between_lanes(name, compiled):
    (loop,) = instructions.innermost_loops(compiled(name, "bf16", 90))
    assert not {"SHFL", "LDS", "STS", "BAR", "STL"} & set(loop)
    assert loop.count("LDL") <= (0 if name == "scan" else 3)
    assert len(loop) <= 162


def test_backward_scan_sums_over_channels_with_few_exchanges(compiled):
    loops = instructions.innermost_loops(compiled("scan backward", "bf16", 90))
    steps = KERNELS["scan backward"][1]["SEGMENT"]
    first, second = loops
    assert "SHFL" not in first
    # 16 for each of dB and dC; five times as many in a plain reduction
    assert second.count("SHFL") == 32 * steps
    assert not {"LDS", "STS"} & set(first + second)
    assert len(first) + len(second) <= 580 * steps
