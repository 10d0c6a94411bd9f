"""``spmamba compare``: systems on the same data with the same budget."""

import shlex
import sys

from speechbrain_spmamba.commands.trust import add_trust

HELP = "Train and test systems alike, and write tables and figures."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "experiment", nargs="?", help="YAML file of an experiment"
    )
    parser.add_argument("output", metavar="OUT", help="folder; made if needed")
    parser.add_argument(
        "--systems", metavar="A,B,...", help="by default the eight of the paper"
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--epochs", type=int, metavar="N", help="of each")
    budget.add_argument(
        "--minutes", type=float, metavar="M", help="of training, of each"
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="small sizes, few epochs, made-up speech: does each one learn?",
    )
    parser.add_argument(
        "--load",
        action="append",
        default=[],
        metavar="SYSTEM=FOLDER",
        help="test this model folder instead of training",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--no_measure",
        action="store_true",
        help="leave memory and speed out",
    )
    parser.add_argument(
        "--train_program",
        metavar="FILE",
        help="train.py, if it is not beside the package",
    )
    parser.add_argument(
        "--report_only",
        action="store_true",
        help="write the report of what is in OUT, run nothing",
    )
    add_trust(parser)
    parser.epilog = (
        "Further options, --key value, are keys of the experiment or run "
        "options of the toolkit."
    )
    parser.set_defaults(further=[])


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options; ``further`` are those of the experiment.

    Returns
    -------
    int
        1 if a system failed or, with ``--smoke``, did not learn; else 0.
    """
    if arguments.output.endswith((".yaml", ".yml")):
        raise ValueError(
            f"OUT is {arguments.output}; expected: spmamba compare "
            "EXPERIMENT.yaml OUT [options]"
        )
    failures = {} if arguments.report_only else _compare(arguments)
    from speechbrain_spmamba.comparison.results import write_report

    report = write_report(arguments.output)
    print(f"report: {report['path']}")
    idle = [
        name
        for name, system in report["systems"].items()
        if report["smoke"] and system["learned"] is False
    ]
    for name in idle:
        print(f"{name} did not learn")
    return int(bool(failures or report["failures"] or idle))


def _compare(arguments):
    """Runs what has to be run."""
    from speechbrain_spmamba.comparison.compare import compare
    from speechbrain_spmamba.settings.device import check_device

    check_device(arguments.device)
    loaded = {}
    for text in arguments.load:
        system, equals, folder = text.partition("=")
        if not (system and equals and folder):
            raise ValueError(f"--load {text}: expected SYSTEM=FOLDER")
        loaded[system] = folder
    systems = arguments.systems and arguments.systems.split(",")
    return compare(
        arguments.experiment,
        arguments.output,
        systems=systems,
        epochs=arguments.epochs,
        minutes=arguments.minutes,
        smoke=arguments.smoke,
        loaded=loaded,
        words=arguments.further,
        train_program=arguments.train_program,
        device=arguments.device,
        measure=not arguments.no_measure,
        command=shlex.join(["spmamba", *sys.argv[1:]]),
        trust=arguments.trust,
    )
