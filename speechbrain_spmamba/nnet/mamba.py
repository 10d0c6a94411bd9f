"""Mamba, and a pair of Mambas that reads a sequence in both directions.

Sources: Mamba (Gu & Dao, arXiv 2312.00752), figure 3 and algorithm 2;
the pre-norm residual branch of SPMamba (arXiv 2404.02063), section 3.2.

Glossary, paper -> code
    D (model width)  d_model        E (expansion)   expand
    E * D            d_inner        N (state size)  d_state
    L (length)       axis 1 of x    Delta           delta
    B, C             B, C           A = -exp(A_log)

Parameters carry the names of the official implementation, so its weights
load as they are.
"""

import functools
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.folded_forward import Settings
from speechbrain_spmamba.nnet.folded_path import MEMORY, run_path
from speechbrain_spmamba.nnet.folding import FoldingCache
from speechbrain_spmamba.nnet.waveform import before
from speechbrain_spmamba.ops import choose_backend, selective_scan
from speechbrain_spmamba.ops.backends import KERNELS


def not_compiled(method):
    """``torch.compiler.disable``, but the compiler is imported when it runs.

    The import takes a second, which every command would pay for.
    """

    @functools.wraps(method)
    def call(*args, **kwargs):
        if torch.compiler.is_compiling():
            return torch.compiler.disable(method)(*args, **kwargs)
        return method(*args, **kwargs)

    return call


class Mamba(nn.Module):
    """Selective state-space layer.

    Arguments
    ---------
    d_model : int
        Width of input and output.
    d_state : int
        States a channel.
    d_conv : int
        Taps of the causal depthwise convolution.
    expand : int
        Inner width over ``d_model``.
    reverse : bool
        Read the sequence from its end: the output is that of a forward layer
        on the flipped sequence, flipped back.
    scan_backend : str
        Backend of the selective scan, see ``ops.selective_scan``.

    Shape
    -----
    ``[B, L, d_model]`` -> the same.

    Example
    -------
    >>> Mamba(d_model=8)(torch.randn(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        d_model,
        d_state=16,
        d_conv=4,
        expand=2,
        reverse=False,
        scan_backend="auto",
    ):
        super().__init__()
        d_inner = expand * d_model
        self.dt_rank = math.ceil(d_model / 16)
        self.d_state = d_state
        self.reverse = reverse
        self.scan_backend = scan_backend
        self.in_proj = nn.Linear(d_model, 2 * d_inner, bias=False)
        self.conv1d = nn.Conv1d(d_inner, d_inner, d_conv, groups=d_inner)
        self.x_proj = nn.Linear(d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, d_inner)
        self.A_log = nn.Parameter(torch.empty(d_inner, d_state))
        self.D = nn.Parameter(torch.empty(d_inner))
        self.out_proj = nn.Linear(d_inner, d_model, bias=False)
        self.reset_state_parameters()

    @torch.no_grad()
    def reset_state_parameters(self, dt_min=1e-3, dt_max=0.1, dt_floor=1e-4):
        """Draws what makes a Mamba remember: step sizes, decays, skip.

        After it, softplus(dt_proj.bias) is log-uniform in [dt_min, dt_max],
        A = -(1 ... d_state) in every channel and D = 1 (arXiv 2312.00752,
        section 3.6). The marks tell optimisers and initialisers to leave
        these parameters alone, as the official code does.

        Arguments
        ---------
        dt_min : float
            Smallest step size drawn.
        dt_max : float
            Largest step size drawn.
        dt_floor : float
            Step sizes are raised to this.
        """
        bound = self.dt_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        low, high = math.log(dt_min), math.log(dt_max)
        dt = torch.rand_like(self.dt_proj.bias) * (high - low) + low
        dt = dt.exp().clamp_min(dt_floor)
        # softplus(y) = x  <=>  y = x + log(1 - exp(-x))
        self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))
        self.A_log.copy_(torch.arange(1.0, self.d_state + 1).log())
        self.D.fill_(1.0)
        self.dt_proj.bias._no_reinit = True
        for parameter in (self.A_log, self.D, self.dt_proj.bias):
            parameter._no_weight_decay = True

    def forward(self, x, valid=None):
        """Runs the layer.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, L, d_model]``.
        valid : torch.Tensor, optional
            Boolean, shape ``[B, L]``: positions that exist. The others
            neither change the state nor reach the convolution.

        Returns
        -------
        torch.Tensor
            Shape ``[B, L, d_model]``.
        """
        u, z = self.in_proj(x).chunk(2, dim=-1)  # each [B, L, d_inner]
        if valid is not None:
            u = u * valid.unsqueeze(-1)
        u = F.silu(self._convolve(u))
        if valid is not None:
            # u = 0 adds nothing to the state, and a state that is still
            # zero stays zero: a reverse scan starts at the item's own end.
            u = u * valid.unsqueeze(-1)
        dt, B, C = self.x_proj(u).split(
            [self.dt_rank, self.d_state, self.d_state], dim=-1
        )
        y = selective_scan(
            u,
            F.linear(dt, self.dt_proj.weight),
            -torch.exp(self.A_log.float()).to(self.A_log.dtype),
            B,
            C,
            D=self.D,
            z=z,
            delta_bias=self.dt_proj.bias,
            delta_softplus=True,
            reverse=self.reverse,
            backend=self.scan_backend,
        )
        return self.out_proj(y)

    def _convolve(self, u):
        """Depthwise convolution that sees the past (of its direction) only."""
        weight = self.conv1d.weight
        past = weight.shape[-1] - 1
        if self.reverse:
            weight = weight.flip(-1)
        padded = F.pad(
            u.transpose(1, 2), (0, past) if self.reverse else (past, 0)
        )
        out = F.conv1d(padded, weight, self.conv1d.bias, groups=weight.shape[0])
        return out.transpose(1, 2)


class MambaBranch(nn.Module):
    """One direction: ``x + Mamba(RMSNorm(x))``.

    Arguments
    ---------
    d_model : int
        Width of input and output.
    eps : float
        Of the RMS norm.
    **mamba : dict
        Arguments of ``Mamba``.

    Shape
    -----
    ``[B, L, d_model]`` -> the same.

    Example
    -------
    >>> MambaBranch(8, reverse=True)(torch.randn(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, d_model, eps=1e-5, **mamba):
        super().__init__()
        self.norm = nn.RMSNorm(d_model, eps=eps)
        self.mamba = Mamba(d_model, **mamba)

    def forward(self, x, valid=None):
        """See the class; ``valid`` as in ``Mamba.forward``."""
        return x + self.mamba(self.norm(x), valid)


class BiMamba(nn.Module):
    """Both directions, each with its own weights, side by side.

    Arguments
    ---------
    d_model : int
        Width of the input; the output has twice that.
    memory : str
        What a folded path keeps for its backward pass: "speed", "balanced" or
        "low", see ``nnet.folded_path``.
    **mamba : dict
        Arguments of ``MambaBranch``.

    Shape
    -----
    ``[B, L, d_model]`` -> ``[B, L, 2 * d_model]``.

    Example
    -------
    >>> BiMamba(8)(torch.randn(2, 5, 8)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, d_model, memory="balanced", **mamba):
        super().__init__()
        if memory not in MEMORY:
            raise ValueError(
                f"memory is {memory!r}, expected one of: {', '.join(MEMORY)}"
            )
        self.output_size = 2 * d_model
        self.memory = memory
        self._folding = FoldingCache()
        self.forward_branch = MambaBranch(d_model, reverse=False, **mamba)
        self.backward_branch = MambaBranch(d_model, reverse=True, **mamba)

    def forward(self, x, count=None):
        """Reads the sequences in both directions.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, L, d_model]``.
        count : torch.Tensor, optional
            Valid positions of each sequence, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape ``[B, L, 2 * d_model]``: forward, then backward features.
        """
        valid = None if count is None else before(count, x.shape[1])
        return torch.cat(
            [self.forward_branch(x, valid), self.backward_branch(x, valid)], -1
        )

    # Both look at what torch cannot trace: which backend runs, whether weights
    # have changed. A compiled model calls them as they are.

    @not_compiled
    def can_fold(self, x):
        """Whether ``run_folded`` can take the place of ``forward`` for x."""
        mamba = self.forward_branch.mamba
        return choose_backend(mamba.scan_backend, x, mamba.A_log) in KERNELS

    @not_compiled
    def run_folded(self, path, x, valid=None):
        """Runs a whole path of the grid around this pair, see ``nnet.folding``.

        Arguments
        ---------
        path : GridPath
            The path that this pair is the mixer of.
        x : torch.Tensor
            Shape ``[N, Q, emb_dim]``.
        valid : torch.Tensor, optional
            Boolean, shape ``[N, L]``: windows that exist.

        Returns
        -------
        torch.Tensor
            Shape of ``x``.
        """
        branch, device = self.forward_branch, x.device.type
        autocast = torch.is_autocast_enabled(device)
        settings = Settings(
            path.emb_ks,
            path.emb_hs,
            path.norm.eps,
            branch.norm.eps,
            choose_backend(branch.mamba.scan_backend, x, branch.mamba.A_log),
            self.memory,
            torch.get_autocast_dtype(device) if autocast else x.dtype,
        )
        with torch.autocast(device, enabled=False):
            weights = self._folding.fold(path)
        return run_path(x, weights, settings, valid)
