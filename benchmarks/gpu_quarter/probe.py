# ruff: noqa: B023, E501
"""Stages of first_quarter.sh. A line of JSON for each result, written at once."""

import json
import os
import statistics
import sys
import time
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

    def row(what, call, runs):
        timing = timed(call, runs)
        put(stage="published", what=what, **timing, card=card())

    with torch.no_grad(), torch.autocast(DEV, torch.bfloat16):
        ours, theirs = net.eval()(mix), separate(net, mix)
        put(
            stage="published",
            difference=(
                (ours - theirs).abs().max() / theirs.abs().max()
            ).item(),
        )
        row("inference", lambda: separate(net, mix), 10)
        row("ours, same run", lambda: net(mix), 10)
    opt = torch.optim.Adam(net.train().parameters(), 1e-3)

    class Theirs(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, mix):
            return separate(self.inner, mix)

    row("step", lambda: one_step(Theirs(net), opt, mix, src), 5)
    row("step, ours, same run", lambda: one_step(net, opt, mix, src), 5)


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
