"""One path of a grid block: the folded form against the published one.

    python benchmarks/block.py [--device cuda] [--isa avx2] [--seconds 1]

The intra-frame path of SPMamba at its published size, forward and with its
backward pass, for every choice of memory.
"""

import argparse

import isa
import torch
from measure import Table, in_turns, relative_error
from published import grid_path

from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.nnet.mamba_path import MambaPath
from speechbrain_spmamba.ops import available_backends


def make_paths(device):
    """The same weights with every choice of memory and backend."""
    paths = {}
    names = [n for n in ("triton", "cpu") if not available_backends()[n]]
    choices = [("auto", memory) for memory in MEMORY] + [("torch", "balanced")]
    for backend, memory in choices if names else choices[-1:]:
        torch.manual_seed(0)
        options = {"expand": 4, "scan_backend": backend, "memory": memory}
        path = MambaPath(16, 8, 1, **options).to(device)
        paths["torch" if backend == "torch" else memory] = path
    return paths


def main():
    """Measures both passes and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--runs", type=int, default=5)
    isa.add_argument(parser)
    options = parser.parse_args()
    table = Table("block", options.device, isa.RESTRICTED)
    frames = int(options.seconds * 16000) // 128 + 1
    x = torch.randn(1, frames, 257, 16, device=options.device)
    paths = make_paths(options.device)
    plain = next(iter(paths.values()))
    first = x.permute(0, 3, 1, 2).contiguous()

    def published():
        return grid_path(plain, first).permute(0, 2, 3, 1)

    calls = {name: lambda p=path: p(x) for name, path in paths.items()}
    calls["published"] = published
    autocast = torch.autocast(
        options.device, torch.bfloat16, enabled=options.device == "cuda"
    )
    with torch.no_grad(), autocast:
        expected = published()
        errors = {n: relative_error(c(), expected) for n, c in calls.items()}
        found = in_turns(calls, options.runs, options.device)
    table.add(f"forward, {options.seconds:g} s", found, "published", errors)

    def step(call):
        with autocast:
            out = call()
        out.square().mean().backward()

    steps = {name: lambda c=call: step(c) for name, call in calls.items()}
    found = in_turns(steps, options.runs, options.device)
    table.add(f"and backward, {options.seconds:g} s", found, "published")


if __name__ == "__main__":
    main()
