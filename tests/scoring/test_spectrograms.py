"""Spectrograms of recordings of any length fit into a figure."""

import matplotlib.image
import numpy as np
import pytest

from speechbrain_spmamba.scoring.spectrograms import (
    COLUMNS,
    draw_powers,
    draw_spectrograms,
    power_columns,
)
from tests.separating import noise


@pytest.mark.parametrize("size", [1, 100, 4096])
def test_blocks_of_any_size_give_the_same(size):
    wave = noise(9999)
    blocks = [wave[start : start + size] for start in range(0, 9999, size)]
    np.testing.assert_allclose(
        power_columns(blocks, 8000, 9999), power_columns([wave], 8000, 9999)
    )


def test_long_signals_have_no_more_columns_and_the_same_level():
    short = power_columns([noise(80_000)], 8000, 80_000)
    long = power_columns([noise(80_000)] * 60, 8000, 4_800_000)
    assert COLUMNS / 2 < long.shape[1] <= COLUMNS
    assert long.mean() == pytest.approx(short.mean(), rel=0.02)


@pytest.mark.parametrize("frames", [1, 100, 511, 512, 513])
def test_short_signals_have_a_spectrogram(frames):
    power = power_columns([np.ones(frames)], 8000, frames)
    assert power.shape == (257, frames // 128 + 1) and power.max() > 0


def test_a_burst_is_drawn_where_it_is():
    wave = np.zeros(80_000)
    wave[20_000:21_000] = noise(1000)
    power = power_columns([wave], 8000, 80_000).sum(0)
    assert power.argmax() / len(power) == pytest.approx(0.256, abs=0.01)


def test_silence_is_dark(tmp_path):
    path = tmp_path / "silence.png"
    draw_spectrograms(path, {"silence": np.zeros(4000)}, 8000)
    middle = matplotlib.image.imread(path)[90:110, 400:600, :3]
    assert (middle < 0.05).all()


def test_a_bar_shows_when(tmp_path):
    path, power = tmp_path / "bar.png", np.ones((3, 2))
    when = np.arange(10) < 5
    draw_powers(path, {"a": power}, 1.0, 8000, speaking={"a": when})
    image = matplotlib.image.imread(path)[..., :3]
    dark = np.abs(image - (8 / 255, 48 / 255, 107 / 255)).max(-1) < 0.02
    width = image.shape[1]
    assert dark[:, : width // 2].sum() > 1000
    assert not dark[:, 2 * width // 3 :].any()
