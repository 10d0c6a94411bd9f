"""What losses for silent sources teach in the same few hundred steps.

    python benchmarks/silent_losses.py FOLDER [--steps 300] [--valid 60]

FOLDER is what `recipes/Voices/hparams/voices-8k-3.yaml` prepared, with
`train.csv` and `valid.csv`. A model of three outputs begins with the weights
of voices-8k-2, the third output as the mean of the two, and is trained on the
same batches with each of the published forms that `scoring/silence.py` tells
of. `silent_losses.csv` gets, for items of 0 to 3 talkers, SI-SNR and its
improvement, the level of empty outputs, and what share of the weights'
gradient comes from these.
"""

import argparse
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measure import keep_counted

from speechbrain_spmamba.builtin.models import find_model
from speechbrain_spmamba.inference import strict_load
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.scoring.loss import (
    best_permutation,
    pairwise_neg_snr,
    pit,
    reorder,
)
from speechbrain_spmamba.scoring.metrics import below_mixture, score
from speechbrain_spmamba.scoring.silence import (
    pairwise_neg_si_snr_or_level,
    pairwise_neg_snr_or_level,
    silent_sources,
)
from speechbrain_spmamba.weights.model_folder import find_weights

RATE, SECONDS, BATCH = 8000, 3.0, 3
LOOK = 10  # steps between two looks at the gradient
TALKERS = {0: 1, 1: 3, 2: 8, 3: 4}
SIZES = {
    "n_fft": 256,
    "hop_length": 128,
    "num_blocks": 2,
    "emb_hs": 8,
    "d_state": 8,
    "expand": 1,
    "num_heads": 2,
    "attn_qk_dim": 256,
}


def thresholds(est, src, mix, **wanted):
    """Soft thresholds on errors and on levels."""
    pairwise = partial(pairwise_neg_snr_or_level, mix=mix, **wanted)
    return pit(pairwise, est, src)[0]


def constant(est, src, mix):
    """A small constant in both energies."""
    return pit(pairwise_neg_snr, est, src)[0]


def aggregated(est, src, mix):
    """One ratio over all sources, with a soft threshold of 30 dB.

    It says nothing where all are silent: there, the level.
    """
    errors = (est.unsqueeze(3) - src.unsqueeze(2)).square().sum(1)
    order = best_permutation(errors.detach())
    error = errors.gather(1, order.unsqueeze(1)).sum((1, 2))
    energy = src.square().sum((1, 2))
    nobody = silent_sources(src).all(1)
    ratio = error / torch.where(nobody, 1.0, energy) + 1e-3
    return torch.where(
        nobody, thresholds(est, src, mix), 10 * torch.log10(ratio)
    )


LOSSES = {
    "thresholds": thresholds,
    "thresholds, 40 dB": partial(thresholds, most_below=40.0),
    "constant": constant,
    "aggregated": aggregated,
}


def train(loss, dataset, epoch, steps):
    """A model after some steps, and the gradient's share of empty outputs."""
    torch.manual_seed(0)
    model = build_model(
        "spmamba",
        num_spks=3,
        sample_rate=RATE,
        masks=True,
        rest=True,
        memory="speed",
        **SIZES,
    )
    weights = find_weights(find_model("voices-8k-2"))
    strict_load(model, weights, adapt=model.grown)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    order, shares = np.random.default_rng(0).permutation(len(dataset)), []
    model.train()
    for step in range(steps):
        epoch.current, first = divmod(step * BATCH, len(dataset) - BATCH)
        items = [dataset[int(i)] for i in order[first : first + BATCH]]
        mix = torch.stack([item["mix_sig"] for item in items])
        src = torch.stack([item["src_sig"] for item in items])
        est = model(mix)
        value = loss(est, src, mix).mean()
        if step % LOOK == 0 and silent_sources(src).any():
            shares.append(share_of_empty(model, value, est, src, mix))
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return model.eval(), float(np.median(shares))


def share_of_empty(model, value, est, src, mix):
    """Norm of the weights' gradient by empty outputs, over that by all."""
    (pull,) = torch.autograd.grad(value, est, retain_graph=True)
    pairwise = partial(pairwise_neg_snr_or_level, mix=mix)
    order = pit(pairwise, est.detach(), src)[1]
    silent = torch.zeros_like(order, dtype=torch.bool)
    silent.scatter_(1, order, silent_sources(src))  # of outputs, not sources
    norms = []
    for some in (silent, ~silent):
        part = torch.where(some.unsqueeze(1), pull, 0.0)
        grads = torch.autograd.grad(
            est, list(model.parameters()), part, retain_graph=True
        )
        norms.append(sum(g.square().sum() for g in grads).sqrt().item())
    return norms[0] / sum(norms)


@torch.no_grad()
def figures(model, dataset, count):
    """Talkers -> means over items of as many."""
    found = {}
    for index in range(min(count, len(dataset))):
        item = dataset[index]
        mix, src = item["mix_sig"].unsqueeze(0), item["src_sig"].unsqueeze(0)
        est = model(mix)
        pairwise = partial(pairwise_neg_si_snr_or_level, mix=mix)
        est = reorder(est, pit(pairwise, est, src)[1])
        scores = score(mix[0], est[0], src[0], ["si_snr"])
        scores["silence"] = below_mixture(mix[0], est[0], src[0])
        talkers = int((~silent_sources(src)).sum())
        found.setdefault(talkers, []).append(scores)
    keys = ("si_snr", "si_snri", "silence")
    return {
        talkers: {key: np.mean([one[key] for one in some]) for key in keys}
        for talkers, some in sorted(found.items())
    }


def main():
    """Trains with one loss after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--valid", type=int, default=60)
    asked = parser.parse_args()
    epoch = SimpleNamespace(current=0)
    dataset = make_dataset(
        asked.folder / "train.csv",
        asked.folder,
        RATE,
        segment=SECONDS,
        epoch_counter=epoch,
        dynamic_mixing={
            "num_spks": TALKERS,
            "active": (0.3, 1.0),
            "sir": (-5.0, 5.0),
            "snr": (15.0, 30.0),
            "speed": (0.7, 1.3),
        },
    )
    valid = make_dataset(asked.folder / "valid.csv", asked.folder, RATE)
    rows = []
    for name, loss in LOSSES.items():
        model, share = train(loss, dataset, epoch, asked.steps)
        for talkers, values in figures(model, valid, asked.valid).items():
            row = {"loss": name, "steps": asked.steps, "talkers": talkers}
            row |= {
                key: "" if np.isnan(v) else round(float(v), 2)
                for key, v in values.items()
            }
            rows.append({**row, "gradient_of_empty": round(share, 3)})
            print(*rows[-1].values(), flush=True)
    keep_counted("silent_losses", rows)


if __name__ == "__main__":
    main()
