"""Attention between the frames of a time-frequency map.

Source: TF-GridNet (Wang et al., arXiv 2211.12433), section III-D.

From `nnet.grid_block`, behind both paths; to the next block. On a GPU, norms
are kernels of `ops.triton`.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.ops import triton


def taken_sizes(x):
    """Of which number the sizes of heads must be multiples.

    A GPU's attention that keeps no scores takes multiples of 8 values; those of
    F frequencies are 514 and 1,028 at the published size. Zeros fill them up
    and add nothing.
    """
    return 8 if x.is_cuda else 1


class FrameAttention(nn.Module):
    """Every frame, as one long vector, attends to every other frame.

    Heads are 1x1 projections followed by PReLU and a layer norm over
    (frequency, channel); their outputs are merged, projected and added.

    Arguments
    ---------
    channels : int
        Channels of the map.
    num_bins : int
        Frequencies of the map.
    num_heads : int
        Heads; must divide ``channels``.
    qk_channels : int
        Channels of a query and a key in each head.
    eps : float
        Of the layer norms.

    Shape
    -----
    ``[B, T, F, C]`` -> the same.

    Example
    -------
    >>> FrameAttention(8, 5, 2, 3)(torch.randn(2, 7, 5, 8)).shape
    torch.Size([2, 7, 5, 8])
    """

    def __init__(
        self,
        channels: int,
        num_bins: int,
        num_heads: int,
        qk_channels: int,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(
                f"num_heads is {num_heads}; it must divide the {channels} "
                "channels (emb_dim)"
            )
        self.num_heads = num_heads
        self.head_sizes = [qk_channels, qk_channels, channels // num_heads]
        # One product for all heads; the output axis is role-major: all
        # query heads, all key heads, all value heads.
        self.qkv = nn.Linear(channels, num_heads * sum(self.head_sizes))
        norms = [
            HeadNorm(num_heads, num_bins, size, eps) for size in self.head_sizes
        ]
        self.query_norm, self.key_norm, self.value_norm = norms
        self.proj = nn.Linear(channels, channels)
        self.proj_norm = HeadNorm(1, num_bins, channels, eps)

    def forward(
        self, x: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Lets frames attend to each other.

        Arguments
        ---------
        valid : torch.Tensor, optional
            Boolean, shape ``[B, T]``: frames that may be attended to.
        """
        mask = None if valid is None else valid[:, None, None, :]
        query, key, value = self.project(x)
        return self.add(x, self.attend(query, key, value, mask))

    def project(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values of a map.

        Returns
        -------
        tuple of torch.Tensor
            ``[B, H, T, F * E]`` twice, ``[B, H, T, F * C / H]``; or a little
            wider, see ``taken_sizes``.
        """
        heads = [self.num_heads * size for size in self.head_sizes]
        multiple = taken_sizes(x)
        norms = self.query_norm, self.key_norm, self.value_norm
        parts = self.qkv(x).split(heads, dim=-1)
        return tuple(
            norm(part, multiple)
            for norm, part in zip(norms, parts, strict=True)
        )

    def attend(self, query, key, value, mask=None):
        """Means of values, ``[B, H, T, F * C / H]``, weighted by likeness."""
        scale = self.query_norm.weight[0].numel() ** -0.5
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scale
        )

    def add(self, x, out):
        """Merges the heads' means and adds them to the map."""
        bins = x.shape[2]
        out = out[..., : bins * self.head_sizes[2]]
        out = out.unflatten(-1, (bins, -1))  # [B, H, T, F, C / H]
        out = out.permute(0, 2, 3, 1, 4).flatten(-2)  # [B, T, F, C]
        return x + self.proj_norm(self.proj(out)).view_as(x)


class HeadNorm(nn.Module):
    """PReLU, then a layer norm over (frequency, channel), a head at a time.

    Arguments
    ---------
    num_heads : int
        Heads, each with its own slope, gains and biases.
    num_bins : int
        Frequencies.
    channels : int
        Channels of one head.
    eps : float
        Added to the variance.

    Shape
    -----
    ``[B, T, F, H * C]`` -> ``[B, H, T, W]``, W being F * C or a little more.

    Example
    -------
    >>> HeadNorm(2, 5, 3)(torch.randn(1, 7, 5, 6)).shape
    torch.Size([1, 2, 7, 15])
    """

    def __init__(
        self, num_heads: int, num_bins: int, channels: int, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((num_heads,), 0.25))
        self.weight = nn.Parameter(torch.ones(num_heads, num_bins, channels))
        self.bias = nn.Parameter(torch.zeros(num_heads, num_bins, channels))
        self.eps = eps

    def forward(self, x: torch.Tensor, multiple: int = 1) -> torch.Tensor:
        """See the class.

        Arguments
        ---------
        multiple : int
            Fills rows up with zeros to a multiple of so many values.
        """
        if _is_fused(x):
            return _FusedHeadNorm.apply(
                x, self.slope, self.weight, self.bias, self.eps, multiple
            )
        x = x.unflatten(-1, (len(self.slope), -1)).permute(0, 3, 1, 2, 4)
        x = x.contiguous()  # the norm copies it anyway; PReLU gains by it
        x = F.prelu(x, self.slope.to(x.dtype))  # heads are on axis 1
        x = F.layer_norm(x, x.shape[-2:], eps=self.eps)
        x = torch.addcmul(
            self.bias.unsqueeze(1), x, self.weight.unsqueeze(1)
        ).flatten(-2)
        missing = -x.shape[-1] % multiple
        return F.pad(x, (0, missing)) if missing else x


def _is_fused(x):
    """Whether there is a kernel; a compiled model traces the other form."""
    compiling = torch.compiler.is_compiling()
    return x.is_cuda and not compiling and not triton.why_not(x)


class _FusedHeadNorm(torch.autograd.Function):
    """``HeadNorm`` by one kernel."""

    @staticmethod
    def forward(ctx, x, slope, weight, bias, eps, multiple):
        width = weight[0].numel()
        # What goes into products has their dtype.
        dtype = x.dtype if multiple > 1 else torch.float32
        out = x.new_empty(
            len(x),
            len(slope),
            x.shape[1],
            width + -width % multiple,
            dtype=dtype,
        )
        triton.head_norm_forward(x, slope, weight, bias, eps, out)
        ctx.save_for_backward(x, slope, weight)
        ctx.eps = eps
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, slope, weight = ctx.saved_tensors
        grad_x = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        if grad.stride(-1) != 1:
            grad = grad.contiguous()
        grads = triton.head_norm_backward(
            x, slope, weight, ctx.eps, grad, grad_x
        )
        return grad_x, *grads, None, None
