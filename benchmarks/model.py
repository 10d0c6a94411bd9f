"""The whole of SPMamba: inference and training step against the published form.

    python benchmarks/model.py [--device cuda] [--isa avx2] [--runs 5]

Inference gives the real-time factor (seconds of computing for one of audio).
The step is forward, SI-SNR loss and backward, without the optimiser. On a CPU
the published form would keep 80 GB for a step on one second; there its blocks
run one by one, each forward, backward and freed, which computes the same and
fits. On CUDA everything runs under bfloat16 autocast, and the published form
where mamba-ssm's kernel is installed: a loop over time would take minutes.
"""

import argparse

import isa
import torch
from measure import Table, in_turns, relative_error
from published import attention, grid_path, separate

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.ops import mamba_ssm
from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr, pit

# To try the script: seconds of a CPU.
TINY = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}


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
    channels = model.input_conv.weight.shape[0]
    x = torch.randn(len(mix), channels, frames, model.stft.n_fft // 2 + 1)
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


def measure_inference(table, model, options):
    """Adds our forms and the published one, which gives the same output."""
    device, seconds = options.device, options.seconds
    cuda = device == "cuda"
    mix = torch.randn(options.batch, int(seconds * 16000), device=device)
    model.eval()
    calls = {}

    def ours(prepare, half):
        prepare()
        return infer(model, mix, device, half=half)

    for label, prepare in variants(model, device).items():
        if label in ("memory: balanced", "backend: torch"):
            label = label.replace("memory: balanced", "ours")
            calls[label] = lambda p=prepare: ours(p, cuda)
    other = "ours, float32" if cuda else "ours, bf16 products"
    calls[other] = lambda: ours(lambda: set_up(model), not cuda)
    rounds = dict.fromkeys(calls, options.runs)
    if options.published_runs:
        calls["published"] = lambda: infer(model, mix, device, True, cuda)
        rounds["published"] = options.published_runs
    outputs = {}

    def keep(label, call):
        outputs[label] = call()

    found = in_turns(
        {n: lambda n=n, c=c: keep(n, c) for n, c in calls.items()},
        rounds,
        device,
    )
    # A GPU may have had no memory for one.
    best = next(n for n in ("published", other, "ours") if n in outputs)
    errors = {n: relative_error(y, outputs[best]) for n, y in outputs.items()}
    case = _case("inference", seconds, options.batch)
    table.add(case, found, "published", errors)
    factor = min(found["ours"]["seconds"]) / seconds / options.batch
    print(f"# real-time factor of ours: {factor:.4f}")


def measure_step(table, model, options):
    """Adds every choice of memory, and the published form."""
    device, seconds = options.device, options.step_seconds
    cuda = device == "cuda"
    mix = torch.randn(options.batch, int(seconds * 16000), device=device)
    source = torch.randn(*mix.shape, 2, device=device)
    model.train()

    def ours(prepare):
        prepare()
        step(model, mix, source, device, half=cuda)

    calls = {
        label: lambda p=prepare: ours(p)
        for label, prepare in variants(model, device).items()
    }
    rounds = dict.fromkeys(calls, options.runs)
    if options.published_runs:
        calls["published"] = (
            (lambda: step(model, mix, source, device, True, True))
            if cuda
            else (lambda: published_pieces(model, mix))
        )
        rounds["published"] = options.published_runs
    found = in_turns(calls, rounds, device)
    case = _case("training step", seconds, options.batch)
    table.add(case, found, "published")


def _case(name, seconds, batch):
    return f"{name}, {seconds:g} s" + (f", batch {batch}" if batch > 1 else "")


def main():
    """Measures inference and training, and keeps the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--published-runs", type=int, help="0 leaves it out")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--step-seconds", type=float)
    parser.add_argument("--only", choices=["inference", "step"])
    parser.add_argument("--tiny", action="store_true", help="to try it")
    isa.add_argument(parser)
    options = parser.parse_args()
    cuda = options.device == "cuda"
    if options.published_runs is None:
        options.published_runs = options.runs
    if cuda and mamba_ssm.why_not():
        print(f"# published left out: {mamba_ssm.why_not()}")
        options.published_runs = 0
    if options.step_seconds is None:
        same = cuda or options.tiny
        options.step_seconds = options.seconds if same else 1
    torch.manual_seed(0)
    sizes = TINY if options.tiny else {}
    model = build_model("spmamba", **sizes).to(options.device)
    name = f"model_{options.only}" if options.only else "model"
    table = Table(name, options.device, isa.RESTRICTED)
    if options.only != "step":
        measure_inference(table, model, options)
    if options.only != "inference":
        measure_step(table, model, options)


if __name__ == "__main__":
    main()
