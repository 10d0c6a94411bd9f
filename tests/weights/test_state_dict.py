"""Files of weights are read for what they hold, not for what they say."""

import io
import zipfile
from collections import OrderedDict

import pytest
import torch

from speechbrain_spmamba.inference import strict_load
from speechbrain_spmamba.weights.state_dict import (
    limit_parameters,
    read_weights,
)


def _layer(value=0.5):
    layer = torch.nn.Linear(3, 2)
    torch.nn.init.constant_(layer.weight, value)
    return layer


def _rezip(path, change, compress=zipfile.ZIP_STORED):
    """Writes an archive anew with changed contents."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compress) as archive:
        for name, content in found.items():
            archive.writestr(name, change(name, content))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "separator.ckpt"
    torch.save(_layer().state_dict(), path)
    return path


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16]
)
@pytest.mark.parametrize("forced", [False, True])
def test_weights_of_another_width_are_converted(path, dtype, forced):
    state = OrderedDict(_layer().to(dtype).state_dict())
    if forced:  # what tells a module to take tensors as they are
        state._metadata = {"": {"assign_to_params_buffers": True}}
    torch.save(state, path)
    layer = _layer(0.0)
    strict_load(layer, path)
    assert layer.weight.dtype == torch.float32
    assert (layer.weight == 0.5).all()


CHANGES = {
    "complex": (lambda t: t.to(torch.complex64), "torch.complex64, expected"),
    "bool": (lambda t: t > 0, "torch.bool, expected torch.float32"),
    "integer": (lambda t: t.long(), "torch.int64, expected torch.float32"),
    "quantised": (
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        "no plain tensor",
    ),
    "sparse": (lambda t: t.to_sparse(), "no plain tensor"),
    "nested": (
        lambda t: torch.nested.nested_tensor([t[0], t[1]]),
        "no plain tensor",
    ),
    "without numbers": (lambda t: t.to("meta"), "no plain tensor"),
    "no tensor": (lambda t: 3, "no plain tensor"),
    "transposed": (lambda t: t.t(), r"shape \[3, 2\], expected \[2, 3\]"),
    "one number for all": (
        lambda t: torch.zeros(()).expand(10**6, 10**6),
        "claims to hold 4000000000008 bytes",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_no_weight_of_a_network_is_named(path, kind):
    change, message = CHANGES[kind]
    state = _layer().state_dict()
    state["weight"] = change(state["weight"])
    torch.save(state, path)
    layer = _layer()
    with pytest.raises(ValueError, match=message) as error:
        strict_load(layer, path)
    assert "\n" not in str(error.value)
    assert (layer.weight == 0.5).all()


@pytest.mark.parametrize("name", [0, None, b"weight", ("a", 1)])
def test_names_that_are_no_text_are_refused(path, name):
    torch.save({name: torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="which is no text"):
        read_weights(path)


@pytest.mark.parametrize("content", [[], {}, None, torch.zeros(2)])
def test_a_file_without_named_weights_is_refused(path, content):
    torch.save(content, path)
    with pytest.raises(ValueError, match="holds no weights with names"):
        read_weights(path)


def test_a_compressed_archive_is_not_unpacked(path):
    torch.save({"w": torch.zeros(10**6)}, path)
    _rezip(path, lambda name, content: content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    with pytest.raises(ValueError, match="is compressed"):
        read_weights(path)


def test_an_archive_that_lists_its_bytes_many_times_is_refused(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist += 100 * [max(archive.filelist, key=_size)]
        archive._didModify = True
    with pytest.raises(ValueError, match="would unpack to more"):
        read_weights(path)


def _size(entry):
    return entry.file_size


def test_a_tensor_longer_than_its_numbers_is_refused(path):
    shape, stride = b"K\x02K\x03\x86", b"K\x03K\x01\x86"

    def change(name, content):
        assert not name.endswith("data.pkl") or shape in content
        content = content.replace(shape, b"K\x02K\x7f\x86")
        return content.replace(stride, b"K\x7fK\x01\x86")

    _rezip(path, change)
    with pytest.raises(ValueError, match="no file of weights"):
        read_weights(path)


def test_the_old_format_that_states_its_sizes_is_not_read(path):
    torch.save(_layer().state_dict(), path, _use_new_zipfile_serialization=0)
    with pytest.raises(ValueError, match="no file of weights"):
        read_weights(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.ckpt does not exist"):
        strict_load(_layer(), tmp_path / "none.ckpt")


def test_a_network_of_more_weights_than_the_file_is_not_built_to_its_end():
    made = []
    with pytest.raises(ValueError, match="file, which has 3"):
        with limit_parameters(3), torch.device("meta"):
            for _ in range(10**6):
                made.append(torch.nn.Linear(10**5, 10**5))
    assert len(made) < 100
    torch.nn.Linear(1, 1)  # and all is as before


def test_the_file_may_be_replaced_while_its_model_is_in_use(path):
    layer = _layer(0.0)
    strict_load(layer, path)
    file = io.BytesIO()
    torch.save(_layer(2.0).state_dict(), file)
    path.write_bytes(file.getvalue())
    assert (layer.weight == 0.5).all()
