"""The Triton scan with other constants than those that it has.

    python benchmarks/scan_variants.py --device cuda

The constants of ``ops/triton/layout.py`` follow from instructions, registers
and bytes, counted without a GPU. Here a GPU has its say: both kernels with
longer or shorter segments and intervals, and with fewer registers, so that
more warps run at a time. Shapes are those of a path of SPMamba on 4 s, step
sizes of rank 8, bfloat16. On a CPU Triton interprets: to try the script.
"""

import argparse
import os
from contextlib import contextmanager
from typing import NamedTuple

import torch
from measure import Table, in_turns, relative_error

from speechbrain_spmamba.ops import triton
from speechbrain_spmamba.ops.kernel_interface import ScanInputs
from speechbrain_spmamba.ops.triton import layout

SHAPES = [(501, 250, 512, 16), (257, 494, 512, 16)]
TINY = [(1, 7, 32, 16)]
RANK = 8


class Variant(NamedTuple):
    """Steps of a segment and an interval, registers of a lane in either pass.

    Without a number of registers the compiler chooses.
    """

    segment: int = layout.SEGMENT
    interval: int = layout.INTERVAL
    forward: int | None = None
    backward: int | None = None


VARIANTS = {
    "as it is": Variant(),
    "segments of 1": Variant(segment=1),
    "segments of 3": Variant(segment=3),
    "intervals of 24": Variant(interval=24),
    "intervals of 32": Variant(interval=32),
    "forward in 64 registers": Variant(forward=64),
    "backward in 168 registers": Variant(1, 24, backward=168),
}


@contextmanager
def constants(segment, interval, registers=None):
    """Runs the kernels with these within it."""
    from speechbrain_spmamba.ops.triton import backward, forward

    before = layout.INTERVAL, backward.SEGMENT, layout.arrange

    def put(interval, segment, arrange):
        for module in (layout, forward, backward):
            module.INTERVAL, module.arrange = interval, arrange
        backward.SEGMENT = segment

    def arrange(inputs):
        programs, tensors, options = before[2](inputs)
        if registers:
            options["maxnreg"] = registers
        return programs, tensors, options

    put(interval, segment, arrange)
    try:
        yield
    finally:
        put(*before)


def make_inputs(shape, device):
    """What a path gives its scan, and the gradient of its output."""
    batch, length, channels, states = shape
    generator = torch.Generator().manual_seed(0)

    def noise(*size, dtype=torch.bfloat16):
        values = torch.randn(*size, generator=generator)
        return values.to(device, dtype)

    widths = [RANK, states, states]
    rows = noise(batch, length, sum(widths))
    delta, B, C = rows.split(widths, -1)
    decay = torch.arange(1.0, states + 1, device=device).repeat(channels, 1)
    inputs = ScanInputs(
        u=noise(batch, length, channels),
        delta=delta,
        A=-decay,
        B=B,
        C=C,
        D=noise(channels, dtype=torch.float32),
        z=noise(batch, length, channels),
        delta_bias=noise(channels, dtype=torch.float32) - 3,
        delta_weight=0.1 * noise(channels, RANK, dtype=torch.float32),
        delta_softplus=True,
        rows=rows,
    )
    return inputs, noise(batch, length, channels)


def calls_of(inputs, grad_y, variant):
    """Both passes with the constants of a variant, and what they write."""
    steps = variant[:2]
    wanted = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
    like = inputs._asdict() | {"delta": inputs.u}
    grads = {name: torch.zeros_like(like[name]) for name in wanted}
    y = torch.empty_like(inputs.u)
    with constants(*steps):
        shape = triton.checkpoint_shape(inputs.u, inputs.A)
    checkpoints = torch.empty(shape, device=inputs.u.device)

    def forward():
        with constants(*steps, variant.forward):
            triton.scan_forward(inputs, y, checkpoints)

    def backward():
        with constants(*steps, variant.backward):
            triton.scan_backward(inputs, checkpoints, grad_y, grads, y)

    return {"forward": (forward, y), "backward": (backward, grads["u"])}


def main():
    """Measures all variants and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--tiny", action="store_true", help="to try it")
    options = parser.parse_args()
    if options.device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    table = Table("scan_variants", options.device)
    for shape in TINY if options.tiny else SHAPES:
        inputs, grad_y = make_inputs(shape, options.device)
        calls = {"forward": {}, "backward": {}}
        errors = {"forward": {}, "backward": {}}
        expected = {}
        for name, variant in VARIANTS.items():
            for part, (call, written) in calls_of(
                inputs, grad_y, variant
            ).items():
                call()
                # The first is what the others are held against.
                expected.setdefault(part, written.clone())
                errors[part][name] = relative_error(written, expected[part])
                calls[part][name] = call
        for part, of_part in calls.items():
            found = in_turns(of_part, options.runs, options.device)
            table.add(f"{part} {shape}", found, "as it is", errors[part])


if __name__ == "__main__":
    main()
