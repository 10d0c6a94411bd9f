"""How fast a causal model answers, and what it keeps.

    python benchmarks/streaming.py [--minutes 10] [--model voices-8k-2-live]
    python benchmarks/streaming.py --hour

Sound is fed a hop at a time, as a microphone gives it: `streaming_cpu.csv` gets
how many operators a hop calls, views left out, the real-time factor, and the
median, 99th percentile and largest of the times that hops took, as parts of
their length. Then ten seconds at once, in turns: the same model, TF-GridNet in
the same grid and the toolkit's SkiM in its causal form, which has no stream.

With --hour, a stream goes on for an hour instead, and the table gets the memory
of the process after a minute and after all of it.
"""

import argparse
import statistics
import time

import torch
from measure import RESULTS, Table, in_turns, write_rows

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.causal_grid import advance
from speechbrain_spmamba.upstream.private import OperatorMode

COLUMNS = (
    "model block_ms operators minutes real_time_factor median p99 largest "
    "megabytes machine isa torch version date command"
).split()


def resident():
    """Megabytes of the process that are in memory."""
    with open("/proc/self/status", encoding="ascii") as file:
        lines = [line for line in file if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) / 1024


def feed(stream, blocks):
    """Feeds noise, a hop at a time.

    Arguments
    ---------
    stream : Stream
        See ``nnet.streaming``.
    blocks : int
        How many.

    Returns
    -------
    list of float
        Seconds that each took.
    """
    hop = stream.model.stft.hop_length
    noise = 0.1 * torch.randn(1000, hop)
    taken = []
    for index in range(blocks):
        begin = time.perf_counter()
        stream.feed(noise[index % len(noise)])
        taken.append(time.perf_counter() - begin)
    return taken


class Counted(OperatorMode):
    """Counts the operators that run within it, but for views."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operators(model):
    """How many a hop calls, far from the first."""
    past = {}
    hop = torch.randn(1, model.stft.hop_length, 1)
    with torch.no_grad():
        for _ in range(2):
            advance(model, hop, past)
        with Counted() as counted:
            advance(model, hop, past)
    return counted.count


def answer_times(name, model, minutes):
    """Row of the times of blocks, without the first second's."""
    hop = model.stft.hop_length / model.sample_rate
    stream = model.stream()
    feed(stream, round(1 / hop))
    parts = [t / hop for t in feed(stream, round(60 * minutes / hop))]
    parts.sort()
    return {
        "model": name,
        "block_ms": f"{1000 * hop:g}",
        "operators": operators(model),
        "minutes": f"{minutes:g}",
        "real_time_factor": f"{statistics.fmean(parts):.3f}",
        "median": f"{parts[len(parts) // 2]:.3f}",
        "p99": f"{parts[len(parts) * 99 // 100]:.3f}",
        "largest": f"{parts[-1]:.2f}",
    }


def memory_rows(name, model):
    """Rows of the memory after a minute, and after an hour."""
    hop = model.stft.hop_length / model.sample_rate
    stream, rows = model.stream(), []
    for minutes in (1, 59):
        for _ in range(minutes):
            feed(stream, round(60 / hop))
        row = {"model": name, "block_ms": f"{1000 * hop:g}"}
        heard = stream.fed / model.sample_rate / 60
        rows.append(
            {**row, "minutes": f"{heard:.0f}", "megabytes": f"{resident():.1f}"}
        )
    return rows


def compare_offline(table, model):
    """Ten seconds at once."""
    rate = model.sample_rate
    sizes = {"sample_rate": rate, "causal": True}
    grid = {
        "n_fft": 256,
        "hop_length": 96,
        "synthesis_length": 128,
        "num_blocks": 2,
        "lstm_hidden": 96,
        "emb_dim": 96,
        "emb_ks": 1,
        "attn_qk_dim": 256,
        "attn_context": 64,
        "masks": True,
        "band": 8,
    }
    models = {
        "SPMamba": model,
        "TF-GridNet": build_model("tf_gridnet", **grid, **sizes).eval(),
        "SkiM": build_model("skim", **sizes).eval(),
    }
    mix = torch.randn(1, 10 * rate)
    with torch.no_grad():
        calls = {name: lambda m=m: m(mix) for name, m in models.items()}
        found = in_turns(calls, 5)
    table.add("causal, 10 s at once", found, "SPMamba")


def main():
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--hour", action="store_true")
    parser.add_argument("--model", default="voices-8k-2-live")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = WaveformSeparation.from_hparams(asked.model).mods.separator
    table = Table("streaming_offline", "cpu")
    if asked.hour:
        rows = memory_rows(asked.model, model)
    else:
        rows = [answer_times(asked.model, model, asked.minutes)]
    for row in rows:
        print(row)
    rows = [{**row, **table.shared} for row in rows]
    path = RESULTS / "streaming_cpu.csv"
    write_rows(path, COLUMNS, rows, ("machine", "minutes"))
    if not asked.hour:
        compare_offline(table, model)


if __name__ == "__main__":
    main()
