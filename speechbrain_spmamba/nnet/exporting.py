"""One exported program for every length.

``torch.export`` runs a model once, on sizes that are symbols, and refuses a
program if sizes were compared to go on. What torch itself compares without
need is in `upstream.private`; a model is written so that it compares none:
``cut`` in place of a slice up to a symbol, the number of chunks before the
length that they fill, no look at the values of its input.

From every `forward` in `models`, which it stands around, to all that this calls
in `nnet` and `ops`.
"""

import functools
from collections.abc import Callable

import torch

from speechbrain_spmamba.upstream.private import unread_sizes


def for_any_length(forward: Callable) -> Callable:
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
    ...     Reader(2, 3), (torch.ones(9, 1, 2),), dynamic_shapes=({0: time},)
    ... )
    >>> program.module()(torch.ones(500, 1, 2)).shape
    torch.Size([500, 1, 3])
    """

    @functools.wraps(forward)
    def exportable(*args, **kwargs):
        if not is_exporting():
            return forward(*args, **kwargs)
        with unread_sizes():
            return forward(*args, **kwargs)

    return exportable


def is_exporting():
    """Whether ``torch.export`` runs this, with ``strict=False``.

    ``torch.compiler.is_exporting`` is also true in what ``torch.compile``
    reads, as a strict export reads it: the bytecode.

    Example
    -------
    >>> is_exporting()
    False
    """
    # The second question imports the compiler.
    return (
        torch.compiler.is_exporting()
        and not torch.compiler.is_dynamo_compiling()
    )
