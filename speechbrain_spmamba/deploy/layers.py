"""Layers in the form that an ONNX file has.

* Norms over a whole recording take means of means: the operators that a norm
  would become sum millions of values one after the other, and of a minute of
  sound nothing but two digits would be right.
* LSTMs are ONNX's operator, which takes any number of steps.

From `deploy.onnx_file`, which puts them into a copy of a model, and from
`deploy.grid`.
"""

import copy
from typing import Any

import torch
import torch.nn as nn

from speechbrain_spmamba.nnet.norms import GlobalLayerNorm
from speechbrain_spmamba.nnet.time_domain import FrameNorm


def with_file_layers(model: torch.nn.Module) -> torch.nn.Module:
    """A copy of a model with these layers in place of torch's.

    Arguments
    ---------
    model : torch.nn.Module
        Stays as it is.

    Returns
    -------
    torch.nn.Module
        Takes no lengths.

    Example
    -------
    >>> model = nn.Sequential(FrameNorm(4))
    >>> with_file_layers(model), model
    (Sequential(
      (0): ExactFrameNorm()
    ), Sequential(
      (0): FrameNorm(1, 4, eps=1e-08, affine=True)
    ))
    """
    model = copy.deepcopy(model)
    child: Any
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) in FORMS:
                setattr(module, name, FORMS[type(child)](child))
    return model


class AllValid(nn.Module):
    """A model told that all of each recording counts.

    Its layers then take the way of unequal lengths, in which the windows of an
    adaptive pooling do not depend on whether one length divides the other.

    Arguments
    ---------
    model : torch.nn.Module
        Of ``models``.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """See ``models``."""
        return self.model(mix, torch.ones_like(mix[:, 0]))


class ExactNorm(nn.Module):
    """A ``GlobalLayerNorm`` without lengths.

    Arguments
    ---------
    norm : GlobalLayerNorm
        Whose gain and bias it has.

    Example
    -------
    >>> norm, x = GlobalLayerNorm(4), torch.randn(2, 7, 5, 4)
    >>> torch.allclose(ExactNorm(norm)(x), norm(x), atol=1e-5)
    True
    """

    def __init__(self, norm: GlobalLayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(
        self, x: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class."""
        rest = tuple(range(2, x.dim()))
        x = x - x.mean(rest, keepdim=True).mean(1, keepdim=True)
        var = x.square().mean(rest, keepdim=True).mean(1, keepdim=True)
        return x * torch.rsqrt(var + self.eps) * self.weight + self.bias


class ExactFrameNorm(ExactNorm):
    """A ``FrameNorm`` without lengths, see ``ExactNorm``.

    Example
    -------
    >>> norm, x = FrameNorm(4), torch.randn(2, 4, 9)
    >>> torch.allclose(ExactFrameNorm(norm)(x), norm(x), atol=1e-5)
    True
    """

    def __init__(self, norm):
        super().__init__(norm)
        self.weight = nn.Parameter(norm.weight.detach().unsqueeze(-1))
        self.bias = nn.Parameter(norm.bias.detach().unsqueeze(-1))


class OnnxLSTM(nn.Module):
    """An LSTM of one layer, batch first, as ONNX's operator.

    It computes no values: torch only has to know shapes.

    Arguments
    ---------
    lstm : torch.nn.LSTM
        Whose weights it has.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        if lstm.num_layers != 1 or not lstm.batch_first or lstm.proj_size:
            raise ValueError(
                f"{lstm} has no ONNX form here; expected one layer, batch first"
            )
        self.hidden = lstm.hidden_size
        ends = ["", "_reverse"] if lstm.bidirectional else [""]
        self.directions = len(ends)

        def stacked(*names):
            """Of both directions; torch's gates are i f g o, ONNX's i o f g."""
            sides = []
            for end in ends:
                for name in names:
                    i, f, g, o = getattr(lstm, name + end).detach().chunk(4)
                    sides.append(torch.cat([i, o, f, g]))
            return torch.stack(sides).unflatten(0, (len(ends), len(names)))

        self.register_buffer("read", stacked("weight_ih_l0").squeeze(1))
        self.register_buffer("kept", stacked("weight_hh_l0").squeeze(1))
        biases = stacked("bias_ih_l0", "bias_hh_l0").flatten(1)
        self.register_buffer("biases", biases)

    def forward(self, x: torch.Tensor, state: tuple | None = None) -> tuple:
        """``[N, L, width]``, a pair ``[directions, N, hidden]`` or None.

        Returns
        -------
        tuple
            As ``torch.nn.LSTM``: ``[N, L, directions * hidden]``, last states.
        """
        batch, length, _ = x.shape
        directions, hidden = self.directions, self.hidden
        both = "bidirectional" if directions == 2 else "forward"
        states = () if state is None else (None, *state)
        y, *last = torch.onnx.ops.symbolic_multi_out(
            "::LSTM",
            (x.transpose(0, 1), self.read, self.kept, self.biases, *states),
            {"hidden_size": hidden, "direction": both},
            dtypes=[x.dtype] * 3,
            shapes=[
                (length, directions, batch, hidden),
                (directions, batch, hidden),
                (directions, batch, hidden),
            ],
        )
        return y.permute(2, 0, 1, 3).flatten(2), tuple(last)


FORMS = {
    GlobalLayerNorm: ExactNorm,
    FrameNorm: ExactFrameNorm,
    nn.LSTM: OnnxLSTM,
}
