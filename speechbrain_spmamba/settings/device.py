"""Which devices there are, said before anything is built for another."""

import torch


def check_device(name: str | None) -> None:
    """Says no to a device that this machine does not have.

    Arguments
    ---------
    name : str or None
        ``cpu``, ``cuda``, ``cuda:1`` ...; None leaves the choice to the
        toolkit.

    Raises
    ------
    ValueError
        There is none of that name.

    Example
    -------
    >>> check_device("cpu")
    >>> check_device("gpu")
    Traceback (most recent call last):
        ...
    ValueError: there is no device 'gpu'; here there is cpu...
    """
    if name is None:
        return
    found = {"cpu": 1}
    kind = torch.accelerator.current_accelerator()
    if kind is not None and torch.accelerator.is_available():
        found[kind.type] = torch.accelerator.device_count()
    try:
        device = torch.device(name)
        there = (device.index or 0) < found.get(device.type, 0)
    except (RuntimeError, TypeError):
        there = False
    if not there:
        names = ["cpu"] + [
            f"{kind}:{index}"
            for kind, count in found.items()
            for index in range(count)
            if kind != "cpu"
        ]
        raise ValueError(
            f"there is no device '{name}'; here there is {', '.join(names)}: "
            "give another --device, or none"
        )
