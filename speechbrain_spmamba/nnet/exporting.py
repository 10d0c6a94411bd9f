"""One exported program for every length.

``torch.export`` runs a model once, on sizes that are symbols, and refuses a
program whose sizes had to be compared to go on. Two things compare them that
need not: torch itself, which asks of each view whether this very size makes it
contiguous, and its rule for an LSTM, which takes as many steps as the example
has, only to learn the shape of what comes out. Both are told better here, and
only while a program is made: what runs later is the same operators as ever.

Around every `forward` in `models`, with all that it calls.
"""

import contextlib
import functools

import torch
from torch.fx.experimental import _config
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols
from torch.overrides import TorchFunctionMode


def for_any_length(forward):
    """Decorator of a model's ``forward``: lengths stay symbols in an export.

    Arguments
    ---------
    forward : callable
        A method of a module.

    Returns
    -------
    callable
        The same method; nothing differs outside of ``torch.export``.

    Example
    -------
    >>> class Reader(torch.nn.LSTM):
    ...     @for_any_length
    ...     def forward(self, x):
    ...         return super().forward(x)[0]
    >>> time = torch.export.Dim("time", min=1)
    >>> program = torch.export.export(
    ...     Reader(2, 3), (torch.zeros(9, 1, 2),), dynamic_shapes=({0: time},)
    ... )
    >>> program.module()(torch.zeros(500, 1, 2)).shape
    torch.Size([500, 1, 3])
    """

    @functools.wraps(forward)
    def exportable(*args, **kwargs):
        # Under strict=True the reader of bytecode, which cannot follow this.
        if (
            not torch.compiler.is_exporting()
            or torch.compiler.is_dynamo_compiling()
        ):
            return forward(*args, **kwargs)
        with (
            _config.patch(backed_size_oblivious=True),
            _lstm_without_steps(),
            _SlicesHoldSomething(),
        ):
            return forward(*args, **kwargs)

    return exportable


class _SlicesHoldSomething(TorchFunctionMode):
    """A slice with an end that is a symbol has a size that may be anything.

    A convolution asks whether it is 0: it is not.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is torch.Tensor.__getitem__:
            for size in out.shape:
                if free_unbacked_symbols(size):
                    torch._check(size > 0)
        return out


@contextlib.contextmanager
def _lstm_without_steps():
    """Torch's LSTM tells the shape of its output, as `_lstm_shapes` has it."""
    lstm = torch.ops.aten.lstm.input
    rules = dict(lstm.py_kernels)
    try:
        lstm.py_kernels.update(dict.fromkeys(rules, _lstm_shapes))
        lstm._dispatch_cache.clear()
        yield
    finally:
        lstm.py_kernels.update(rules)
        lstm._dispatch_cache.clear()


def _lstm_shapes(x, states, weights, *options):
    """Output and last states of ``aten.lstm``, with no values in them."""
    hidden, cell = states
    directions = 2 if options[4] else 1
    time_first = (0, 1, 2) if not options[5] else (1, 0, 2)
    x = x.permute(time_first)
    y = x.new_empty(*x.shape[:2], directions * hidden.shape[2])
    return y.permute(time_first), torch.empty_like(hidden), torch.empty_like(cell)
