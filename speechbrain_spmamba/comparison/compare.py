"""Trains and tests systems on the same data with the same budget.

    experiment -> one experiment a system -> train.py, one after the other
    -> costs -> report

OUT/comparison.json            budget, commands, what failed
OUT/data.json                  the sets: items, hours, hash of the manifest
OUT/<system>/experiment.yaml   `python train.py` runs it by itself
OUT/<system>/run/              what train.py writes
OUT/<system>/log.txt           what it prints
OUT/<system>/finished.json     trained and tested; not done again
OUT/<system>/complexity.json   parameters, MACs, memory, speed
OUT/report.md ...              see ``results.py``
"""

import shlex
import traceback
from collections.abc import Sequence
from pathlib import Path

from speechbrain_spmamba.comparison.chosen_systems import (
    choose_systems,
)
from speechbrain_spmamba.comparison.experiment_text import (
    experiment_text,
    split_settings,
)
from speechbrain_spmamba.comparison.model_block import loaded_block, model_block
from speechbrain_spmamba.comparison.one_system import (
    ComparedSystem,
    Options,
    read_noted,
    run_system,
)
from speechbrain_spmamba.errors import last_line
from speechbrain_spmamba.files.names import file_name, shown
from speechbrain_spmamba.files.own_code import keep_own_code
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import write_json
from speechbrain_spmamba.files.yaml_text import load, plain
from speechbrain_spmamba.settings.changes import differences
from speechbrain_spmamba.settings.experiments import experiments_folder
from speechbrain_spmamba.settings.reading import read_experiment
from speechbrain_spmamba.weights.training_run import check_no_run

SMOKE_EXPERIMENT, SMOKE_EPOCHS = "hparams/tiny.yaml", 3
# Where two systems of one comparison may differ.
OWN = {"name", "memory", "separator"}


def compare(
    experiment: str | Path | None,
    output_folder: str | Path,
    systems: list[str] | dict | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    smoke: bool = False,
    loaded: dict | None = None,
    further: Sequence[str] = (),
    train_program: str | Path | None = None,
    device: str | None = None,
    measure: bool = True,
    command: str = "",
    trust: bool = False,
) -> dict:
    """Runs a comparison as far as it is not done.

    Arguments
    ---------
    experiment : str or Path, optional
        YAML file of an experiment: data, loaders and training.
    output_folder : str or Path
        The folder of the comparison.
    systems : list of str or dict, optional
        Systems to train, see ``choose_systems``; by default the paper's.
    epochs : int, optional
        Epochs of each; by default those of the experiment.
    minutes : float, optional
        Minutes of training of each instead.
    smoke : bool
        Take systems of small size and few epochs.
    loaded : dict, optional
        System -> model folder that is tested and not trained.
    further : list of str
        ``--key value`` for the experiment, and run options of the toolkit.
    train_program : str or Path, optional
        A ``train.py`` in place of the package's.
    device : str, optional
        Where all runs.
    measure : bool
        Measure time and memory of each system.
    command : str
        What was typed, for the report.
    trust : bool
        Build what the model folders of ``loaded`` say, whatever that is.

    Returns
    -------
    dict
        System -> why it failed.

    Raises
    ------
    ValueError
        Something in the arguments, or the folder holds something else.
    """
    train_program = find_train_program(train_program)
    if experiment is None:
        if not smoke:
            raise ValueError("no experiment is given; give a YAML file")
        experiment = train_program.parent / SMOKE_EXPERIMENT
    for name, value in (("epochs", epochs), ("minutes", minutes)):
        if value is not None and value <= 0:
            raise ValueError(f"--{name} is {value}; give more than 0")
    if smoke and not minutes:
        epochs = epochs or SMOKE_EPOCHS
    budget = {"epochs": epochs, "minutes": minutes}
    folder = Path(output_folder)
    check_no_run(folder)
    entries, options = plan(
        experiment, folder, systems, budget, smoke, loaded or {}, further, trust
    )
    check_unchanged(entries, folder, options)
    sizes = "small" if smoke else "published"
    sizes = "own" if isinstance(systems, dict) else sizes
    _note(folder, entries, budget, smoke, sizes, command)
    options = Options(train_program, tuple(options), device, measure, trust)
    failures = {}
    for index, entry in enumerate(entries, 1):
        state = "finished before" if entry.finished else "running"
        print(
            f"{entry.system} ({index} of {len(entries)}): {state}, "
            f"log in {entry.folder / 'log.txt'}",
            flush=True,
        )
        try:
            keep_own_code(experiment, entry.folder, entry.text)
            run_system(entry, options)
            _print_score(entry)
        # Whatever is wrong with one system, hours of others must not wait.
        except Exception as error:
            failures[entry.system] = last_line(error)
            with open(entry.folder / "log.txt", "a", encoding="utf-8") as log:
                traceback.print_exception(error, file=log)
            print(f"{entry.system} failed: {last_line(error)}", flush=True)
    about = read_noted(folder / "comparison.json")
    tried = {entry.system for entry in entries}
    old = {k: v for k, v in about["failures"].items() if k not in tried}
    write_json(
        folder / "comparison.json", {**about, "failures": {**old, **failures}}
    )
    return failures


def plan(
    experiment: str | Path,
    output_folder: str | Path,
    systems: list[str] | dict | None,
    budget: dict,
    smoke: bool,
    loaded: dict,
    further: Sequence[str],
    trust: bool = False,
) -> tuple[list[ComparedSystem], list[str]]:
    """Writes down what a comparison consists of; touches no file.

    Arguments
    ---------
    experiment, output_folder, systems, smoke, loaded, further, trust
        See ``compare``.
    budget : dict
        ``epochs`` or ``minutes``; else the epochs of the experiment.

    Returns
    -------
    list of ComparedSystem
        The systems.
    list of str
        The run options.

    Raises
    ------
    ValueError
        An experiment, a system or a setting that is not there.
    """
    path, folder = Path(experiment), Path(output_folder)
    text = read_experiment(path)
    settings, options = split_settings(list(further), path, text)
    settings["patience"] = 0  # all get the same
    if budget.get("epochs"):
        settings["max_epochs"] = budget["epochs"]
    if budget.get("minutes"):
        settings["max_epochs"] = 10**6
        settings["epoch_counter"] = {"max_minutes": budget["minutes"]}
    settings["output_folder"] = f'!ref "{folder.as_posix()}/<name>/run"'
    chosen = choose_systems(systems)
    have_rates = any(system.lr for system in chosen.values())
    may_differ = frozenset(OWN | ({"lr"} if have_rates else set()))
    chosen |= dict.fromkeys(loaded)
    entries = []
    for name, system in chosen.items():
        if file_name(name) != name:
            raise ValueError(
                f"the system '{shown(name)}' gets a folder of its name in "
                f"{folder}; give a name that a folder can have"
            )
        model = loaded.get(name)
        own = {k: v for k, v in settings.items() if k not in OWN}
        if model:
            block, made_of = loaded_block(model, trust), f"the model in {model}"
        else:
            block = model_block(system.system, smoke, system.separator)
            size = "small" if smoke else "published"
            size = "its own" if system.separator else size
            made_of = f"{system.system}, {size} size"
            own |= {} if system.lr is None else {"lr": system.lr}
        if "memory:" in block and "memory" in settings:
            own["memory"] = settings["memory"]
        file = folder / name / "experiment.yaml"
        first_lines = (
            f"# python train.py {shlex.join([file.as_posix(), *options])}\n#\n"
            f"# Made by `spmamba compare` of {path.as_posix()}: {made_of}.\n"
        )
        entry_text = experiment_text(
            text, block, {**own, "name": name}, first_lines
        )
        entries.append(
            ComparedSystem(name, folder / name, entry_text, model, may_differ)
        )
    return entries, options


def check_unchanged(
    entries: list[ComparedSystem],
    output_folder: str | Path,
    options: Sequence[str] = (),
) -> None:
    """Makes sure that what is in the folder belongs to this comparison.

    Arguments
    ---------
    entries, options : list of ComparedSystem, list of str
        See ``plan``.
    output_folder : str or Path
        See ``compare``.

    Raises
    ------
    ValueError
        Something there was made with other settings, run options, data or
        weights.
    """
    output_folder = Path(output_folder)
    there = {
        path: plain(load(read_text(path)))
        for path in sorted(output_folder.glob("*/experiment.yaml"))
    }
    for entry in entries:
        new = plain(load(entry.text))
        for path, old in there.items():
            ignored = () if path == entry.experiment else entry.own
            found = differences(
                {k: v for k, v in old.items() if k not in ignored},
                {k: v for k, v in new.items() if k not in ignored},
            )
            if found:
                raise ValueError(
                    f"{path.parent} was made with {'; '.join(found[:3])}; give "
                    f"the same settings, choose another folder, or delete "
                    f"{path.parent}"
                )
        done = entry.finished
        if not done:
            continue
        used = done.get("options", [])
        if used != list(options):
            raise ValueError(
                f"{entry.folder} was made with the run options "
                f"{shlex.join(used) or '(none)'}, now "
                f"{shlex.join(options) or '(none)'}; choose another folder, or "
                f"delete {entry.folder}"
            )
        if done["weights"] != entry.weights:
            raise ValueError(
                f"{entry.folder} was made with other weights than those of "
                f"{entry.model or 'a training'}; delete it to have it again"
            )
    data, now = read_noted(output_folder / "data.json"), entries[0].data
    if data and now != {name: data.get(name) for name in now}:
        raise ValueError(
            f"the manifests of {output_folder} have changed since its first "
            "system; choose another folder, or bring the data back"
        )


def find_train_program(path: str | Path | None = None) -> Path:
    """The ``train.py`` that trains each system.

    Arguments
    ---------
    path : str or Path, optional
        Where it is, if not that of the package.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        It is not there.
    """
    if path is None:
        path = experiments_folder() / "train.py"
    if not Path(path).is_file():
        raise ValueError(
            f"{path} does not exist; give the train.py of a checkout of this "
            "project with --train_program"
        )
    return Path(path)


def _print_score(entry):
    """Says what came out, in one line."""
    summary = read_noted(entry.folder / "run" / "test" / "summary.json")
    gain = summary.get("si_snri", {}).get("mean")
    if gain is not None:
        print(f"{entry.system}: SI-SNRi {gain:.2f} dB", flush=True)


def _note(folder, entries, budget, smoke, sizes, command):
    """Writes down what this comparison is and how it was called."""
    about = read_noted(folder / "comparison.json")
    systems = [entry.system for entry in entries]
    write_json(
        folder / "comparison.json",
        {
            "systems": list(
                dict.fromkeys([*about.get("systems", []), *systems])
            ),
            "budget": {k: v for k, v in budget.items() if v},
            "smoke": smoke,
            "sizes": sizes,
            "commands": [*about.get("commands", []), command],
            "failures": about.get("failures", {}),
        },
    )
