# ruff: noqa: B023, E501, E702
"""Stages of first_quarter.sh. A line of JSON for each result, written at once."""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OUT, DEV, DRY = (
    Path(os.environ["OUT"]),
    os.environ["DEV"],
    bool(os.environ.get("DRY")),
)


def put(**row):
    line = json.dumps(row)
    print(line, flush=True)
    with open(OUT / "results.jsonl", "a") as file:
        file.write(line + "\n")


def build(folder):
    """selective_scan_cuda for real weights and bf16 (FP32=1: fp32 too), sm_90, all sources at once."""
    import torch

    root, site = Path(folder), Path(folder).parent / "mamba_site"
    src = root / "csrc" / "selective_scan"
    text = (src / "selective_scan.cpp").read_text()
    # no fp16 and no complex: their sources are not compiled
    import re

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


def timed(call, rounds=10, seconds=6.0):
    """Median and minimum in ms, and the peak memory above what was held."""
    import torch

    cuda = DEV == "cuda"
    for _ in range(2):
        call()
    held = 0
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    times, start = [], time.perf_counter()
    while len(times) < rounds and (
        len(times) < 3 or time.perf_counter() - start < seconds
    ):
        if cuda:
            a, b = (
                torch.cuda.Event(enable_timing=True),
                torch.cuda.Event(enable_timing=True),
            )
            a.record()
            call()
            b.record()
            b.synchronize()
            times.append(a.elapsed_time(b))
        else:
            t = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - t))
    peak = (torch.cuda.max_memory_allocated() - held) / 2**20 if cuda else 0
    return {
        "ms": round(statistics.median(times), 3),
        "min_ms": round(min(times), 3),
        "runs": len(times),
        "peak_MiB": round(peak),
    }


def card():
    import torch

    return torch.cuda.get_device_name() if DEV == "cuda" else "cpu"


def scan(which="ours"):
    import torch

    sys.path.insert(0, "benchmarks")
    import scan as bench

    from speechbrain_spmamba.ops import mamba_ssm, selective_scan

    if which == "published" and mamba_ssm.why_not():
        return put(stage="scan", error=mamba_ssm.why_not())
    shapes = (
        [(1, 9, 32, 16)]
        if DRY
        else [(501, 250, 512, 16), (257, 494, 512, 16), (262, 250, 512, 16)]
    )
    for shape in shapes:
        for dtype in (
            (torch.bfloat16,)
            if which == "published"
            else (torch.bfloat16, torch.float32)
        ):
            inputs = bench.make_inputs(shape, DEV, dtype)
            want = bench.float64_rows(inputs)
            given = (
                bench.channels_first(inputs)
                if which == "published"
                else list(inputs.values())
            )

            def call(*t, reverse=False):
                if which == "published":
                    return bench.published_scan(*t)
                return selective_scan(*t, delta_softplus=True, reverse=reverse)

            try:
                with torch.no_grad():
                    y = call(*given)
                    y = y.transpose(1, 2) if which == "published" else y
                    error = bench.relative_error(y[:4], want)
                    forward = timed(lambda: call(*given), 30)
                leaves = [t.clone().requires_grad_() for t in given]
                grad = torch.ones_like(given[0])
                both = timed(
                    lambda: torch.autograd.grad(call(*leaves), leaves, grad), 20
                )
                put(
                    stage="scan",
                    which=which,
                    shape=shape,
                    dtype=str(dtype),
                    error=error,
                    forward=forward,
                    forward_backward=both,
                    card=card(),
                )
            except Exception as problem:
                put(
                    stage="scan",
                    which=which,
                    shape=shape,
                    dtype=str(dtype),
                    error=repr(problem)[:300],
                )


def make(memory):
    import torch

    from speechbrain_spmamba.models import build_model

    torch.manual_seed(0)
    sizes = (
        {"num_blocks": 1, "n_fft": 64, "hop_length": 32, "emb_dim": 4}
        if DRY
        else {}
    )
    return build_model("spmamba", memory=memory, **sizes).to(DEV)


def one_step(model, optimizer, mix, src, half=True):
    import torch

    from speechbrain_spmamba.scoring.loss import pairwise_neg_snr, pit

    with torch.autocast(DEV, torch.bfloat16, enabled=half):
        est = model(mix)
        loss = pit(pairwise_neg_snr, est, src)[0].mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss


def model():
    import torch

    rate = 40 if DRY else 16000
    for memory, batch, seconds in [
        ("balanced", 1, 4),
        ("balanced", 2, 4),
        ("speed", 1, 4),
        ("low", 1, 4),
        ("balanced", 4, 4),
        ("speed", 4, 4),
        ("low", 4, 4),
        ("balanced", 1, 1),
    ]:
        try:
            net = make(memory)
            mix = torch.randn(batch, seconds * rate, device=DEV)
            src = torch.randn(batch, seconds * rate, 2, device=DEV)
            if memory == "balanced":
                net.eval()
                for half in (True, False) if batch == 1 else (True,):
                    with (
                        torch.no_grad(),
                        torch.autocast(DEV, torch.bfloat16, enabled=half),
                    ):
                        found = timed(lambda: net(mix), 20)
                    put(
                        stage="inference",
                        batch=batch,
                        seconds=seconds,
                        bf16=half,
                        rtf=found["ms"] / 1e3 / seconds / batch,
                        **found,
                        card=card(),
                    )
                net.train()
            opt = torch.optim.Adam(net.parameters(), 1e-3)
            found = timed(lambda: one_step(net, opt, mix, src), 10)
            # the host's part: the same step while nothing waits for the device
            t = time.perf_counter()
            one_step(net, opt, mix, src)
            host = 1e3 * (time.perf_counter() - t)
            put(
                stage="step",
                memory=memory,
                batch=batch,
                seconds=seconds,
                host_ms=round(host, 1),
                **found,
                card=card(),
            )
        except Exception as problem:
            put(
                stage="model",
                memory=memory,
                batch=batch,
                error=repr(problem)[:300],
            )
        finally:
            net = opt = None
            if DEV == "cuda":
                torch.cuda.empty_cache()


def published():
    import torch

    sys.path.insert(0, "benchmarks")
    from published import separate

    from speechbrain_spmamba.ops import mamba_ssm

    if mamba_ssm.why_not():
        return put(stage="published", error=mamba_ssm.why_not())
    net, rate = make("balanced"), 16000
    mix, src = (
        torch.randn(1, 4 * rate, device=DEV),
        torch.randn(1, 4 * rate, 2, device=DEV),
    )
    with torch.no_grad(), torch.autocast(DEV, torch.bfloat16):
        ours, theirs = net.eval()(mix), separate(net, mix)
        put(
            stage="published",
            difference=(
                (ours - theirs).abs().max() / theirs.abs().max()
            ).item(),
        )
        put(
            stage="published",
            what="inference",
            **timed(lambda: separate(net, mix), 10),
            card=card(),
        )
        put(
            stage="published",
            what="ours, same run",
            **timed(lambda: net(mix), 10),
            card=card(),
        )
    opt = torch.optim.Adam(net.train().parameters(), 1e-3)

    class Theirs(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, mix):
            return separate(self.inner, mix)

    put(
        stage="published",
        what="step",
        **timed(lambda: one_step(Theirs(net), opt, mix, src), 5),
        card=card(),
    )
    put(
        stage="published",
        what="step, ours, same run",
        **timed(lambda: one_step(net, opt, mix, src), 5),
        card=card(),
    )


def profile():
    import torch
    from torch.profiler import ProfilerActivity

    rate = 40 if DRY else 16000
    net = make("balanced")
    opt = torch.optim.Adam(net.parameters(), 1e-3)
    mix, src = (
        torch.randn(1, 4 * rate, device=DEV),
        torch.randn(1, 4 * rate, 2, device=DEV),
    )
    for _ in range(2):
        one_step(net, opt, mix, src)
    kinds = [ProfilerActivity.CPU] + (
        [ProfilerActivity.CUDA] if DEV == "cuda" else []
    )
    with torch.profiler.profile(activities=kinds) as prof:
        one_step(net, opt, mix, src)
        if DEV == "cuda":
            torch.cuda.synchronize()
    key = "self_cuda_time_total" if DEV == "cuda" else "self_cpu_time_total"
    events = prof.key_averages()
    gpu = [e for e in events if str(e.device_type).endswith("CUDA")]
    put(
        stage="profile",
        kernels=sum(e.count for e in gpu),
        gpu_ms=sum(e.self_device_time_total for e in gpu) / 1e3,
    )
    (OUT / "profile.txt").write_text(
        events.table(sort_by=key, row_limit=40, max_name_column_width=80)
    )


def prepare(yaml, corpus, work):
    """The mixtures of the training, before the GPU is needed for it."""
    from speechbrain_spmamba.settings.experiment import load_settings

    argv = [
        yaml,
        "--data_folder",
        corpus,
        "--mixture_folder",
        f"{work}/mix",
        "--output_folder",
        f"{work}/run",
        *os.environ.get("TRAIN_ARGS", "").split(),
    ]
    load_settings(argv)[1]["prepare"]()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
