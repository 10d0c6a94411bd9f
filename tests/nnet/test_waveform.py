"""Inputs are checked, levelled and measured the same way for all models."""

import pytest
import torch

from speechbrain_spmamba.nnet.waveform import (
    check_mixture,
    count_samples,
    level,
    take_mixture,
)


@pytest.mark.parametrize(
    "shape, mics, message",
    [
        ((3,), 1, r"shape \[3\]; expected \[B, T\]"),
        ((1, 3, 2), 1, r"expected \[B, T\]"),
        ((1, 3), 2, r"expected \[B, T, 2\]"),
        ((1, 0), 1, "at least one sample"),
    ],
)
def test_a_wrong_shape_is_named(shape, mics, message):
    with pytest.raises(ValueError, match=message):
        check_mixture(torch.zeros(shape), mics)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_item_that_is_not_finite_is_named(bad):
    mix = torch.zeros(3, 10)
    mix[2, 4] = bad
    with pytest.raises(ValueError, match="item 2 "):
        check_mixture(mix)


@pytest.mark.parametrize("relative", [0.0, 1.5, float("nan")])
def test_lengths_outside_the_batch_are_refused(relative):
    with pytest.raises(ValueError, match="relative lengths"):
        count_samples(torch.tensor([1.0, relative]), 100)


def test_relative_lengths_of_an_hour_are_exact():
    samples = 3600 * 48000
    for count in (samples - 1, samples // 3, 12345677):
        relative = torch.tensor([count / samples], dtype=torch.float64)
        assert count_samples(relative, samples).item() == count


def test_level_is_the_standard_deviation_of_the_valid_part():
    mix = torch.randn(2, 500, 1) + 0.3
    mix[1, 200:] = 0
    scale = level(mix, torch.tensor([500, 200]))
    torch.testing.assert_close(scale[0, 0, 0], mix[0].std())
    torch.testing.assert_close(scale[1, 0, 0], mix[1, :200].std())


@pytest.mark.parametrize("samples", [1, 7])
def test_a_constant_has_the_level_of_its_value(samples):
    scale = level(torch.full((1, samples, 1), -0.25))
    torch.testing.assert_close(scale.item(), 0.25)


def test_a_very_quiet_signal_keeps_its_level():
    mix = torch.randn(1, 1000, 1, dtype=torch.float64)
    quiet = (mix * 1e-30).float()
    assert level(quiet).item() == pytest.approx(1e-30 * mix.std().item(), 1e-4)


def test_only_silence_has_no_level():
    assert level(torch.zeros(1, 10, 1)).item() == 0


class Levelled(torch.nn.Module):
    """Checks, masks and levels: all that a model does first."""

    def forward(self, mix, lengths=None):
        mix, count, _ = take_mixture(self, mix, lengths, torch.float32)
        return mix / level(mix, count)


@pytest.mark.parametrize("ragged", [False, True])
def test_an_exported_program_takes_any_batch_and_checks_no_values(ragged):
    mix, lengths = torch.randn(2, 50), torch.tensor([1.0, 0.5])
    batch, samples = torch.export.Dim("batch"), torch.export.Dim("samples")
    shapes = {"mix": {0: batch, 1: samples}}
    if ragged:
        shapes["lengths"] = {0: batch}
    program = torch.export.export(
        Levelled().eval(),
        (mix, lengths) if ragged else (mix,),
        dynamic_shapes=shapes,
    ).module()
    mix = torch.randn(3, 1)
    inputs = (mix, torch.ones(3)) if ragged else (mix,)
    torch.testing.assert_close(program(*inputs), Levelled()(*inputs))
    assert program(mix * torch.nan, *inputs[1:]).isnan().all()
