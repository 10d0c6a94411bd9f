"""The command ``spmamba prepare``: a data set, or the data of an experiment.

    spmamba prepare SET OUT [--key value ...]    manifests (and audio) in OUT
    spmamba prepare SET --help                   what can be set
    spmamba prepare FILE.yaml [--key value ...]  what train.py would prepare
    spmamba prepare inspect DIR                  a look at prepared data

The options of a set are the arguments of its ``prepare`` function, their
values are read as YAML: ``--splits "{test: tt}"``.
"""

import inspect
from importlib import import_module

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.prepare.sets import SETS
from speechbrain_spmamba.prepare.sets.options import KINDS, check_numbers
from speechbrain_spmamba.settings.command_line import read_options
from speechbrain_spmamba.settings.value_types import check_values


def run(what, words):
    """Runs the command.

    Arguments
    ---------
    what : str
        A set, a YAML file, or ``inspect``.
    words : list of str
        What follows.

    Raises
    ------
    ValueError
        Anything that is not understood, and what preparation raises.
    """
    if what == "inspect":
        if len(words) != 1 or words[0].startswith("-"):
            raise ValueError("expected: spmamba prepare inspect DIR")
        scenes = "speechbrain_spmamba.prepare.scenes"
        import_module(f"{scenes}.inspect").inspect(words[0])
        return
    if what in SETS:
        if {"-h", "--help"} & set(words):
            print(describe(what))
            return
        manifests = prepare_set(what, words)
    elif what.lower().endswith((".yaml", ".yml")):
        from speechbrain_spmamba.settings.experiment import load_settings

        _, hparams, _, _ = load_settings([what, *words])
        manifests = hparams["prepare"]()
    else:
        hint = did_you_mean(what, [*SETS, "inspect"]) or "."
        raise ValueError(
            f"there is no data set {what}{hint} Expected a YAML file, inspect, "
            f"or one of {', '.join(SETS)}"
        )
    for split, path in manifests.items():
        print(f"{split}: {path}")
    if what in SETS:
        output_folder, given = parse_options(words, what)
        print(f"$data_root: {given.get('folder') or output_folder}")


def prepare_set(name, words):
    """Prepares a set as the command line says.

    Arguments
    ---------
    name : str
        One of ``SETS``.
    words : list of str
        ``OUT [--key value ...]``.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        An option that the set does not have, one without a value, or one
        that is missing.
    """
    output_folder, given = parse_options(words, name)
    known = options_of(name)
    for key in given:
        if key not in known:
            options = [f"--{option}" for option in known]
            hint = did_you_mean(f"--{key}", options) or ";"
            raise ValueError(
                f"{name} has no option --{key}{hint} It has "
                + ", ".join(options)
            )
    check_values("--", given, {**known, **KINDS}, whole=False)
    missing = [
        f"--{key}"
        for key, default in known.items()
        if default is inspect.Parameter.empty and key not in given
    ]
    if missing:
        raise ValueError(
            f"{name} needs {', '.join(missing)}; see `spmamba prepare {name} "
            "--help`"
        )
    check_numbers(given)
    fixed, prepare = SETS[name].fixed, SETS[name].functions[0]
    return prepare(output_folder=output_folder, **fixed, **given)


def options_of(name):
    """What can be set.

    Arguments
    ---------
    name : str
        One of ``SETS``.

    Returns
    -------
    dict
        Option -> default, ``inspect.Parameter.empty`` if it has none.

    Example
    -------
    >>> list(options_of("echoset"))
    ['folder', 'splits', 'sample_rate', 'jobs']
    """
    given = {"output_folder", *SETS[name].fixed}
    options = {}
    for function in SETS[name].functions:
        options |= {
            key: parameter.default
            for key, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD and key not in given
        }
        given |= {"speech_folder", "noise_folder"}  # which the first makes
    return options


def parse_options(words, name):
    """The output folder of ``OUT [--key value ...]``, and its options."""
    if not words or words[0].startswith("-"):
        raise ValueError(
            f"expected: spmamba prepare {name} OUT [--key value ...]; see "
            f"`spmamba prepare {name} --help`"
        )
    return words[0], read_options(words[1:])


def describe(name):
    """Text for ``--help``: what the function says of its arguments.

    Arguments
    ---------
    name : str
        One of ``SETS``.

    Returns
    -------
    str
        Usage, summary, options and their defaults.
    """
    lines = [f"usage: spmamba prepare {name} OUT [--key value ...]", ""]
    for function in SETS[name].functions:
        text = inspect.getdoc(function).partition("\nReturns\n")[0]
        lines += [text.strip(), ""]
    lines.append("Defaults\n--------")
    for key, default in options_of(name).items():
        needed = default is inspect.Parameter.empty
        lines.append(f"--{key} {'(needed)' if needed else default}")
    lines += ["", "OUT is the output folder."]
    lines += [f"{key} is {value}." for key, value in SETS[name].fixed.items()]
    return "\n".join(lines)
