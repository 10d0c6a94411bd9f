"""The Triton kernels on a GPU."""

import pytest
import torch

from speechbrain_spmamba.ops import triton as backend
from tests.ops.test_selective_scan import assert_close
from tests.ops.triton import map_runs, runs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]

SCANS = runs.SCANS | {
    f"{states} states, {length} steps, {'reverse' if reverse else 'forward'}": {
        "batch": 3,
        "length": length,
        "channels": channels,
        "states": states,
        "rank": rank,
        "reverse": reverse,
    }
    for states, length, channels, rank, reverse in (
        (8, 250, 512, 8, False),
        (8, 97, 100, 0, True),
        (16, 250, 512, 8, True),
        (16, 251, 500, 0, False),
        (16, 48, 64, 16, True),
        (32, 63, 40, 8, False),
        (32, 101, 48, 0, True),
        (256, 9, 5, 0, False),
    )
}
CONVOLUTIONS = runs.CONVOLUTIONS | {
    "long": {"batch": 5, "length": 250, "channels": 512},
    "long, reverse": {
        "batch": 5,
        "length": 249,
        "channels": 500,
        "reverse": True,
    },
}
WINDOWS = map_runs.WINDOWS | {
    "published": {"count": 250, "size": 8, "channels": 16},
    "published, bfloat16": {
        "count": 494,
        "size": 8,
        "channels": 16,
        "dtype": torch.bfloat16,
    },
}
HEADS = map_runs.HEADS | {
    "queries": {"heads": 4, "channels": 2, "bins": 257, "width": 520},
    "projection": {"heads": 1, "channels": 16, "bins": 257},
}


def on_cpu(tensors):
    """The same dict with its tensors on the CPU."""
    return {name: tensor.cpu() for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", SCANS)
def test_scan_matches_float64_autograd_in_value_and_every_gradient(name):
    case = SCANS[name]
    inputs = runs.scan_inputs(**case)
    found = runs.run_scan(runs.to("cuda", inputs), runs.layout_of(case))
    tolerance = runs.TOLERANCE[case.get("dtype", torch.float32)]
    assert_close(on_cpu(found), runs.expected_scan(inputs), tolerance)
    runs.assert_repeats(found["y again"], found["y"])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_matches_float64_autograd(name):
    case = CONVOLUTIONS[name]
    x, weight, bias, reverse = runs.conv_inputs(**case)
    bias = None if bias is None else bias.cuda()
    found = runs.run_conv(
        x.cuda(), weight.cuda(), bias, reverse, runs.layout_of(case)
    )
    expected = runs.expected_conv(*runs.conv_inputs(**case))
    tolerance = runs.TOLERANCE[case.get("dtype", torch.float32)]
    assert_close(on_cpu(found), expected, tolerance)


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_and_their_gradients_are_those_of_torch(name):
    inputs, dtype = map_runs.window_inputs(**WINDOWS[name])
    moved = (t.cuda() if isinstance(t, torch.Tensor) else t for t in inputs)
    found = map_runs.run_windows(map_runs.WindowInputs(*moved), dtype)
    expected = map_runs.expected_windows(inputs)
    assert_close(on_cpu(found), expected, runs.TOLERANCE[dtype])


@pytest.mark.parametrize("name", HEADS)
def test_norm_of_heads_matches_float64_autograd(name):
    *tensors, width = map_runs.head_inputs(**HEADS[name])
    found = map_runs.run_head_norm(*(t.cuda() for t in tensors), width)
    expected = map_runs.expected_head_norm(*tensors, width)
    tolerance = runs.TOLERANCE[tensors[0].dtype]
    map_runs.assert_heads_close(on_cpu(found), expected, tensors, tolerance)


@pytest.mark.parametrize("reverse", [False, True])
def test_runs_repeat_bit_for_bit(reverse):
    inputs = runs.scan_inputs(64, 250, 512, rank=8, reverse=reverse)
    inputs = runs.to("cuda", inputs)
    first = runs.run_scan(inputs)
    for again in (runs.run_scan(inputs), runs.run_scan(inputs, keep=False)):
        for name, tensor in first.items():
            assert torch.equal(again[name], tensor), name
    x, weight, bias, _ = runs.conv_inputs(64, 250, 512)
    inputs = x.cuda(), weight.cuda(), bias.cuda(), reverse
    first, again = runs.run_conv(*inputs), runs.run_conv(*inputs)
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_rows_beyond_32_bit_offsets_are_those_of_the_beginning():
    # nine crops of 4 s: 2.3e9 elements, 4.6 GB; with the rest about 10 GB
    rows, length, channels = 9 * 501, 250, 512
    few = runs.scan_inputs(1, length, channels, 16, dtype=torch.bfloat16)
    few = runs.to("cuda", few)
    wide = torch.zeros(rows, length, 2048, dtype=torch.bfloat16, device="cuda")
    assert wide.numel() > 2**31
    columns = wide.split(channels, 2)
    columns[0][:], columns[1][:] = few.u, few.z
    inputs = few._replace(
        u=columns[0],
        z=columns[1],
        delta=few.delta.expand(rows, -1, -1),
        B=few.B.expand(rows, -1, -1),
        C=few.C.expand(rows, -1, -1),
    )
    backend.scan_forward(inputs, columns[2])
    assert torch.equal(columns[2][-1], columns[2][0])
    assert columns[2][0].any()

    weight, bias = torch.randn(channels, 4).cuda(), few.D
    backend.conv_forward(columns[0], weight, bias, True, columns[3])
    assert torch.equal(columns[3][-1], columns[3][0])
    assert columns[3][0].any()

    shape = backend.checkpoint_shape(few.u, few.A)
    checkpoints = torch.empty(shape, device="cuda")
    backend.scan_forward(few, torch.empty_like(few.u), checkpoints)
    grads = {"u": columns[3]}
    backend.scan_backward(
        inputs,
        checkpoints.expand(rows, *shape[1:]).contiguous(),
        columns[2],
        grads,
    )
    assert torch.equal(columns[3][-1], columns[3][0])
    assert columns[3][0].any()
