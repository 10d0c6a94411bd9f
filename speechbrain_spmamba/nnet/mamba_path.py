"""A path of the grid with a pair of Mambas: as published, or folded.

The plain form is that of `nnet.grid_block`. The folded one computes the same
without unfolded windows (`nnet.folding` says how) and needs a backend of the
scan that has kernels; where there is one, it is taken.

From `nnet.grid_block`; to `nnet.mamba` (plain) or `nnet.folded_path` (folded),
and back.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from speechbrain_spmamba.nnet.exporting import is_exporting
from speechbrain_spmamba.nnet.folded_forward import PathConfig
from speechbrain_spmamba.nnet.folded_path import MEMORY, run_folded
from speechbrain_spmamba.nnet.folding import fold
from speechbrain_spmamba.nnet.grid_block import GridPath
from speechbrain_spmamba.nnet.mamba import BiMamba
from speechbrain_spmamba.ops import choose_backend
from speechbrain_spmamba.ops.backends import KERNELS

_plain = ContextVar("plain", default=False)
_together: ContextVar[Any] = ContextVar("together", default=None)


@contextmanager
def plain_paths() -> Iterator[None]:
    """Within it, paths are computed as published, to count or to compare.

    Example
    -------
    >>> path, x = MambaPath(2, 4, 1), torch.randn(1, 3, 9, 2)
    >>> with plain_paths():
    ...     plain = path(x)
    >>> torch.allclose(path(x), plain, atol=1e-5)
    True
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


@contextmanager
def folded_together(folded: FoldedPaths) -> Iterator[None]:
    """Within it, the first of some paths folds the weights of all of them.

    Arguments
    ---------
    folded : FoldedPaths
        What they find there, or put there. One that is around it and has the
        same paths goes on.

    Example
    -------
    >>> paths = [MambaPath(2, 4, 1), MambaPath(2, 4, 1)]
    >>> x = torch.randn(1, 3, 9, 2)
    >>> with folded_together(FoldedPaths(paths)):
    ...     out = paths[1](paths[0](x))
    >>> torch.allclose(out, paths[1](paths[0](x)))
    True
    """
    outer = _together.get()
    if outer is not None and outer.paths == folded.paths:
        yield
        return
    token = _together.set(folded)
    try:
        yield
    finally:
        _together.reset(token)


class FoldedPaths:
    """Weights of paths, folded when they are first asked for and then kept.

    Arguments
    ---------
    paths : list of MambaPath
        Of one shape. While it is in use, their weights must not change.
    """

    def __init__(self, paths: list[MambaPath]) -> None:
        self.paths, self.found = paths, {}

    @classmethod
    def of(cls, model):
        """Those of all paths of a model, which may have none."""
        return cls([m for m in model.modules() if isinstance(m, MambaPath)])

    def of_path(self, path, dtype):
        """``FoldedWeights`` of one of them and ``ready`` ones; else None."""
        if dtype not in self.found:
            folded = fold(self.paths, dtype)
            self.found[dtype] = dict(zip(self.paths, folded, strict=True))
        return self.found[dtype].get(path)


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


class MambaPath(GridPath):
    """Norm, windows, a Mamba in each direction, overlap-add.

    Arguments
    ---------
    emb_dim, emb_ks, emb_hs, eps
        See ``GridPath``; eps is that of the RMS norms too.
    memory : str
        What the folded form keeps for its backward pass: "speed", "balanced"
        or "low", see ``nnet.folded_path``.
    **mamba : dict
        Arguments of ``Mamba``.

    Shape
    -----
    ``[B, R, Q, emb_dim]`` -> the same: R sequences of Q positions.

    Example
    -------
    >>> path = MambaPath(emb_dim=2, emb_ks=4, emb_hs=1)
    >>> path(torch.randn(1, 3, 9, 2)).shape
    torch.Size([1, 3, 9, 2])
    """

    def __init__(
        self,
        emb_dim: int,
        emb_ks: int,
        emb_hs: int,
        eps: float = 1e-5,
        memory: str = "balanced",
        **mamba: Any,
    ) -> None:
        if memory not in MEMORY:
            raise ValueError(
                f"memory is {memory!r}, expected one of: {', '.join(MEMORY)}"
            )
        make_mixer = functools.partial(BiMamba, eps=eps, **mamba)
        super().__init__(make_mixer, emb_dim, emb_ks, emb_hs, eps)
        self.memory = memory

    def forward_rows(self, x, count=None, valid=None):
        """Chooses the form; see ``GridPath``."""
        # A recorded program keeps the scan as its one operator of ours. Of the
        # folded form a tracer would see only the memory that kernels fill.
        recorded = is_exporting() or torch.jit.is_tracing()
        if not recorded and self._can_fold(x):
            return self._run_folded(x, valid)
        return super().forward_rows(x, count, valid)

    # Both look at what torch cannot trace: which backend runs, what is folded
    # already. A compiled model calls them as they are.

    @not_compiled
    def _can_fold(self, x):
        return not _plain.get() and self._backend(x) in KERNELS

    @not_compiled
    def _run_folded(self, x, valid):
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        config = PathConfig(
            size=self.emb_ks,
            hop=self.emb_hs,
            norm_eps=self.norm.eps,
            rms_eps=self.mixer.forward_branch.norm.eps,
            backend=self._backend(x),
            memory=self.memory,
            dtype=torch.get_autocast_dtype(device) if autocast else x.dtype,
        )
        with torch.autocast(device, enabled=False):
            weights, ready = self._fold(config.dtype)
        return run_folded(x, weights, ready, config, valid)

    def _fold(self, dtype):
        """Folded weights, with those of all paths of the model if it asks."""
        together = _together.get()
        found = together and together.of_path(self, dtype)
        return found or fold([self], dtype)[0]

    def _backend(self, x):
        mamba = self.mixer.forward_branch.mamba
        return choose_backend(mamba.scan_backend, x, mamba.A_log)
