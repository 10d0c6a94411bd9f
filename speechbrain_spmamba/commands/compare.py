"""``spmamba compare``: systems on the same data with the same budget."""

import shlex
import sys
from typing import Annotated

from cyclopts import Parameter

from speechbrain_spmamba.commands.options import Device, Further, Trust, Whole


def compare(
    experiment: str,
    output: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    systems: str | None = None,
    epochs: Whole | None = None,
    minutes: float | None = None,
    smoke: bool = False,
    load: list[str] | None = None,
    device: Device = None,
    no_measure: bool = False,
    train_program: str | None = None,
    report_only: bool = False,
    trust: Trust = False,
    further: Further = (),
) -> int:
    """Train and test systems alike, and write tables and figures.

    Further options, --key value, are keys of the experiment or run options of
    the toolkit.

    Arguments
    ---------
    experiment : str
        YAML file of an experiment, or its name in the package; may be left
        out with --smoke and --report_only.
    output : str
        Folder; made if needed.
    systems : str, optional
        Names with commas between them; by default the eight of the paper. Or a
        YAML file: of each, separator (arguments that give its size) and lr.
    epochs : int, optional
        Of each.
    minutes : float, optional
        Of training, of each; in place of epochs.
    smoke : bool
        Small sizes, few epochs, made-up speech: does each one learn?
    load : list of str, optional
        SYSTEM=FOLDER: test this model folder, or model of the package,
        instead of training.
    device, trust
        See ``commands.options``.
    no_measure : bool
        Leave memory and speed out.
    train_program : str, optional
        A train.py of your own in place of the package's.
    report_only : bool
        Write the report of what is in the folder, run nothing.
    further : list of str
        Options of the experiment.

    Returns
    -------
    int
        1 if a system failed or, with ``--smoke``, did not learn; else 0.
    """
    if output is None or output[:1] == "-":
        # OUT alone, then what no option takes.
        further = [*filter(None, [output]), *further]
        folder, experiment = experiment, ""
    else:
        folder = output
    if folder.endswith((".yaml", ".yml")):
        raise ValueError(
            f"OUT is {folder}; expected: spmamba compare EXPERIMENT.yaml OUT "
            "[options]"
        )
    if epochs is not None and minutes is not None:
        raise ValueError("--epochs and --minutes were given; give one of them")
    failures = {}
    if not report_only:
        from speechbrain_spmamba.comparison.chosen_systems import read_systems
        from speechbrain_spmamba.comparison.compare import compare
        from speechbrain_spmamba.settings.device import check_device
        from speechbrain_spmamba.settings.experiments import find_experiment

        check_device(device)
        if systems and systems.endswith((".yaml", ".yml")):
            chosen = read_systems(systems)
        else:
            chosen = systems.split(",") if systems else None
        failures = compare(
            find_experiment(experiment) if experiment else None,
            folder,
            systems=chosen,
            epochs=epochs,
            minutes=minutes,
            smoke=smoke,
            loaded=dict(map(_system_and_folder, load or ())),
            further=further,
            train_program=train_program,
            device=device,
            measure=not no_measure,
            command=shlex.join(["spmamba", *sys.argv[1:]]),
            trust=trust,
        )
    from speechbrain_spmamba.comparison.results import write_report

    report = write_report(folder)
    print(f"report: {report['path']}")
    idle = [
        name
        for name, system in report["systems"].items()
        if report["smoke"] and system["learned"] is False
    ]
    for name in idle:
        print(f"{name} did not learn")
    return int(bool(failures or report["failures"] or idle))


def _system_and_folder(text):
    system, equals, folder = text.partition("=")
    if not (system and equals and folder):
        raise ValueError(f"--load {text}: expected SYSTEM=FOLDER")
    return system, folder
