"""Run options that the toolkit would not do what they say with are refused."""

import pytest
import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.training.run_options import check_run_options


class Doubled(torch.nn.Module):
    """What TorchScript takes."""

    def forward(self, mix):
        return 2 * mix


class Odd(Doubled):
    """What it does not take."""

    def forward(self, mix, *lengths):
        return 2 * mix


MODULES = {"separator": Doubled(), "other": Odd()}


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("max_grad_norm", -1.0, "give a number above 0, or .inf for no clip"),
        ("max_grad_norm", 0, "give a number above 0, or .inf for no clipping"),
        ("max_grad_norm", float("nan"), "give a number above 0, or .inf"),
        ("max_grad_norm", None, "give a number above 0, or .inf"),
        ("debug_batches", 0, "give a whole number from 1"),
        ("optimizer_step_limit", 0, "give a whole number from 1, or none"),
        ("nonfinite_patience", -1, "give a whole number from 0"),
        ("profile_warmup", -1, "give a whole number from 0"),
        ("profile_steps", 0, "give a whole number from 1"),
        ("compile_mode", "fast", "give one of default, reduce-overhead, max-"),
        ("precision", "bf61", "give one of fp32, fp16, bf16"),
        ("eval_precision", "bf61", "give one of fp32, fp16, bf16"),
        ("distributed_backend", "tcp", "give one of nccl, gloo, mpi"),
        ("data_parallel_backend", True, "`torchrun --nproc_per_node=N"),
        *(
            ("grad_accumulation_factor", factor, "give a whole number from 1")
            for factor in (0, -1, 1.5, "2", None)
        ),
    ],
)
def test_a_value_that_is_none_is_named(option, value, words):
    with pytest.raises(ValueError) as error:
        check_run_options(RunOptions(**{option: value}), MODULES)
    assert str(error.value).startswith(f"{option} is {value}; ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"precision": "fp16"}, r"float16 \(fp16\) is for GPUs"),
        ({"eval_precision": "fp16"}, r"float16 \(fp16\) is for GPUs"),
        ({"auto_mix_prec": True}, r"float16 \(fp16\) is for GPUs"),
        (
            {"ckpt_interval_minutes": 2, "ckpt_interval_steps": 3},
            "minutes is 2 and ckpt_interval_steps is 3; give one of them",
        ),
        (
            {"compile": True, "compile_module_keys": ["separators"]},
            "keys names separators; .* separator, other; did you mean 'separa",
        ),
        (
            {"jit": True, "jit_module_keys": ["masker"]},
            "jit_module_keys names masker; modules of the settings are separ",
        ),
        ({"jit": True}, r"--jit: TorchScript does not take other, a Odd \("),
    ],
)
def test_what_cannot_be_had_together_or_here_is_named(options, words):
    with pytest.raises(ValueError, match=words) as error:
        check_run_options(RunOptions(device="cpu", **options), MODULES)
    assert "\n" not in str(error.value)


def test_what_can_be_had_passes():
    for options in (
        {},
        {"max_grad_norm": float("inf")},
        {"device": "cuda", "precision": "fp16"},
        {"jit": True, "jit_module_keys": ["separator"]},
        {"compile": True, "compile_mode": "max-autotune"},
        # Of what is not asked for, nothing is looked at.
        {"jit_module_keys": ["none"], "compile_module_keys": ["none"]},
    ):
        check_run_options(RunOptions(**{"device": "cpu", **options}), MODULES)
