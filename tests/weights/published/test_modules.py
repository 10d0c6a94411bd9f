"""Whole pickled modules are read by their state, with nothing executed."""

import shutil
import sys
import types

import pytest
import torch
from torch import nn

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.convert import convert_checkpoint
from speechbrain_spmamba.weights.published.checkpoint import read_file
from tests.published_files import load_case

CODE = "sudo_rm_rf.dnn.models.improved_sudormrf"


class Payload:
    """Pickled, it is a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _write(path, weights, monkeypatch, **attributes):
    """A file of a class that is gone when the file is read."""
    code = types.ModuleType(CODE)
    kind = type("SuDORMRF", (nn.Module,), {"__module__": CODE})
    code.SuDORMRF = kind
    root = kind()
    for key, tensor in weights.items():
        *places, name = key.split(".")
        part = root
        for place in places:
            if place not in part._modules:
                part.add_module(place, kind())
            part = part._modules[place]
        part.register_parameter(name, nn.Parameter(tensor))
    vars(root).update(attributes)
    with monkeypatch.context() as patch:
        parts = CODE.split(".")
        for end in range(1, len(parts)):
            name = ".".join(parts[:end])
            patch.setitem(sys.modules, name, types.ModuleType(name))
        patch.setitem(sys.modules, CODE, code)
        torch.save(root, path)
    return path


def test_a_network_of_sudo_rm_rf_runs_on_standardized_mixtures(
    tmp_path, monkeypatch
):
    config, weights, x, y = load_case("sudormrf_odd")
    path = _write(tmp_path / "net.pt", weights, monkeypatch, **config)
    folder, notes = convert_checkpoint("sudormrf", path, tmp_path / "out")
    assert "sample_rate = 8000, normalize = True" in notes[1]
    model = WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})
    assert model.hparams.sample_rate == 8000
    # The stored output is of this mixture as it is; others are moved to it.
    mean, std = x.mean(1, keepdim=True), x.std(1, keepdim=True)
    model.mods.separator.normalize = False
    assert (model.separate_batch(x) - y).abs().max() < 1e-5 * y.abs().max()
    inner = model.separate_batch((x - mean) / std)
    model.mods.separator.normalize = True
    expected = inner * std.unsqueeze(-1) + mean.unsqueeze(-1)
    torch.testing.assert_close(
        model.separate_batch(x), expected, rtol=1e-4, atol=1e-5
    )


def test_a_file_can_say_that_nothing_is_standardized(tmp_path, monkeypatch):
    _, weights, x, y = load_case("sudormrf_odd")
    path = _write(tmp_path / "net.pt", weights, monkeypatch)
    folder, _ = convert_checkpoint(
        "sudormrf", path, tmp_path / "out", normalize=False, sample_rate=16000
    )
    model = WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})
    assert (model.separate_batch(x) - y).abs().max() < 1e-5 * y.abs().max()


def test_nothing_that_a_module_holds_is_run(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    weights = {"layer.weight": torch.ones(2)}
    path = _write(
        tmp_path / "net.pt",
        weights,
        monkeypatch,
        hook=Payload(shutil.copyfile, __file__, str(marker)),
        width=3,
    )
    found = read_file(path)
    assert not marker.exists()
    assert found["model_name"] == "SuDORMRF"
    assert found["model_args"] == {"width": 3, "whole_module": True}
    assert torch.equal(found["state_dict"]["layer.weight"], torch.ones(2))


def test_a_module_that_holds_itself_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "net.pt"
    root = nn.Sequential(nn.Linear(1, 1))
    root._modules["again"] = root
    torch.save(root, path)
    with pytest.raises(ValueError, match="net.pt holds a network without end"):
        read_file(path)


def test_a_file_of_before_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "net.pt"
    torch.save(nn.Linear(1, 1), path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"state_dict\(\), NEW") as error:
        read_file(path)
    assert "\n" not in str(error.value)


def test_a_module_is_found_beside_other_things(tmp_path):
    path, network = tmp_path / "net.pt", torch.nn.Linear(1, 1)
    torch.save({"epoch": 3, "net": network, "lr": torch.tensor(0.1)}, path)
    found = read_file(path)
    assert found["model_name"] == "Linear"
    assert list(found["state_dict"]) == ["weight", "bias"]
    torch.save({"one": network, "other": network.double()}, path)
    with pytest.raises(ValueError, match="objects besides weights"):
        read_file(path)


def test_buffers_that_a_state_dict_lacks_are_no_weights(tmp_path):
    network = torch.nn.Linear(1, 1)
    network.register_buffer("window", torch.ones(2), persistent=False)
    network.register_buffer("pe", torch.ones(2))
    torch.save(network, tmp_path / "net.pt")
    found = read_file(tmp_path / "net.pt")["state_dict"]
    assert list(found) == list(network.state_dict())
