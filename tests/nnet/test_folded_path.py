"""A folded path computes what the plain one computes, in any kept amount."""

import copy
from functools import partial

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from speechbrain_spmamba.nnet import folded_forward, folding, mamba_path
from speechbrain_spmamba.nnet.folded_path import MEMORY
from speechbrain_spmamba.nnet.mamba_path import (
    FoldedPaths,
    MambaPath,
    folded_together,
    plain_paths,
)
from tests.ops.test_selective_scan import PRECISIONS

BATCH, ROWS, WINDOWS, CHANNELS, TAPS = 2, 3, 8, 4, 4

PLAIN = {}  # hop and lengths -> what the plain path gives in both precisions


def make_path(hop=1, **mamba):
    """A path in float64 whose every parameter matters."""
    path = MambaPath(CHANNELS, TAPS, hop, d_state=5, **mamba).double()
    with torch.no_grad():
        for parameter in path.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return path


def make_map(hop=1):
    """[B, R, Q, C] of WINDOWS windows."""
    size = TAPS + (WINDOWS - 1) * hop
    return torch.randn(BATCH, ROWS, size, CHANNELS, dtype=torch.float64)


def set_backend(path, name):
    """Computes the scans of a path with another backend; returns the path."""
    for branch in (path.mixer.forward_branch, path.mixer.backward_branch):
        branch.mamba.scan_backend = name
    return path


def run(path, x, count=None):
    """Output and gradients by name, of a fixed weighting of the output."""
    x = x.detach().clone().requires_grad_()
    out = path(x, count)
    weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).cos()
    named = {"x": x, **dict(path.named_parameters())}
    loss = (out * weights.view(out.shape).to(out.dtype)).sum()
    grads = torch.autograd.grad(loss, list(named.values()))
    return {"out": out.detach(), **dict(zip(named, grads, strict=True))}


def run_plain(path, x, count=None):
    """The reference: windows, flips of the plain scan, concatenation."""
    return run(set_backend(copy.deepcopy(path), "reference"), x, count)


def assert_close(found, expected, tolerance):
    """Largest error of each tensor, relative to its largest element."""
    for name, tensor in expected.items():
        error = (found[name].double() - tensor).abs().max()
        assert error <= tolerance * tensor.abs().max(), name


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Two rows a block, so that a map takes several and a rest."""
    monkeypatch.setattr(folded_forward, "_BLOCK_CPU", 2 * WINDOWS + 1)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize(
    "lengths", [None, pytest.param([8, 8], marks=pytest.mark.slow), [6, 1]]
)
@pytest.mark.parametrize("hop", [1, 2, 3])
def test_value_and_every_gradient_are_those_of_the_plain_path(
    hop, lengths, memory, backend, dtype, tolerance
):
    path, x = make_path(hop, memory=memory), make_map(hop)
    count = None if lengths is None else torch.tensor(lengths)
    key = hop, lengths and tuple(lengths)
    if key not in PLAIN:
        in_single = run_plain(copy.deepcopy(path).float(), x.float(), count)
        PLAIN[key] = run_plain(path, x, count), in_single
    expected, in_single = PLAIN[key]
    found = run(set_backend(path, backend).to(dtype), x.to(dtype), count)
    for name, tensor in expected.items():
        error = (found[name].double() - tensor).abs().max()
        allowed = tolerance * tensor.abs().max()
        if dtype == torch.float32:
            # A gradient of terms that cancel is lost to rounding, there too.
            rounding = (in_single[name].double() - tensor).abs().max()
            allowed = max(allowed, 10 * rounding)
        assert error <= allowed, name


@pytest.mark.parametrize("memory", MEMORY)
def test_the_size_of_blocks_changes_no_number(monkeypatch, memory):
    path, x = make_path(memory=memory), make_map()
    expected = run(path, x)
    monkeypatch.setattr(folded_forward, "_BLOCK_CPU", 1)
    assert_close(run(path, x), expected, 1e-12)


def kept_for_backward(path, x):
    """Bytes that the path alone keeps: neither parameters nor its input."""
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        path(x).sum()
    for tensor in (x, *path.parameters()):
        kept.pop(tensor.data_ptr(), None)
    return sum(kept.values())


def test_less_memory_keeps_less_and_low_keeps_only_the_input():
    x = make_map().repeat(1, 50, 1, 1)
    paths = {memory: make_path(memory=memory) for memory in MEMORY}
    kept = {name: kept_for_backward(path, x) for name, path in paths.items()}
    # folded weights and their factors are kept whatever the size of the map
    fixed = kept_for_backward(paths["low"], make_map())
    assert kept["low"] == fixed
    assert kept["speed"] > kept["balanced"] > kept["low"]
    windows, width = BATCH * ROWS * 50 * WINDOWS, 2 * CHANNELS * TAPS
    assert kept["speed"] - kept["balanced"] == windows * 4 * width * 8


def test_an_unknown_choice_of_memory_is_an_error():
    with pytest.raises(ValueError, match="'most', expected one of: speed"):
        MambaPath(2, 4, 1, memory="most")


@torch.no_grad()
def test_paths_are_plain_where_that_is_asked_for(monkeypatch):
    path, x, called = make_path(), make_map(), []
    folded = path(x)
    run = mamba_path.run_folded
    monkeypatch.setattr(
        mamba_path, "run_folded", lambda *a: called.append(1) or run(*a)
    )
    with plain_paths():
        torch.testing.assert_close(copy.deepcopy(path)(x), folded)
        assert not called
    assert torch.equal(path(x), folded) and called


def load(path):
    path.load_state_dict(make_path().state_dict())
    return path


def step(path, **kind):
    for parameter in path.parameters():
        parameter.grad = torch.randn_like(parameter)
    torch.optim.Adam(path.parameters(), lr=0.1, **kind).step()


def write_data(path):
    for parameter in path.parameters():
        parameter.data.mul_(1.5)


def average(path):
    averaged = AveragedModel(path, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    averaged.module = path
    for _ in range(2):
        averaged.update_parameters(load(copy.deepcopy(path)))


DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(
                not torch.cuda.is_available(), reason="needs CUDA"
            ),
        ],
    ),
]
WRITERS = {
    "loaded": load,
    "a step": partial(step, foreach=False),
    "a step, foreach": partial(step, foreach=True),
    "a step, fused": partial(step, fused=True),
    "data": write_data,
    "average": average,
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("how", WRITERS)
def test_inference_follows_weights_however_they_are_written(how, device):
    path = make_path().to(device, torch.float32).eval()
    x = make_map().to(device, torch.float32)
    with torch.no_grad():
        before = path(x)
    WRITERS[how](path)
    with torch.no_grad():
        found = path(x)
        expected = set_backend(copy.deepcopy(path), "reference")(x)
    changed = (before - expected).abs().max()
    # A GPU may multiply with 10 bits of mantissa.
    assert (found - expected).abs().max() < 0.01 * changed


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_paths_that_are_folded_together_are_those_folded_alone(dtype):
    first, second = paths = [make_path(), make_path()]
    both = torch.nn.Sequential(*paths)
    x = make_map().requires_grad_()

    def gradients():
        with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
            out = second(first(x))
        loss = out.sin().sum()
        return out, *torch.autograd.grad(loss, [x, *both.parameters()])

    alone = gradients()
    with folded_together(FoldedPaths(paths)):
        together = gradients()
    tolerance = 1e-10 if dtype == torch.float64 else 0.02
    for found, expected in zip(together, alone, strict=True):
        error = (found - expected).abs().max()
        assert error <= tolerance * expected.abs().max()


def test_a_model_folds_its_paths_once_a_pass_and_a_stream_once(
    small_model, monkeypatch
):
    folded, plain = [], folding.fold_weights
    monkeypatch.setattr(
        folding,
        "fold_weights",
        lambda paths: folded.append(len(paths)) or plain(paths),
    )
    model, mix = small_model(num_blocks=2), torch.randn(1, 500)
    for _ in range(2):
        model(mix).sum().backward()
    with torch.no_grad():
        model(mix)
        assert folded == [4, 4, 4]
        with folded_together(FoldedPaths.of(model)):  # as long as one asks
            first, second = model(mix), model(mix)
    assert folded == [4, 4, 4, 4]
    assert torch.equal(first, second)
    stream = small_model(num_blocks=2, causal=True).stream()
    for _ in range(3):
        stream.feed(mix[0])
    assert folded[4:] == [2]
    stream.flush()
    stream.feed(mix[0])
    assert folded[4:] == [2, 2]


@torch.no_grad()
def test_inference_follows_loaded_weights_and_moves():
    path, other, x = make_path().eval(), make_path().eval(), make_map()
    path(x)
    path.load_state_dict(other.state_dict())
    torch.testing.assert_close(path(x), other(x))
    single = path.float()(x.float())
    torch.testing.assert_close(single.double(), other(x), rtol=1e-4, atol=1e-4)


def test_training_after_inference_sees_the_new_weights():
    path, x = make_path(), make_map()
    with torch.inference_mode():
        path(x)
    optimizer = torch.optim.SGD(path.parameters(), lr=0.1)
    path(x).square().mean().backward()
    optimizer.step()
    with torch.inference_mode():
        found = path(x)
    with torch.no_grad():
        expected = set_backend(copy.deepcopy(path), "reference")(x)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("memory", MEMORY)
def test_bfloat16_autocast_stays_close_and_gives_float32_gradients(memory):
    path, x = make_path(memory=memory), make_map()
    expected = run_plain(path, x)
    path = path.float()
    with torch.autocast("cpu", torch.bfloat16):
        found = run(path, x.float())
    assert all(tensor.dtype == torch.float32 for tensor in found.values())
    assert_close(found, expected, 0.05)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
def test_activation_checkpointing_changes_no_gradient(
    backend, dtype, tolerance
):
    path, x = set_backend(make_path(), backend).to(dtype), make_map().to(dtype)
    expected = run(path, x)
    plain = path.forward
    path.forward = lambda x, count: torch.utils.checkpoint.checkpoint(
        plain, x, count, use_reentrant=False
    )
    assert_close(run(path, x), expected, 1e-6)
