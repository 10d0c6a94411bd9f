"""Checkpoints that a killed run can trust, and what they hold besides weights.

The toolkit writes a checkpoint's description before its contents, so that a
run killed in between leaves a folder that looks whole. Here a checkpoint gets
its name only when it is complete. (A deletion that is cut off does no harm:
what the toolkit deletes is neither the last checkpoint nor the best.)
"""

import logging
import random
import shutil

import numpy as np
import torch
from speechbrain.utils.checkpoints import (
    Checkpoint,
    Checkpointer,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

logger = get_logger(__name__)

UNFINISHED = "unfinished-"  # no checkpoint to the toolkit, by its prefix


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer with all-or-nothing folders.

    Takes the arguments of ``speechbrain.utils.checkpoints.Checkpointer``.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> layer = torch.nn.Linear(1, 1)
    >>> checkpointer = AtomicCheckpointer(folder, {"layer": layer})
    >>> checkpointer.save_checkpoint(name="first").path.name
    'CKPT+first'
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if if_main_process():
            for left_over in self.checkpoints_dir.glob(f"{UNFINISHED}*"):
                shutil.rmtree(left_over)

    def save_checkpoint(
        self, meta=None, end_of_epoch=True, name=None, verbosity=logging.INFO
    ):
        """Saves under a temporary name, then renames; as in the toolkit."""
        saved = super().save_checkpoint(
            meta or {}, end_of_epoch, name, verbosity=logging.DEBUG
        )
        if saved is None:  # not the main process
            return None
        path = saved.path.with_name(saved.path.name.removeprefix(UNFINISHED))
        saved.path.rename(path)
        logger.log(verbosity, f"Saved checkpoint {path}")
        files = {name: path / f.name for name, f in saved.paramfiles.items()}
        return Checkpoint(path, saved.meta, files)

    def _new_checkpoint_dirpath(self):
        path = super()._new_checkpoint_dirpath()
        return path.with_name(UNFINISHED + path.name)

    def _custom_checkpoint_dirpath(self, name):
        path = super()._custom_checkpoint_dirpath(name)
        return path.with_name(UNFINISHED + path.name)


@register_checkpoint_hooks
class RandomState:
    """State of the global random generators, to be checkpointed.

    Training draws nothing from them; what users add to it may.

    Example
    -------
    >>> path = getfixture("tmp_path") / "random.ckpt"
    >>> state = RandomState()
    >>> state.save(path)
    >>> first = torch.rand(1), random.random(), np.random.rand()
    >>> state.load(path, end_of_epoch=True)
    >>> first == (torch.rand(1), random.random(), np.random.rand())
    True
    """

    @mark_as_saver
    def save(self, path):
        """Writes the states to a file."""
        name, keys, *rest = np.random.get_state()
        state = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
            "numpy": (name, keys.tolist(), *rest),
            "python": random.getstate(),
        }
        torch.save(state, path)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Takes the states from a file."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        torch.set_rng_state(state["torch"])
        if len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
        np.random.set_state(state["numpy"])
        random.setstate(state["python"])


def moving_average(model, decay):
    """An exponential moving average of a model's weights, as a model.

    Arguments
    ---------
    model : torch.nn.Module
        The model that is trained.
    decay : float
        Share of the average that a step keeps, e.g. 0.999.

    Returns
    -------
    torch.optim.swa_utils.AveragedModel
        Call ``update_parameters(model)`` after each step; its ``module`` is
        the averaged model.

    Raises
    ------
    ValueError
        A decay outside (0, 1).

    Example
    -------
    >>> layer = torch.nn.Linear(1, 1)
    >>> average = moving_average(layer, decay=0.9)
    >>> average.update_parameters(layer)
    >>> torch.equal(average.module.weight, layer.weight)
    True
    """
    if not 0 < decay < 1:
        raise ValueError(
            f"ema_decay is {decay}; choose a value between 0 and 1, or 0 for "
            "no average"
        )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    return average.requires_grad_(False).eval()
