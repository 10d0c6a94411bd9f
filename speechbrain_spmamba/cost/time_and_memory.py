"""Time and memory of a model: forward pass or training step.

Every model runs in a process of its own, so that its peak of memory is its
own, and the runs of all models and lengths take turns, so that a change of the
machine's pace meets them all.

Memory is what the process takes above what it took before the model was built:
weights, gradients and everything in between. On a CPU that is resident memory
(Linux resets its peak before every run; elsewhere the peak of the whole process
counts), on CUDA what torch has allocated.
"""

import ctypes
import itertools
import os
import pickle
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch

from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr, pit

WARM_UP = 0.25  # seconds of audio


class Measurement(NamedTuple):
    """What is to be measured of one model.

    Arguments
    ---------
    build : callable
        Returns the model; another process must be able to import it
        (``functools.partial`` of a function in a module will do).
    lengths : tuple
        Seconds of audio, ascending.
    device : str
        "cpu", "cuda", "cuda:1" ...
    step : bool
        Forward pass, loss and backward pass; else the forward pass alone.

    Example
    -------
    >>> Measurement(dict, (1.0, 2.0)).device
    'cpu'
    """

    build: object
    lengths: tuple
    device: str = "cpu"
    step: bool = False


def measure_in_turns(wanted: dict, repeats: int = 3) -> dict:
    """Measures models side by side.

    Arguments
    ---------
    wanted : dict
        Name -> ``Measurement``.
    repeats : int
        Rounds.

    Returns
    -------
    dict
        Name -> list with a dict for each length: ``length`` in seconds of
        audio, ``seconds`` (the median of the runs), ``rtf`` (that over
        ``length``), ``peak_bytes`` and ``weight_bytes``; or ``length`` and
        ``error``, and no longer lengths after it.
    """
    workers, errors = {}, {}
    runs = {name: {} for name in wanted}
    try:
        for name, one in wanted.items():
            workers[name] = Worker(one)
        rounds = itertools.product(range(repeats), wanted.items())
        for _, (name, one) in rounds:
            for length in one.lengths:
                if name in errors and length >= errors[name][0]:
                    break
                found = workers[name].run(length)
                if "error" in found:
                    errors[name] = (length, found["error"])
                    break
                runs[name].setdefault(length, []).append(found)
    finally:
        for worker in workers.values():
            worker.close()
    found = {
        name: [_summary(length, done) for length, done in by_length.items()]
        for name, by_length in runs.items()
    }
    for name, (length, error) in errors.items():
        kept = [row for row in found[name] if row["length"] < length]
        found[name] = [*kept, {"length": length, "error": error}]
    return found


def _summary(length, runs):
    seconds = statistics.median(run["seconds"] for run in runs)
    return {
        "length": length,
        "seconds": seconds,
        "rtf": seconds / length,
        "runs": len(runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "weight_bytes": runs[0]["weight_bytes"],
    }


class Worker:
    """A process that holds one model and runs it on demand.

    It is made when the model is ready: building one would disturb others. The
    two sides pickle to each other alone; ``multiprocessing`` would do so too,
    but also import the caller's program anew.

    Arguments
    ---------
    wanted : Measurement
        Its model, device and kind of run.
    """

    def __init__(self, wanted: Measurement) -> None:
        code = "import speechbrain_spmamba.cost.time_and_memory as w; w.serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._send((wanted, torch.get_num_threads()))
        self.ready = self._receive()

    def _send(self, message):
        try:
            pickle.dump(message, self.process.stdin)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer will be missing

    def _receive(self):
        try:
            return pickle.load(self.process.stdout)
        except EOFError:
            status = self.process.wait()
            return {"error": f"its process ended ({status}): out of memory?"}

    def run(self, length: float) -> dict:
        """Runs the model once.

        Arguments
        ---------
        length : float
            Seconds of audio.

        Returns
        -------
        dict
            ``seconds``, ``peak_bytes`` and ``weight_bytes``, or ``error``.
        """
        if "error" in self.ready:
            return self.ready
        self._send(length)
        return self._receive()

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()


def serve() -> None:
    """The worker's side: answers requests on standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints is no answer
    requests = sys.stdin.buffer
    try:
        wanted, threads = pickle.load(requests)
        run = _Runner(wanted, threads).run
    except Exception as error:  # any: it is the answer
        _answer(answers, _failure(error))
        return
    _answer(answers, {})
    while True:
        try:
            length = pickle.load(requests)
        except EOFError:
            return
        try:
            found = run(length)
        except Exception as error:  # any: the other models go on
            found = _failure(error)
        _answer(answers, found)


def _answer(answers, found):
    pickle.dump(found, answers)
    answers.flush()


def _failure(error):
    lines = str(error).splitlines() or [type(error).__name__]
    return {"error": lines[0]}


class _Runner:
    """A model, and what its process took before it was there."""

    def __init__(self, wanted, threads):
        torch.set_num_threads(threads)
        self.device, self.step = torch.device(wanted.device), wanted.step
        torch.ones(1, device=self.device)  # sets up the device
        self.without_model = self._reset_peak()
        self.model = wanted.build().to(self.device).train(wanted.step)
        parameters = list(self.model.parameters())
        self.weight_bytes = sum(p.numel() * p.itemsize for p in parameters)
        self.warm = set()
        self.run_once(WARM_UP)

    def run(self, length):
        """A run; before the first on an accelerator, one that warms up."""
        if self.device.type != "cpu" and length not in self.warm:
            self.run_once(length)
            self.warm.add(length)
        return self.run_once(length)

    def run_once(self, length):
        """One run on noise."""
        samples = round(length * self.model.sample_rate)
        noise = torch.Generator().manual_seed(samples)
        sources = torch.randn(
            1, samples, self.model.num_spks, generator=noise
        ).to(self.device)
        mix = sources.sum(2)
        mics = getattr(self.model, "num_mics", 1)
        mix = mix if mics == 1 else mix.unsqueeze(2).repeat(1, 1, mics)
        self._reset_peak()
        start = time.perf_counter()
        if self.step:
            est = self.model(mix)
            loss = pit(pairwise_neg_si_snr, est.float(), sources)[0].mean()
            loss.backward()
        else:
            with torch.no_grad():
                self.model(mix)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - start
        peak = self._peak() - self.without_model
        self.model.zero_grad(set_to_none=True)
        return {
            "seconds": seconds,
            "peak_bytes": peak,
            "weight_bytes": self.weight_bytes,
        }

    def _reset_peak(self):
        """Forgets the peak; returns the bytes in use now."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            return torch.cuda.memory_allocated(self.device)
        try:
            # what has been freed goes back to the system, and would count else
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")
        except (AttributeError, OSError, TypeError):
            pass
        return _status("VmRSS")

    def _peak(self):
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return _status("VmHWM")


def _status(field):
    """Resident bytes of this process: now (VmRSS) or at most (VmHWM)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    values = dict(line.split(":", 1) for line in lines)
    return int(values[field].split()[0]) * 1024
