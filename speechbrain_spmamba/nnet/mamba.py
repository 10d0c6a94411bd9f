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

From `nnet.grid_block`, the plain form of a path; to `ops.selective_scan` and
back. The folded form of `nnet.mamba_path` reads these modules' weights only.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.past import behind_past, scan_on
from speechbrain_spmamba.nnet.waveform import valid_mask
from speechbrain_spmamba.ops import selective_scan

DT_MIN, DT_MAX, DT_FLOOR = 1e-3, 0.1, 1e-4  # step sizes that are drawn


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
    def reset_state_parameters(self):
        """Draws what makes a Mamba remember: step sizes, decays, skip.

        After it, softplus(dt_proj.bias) is log-uniform in [DT_MIN, DT_MAX],
        A = -(1 ... d_state) in every channel and D = 1 (arXiv 2312.00752,
        section 3.6). The marks tell optimisers and initialisers to leave
        these parameters alone, as the official code does.
        """
        self.dt_proj.bias._no_reinit = True
        for parameter in (self.A_log, self.D, self.dt_proj.bias):
            parameter._no_weight_decay = True
        if self.A_log.is_meta:
            return  # no values; to compute some torch imports its compiler
        bound = self.dt_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        low, high = math.log(DT_MIN), math.log(DT_MAX)
        dt = torch.rand_like(self.dt_proj.bias) * (high - low) + low
        dt = dt.exp().clamp_min(DT_FLOOR)
        # softplus(y) = x  <=>  y = x + log(1 - exp(-x))
        self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))
        self.A_log.copy_(torch.arange(1.0, self.d_state + 1).log())
        self.D.fill_(1.0)

    def forward(self, x, valid=None):
        """Runs the layer.

        Arguments
        ---------
        valid : torch.Tensor, optional
            Boolean, shape ``[B, L]``: positions that exist. The others
            neither change the state nor reach the convolution.
        """
        u, z = self.in_proj(x).chunk(2, dim=-1)  # each [B, L, d_inner]
        if valid is not None:
            u = u * valid.unsqueeze(-1)
        u = F.silu(self._convolve(u))
        if valid is not None:
            # u = 0 adds nothing to the state, and a state that is still
            # zero stays zero: a reverse scan starts at the item's own end.
            u = u * valid.unsqueeze(-1)
        y = selective_scan(*self._scan_inputs(u, z), **self._scan_options())
        return self.out_proj(y)

    def go_on(self, x, past=None, name=""):
        """Runs a forward layer behind what it has read before.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, L, d_model]``, L at least 1.
        past : dict, optional
            See ``nnet.past``: inputs of the convolution, state of the scan.
        name : str
            What they are kept under.

        Returns
        -------
        torch.Tensor
            Shape of ``x``.
        """
        u, z = self.in_proj(x).chunk(2, dim=-1)
        taps = self.conv1d.weight.shape[-1]
        u = behind_past(past, f"{name}.conv", u, taps - 1, axis=1)
        u = F.silu(self.conv1d(u.transpose(1, 2)).transpose(1, 2))
        y = scan_on(
            past,
            f"{name}.state",
            *self._scan_inputs(u, z),
            **self._scan_options(),
        )
        return self.out_proj(y)

    def _scan_inputs(self, u, z):
        """Arguments of the scan that depend on the input, and its rates."""
        dt, B, C = self.x_proj(u).split(
            [self.dt_rank, self.d_state, self.d_state], dim=-1
        )
        A = -torch.exp(self.A_log.float()).to(self.A_log.dtype)
        delta = F.linear(dt, self.dt_proj.weight)
        return u, delta, A, B, C, self.D, z, self.dt_proj.bias

    def _scan_options(self):
        """The others."""
        return {
            "delta_softplus": True,
            "reverse": self.reverse,
            "backend": self.scan_backend,
        }

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
    eps : float
        Of the RMS norm.
    d_model, **mamba
        See ``Mamba``.

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
        self.output_size = d_model
        self.norm = nn.RMSNorm(d_model, eps=eps)
        self.mamba = Mamba(d_model, **mamba)

    def forward(self, x, valid=None):
        """See the class; ``valid`` as in ``Mamba.forward``."""
        return x + self.mamba(self.norm(x), valid)

    def go_on(self, x, past=None, name=""):
        """See ``Mamba.go_on``."""
        return x + self.mamba.go_on(self.norm(x), past, name)


class BiMamba(nn.Module):
    """Both directions, each with its own weights, side by side.

    Arguments
    ---------
    d_model : int
        Width of the input; the output has twice that.
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

    def __init__(self, d_model, **mamba):
        super().__init__()
        self.output_size = 2 * d_model
        self.forward_branch = MambaBranch(d_model, reverse=False, **mamba)
        self.backward_branch = MambaBranch(d_model, reverse=True, **mamba)

    def forward(self, x, count=None):
        """Reads forward and backward: features of the one, then of the other.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid positions of each sequence, shape ``[B]``.
        """
        valid = None if count is None else valid_mask(count, x.shape[1])
        return torch.cat(
            [self.forward_branch(x, valid), self.backward_branch(x, valid)], -1
        )
