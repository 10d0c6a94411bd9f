"""``spmamba prepare``: a data set, or the data of an experiment.

    spmamba prepare SET OUT [--key value ...]    manifests (and audio) in OUT
    spmamba prepare SET --help                   what can be set
    spmamba prepare FILE.yaml [--key value ...]  what train.py would prepare
    spmamba prepare inspect DIR                  a look at prepared data

The options of a set are the arguments of its ``prepare`` function, their
values are read as YAML: ``--splits "{test: tt}"``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from docstring_parser import parse

from speechbrain_spmamba.commands.app import new_app, run
from speechbrain_spmamba.commands.options import Further
from speechbrain_spmamba.errors import did_you_mean

if TYPE_CHECKING:
    from cyclopts import App


def prepare(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True)],
) -> Any:
    """Make mixtures and their manifests.

    Arguments
    ---------
    arguments : str
        SET OUT --key value ..., see `spmamba prepare SET --help`; FILE.yaml
        --key value ..., which prepares what train.py would; inspect DIR.
    """
    from speechbrain_spmamba.prepare.sets import SETS

    argv = list(arguments) or ["--help"]
    sets = argv[:1] if argv[0] in SETS else list(SETS)
    return run(prepare_app(sets), argv)


def prepare_app(sets: list[str]) -> App:
    """The program ``spmamba prepare``.

    Arguments
    ---------
    sets : list of str
        The data sets that it knows.

    Returns
    -------
    cyclopts.App
        A command for each of them, inspect, and for an experiment none.
    """
    # Sets may have an option --version.
    app = new_app("spmamba prepare", version_flags=())
    for name in sets:
        app.command(_set_command(name), name=name)
    app.command(look, name="inspect")
    app.default(experiment)
    return app


def experiment(what: str, /, *, further: Further = ()) -> None:
    """Make mixtures and their manifests: a data set's or an experiment's.

    Arguments
    ---------
    what : str
        A data set, inspect, or an experiment: its YAML file, or its name in
        the package. Its keys are further options.
    further : list of str
        Keys of the experiment, and run options of the toolkit.
    """
    from speechbrain_spmamba.prepare.sets import SETS
    from speechbrain_spmamba.settings.experiment import load_settings
    from speechbrain_spmamba.settings.experiments import find_experiment

    if not what.lower().endswith((".yaml", ".yml")):
        hint = did_you_mean(what, [*SETS, "inspect"]) or "."
        raise ValueError(
            f"there is no data set {what}{hint} Expected a YAML file, inspect, "
            f"or one of {', '.join(SETS)}"
        )
    _, hparams, _, _ = load_settings([find_experiment(what), *further])
    _print_manifests(hparams["prepare"]())


def look(folder: str, /) -> None:
    """Look at prepared scenes: figures in numbers, and one drawing.

    Arguments
    ---------
    folder : str
        The folder that was prepared.
    """
    from speechbrain_spmamba.prepare.scenes.inspect import inspect

    inspect(folder)


def _set_command(name):
    """A function with the options of a data set."""
    from speechbrain_spmamba.prepare.sets import SETS
    from speechbrain_spmamba.prepare.sets.options import EXAMPLES, check_numbers
    from speechbrain_spmamba.settings.value_types import check_values

    row = SETS[name]
    text, options = _parameters(row)
    known = {option.name: option.default for option in options}

    def prepare(output_folder, **given):
        check_values("--", given, {**known, **EXAMPLES}, whole=False)
        check_numbers(given)
        _print_manifests(
            row.functions[0](output_folder=output_folder, **row.fixed, **given)
        )
        print(f"$data_root: {given.get('folder') or output_folder}")

    prepare.__doc__ = text
    prepare.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                "out",
                inspect.Parameter.POSITIONAL_ONLY,
                annotation=Annotated[str, Parameter(help="Output folder.")],
            ),
            *options,
        ]
    )
    return prepare


def _parameters(row):
    """What a data set says of itself, and its options, explained."""
    given, options, text = {"output_folder", *row.fixed}, [], []
    for function in row.functions:
        said = parse(inspect.getdoc(function))
        text += filter(None, [said.short_description, said.long_description])
        helps = {
            key: entry.description
            for entry in said.params
            for key in entry.arg_name.split(", ")
        }
        for key, parameter in inspect.signature(function).parameters.items():
            if key in given or parameter.kind is parameter.VAR_KEYWORD:
                continue
            yaml = Parameter(
                converter=_from_yaml,
                n_tokens=1,
                allow_leading_hyphen=True,
                help=helps.get(key),
            )
            options.append(
                parameter.replace(
                    kind=parameter.KEYWORD_ONLY, annotation=Annotated[Any, yaml]
                )
            )
        given |= {"speech_folder", "noise_folder"}  # which the first makes
    text += [f"{key} is {value}." for key, value in row.fixed.items()]
    return "\n\n".join(text), options


def _from_yaml(_, tokens):
    from speechbrain_spmamba.files.yaml_text import plain
    from speechbrain_spmamba.settings.command_line import read_value

    return plain(read_value(tokens[0].keyword[2:], tokens[0].value))


def _print_manifests(manifests):
    for split, path in manifests.items():
        print(f"{split}: {path}")
