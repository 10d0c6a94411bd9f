"""The whole of SPMamba: inference and training step against the published form.

    python benchmarks/model.py [--device cuda] [--isa avx2] [--runs 5]

Inference gives the real-time factor (seconds of computing for one of audio).
The step is forward, SI-SNR loss and backward, without the optimiser. On a CPU
the published form would keep 80 GB for a step on one second; there its blocks
run one by one, each forward, backward and freed, which computes the same and
fits. On CUDA everything runs under bfloat16 autocast.
"""

import argparse

import isa
import torch
from measure import Table, in_turns, relative_error
from published import attention, grid_path, separate

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr, pit


def set_up(model, memory="balanced", backend="auto"):
    """Gives every path its choice of memory and backend; returns the model."""
    for block in model.blocks:
        for path in (block.intra, block.inter):
            assert path.memory in MEMORY
            path.memory = memory
            for branch in (
                path.mixer.forward_branch,
                path.mixer.backward_branch,
            ):
                branch.mamba.scan_backend = backend
    return model


def variants(model, device):
    """Name -> function that prepares the model."""
    found = {
        f"memory: {memory}": lambda m=memory: set_up(model, m)
        for memory in MEMORY
    }
    if device == "cpu":
        found["backend: torch"] = lambda: set_up(model, backend="torch")
    return found


def infer(model, mix, device, published=False, half=False):
    """Separates without gradients."""
    autocast = torch.autocast(device, torch.bfloat16, enabled=half)
    with torch.no_grad(), autocast:
        return separate(model, mix) if published else model(mix)


def step(model, mix, source, device, published=False, half=False):
    """Forward, loss, backward."""
    autocast = torch.autocast(device, torch.bfloat16, enabled=half)
    with autocast:
        est = separate(model, mix) if published else model(mix)
    loss = pit(pairwise_neg_si_snr, est.float(), source)[0].mean()
    loss.backward()
    model.zero_grad(set_to_none=True)


def published_pieces(model, mix):
    """The published step block by block; on any values, since time counts."""
    frames = mix.shape[1] // model.stft.hop_length + 1
    x = torch.randn(len(mix), 16, frames, model.stft.n_fft // 2 + 1)
    for block in model.blocks:
        for piece in (
            lambda x, b=block: grid_path(b.intra, x),
            lambda x, b=block: grid_path(b.inter, x.mT).mT,
            lambda x, b=block: attention(b.attention, x),
        ):
            x = x.detach().requires_grad_()
            x_next = piece(x)
            x_next.backward(torch.ones_like(x_next))
            x = x_next
    model.zero_grad(set_to_none=True)


def main():
    """Measures inference and training and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--published-runs", type=int)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--step-seconds", type=float)
    parser.add_argument("--only", choices=["inference", "step"])
    isa.add_argument(parser)
    options = parser.parse_args()
    device, cuda = options.device, options.device == "cuda"
    runs = options.published_runs or options.runs
    torch.manual_seed(0)
    model = build_model("spmamba").to(device)
    name = f"model_{options.only}" if options.only else "model"
    table = Table(name, device, isa.RESTRICTED)

    if options.only != "step":
        mix = torch.randn(1, int(options.seconds * 16000), device=device)
        calls = {}

        def ours(prepare, half):
            prepare()
            return infer(model, mix, device, half=half)

        for label, prepare in variants(model, device).items():
            if label in ("memory: balanced", "backend: torch"):
                label = label.replace("memory: balanced", "ours")
                calls[label] = lambda p=prepare: ours(p, cuda)
        if not cuda:
            calls["ours, bf16 products"] = lambda: ours(
                lambda: set_up(model), True
            )
        calls["published"] = lambda: infer(model, mix, device, True, cuda)
        rounds = dict.fromkeys(calls, options.runs) | {"published": runs}
        outputs = {}

        def keep(label, call):
            outputs[label] = call()

        found = in_turns(
            {n: lambda n=n, c=c: keep(n, c) for n, c in calls.items()},
            rounds,
            device,
        )
        errors = {
            n: relative_error(y, outputs["published"])
            for n, y in outputs.items()
        }
        case = f"inference, {options.seconds:g} s"
        table.add(case, found, "published", errors)
        best = min(found["ours"]["seconds"]) / options.seconds
        print(f"# real-time factor of ours: {best:.4f}")

    if options.only != "inference":
        seconds = options.step_seconds or (4 if cuda else 1)
        mix = torch.randn(1, int(seconds * 16000), device=device)
        source = torch.randn(1, mix.shape[1], 2, device=device)

        def ours_step(prepare):
            prepare()
            step(model, mix, source, device, half=cuda)

        calls = {
            label: lambda p=prepare: ours_step(p)
            for label, prepare in variants(model, device).items()
        }
        calls["published"] = (
            (lambda: step(model, mix, source, device, True, True))
            if cuda
            else (lambda: published_pieces(model, mix))
        )
        rounds = dict.fromkeys(calls, options.runs) | {"published": runs}
        found = in_turns(calls, rounds, device)
        table.add(f"training step, {seconds:g} s", found, "published")
    table.write()


if __name__ == "__main__":
    main()
