"""Compiles the scan of mamba-ssm, and no more of it, from its source archive.

    python benchmarks/gpu_quarter/build_mamba_ssm.py mamba_ssm.tar.gz OUT

The whole package takes half an hour and needs transformers and others to be
imported. What is compared with here is its scan of bfloat16 with real weights:
two of its nine CUDA files, for the card at hand, in about two minutes. OUT/site
gets a package ``mamba_ssm`` with the function that ``ops/mamba_ssm.py`` calls.
Needs nvcc and ninja.
"""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

EXTENSION = "selective_scan_cuda"
SOURCES = [
    "selective_scan.cpp",
    "selective_scan_fwd_bf16.cu",
    "selective_scan_bwd_bf16_real.cu",
]
# What its setup.py gives to nvcc.
CUDA_FLAGS = [
    "-O3",
    "-std=c++17",
    "-U__CUDA_NO_HALF_OPERATORS__",
    "-U__CUDA_NO_HALF_CONVERSIONS__",
    "-U__CUDA_NO_BFLOAT16_OPERATORS__",
    "-U__CUDA_NO_BFLOAT16_CONVERSIONS__",
    "-U__CUDA_NO_BFLOAT162_OPERATORS__",
    "-U__CUDA_NO_BFLOAT162_CONVERSIONS__",
    "--expt-relaxed-constexpr",
    "--expt-extended-lambda",
    "--use_fast_math",
]
# Its macros choose the type; here there is one of each.
TYPES = {
    "DISPATCH_ITYPE_FLOAT_AND_HALF_AND_BF16": (
        "input_t", "at::BFloat16", "BFloat16",
    ),
    "DISPATCH_WTYPE_FLOAT_AND_COMPLEX": ("weight_t", "float", "Float"),
}  # fmt: skip

INTERFACE = '''
"""The scan of mamba-ssm in bfloat16, for benchmarks."""

import torch  # first, for the libraries that the other needs

import selective_scan_cuda


def _in_time(tensor):
    """The tensor, or a copy, with contiguous time, as the kernels want it."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, softplus):
        u, delta, B, C, z = map(_in_time, (u, delta, B, C, z))
        B, C = B.unsqueeze(1), C.unsqueeze(1)
        given = (u, delta, A, B, C, D, z, bias)
        y, states, gated = selective_scan_cuda.fwd(*given, softplus)
        ctx.softplus = softplus
        ctx.save_for_backward(*given, states, y)
        return gated

    @staticmethod
    def backward(ctx, grad):
        *given, states, y = ctx.saved_tensors
        du, ddelta, dA, dB, dC, dD, dbias, dz = selective_scan_cuda.bwd(
            *given, _in_time(grad), states, y, None, ctx.softplus, False
        )
        dB, dC = dB.squeeze(1), dC.squeeze(1)
        return du, ddelta, dA, dB, dC, dD, dz, dbias, None


def selective_scan_fn(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus=False
):
    """Everything ``[B, D, L]``, B and C ``[B, N, L]``; with a gate."""
    return _Scan.apply(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
'''


def restrict(folder):
    """Leaves one type of inputs and one of weights in the sources.

    Arguments
    ---------
    folder : Path
        ``csrc/selective_scan``; changed.
    """
    main = folder / SOURCES[0]
    text = main.read_text()
    for macro, (alias, type_, name) in TYPES.items():
        one = (
            f"#define {macro}(TYPE, NAME, ...) \\\n"
            f"    TORCH_CHECK(TYPE == at::ScalarType::{name}); \\\n"
            f"    {{ using {alias} = {type_}; __VA_ARGS__(); }}\n\n"
        )
        before, *after = re.split(rf"#define {macro}\(", text)
        if len(after) != 1:
            raise ValueError(f"{main} defines {macro} {len(after)} times")
        text = before + one + after[0].partition("\n\n")[2]
    main.write_text(text)
    forward = folder / SOURCES[1]
    lines = forward.read_text().splitlines(keepends=True)
    forward.write_text("".join(x for x in lines if "complex_t" not in x))


def cuda_home():
    """Where nvcc and its headers are: the one on PATH may be a link."""
    command = ["nvcc", "--dryrun", "-x", "cu", "-c", os.devnull]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    return re.search(r"^#\$ TOP=(.*)$", said, re.MULTILINE).group(1)


def main(archive, out):
    """From the archive to a package that can be imported."""
    os.environ.setdefault("CUDA_HOME", cuda_home())
    from torch.utils.cpp_extension import load  # reads it when imported

    site = Path(out) / "site"
    package = site / "mamba_ssm" / "ops"
    package.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
        packed.extractall(out, filter="data")
    (folder,) = Path(out).glob("*/csrc/selective_scan")
    restrict(folder)
    load(
        EXTENSION,
        [str(folder / name) for name in SOURCES],
        extra_cflags=["-O3", "-std=c++17"],
        extra_cuda_cflags=CUDA_FLAGS,
        build_directory=str(site),
        verbose=True,
    )
    (package / "selective_scan_interface.py").write_text(INTERFACE.lstrip())
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
