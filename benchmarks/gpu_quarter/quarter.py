"""What is worth knowing of a GPU in a quarter of an hour, on a bare machine.

    python benchmarks/gpu_quarter/quarter.py measure OUT
    python benchmarks/gpu_quarter/quarter.py train OUT [--minutes 4]
    python benchmarks/gpu_quarter/quarter.py measure OUT --tiny --device cpu

Stages (``stages.py``) run one after the other, each with a limit of its own,
and none stops another. What comes is in OUT at once: ``gpu_quarter.log``,
tables, ``profile_cuda.txt``, ``training.tar.gz``. See ``README.md``.
"""

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from stages import ROOT, background, measure, train

# Of a training: what a table, a curve and a further training need.
KEPT = ("*.csv", "*.txt", "*.yaml", "test/*.json", "test/*.csv", "save/CKPT*/*")
KEEP_EVERY = 15  # seconds


class Quarter:
    """Runs stages and keeps their log.

    Arguments
    ---------
    out : Path
        Folder of the results.
    work : Path
        Folder for what is not kept. It outlives a call, so that a second one
        finds compiled kernels and mixtures.
    packages : list of Path
        Folders to be searched for packages.
    patience : float
        Times the limits of the stages.
    """

    def __init__(self, out, work, packages, patience=1):
        self.out, self.work, self.start = out, work, time.monotonic()
        self.patience = patience
        out.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        self.log = open(out / "gpu_quarter.log", "a", encoding="utf-8")
        self.running, self.succeeded = {}, {}
        searched = [*map(str, packages), os.environ.get("PYTHONPATH", "")]
        self.environment = {
            "OMP_NUM_THREADS": "4",
            "TRITON_CACHE_DIR": str(work / "triton"),
            **os.environ,
            "BENCHMARK_RESULTS": str(out),
            "PYTHONPATH": os.pathsep.join(filter(None, searched)),
            "PYTHONUNBUFFERED": "1",
        }

    def say(self, text):
        """Adds a line to the log, and prints it."""
        line = f"[{time.monotonic() - self.start:.0f} s] {text}"
        print(line, flush=True)
        print(line, file=self.log, flush=True)

    def begin(self, stage):
        """Starts a stage, and returns its process."""
        seconds = self.patience * stage.seconds
        self.say(f"{stage.name}: at most {seconds:g} s")
        return subprocess.Popen(
            [sys.executable, *shlex.split(stage.command)],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children end with it
        )

    def begin_beside(self, stage):
        """Starts a stage that others run beside."""
        ends = time.monotonic() + self.patience * stage.seconds
        self.running[stage.name] = self.begin(stage), ends

    def end_beside(self, name):
        """Waits for it, once; returns whether it succeeded."""
        if name in self.running:
            process, ends = self.running.pop(name)
            seconds = ends - time.monotonic()
            self.succeeded[name] = self.end(name, process, seconds)
        return self.succeeded[name]

    def end(self, name, process, seconds, meanwhile=None):
        """Waits for a process, and stops it after some seconds."""
        ends = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < ends:
            if meanwhile is not None:
                meanwhile()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(KEEP_EVERY, max(0, ends - time.monotonic())))
        for kind in (signal.SIGTERM, signal.SIGKILL):
            # Whatever it has started ends too, also where it itself has ended.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        self.say(f"{name}: exit status {process.returncode}")
        return process.returncode == 0

    def run(self, stage, meanwhile=None):
        """One stage, from its start to its end."""
        if stage.after and not self.end_beside(stage.after):
            self.say(f"{stage.name}: left out, for want of {stage.after}")
            return
        seconds = self.patience * stage.seconds
        self.end(stage.name, self.begin(stage), seconds, meanwhile)

    def keep_training(self):
        """Packs what a training has reached so far."""
        run, part = self.work / "run", self.out / "training.part"
        with tarfile.open(part, "w:gz") as archive:
            for path in (p for pattern in KEPT for p in run.glob(pattern)):
                # A checkpoint may make way for the next meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    archive.add(path, path.relative_to(self.work))
        part.replace(self.out / "training.tar.gz")


def main():
    """Reads the command line and runs the stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["measure", "train"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--given", type=Path, default=ROOT / ".gpu")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--minutes", type=float, default=4, help="of training")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="to try it")
    asked = parser.parse_args()
    given = asked.given.resolve()
    work = (asked.work or Path(tempfile.gettempdir()) / "quarter").resolve()
    built = work / "mamba_ssm" / "site"
    searched = [ROOT, built, given / "site"]
    patience = 10 if asked.tiny else 1  # a CPU may be slow
    quarter = Quarter(asked.out.resolve(), work, searched, patience)
    for stage in background(given, work, asked.tiny):
        if stage.name == "mixtures" or asked.what == "measure":
            quarter.begin_beside(stage)
    if asked.what == "measure":
        for stage in measure(asked.device, asked.tiny):
            quarter.run(stage)
    quarter.end_beside("mixtures")
    if asked.what == "train":
        stage = train(asked.device, given, work, asked.tiny, asked.minutes)
        quarter.run(stage, quarter.keep_training)
        quarter.keep_training()


if __name__ == "__main__":
    main()
