"""What SPMamba, or any system, gives a GPU to do; counted without one.

    python benchmarks/launches.py
    python benchmarks/launches.py --memory low --batch 2 --seconds 10 --where
    python benchmarks/launches.py --system tf_gridnet --batch 1

Launches of torch and of this package's Triton kernels, host waits, gigabytes
that elementwise kernels move, multiply-adds, bytes kept for the backward pass
and the peak, in bfloat16; of a forward and a backward pass, and of inference.
Beside them a time by the data sheet of an H100, see ``roofline.py``; it is
an estimate. Without options, of SPMamba with all choices of memory and batches
of one and four, kept as ``results/launches_counted.csv``.
"""

import argparse
from collections import Counter

import torch
from gpu_work import GPUWork
from measure import keep_counted
from roofline import device_seconds, host_seconds

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.scoring.loss import pairwise_neg_snr, pit


def count(
    system="spmamba",
    batch=1,
    seconds=4.0,
    training=True,
    card=80 * 2**30,
    **sizes,
):
    """Counts a system's work on a GPU.

    Arguments
    ---------
    system : str
        See ``models.systems``.
    batch : int
        Items.
    seconds : float
        Length of each.
    training : bool
        Forward pass with loss, and backward pass; else inference, the second
        pass, whose parameters have been laid out.
    card : int
        Bytes of the GPU.
    **sizes : dict
        Arguments of the network.

    Returns
    -------
    dict
        Part -> ``GPUWork``.
    """
    work = GPUWork()
    with work.watch(memory=card):
        with torch.device("cuda"):
            model = build_model(system, **sizes).train(training)
            samples = round(seconds * model.sample_rate)
            mix = torch.empty(batch, samples)
            src = torch.empty(batch, samples, model.num_spks)

        def forward():
            with torch.autocast("cuda", torch.bfloat16):
                est = model(mix)
                if training:
                    return pit(pairwise_neg_snr, est, src)[0].mean()

        if not training:
            with torch.no_grad():
                forward()
                return {"inference": work.part(forward)[1]}
        loss, parts = work.part(forward)
        return {"forward": parts, "backward": work.part(loss.backward)[1]}


def row(part, work, **about):
    """A row of the table."""
    launched, own = work.launches()
    return {
        **about,
        "part": part,
        "torch_launches": launched,
        "triton_launches": own,
        "waits": sum(work.waits.values()),
        "elementwise_GB": f"{sum(k.bytes for k in work.torch) / 1e9:.2f}",
        "GMAC": f"{sum(k.macs for k in work.torch) / 1e9:.0f}",
        "in_use_GB": f"{work.live / 1e9:.2f}",
        "peak_GB": f"{work.peak / 1e9:.2f}",
        "device_ms": f"{1e3 * device_seconds(work.kernels):.1f}",
        "host_ms": f"{1e3 * host_seconds(work.kernels):.1f}",
    }


def main():
    """Counts, prints, and keeps the table of all choices."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--system", default="spmamba")
    parser.add_argument("--memory", choices=MEMORY)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument(
        "--where", action="store_true", help="count launches by line"
    )
    asked = parser.parse_args()
    memories = [asked.memory] if asked.memory else MEMORY
    batches = [asked.batch] if asked.batch else [1, 4]
    has_memory = asked.system == "spmamba"
    cases = [
        (memory, batch, True)
        for batch in batches
        for memory in (memories if has_memory else [None])
    ]
    cases += [(None, batch, False) for batch in batches]
    rows = []
    for memory, batch, training in cases:
        sizes = {"memory": memory} if memory else {}
        parts = count(asked.system, batch, asked.seconds, training, **sizes)
        for part, work in parts.items():
            about = {"system": asked.system, "memory": memory or ""}
            about |= {"batch": batch, "seconds": asked.seconds}
            rows.append(row(part, work, **about))
            print(" ".join(f"{k}={v}" for k, v in rows[-1].items() if v != ""))
            for place, waits in work.waits.items():
                print(f"  waits at {place}: {waits}")
            if asked.where:
                by_line = Counter()
                for kernel in work.kernels:
                    by_line[kernel.place, kernel.name] += kernel.launches
                for (place, name), launches in by_line.most_common():
                    print(f"  {launches:5d} {place} {name}")
    if vars(asked) == vars(parser.parse_args([])):
        keep_counted("launches_counted", rows)


if __name__ == "__main__":
    main()
