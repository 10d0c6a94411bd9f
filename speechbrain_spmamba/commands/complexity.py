"""``spmamba complexity``: parameters, MACs, time and memory of models."""

from speechbrain_spmamba.commands.options import Output, Trust, Whole


def complexity(
    *models: str,
    seconds: float = 1.0,
    num_spks: Whole | None = None,
    measure: bool = False,
    lengths: str = "1,2,4",
    step_lengths: str = "1",
    repeats: Whole = 3,
    device: str = "cpu",
    note: str | None = None,
    output: Output | None = None,
    trust: Trust = False,
) -> None:
    """Count and measure what models cost.

    Arguments
    ---------
    models : str
        Names of systems, YAML files of experiments, model folders, or models
        of the package, see `spmamba models`; by default the eight systems of
        Table 1.
    seconds : float
        Of audio, for the MACs.
    num_spks : int, optional
        Sources to separate.
    measure : bool
        Time and memory too.
    lengths : str
        Seconds of audio of the forward pass that is measured: 1,2,4.
    step_lengths : str
        The same for the training step.
    repeats : int
        Runs, of which the median counts.
    device : str
        Where it is measured: cpu, cuda, cuda:1.
    note : str, optional
        Goes into the files, e.g. what else was running.
    output : str, optional
        Folder for complexity.json, .csv and .md.
    trust : bool
        See ``commands.options``.
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

    check_device(device)
    measured = {
        "forward": read_lengths(lengths, "--lengths"),
        "step": read_lengths(step_lengths, "--step_lengths"),
    }
    if repeats < 1:
        raise ValueError(f"--repeats is {repeats}; give at least 1")
    sources = list(dict.fromkeys(models or MODELS))
    report = {"about": about(device if measure else None, note), "models": {}}
    for source in tqdm(sources, desc="counting", disable=None):
        report["models"][source] = count_model(
            source, seconds, num_spks, trust=trust
        )
    text = finish(report, output)
    if measure:
        builders = {
            source: functools.partial(load, source, num_spks, trust)
            for source in sources
        }
        for kind, tried in measured.items():
            found = measure_models(
                builders, tried, device, kind == "step", repeats
            )
            for source in sources:
                report["models"][source][kind] = found[source]
            # What follows may take an hour, and be interrupted.
            text = finish(report, output)
    print(text)


def finish(report, folder=None):
    """The Markdown text; the files too, if there is a folder for them."""
    from speechbrain_spmamba.cost.complexity_report import (
        complexity_page,
        write_report,
    )

    return write_report(report, folder) if folder else complexity_page(report)


def read_lengths(text: str, option: str) -> tuple[float, ...]:
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


def about(device: str | None, note: str | None) -> dict:
    """What the figures are made with.

    Arguments
    ---------
    device : str or None
        Where something is measured.
    note : str or None
        The user's.

    Returns
    -------
    dict
        Date and versions; processors where something is measured.
    """
    import datetime
    import importlib.metadata

    from speechbrain_spmamba.comparison.versions import versions

    found = {"date": datetime.date.today().isoformat(), **versions(device)}
    if device is None:
        for key in ("cpu", "threads", "gpu"):
            found.pop(key, None)
    try:
        found["ptflops"] = importlib.metadata.version("ptflops")
    except importlib.metadata.PackageNotFoundError:
        found["ptflops"] = "not installed"
    return {**found, "note": note} if note else found
