# ruff: noqa: E501
"""Builds the scan of mamba-ssm alone, from its source archive, with nvcc."""

import os
import re
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def build(folder):
    """selective_scan_cuda for real weights and bf16 (FP32=1: fp32 too), sm_90, all sources at once."""
    import torch

    root, site = Path(folder), Path(folder).parent / "mamba_site"
    src = root / "csrc" / "selective_scan"
    text = (src / "selective_scan.cpp").read_text()
    # no fp16 and no complex: their sources are not compiled
    text = re.sub(
        r"if \(ITYPE == at::ScalarType::Half\) \{\s*\\\s*using input_t = at::Half;\s*\\\s*__VA_ARGS__\(\);\s*\\\s*\} else if",
        "if",
        text,
    )
    text = re.sub(
        r"\} else if \(WTYPE == at::ScalarType::ComplexFloat\) \{\s*\\\s*using weight_t = c10::complex<float>;\s*\\\s*__VA_ARGS__\(\);\s*\\\s*\} else",
        "} else",
        text,
    )
    if os.environ.get("FP32", "0") != "1":
        text = re.sub(
            r"\} else if \(ITYPE == at::ScalarType::Float\)\s*\{\s*\\\s*using input_t = float;\s*\\\s*__VA_ARGS__\(\);\s*\\\s*\} else",
            "} else",
            text,
        )
    (src / "selective_scan.cpp").write_text(text)
    for name in ("fwd_bf16", "fwd_fp32"):
        path = src / f"selective_scan_{name}.cu"
        path.write_text(
            "\n".join(
                line
                for line in path.read_text().splitlines()
                if "complex" not in line or line.startswith("//")
            )
            + "\n"
        )
    inc = Path(torch.__file__).parent / "include"
    flags = [
        "-O3",
        "-std=c++17",
        "-DTORCH_EXTENSION_NAME=selective_scan_cuda",
        "-DTORCH_API_INCLUDE_EXTENSION_H",
        f"-I{inc}",
        f"-I{inc}/torch/csrc/api/include",
        f"-I{sysconfig.get_paths()['include']}",
        "-I/usr/local/cuda/include",
        f"-I{src}",
    ]
    cuda = [
        "-U__CUDA_NO_HALF_OPERATORS__",
        "-U__CUDA_NO_HALF_CONVERSIONS__",
        "-U__CUDA_NO_BFLOAT16_OPERATORS__",
        "-U__CUDA_NO_BFLOAT16_CONVERSIONS__",
        "-U__CUDA_NO_BFLOAT162_OPERATORS__",
        "-U__CUDA_NO_BFLOAT162_CONVERSIONS__",
        "--expt-relaxed-constexpr",
        "--expt-extended-lambda",
        "--use_fast_math",
        "-gencode",
        "arch=compute_90,code=sm_90",
        "-Xcompiler",
        "-fPIC",
    ]
    names = ["bwd_bf16_real", "fwd_bf16"] + (
        ["bwd_fp32_real", "fwd_fp32"]
        if os.environ.get("FP32", "0") == "1"
        else []
    )
    jobs = {
        f"selective_scan_{n}.o": [
            "nvcc",
            *cuda,
            *flags,
            "-c",
            str(src / f"selective_scan_{n}.cu"),
        ]
        for n in names
    }
    jobs["selective_scan.o"] = [
        "g++",
        "-fPIC",
        *flags,
        "-c",
        str(src / "selective_scan.cpp"),
    ]

    def run(item):
        start = time.time()
        done = subprocess.run(
            [*item[1], "-o", str(root / item[0])],
            capture_output=True,
            text=True,
        )
        print(
            item[0],
            done.returncode,
            f"{time.time() - start:.0f} s",
            done.stderr[-1500:] if done.returncode else "",
            flush=True,
        )
        return done.returncode

    workers = int(os.environ.get("MAX_JOBS", 6))
    if any(ThreadPoolExecutor(workers).map(run, jobs.items())):
        sys.exit("a source did not compile")
    pkg = site / "mamba_ssm" / "ops"
    pkg.mkdir(parents=True, exist_ok=True)
    lib = Path(torch.__file__).parent / "lib"
    so = site / f"selective_scan_cuda{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run(
        [
            "g++",
            "-shared",
            *[str(root / o) for o in jobs],
            f"-L{lib}",
            "-lc10",
            "-ltorch",
            "-ltorch_cpu",
            "-ltorch_python",
            "-lc10_cuda",
            "-ltorch_cuda",
            "-L/usr/local/cuda/lib64",
            "-lcudart",
            f"-Wl,-rpath,{lib}",
            "-o",
            str(so),
        ],
        check=True,
    )
    # the package around it needs transformers, tilelang, ...: only what the scan needs
    (site / "mamba_ssm" / "__init__.py").write_text("")
    (pkg / "__init__.py").write_text("")
    (pkg / "selective_scan_interface.py").write_text("""
import torch, selective_scan_cuda
class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, softplus):
        B, C = B.unsqueeze(1), C.unsqueeze(1)
        out, x, *rest = selective_scan_cuda.fwd(u, delta, A, B, C, D, z, bias, softplus)
        ctx.softplus = softplus
        ctx.save_for_backward(u, delta, A, B, C, D, z, bias, x, out)
        return rest[0] if z is not None else out
    @staticmethod
    def backward(ctx, grad_out):
        u, delta, A, B, C, D, z, bias, x, out = ctx.saved_tensors
        du, dd, dA, dB, dC, dD, db, *rest = selective_scan_cuda.bwd(
            u, delta, A, B, C, D, z, bias, grad_out.contiguous(), x, out if z is not None else None, None, ctx.softplus, False)
        return du, dd, dA, dB.squeeze(1), dC.squeeze(1), dD, rest[0] if z is not None else None, db, None
def selective_scan_fn(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    return _Scan.apply(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
""")
    sys.path.insert(0, str(site))
    import selective_scan_cuda

    print("imports:", selective_scan_cuda.fwd)


if __name__ == "__main__":
    build(sys.argv[1])
