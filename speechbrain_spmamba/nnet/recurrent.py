"""Bidirectional LSTMs that never read padding, in the precision there is.

On a CPU, autocast hands an LSTM to oneDNN, whose bfloat16 LSTM needs AVX-512
and whose float16 LSTM exists nowhere; instead of taking another way, torch
raises an error. `full_precision_if_needed` asks for the primitive once.

From and to `nnet.grid_block` (of TF-GridNet), `models.bsrnn`, `models.dprnn`.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn
from speechbrain.utils.logger import get_logger
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from speechbrain_spmamba.nnet.norms import GlobalLayerNorm
from speechbrain_spmamba.nnet.waveform import valid_mask

logger = get_logger(__name__)


class BLSTM(nn.Module):
    """One LSTM layer, bidirectional if not told otherwise.

    Arguments
    ---------
    d_model : int
        Width of the input.
    hidden : int
        Width of each direction.
    bidirectional : bool
        Whether there is a backward direction.

    Shape
    -----
    ``[N, L, d_model]`` -> ``[N, L, output_size]``: ``hidden`` for each
    direction.

    Example
    -------
    >>> import torch
    >>> BLSTM(8, hidden=5)(torch.randn(2, 7, 8)).shape
    torch.Size([2, 7, 10])
    """

    def __init__(
        self, d_model: int, hidden: int = 256, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.output_size = 2 * hidden if bidirectional else hidden
        self.lstm = nn.LSTM(
            d_model, hidden, batch_first=True, bidirectional=bidirectional
        )

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Reads the sequences; zero behind the end of each.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid positions of each sequence, at least one, shape ``[N]``.
        """
        return full_precision_if_needed(self._read, x, count)

    def go_on(
        self, x: torch.Tensor, past: dict | None = None, name: str = ""
    ) -> torch.Tensor:
        """Reads forward, behind what was read before.

        Arguments
        ---------
        x : torch.Tensor
            The next positions.
        past : dict, optional
            See ``nnet.past``: the states of an LSTM of one direction.
        name : str
            What they are kept under.
        """
        names = f"{name}.hidden", f"{name}.cell"
        state: Any = None
        if past is not None and names[0] in past:
            state = tuple(past[name] for name in names)
        x, state = full_precision_if_needed(self.lstm, x, state)
        if past is not None:
            past.update(zip(names, state, strict=True))
        return x

    def _read(self, x, count=None):
        if count is not None:
            # Read on the host, which waits for an accelerator once.
            count = count.cpu()
        if count is None or int(count.min()) == x.shape[1]:
            return self.lstm(x)[0]
        # Padding lies where the backward direction starts, and no mask on
        # its input keeps the biases out of its state: pack.
        packed = pack_padded_sequence(
            x, count, batch_first=True, enforce_sorted=False
        )
        return pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=x.shape[1]
        )[0]


class ResidualRNN(nn.Module):
    """``x + Linear(BLSTM(norm(x)))`` along axis 2.

    Arguments
    ---------
    feature_dim : int
        Features; the LSTM has twice as many in each direction.
    eps : float
        Of the norm.

    Shape
    -----
    ``[B, R, Q, feature_dim]`` -> the same: R sequences of Q positions, each
    normalised on its own.

    Example
    -------
    >>> import torch
    >>> ResidualRNN(4)(torch.randn(2, 3, 5, 4)).shape
    torch.Size([2, 3, 5, 4])
    """

    def __init__(self, feature_dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = GlobalLayerNorm(feature_dim, eps)
        self.rnn = BLSTM(feature_dim, 2 * feature_dim)
        self.linear = nn.Linear(self.rnn.output_size, feature_dim)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``count`` are the valid positions, ``[B]``."""
        batch, rows = x.shape[:2]
        flat, valid = x.flatten(0, 1), None
        if count is not None:
            count = count.repeat_interleave(rows)
            valid = valid_mask(count, x.shape[2]).unsqueeze(-1)
        out = self.rnn(self.norm(flat, valid), count)
        return x + self.linear(out).unflatten(0, (batch, rows))


def full_precision_if_needed(
    network: Callable, x: torch.Tensor, *args: Any
) -> Any:
    """Calls a network with LSTMs, without autocast where that cannot run them.

    Arguments
    ---------
    network : callable
        Takes ``x`` and ``args``.
    x : torch.Tensor
        Its input; its device matters.
    *args
        Further arguments.

    Returns
    -------
    object
        What the network returns.

    Example
    -------
    >>> lstm = nn.LSTM(3, 2)
    >>> with torch.autocast("cpu", torch.float16):
    ...     full_precision_if_needed(lstm, torch.randn(5, 1, 3))[0].dtype
    torch.float32
    """
    if (
        x.device.type != "cpu"
        or not torch.is_autocast_enabled("cpu")
        or _autocast_runs_lstms(torch.get_autocast_dtype("cpu"))
    ):
        return network(x, *args)
    with torch.autocast("cpu", enabled=False):
        return network(x.to(torch.promote_types(x.dtype, torch.float32)), *args)


@functools.cache
def _autocast_runs_lstms(dtype):
    """Tries a tiny LSTM in both directions; says once what follows if not."""
    with (
        torch.random.fork_rng(devices=()),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", dtype),
    ):
        lstm = nn.LSTM(1, 1, bidirectional=True)
        try:
            lstm(torch.zeros(1, 1, 1))[0].sum().backward()
        except RuntimeError:
            logger.warning(
                "This processor has no LSTM in %s: under autocast, recurrent "
                "layers run in float32",
                str(dtype).removeprefix("torch."),
            )
            return False
    return True
