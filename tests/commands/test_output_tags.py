"""Only what would come out the same is taken for done."""

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.commands.output_tags import (
    digest_of_model,
    is_done,
    make_mark,
)


@pytest.fixture
def outputs(tmp_path):
    """Two files with the mark of a recording, and the mark."""
    (tmp_path / "in.wav").write_bytes(b"samples")
    mark = make_mark(tmp_path / "in.wav", "model", 10.0)
    paths = [tmp_path / "a.wav", tmp_path / "b.flac"]
    for path in paths:
        with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
            file.comment = mark
            file.write(np.zeros(10))
    return paths, mark


def test_what_was_made_the_same_way_is_done(outputs):
    assert is_done(*outputs)


def test_a_missing_output_is_not_done(outputs):
    outputs[0][1].unlink()
    assert not is_done(*outputs)


def test_what_was_made_otherwise_is_out_of_date(outputs, tmp_path):
    assert not is_done(outputs[0], make_mark(tmp_path / "in.wav", "other"))


def test_a_recording_that_has_changed_is_out_of_date(outputs, tmp_path):
    (tmp_path / "in.wav").write_bytes(b"Samples")
    assert not is_done(
        outputs[0], make_mark(tmp_path / "in.wav", "model", 10.0)
    )


def test_a_recording_that_has_moved_is_done(outputs, tmp_path):
    moved = (tmp_path / "in.wav").rename(tmp_path / "moved.wav")
    assert is_done(outputs[0], make_mark(moved, "model", 10.0))


def test_outputs_of_another_recording_are_not_replaced(outputs, tmp_path):
    (tmp_path / "other.wav").write_bytes(b"Samples")
    other = make_mark(tmp_path / "other.wav", "model", 10.0)
    for mark in (other, None):
        with pytest.raises(ValueError, match="a.wav exists and is not of this"):
            is_done(outputs[0], mark)


def test_what_is_no_output_is_not_replaced(outputs):
    outputs[0][1].write_text("letter")
    with pytest.raises(ValueError, match="b.flac exists"):
        is_done(*outputs)


def test_one_weight_changes_the_digest_of_a_model():
    model = torch.nn.Linear(3, 3)
    before = digest_of_model(model)
    assert digest_of_model(model) == before
    with torch.no_grad():
        model.weight[1, 1] += 1e-6
    assert digest_of_model(model) != before
