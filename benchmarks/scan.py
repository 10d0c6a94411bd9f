"""The selective scan alone, all backends that run here.

    python benchmarks/scan.py [--device cuda] [--isa avx2] [--backward]

Shapes are those of SPMamba: intra-frame of 1 s and of 4 s, inter-frame of 4 s.
`published` is the arithmetic of mamba_ssm's Python reference on a CPU, and on
CUDA its kernel, where that is installed. The error is that of the first four
sequences, against float64.
"""

import argparse

import isa
import torch
from measure import Table, in_turns, relative_error
from published import scan as published_scan

from speechbrain_spmamba.ops import (
    available_backends,
    mamba_ssm,
    reference,
    selective_scan,
)

SHAPES = [(126, 250, 512, 16), (501, 250, 512, 16), (257, 494, 512, 16)]
TINY = [(2, 9, 32, 16)]  # to try the script
NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def make_inputs(shape, device, dtype):
    """Tensors as a trained Mamba passes them."""
    batch, length, channels, states = shape
    generator = torch.Generator().manual_seed(0)

    def noise(*size):
        return torch.randn(*size, generator=generator)

    decay = torch.arange(1.0, states + 1).repeat(channels, 1)
    inputs = {
        "u": noise(batch, length, channels),
        "delta": noise(batch, length, channels) * 0.5,
        "A": -decay * (0.1 * noise(channels, states)).exp(),
        "B": noise(batch, length, states),
        "C": noise(batch, length, states),
        "D": noise(channels),
        "z": noise(batch, length, channels),
        "delta_bias": noise(channels) - 3,
    }
    return {
        name: t.to(device, dtype if t.dim() == 3 else torch.float32)
        for name, t in inputs.items()
    }


def channels_first(inputs):
    """Arguments of the published scan, laid out as it wants them."""
    return [
        t.transpose(1, 2).contiguous() if t.dim() == 3 else t
        for t in inputs.values()
    ]


def float64_rows(inputs, rows=4):
    """The reference on the first sequences, in float64."""
    few = [
        t[:rows].double() if t.dim() == 3 else t.double()
        for t in inputs.values()
    ]
    return reference.scan(*few, True, False)


def with_gradients(scan, inputs, grad):
    """A call that runs a scan and its backward pass."""
    leaves = [t.clone().requires_grad_() for t in inputs]

    def call():
        torch.autograd.grad(scan(*leaves), leaves, grad)

    return call


def main():
    """Measures all shapes and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--shapes", type=int, default=len(SHAPES))
    parser.add_argument("--tiny", action="store_true", help="to try it")
    isa.add_argument(parser)
    options = parser.parse_args()
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    name = "scan_backward" if options.backward else "scan"
    table = Table(name, options.device, isa.RESTRICTED)
    usable = [n for n, why in available_backends().items() if not why]
    usable = [n for n in usable if n not in ("mamba_ssm", "reference")]
    variants = [*usable, "published"]
    if options.device == "cuda" and mamba_ssm.why_not():
        print(f"# published left out: {mamba_ssm.why_not()}")
        variants = usable
    for shape in TINY if options.tiny else SHAPES[: options.shapes]:
        inputs = make_inputs(shape, options.device, dtype)
        first = channels_first(inputs)
        calls, errors = {}, {}
        expected = float64_rows(inputs)
        grad = torch.ones_like(inputs["u"])

        for backend in variants:

            def scan(*tensors, backend=backend):
                if backend == "published":
                    return published_scan(*tensors)
                return selective_scan(
                    *tensors, delta_softplus=True, backend=backend
                )

            given = first if backend == "published" else list(inputs.values())
            with torch.no_grad():
                y = scan(*given)
            if backend == "published":
                y = y.transpose(1, 2)
            errors[backend] = relative_error(y[:4], expected)
            if options.backward:
                weights = grad if backend != "published" else grad.mT
                calls[backend] = with_gradients(scan, given, weights)
            else:
                calls[backend] = lambda scan=scan, given=given: scan(*given)
        with torch.set_grad_enabled(options.backward):
            found = in_turns(calls, options.runs, options.device)
        table.add(str(shape), found, "published", errors)
        if "published" in found:
            fastest = {n: min(found[n]["seconds"]) for n in found}
            best = min(usable, key=fastest.get)
            times = fastest["published"] / fastest[best]
            print(f"# {shape}: {best} is {times:.1f} times as fast")


if __name__ == "__main__":
    main()
