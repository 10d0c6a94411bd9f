"""Only what would come out the same is taken for done."""

import hashlib
from dataclasses import fields

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.commands.output_tags import (
    Earlier,
    digest_of_model,
    make_tag,
    whole_tag,
)
from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.recordings.segments import as_json

OPTIONS = SeparationOptions()


def _write(path, tag):
    """A voice with a tag, silent."""
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        file.comment = tag
        file.write(np.zeros(10))


@pytest.fixture
def outputs(tmp_path):
    """Two voices and a text of a recording, and the tag."""
    (tmp_path / "in.wav").write_bytes(b"samples")
    tag = make_tag(tmp_path / "in.wav", "model", OPTIONS)
    voices, text = [tmp_path / "a.wav", tmp_path / "b.flac"], tmp_path / "a.txt"
    for path in voices:
        _write(path, whole_tag(tag, 2, ["text"]))
    text.write_text("text")
    return voices, [text], tag


def _done(voices, texts, tag):
    """As a model of three outputs would find them."""
    voices = [*voices, voices[0].with_name("c.wav")]
    earlier = Earlier(voices, tag, texts)
    earlier.check_free(voices, texts)
    return earlier.done(voices, texts)


def test_what_was_made_the_same_way_is_done(outputs):
    voices, texts, tag = outputs
    assert _done(voices, texts, tag) == [*voices, *texts]
    assert _done(voices, [], tag) == voices


def test_a_missing_output_is_not_done(outputs):
    for path in (*outputs[1], *outputs[0]):
        path.unlink()
        assert not _done(*outputs)


def test_a_voice_too_many_is_not_done_and_removed(outputs):
    voices, texts, tag = outputs
    more = voices[0].with_name("c.wav")
    _write(more, whole_tag(tag, 3, []))
    assert not _done(*outputs)
    earlier = Earlier([*voices, more], tag, texts)
    assert earlier.clear([*voices, *texts]) == ([more], [])
    assert _done(*outputs)


def test_only_what_is_of_the_recording_is_removed(outputs):
    voices, texts, tag = outputs
    _write(voices[1], "by hand")
    earlier = Earlier(voices, tag, texts)
    texts[0].write_text("edited")
    earlier = Earlier(voices, tag, texts)
    assert earlier.clear([]) == (voices[:1], voices[1:])
    assert texts[0].exists() and voices[1].exists()


def test_earlier_versions_did_not_tell_how_many(outputs):
    """They wrote as many as the model has, or as were asked for."""
    voices, _, tag = outputs
    for path in voices:
        _write(path, tag)
    assert Earlier(voices, tag).done(voices) == voices
    assert not _done(voices, [], tag)  # of a model of three


def test_what_was_made_otherwise_is_out_of_date(outputs, tmp_path):
    other = make_tag(tmp_path / "in.wav", "other", OPTIONS)
    assert not _done(*outputs[:2], other)


def test_a_recording_that_has_changed_is_out_of_date(outputs, tmp_path):
    (tmp_path / "in.wav").write_bytes(b"Samples")
    changed = make_tag(tmp_path / "in.wav", "model", OPTIONS)
    assert not _done(*outputs[:2], changed)


def test_a_recording_that_has_moved_is_done(outputs, tmp_path):
    moved = (tmp_path / "in.wav").rename(tmp_path / "moved.wav")
    assert _done(*outputs[:2], make_tag(moved, "model", OPTIONS))


def test_outputs_of_another_recording_are_not_replaced(outputs, tmp_path):
    (tmp_path / "other.wav").write_bytes(b"Samples")
    other = make_tag(tmp_path / "other.wav", "model", OPTIONS)
    for tag in (other, ""):
        with pytest.raises(ValueError, match="a.wav exists and is not of this"):
            _done(*outputs[:2], tag)


def test_what_is_no_output_is_not_replaced(outputs):
    outputs[1][0].write_text("letter")
    with pytest.raises(ValueError, match="a.txt exists"):
        _done(*outputs)
    outputs[0][1].write_text("letter")
    with pytest.raises(ValueError, match="b.flac exists"):
        _done(*outputs)


@pytest.mark.parametrize("kind", ["folder", "large"])
def test_a_text_may_be_anything(outputs, kind):
    (text,) = outputs[1]
    text.unlink()
    if kind == "folder":
        text.mkdir()
    else:
        text.write_bytes(bytes(1 << 17))
    with pytest.raises(ValueError, match="a.txt exists and is not of this"):
        _done(*outputs)


def test_a_text_that_says_nothing_may_be_replaced_and_is_not_removed(outputs):
    voices, texts, tag = outputs
    for content in ("", as_json([], "a", 4.0, [])):
        texts[0].write_text(content)
        assert not _done(*outputs)
        Earlier(voices, tag, texts).clear(voices)
        assert texts[0].exists()


def test_without_a_tag_nothing_is_written_into_files():
    assert whole_tag("", 2, ["text"]) == ""


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
        "all_outputs": True,
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
            {"all_outputs": True},
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
