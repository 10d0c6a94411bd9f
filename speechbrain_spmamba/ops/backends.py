"""The backends of the selective scan, and the choice between them.

``selective_scan.py``, ``custom_op.py`` and the folded paths of ``nnet/`` ask
here. A backend is a module of this folder. Those in ``KERNELS`` have the
functions of ``kernel_interface.Kernels``; the others have `why_not` too, and
``scan(...)``, whose gradients autograd finds by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from speechbrain.utils.logger import get_logger

from speechbrain_spmamba.ops import (
    cpu,
    mamba_ssm,
    reference,
    torch_loop,
    triton,
)

if TYPE_CHECKING:
    import torch


logger = get_logger(__name__)

KERNELS: dict = {"triton": triton, "cpu": cpu, "torch": torch_loop}
BACKENDS = {**KERNELS, "mamba_ssm": mamba_ssm, "reference": reference}

# What "auto" tries, by the type of device; torch runs everywhere.
_PREFERRED = {"cuda": "triton", "cpu": "cpu"}


@contextmanager
def replaced_kernels(kernels: object) -> Iterator[None]:
    """Within it, other kernels stand in for those of every backend.

    Arguments
    ---------
    kernels : object
        With those functions of a backend with kernels that will be called.

    Example
    -------
    >>> with replaced_kernels("mine"):
    ...     KERNELS["torch"]
    'mine'
    """
    kept = dict(KERNELS)
    KERNELS.update(dict.fromkeys(KERNELS, kernels))
    try:
        yield
    finally:
        KERNELS.update(kept)


def available_backends() -> dict:
    """Says which backends run on this machine, and why the others do not.

    Returns
    -------
    dict
        Name of the backend -> ``""`` when it is usable here, else the reason
        in one line.

    Example
    -------
    >>> available_backends()["torch"]
    ''
    """
    return {name: module.why_not() for name, module in BACKENDS.items()}


def choose_backend(backend: str, u: torch.Tensor, A: torch.Tensor) -> str:
    """Says which backend a scan runs on.

    Arguments
    ---------
    backend : str
        As in ``selective_scan``.
    u : torch.Tensor
        Its input; device and dtype matter.
    A : torch.Tensor
        Its decay rates; shape and dtype matter.

    Returns
    -------
    str
        The name of a backend.

    Raises
    ------
    ValueError
        If the backend is unknown, or was asked for and cannot run.

    Example
    -------
    >>> import torch
    >>> choose_backend("torch", torch.ones(1, 2, 3), torch.ones(3, 4))
    'torch'
    """
    if backend == "auto":
        preferred = _PREFERRED.get(u.device.type, "torch")
        because = BACKENDS[preferred].why_not(u, A)
        name = "torch" if because else preferred
        _log_choice(name, u.device.type, because)
        return name
    if backend not in BACKENDS:
        known = ", ".join(["auto", *BACKENDS])
        raise ValueError(
            f"unknown scan backend {backend!r}; expected one of: {known}"
        )
    reason = BACKENDS[backend].why_not(u, A)
    if reason:
        raise ValueError(
            f"scan backend {backend!r} cannot run: {reason}; use 'auto' or "
            "see available_backends()"
        )
    return backend


@functools.cache
def _log_choice(name, device, because):
    """Logs a choice of "auto"; the cache holds it to once for each choice."""
    because = f" ({because})" if because else ""
    logger.info("selective_scan: backend '%s' on %s%s", name, device, because)
