"""What a process costs before and besides its work: CPU seconds and memory.

    OMP_NUM_THREADS=1 python benchmarks/startup.py

Each number is of a process of its own, to its end. `toolkit` imports
speechbrain and nothing else; the other variants of a case are compared with
its first. Megabytes are those resident: at most for a command, at last for what
stays idle. There `as many weights` is a layer of torch's of the size of the
model, beside the toolkit's own inference.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from measure import Table

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.weights.export import write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml

TOOLKIT = "import speechbrain"
SEPARATE = """
from speechbrain_spmamba import cli
try:
    cli.main(["separate", "a.wav", "-m", "small", "-o", "out", "--overwrite"])
except SystemExit as stop:
    assert stop.code == 0
"""
AS_MANY_WEIGHTS = """
import speechbrain.inference.interfaces, torch
model = torch.nn.LSTM(876, 876)
"""
MODEL_FOLDER = """
from speechbrain_spmamba.inference import WaveformSeparation
model = WaveformSeparation.from_hparams("full", run_opts={"device": "cpu"})
"""
# Which line of /proc/self/status, and the programs.
CASES = {
    "import": (
        "VmHWM",
        {
            "toolkit": TOOLKIT,
            "toolkit's inference": "import speechbrain.inference.interfaces",
            "our inference": "import speechbrain_spmamba.inference",
        },
    ),
    "spmamba separate, 1 s": (
        "VmHWM",
        {"toolkit": TOOLKIT, "whole process": SEPARATE},
    ),
    "idle with SPMamba": (
        "VmRSS",
        {
            "as many weights": AS_MANY_WEIGHTS,
            "model folder": MODEL_FOLDER,
        },
    ),
}
REPORT = "\nprint(open('/proc/self/status').read())"


def write_inputs(folder):
    """A recording, a small model and one of the published size."""
    noise = np.random.default_rng(0).standard_normal(8000)
    soundfile.write(folder / "a.wav", 0.1 * noise, 8000)
    small = {**SYSTEMS["spmamba"].smoke, "sample_rate": 8000}
    for name, arguments in (("small", small), ("full", {})):
        model = build_model("spmamba", **arguments)
        write_model(folder / name, model, model_yaml(model, arguments))


def run(program, folder, field):
    """CPU seconds and megabytes of a process."""
    child = subprocess.Popen(
        [sys.executable, "-c", program + REPORT],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines = child.stdout.read().splitlines()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, program
    kilobytes = [line.split()[1] for line in lines if line.startswith(field)]
    return usage.ru_utime + usage.ru_stime, int(kilobytes[0]) / 1024


def main():
    """Measures all cases and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    table = Table("startup", "cpu")
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder))
        for case, (field, programs) in CASES.items():
            found = {name: {"seconds": []} for name in programs}
            for _ in range(arguments.runs):
                for name, program in programs.items():
                    seconds, megabytes = run(program, folder, field)
                    found[name]["seconds"].append(seconds)
                    found[name]["megabytes"] = megabytes
            table.add(case, found, next(iter(programs)))


if __name__ == "__main__":
    main()
