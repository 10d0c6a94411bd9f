"""Work shared out by torchrun: one process takes every n-th recording.

The processes need not talk while they work. They meet at the end, because
torchrun ends all others as soon as one fails.
"""

import datetime
import os

PATIENCE = datetime.timedelta(days=30)  # for the slowest process


def rank_and_world_size() -> tuple[int, int]:
    """Which process this is, and of how many.

    Returns
    -------
    rank : int
        From 0.
    world_size : int
        1 where torchrun has not started this.

    Example
    -------
    >>> rank_and_world_size()
    (0, 1)
    """
    world_size = int(os.environ.get("WORLD_SIZE", 1))
    rank = int(os.environ.get("RANK", 0))
    return (rank, world_size) if world_size > 1 else (0, 1)


def own_device(device: str | None) -> str | None:
    """The card of this process, where torchrun gives each one its own.

    Arguments
    ---------
    device : str or None
        What was asked for.

    Returns
    -------
    str or None
        ``cuda:<local rank>`` for ``cuda``; anything else as it is.

    Example
    -------
    >>> own_device("cpu")
    'cpu'
    """
    local = os.environ.get("LOCAL_RANK")
    if device == "cuda" and local is not None and rank_and_world_size()[1] > 1:
        return f"cuda:{local}"
    return device


def highest_status(status: int) -> int:
    """Waits for all processes and gives the highest exit status.

    Arguments
    ---------
    status : int
        That of this process.

    Returns
    -------
    int
        The highest of all.

    Example
    -------
    >>> highest_status(1)
    1
    """
    if rank_and_world_size()[1] == 1:
        return status
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=PATIENCE)
    highest = torch.tensor([status])
    dist.all_reduce(highest, dist.ReduceOp.MAX)
    dist.destroy_process_group()
    return int(highest)
