"""What draws the items of a data set: nothing, mixing, scenes, or one's own.

From `loader.make_dataset`; see `augment.py` for what a draw is.
"""

import inspect
from collections.abc import Callable

from speechbrain_spmamba.loading.augment import DynamicMixing


def make_draw(
    wanted: bool | dict | Callable | None,
    rows: dict,
    sample_rate: int,
    segment: float | None = None,
) -> Callable | None:
    """Makes what draws the items of a dataset.

    Arguments
    ---------
    wanted : bool, dict, callable or None
        True or the arguments of ``DynamicMixing``; ``{"scenes": folder}``,
        with the ``split`` if it is not train, for ``DynamicScenes``; or the
        callable itself. False, None and ``{}`` are off.
    rows, sample_rate, segment
        As for ``DynamicMixing``.

    Returns
    -------
    callable or None
        ``draw(seed, epoch, item) -> (mix, sources)``; None for off.

    Raises
    ------
    ValueError
        An argument that ``DynamicMixing`` does not have, or none.

    Example
    -------
    >>> make_draw({"sirr": [0, 0]}, {}, 8000)
    Traceback (most recent call last):
        ...
    ValueError: dynamic_mixing has no setting 'sirr'; it has sir, snr, level,...
    """
    if not wanted:
        return None
    if callable(wanted):
        return wanted
    if wanted is not True and not isinstance(wanted, dict):
        raise ValueError(
            f"dynamic_mixing is {wanted!r}; expected True, False or settings, "
            "for example {sir: [-5, 5]}"
        )
    settings = {} if wanted is True else dict(wanted)
    known = list(inspect.signature(DynamicMixing).parameters)[3:]
    scenes = settings.pop("scenes", None)
    if scenes is not None:
        known = ["split"]
    for key in settings:
        if key not in known:
            raise ValueError(
                f"dynamic_mixing has no setting '{key}'; it has "
                f"{', '.join(known)}"
            )
    if scenes is not None:
        # Rooms need packages that nothing else here does.
        from speechbrain_spmamba.prepare.scenes.dynamic_mixing import (
            DynamicScenes,
        )

        return DynamicScenes(scenes, sample_rate, segment, **settings)
    return DynamicMixing(rows, sample_rate, segment, **settings)
