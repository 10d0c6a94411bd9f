"""Checkpoints that a killed run can trust, and what they hold besides weights.

The toolkit writes a checkpoint's description before its contents, so that a
run killed in between leaves a folder that looks whole. Here a checkpoint gets
its name only when it is complete. (A deletion that is cut off does no harm:
what the toolkit deletes is neither the last checkpoint nor the best.)

A checkpoint has sums of its files. One that is damaged is named and left out,
and the next that was wanted is taken.
"""

import logging
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    METAFNAME,
    PARAMFILE_EXT,
    Checkpoint,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import (
    ddp_barrier,
    ddp_broadcast,
    if_main_process,
)
from speechbrain.utils.logger import get_logger
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from speechbrain_spmamba.errors import explain
from speechbrain_spmamba.files.checksums import (
    SUMS_FILE,
    check_sums,
    file_sum,
    write_sums,
)
from speechbrain_spmamba.upstream.private import OpenCheckpointer

logger = get_logger(__name__)

UNFINISHED = "unfinished-"  # no checkpoint to the toolkit, by its prefix
# What torch and the toolkit say of a whole checkpoint of something else.
MISFIT = re.compile("loading state_dict|loaded state dict|missing a load path")


class AtomicCheckpointer(OpenCheckpointer):
    """SpeechBrain's checkpointer with all-or-nothing folders, and sums.

    Takes the arguments of ``speechbrain.utils.checkpoints.Checkpointer``.
    Nothing is written before the first checkpoint is saved.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> layer = torch.nn.Linear(1, 1)
    >>> checkpointer = AtomicCheckpointer(folder, {"layer": layer})
    >>> checkpointer.save_checkpoint(name="first").path.name
    'CKPT+first'
    """

    def __init__(self, checkpoints_dir, *args, **kwargs):
        # The toolkit makes its folder at once.
        with tempfile.TemporaryDirectory() as elsewhere:
            super().__init__(elsewhere, *args, **kwargs)
        self.checkpoints_dir = Path(checkpoints_dir)
        self.damaged = set()  # paths

    def save_checkpoint(
        self, meta=None, end_of_epoch=True, name=None, verbosity=logging.INFO
    ):
        """Saves under a temporary name, then renames; as in the toolkit.

        Raises
        ------
        ValueError
            It could not be written.
        """
        if if_main_process():
            self._remove_unfinished()
        try:
            saved = super().save_checkpoint(
                meta or {}, end_of_epoch, name, verbosity=logging.DEBUG
            )
            if saved is not None:
                write_sums(saved.path, [f.name for f in saved.path.iterdir()])
        except (OSError, RuntimeError) as error:
            self._remove_unfinished()  # on a full disk, room is wanted
            reason = explain(error)
            if reason is None:
                raise
            raise ValueError(
                f"no checkpoint could be written into {self.checkpoints_dir} "
                f"({reason}); then give the same command again: it goes on "
                "from the one before"
            ) from error
        if saved is None:  # not the main process
            ddp_barrier()
            return None
        path = saved.path.with_name(saved.path.name.removeprefix(UNFINISHED))
        saved.path.rename(path)
        # All must see it: ranks that count other checkpoints to be deleted
        # would wait for each other for ever.
        ddp_barrier()
        logger.log(verbosity, f"Saved checkpoint {path}")
        files = {name: path / f.name for name, f in saved.paramfiles.items()}
        return Checkpoint(path, saved.meta, files)

    def list_checkpoints(self) -> list:
        """Those that are there, but for what is known to be damaged.

        Returns
        -------
        list
            Of ``speechbrain.utils.checkpoints.Checkpoint``.
        """
        if not self.checkpoints_dir.is_dir():
            return []
        paths = {p for p in self.folders() if not p.is_symlink()}
        paths -= self.damaged
        return self.describe(sorted(paths))

    def sound_checkpoints(self, **wanted: Any) -> Iterator[Checkpoint]:
        """Checkpoints whose files are what was written, the wanted first.

        Arguments
        ---------
        **wanted : dict
            As ``find_checkpoints`` takes it: ``min_key`` ...; by default the
            last is wanted most.

        Yields
        ------
        speechbrain.utils.checkpoints.Checkpoint
            The next one.

        Raises
        ------
        ValueError
            All were damaged that there are, or the folder is none.
        """
        if self.checkpoints_dir.is_file():
            raise ValueError(
                f"{self.checkpoints_dir} is a file; a folder of checkpoints "
                "was expected"
            )
        if if_main_process() and self.checkpoints_dir.is_dir():
            # All that have a name: one may have lost its description.
            for path in sorted(self.checkpoints_dir.glob(f"{CKPT_PREFIX}+*")):
                if path.is_symlink() or not path.is_dir():
                    continue
                try:
                    check_checkpoint(path)
                except ValueError as error:
                    self.leave_out(path, error)
        self.damaged = ddp_broadcast(self.damaged)
        yield from self.find_checkpoints(**wanted)
        if self.damaged:
            names = ", ".join(sorted(path.name for path in self.damaged))
            raise ValueError(
                f"{self.checkpoints_dir} has no whole checkpoint to take in "
                f"place of {names}; remove the run to begin anew"
            )

    def leave_out(self, path, reason):
        """Names a damaged checkpoint, once, and takes it for gone."""
        if path not in self.damaged:
            logger.warning(f"checkpoint {path} is left out: {reason}")
        self.damaged.add(path)

    def recover_if_possible(
        self,
        importance_key: Callable | None = None,
        max_key: str | None = None,
        min_key: str | None = None,
        ckpt_predicate: Callable | None = None,
    ) -> Checkpoint | None:
        """Loads the checkpoint that is wanted most of those that are whole.

        Arguments are those of the toolkit's method.

        Returns
        -------
        speechbrain.utils.checkpoints.Checkpoint or None
            The one that was loaded; None if there are none.

        Raises
        ------
        ValueError
            All are damaged, or one is whole and does not fit what is built.
        """
        for checkpoint in self.sound_checkpoints(
            importance_key=importance_key,
            max_key=max_key,
            min_key=min_key,
            ckpt_predicate=ckpt_predicate,
        ):
            try:
                self.load_checkpoint(checkpoint)
            except Exception as error:
                # Without sums, what cannot be loaded tells of the damage.
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                summed = (checkpoint.path / SUMS_FILE).exists()
                if summed or MISFIT.search(reason):
                    raise ValueError(
                        f"{checkpoint.path} does not fit what the settings "
                        f"build ({reason[:300]}); give the settings of that "
                        "run, or another output_folder"
                    ) from error
                self.leave_out(checkpoint.path, reason[:300])
            else:
                return checkpoint
        return None

    def _remove_unfinished(self):
        for left_over in self.checkpoints_dir.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left_over)

    def working_folder(self, folder):
        """What the toolkit does not take for a checkpoint."""
        return folder.with_name(UNFINISHED + folder.name)


def check_checkpoint(path: Path) -> None:
    """Looks for damage in the files of a checkpoint.

    Arguments
    ---------
    path : Path
        Its folder. One of an older version has no sums, and passes if its
        description can be read.

    Raises
    ------
    ValueError
        A file is not what was written.
    """
    # What the toolkit would read. A .DS_Store beside it is no damage.
    read = {file.name for file in path.glob(f"*{PARAMFILE_EXT}")} | {METAFNAME}
    check_sums(path, needed=read)
    try:
        (found,) = OpenCheckpointer.describe([path])
        complete = {"unixtime", "end-of-epoch"} <= set(found.meta)
    except Exception:  # damage shows in many ways
        complete = False
    if not complete:
        raise ValueError(f"{path / METAFNAME} is no description of it")


def identity(checkpoint: Checkpoint, name: str | None = None) -> dict:
    """What tells the weights of a checkpoint from any others.

    Arguments
    ---------
    checkpoint
        As for ``weights_file``.
    name : str, optional
        Which of its weights: "separator" or "average"; by default those that
        its run was validated on.

    Returns
    -------
    dict
        ``name`` of the checkpoint and ``sha256`` of the file of weights.
    """
    path = weights_file(checkpoint)
    if name is not None:
        path = checkpoint.paramfiles[name]
    return {"name": checkpoint.path.name, "sha256": file_sum(path)}


def weights_file(checkpoint: Checkpoint) -> Path:
    """The weights that a run was validated on: their average if it has one.

    Arguments
    ---------
    checkpoint : speechbrain.utils.checkpoints.Checkpoint
        The checkpoint.

    Returns
    -------
    Path
        A state dict that ``torch.save`` wrote.

    Raises
    ------
    ValueError
        It has none.
    """
    files = checkpoint.paramfiles
    path = files.get("average") or files.get("separator")
    if path is None:
        raise ValueError(f"{checkpoint.path} has no weights of a separator")
    return path


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


def moving_average(model: torch.nn.Module, decay: float) -> AveragedModel:
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
