"""Activity that is found beside that of the references."""

import numpy as np
import pytest
import torch

from speechbrain_spmamba.scoring.who_speaks import Speech, who_speaks
from tests.scoring.test_evaluate import RATE, spoken


def test_what_is_separated_well_is_found_as_it_is():
    src = torch.zeros(8 * RATE, 2)
    src[: 4 * RATE, 0] = spoken(4)
    src[3 * RATE : 7 * RATE, 1] = spoken(4)
    speech = who_speaks(src, src, RATE)
    assert speech.talkers == 2 and speech.true.shape == (250, 2)
    assert speech.wrong < 0.05
    assert set(speech.at_once[:80]) == {1} and set(speech.at_once[-30:]) == {0}


def test_an_output_without_its_talker_is_wrong_while_it_talks():
    src = torch.stack([spoken(4), spoken(4)], 1)
    speech = who_speaks(src * torch.tensor([1.0, 0.0]), src, RATE)
    assert speech.talkers == 1
    assert speech.wrong == pytest.approx(0.5, abs=0.05)


def test_frames_are_compared_source_by_source():
    true = np.array([[1, 0], [1, 1], [0, 0], [0, 0]], bool)
    found = np.array([[0, 1], [1, 1], [0, 0], [0, 0]], bool)
    speech = Speech(found, true, 2, 3)
    assert speech.wrong == 0.25
    assert speech.at_once.tolist() == [1, 2, 0, 0]
    assert speech.samples(true[:, 1]).tolist() == [0, 0, 0, 1, 1, 1] + [0] * 6


@pytest.mark.parametrize("samples", [1, 255])
def test_what_is_shorter_than_a_frame_is_one(samples):
    speech = who_speaks(torch.ones(samples, 2), torch.ones(samples, 2), RATE)
    assert speech.found.shape == speech.true.shape == (1, 2)
    assert len(speech.samples(speech.true[:, 0])) == samples
