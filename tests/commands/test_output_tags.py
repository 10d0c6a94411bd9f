"""Only what would come out the same is taken for done."""

import hashlib
from dataclasses import fields

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.commands.output_tags import (
    digest_of_model,
    is_done,
    make_tag,
)
from speechbrain_spmamba.recordings.options import SeparationOptions

OPTIONS = SeparationOptions()


@pytest.fixture
def outputs(tmp_path):
    """Two files with the tag of a recording, and the tag."""
    (tmp_path / "in.wav").write_bytes(b"samples")
    tag = make_tag(tmp_path / "in.wav", "model", OPTIONS)
    paths = [tmp_path / "a.wav", tmp_path / "b.flac"]
    for path in paths:
        with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
            file.comment = tag
            file.write(np.zeros(10))
    return paths, tag


def test_what_was_made_the_same_way_is_done(outputs):
    assert is_done(*outputs)


def test_a_missing_output_is_not_done(outputs):
    outputs[0][1].unlink()
    assert not is_done(*outputs)


def test_what_was_made_otherwise_is_out_of_date(outputs, tmp_path):
    assert not is_done(
        outputs[0], make_tag(tmp_path / "in.wav", "other", OPTIONS)
    )


def test_a_recording_that_has_changed_is_out_of_date(outputs, tmp_path):
    (tmp_path / "in.wav").write_bytes(b"Samples")
    assert not is_done(
        outputs[0], make_tag(tmp_path / "in.wav", "model", OPTIONS)
    )


def test_a_recording_that_has_moved_is_done(outputs, tmp_path):
    moved = (tmp_path / "in.wav").rename(tmp_path / "moved.wav")
    assert is_done(outputs[0], make_tag(moved, "model", OPTIONS))


def test_outputs_of_another_recording_are_not_replaced(outputs, tmp_path):
    (tmp_path / "other.wav").write_bytes(b"Samples")
    other = make_tag(tmp_path / "other.wav", "model", OPTIONS)
    for tag in (other, ""):
        with pytest.raises(ValueError, match="a.wav exists and is not of this"):
            is_done(outputs[0], tag)


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


def _made(tmp_path, **options):
    """The last digest of a tag: what the outputs are made by."""
    (tmp_path / "a.wav").write_bytes(b"samples")
    options = SeparationOptions(**options)
    return make_tag(tmp_path / "a.wav", "model", options).split()[-1]


def test_every_option_but_the_batch_makes_other_outputs(tmp_path):
    others = {
        "window": 5.0,
        "overlap": 1.0,
        "batch": 3,
        "mixture_consistent": True,
        "channel": 1,
        "keep_rate": False,
        "format": "flac",
        "subtype": "PCM_16",
        "speakers": 1,
        "embedding": "user/encoder",
    }
    assert set(others) == {field.name for field in fields(SeparationOptions)}
    default = _made(tmp_path)
    same = {
        k for k, v in others.items() if _made(tmp_path, **{k: v}) == default
    }
    assert same == {"batch"}


@pytest.mark.parametrize(
    "options, written",
    [
        (
            {},
            "('model', 'wav', None, True, None, "
            "(('mixture_consistent', False),))",
        ),
        (
            {"format": "flac", "speakers": 1, "window": 4.0, "channel": 2},
            "('model', 'flac', None, True, 1, (('channel', 2), "
            "('mixture_consistent', False), ('window', 4.0)))",
        ),
    ],
)
def test_outputs_of_earlier_versions_are_done(tmp_path, options, written):
    digest = hashlib.sha256(written.encode()).hexdigest()
    assert _made(tmp_path, **options) == digest[:16]
