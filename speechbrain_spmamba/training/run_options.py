"""Run options of the toolkit, looked at before a run begins.

The toolkit takes whatever it is given, and says what is wrong with it once the
data have been prepared and read, or never: with a negative ``max_grad_norm`` it
climbs, with an unknown ``compile_mode`` it does not compile. What each option
does is in ``docs/run_options.md``.

From ``settings`` and ``training.brain``; to torch.
"""

import torch
from speechbrain.utils.distributed import infer_device
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.errors import did_you_mean


def _whole(least):
    return (
        f"a whole number from {least}",
        lambda value: isinstance(value, int) and value >= least,
    )


def _one_of(*words):
    return "one of " + ", ".join(words), lambda value: value in words


# Option -> what it must be, in words and as a test.
RULES = {
    "debug_batches": _whole(1),
    "distributed_backend": _one_of("nccl", "gloo", "mpi"),
    "data_parallel_backend": (
        "False: `torchrun --nproc_per_node=N train.py ...` trains on N GPUs",
        lambda value: not value,
    ),
    "compile_mode": _one_of(
        "default",
        "reduce-overhead",
        "max-autotune",
        "max-autotune-no-cudagraphs",
    ),
    "precision": _one_of("fp32", "fp16", "bf16"),
    "eval_precision": _one_of("fp32", "fp16", "bf16"),
    # With a negative one the toolkit would climb, and with none stay.
    "max_grad_norm": (
        "a number above 0, or .inf for no clipping",
        lambda value: isinstance(value, (int, float)) and value > 0,
    ),
    "nonfinite_patience": _whole(0),
    "grad_accumulation_factor": _whole(1),
    "optimizer_step_limit": (
        "a whole number from 1, or none",
        lambda value: value is None or isinstance(value, int) and value > 0,
    ),
    "profile_warmup": _whole(0),
    "profile_steps": _whole(1),
}


def check_run_options(options: RunOptions | dict, modules: dict) -> None:
    """Says no to what the toolkit would stumble over, or not do at all.

    Arguments
    ---------
    options : RunOptions or dict
        Values of all run options, see ``speechbrain.utils.run_opts``.
    modules : dict
        Name -> ``torch.nn.Module``: what is trained.

    Raises
    ------
    ValueError
        A value that is none of the option, options that exclude each other, a
        precision that the device does not have, or a module that is not there
        or that TorchScript does not take.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> check_run_options(RunOptions(device="cpu"), {})
    >>> check_run_options(RunOptions(max_grad_norm=-1.0), {})
    Traceback (most recent call last):
        ...
    ValueError: max_grad_norm is -1.0; give a number above 0, or .inf ...
    """
    for option, (expected, fits) in RULES.items():
        if not fits(options[option]):
            raise ValueError(f"{option} is {options[option]}; give {expected}")
    minutes, steps = "ckpt_interval_minutes", "ckpt_interval_steps"
    if options[minutes] > 0 and options[steps] > 0:
        raise ValueError(
            f"{minutes} is {options[minutes]} and {steps} is {options[steps]}; "
            "give one of them"
        )
    halves = [options["precision"], options["eval_precision"]]
    if "fp16" in halves or options["auto_mix_prec"]:
        if str(options["device"] or infer_device()).startswith("cpu"):
            raise ValueError(
                "float16 (fp16) is for GPUs and training is on the CPU; give "
                "--precision bf16, or fp32"
            )
    for switch in ("compile", "jit"):
        if options[switch]:
            _check_keys(options, switch, modules)
    if options["jit"]:
        _check_script(options["jit_module_keys"], modules)


def _check_keys(options, switch, modules):
    """Says no to modules that there are not."""
    key = f"{switch}_module_keys"
    for name in options[key] or []:
        if name not in modules:
            raise ValueError(
                f"{key} names {name}; modules of the settings are "
                f"{', '.join(modules)}{did_you_mean(name, modules)}"
            )


def _check_script(names, modules):
    """Says no to modules that TorchScript does not take: most it does not."""
    for name in modules if names is None else names:
        try:
            torch.jit.script(modules[name])
        except Exception as error:  # of many types
            kind = type(modules[name]).__name__
            reason = " ".join(str(error).split())[:120]
            raise ValueError(
                f"--jit: TorchScript does not take {name}, a {kind} "
                f"({reason}); give --compile, or neither"
            ) from None
