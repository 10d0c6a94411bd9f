"""DPRNN: what is its own."""

import pytest
import torch

from speechbrain_spmamba.models.dprnn import DPRNN
from speechbrain_spmamba.nnet.chunks import PairedChunks, SlidingChunks


def test_a_variant_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="variant is 'p', expected sonicsim"):
        DPRNN(variant="p")
    with pytest.raises(ValueError, match="mask_act is 'tanh', expected sigm"):
        DPRNN(mask_act="tanh")


def test_chunks_too_short_to_overlap_are_an_error():
    with pytest.raises(ValueError, match="chunk_size is 1; give at least two"):
        DPRNN(chunk_size=1)


@pytest.mark.parametrize("chunks", [PairedChunks, SlidingChunks])
@pytest.mark.parametrize("size", [2, 6])
def test_every_frame_lies_in_two_chunks(chunks, size):
    chunks = chunks(size)
    for frames in range(1, 15):
        x = torch.randn(2, frames, 3)
        cut = chunks.split(x)
        assert cut.shape == (2, chunks.count(frames), size, 3)
        torch.testing.assert_close(chunks.join(cut, frames), 2 * x)
