"""What a bidirectional LSTM makes of windows, as text of an ONNX function.

ONNX has the operator; the transposed convolution of the path is a product
behind it.

From and to `deploy.path_function`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_spmamba.deploy.layers import OnnxLSTM
from speechbrain_spmamba.deploy.scan_function import ints

if TYPE_CHECKING:
    import torch

    from speechbrain_spmamba.nnet.grid_block import GridPath


INPUTS = "norm_weight norm_bias bias read kept biases out_proj".split()
# A step reads all weights, so that many rows have to share it.
VALUES = 2**24


def tensors(path: GridPath) -> list[torch.Tensor]:
    """What ``INPUTS`` are of a path.

    Arguments
    ---------
    path : GridPath
        With a ``BLSTM``, or with that of ``with_file_layers``.

    Returns
    -------
    list of torch.Tensor
        Windows by tap, then channel.
    """
    lstm = path.mixer.lstm
    lstm = lstm if isinstance(lstm, OnnxLSTM) else OnnxLSTM(lstm)
    # [2, 4 H, (channel, tap)] -> [2, 4 H, (tap, channel)]
    read = lstm.read.unflatten(-1, (-1, path.emb_ks)).transpose(-1, -2)
    out = path.deconv.weight.transpose(1, 2).flatten(1)  # [2 H, (tap, channel)]
    own = path.norm.weight, path.norm.bias, path.deconv.bias
    both = read.flatten(-2), lstm.kept, lstm.biases, out
    return [tensor.detach().contiguous() for tensor in (*own, *both)]


def windows_of_block(path):
    """How many windows go through it at a time."""
    return max(1, VALUES // (4 * path.mixer.output_size))


def text(path):
    """From ``taken`` to ``given``, both ``[R, L, K C]``."""
    return f"""
    timed = Transpose <perm = [1, 0, 2]> (taken)
    both = LSTM <hidden_size = {path.mixer.output_size // 2},
        direction = "bidirectional"> (timed, read, kept, biases)
    turned = Transpose <perm = [2, 0, 1, 3]> (both)
    {ints("flat", 0, 0, -1)}
    side_by_side = Reshape (turned, flat)
    given = MatMul (side_by_side, out_proj)"""
