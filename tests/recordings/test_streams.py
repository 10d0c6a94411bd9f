"""A stream is separated as its windows are, in the memory of a few."""

import numpy as np
import pytest

from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.recordings.streams import separate_blocks, windows
from tests.separating import noise


def _halves(mixes):
    return np.stack([0.75 * mixes, 0.25 * mixes], -1)


def _run(wave, separate=_halves, block=700, rates=(8000, 8000), **options):
    blocks = [wave[i : i + block] for i in range(0, len(wave), block)]
    options = SeparationOptions(**{"window": 1.0, "overlap": 0.25, **options})
    found = separate_blocks(separate, blocks, *rates, options)
    return np.concatenate(list(found))


@pytest.mark.parametrize("frames", [1, 7999, 8000, 8001, 14000, 14001, 50000])
@pytest.mark.parametrize("batch", [1, 3])
def test_windows_join_to_the_whole(frames, batch):
    wave = noise(frames)
    found = _run(wave, batch=batch)
    expected = wave[:, None] * np.array([0.75, 0.25], "float32")
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("block", [1, 100, 5000, 100_000])
def test_the_size_of_blocks_does_not_matter(block):
    wave = noise(15000)
    np.testing.assert_array_equal(_run(wave, block=block), _run(wave))


@pytest.mark.parametrize("frames", [5, 100, 101, 170, 171, 1000])
def test_windows_cover_all_and_none_is_short(frames):
    wave = np.arange(frames)[:, None]
    found = list(windows([wave[:60], wave[60:]], 100, 80))
    covered = np.zeros(frames, int)
    for start, piece in found:
        np.testing.assert_array_equal(
            piece[:, 0] - start, np.arange(len(piece))
        )
        covered[start : start + len(piece)] += 1
    assert covered.min() == 1
    assert {len(piece) for _, piece in found} == {min(100, frames)}


def test_a_short_stream_is_heard_as_a_whole():
    heard = []

    def separate(mixes):
        heard.append(mixes.shape)
        return _halves(mixes)

    _run(noise(7000), separate)
    assert heard == [(1, 7000)]


def test_windows_are_separated_together():
    heard = []

    def separate(mixes):
        heard.append(mixes.shape)
        return _halves(mixes)

    _run(noise(40000), separate, batch=4)
    assert heard == [(4, 8000), (3, 8000)]


@pytest.mark.parametrize("batch", [1, 2])
def test_what_is_read_ahead_does_not_grow_with_the_length(batch):
    read, ahead = 0, []

    def blocks():
        nonlocal read
        for number in range(400):
            read += 1000
            yield noise(1000, seed=number)

    given, options = 0, SeparationOptions(1.0, 0.25, batch)
    for block in separate_blocks(_halves, blocks(), 16000, 8000, options):
        given += len(block)
        ahead.append(read - given)
    assert given == 400_000
    # A window and a hop for each of the batch, in samples of 16 kHz.
    assert max(ahead) < 16000 * (1 + batch) + 2000


@pytest.mark.parametrize("rates", [(44100, 8000), (8000, 16000)])
@pytest.mark.parametrize("frames", [1, 9, 50001])
def test_length_survives_another_rate(rates, frames):
    assert _run(noise(frames), rates=rates).shape == (frames, 2)


def test_the_rate_of_the_model_can_be_kept():
    found = _run(noise(16001), rates=(16000, 8000), keep_rate=False)
    assert found.shape == (8001, 2)


@pytest.mark.parametrize("rates", [(8000, 8000), (44100, 8000)])
def test_sources_sum_to_the_mixture_if_asked(rates):
    def separate(mixes):
        return np.stack([0.5 * mixes, 0.0 * mixes], -1)

    wave = noise(50001)
    found = _run(wave, separate, rates=rates, mixture_consistent=True)
    np.testing.assert_allclose(found.sum(1), wave, atol=1e-6)
    if rates[0] == rates[1]:  # nothing of it goes to the silent source
        assert np.abs(found[:, 1]).max() == 0


def test_a_model_that_breaks_down_is_named():
    with pytest.raises(ValueError, match="the model gave NaN"):
        _run(noise(9000), lambda mixes: _halves(mixes) * np.nan)
