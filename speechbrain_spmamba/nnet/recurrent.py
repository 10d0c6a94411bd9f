"""Bidirectional LSTMs that never read padding."""

import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from speechbrain_spmamba.nnet.norms import GlobalLayerNorm
from speechbrain_spmamba.nnet.waveform import before


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

    def __init__(self, d_model, hidden=256, bidirectional=True):
        super().__init__()
        self.output_size = 2 * hidden if bidirectional else hidden
        self.lstm = nn.LSTM(
            d_model, hidden, batch_first=True, bidirectional=bidirectional
        )

    def forward(self, x, count=None):
        """Reads the sequences, in both directions if there are two.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[N, L, d_model]``.
        count : torch.Tensor, optional
            Valid positions of each sequence, at least one, shape ``[N]``.

        Returns
        -------
        torch.Tensor
            Shape ``[N, L, output_size]``: forward, then backward features;
            zero behind a sequence's end.
        """
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

    def __init__(self, feature_dim, eps=1e-5):
        super().__init__()
        self.norm = GlobalLayerNorm(feature_dim, eps)
        self.rnn = BLSTM(feature_dim, 2 * feature_dim)
        self.linear = nn.Linear(self.rnn.output_size, feature_dim)

    def forward(self, x, count=None):
        """See the class; ``count`` are the valid positions, ``[B]``."""
        batch, rows = x.shape[:2]
        flat, valid = x.flatten(0, 1), None
        if count is not None:
            count = count.repeat_interleave(rows)
            valid = before(count, x.shape[2]).unsqueeze(-1)
        out = self.rnn(self.norm(flat, valid), count)
        return x + self.linear(out).unflatten(0, (batch, rows))
