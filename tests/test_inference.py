"""A model folder loads as a whole, and files come out as they went in."""

import io

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.inference import WaveformSeparation, strict_load
from speechbrain_spmamba.weights.folder_yaml import TAIL
from tests.separating import parts_model
from tests.small_models import SMALL


@pytest.fixture
def folder(tmp_path, small_model):
    """A model folder with random weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save(small_model().state_dict(), folder / "separator.ckpt")
    text = "sample_rate: 8000\nnum_spks: 2\n"
    text += "separator: !new:speechbrain_spmamba.models.spmamba.SPMamba\n"
    text += "".join(f"    {k}: {v}\n" for k, v in SMALL["spmamba"].items())
    (folder / "hyperparams.yaml").write_text(text + TAIL)
    return folder


@pytest.fixture
def model(folder):
    return WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})


def _write(path, wave, rate, subtype="PCM_16"):
    soundfile.write(path, wave, rate, subtype=subtype)
    return path


def _noise(frames, channels=1, level=0.1):
    rng = np.random.default_rng(0)
    wave = level * rng.standard_normal((frames, channels))
    return wave[:, 0] if channels == 1 else wave


def test_the_folder_gives_the_model_that_was_saved(model, small_model):
    torch.manual_seed(0)
    mix = torch.randn(2, 1000)
    torch.manual_seed(0)
    same = small_model()
    same.load_state_dict(model.mods.separator.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model.separate_batch(mix), same(mix))
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("missing", ["hyperparams.yaml", "separator.ckpt"])
def test_a_folder_without_a_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=f"no model folder.*{missing}"):
        WaveformSeparation.from_hparams(folder)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match="no model folder"):
        WaveformSeparation.from_hparams(tmp_path / "none")


def test_a_misspelt_folder_is_not_looked_for_on_the_net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    with pytest.raises(ValueError, match="no model folder"):
        WaveformSeparation.from_hparams("results/other")


@pytest.mark.parametrize("change", ["drop", "add", "shape"])
def test_weights_that_do_not_fit_are_refused(folder, change):
    path = folder / "separator.ckpt"
    state = torch.load(path, weights_only=True)
    if change == "drop":
        del state["input_conv.bias"]
    elif change == "add":
        state["extra"] = torch.zeros(1)
    else:
        state["input_conv.bias"] = torch.zeros(1)
    torch.save(state, path)
    with pytest.raises(ValueError, match="separator.ckpt do not fit"):
        WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_what_is_no_weights_is_refused(folder, content):
    (folder / "separator.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="no file of weights"):
        WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})


def test_pickled_code_is_not_run(tmp_path):

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"w": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(ValueError, match="no file of weights"):
        strict_load(torch.nn.Linear(1, 1), tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_model_without_its_module_is_refused(small_model):
    with pytest.raises(ValueError, match="expected 'separator'"):
        WaveformSeparation(
            modules={"encoder": small_model()},
            hparams={"sample_rate": 8000, "num_spks": 2},
            run_opts={"device": "cpu"},
        )


def test_padded_batches_are_separated_item_by_item(model):
    mix = torch.randn(2, 1000)
    est = model(mix, torch.tensor([1.0, 0.6]))
    alone = model(mix[1:, :600])
    torch.testing.assert_close(est[1:, :600], alone, rtol=1e-3, atol=1e-5)


def test_a_file_at_the_rate_of_the_model(model, tmp_path):
    wave = _noise(3000)
    path = _write(tmp_path / "talk.wav", wave, 8000, "FLOAT")
    est = model.separate_file(path, tmp_path / "out", all_outputs=True)
    expected = model.separate_batch(torch.tensor(wave).float()[None])[0]
    torch.testing.assert_close(est, expected)
    for index in range(2):
        target = tmp_path / "out" / f"talk_s{index + 1}.wav"
        written, rate = soundfile.read(target, dtype="float32")
        assert rate == 8000 and soundfile.info(target).subtype == "FLOAT"
        np.testing.assert_array_equal(written, est[:, index])


@pytest.mark.parametrize("rate", [8000, 11025, 48000])
@pytest.mark.parametrize("frames", [1, 7, 4001])
def test_any_rate_comes_back_at_its_rate_and_length(
    model, tmp_path, rate, frames
):
    path = _write(tmp_path / "a.wav", _noise(frames), rate)
    est = model.separate_file(path, tmp_path, all_outputs=True)
    assert est.shape == (frames, 2)
    info = soundfile.info(tmp_path / "a_s2.wav")
    assert (info.samplerate, info.frames) == (rate, frames)
    assert info.subtype == "PCM_16"


def test_resampling_keeps_time_and_level(tmp_path, small_model):
    class Copies(torch.nn.Module):
        def forward(self, mix, lengths=None):
            return torch.stack([mix, mix], -1)

    model = WaveformSeparation(
        modules={"separator": Copies()},
        hparams={"sample_rate": 8000, "num_spks": 2},
        run_opts={"device": "cpu"},
    )
    time = np.arange(44100) / 44100
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    path = _write(tmp_path / "a.wav", tone, 44100, "FLOAT")
    est = model.separate_file(path)[2000:-2000, 0].numpy()
    np.testing.assert_allclose(est, tone[2000:-2000], atol=2e-3)


def test_channels_are_averaged_not_taken_for_a_batch(model, tmp_path):
    wave = _noise(3000, channels=2)
    stereo = _write(tmp_path / "stereo.wav", wave, 8000, "FLOAT")
    mono = _write(tmp_path / "mono.wav", wave.mean(1), 8000, "FLOAT")
    torch.testing.assert_close(
        model.separate_file(stereo),
        model.separate_file(mono),
        rtol=1e-3,
        atol=1e-6,
    )


def test_integer_files_do_not_clip_and_keep_relative_levels(model, tmp_path):
    path = _write(tmp_path / "a.wav", _noise(3000, level=0.5), 8000, "FLOAT")
    est = model.separate_file(path)
    with torch.no_grad():  # make sure that the estimates are too loud
        for parameter in model.mods.separator.output_conv.parameters():
            parameter *= 3.0 / est.abs().max()
    options = {"subtype": "PCM_16", "all_outputs": True}
    est = model.separate_file(path, tmp_path, **options).numpy()
    assert np.abs(est).max() > 1.5
    written = np.stack(
        [soundfile.read(tmp_path / f"a_s{i}.wav")[0] for i in (1, 2)], 1
    )
    scale = np.abs(est).max()
    np.testing.assert_allclose(written * scale, est, atol=2e-4)


def test_silence_stays_silence(model, tmp_path):
    path = _write(tmp_path / "a.wav", np.zeros(3000), 16000)
    assert (model.separate_file(path, tmp_path) == 0).all()


def test_an_empty_file_and_nan_are_named(model, tmp_path):
    path = _write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(ValueError, match="empty.wav holds no samples"):
        model.separate_file(path)
    path = _write(tmp_path / "nan.wav", np.full(9, np.nan), 8000, "FLOAT")
    with pytest.raises(ValueError, match="nan.wav has NaN"):
        model.separate_file(path)


def test_a_model_that_gives_nan_writes_no_file(model, tmp_path):
    with torch.no_grad():
        next(model.mods.separator.parameters()).fill_(torch.nan)
    path = _write(tmp_path / "a.wav", _noise(3000), 8000)
    with pytest.raises(ValueError, match="NaN"):
        model.separate_to_files(path, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


@pytest.fixture
def parts():
    """A model that gives three and one quarters of the mixture."""
    return parts_model()


def test_a_long_file_is_separated_in_windows(parts, tmp_path):
    wave = _noise(50000)
    path = _write(tmp_path / "a.wav", wave, 8000, "FLOAT")
    est = parts.separate_file(path, window=2.0, overlap=0.5)
    assert set(parts.mods.separator.lengths) == {16000}
    np.testing.assert_allclose(est[:, 0], 0.75 * wave, atol=1e-6)


def test_files_of_a_long_recording_are_what_memory_would_hold(parts, tmp_path):
    path = _write(tmp_path / "a.wav", _noise(50000), 16000, "FLOAT")
    options = {"window": 1.0, "overlap": 0.25, "all_outputs": True}
    est = parts.separate_file(path, **options)
    seen = []
    found = parts.separate_to_files(
        path, tmp_path / "out", progress=lambda *x: seen.append(x), **options
    )
    assert [p.name for p in found.paths] == ["a_s1.wav", "a_s2.wav"]
    for index, name in enumerate(found.paths):
        np.testing.assert_array_equal(soundfile.read(name)[0], est[:, index])
    assert [a.speaks for a in found.activity][1] is False
    assert (found.seconds, found.sample_rate, found.gain) == (3.125, 16000, 1.0)
    done, total = zip(*seen, strict=True)
    assert list(done) == sorted(done) and done[-1] == total[-1] == 3.125
    assert len(done) > 2


@pytest.mark.parametrize("kind", ["float64", "float32", "int16", "tensor"])
@pytest.mark.parametrize("channels", [1, 2])
def test_arrays_of_any_kind_come_back_as_they_were(parts, kind, channels):
    wave = _noise(20000, 2)[:, :channels]
    given = torch.tensor(wave) if kind == "tensor" else wave.astype("float64")
    if kind == "int16":
        given = (wave * 32768).round().astype("int16")
    elif kind == "float32":
        given = wave.astype("float32")
    est = parts.separate_array(given, 16000, window=1.0, overlap=0.2)
    assert isinstance(est, type(given)) and est.shape == (20000, 2)
    alone = parts.separate_array(wave.mean(1), 16000)
    np.testing.assert_allclose(np.asarray(est), alone, atol=3e-5)


def test_an_array_is_separated_as_a_file_is(model, tmp_path):
    wave = _noise(3000)
    path = _write(tmp_path / "a.wav", wave, 8000, "FLOAT")
    est = model.separate_array(wave, 8000)
    np.testing.assert_array_equal(est, model.separate_file(path).numpy())


def test_a_stream_is_separated_before_it_ends(parts):
    wave, fed = _noise(40000), []

    def blocks():
        for start in range(0, 40000, 1000):
            fed.append(start)
            yield torch.tensor(wave[start : start + 1000])

    stream = parts.separate_stream(blocks(), 8000, window=1.0, overlap=0.5)
    first = next(stream)
    assert len(fed) < 20
    whole = np.concatenate([first, *stream])
    assert len(fed) == 40
    np.testing.assert_allclose(whole[:, 1], 0.25 * wave, atol=1e-6)


def test_file_objects_are_separated(parts, tmp_path):
    path = _write(tmp_path / "a.wav", _noise(3000), 8000, "FLOAT")
    file = io.BytesIO(path.read_bytes())
    est = parts.separate_file(file, tmp_path / "out", all_outputs=True)
    torch.testing.assert_close(est, parts.separate_file(path))
    assert (tmp_path / "out" / "recording_s1.wav").is_file()


def test_the_most_active_output_can_come_first():
    model = parts_model(shares=(0.0, 1.0))
    wave = _noise(8000)
    est = model.separate_array(wave, 8000, order="activity")
    np.testing.assert_allclose(est[:, 0], wave, atol=1e-6)
    assert (est[:, 1] == 0).all()


def test_sources_can_be_made_to_sum_to_the_mixture(model):
    wave = _noise(9000)
    est = model.separate_array(wave, 16000, mixture_consistent=True)
    np.testing.assert_allclose(est.sum(1), wave, atol=1e-5)


def test_the_rate_of_the_model_can_be_kept(parts):
    est = parts.separate_array(_noise(16001), 16000, keep_rate=False)
    assert est.shape == (8001, 2)


def test_files_at_the_rate_of_the_model_say_so(parts, tmp_path):
    path = _write(tmp_path / "a.wav", _noise(16001), 16000, "FLOAT")
    options = {"keep_rate": False, "all_outputs": True}
    est = parts.separate_file(path, tmp_path / "out", **options)
    info = soundfile.info(tmp_path / "out" / "a_s1.wav")
    assert (info.samplerate, info.frames) == (8000, len(est)) == (8000, 8001)


def test_the_most_active_outputs_can_be_all(tmp_path):
    model, wave = parts_model(shares=(0.0, 1.0)), _noise(8000)
    path = _write(tmp_path / "a.wav", wave, 8000, "FLOAT")
    for est in (
        model.separate_file(path, tmp_path / "out", speakers=1).numpy(),
        model.separate_array(wave, 8000, speakers=1),
    ):
        np.testing.assert_allclose(est, wave[:, None], atol=1e-6)
    assert len(list((tmp_path / "out").iterdir())) == 1
    with pytest.raises(ValueError, match="3 speakers were asked for"):
        model.separate_array(wave, 8000, speakers=3)
    with pytest.raises(ValueError, match="when a stream has ended"):
        next(model.separate_stream([wave], 8000, speakers=1))


@pytest.mark.parametrize(
    "wave, message",
    [
        (np.zeros(0), "no samples"),
        (np.zeros((2, 1000)), "transpose"),
        (np.zeros((2, 3, 4)), r"shape \[2, 3, 4\]"),
        (np.array([0.0, np.nan]), "NaN or infinite"),
        (np.array(["a"]), "of type"),
    ],
)
def test_arrays_that_are_no_recording_are_refused(parts, wave, message):
    with pytest.raises(ValueError, match=message):
        parts.separate_array(wave, 8000)


def test_an_unknown_order_is_refused(parts):
    with pytest.raises(ValueError, match="order is 'loudness'"):
        parts.separate_array(_noise(100), 8000, order="loudness")


def test_a_rate_in_kilohertz_is_refused(parts):
    with pytest.raises(ValueError, match="16 Hz.*give it in Hz"):
        parts.separate_array(_noise(100), 16)


@pytest.mark.parametrize(
    "rate", [0, -8000, 8000.5, float("nan"), float("inf"), "8000", None, True]
)
def test_a_rate_that_is_none_is_refused(parts, rate):
    for separate in (parts.separate_array, parts.separate_stream):
        with pytest.raises(ValueError, match="give it in Hz, as a whole"):
            list(separate(_noise(100), rate))
