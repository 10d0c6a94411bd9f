"""Long recordings: memory and time against length, and what is not the model.

    OMP_NUM_THREADS=1 python benchmarks/long.py [--minutes 1 5 10 20 60]

Each length is separated from a file at 16 kHz into files, in a process of its
own, with a tiny SPMamba of random weights; five minutes also with a small one.
`memory_ratio` is the peak of the process over that of ten minutes; `exponent`
is the slope of a straight line through log time over log length.
`beside_model` is all time outside the model over the time in it; the overlap
itself, which the model hears twice, counts as the model's.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from measure import RESULTS, _command, _peak, machine, write_rows

import speechbrain_spmamba
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.prepare.made_up.voices import draw_voice, speak

RATE = 16000
SHARED = {
    "sample_rate": RATE,
    "n_fft": 512,
    "hop_length": 256,
    "num_blocks": 1,
    "expand": 1,
}
MODELS = {
    "tiny": {
        "emb_dim": 4,
        "emb_ks": 8,
        "emb_hs": 8,
        "d_state": 2,
        "num_heads": 1,
        "attn_qk_dim": 256,
    },
    "small": {
        "emb_dim": 16,
        "emb_ks": 4,
        "emb_hs": 4,
        "d_state": 4,
        "num_heads": 2,
        "attn_qk_dim": 512,
    },
}
SMALL_MINUTES = 5


def write_talk(path, minutes):
    """Writes two made-up talkers, the same minute again and again."""
    rng = np.random.default_rng(0)
    one, two = (
        np.concatenate([speak(draw_voice(rng, sex), rng, 6.0)[0]] * 10)
        for sex in "FM"
    )
    minute = (one + two).astype("float32")
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(minutes):
            file.write(minute)


def measure(path, folder, name):
    """Separates a recording; time and memory of this process."""
    torch.manual_seed(0)
    separator = build_model("spmamba", **SHARED, **MODELS[name])
    model = WaveformSeparation(
        modules={"separator": separator},
        hparams={"sample_rate": RATE, "num_spks": 2},
        run_opts={"device": "cpu"},
    )
    model.separate_array(np.zeros(10 * RATE, "float32"), RATE)  # warm-up
    in_model = [0.0, 0.0]
    separate = model.separate_batch

    def timed(mix, lengths=None):
        begin = time.perf_counter(), time.process_time()
        est = separate(mix, lengths)
        in_model[0] += time.perf_counter() - begin[0]
        in_model[1] += time.process_time() - begin[1]
        return est

    model.separate_batch = timed
    begin = time.perf_counter(), time.process_time()
    found = model.separate_to_files(path, folder, all_outputs=True)
    wall = time.perf_counter() - begin[0]
    cpu = time.process_time() - begin[1]
    return {
        "model": name,
        "parameters": sum(p.numel() for p in separator.parameters()),
        "minutes": found.seconds / 60,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "model_wall_seconds": in_model[0],
        "beside_model_wall": wall / in_model[0] - 1,
        "beside_model_cpu": cpu / in_model[1] - 1,
        "peak_megabytes": _peak("cpu") / 2**20,
    }


def main():
    """Measures all lengths and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--minutes", type=int, nargs="+", default=[1, 5, 10, 20, 60]
    )
    parser.add_argument("--one", nargs=3, help="recording, folder, model")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    rows = []
    cases = [("small", SMALL_MINUTES)]
    cases += [("tiny", minutes) for minutes in arguments.minutes]
    for name, minutes in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "talk.wav"
            write_talk(path, minutes)
            done = subprocess.run(
                [sys.executable, __file__, "--one", path, folder, name],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(shown(rows[-1]), flush=True)
    summarise(rows[1:])
    write(rows)


def shown(row):
    """A row with four digits of each number."""
    return {
        key: f"{value:.4g}" if isinstance(value, float) else value
        for key, value in row.items()
    }


def summarise(rows):
    """Adds what compares the lengths."""
    logs = {
        key: np.log([row[key] for row in rows])
        for key in ("minutes", "wall_seconds", "cpu_seconds")
    }
    ten = min(rows, key=lambda row: abs(row["minutes"] - 10))
    for row in rows:
        row["memory_ratio"] = row["peak_megabytes"] / ten["peak_megabytes"]
        for clock in ("wall", "cpu"):
            slope = np.polyfit(logs["minutes"], logs[f"{clock}_seconds"], 1)
            row[f"exponent_{clock}"] = slope[0]
    print({k: round(rows[-1][k], 3) for k in rows[-1] if "exponent" in k})
    print("memory:", [round(row["memory_ratio"], 3) for row in rows])


def write(rows):
    """Keeps the results as CSV."""
    shared = {
        "machine": machine("cpu"),
        "torch": torch.__version__,
        "version": speechbrain_spmamba.__version__,
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python", *_command()]),
    }
    path = RESULTS / "long_cpu.csv"
    columns = [*rows[-1], *shared]
    write_rows(path, columns, [{**shown(row), **shared} for row in rows])


if __name__ == "__main__":
    main()
