"""Operators count what they multiply, whatever calls them, once."""

import math

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

from speechbrain_spmamba.cost.operators import count_operators
from speechbrain_spmamba.nnet.mamba_path import plain_paths
from speechbrain_spmamba.nnet.stft import STFT
from speechbrain_spmamba.ops import selective_scan
from speechbrain_spmamba.upstream.private import without_values
from tests.small_models import build_small


class Calls(nn.Module):
    """A function as a model, with other modules within reach."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.function(self, x)


def total(model, x):
    return sum(count_operators(model, x).values())


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (nn.Linear(5, 7), (2, 3, 5), 2 * 3 * 5 * 7),
        (nn.Linear(5, 7, bias=False), (5,), 5 * 7),
        # out: (20 + 2 * 2 - 4) // 3 + 1 = 7
        (nn.Conv1d(6, 4, 4, 3, 2, groups=2), (2, 6, 20), 2 * 4 * 7 * 3 * 4),
        (nn.Conv1d(6, 6, 3, dilation=2, groups=6), (1, 6, 9), 6 * 5 * 3),
        (nn.Conv2d(2, 5, 3, padding=1), (1, 2, 8, 9), 8 * 9 * 5 * 2 * 9),
        # at its input length, not that of its output
        (nn.ConvTranspose1d(6, 2, 8, 4), (1, 6, 10), 10 * 6 * 2 * 8),
        (nn.ConvTranspose1d(6, 2, 8, 4, groups=2), (1, 6, 10), 10 * 6 * 8),
        (nn.LSTM(5, 3), (7, 2, 5), 14 * 4 * 3 * (5 + 3)),
        (
            nn.LSTM(5, 3, 2, batch_first=True, bidirectional=True),
            (2, 7, 5),
            14 * 2 * 4 * 3 * ((5 + 3) + (6 + 3)),
        ),
        (nn.LSTM(5, 4, proj_size=2), (7, 1, 5), 7 * (16 * (5 + 2) + 4 * 2)),
        (nn.GRU(5, 3, bidirectional=True), (7, 2, 5), 14 * 2 * 9 * (5 + 3)),
        (nn.RNN(5, 3), (7, 2, 5), 14 * 3 * (5 + 3)),
        (nn.LSTMCell(5, 3), (2, 5), 2 * 4 * 3 * (5 + 3)),
        (nn.LayerNorm(5), (2, 5), 0),
        (nn.PReLU(), (2, 5), 0),
    ],
)
def test_layers_count_as_by_hand(layer, shape, expected):
    assert total(layer, torch.zeros(shape)) == expected


@pytest.mark.parametrize(
    "function, shape, expected",
    [
        (lambda m, x: x @ x.mT, (2, 3, 5), 2 * 3 * 5 * 3),
        (lambda m, x: x @ x[0], (5, 5), 5 * 5),
        (lambda m, x: torch.einsum("bij,bkj->bik", x, x), (2, 3, 5), 90),
        (lambda m, x: torch.baddbmm(x, x, x), (2, 5, 5), 2 * 125),
        # 4 heads: 6 x 6 scores of 8 values, averages of 8 values
        (
            lambda m, x: F.scaled_dot_product_attention(x, x, x),
            (2, 4, 6, 8),
            2 * 4 * 6 * 6 * (8 + 8),
        ),
        (lambda m, x: torch.fft.fft(x * 1j), (3, 64), 3 * 2 * 64 * 6),
        (lambda m, x: torch.fft.rfft(x), (3, 64), 3 * 64 * 6),
        (lambda m, x: torch.fft.irfft(x, 64), (3, 33), 3 * 64 * 6),
        (lambda m, x: F.interpolate(x, 10) * 2 + x.mean(), (1, 2, 5), 0),
    ],
)
def test_functions_count_as_by_hand(function, shape, expected):
    assert total(Calls(function), torch.zeros(shape)) == expected


def test_an_stft_counts_n_log_n_for_every_frame():
    found = count_operators(STFT(64, 16), torch.zeros(2, 320))
    assert found == {("", "transform"): 2 * 21 * 64 * math.log2(64)}


def test_a_scan_counts_half_of_its_nine_operations_a_state():
    def scan(model, x, **optional):
        A, B = -torch.ones(6, 4), x[..., :4]
        return selective_scan(x, x, A, B, B, **optional)

    def gated(model, x):
        return scan(model, x, D=torch.ones(6), z=x)

    x = torch.zeros(2, 5, 6)
    assert total(Calls(gated), x) == 2 * 5 * 6 * (9 * 4 + 2) // 2
    assert total(Calls(scan), x) == 2 * 5 * 6 * 9 * 4 // 2


def test_weights_used_as_raw_matrices_count_where_they_are_used():
    model = Calls(
        lambda m, x: m.inner(x @ m.inner.weight.t()), inner=nn.Linear(4, 4)
    )
    found = count_operators(model, torch.zeros(3, 4))
    assert found == {("", "product"): 48, ("inner", "product"): 48}


def test_a_part_that_is_called_past_its_owner_counts_where_it_is():
    model = Calls(
        lambda m, x: m.inner[0](m.inner(x)),
        inner=nn.Sequential(nn.Linear(4, 4)),
    )
    found = count_operators(model, torch.zeros(3, 4))
    assert found == {("inner.0", "product"): 2 * 48}


def test_a_packed_sequence_counts_its_valid_steps():
    def packed(model, x):
        count = torch.tensor([7, 3])
        return model.rnn(pack_padded_sequence(x, count, batch_first=True))

    model = Calls(packed, rnn=nn.LSTM(5, 3, batch_first=True))
    assert total(model, torch.zeros(2, 7, 5)) == 10 * 4 * 3 * (5 + 3)


def test_torch_counts_the_same_of_a_recurrent_layer():
    layer = nn.LSTM(5, 3, 2, bidirectional=True).to("meta")
    x = torch.zeros(7, 2, 5, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(x)
    assert counter.get_total_flops() == 2 * total(layer, x)


@pytest.mark.parametrize("name", ["conv_tasnet", "sudormrf", "afrcnn"])
def test_torch_counts_the_same_of_a_whole_model(name):
    model, mix = build_small(name), torch.zeros(1, 400)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(mix)
    assert counter.get_total_flops() == 2 * total(model, mix)


@pytest.mark.parametrize("name", ["spmamba", "tf_gridnet", "bsrnn", "tdanet"])
def test_torch_counts_the_same_of_what_it_sees(name):
    model, mix = build_small(name), torch.zeros(1, 400)
    counter = FlopCounterMode(display=False)
    with plain_paths(), torch.no_grad():
        with counter:
            model(mix)
        found = count_operators(model, mix).items()
    seen = ("product", "convolution")
    macs = sum(macs for (_, kind), macs in found if kind in seen)
    assert counter.get_total_flops() == 2 * macs


@pytest.mark.parametrize("name", ["spmamba", "dprnn"])
@plain_paths()
def test_shapes_alone_count_the_same_as_values(name):
    model = build_small(name)
    found = count_operators(model, torch.zeros(1, 400))
    with without_values():
        assert count_operators(model, torch.zeros(1, 400)) == found


@pytest.mark.parametrize("name", ["spmamba", "tf_gridnet", "tdanet", "dprnn"])
@plain_paths()
def test_two_items_cost_twice_as_much(name):
    model = build_small(name)
    one = count_operators(model, torch.zeros(1, 400))
    two = count_operators(model, torch.zeros(2, 400))
    assert two == {key: 2 * macs for key, macs in one.items()}


def test_an_operator_of_unknown_cost_is_an_error():
    @torch.library.custom_op("complexity_test::mystery", mutates_args=())
    def mystery(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    class Within(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return mystery(x)

    for call in (mystery, Within.apply):
        with pytest.raises(ValueError, match="complexity_test.myst.*unknown"):
            total(Calls(lambda m, x, call=call: call(x)), torch.zeros(2))


def test_counting_leaves_no_hooks_and_no_kernels_behind():
    model = build_small("spmamba")
    mix = torch.randn(1, 400, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(mix)
        count_operators(model, mix)
        after = model(mix)
    assert torch.equal(before, after)
    assert not any(m._forward_hooks for m in model.modules())
    assert not any(m._forward_pre_hooks for m in model.modules())
