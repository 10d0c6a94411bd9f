"""The Triton scan with other constants than those that it has.

    python benchmarks/scan_variants.py --device cuda

The constants of ``ops/triton/layout.py`` follow from instructions, registers
and bytes, counted without a GPU. Here a GPU has its say: both kernels with
longer or shorter segments and intervals, with fewer or more registers, so that
more or fewer warps run at a time, and with two channels to a lane. Shapes are
those of a path of SPMamba on 4 s, step sizes of rank 8, bfloat16. On a CPU
Triton interprets: to try the script.
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
    """Steps of a segment and an interval, registers and channels of a lane.

    Of registers, None leaves their number to the compiler.
    """

    segment: int = layout.SEGMENT
    interval: int = layout.INTERVAL
    forward: int | None = layout.FORWARD_REGISTERS
    backward: int | None = None
    channels: int = 1


# Fewer registers in the forward pass are no use: a multiprocessor takes 32
# programs, which have room with 64.
VARIANTS = {
    "as it is": Variant(),
    "segments of 2": Variant(segment=2),
    "segments of 4": Variant(segment=4),
    "intervals of 24": Variant(interval=24),
    "segments of 4, intervals of 24": Variant(segment=4, interval=24),
    "forward in 86 registers": Variant(forward=None),
    "backward in 168 registers": Variant(1, 24, backward=168),
    "backward in 168, segments of 2": Variant(2, 24, backward=168),
    # Halves what lanes read of the rows that all of them share.
    "two channels to a lane": Variant(forward=128, channels=2),
}


@contextmanager
def constants(variant):
    """Runs the kernels with those of a variant within it."""
    from speechbrain_spmamba.ops.triton import backward, forward

    def arrange(inputs):
        programs, tensors, options = layout.arrange(inputs)
        if variant.backward:
            options["maxnreg"] = variant.backward
        return programs, tensors, options

    changed = [
        (layout, "INTERVAL", variant.interval),
        (forward, "INTERVAL", variant.interval),
        (backward, "INTERVAL", variant.interval),
        (backward, "SEGMENT", variant.segment),
        (backward, "arrange", arrange),
        (layout, "FORWARD_REGISTERS", variant.forward),
        (layout, "_PROGRAM_STATES", layout._PROGRAM_STATES * variant.channels),
        (layout, "_LANES", layout._LANES * variant.channels),
    ]
    before = [
        (module, name, getattr(module, name)) for module, name, _ in changed
    ]
    try:
        for module, name, value in changed:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


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
    wanted = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
    like = inputs._asdict() | {"delta": inputs.u}
    grads = {name: torch.zeros_like(like[name]) for name in wanted}
    y = torch.empty_like(inputs.u)
    with constants(variant):
        shape = triton.checkpoint_shape(inputs.u, inputs.A)
    checkpoints = torch.empty(shape, device=inputs.u.device)

    def forward():
        with constants(variant):
            triton.scan_forward(inputs, y, checkpoints)

    def backward():
        with constants(variant):
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
