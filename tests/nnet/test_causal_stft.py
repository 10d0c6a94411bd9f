"""Frames that end where the signal does, and what they add up to."""

import pytest
import torch

from speechbrain_spmamba.nnet.causal_stft import CausalSTFT, window_pair

LENGTHS = [(64, 32, 64), (64, 16, 64), (256, 96, 128), (256, 64, 128)]
LENGTHS += [(256, 128, 128), (60, 7, 23), (8, 1, 1)]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_windows_leave_the_signal_as_it_is(lengths):
    n_fft, hop, synthesis = lengths
    stft, wave = CausalSTFT(*lengths), torch.randn(2, 40 * hop)
    again = stft.inverse(stft(wave))
    assert again.shape == wave.shape
    kept = 40 * hop - stft.delay
    torch.testing.assert_close(
        again[:, stft.delay :], wave[:, :kept], rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("lengths", LENGTHS)
def test_no_window_magnifies(lengths):
    """What a mask does wrong must not grow on its way out."""
    analysis, synthesis = window_pair(*lengths)
    assert 0 < analysis.min() and analysis.max() <= 1
    assert 0 <= synthesis.min() and synthesis.max() < 2.5


def test_a_long_window_tells_tones_apart_that_its_end_cannot():
    """Two tones, 100 Hz apart: 32 ms resolve them, 16 ms do not."""
    time = torch.arange(800) / 8000
    tones = sum(torch.sin(2 * torch.pi * f * time) for f in (1000.0, 1100.0))

    def dip(stft):
        """What lies between both, over the smaller peak."""
        power = stft(tones[None, : 8 * 96])[0, -1].abs()
        scale = stft.n_fft / 8000
        low, middle, high = (
            power[round(f * scale)] for f in (1000, 1050, 1100)
        )
        return middle / min(low, high)

    assert dip(CausalSTFT(256, 96, 128)) < 0.7 < dip(CausalSTFT(128, 96, 128))


def test_in_parts_it_is_the_same():
    stft, wave = CausalSTFT(64, 16, 40), torch.randn(1, 320)
    past = {}
    spectra = [stft(part, past) for part in wave.split(80, 1)]
    torch.testing.assert_close(torch.cat(spectra, 1), stft(wave))
    past = {}
    waves = [stft.inverse(part, past) for part in spectra]
    torch.testing.assert_close(torch.cat(waves, 1), stft.inverse(stft(wave)))
