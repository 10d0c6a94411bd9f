"""The STFT is torch's, also where a padded item ends early."""

import pytest
import torch

from speechbrain_spmamba.nnet.stft import STFT


@pytest.mark.parametrize("samples", [33, 64, 200, 201, 255])
def test_spectrum_is_that_of_torch(samples):
    wave = torch.randn(2, samples, dtype=torch.float64)
    expected = torch.stft(
        wave,
        64,
        16,
        window=torch.hann_window(64, dtype=torch.float64),
        return_complex=True,
    )
    torch.testing.assert_close(
        STFT(64, 16)(wave), expected.transpose(1, 2), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("samples", [33, 64, 200, 201, 255])
@pytest.mark.parametrize("hop", [16, 21, 32])
def test_inverse_restores_every_sample(samples, hop):
    stft = STFT(64, hop)
    wave = torch.randn(2, samples)
    back = stft.inverse(stft(wave), samples)
    torch.testing.assert_close(back, wave, rtol=0, atol=2e-5)


def test_inverse_of_an_altered_spectrum_is_that_of_torch():
    spectrum = torch.randn(2, 10, 33, dtype=torch.complex128)
    expected = torch.istft(
        spectrum.transpose(1, 2),
        64,
        16,
        window=torch.hann_window(64, dtype=torch.float64),
        length=150,
    )
    back = STFT(64, 16).inverse(spectrum, 150)
    torch.testing.assert_close(back, expected, rtol=1e-6, atol=1e-6)


def test_an_item_has_the_spectrum_it_would_have_alone():
    stft = STFT(64, 16)
    wave = torch.randn(2, 300)
    count = torch.tensor([300, 170])
    both = stft(wave, count)
    alone = stft(wave[1:, :170])
    torch.testing.assert_close(both[1:, : alone.shape[1]], alone)
    torch.testing.assert_close(both[:1], stft(wave[:1]))
    back = stft.inverse(both, 300, stft.num_frames(count))
    torch.testing.assert_close(back[1, :170], wave[1, :170], rtol=0, atol=2e-5)


def test_a_wave_too_short_for_its_edges_is_padded_to_a_window():
    stft, wave = STFT(64, 16), torch.zeros(2, 300)
    wave[0], wave[1, :32] = torch.randn(300), torch.randn(32)
    expected = stft(wave[1:, :64])
    assert stft(wave[1:, :32]).equal(expected)
    count = torch.tensor([300, 32])
    assert stft.num_frames(count).tolist() == [19, 5]
    torch.testing.assert_close(stft(wave, count)[1:, :5], expected)
    assert stft(wave[:, :32], count[1:].expand(2))[1:].equal(expected)


def test_a_hop_that_would_lose_samples_is_refused():
    with pytest.raises(ValueError, match="hop_length is 33"):
        STFT(64, 33)
