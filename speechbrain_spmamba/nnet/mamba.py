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
from typing import Any, NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.waveform import valid_mask
from speechbrain_spmamba.ops import selective_scan, selective_scan_step
from speechbrain_spmamba.ops.kernel_interface import state_dtype

DT_MIN, DT_MAX, DT_FLOOR = 1e-3, 0.1, 1e-4  # step sizes that are drawn


class MambaState(NamedTuple):
    """What a Mamba knows of the steps before.

    Arguments
    ---------
    conv : torch.Tensor
        The last inputs of the convolution, ``[B, d_conv - 1, d_inner]``.
    scan : torch.Tensor
        State of the scan, ``[B, d_inner, d_state]``, float32 or float64.
    """

    conv: torch.Tensor
    scan: torch.Tensor


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
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        reverse: bool = False,
        scan_backend: str = "auto",
    ) -> None:
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
    def reset_state_parameters(self) -> None:
        """Draws what makes a Mamba remember: step sizes, decays, skip.

        After it, softplus(dt_proj.bias) is log-uniform in [DT_MIN, DT_MAX],
        A = -(1 ... d_state) in every channel and D = 1 (arXiv 2312.00752,
        section 3.6). The marks tell optimisers and initialisers to leave
        these parameters alone, as the official code does.
        """
        self.dt_proj.bias._no_reinit = True  # type: ignore[attr-defined]
        for parameter in (self.A_log, self.D, self.dt_proj.bias):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]
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

    def forward(
        self, x: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
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
        u = F.silu(self._convolve(self._pad(u.transpose(1, 2))))
        if valid is not None:
            # u = 0 adds nothing to the state, and a state that is still
            # zero stays zero: a reverse scan starts at the item's own end.
            u = u * valid.unsqueeze(-1)
        y = selective_scan(**self._scan(u, z), reverse=self.reverse)
        return self.out_proj(y)

    def initial_state(
        self,
        batch: int,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> MambaState:
        """The state before the first step: zeros.

        Arguments
        ---------
        batch : int
            Number of sequences.
        device, dtype : torch.device, torch.dtype
            Those of the weights by default; dtype is that in which the
            convolution's inputs are kept.

        Returns
        -------
        MambaState
            For ``step`` and ``forward_from``.
        """
        weight = self.in_proj.weight
        device, dtype = device or weight.device, dtype or weight.dtype
        width, _, taps = self.conv1d.weight.shape
        conv = torch.zeros(batch, taps - 1, width, dtype=dtype, device=device)
        scan = torch.zeros(
            *(batch, width, self.d_state),
            dtype=state_dtype(weight, self.A_log),
            device=device,
        )
        return MambaState(conv, scan)

    def forward_from(self, x: torch.Tensor, state: MambaState) -> tuple:
        """Runs the layer on the steps that follow a state.

        The outputs of successive parts are that of ``forward`` on the whole,
        and so are their gradients, which flow through the state.

        Arguments
        ---------
        x : torch.Tensor
            The next steps, ``[B, K, d_model]``; K may be 0.
        state : MambaState
            From ``initial_state`` or an earlier call.

        Returns
        -------
        tuple
            The output, ``[B, K, d_model]``, and the state after it.

        Example
        -------
        >>> mamba, x = Mamba(d_model=8), torch.randn(2, 5, 8)
        >>> first, state = mamba.forward_from(x[:, :3], mamba.initial_state(2))
        >>> rest, _ = mamba.forward_from(x[:, 3:], state)
        >>> torch.allclose(torch.cat([first, rest], 1), mamba(x), atol=1e-6)
        True
        """
        self._refuse_reverse()
        u, z = self.in_proj(x).chunk(2, dim=-1)
        seen = torch.cat([state.conv.to(u.dtype), u], 1)
        # without a step there is nothing to convolve
        if x.shape[1]:
            u = F.silu(self._convolve(seen.transpose(1, 2)))
        y, scan = selective_scan(
            **self._scan(u, z),
            initial_state=state.scan,
            return_last_state=True,
        )
        conv = seen[:, x.shape[1] :].to(state.conv.dtype)
        return self.out_proj(y), MambaState(conv, scan)

    @torch.no_grad()
    def step(self, x: torch.Tensor, state: MambaState) -> torch.Tensor:
        """Runs the layer on the one step that follows a state, in inference.

        Arguments
        ---------
        x : torch.Tensor
            The next step, ``[B, d_model]``.
        state : MambaState
            From ``initial_state``; updated in place.

        Returns
        -------
        torch.Tensor
            The output, ``[B, d_model]``, without a gradient: ``forward_from``
            has one.

        Example
        -------
        >>> mamba, x = Mamba(d_model=8), torch.randn(2, 5, 8)
        >>> state = mamba.initial_state(2)
        >>> y = torch.stack([mamba.step(x[:, t], state) for t in range(5)], 1)
        >>> torch.allclose(y, mamba(x), atol=1e-6)
        True
        """
        self._refuse_reverse()
        u, z = self.in_proj(x).chunk(2, dim=-1)
        seen = torch.cat([state.conv.to(u.dtype), u[:, None]], 1)
        state.conv.copy_(seen[:, 1:])
        taps = self.conv1d.weight[:, 0].t()
        u = F.silu((seen * taps).sum(1) + self.conv1d.bias)
        y = selective_scan_step(state.scan, **self._scan(u.to(z.dtype), z))
        return self.out_proj(y)

    def _refuse_reverse(self):
        if self.reverse:
            raise ValueError(
                "this Mamba reads its input from the end and cannot go on from "
                "a state; use one with reverse=False"
            )

    def _scan(self, u, z):
        """Arguments of the scan of the convolved u, in any number of steps."""
        dt, B, C = self.x_proj(u).split(
            [self.dt_rank, self.d_state, self.d_state], dim=-1
        )
        return {
            "u": u,
            "delta": F.linear(dt, self.dt_proj.weight),
            "A": -torch.exp(self.A_log.float()).to(self.A_log.dtype),
            "B": B,
            "C": C,
            "D": self.D,
            "z": z,
            "delta_bias": self.dt_proj.bias,
            "delta_softplus": True,
            "backend": self.scan_backend,
        }

    def _pad(self, u):
        """Zeros before ``[B, d_inner, L]``, as the direction has it."""
        past = self.conv1d.weight.shape[-1] - 1
        return F.pad(u, (0, past) if self.reverse else (past, 0))

    def _convolve(self, padded):
        """Depthwise convolution that sees the past (of its direction) only."""
        weight = self.conv1d.weight
        if self.reverse:
            weight = weight.flip(-1)
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

    def __init__(self, d_model: int, eps: float = 1e-5, **mamba: Any) -> None:
        super().__init__()
        self.output_size = d_model
        self.norm = nn.RMSNorm(d_model, eps=eps)
        self.mamba = Mamba(d_model, **mamba)

    def forward(
        self, x: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``valid`` as in ``Mamba.forward``."""
        return x + self.mamba(self.norm(x), valid)

    def go_on(
        self, x: torch.Tensor, past: dict | None = None, name: str = ""
    ) -> torch.Tensor:
        """Reads what follows a past.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, L, d_model]``.
        past : dict, optional
            See ``nnet.past``: the state of the Mamba, which is replaced.
        name : str
            What it is kept under.

        Returns
        -------
        torch.Tensor
            Shape of ``x``.
        """
        if past is None:
            return self(x)
        names, normed = (f"{name}.conv", f"{name}.scan"), self.norm(x)
        if names[0] in past:
            state = MambaState(*(past[name] for name in names))
        else:
            state = self.mamba.initial_state(len(x))
        if x.shape[1] == 1 and not torch.is_grad_enabled():
            y = self.mamba.step(normed[:, 0], state).unsqueeze(1)
        else:
            y, state = self.mamba.forward_from(normed, state)
            # a copy, for a view would keep all that was read
            state = state._replace(conv=state.conv.clone())
        past.update(zip(names, state, strict=True))
        return x + y


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

    def __init__(self, d_model: int, **mamba: Any) -> None:
        super().__init__()
        self.output_size = 2 * d_model
        self.forward_branch = MambaBranch(d_model, reverse=False, **mamba)
        self.backward_branch = MambaBranch(d_model, reverse=True, **mamba)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
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
