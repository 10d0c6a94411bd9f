"""Which kernels a training step of SPMamba spends its time in.

    python benchmarks/gpu_quarter/profile_step.py [--device cpu --tiny]

Of 4 s in bfloat16, after two steps to warm up. Prints how many kernels a step
launches and how long they run together, as ``launches.py`` counts and
estimates it, and keeps torch's table of them as ``profile_<device>.txt``.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1]))

from measure import RESULTS
from model import TINY, step

from speechbrain_spmamba.models import build_model


def main():
    """Profiles a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--tiny", action="store_true", help="to try it")
    asked = parser.parse_args()
    cuda = asked.device == "cuda"
    torch.manual_seed(0)
    sizes = TINY if asked.tiny else {}
    model = build_model("spmamba", **sizes).to(asked.device)
    mix = torch.randn(1, 1600 if asked.tiny else 64000, device=asked.device)
    src = torch.randn(*mix.shape, 2, device=asked.device)
    for _ in range(2):
        step(model, mix, src, asked.device, half=cuda)
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=kinds) as profiled:
        step(model, mix, src, asked.device, half=cuda)
        if cuda:
            torch.cuda.synchronize()
    events = profiled.key_averages()
    kernels = [e for e in events if e.device_type == DeviceType.CUDA]
    spent = sum(e.self_device_time_total for e in kernels) / 1e3
    print(f"{sum(e.count for e in kernels)} kernels, {spent:.1f} ms")
    order = f"self_{asked.device}_time_total"
    table = events.table(order, row_limit=50, max_name_column_width=80)
    (RESULTS / f"profile_{asked.device}.txt").write_text(
        table, encoding="utf-8"
    )


if __name__ == "__main__":
    main()
