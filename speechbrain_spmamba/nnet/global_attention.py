"""What stands at the top of TDANet's block: attention and a feed-forward.

Source: Li, Yang and Hu, arXiv 2209.15200, section 3.2. Both layers take a
map ``[B, C, L]`` and the valid positions of each item.

From and to `models.tdanet`, at the coarsest of its scales.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.scales import UnbiasedConvNorm, mask_padding
from speechbrain_spmamba.nnet.waveform import valid_mask

ATTENTION = ("time", "published")
DROPOUT = 0.1  # of both layers, and of the paths around them


class GlobalAttention(nn.Module):
    """Multi-head attention between two layer norms.

    Arguments
    ---------
    channels : int
        Channels of the map.
    attention : str
        "time": positions attend to each other; "published": to themselves.
    num_heads : int
        Heads; must divide ``channels``.

    Shape
    -----
    ``[B, channels, L]`` -> the same.

    Example
    -------
    >>> GlobalAttention(8)(torch.randn(2, 8, 5)).shape
    torch.Size([2, 8, 5])
    """

    def __init__(
        self, channels: int, attention: str = "time", num_heads: int = 8
    ) -> None:
        super().__init__()
        if attention not in ATTENTION:
            raise ValueError(
                f"attention is {attention!r}, expected one of: "
                f"{', '.join(ATTENTION)}"
            )
        if channels % num_heads:
            raise ValueError(
                f"in_channels is {channels}; it must be a multiple of the "
                f"{num_heads} heads"
            )
        self.over_time = attention == "time"
        self.num_heads = num_heads
        self.input_norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.output_norm = nn.LayerNorm(channels)
        # As multi-head attention is drawn by default.
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.proj.bias)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``count`` are the valid positions, ``[B]``."""
        x = self.input_norm(x.transpose(1, 2))
        steps, width = x.shape[1:]
        x = x + positions(steps, width, device=x.device).to(x.dtype)
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # [B, H, L, C / H]
        dropout = DROPOUT if self.training else 0.0
        if self.over_time:
            mask = None
            if count is not None:
                mask = valid_mask(count, x.shape[1])[:, None, None]
            out = F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, dropout_p=dropout
            )
        else:
            # The softmax over one position is 1, and dropout acts on it.
            out = value * F.dropout(torch.ones_like(value[..., :1]), dropout)
        out = self.proj(out.transpose(1, 2).flatten(2))
        out = self.output_norm(out + F.dropout(out, dropout))
        return mask_padding(out.transpose(1, 2), count)


class FeedForward(nn.Module):
    """Two pointwise layers with a short depthwise convolution between them.

    Arguments
    ---------
    channels : int
        Channels of the map; twice as many inside.

    Shape
    -----
    ``[B, channels, L]`` -> the same.

    Example
    -------
    >>> FeedForward(8)(torch.randn(2, 8, 5)).shape
    torch.Size([2, 8, 5])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = 2 * channels
        self.expand = UnbiasedConvNorm(channels, hidden)
        self.depthwise = nn.Conv1d(hidden, hidden, 5, padding=2, groups=hidden)
        self.project = UnbiasedConvNorm(hidden, channels)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``count`` are the valid positions, ``[B]``."""
        x = self.depthwise(self.expand(x, count))
        x = self.project(self.dropout(F.relu(x)), count)
        return self.dropout(x)


def positions(
    length: int, channels: int, device: torch.device | None = None
) -> torch.Tensor:
    """Fixed table of sines (even channels) and cosines (odd ones).

    Arguments
    ---------
    length : int
        Positions.
    channels : int
        An even number.
    device : torch.device, optional
        Where to make it.

    Returns
    -------
    torch.Tensor
        Shape ``[length, channels]``.

    Example
    -------
    >>> positions(1, 4)
    tensor([[0., 1., 0., 1.]])
    """
    even = torch.arange(0, channels, 2, device=device)
    rate = torch.exp(even * (-math.log(10000.0) / channels))
    phase = torch.arange(length, device=device).unsqueeze(1) * rate
    return torch.stack([phase.sin(), phase.cos()], dim=2).flatten(1)


def drop_path(x: torch.Tensor, training: bool) -> torch.Tensor:
    """In training, leaves a branch out for some items of the batch.

    Arguments
    ---------
    x : torch.Tensor
        Output of the branch, shape ``[B, C, L]``.
    training : bool
        Whether to do so.

    Returns
    -------
    torch.Tensor
        Shape of ``x``; what is kept is scaled so that the mean stays.

    Example
    -------
    >>> drop_path(torch.ones(1, 1, 2), training=False)
    tensor([[[1., 1.]]])
    """
    if not training:
        return x
    kept = torch.full_like(x[:, :1, :1], 1 - DROPOUT).bernoulli()
    return x * kept / (1 - DROPOUT)
