"""Trains, tests and measures one system of a comparison.

What is finished is not done again, and what was interrupted goes on: the
training from its last checkpoint.
"""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from speechbrain_spmamba.comparison.logged_program import (
    locked_with_children,
    run_logged,
)
from speechbrain_spmamba.comparison.versions import versions
from speechbrain_spmamba.cost import complexity
from speechbrain_spmamba.files.checksums import file_sum
from speechbrain_spmamba.files.text import read_json
from speechbrain_spmamba.files.writing import write_json, write_text
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.settings.reading import resolved
from speechbrain_spmamba.training.checkpoint import AtomicCheckpointer
from speechbrain_spmamba.weights.model_folder import find_weights

SETS = ("train", "valid", "test")


@dataclass
class ComparedSystem:
    """A system of a comparison.

    Arguments
    ---------
    system : str
        Its name.
    folder : Path
        Where all of it goes.
    text : str
        Its experiment, as YAML.
    model : str, optional
        A model folder, which is tested and not trained.
    own : set of str
        Settings in which it may differ from the other systems.
    """

    system: str
    folder: Path
    text: str
    model: str | None = None
    own: frozenset = frozenset()

    @property
    def experiment(self):
        """File of the experiment."""
        return self.folder / "experiment.yaml"

    @property
    def weights(self):
        """Hash of the weights of the model folder, if there is one."""
        weights = self.model and find_weights(self.model)
        return weights and file_sum(weights)

    @property
    def data(self):
        """Size and hash of its sets, see ``describe_sets``."""
        return describe_sets(self.text)

    @property
    def finished(self):
        """What ``finished.json`` says, nothing if it is not there."""
        return read_noted(self.folder / "finished.json")


@dataclass
class Options:
    """How the systems are run.

    Arguments
    ---------
    train_program : Path
        The ``train.py`` of this project.
    run_options : list of str
        Run options of the toolkit for it.
    device : str, optional
        Where all runs; by default where the toolkit puts it.
    measure : bool
        Measure time and memory of each system, too.
    trust : bool
        Build what model folders say, whatever that is.
    """

    train_program: Path
    run_options: tuple = ()
    device: str | None = None
    measure: bool = True
    trust: bool = False


def run_system(entry: ComparedSystem, options: Options) -> None:
    """Trains, tests and measures a system, as far as it is not done.

    Arguments
    ---------
    entry : ComparedSystem
        The system.
    options : Options
        How to run it.

    Raises
    ------
    ValueError
        A program failed, or another comparison is at it.
    """
    with locked_with_children(entry.folder) as lock:
        if not entry.finished:
            write_text(entry.experiment, entry.text)
            commands = _commands(entry, options)
            for command in commands:
                run_logged(command, entry.folder / "log.txt", lock)
            path, data = entry.folder.parent / "data.json", entry.data
            if read_noted(path) not in ({}, data):
                raise ValueError(
                    f"its data are not those of {path}; delete {entry.folder}"
                )
            write_json(path, data)
            finished = {
                "commands": [_as_typed(command) for command in commands],
                "options": list(options.run_options),
                "weights": entry.weights,
                "minutes": training_minutes(entry.folder / "run" / "save"),
                "versions": versions(options.device),
            }
            write_json(entry.folder / "finished.json", finished)
        path = entry.folder / "complexity.json"
        costs = read_noted(path)
        if not costs or (options.measure and "rtf" not in costs):
            write_json(path, count_and_measure(entry.experiment, options))


def _commands(entry, options):
    """What has to be run for a system."""
    device = ["--device", options.device] if options.device else []
    if entry.model is None:
        return [
            [
                sys.executable, str(options.train_program),
                str(entry.experiment), *options.run_options, *device,
                "--noprogressbar",
            ]
        ]  # fmt: skip
    program = [sys.executable, "-m", "speechbrain_spmamba.cli"]
    test_set = resolved(entry.text)["test_set"]
    return [
        [*program, "prepare", str(entry.experiment)],
        [
            *program, "evaluate", str(entry.model), test_set["manifest"],
            "--data_root", test_set["data_root"], "--whole",
            "-o", str(entry.folder / "run" / "test"), *device,
            *(["--trust"] if options.trust else []),
        ],
    ]  # fmt: skip


def _as_typed(command):
    """A command as one would type it here."""
    here = f"{Path.cwd()}{os.sep}"
    typed = [word.removeprefix(here) for word in command[1:]]
    return shlex.join(["python", *typed])


def count_and_measure(experiment: Path, options: Options) -> dict:
    """Counts and, if wanted, measures a system.

    Arguments
    ---------
    experiment : Path
        Its YAML file.
    options : Options
        ``measure``, ``device`` and ``trust``.

    Returns
    -------
    dict
        See ``cost.complexity.count``; with ``rtf``, ``peak_bytes`` and
        ``device`` of the forward pass if measured.
    """
    model = complexity.load(experiment, trust=options.trust)
    found = complexity.count(model)
    if options.measure:
        device = options.device or "cpu"
        measured = complexity.measure(
            experiment, device=device, trust=options.trust
        )
        found |= {key: measured[key] for key in ("rtf", "peak_bytes")}
        found["device"] = device
    return found


def describe_sets(text: str) -> dict:
    """Size and hash of the sets of an experiment, as far as they are there.

    Arguments
    ---------
    text : str
        The experiment.

    Returns
    -------
    dict
        Set -> ``manifest``, ``items``, ``hours``, ``sha256``.
    """
    settings, found = resolved(text), {}
    for name in SETS:
        given = settings[f"{name}_set"]
        path = Path(given["manifest"])
        if not path.is_file():
            continue
        rows = read_manifest(path, given["data_root"], given.get("num_spks"))
        seconds = sum(float(row["duration"]) for row in rows.values())
        found[name] = {
            "manifest": path.name,
            "items": len(rows),
            "hours": round(seconds / 3600, 4),
            "sha256": hash_of(path),
        }
    return found


def training_minutes(save_folder: str | Path) -> float | None:
    """Minutes of training, validation not counted, of a finished run.

    Arguments
    ---------
    save_folder : str or Path
        Folder with its checkpoints.

    Returns
    -------
    float or None
        None without checkpoints.
    """
    last = next(AtomicCheckpointer(save_folder).sound_checkpoints(), None)
    return None if last is None else last.meta.get("minutes")


def hash_of(path):
    """SHA-256 of a file in hexadecimal digits, None if it is not there."""
    return file_sum(path) if path.is_file() else None


def read_noted(path):
    """What a JSON file holds, an empty dict if it is not there."""
    return read_json(path) if path.is_file() else {}
