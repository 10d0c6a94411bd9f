"""The level of the last seconds."""

import torch

from speechbrain_spmamba.nnet.running_level import SECONDS, running_level


def reference(wave, hop, rate):
    """As it is defined: every hop looks back at all before it."""
    energy = wave.unflatten(1, (-1, hop)).double().square().mean((2, 3))
    found = []
    for t in range(energy.shape[1]):
        age = torch.arange(t, -1, -1, dtype=torch.double) * hop / rate
        weight = torch.exp(-age / SECONDS)
        mean = (energy[:, : t + 1] * weight).sum(1) / weight.sum()
        found.append(mean.sqrt())
    return torch.stack(found, 1)


def test_it_is_the_mean_that_its_definition_says():
    wave = torch.randn(2, 640, 2) * torch.linspace(0, 5, 640)[:, None]
    found = running_level(wave, 16, 8000)
    expected = reference(wave, 16, 8000)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


def test_in_parts_it_is_the_same():
    wave, past = torch.randn(1, 640, 1), {}
    parts = [running_level(part, 16, 8000, past) for part in wave.split(160, 1)]
    torch.testing.assert_close(
        torch.cat(parts, 1), running_level(wave, 16, 8000)
    )


def test_silence_has_no_level_until_something_is_heard():
    wave = torch.zeros(1, 64, 1)
    wave[:, 32:] = 0.5
    level = running_level(wave, 16, 8000)[0]
    assert level[:2].tolist() == [0, 0] and 0 < level[2] < 0.5


def test_a_sound_is_forgotten():
    loud = torch.full((1, 8000, 1), 100.0)
    quiet = torch.full((1, 40 * 8000, 1), 1.0)
    level = running_level(torch.cat([loud, quiet], 1), 80, 8000)[0]
    assert level[-1] < 1.01
