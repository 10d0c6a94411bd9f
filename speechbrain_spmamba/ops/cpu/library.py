"""Finds the compiled C kernels and describes their arguments to ctypes.

The install builds one library for each instruction set of the processor's
family (see setup.py), from the same sources and without any header of torch or
Python, so that a library outlives updates of both. torch tells which
instruction set this processor has; the best library that fits is loaded. With
ATEN_CPU_CAPABILITY=avx2 (or default) in the environment torch, and with it the
choice made here, keeps to what an older processor has.
"""

import ctypes
import functools
import pathlib
import sys
from ctypes import POINTER, c_float, c_int64, c_void_p

import torch

# Of a build, by what torch calls the capability that it needs; best first.
_BUILDS = {"AVX512": "avx512", "AVX2": "avx2", "DEFAULT": "base"}

# As setup.py calls them: they are no modules of Python.
_ENDING = "dll" if sys.platform == "win32" else "so"

# Must equal the number in scan_forward.c.
_INTERFACE = 4

TYPES = {torch.float32: 0, torch.bfloat16: 1}


class Sequence(ctypes.Structure):
    """``[B, L, D]`` with strides; ``sequence`` in sequence.h."""

    _fields_ = [
        ("data", c_void_p),
        ("batch_stride", c_int64),
        ("time_stride", c_int64),
        ("type", c_int64),
    ]


class ScanArguments(ctypes.Structure):
    """``scan_args`` in scan.h."""

    _fields_ = [
        *((name, c_int64) for name in "items length channels states".split()),
        *((name, c_int64) for name in "rank threads reverse softplus".split()),
        ("slab", c_int64),
        *((name, Sequence) for name in "u delta z y B C grad_y".split()),
        *((name, Sequence) for name in "grad_u grad_delta grad_z".split()),
        *((name, c_void_p) for name in "A2 D bias".split()),
        ("delta_weight", c_void_p),
        *((n, c_void_p) for n in "checkpoints weight_sums state_sums".split()),
        *((name, c_void_p) for name in "initial_state grad_last_state".split()),
        *((name, c_void_p) for name in "last_state grad_initial_state".split()),
    ]


class StepArguments(ctypes.Structure):
    """``step_args`` in scan_step.h."""

    _fields_ = [
        *((name, c_int64) for name in "items channels states".split()),
        *((name, c_int64) for name in "threads softplus".split()),
        *((name, Sequence) for name in "u delta z y B C A D bias".split()),
        ("state", c_void_p),
    ]


class ConvArguments(ctypes.Structure):
    """``conv_args`` in conv.c."""

    _fields_ = [
        *((name, c_int64) for name in "items length channels taps".split()),
        *((name, c_int64) for name in "threads reverse".split()),
        *((name, Sequence) for name in "x out grad_out grad_x".split()),
        *((name, c_void_p) for name in "weight bias sums".split()),
    ]


class DirectionArguments(ctypes.Structure):
    """``direction`` in path.h."""

    _fields_ = [
        ("conv", ConvArguments),
        ("scan", ScanArguments),
        ("x_proj", c_void_p),
        ("mixed", c_void_p),
    ]


class PathArguments(ctypes.Structure):
    """``path_args`` in path.h."""

    _fields_ = [
        *((name, c_int64) for name in "items positions channels".split()),
        *((name, c_int64) for name in "size hop length inner threads".split()),
        *((name, Sequence) for name in "x out".split()),
        *((name, c_float) for name in "norm_eps rms_eps".split()),
        *((n, c_void_p) for n in "norm_weight norm_bias bias".split()),
        *((n, c_void_p) for n in "in_proj out_proj residual".split()),
        ("valid", c_void_p),
        ("directions", DirectionArguments * 2),
    ]


@functools.cache
def load() -> tuple:
    """Loads the library once.

    Returns
    -------
    tuple
        The library, or None, and the reason for None in one line, or "".
    """
    builds = list(_BUILDS.values())
    capability = torch.backends.cpu.get_cpu_capability()
    best = builds.index(_BUILDS.get(capability, "base"))
    for build in builds[best:]:
        paths = find(build)
        if paths:
            return open_library(paths[0])
    return None, (
        "its C kernels are not built; install a C compiler (gcc or clang), "
        "then this package again"
    )


def find(build):
    """Paths of the libraries built for "avx512", "avx2" or "base"."""
    folder = pathlib.Path(__file__).parent
    return sorted(folder.glob(f"_kernels_{build}.{_ENDING}"))


def open_library(path):
    """Opens one library; returns as ``load`` does."""
    try:
        library = ctypes.CDLL(str(path))
        version = library.spmamba_interface()
    except (OSError, AttributeError) as error:
        return None, f"{path.name} does not load: {str(error).splitlines()[0]}"
    if version != _INTERFACE:
        return None, (
            f"{path.name} has interface {version}, expected {_INTERFACE}; "
            "install this package again"
        )
    for name, arguments in (
        ("scan_forward", ScanArguments),
        ("scan_backward", ScanArguments),
        ("scan_step", StepArguments),
        ("conv_forward", ConvArguments),
        ("conv_backward", ConvArguments),
        ("path_forward", PathArguments),
    ):
        function = getattr(library, f"spmamba_{name}")
        function.argtypes = [POINTER(arguments)]
        function.restype = c_int64
    return library, ""
