"""Frame attention equals a plain loop over heads and frames."""

import math

import pytest
import torch

from speechbrain_spmamba.nnet import attention
from speechbrain_spmamba.nnet.attention import FrameAttention


def _attention():
    module = FrameAttention(8, num_bins=5, num_heads=2, qk_channels=3).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def _normed(norm, x, head):
    """PReLU and norm over (frequency, channel) of one head, one frame."""
    x = torch.where(x >= 0, x, norm.slope[head] * x)
    x = (x - x.mean()) / torch.sqrt(x.var(correction=0) + norm.eps)
    return x * norm.weight[head] + norm.bias[head]


def test_it_is_attention_between_flattened_frames():
    module, x = _attention(), torch.randn(4, 5, 8, dtype=torch.float64)
    weight, bias = module.qkv.weight, module.qkv.bias
    heads = []
    for head in range(2):
        q = slice(head * 3, head * 3 + 3)
        k = slice(6 + head * 3, 6 + head * 3 + 3)
        v = slice(12 + head * 4, 12 + head * 4 + 4)
        query, key, value = (
            torch.stack(
                [_normed(n, f @ weight[p].T + bias[p], head) for f in x]
            ).flatten(1)
            for n, p in (
                (module.query_norm, q),
                (module.key_norm, k),
                (module.value_norm, v),
            )
        )
        share = torch.softmax(query @ key.T / math.sqrt(15), dim=-1)
        heads.append((share @ value).view(4, 5, 4))
    merged = torch.cat(heads, -1) @ module.proj.weight.T + module.proj.bias
    merged = torch.stack([_normed(module.proj_norm, f, 0) for f in merged])
    torch.testing.assert_close(module(x.unsqueeze(0))[0], x + merged)


def test_invalid_frames_are_not_attended_to():
    module, x = _attention(), torch.randn(1, 6, 5, 8, dtype=torch.float64)
    valid = torch.tensor([[True, True, True, True, False, False]])
    torch.testing.assert_close(module(x, valid)[:, :4], module(x[:, :4]))


@pytest.mark.parametrize("masked", [False, True])
def test_heads_filled_up_with_zeros_change_no_value_and_no_gradient(
    masked, monkeypatch
):
    module, x = _attention(), torch.randn(2, 7, 5, 8, dtype=torch.float64)
    valid = torch.arange(7) < torch.tensor([[5], [7]]) if masked else None
    weights = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).cos().view_as(x)

    def run(multiple):
        monkeypatch.setattr(attention, "taken_sizes", lambda x: multiple)
        out = module(x, valid)
        loss = (out * weights).sum()
        return out, *torch.autograd.grad(loss, list(module.parameters()))

    for filled, plain in zip(run(8), run(1), strict=True):
        torch.testing.assert_close(filled, plain, rtol=1e-10, atol=1e-10)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="num_heads is 3"):
        FrameAttention(8, 5, num_heads=3, qk_channels=2)
