"""What is known of steps without finite numbers, and what to do about them."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from speechbrain.utils.logger import get_logger

if TYPE_CHECKING:
    from speechbrain.utils.checkpoints import Checkpointer


logger = get_logger(__name__)

KEPT = 4  # bad steps that the last message names
PATIENCE = 20  # steps in a row without finite gradients: nothing is learnt


class NonFinite:
    """Names the items of steps whose loss or gradients are not finite.

    Example
    -------
    >>> watch = NonFinite()
    >>> watch.begin(["a", "b"])
    >>> watch.note(7, "gradients are")
    >>> str(watch)
    'step 7 (a, b)'
    """

    def __init__(self) -> None:
        self.steps = deque(maxlen=KEPT)
        self.in_a_row = 0
        self._items = []  # of the batches since the last optimizer step
        self._noted = False  # whether they have been named

    def begin(self, items):
        """Takes in the items of a batch."""
        self._items += items

    def note(self, step: int, what: str) -> None:
        """Names the items once for each step of the optimizer.

        Arguments
        ---------
        step : int
            Batch of the epoch.
        what : str
            "the loss is" or "gradients are".
        """
        if self._noted:
            return
        self._noted = True
        items = ", ".join(self._items) or "unnamed"
        self.steps.append(f"step {step} ({items})")
        # Each rank names its own items: any may hold the cause.
        logger.warning(
            "step %d: %s not finite; items: %s",
            step, what, items, main_process_only=False,
        )  # fmt: skip

    def end(self) -> None:
        """Forgets the items: the optimizer has made its step."""
        self.in_a_row = self.in_a_row + 1 if self._noted else 0
        self._items, self._noted = [], False

    def __str__(self):
        return ", ".join(self.steps) or "none"


def fused(opt_class: Callable | None) -> Callable | None:
    """The same optimizer in its fused form, if it has one.

    On a GPU that is one kernel for many parameters, and it can leave out a
    step that it is told of on the device.

    Arguments
    ---------
    opt_class : callable or None
        Makes an optimizer of parameters.

    Returns
    -------
    callable or None
        The same where ``fused`` is no argument of it, or has been given.

    Example
    -------
    >>> fused(torch.optim.Adam).keywords, fused(torch.optim.Rprop).__name__
    ({'fused': True}, 'Rprop')
    """
    given = getattr(opt_class, "keywords", {})
    if opt_class is None or {"fused", "foreach"} & given.keys():
        return opt_class
    if "fused" not in inspect.signature(opt_class).parameters:
        return opt_class
    return partial(opt_class, fused=True)


def can_leave_out(optimizer):
    """Whether an optimizer can be told on the device to leave out a step."""
    return all(group.get("fused") for group in optimizer.param_groups)


def leave_out_step(
    optimizer: torch.optim.Optimizer, modules: torch.nn.Module, on_device: bool
) -> torch.Tensor:
    """Lets an optimizer do nothing if the gradients are not all finite.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        Whose next step it is about.
    modules : torch.nn.Module
        Their parameters have the gradients.
    on_device : bool
        Decide there (see ``can_leave_out``), so that nobody waits for it.

    Returns
    -------
    torch.Tensor
        Whether they are not, boolean, where the gradients are.

    Example
    -------
    >>> layer = torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    >>> layer(torch.tensor([float("inf")])).backward()
    >>> bool(leave_out_step(optimizer, layer, on_device=False))
    True
    >>> layer.weight.grad is None
    True
    """
    parameters = list(modules.parameters())
    norm = torch.nn.utils.get_total_norm(
        [p.grad for p in parameters if p.grad is not None]
    )
    bad = norm.isfinite().logical_not()
    if on_device:
        # What a GradScaler tells it by.
        optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
    elif bad:
        for parameter in parameters:
            parameter.grad = None
    return bad


def way_back(checkpointer: Checkpointer | None, lr: float) -> str:
    """What to do after a training that diverged.

    Arguments
    ---------
    checkpointer : speechbrain.utils.checkpoints.Checkpointer or None
        That of the run.
    lr : float
        Its learning rate.

    Returns
    -------
    str
        Which checkpoint to go back to, and how.
    """
    lower = f"a lower learning rate, for example --lr {lr / 2:.3g}"
    # The best one: the last may have been saved on the way down.
    best = checkpointer and checkpointer.find_checkpoint(min_key="loss")
    if checkpointer is None or not best:
        return (
            "no epoch was finished; begin again with another --output_folder "
            f"and {lower}"
        )
    # The same command would go on at the rate that is in the checkpoint.
    return (
        f"go back to {best.path} (epoch {best.meta.get('epoch')}, validation "
        f"loss {best.meta['loss']:.2f} dB): `spmamba export "
        f"{checkpointer.checkpoints_dir.parent} MODEL`, then train with "
        f"--start_from MODEL, another --output_folder and {lower}"
    )


@contextmanager
def toolkit_silenced() -> Iterator[None]:
    """Keeps back what the toolkit says of each parameter by itself."""
    core = logging.getLogger("speechbrain.core")

    def nothing(record):
        return False

    core.addFilter(nothing)
    try:
        yield
    finally:
        core.removeFilter(nothing)
