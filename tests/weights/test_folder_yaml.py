"""What is exported works with nothing but the toolkit and this package."""

import re
import sys

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.inference.interfaces import foreign_class
from speechbrain.inference.separation import SepformerSeparation

from speechbrain_spmamba.builtin.models import CARD_FILE, DEFAULT
from speechbrain_spmamba.files.checksums import SUMS_FILE, check_sums
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.export import (
    INTERFACE_FILE,
    export,
    write_model,
)
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from tests import ROOT
from tests.small_models import SMALL, SYSTEMS, build_small

CPU = {"run_opts": {"device": "cpu"}}


@pytest.fixture
def folder(tmp_path):
    """A model folder with random weights."""
    arguments = {**SMALL["spmamba"], "num_spks": 3}
    return _write(tmp_path / "model", "spmamba", arguments)


def _write(folder, system, arguments):
    model = build_small(system, **arguments)
    write_model(folder, model, model_yaml(model, arguments), "a card\n")
    return folder


def _foreign(folder, **options):
    return foreign_class(
        str(folder),
        pymodule_file=INTERFACE_FILE,
        classname="WaveformSeparation",
        **CPU,
        **options,
    )


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    # foreign_class adds folders to it.
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_the_toolkit_finds_the_class_in_the_folder(folder, tmp_path):
    mix = 0.1 * torch.randn(2, 700)
    model = _foreign(folder)
    assert type(model) is WaveformSeparation
    wanted = WaveformSeparation.from_hparams(folder, **CPU).separate_batch(mix)
    assert torch.equal(model.separate_batch(mix), wanted)
    again = _foreign(folder, savedir=tmp_path / "kept")
    assert torch.equal(again.separate_batch(mix), wanted)
    kept = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {"hyperparams.yaml", "separator.ckpt", INTERFACE_FILE} <= kept


def test_the_toolkit_finds_the_weights_in_either_file(folder):
    wanted = _foreign(folder).state_dict()
    (folder / "separator.ckpt").unlink()
    found = _foreign(folder).state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_toolkit_finds_the_same_on_the_hub(folder, tmp_path, monkeypatch):
    asked = []

    def download(repo_id, filename, **options):
        asked.append((repo_id, filename))
        return str(folder / filename)

    wanted = _foreign(folder).state_dict()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    found = _foreign("someone/model").state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert ("someone/model", INTERFACE_FILE) in asked


def test_the_toolkit_does_not_load_damaged_weights(folder):
    path = folder / "separator.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="separator.ckpt is damaged"):
        _foreign(folder)


def test_the_interface_is_summed_and_never_run_here(folder, tmp_path):
    check_sums(folder)
    assert INTERFACE_FILE in (folder / SUMS_FILE).read_text()
    evil, mark = folder / INTERFACE_FILE, tmp_path / "mark"
    evil.write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    WaveformSeparation.from_hparams(folder, **CPU)
    export(folder, tmp_path / "copy")
    assert not mark.exists()
    assert "mkdir" not in (tmp_path / "copy" / INTERFACE_FILE).read_text()
    with pytest.raises(ValueError, match="custom_interface.py is damaged"):
        check_sums(folder)


def test_a_module_of_ones_own_of_that_name_is_not_replaced(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("# mine\n")
    model = build_small("dprnn")
    text = model_yaml(model, SMALL["dprnn"])
    write_model(tmp_path / "model", model, text, code={INTERFACE_FILE: own})
    assert (tmp_path / "model" / INTERFACE_FILE).read_text() == "# mine\n"
    check_sums(tmp_path / "model")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_stock_class_gives_what_ours_gives(system, tmp_path):
    small = {**SMALL.get(system, {}), "sample_rate": 8000}
    first = _write(tmp_path / "model", system, small)
    folder = export(first, tmp_path / "toolkit", layout="toolkit")
    check_sums(folder)
    stock = SepformerSeparation.from_hparams(str(folder), **CPU)
    assert stock.hparams.sample_rate == 8000
    mix = 0.1 * torch.randn(2, 1001)
    wanted = WaveformSeparation.from_hparams(first, **CPU).separate_batch(mix)
    found = stock.separate_batch(mix)
    scale = max(wanted.abs().max(), mix.abs().max())
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 2e-5 * scale


def test_the_stock_class_separates_a_file_as_ours_does(folder, tmp_path):
    toolkit = export(folder, tmp_path / "toolkit", layout="toolkit")
    stock = SepformerSeparation.from_hparams(str(toolkit), **CPU)
    wave = 0.1 * np.random.default_rng(0).standard_normal(2000)
    path = tmp_path / "talk.wav"
    soundfile.write(path, wave, 8000, subtype="FLOAT")
    found = stock.separate_file(str(path))
    ours = WaveformSeparation.from_hparams(folder, **CPU)
    wanted = ours.separate_file(str(path), savedir=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    # The toolkit gives a batch, each source at full scale.
    wanted = wanted / wanted.abs().max(dim=0).values
    assert found.shape == (1, 2000, 3)
    torch.testing.assert_close(found[0], wanted, rtol=1e-3, atol=1e-4)


def test_a_folder_for_the_toolkit_is_one_for_us(folder, tmp_path):
    toolkit = export(folder, tmp_path / "toolkit", layout="toolkit")
    ours = WaveformSeparation.from_hparams(toolkit, **CPU)
    back = export(toolkit, tmp_path / "back")
    assert (back / CARD_FILE).read_text() == "a card\n"
    names = {path.name for path in folder.iterdir()}
    assert {path.name for path in back.iterdir()} == names
    text = (folder / "hyperparams.yaml").read_text()
    text = text.replace("`spmamba convert`", "`spmamba export`")
    assert (back / "hyperparams.yaml").read_text() == text
    mix = 0.1 * torch.randn(1, 500)
    wanted = WaveformSeparation.from_hparams(folder, **CPU).separate_batch(mix)
    assert torch.equal(ours.separate_batch(mix), wanted)


def test_a_model_of_the_package_is_exported_too(tmp_path):
    folder = export(DEFAULT, tmp_path / "model", layout="toolkit")
    stock = SepformerSeparation.from_hparams(str(folder), **CPU)
    mix = 0.1 * torch.randn(1, 2000)
    ours = WaveformSeparation.from_hparams(DEFAULT, **CPU)
    wanted, found = ours.separate_batch(mix), stock.separate_batch(mix)
    assert (found - wanted).abs().max() < 2e-5
    assert DEFAULT in (folder / CARD_FILE).read_text(encoding="utf-8")


def test_the_python_of_the_page_runs(folder, tmp_path, monkeypatch):
    page = (ROOT / "docs/toolkit.md").read_text(encoding="utf-8")
    blocks = re.findall("```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    export(folder, tmp_path / "other_model")
    export(folder, folder, layout="toolkit", overwrite=True)
    soundfile.write("mixture.wav", 0.1 * np.ones(900), 8000)
    found = [{}, {}, {}]
    for block, names in zip(blocks, found, strict=True):
        exec(block, names)
    assert found[0]["est"].shape == (900, 3)
    assert found[1]["est"].shape == (1, 900, 3)


def test_what_cannot_be_is_said(folder, tmp_path):
    with pytest.raises(ValueError, match="keeps the card that it has"):
        export(folder, tmp_path / "a", license="mit")
    with pytest.raises(ValueError, match="'asr'; expected model or toolkit"):
        export(folder, tmp_path / "a", layout="asr")
    with pytest.raises(ValueError, match="train.py, or a model folder"):
        export(tmp_path, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_network_that_takes_no_lengths_has_no_layout_for_the_toolkit(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shortnet.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n"
        "    sample_rate, num_spks = 8000, 2\n\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.gain = torch.nn.Parameter(torch.ones(2))\n\n"
        "    def forward(self, mix):\n"
        "        return mix[..., None] * self.gain\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    model = tmp_path / "model"
    model.mkdir()
    (model / "hyperparams.yaml").write_text(
        "sample_rate: 8000\nnum_spks: 2\nseparator: !new:shortnet.Net\n"
    )
    torch.save({"gain": torch.ones(2)}, model / "separator.ckpt")
    with pytest.raises(ValueError, match="Net.forward takes no lengths"):
        export(model, tmp_path / "a", trust=True, layout="toolkit")
    export(model, tmp_path / "a", trust=True)
