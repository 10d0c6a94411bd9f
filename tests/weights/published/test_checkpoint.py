"""Files are read for their weights; what else they hold is not run."""

import os
import zipfile

import numpy as np
import pytest
import torch

from speechbrain_spmamba.weights.published.checkpoint import (
    find_weights,
    read_file,
)
from speechbrain_spmamba.weights.published.network import find_network
from tests import published_files

# What numpy's numbers are rebuilt with.
SCALAR = np.float64(0).__reduce__()[0]


class Payload:
    """Pickled, it is a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_objects_are_named_and_can_be_left_out(tmp_path):
    path = tmp_path / "net.ckpt"
    published_files.with_objects(path, "dprnn")
    with pytest.raises(ValueError, match="Namespace.*--skip_objects") as error:
        read_file(path)
    assert "\n" not in str(error.value)
    weights = find_weights(read_file(path, skip_objects=True))
    assert find_network(weights)[0] == "dprnn"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("skip_objects", [True, False])
@pytest.mark.parametrize("function", [os.mkdir, open, exec])
def test_code_in_a_file_is_not_run(tmp_path, zipped, skip_objects, function):
    mark, path = tmp_path / "ran", tmp_path / "net.pth"
    arguments = {
        os.mkdir: (str(mark),),
        open: (str(mark), "w"),
        exec: (f"open({str(mark)!r}, 'w')",),
    }
    content = {
        "state_dict": {"w": torch.zeros(1)},
        "infos": Payload(function, *arguments[function]),
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    try:
        read_file(path, skip_objects)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert skip_objects and zipped
    assert not mark.exists()
    torch.load(path, weights_only=False)  # it was a real one
    assert mark.exists()


def test_the_version_of_torch_in_a_file_is_no_hindrance(tmp_path):
    path = tmp_path / "net.pth"
    published_files.look2hear(path, "dprnn")
    assert read_file(path)["model_name"] == "DPRNNTasNet"


@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_are_read_without_being_asked(
    tmp_path, zipped, package
):
    scores = {
        "si_sdr": np.float64(15.24),
        "stoi": np.float32(0.5),
        "items": np.int64(3000),
        "best": np.bool_(True),
        # As a machine of the other byte order writes it.
        "swapped": Payload(SCALAR, np.dtype(">i2"), b"\x00\x07"),
    }
    path = tmp_path / "net.pth"
    content = {"w": torch.zeros(1), "infos": {"final_metrics": scores}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    _replace(path, SCALAR.__module__, f"{package}.multiarray")
    found = read_file(path)["infos"]["final_metrics"]
    assert found == {**scores, "swapped": 7}
    kinds = [type(value) for value in found.values()]
    assert kinds == [float, float, int, bool, int]


def _replace(path, old, new):
    """Replaces a module's name in the pickles of a file."""
    if not zipfile.is_zipfile(path):
        path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
        return
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            if name.endswith("data.pkl"):
                data = data.replace(old.encode(), new.encode())
            file.writestr(name, data)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2),
        np.str_("word"),
        np.datetime64("2020-06-01"),
        Payload(np.dtype, "f8,f8"),
        Payload(np.dtype, [("a", "O")]),
        Payload(SCALAR, np.dtype("f8"), b"short"),
        Payload(SCALAR, np.dtype("O"), b""),
    ],
)
def test_what_numpy_has_beside_numbers_is_refused(tmp_path, value, zipped):
    path = tmp_path / "net.pth"
    content = {"w": torch.zeros(1), "infos": value}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="net.pth .*not read") as error:
        read_file(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"\x00" * 64])
def test_what_is_no_file_of_weights_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is no") as error:
        read_file(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.pth does not exist"):
        read_file(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [[], {}, {"epoch": 3}, {"state_dict": {}}])
def test_a_file_without_weights_is_refused(content):
    with pytest.raises(ValueError, match="no weights"):
        find_weights(content)


@pytest.mark.filterwarnings("ignore")  # of torch, for torn files
def test_no_damage_to_a_file_ends_in_anything_but_a_line(tmp_path):
    """Of an archive and of the format before it."""
    path = tmp_path / "net.pth"
    for zipped in (True, False):
        published_files.plain(path, "dprnn")
        content = torch.load(path, weights_only=True)
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        good, refused = path.read_bytes(), 0
        for seed in range(60):
            rng, data = np.random.default_rng(seed), bytearray(good)
            for place in rng.integers(6000, size=1 + seed % 4):
                data[place] = rng.integers(256)
            path.write_bytes(data)
            try:
                find_weights(read_file(path))
            except ValueError as error:
                refused += 1
                assert "\n" not in str(error)
        assert refused > 10
    path.write_bytes(b"\x80\x02.")  # a pickle of nothing
    with pytest.raises(ValueError, match="no file of weights"):
        read_file(path)
    with pytest.raises(ValueError, match="is a folder"):
        read_file(tmp_path)
