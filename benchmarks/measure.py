"""Time and memory of calls that take turns, and a CSV to keep them.

Machines are shared and their clocks change: what is compared runs in turns
within one process, and medians and their ratio are quoted.
"""

import csv
import ctypes
import datetime
import os
import pathlib
import platform
import statistics
import sys
import time

import torch

import speechbrain_spmamba
from speechbrain_spmamba.files.writing import replacing

# Of a machine that is lent for a while, results are wanted elsewhere.
RESULTS = pathlib.Path(
    os.environ.get("BENCHMARK_RESULTS")
    or pathlib.Path(__file__).parent / "results"
)


def machine(device):
    """Name of what computes: the card, or the processor and its threads."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name} ({capability}), {torch.get_num_threads()} threads"


def in_turns(calls, runs, device="cpu", warm_up=1, clock=time.perf_counter):
    """Runs every call once a round.

    Arguments
    ---------
    calls : dict
        Name -> function without arguments.
    runs : int or dict
        Rounds, or rounds by name: slow calls may sit out the later ones.
    device : str
        "cpu" or "cuda".
    warm_up : int
        Rounds that do not count.
    clock : callable
        What tells the seconds, e.g. ``time.process_time``.

    Returns
    -------
    dict
        Name -> dict with `seconds` (list) and `megabytes`: the peak of the
        first call, above what was in use before it; of a GPU also
        `host_seconds` (list): until the call returned. What a GPU has no memory
        for is left out, and said.
    """
    found = {name: {"seconds": [], "megabytes": 0.0} for name in calls}
    rounds = {n: runs if isinstance(runs, int) else runs[n] for n in calls}
    for turn in range(-warm_up, max(rounds.values())):
        for name, call in calls.items():
            # what runs once has no warm-up
            first = 0 if rounds[name] == 1 else -warm_up
            if name not in found or not first <= turn < rounds[name]:
                continue
            if turn == first:
                before = _reset_peak(device)
            start = clock()
            try:
                call()
            except torch.OutOfMemoryError as error:
                print(f"# {name} left out: {str(error).partition('. ')[0]}")
                del found[name]
                continue
            host_seconds = seconds = clock() - start
            if device == "cuda":
                torch.cuda.synchronize()
                seconds = clock() - start
            if turn == first:
                peak = (_peak(device) - before) / 2**20
                found[name]["megabytes"] = peak
            if turn >= 0:
                found[name]["seconds"].append(seconds)
                if device == "cuda":
                    host = found[name].setdefault("host_seconds", [])
                    host.append(host_seconds)
    return found


def _reset_peak(device):
    """Forgets the peak; returns the bytes in use now."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    try:
        # what has been freed goes back to the system, and would count else
        ctypes.CDLL(None).malloc_trim(0)
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except (AttributeError, OSError):
        return _peak(device)
    return _status("VmRSS")


def _peak(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return _status("VmHWM")


def _status(field):
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def keep_counted(name, rows):
    """Writes rows that no machine has a part in, as ``results/<name>.csv``."""
    with replacing(RESULTS / f"{name}.csv") as path:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


class Table:
    """Rows of one benchmark: printed as they come, and kept in a CSV at once.

    Arguments
    ---------
    name : str
        Of the benchmark; the file is ``results/<name>_<device>.csv``.
    device : str
        "cpu" or "cuda".
    restricted : str
        The instructions that a processor was restricted to, if it was: part of
        the file's name.
    """

    columns = (
        "case variant seconds_median seconds_min host_seconds runs megabytes "
        "error times_faster machine isa torch version date command"
    ).split()

    def __init__(self, name, device, restricted=""):
        suffix = f"_{restricted}" if restricted else ""
        self.path = RESULTS / f"{name}_{device}{suffix}.csv"
        capability = torch.backends.cpu.get_cpu_capability().lower()
        self.shared = {
            "machine": machine(device),
            "isa": capability if device == "cpu" else "",
            "torch": torch.__version__,
            "version": speechbrain_spmamba.__version__,
            "date": datetime.date.today().isoformat(),
            "command": " ".join(["python", *_command()]),
        }
        print(f"# {self.shared['machine']}, torch {torch.__version__}")

    def add(self, case, found, reference, errors=None):
        """Adds what ``in_turns`` found; ratios are to the variant named.

        Where that was left out, they are to the first.
        """
        if not found:
            return
        base = found.get(reference) or next(iter(found.values()))
        base = statistics.median(base["seconds"])
        errors, rows = errors or {}, []
        for variant, values in found.items():
            median = statistics.median(values["seconds"])
            host = values.get("host_seconds")
            row = {
                "case": case,
                "variant": variant,
                "seconds_median": f"{median:.4g}",
                "seconds_min": f"{min(values['seconds']):.4g}",
                "host_seconds": f"{min(host):.4g}" if host else "",
                "runs": len(values["seconds"]),
                "megabytes": f"{values['megabytes']:.0f}",
                "error": f"{errors[variant]:.1e}" if variant in errors else "",
                "times_faster": f"{base / median:.2f}",
                **self.shared,
            }
            rows.append(row)
            error = f"error {row['error']}  " if row["error"] else ""
            print(
                f"{case:34} {variant:22} {median:9.4f} s "
                f"{row['megabytes']:>7} MB  {error}{row['times_faster']:>7} x",
                flush=True,
            )
        write_rows(self.path, self.columns, rows, ("machine", "case"))


def read_rows(path):
    """Rows of a CSV; none where it is not there."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path, columns, rows, of=("machine",)):
    """Keeps rows in a CSV, in the place of older ones of the same.

    Arguments
    ---------
    path : Path
        The CSV, which need not be there.
    columns : list of str
        Those of the rows.
    rows : list of dict
        What was measured.
    of : tuple of str
        The columns that say of what: where they are equal, an older row makes
        way. A machine's name has its threads and instructions.
    """
    old = read_rows(path)
    ours = {tuple(row[name] for name in of) for row in rows}
    others = [row for row in old if tuple(row[name] for name in of) not in ours]
    columns = dict.fromkeys([*columns, *(name for row in old for name in row)])
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows([*others, *rows])
    print(f"# written: {path.name}")


def _command():
    """The command line, from the repository's root."""
    script = pathlib.Path(sys.argv[0])
    return [f"benchmarks/{script.name}", *sys.argv[1:]]


def relative_error(found, expected):
    """Largest difference over the largest value."""
    difference = (found.double() - expected.double()).abs().max()
    return (difference / expected.double().abs().max()).item()
