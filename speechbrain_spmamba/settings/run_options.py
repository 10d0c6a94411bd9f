"""Run options of the toolkit, as the command line and the YAML file set them.

The toolkit lets each option of the command line win over the key of its name
in the YAML file. What more that means stands here: which of two that exclude
each other is meant, which does nothing by itself, and what a folder keeps.

From ``settings.experiment``; to the toolkit. Whether the values will do is
asked in ``training.run_options``.
"""

import os
from dataclasses import fields, replace
from pathlib import Path

from speechbrain.utils.logger import setup_logging
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import dump, load, plain

# Option -> the switch without which it does nothing.
NEEDS = {
    "debug_batches": "debug",
    "debug_epochs": "debug",
    "debug_persistently": "debug",
    "jit_module_keys": "jit",
    "compile_module_keys": "compile",
    "compile_mode": "compile",
    "compile_using_fullgraph": "compile",
    "compile_using_dynamic_shape_tracing": "compile",
    "profile_warmup": "profile_training",
    "profile_steps": "profile_training",
}
EXCLUDE = ("ckpt_interval_minutes", "ckpt_interval_steps")


def with_keys(run_opts: RunOptions, keys: dict) -> RunOptions:
    """Run options with what the YAML file sets and the command line does not.

    Arguments
    ---------
    run_opts : RunOptions
        Of the command line.
    keys : dict
        Those of the YAML file.

    Returns
    -------
    RunOptions
        What holds; what is noted as given on the command line stays.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> with_keys(RunOptions(), {"max_grad_norm": 1.0}).max_grad_norm
    1.0
    """
    names = {field.name for field in fields(run_opts)}
    free = names & set(keys) - run_opts.overridden_args
    return replace(run_opts, **{name: keys[name] for name in free})


def settle(run_opts: RunOptions, keys: dict) -> RunOptions:
    """Decides what the command line means beside the YAML file.

    Arguments
    ---------
    run_opts : RunOptions
        Of the command line.
    keys : dict
        Those of the YAML file.

    Returns
    -------
    RunOptions
        What holds. An interval of checkpoints replaces the other one.

    Raises
    ------
    ValueError
        An option without the switch that it belongs to.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> given = RunOptions.from_dictionary({"ckpt_interval_steps": 100})
    >>> settle(given, {"ckpt_interval_minutes": 15}).ckpt_interval_minutes
    0
    """
    given = set(run_opts.overridden_args)
    settled = with_keys(run_opts, keys)
    for option, switch in NEEDS.items():
        if option in given and not settled[switch]:
            raise ValueError(
                f"--{option} does nothing without --{switch}; give both, or "
                "none of them"
            )
    for one, other in (EXCLUDE, EXCLUDE[::-1]):
        if one in given and other not in given and settled[one] > 0:
            settled = replace(settled, **{other: 0})
            given.add(other)
    return replace(settled, overridden_args=given)


def as_keys(run_opts: RunOptions, keys: dict) -> str:
    """YAML text of the file's keys that options of the command line replace.

    Else the folder of a run would keep what it was not trained with.

    Arguments
    ---------
    run_opts : RunOptions
        From ``settle``.
    keys : dict
        Those of the YAML file.

    Returns
    -------
    str
        Lines of YAML, none where nothing is replaced.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> given = RunOptions.from_dictionary({"precision": "bf16", "debug": True})
    >>> as_keys(given, {"precision": "fp32"})
    'precision: bf16\\n'
    """
    replaced = [name for name in keys if name in run_opts.overridden_args]
    text = dump({name: run_opts[name] for name in replaced})
    return text if replaced else ""


def set_up_logging(path: str | Path) -> None:
    """Logs as a file of the user's says, from now on.

    The toolkit does so once a run has a folder, and without a word as if
    there were no file where there is none.

    Arguments
    ---------
    path : str or Path
        YAML of what ``logging.config.dictConfig`` takes. The messages of its
        handler ``file_handler`` go to the ``log.txt`` of the run, once there
        is one; until then, nowhere.

    Raises
    ------
    ValueError
        It is no such file.
    """
    example = "the toolkit's speechbrain/log-config.yaml is an example"
    if not Path(path).is_file():
        raise ValueError(f"log_config {path} does not exist; {example}")
    try:
        config = plain(load(read_text(path)))
        if "class" not in config["handlers"]["file_handler"]:
            raise ValueError("file_handler has no class")
        nowhere = {"handlers": {"file_handler": {"filename": os.devnull}}}
        setup_logging(path, nowhere)
    except (KeyError, TypeError):
        raise ValueError(
            f"log_config {path} has no handlers with a file_handler, whose "
            f"file is the log of the run; {example}"
        ) from None
    except (ValueError, ImportError, AttributeError) as error:
        what = ": ".join(str(e) for e in (error, error.__cause__) if e)
        raise ValueError(
            f"log_config {path} cannot be used ({what}); {example}"
        ) from error
