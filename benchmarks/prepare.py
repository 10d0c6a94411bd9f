"""Speed of data preparation: 60 s scenes of the paper protocol.

    OMP_NUM_THREADS=1 python benchmarks/prepare.py [--speech FOLDER ...]

Without corpora, small ones are made up first: LibriSpeech-shaped FLAC, WHAM!
noise, and DnR at 44.1 kHz, which is resampled. A scene has two readers,
effects twice, music, noise and five impulse responses; mixture, two
references and noise are written as float32. Times real time is seconds of
scene over seconds of work: `wall` on the clock, `cpu` on the processor, which
is what counts on a machine that others use, too. The last line is the speed of
two jobs over that of one, in turns.
"""

import argparse
import datetime
import json
import multiprocessing
import pathlib
import statistics
import tempfile
import time
from functools import partial

from measure import RESULTS, in_turns, machine, write_rows

import speechbrain_spmamba
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora
from speechbrain_spmamba.prepare.scenes.plans import plan_mixture, write_mixture
from speechbrain_spmamba.prepare.scenes.pools import make_pools
from speechbrain_spmamba.prepare.scenes.scene import SceneLaw

CORPORA = {
    "readers": (6, 0, 0),
    "utterances_per_reader": (6, 0, 0),
    "utterance_seconds": (5, 16),
    "noise_files": (8, 0, 0),
    "noise_seconds": (4, 20),
    "dnr_items": (3, 0, 0),
    "dnr_seconds": (60, 60),
}
PAPER = 4080  # mixtures of the paper's data set
SETTINGS = {
    "seed": 0,
    "sample_rate": 16000,
    "reference": "reverberant",
    "format": "wav",
    "subtype": "FLOAT",
    "stems": False,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for corpus in ("speech", "noise", "music", "effects", "dnr"):
        parser.add_argument(f"--{corpus}", help=f"folder of {corpus}")
    parser.add_argument("--split", default="train")
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(pathlib.Path(folder), arguments)


def measure(folder, arguments):
    """Plans, then renders in one process, then in one and two in turns."""
    pools, corpora = find_pools(folder, arguments)
    law, rows = SceneLaw(), []
    plan = partial(plan_mixture, pools, law, None, "train")
    seconds, _ = timed(
        lambda: [plan(number, SETTINGS) for number in range(PAPER)]
    )
    rows.append({"case": f"plan {PAPER} scenes", "wall_seconds": seconds})
    print(f"{PAPER} scenes planned in {seconds:.1f} s", flush=True)

    plans = [json.loads(plan(n, SETTINGS)) for n in range(arguments.scenes)]
    work = partial(write_mixture, folder / "mixtures", {})  # paths as they are
    processor = []

    def alone():
        _, cpu = timed(lambda: workers.run(work, plans, 1))
        processor.append(cpu)

    calls = {"jobs=1": alone, "jobs=2": lambda: workers.run(work, plans, 2)}
    found = in_turns(calls, arguments.rounds)
    total = law.seconds * len(plans)
    for name, values in found.items():
        wall = statistics.median(values["seconds"])
        cpu = statistics.median(processor) if name == "jobs=1" else None
        rows.append(row(name, wall, cpu, total, values["megabytes"]))
    ratio = rows[1]["wall_seconds"] / rows[2]["wall_seconds"]
    rows[2]["times_one_job"] = ratio
    # What jobs in other processes take is not seen from here.
    rows[2]["megabytes"] = None
    write(rows, corpora, arguments)
    print(f"two jobs are {ratio:.2f} times as fast as one")


def find_pools(folder, arguments):
    """The corpora that were named, or made-up ones; and what to call them."""
    folders = {
        f"{corpus}_folder": getattr(arguments, corpus)
        for corpus in ("speech", "noise", "music", "effects", "dnr")
    }
    split = arguments.split
    if folders["speech_folder"]:
        splits = {split: {"speech": [split]}}
        return make_pools(splits, **folders)[split], "named corpora"
    # In a process of its own: memory that was used and freed is faster than
    # fresh memory, which would favour the one job that stays in this process.
    maker = multiprocessing.get_context("spawn").Process(
        target=make_corpora, args=(folder / "corpora",), kwargs=CORPORA
    )
    maker.start()
    maker.join()
    splits = {"train": {"speech": ["train-clean-100"]}}
    folders = {
        "speech_folder": folder / "corpora" / "LibriSpeech",
        "noise_folder": folder / "corpora" / "wham_noise",
        "dnr_folder": folder / "corpora" / "dnr_v2",
    }
    return make_pools(splits, **folders)["train"], "made-up corpora"


def timed(call):
    """Seconds on the clock and on the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def row(case, wall, cpu, total, megabytes):
    """One line of results, printed and kept."""
    found = {
        "case": case,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "times_real_time_wall": total / wall,
        "times_real_time_cpu": total / cpu if cpu else None,
        "megabytes": megabytes,
    }
    shown = {k: f"{v:.4g}" for k, v in found.items() if isinstance(v, float)}
    print(f"{case:16}", *(f"{k} {v}" for k, v in shown.items()), flush=True)
    return found


def write(rows, name, arguments):
    """Keeps the results as CSV."""
    columns = (
        "case wall_seconds cpu_seconds times_real_time_wall "
        "times_real_time_cpu megabytes times_one_job scenes corpora machine "
        "version date"
    ).split()
    shared = {
        "scenes": arguments.scenes,
        "corpora": name,
        "machine": machine("cpu"),
        "version": speechbrain_spmamba.__version__,
        "date": datetime.date.today().isoformat(),
    }
    path = RESULTS / "prepare_cpu.csv"
    shown = [
        {
            key: f"{value:.4g}" if isinstance(value, float) else value
            for key, value in values.items()
        }
        for values in rows
    ]
    write_rows(path, columns, [{**values, **shared} for values in shown])


if __name__ == "__main__":
    main()
