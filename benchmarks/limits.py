"""How near to the limit of one core: kernels, products, SPMamba, a small step.

    python benchmarks/limits.py [--isa avx2] [--only kernels]

One thread, CPU seconds. What should hold, on AVX2 as on AVX-512:

    short convolution, forward     1.8 ns a position and channel, or less
    scan, forward                  0.45 ns an element-state, or less
    scan, backward                 1.7 ns an element-state, or less
    products of a block, together  70 % of the best square product, or more,
        and so those of a path
    SPMamba, 1 s of 16 kHz         9 CPU s, or less
    spmamba_small, training        8 s of audio a CPU second, or more

Kernels and products, each by itself, have the shapes and strides of a block of
SPMamba's rows in ``nnet/folded_forward.py``: `strided` reads columns of a
larger matrix, as there; `contiguous` has matrices of its own, and the steps of
the scan in full instead of in their low-rank form. The step is that of training
on one batch of ``hparams/spmamba_small.yaml``: forward, loss, backward,
optimiser.
"""

import argparse
import statistics
import time

import isa
import torch
from measure import Table, in_turns, write_rows
from parts import shares
from small_step import training_step

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.mamba_path import MambaPath
from speechbrain_spmamba.ops.backends import KERNELS
from speechbrain_spmamba.ops.kernel_interface import ScanInputs

# A block of SPMamba: rows, windows of a row, places of the map in a window, its
# width; channels, states, taps and rank of the steps of a Mamba.
ROWS, LENGTH, PLACES, WIDTH = 8, 250, 8, 128
CHANNELS, STATES, TAPS, RANK = 512, 16, 4, 8
SQUARES = (1024, 2048, 3072)


class Limits(Table):
    """Figures in units of their own; best is the lowest, or highest, found."""

    columns = (
        "case variant unit median best runs machine isa torch version date "
        "command"
    ).split()

    def __init__(self, *args):
        super().__init__(*args)
        self.rows = []

    def write(self):
        """Keeps the rows; see ``write_rows``."""
        write_rows(self.path, self.columns, self.rows)

    def add(self, case, variant, unit, values, best=min):
        """Adds one figure from all that were measured."""
        median = statistics.median(values)
        self.rows.append(
            {
                "case": case,
                "variant": variant,
                "unit": unit,
                "median": f"{median:.4g}",
                "best": f"{best(values):.4g}",
                "runs": len(values),
                **self.shared,
            }
        )
        print(
            f"{case:28} {variant:28} {median:9.4g} {best(values):9.4g} {unit}",
            flush=True,
        )


def cpu_seconds(calls, runs):
    """Name -> CPU seconds of each run; the calls take turns."""
    found = in_turns(calls, runs, clock=time.process_time)
    return {name: values["seconds"] for name, values in found.items()}


# ---- Kernels ----


def kernel_calls(contiguous):
    """Name -> call of a kernel on one direction of a block."""
    kernels, shape = KERNELS["cpu"], (ROWS, LENGTH, CHANNELS)
    torch.manual_seed(0)

    def columns(count):
        """Matrices side by side, or each by itself."""
        if contiguous:
            return [torch.randn(shape) for _ in range(count)]
        return torch.randn(*shape[:2], count * CHANNELS).chunk(count, -1)

    conv_in, z, *_ = columns(4)
    grad_conv_in, grad_z, *_ = columns(4)
    y, grad_y = columns(2)[0], columns(2)[0]
    conv_out, u, grad_u, grad_delta = (torch.randn(shape) for _ in range(4))
    sizes = [RANK, STATES, STATES]
    dt, B, C = torch.randn(*shape[:2], sum(sizes)).split(sizes, -1)
    grad_B, grad_C = torch.empty(2, *shape[:2], STATES)
    delta, delta_weight = 0.3 * dt, torch.randn(CHANNELS, RANK)
    if contiguous:
        delta, delta_weight = delta @ delta_weight.t(), None
    conv_weight = torch.randn(CHANNELS, TAPS)
    inputs = ScanInputs(
        u=u,
        delta=delta,
        A=-torch.arange(1.0, STATES + 1).repeat(CHANNELS, 1),
        B=B,
        C=C,
        D=torch.ones(CHANNELS),
        z=z,
        delta_bias=torch.full((CHANNELS,), -3.0),
        delta_weight=delta_weight,
        delta_softplus=True,
    )
    states = torch.empty(kernels.checkpoint_shape(u, inputs.A))
    kernels.scan_forward(inputs, y, states)
    grads = {
        "u": grad_u,
        "delta": grad_delta,
        "A": torch.zeros_like(inputs.A),
        "B": grad_B,
        "C": grad_C,
        "D": torch.zeros(CHANNELS),
        "z": grad_z,
        "delta_bias": torch.zeros(CHANNELS),
    }
    conv = conv_in, conv_weight, torch.randn(CHANNELS), False
    conv_grads = {
        "x": grad_conv_in,
        "weight": torch.zeros_like(conv_weight),
        "bias": torch.zeros(CHANNELS),
    }
    return {
        "conv forward": lambda: kernels.conv_forward(*conv, conv_out),
        "conv backward": lambda: kernels.conv_backward(
            *conv, grad_u, conv_grads
        ),
        "scan forward": lambda: kernels.scan_forward(inputs, y),
        "scan forward, checkpoints": lambda: kernels.scan_forward(
            inputs, y, states
        ),
        "scan backward": lambda: kernels.scan_backward(
            inputs, states, grad_y, grads, y
        ),
    }


def measure_kernels(table, runs):
    """ns a position and channel, and for the scan a state."""
    calls = {
        (name, layout): call
        for layout in ("strided", "contiguous")
        for name, call in kernel_calls(layout == "contiguous").items()
    }
    for (name, layout), seconds in cpu_seconds(calls, runs).items():
        count = ROWS * LENGTH * CHANNELS
        unit = "ns a position and channel"
        if name.startswith("scan"):
            count, unit = count * STATES, "ns an element-state"
        table.add(name, layout, unit, [s * 1e9 / count for s in seconds])


# ---- Products ----


def multiply(left, right, out, add=False):
    """A product by torch, as ``nnet/folded_forward.py`` computes it."""
    if add:
        out.addmm_(left, right)
    else:
        torch.matmul(left, right, out=out)


def product_calls():
    """Name -> floating-point operations and call of a block's products."""
    windows = ROWS * LENGTH
    x_proj = CHANNELS, RANK + 2 * STATES
    products = {
        "in_proj": (WIDTH, 4 * CHANNELS, False),
        "x_proj, forward": (*x_proj, False),
        "x_proj, backward": (*x_proj, False),
        "residual": (WIDTH, WIDTH, False),
        "out_proj": (2 * CHANNELS, WIDTH, True),
    }
    calls = {}
    for name, (inner, columns, add) in products.items():
        left, out = torch.randn(windows, inner), torch.randn(windows, columns)
        # Weights are [to, from], but for what folding has multiplied.
        right = torch.randn(columns, inner).t()
        if name in ("residual", "out_proj"):
            right = right.contiguous()
        calls[name] = (
            2 * windows * inner * columns,
            lambda given=(left, right, out, add): multiply(*given),
        )
    return calls


def measure_products(table, runs):
    """GFLOP/s, and as a share of the best square product.

    `path` has the time of all that a path does in its forward pass and the
    operations of its products alone: in the second case the Mambas have one
    state and one tap, so that little else is left. The products of `block` are
    those of a training step, by torch.
    """
    counted = product_calls()
    block = list(counted)
    count = sum(operations for operations, _ in counted.values())
    x = torch.randn(1, ROWS, LENGTH - 1 + PLACES, WIDTH // PLACES)
    for name, mamba in (
        ("path", {}),
        ("path, one state, one tap", {"d_state": 1, "d_conv": 1}),
    ):
        path = MambaPath(WIDTH // PLACES, PLACES, 1, expand=4, **mamba)
        less = STATES - mamba.get("d_state", STATES)
        counted[name] = (
            count - 2 * ROWS * LENGTH * 2 * CHANNELS * 2 * less,
            torch.no_grad()(lambda path=path: path(x)),
        )
    for size in SQUARES:
        left, right, out = torch.randn(3, size, size)
        counted[f"square, {size}"] = (
            2 * size**3,
            lambda given=(left, right, out): multiply(*given),
        )
    found = cpu_seconds({n: call for n, (_, call) in counted.items()}, runs)
    speeds = {
        name: [counted[name][0] / s / 1e9 for s in seconds]
        for name, seconds in found.items()
    }
    turns = zip(*(found[name] for name in block), strict=True)
    speeds["block, together"] = [count / sum(turn) / 1e9 for turn in turns]
    best = max(statistics.median(speeds[f"square, {size}"]) for size in SQUARES)
    for name, values in speeds.items():
        table.add("product", name, "GFLOP/s", values, max)
        if not name.startswith("square"):
            percent = [100 * value / best for value in values]
            table.add("product", name, "% of best square", percent, max)


# ---- Models ----


def measure_spmamba(table, runs):
    """Inference on a second."""
    torch.manual_seed(0)
    model = build_model("spmamba").eval()
    mix = torch.randn(1, 16000)

    @torch.no_grad()
    def infer():
        model(mix)

    seconds = cpu_seconds({"all": infer}, runs)["all"]
    table.add("SPMamba, 1 s", "all", "CPU s", seconds)
    for part, share in shares(infer).items():
        table.add("SPMamba, 1 s", part, "% of all", [share])


def measure_step(table, runs):
    """A training step of spmamba_small."""
    step, audio = training_step("hparams/spmamba_small.yaml")
    seconds = cpu_seconds({"all": step}, runs)["all"]
    speeds = [audio / s for s in seconds]
    case, unit = "spmamba_small, step", "s of audio a CPU s"
    table.add(case, "all", unit, speeds, max)
    for part, share in shares(step).items():
        table.add(case, part, "% of all", [share])


def main():
    """Measures all and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--model-runs", type=int, default=5)
    measures = {
        "kernels": (measure_kernels, "runs"),
        "products": (measure_products, "runs"),
        "spmamba": (measure_spmamba, "model_runs"),
        "step": (measure_step, "model_runs"),
    }
    parser.add_argument("--only", choices=measures, help="writes nothing")
    isa.add_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Limits("limits", "cpu", isa.RESTRICTED)
    for name in [options.only] if options.only else measures:
        measure, runs = measures[name]
        measure(table, getattr(options, runs))
    if not options.only:
        table.write()


if __name__ == "__main__":
    main()
