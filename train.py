#!/usr/bin/env python3
"""Trains a separation model and tests it.

    python train.py hparams/spmamba.yaml --data_folder DIR

The YAML file is the whole experiment; any of its keys can be set on the
command line, as can the run options of SpeechBrain: --device, --precision
bf16, --grad_accumulation_factor, --compile, --debug, --test_only ... Started
again with the same command, an interrupted run goes on where it stopped;
Ctrl-C and SIGTERM save where it stands. With --debug it writes beside its
folder. On several GPUs: torchrun --nproc_per_node=N train.py ...

To follow it, begin at the bottom of the file.
"""

import sys
from contextlib import nullcontext
from pathlib import Path

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process, run_on_main

from speechbrain_spmamba.errors import one_line_errors
from speechbrain_spmamba.files.lock import locked
from speechbrain_spmamba.files.own_code import keep_own_code
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.inference import strict_load
from speechbrain_spmamba.scoring.evaluate import summary_lines
from speechbrain_spmamba.settings.changes import changes_told
from speechbrain_spmamba.settings.experiment import load_settings
from speechbrain_spmamba.training.brain import SeparationBrain
from speechbrain_spmamba.weights.model_folder import (
    HPARAMS_FILE,
    find_weights,
)


def report(brain, hparams):
    """Prints what was reached and where it stands."""
    print("", *summary_lines(brain.summary), sep="\n")
    if brain.tested:
        print(f"  checkpoint: {brain.tested['name']}")
    print(f"  log and checkpoints: {hparams['output_folder']}")
    print(f"  scores, examples, figures: {hparams['results_folder']}")


@one_line_errors
def main(argv):
    """One experiment from corpora to scores."""
    # 1. The experiment: every object is built by the YAML file.
    hparams_file, hparams, run_opts, overrides = load_settings(argv)
    folder = hparams["output_folder"]

    def open_folder():
        """Leaves settings, log and code in the folder of the run."""
        with changes_told(folder):
            sb.create_experiment_directory(
                folder,
                hparams_file,
                overrides,
                run_opts["log_config"] or sb.core.DEFAULT_LOG_CONFIG,
            )
            if if_main_process():
                text = read_text(Path(folder) / HPARAMS_FILE)
                keep_own_code(hparams_file, folder, text)

    with locked(folder) if if_main_process() else nullcontext():
        # 2. The data: made once, by one process; then read by all.
        run_on_main(hparams["prepare"])
        train_set = hparams["train_set"]()
        valid_set = hparams["valid_set"]()
        test_set = hparams["test_set"]()

        # 3. Training: goes on from the last checkpoint if there is one.
        if hparams.get("start_from"):
            separator = hparams["modules"]["separator"]
            strict_load(
                separator,
                find_weights(hparams["start_from"]),
                # Of a smaller network, if it is one that can grow.
                adapt=getattr(separator, "grown", None),
            )
        brain = SeparationBrain(
            modules=hparams["modules"],
            opt_class=hparams["optimizer"],
            hparams=hparams,
            run_opts=run_opts,
            checkpointer=hparams["checkpointer"],
            before_training=open_folder,
        )
        # Made before training, which a mistake in it would come after.
        test_loader = brain.make_dataloader(
            test_set,
            sb.Stage.TEST,
            ckpt_prefix=None,
            **hparams["test_loader"],
        )
        brain.fit(
            hparams["epoch_counter"],
            train_set,
            valid_set,
            train_loader_kwargs=dict(hparams["train_loader"]),
            valid_loader_kwargs=dict(hparams["valid_loader"]),
        )

        # 4. The test: best checkpoint, one pass.
        brain.evaluate(test_loader, min_key="loss")
        if if_main_process():
            report(brain, hparams)


if __name__ == "__main__":
    main(sys.argv[1:])
