"""Which batch fits on which card, counted without a GPU.

    python benchmarks/memory.py [--seconds 4]

The peak of a training step in bfloat16 (``gpu_work.py``) is counted for two
batches, both of more than one block of rows, and continued along a line. Adam's
averages come on top. It is a count, not a measurement.
"""

import argparse

from launches import count
from measure import keep_counted

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.folded_path import MEMORY

# Usable memory: a tenth is left to the driver and to fragments.
CARDS = {"24 GB": 24e9, "48 GB": 48e9, "80 GB": 80e9}
USABLE = 0.9
BATCHES = {"speed": (5, 6), "balanced": (5, 6), "low": (2, 3)}


def peaks(memory, seconds, card):
    """Bytes without items, and of each item, on a card of so many bytes."""
    few, more = BATCHES[memory]
    found = {}
    for batch in (few, more):
        parts = count(
            batch=batch, seconds=seconds, card=int(card), memory=memory
        )
        found[batch] = max(work.peak for work in parts.values())
    item = (found[more] - found[few]) / (more - few)
    return found[few] - few * item, item


def main():
    """Counts all choices and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    seconds = parser.parse_args().seconds
    weights = sum(p.numel() for p in build_model("spmamba").parameters())
    averages = 2 * 4 * weights
    rows = []
    for memory in MEMORY:
        row = {"memory": memory, "seconds": seconds}
        for name, card in CARDS.items():
            fixed, item = peaks(memory, seconds, card)
            row["GB_per_item"] = f"{item / 1e9:.2f}"
            batch = int((USABLE * card - averages - fixed) / item)
            row[f"batch_{name.replace(' ', '')}"] = batch
        rows.append(row)
        print(row, flush=True)
    keep_counted("memory_counted", rows)


if __name__ == "__main__":
    main()
