"""A training step of a small model: what it costs and where its time goes.

    OMP_NUM_THREADS=1 python benchmarks/small_step.py [--runs 15]
        [--experiment recipes/Voices/hparams/voices-8k-2.yaml]

One step as `train.py` does it, on one batch of noise: forward, loss, backward,
clipping, optimiser. CPU seconds of one thread, in turns: the choices of
``memory``, and products that torch may compute with bfloat16 inputs
(``torch.set_float32_matmul_precision("medium")``), which only processors with
such instructions do. Then the parts of the step as it is by default.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from measure import Table, in_turns
from parts import shares
from speechbrain.dataio.batch import PaddedBatch

from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.training.brain import SeparationBrain

ROOT = Path(__file__).parent.parent
EXPERIMENT = "recipes/Voices/hparams/voices-8k-2.yaml"


def training_step(experiment, **overrides):
    """A step of an experiment on one batch.

    Arguments
    ---------
    experiment : str or Path
        Its YAML file.
    overrides : object
        Settings that differ from the file's.

    Returns
    -------
    callable
        Takes the step.
    float
        Seconds of audio that it learns from.
    """
    text = (ROOT / experiment).read_text()
    with tempfile.TemporaryDirectory() as folder:
        paths = {"data_folder": folder, "output_folder": folder}
        hparams = load_hyperpyyaml(text, {**paths, **overrides})
    brain = SeparationBrain(
        modules=hparams["modules"],
        opt_class=hparams["optimizer"],
        hparams=hparams,
        run_opts={"device": "cpu"},
    )
    brain.modules.train()
    brain.init_optimizers()
    items, seconds = hparams["batch_size"], hparams["segment"]
    samples = int(seconds * hparams["sample_rate"])
    sources = torch.randn(items, samples, hparams["num_spks"])
    batch = PaddedBatch(
        [{"mix_sig": one.sum(-1), "src_sig": one} for one in sources]
    )
    return lambda: brain.fit_batch(batch), items * seconds


def main():
    """Measures the variants and the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--experiment", default=EXPERIMENT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    steps, audio = {}, 0.0
    for memory in MEMORY:
        steps[f"memory: {memory}"], audio = training_step(
            options.experiment, memory=memory
        )
    by_default = steps["memory: balanced"]

    def with_bfloat16_products():
        torch.set_float32_matmul_precision("medium")
        by_default()
        torch.set_float32_matmul_precision("highest")

    steps["bfloat16 products"] = with_bfloat16_products
    table = Table("small_step", "cpu")
    found = in_turns(steps, options.runs, clock=time.process_time, warm_up=2)
    table.add(Path(options.experiment).stem, found, "memory: balanced")
    for name, values in found.items():
        best = audio / min(values["seconds"])
        print(f"{name:22} {best:.1f} s of audio a CPU second")
    for part, share in shares(by_default).items():
        print(f"{part:22} {share:.1f} %")


if __name__ == "__main__":
    main()
