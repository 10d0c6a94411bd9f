"""A talker who was silent for minutes comes back to the same stream."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from speechbrain_spmamba.recordings.profiles import (
    LIKE_ANYONE,
    Profile,
    profiles,
)
from speechbrain_spmamba.recordings.stitch import Stitcher, stitch
from speechbrain_spmamba.recordings.streams import windows
from speechbrain_spmamba.recordings.voice_embedding import Voice, VoiceEmbedding
from tests.separating import noise, parts_model, talker

RATE = 8000
PACES = (3.0, 5.0)  # Hz: what the talkers differ in


class Pace:
    """Stands for a speaker encoder: how fast loudness goes up and down."""

    def __init__(self, rate=16000):
        self.audio_normalizer = SimpleNamespace(sample_rate=rate)
        self.heard = []  # what it was given

    def encode_batch(self, wavs):
        self.heard.append(wavs)
        time = torch.arange(wavs.shape[1]) / self.audio_normalizer.sample_rate
        loud = wavs.abs() - wavs.abs().mean()
        turns = torch.outer(2 * torch.pi * torch.tensor(PACES), time)
        found = torch.polar(torch.ones_like(turns), turns) @ loud[0].cfloat()
        return found.abs()[None, None]


def _says(who, seconds, seed):
    """Noise of one spectrum and level, whoever it is, in the pace of one."""
    time = np.arange(int(seconds * RATE)) / RATE
    pace = 1 + 0.9 * np.sin(2 * np.pi * PACES[who] * time)
    return noise(len(time), seed=seed) * pace.astype("float32")


def _conversation(away):
    """One, then the other, then the first again, with silences, ``[T, 2]``.

    The first window after the silence has one talker alone, and nobody in what
    it shares with the one before.
    """
    src = np.zeros(((away + 60) * RATE, 2), "float32")
    back = away + 26.5  # in windows of 10 s every 8 s, if away is 8 n
    for who, start, end in ((0, 0, 20), (1, 20, back - 3.5), (0, back, None)):
        part = src[int(start * RATE) : end and int(end * RATE), who]
        part[:] = _says(who, len(part) / RATE + 1, int(start))[: len(part)]
    return src


def _shuffled(src, seed, leak=0.01):
    """Windows of a model that gives its outputs in any order."""
    rng = np.random.default_rng(seed)
    for start, piece in windows([src], 10 * RATE, 8 * RATE):
        est = piece + leak * piece[:, ::-1] + noise(len(piece), 2, 1e-4, start)
        yield start, est[:, rng.permutation(2)]


def _on(streams, src):
    """The stream that has most of a part of a talker."""
    return int(np.abs(streams.T @ src).argmax())


def _streams(windows_of, voices):
    stitcher = Stitcher(2 * RATE, RATE, voices=voices)
    return np.concatenate(list(stitch(windows_of, stitcher)))


def _comes_back(voices, seed, away=120):
    src = _conversation(away)
    streams = _streams(_shuffled(src, seed), voices)
    first, last = slice(0, 20 * RATE), slice((away + 30) * RATE, None)
    return _on(streams[first], src[first, 0]) == _on(
        streams[last], src[last, 0]
    )


def test_only_an_embedding_tells_voices_of_one_profile_after_minutes():
    assert all(
        _comes_back(VoiceEmbedding(Pace()).voices, seed) for seed in range(6)
    )
    assert not all(_comes_back(profiles, seed) for seed in range(6))


def test_what_has_no_embedding_is_compared_by_its_profile():
    waves = np.stack([talker(n, 0.9) for n in range(2)], 1)
    encoder = Pace()
    before = VoiceEmbedding(encoder).voices(waves, RATE)
    plain = profiles(waves, RATE)
    assert not encoder.heard  # less than a second is worth none
    for voice, profile in zip(before, plain, strict=True):
        wanted = [profile.distance(other) for other in plain]
        assert [voice.distance(other) for other in before] == wanted
    known = Voice(Profile(), np.ones(2), 60.0)
    assert known.distance(Voice(Profile())) == LIKE_ANYONE


def test_where_a_model_changes_its_outputs_an_embedding_changes_them_back():
    one = _says(0, 60, 0)
    src = np.stack([one, 0 * one], 1)
    pieces = []
    for start, piece in windows([src], 10 * RATE, 8 * RATE):
        if start == 24 * RATE:  # all that it shares with the next one
            piece = np.concatenate([piece[: 8 * RATE], piece[8 * RATE :, ::-1]])
        if start > 24 * RATE:
            piece = piece[:, ::-1]
        pieces.append((start, piece + noise(len(piece), 2, 1e-4, start)))
    late = slice(50 * RATE, None)
    plain = _streams(pieces, profiles)
    assert _on(plain[late], one[late]) == 1
    found = _streams(pieces, VoiceEmbedding(Pace()).voices)
    assert _on(found[late], one[late]) == 0


def test_an_embedding_is_of_what_is_loud_and_loudest():
    encoder = Pace()
    waves = np.zeros((10 * RATE, 2), "float32")
    waves[: 4 * RATE, 0] = _says(0, 4, 0)
    waves[4 * RATE : 7 * RATE, 1] = _says(1, 3, 1)
    leaking = waves + 0.3 * waves[:, ::-1] + noise(len(waves), 2, 1e-4)
    one, other = VoiceEmbedding(encoder).voices(leaking, RATE)
    assert one.seconds == pytest.approx(4, abs=0.3)
    assert other.seconds == pytest.approx(3, abs=0.3)
    assert [wave.shape for wave in encoder.heard] == [
        (1, round(voice.seconds * 16000)) for voice in (one, other)
    ]
    # At one level and at the encoder's rate, whoever it is.
    for wave in encoder.heard:
        assert wave.square().mean().sqrt() == pytest.approx(0.056, rel=0.01)
    assert one.distance(one) < LIKE_ANYONE < one.distance(other)


def test_noise_in_a_long_pause_is_no_voice():
    embedding = VoiceEmbedding(Pace())
    talk = np.stack([_says(0, 10, 0), noise(10 * RATE, level=1e-3)], 1)
    assert embedding.voices(talk, RATE)[0].seconds > 9
    pause = noise(10 * RATE, 2, 1e-3)
    assert [v.seconds for v in embedding.voices(pause, RATE)] == [0, 0]


def test_a_voice_is_not_forgotten_in_an_hour():
    one, other = np.eye(2)
    stream = Voice(Profile(), one, 60.0)
    for _ in range(450):
        stream.merge(Voice(Profile()))
    assert stream.seconds == 60.0
    back = stream.distance(Voice(Profile(), one, 8.0))
    assert back < 0 < stream.distance(Voice(Profile(), other, 8.0))
    # What was heard longer counts more.
    stream.merge(Voice(Profile(), other, 30.0))
    assert stream.distance(Voice(Profile(), one, 8.0)) < LIKE_ANYONE


def test_an_embedding_of_little_speech_is_believed_little():
    one, other = np.eye(2)
    stream = Voice(Profile(), one, 60.0)
    distances = [
        stream.distance(Voice(Profile(), other, seconds))
        for seconds in (1.0, 4.0, 40.0)
    ]
    assert LIKE_ANYONE < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_said(value):
    class Broken(Pace):
        def encode_batch(self, wavs):
            return torch.full((1, 1, 4), value)

    with pytest.raises(ValueError, match="encoder gave NaN or infinite"):
        VoiceEmbedding(Broken()).voices(noise(2 * RATE, 2), RATE)


def test_silence_and_what_is_shorter_than_a_frame_have_no_embedding():
    embedding = VoiceEmbedding(Pace())
    for waves in (np.zeros((4 * RATE, 2), "float32"), noise(100, 2)):
        assert [v.seconds for v in embedding.voices(waves, RATE)] == [0, 0]


def test_without_the_option_windows_are_joined_by_profiles(monkeypatch):
    model = parts_model()
    monkeypatch.setattr(model, "speaker_encoder", lambda source: 1 / 0)
    wave = talker(0, 30)
    found = model.separate_array(wave, RATE)
    pieces = windows([wave[:, None]], 10 * RATE, 8 * RATE)
    shares = np.array([[0.75, 0.25]], "float32")
    plain = _streams([(n, piece * shares) for n, piece in pieces], profiles)
    np.testing.assert_array_equal(found, plain)
    with pytest.raises(ZeroDivisionError):
        model.separate_array(wave, RATE, embedding="anything")
