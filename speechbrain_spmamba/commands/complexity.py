"""``spmamba complexity``: parameters, MACs, time and memory of models."""

from speechbrain_spmamba.commands.trust import add_trust

HELP = "Count and measure what models cost."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="name of a model, YAML file of an experiment, or model folder; "
        "by default the eight systems of Table 1",
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of audio, for the MACs"
    )
    parser.add_argument("--num_spks", type=int, help="sources to separate")
    parser.add_argument(
        "--measure", action="store_true", help="time and memory too"
    )
    parser.add_argument(
        "--lengths",
        default="1,2,4",
        metavar="S,S,...",
        help="seconds of audio of the forward pass that is measured",
    )
    parser.add_argument(
        "--step_lengths",
        default="1",
        metavar="S,S,...",
        help="the same for the training step",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="runs, of which the median counts",
    )
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda, cuda:1; for --measure"
    )
    parser.add_argument(
        "--note", help="goes into the files, e.g. what else was running"
    )
    parser.add_argument(
        "-o", "--output", help="folder for complexity.json, .csv and .md"
    )
    add_trust(parser)


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    import functools

    from tqdm import tqdm

    from speechbrain_spmamba.cost.complexity import load
    from speechbrain_spmamba.cost.complexity_report import (
        count_model,
        measure_models,
    )
    from speechbrain_spmamba.models import MODELS
    from speechbrain_spmamba.settings.device import check_device

    check_device(arguments.device)
    lengths = {
        "forward": read_lengths(arguments.lengths, "--lengths"),
        "step": read_lengths(arguments.step_lengths, "--step_lengths"),
    }
    if arguments.repeats < 1:
        raise ValueError(f"--repeats is {arguments.repeats}; give at least 1")
    sources = list(dict.fromkeys(arguments.models or MODELS))
    trust = arguments.trust
    report = {"about": about(arguments), "models": {}}
    for source in tqdm(sources, desc="counting", disable=None):
        report["models"][source] = count_model(
            source, arguments.seconds, arguments.num_spks, trust=trust
        )
    text = finish(report, arguments.output)
    if arguments.measure:
        builders = {
            source: functools.partial(load, source, arguments.num_spks, trust)
            for source in sources
        }
        for kind in ("forward", "step"):
            found = measure_models(
                builders,
                lengths[kind],
                arguments.device,
                kind == "step",
                arguments.repeats,
            )
            for source in sources:
                report["models"][source][kind] = found[source]
            # What follows may take an hour, and be interrupted.
            text = finish(report, arguments.output)
    print(text)


def finish(report, folder=None):
    """The Markdown text; the files too, if there is a folder for them."""
    from speechbrain_spmamba.cost.complexity_report import (
        complexity_page,
        write_report,
    )

    return write_report(report, folder) if folder else complexity_page(report)


def read_lengths(text, option):
    """Reads lengths that are separated by commas.

    Arguments
    ---------
    text : str
        What was given.
    option : str
        The option, for the message.

    Returns
    -------
    tuple of float
        Seconds.

    Raises
    ------
    ValueError
        It holds something else.

    Example
    -------
    >>> read_lengths("1,2.5", "--lengths")
    (1.0, 2.5)
    """
    try:
        lengths = tuple(float(word) for word in text.split(","))
    except ValueError:
        lengths = ()
    if not lengths or min(lengths) <= 0:
        raise ValueError(
            f"{option} is '{text}'; give seconds separated by commas, for "
            "example 1,2,4"
        )
    return lengths


def about(arguments):
    """What the figures are made with.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.

    Returns
    -------
    dict
        Date and versions; processors where something is measured.
    """
    import datetime
    import importlib.metadata

    from speechbrain_spmamba.comparison.versions import versions

    found = {"date": datetime.date.today().isoformat()}
    found |= versions(arguments.device)
    if not arguments.measure:
        for key in ("cpu", "threads", "gpu"):
            found.pop(key, None)
    try:
        found["ptflops"] = importlib.metadata.version("ptflops")
    except importlib.metadata.PackageNotFoundError:
        found["ptflops"] = "not installed"
    if arguments.note:
        found["note"] = arguments.note
    return found
