"""What training keeps for its backward pass, counted without a GPU.

    python benchmarks/memory.py [--seconds 4]

Every tensor that autograd is given to keep passes through a hook; each storage
counts once, parameters do not. A card also holds the weights with their
gradients and Adam's averages, and the buffers of one block. From their sum
follows the largest batch; it is a count, not a measurement.
"""

import argparse
import csv
import os

import torch
from measure import RESULTS

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet import folded_forward
from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.ops import cpu
from speechbrain_spmamba.ops.triton import layout

# Usable memory in GB: a tenth is left to the driver and to fragments.
CARDS = {"24 GB": 21.6, "48 GB": 43.2, "80 GB": 72.0}

# Values of a block's buffers for each of its windows at the published size:
# windows, u and z (twice: with gradients), scan inputs and outputs with theirs,
# and the float32 sums of B and C over 16 groups of channels.
_D, _WINDOW, _STATES, _MIXED = 512, 128, 16, 40
_HALF = 2 * 4 * _D + 2 * 2 * _D + 3 * _D + 2 * _MIXED + 5 * _WINDOW
_SINGLE = 2 * 16 * _STATES


def fewer_checkpoints(samples):
    """Bytes by which a GPU keeps fewer states than the C kernels counted."""
    frames, total = samples // 128 + 1, 0
    for rows, length in ((frames, 250), (257, frames - 7)):
        u = torch.empty(rows, length, _D, device="meta")
        A = torch.empty(_D, _STATES, device="meta")
        for shape, sign in (
            (cpu.checkpoint_shape(u, A), 1),
            (layout.checkpoint_shape(u, A), -1),
        ):
            total += sign * 2 * 4 * torch.Size(shape).numel()
    return 6 * total


def count(call):
    """Bytes of the storages that a call keeps for its backward pass."""
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        torch.autocast("cpu", torch.bfloat16),
    ):
        out = call()
    del out
    return kept


def kept_bytes(memory, samples):
    """Bytes kept for the backward pass of one item of ``samples`` samples.

    Counted for two shorter items and continued along a line: no scores are
    kept by an efficient attention, so all grows with the frames.
    """
    torch.manual_seed(0)
    model = build_model("spmamba", num_blocks=1, memory=memory)
    counts = []
    for seconds in (0.25, 0.5):
        mix = torch.randn(1, int(16000 * seconds))
        kept = count(lambda mix=mix: model(mix))
        for parameter in model.parameters():
            kept.pop(parameter.data_ptr(), None)
        counts.append((mix.shape[1], sum(kept.values())))
    (n0, b0), (n1, b1) = counts
    slope = (b1 - b0) / (n1 - n0)
    return 6 * (b0 + slope * (samples - n0))


def passing_bytes(samples):
    """Bytes that come and go with each item while one block is worked on.

    What an attention keeps and its gradients (with "low", all of it is made
    again at once), and half a dozen maps.
    """
    frames = samples // 128 + 1
    attention = build_model("spmamba", num_blocks=1).blocks[0].attention
    x = torch.randn(1, frames, 257, 16, requires_grad=True)
    kept = sum(count(lambda: attention(x)).values())
    return 2 * kept + 6 * x.nbytes


def main():
    """Counts all choices and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    seconds = parser.parse_args().seconds
    rows = []
    # weights, gradients and two averages in float32
    fixed = 4 * 4 * 6_141_826
    for memory in MEMORY:
        samples = int(16000 * seconds)
        kept = kept_bytes(memory, samples)
        if memory != "low":
            kept -= fewer_checkpoints(samples)
        windows = folded_forward._BLOCK_ELSEWHERE[memory]
        block = windows * (2 * _HALF + 4 * _SINGLE)
        passing = passing_bytes(samples)
        row = {
            "memory": memory,
            "seconds": seconds,
            "kept_GB_per_item": f"{kept / 1e9:.2f}",
            "passing_GB_per_item": f"{passing / 1e9:.2f}",
            "block_GB": f"{block / 1e9:.2f}",
        }
        for card, size in CARDS.items():
            batch = int((size * 1e9 - fixed - block) / (kept + passing))
            row[f"batch_{card.replace(' ', '')}"] = batch
        rows.append(row)
        print(row)
    path = RESULTS / "memory_counted.csv"
    partial = path.with_suffix(".partial")
    with open(partial, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


if __name__ == "__main__":
    main()
