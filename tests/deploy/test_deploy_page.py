"""The programs of docs/deploy.md do without torch what models do with it."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr
import torch

from speechbrain_spmamba.inference import WaveformSeparation
from tests import ROOT

BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text("utf-8"), re.S
)
NO_TORCH = "import sys\nsys.modules['torch'] = None\n"


def run(block, folder):
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH + block],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    shutil.copy(ROOT / "docs/example/talk.wav", tmp_path)
    return tmp_path


def exported(name, path):
    """A model of the package, and its file."""
    from speechbrain_spmamba.deploy.export import export_onnx

    _, error = export_onnx(name, path)
    assert error < 1e-5
    return WaveformSeparation.from_hparams(name).mods.separator


def mixture():
    wave, rate = soundfile.read(ROOT / "docs/example/talk.wav", dtype="float32")
    return torch.from_numpy(soxr.resample(wave, rate, 8000))[None]


@pytest.mark.slow
def test_a_recording_is_separated_as_the_model_separates_it(folder):
    model = exported("voices-8k-3", folder / "voices.onnx")
    run(BLOCKS[0], folder)
    with torch.no_grad():
        expected = model(mixture())[0].numpy()
    for number in range(model.num_spks):
        voice, _ = soundfile.read(folder / f"voice{number + 1}.wav")
        # 16 bits
        assert np.abs(voice - expected[:, number]).max() < 1e-4


@pytest.mark.slow
def test_steps_give_what_the_stream_gives(folder):
    model = exported("voices-8k-2-live", folder / "live.onnx")
    run(BLOCKS[1] + "np.save('voices.npy', voices)\n", folder)
    stream, mix = model.stream(), mixture()
    with torch.no_grad():
        expected = torch.cat([stream.feed(mix), stream.flush()], 1)[0]
    voices = np.load(folder / "voices.npy")[: len(expected)]
    assert np.abs(voices - expected.numpy()).max() < 1e-4
