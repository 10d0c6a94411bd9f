"""Private parts of torch and SpeechBrain that the package cannot do without.

An update may take any of them away. They stand here and nowhere else, each with
its reason and a public name; ``tests/upstream/test_private.py`` names them too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.run_opts import RunOptions
from torch.utils._python_dispatch import TorchDispatchMode


def without_values():
    """A mode in which tensors are made that have shapes and no values.

    Costs of a minute of audio are counted without computing it. The meta
    device has the same, but every tensor made within a model would have to be
    put there, and autocast, which models switch off for parts, refuses it.

    Example
    -------
    >>> import torch
    >>> with without_values():
    ...     torch.ones(10**9, 10**3).sum(1).shape
    torch.Size([1000000000])
    """
    # not with the package: it imports the compiler's parts
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode(allow_non_fake_inputs=True)


def has_values(tensor):
    """Whether a tensor was not made ``without_values``.

    Example
    -------
    >>> import torch
    >>> with without_values():
    ...     has_values(torch.ones(1))
    False
    """
    from torch._subclasses.fake_tensor import FakeTensor

    return not isinstance(tensor, FakeTensor)


@contextmanager
def unread_sizes() -> Iterator[None]:
    """Within it, ``torch.export`` does not ask what need not be known of sizes.

    Where a size is a symbol, torch by default asks of each view whether this
    very size makes it contiguous, and takes as many steps as the example has
    through an LSTM, only to learn the shape of what comes out. Either refuses
    a program for other lengths. Torch's exporter to ONNX sets the same flag;
    the LSTM's rule here tells the shape. Operators that run are as ever.

    Example
    -------
    >>> lstm, time = torch.nn.LSTM(2, 3), torch.export.Dim("time", min=1)
    >>> with unread_sizes():
    ...     program = torch.export.export(
    ...         lstm, (torch.ones(9, 1, 2),), dynamic_shapes=({0: time},)
    ...     )
    >>> program.module()(torch.ones(500, 1, 2))[0].shape
    torch.Size([500, 1, 3])
    """
    # not with the package: it imports the compiler's parts
    from torch.fx.experimental import _config

    lstm = torch.ops.aten.lstm.input
    rules = dict(lstm.py_kernels)
    try:
        lstm.py_kernels.update(dict.fromkeys(rules, _lstm_shapes))
        lstm._dispatch_cache.clear()
        # Torch puts it into the module as it is imported.
        with _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            yield
    finally:
        lstm.py_kernels.update(rules)
        lstm._dispatch_cache.clear()


def _lstm_shapes(x, states, weights, *options):
    """Output and last states of ``aten.lstm``, with no values in them."""
    hidden, cell = states
    bidirectional, batch_first = options[-2:]
    first, second = x.shape[:2]
    if batch_first:
        first, second = second, first
    # Time is first in memory, whatever the axes.
    y = x.new_empty(first, second, (1 + bidirectional) * hidden.shape[2])
    y = y.transpose(0, 1) if batch_first else y
    return y, torch.empty_like(hidden), torch.empty_like(cell)


def without_guards(program: Any) -> Any:
    """An exported program that no longer asks which sizes it was made for.

    A file has no such questions, and torch loses its way where they are about
    the sizes of inputs in a list.

    Arguments
    ---------
    program : torch.export.ExportedProgram
        Changed in place, and given back.
    """
    program._guards_code = []
    return program


class OperatorMode(TorchDispatchMode):
    """Sees each operator as torch runs it, see "Extending PyTorch".

    The public ``torch.overrides.TorchFunctionMode`` sees functions, and none
    within an autograd function.
    """


class OpenBrain(sb.Brain):
    """``speechbrain.Brain`` that can be asked to save, or not to, at a step.

    The toolkit has hooks for stages and batches, none for what lies between
    the steps of an epoch, where a signal ends training.
    """

    @property
    def is_out_of_steps(self):
        """Whether ``optimizer_step_limit`` has been reached."""
        return self._optimizer_step_limit_exceeded

    def may_save_now(self):
        """Asked behind each step, before the toolkit looks at its clock."""
        return True

    def save_now(self) -> None:
        """Saves what training goes on from within an epoch."""
        self._save_intra_epoch_ckpt()

    def _should_save_intra_epoch_ckpt(self, *progress):
        may = self.may_save_now()
        return may and super()._should_save_intra_epoch_ckpt(*progress)


def end_workers(loader):
    """Ends the worker processes of a loader, if an iteration was broken off.

    The toolkit keeps the iterator, to know how far it came, and torch ends its
    workers where it is exhausted or forgotten: they would live until the
    program ends, which then says that they ended unexpectedly.

    Example
    -------
    >>> loader = SaveableDataLoader([1.0, 2.0], num_workers=1)
    >>> next(iter(loader))
    tensor([1.], dtype=torch.float64)
    >>> end_workers(loader)
    >>> import multiprocessing
    >>> multiprocessing.active_children()
    []
    """
    if not isinstance(loader, SaveableDataLoader) or not loader.num_workers:
        return
    iterator = loader._speechbrain_iterator
    if iterator is not None:
        iterator._shutdown_workers()
        loader._iterator = None  # kept where workers are to last


class OpenCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, with a say in the names of its folders.

    To write under another name, and to leave out damaged folders before their
    descriptions are read, which the public ``list_checkpoints`` does at once.
    """

    def working_folder(self, folder):
        """Where to write the checkpoint that shall be ``folder``, a Path."""
        return folder

    def folders(self):
        """Paths of all checkpoints."""
        return self._list_checkpoint_dirs()

    @staticmethod
    def describe(folders):
        """``speechbrain.utils.checkpoints.Checkpoint`` of each folder."""
        return Checkpointer._construct_checkpoint_objects(folders)

    def _new_checkpoint_dirpath(self):
        return self.working_folder(super()._new_checkpoint_dirpath())

    def _custom_checkpoint_dirpath(self, name):
        return self.working_folder(super()._custom_checkpoint_dirpath(name))


class StrictRunOptions(RunOptions):
    """The toolkit's run options, but for its abbreviations.

    To it, ``--optimizer`` is short for ``--optimizer_step_limit``, whatever
    keys a YAML file has; and what is short does not count as given. Its parser
    is made within, and so is the YAML of other keys, which it cuts at each
    "="; ``keys_text`` makes it.
    """

    @staticmethod
    def _create_parser():
        parser = RunOptions._create_parser()
        parser.allow_abbrev = False
        for action in parser._actions:
            if action.dest == "optimizer_step_limit":
                action.type = int  # its default, None, does not tell
            if action.dest == "max_grad_norm":
                action.type = _number
                action.help = "Gradients are clipped to this norm; .inf: never"
        parser.epilog = "docs/run_options.md says what each does here."
        return parser

    @classmethod
    def _convert_to_yaml(cls, overrides):
        return cls.keys_text(overrides)

    @classmethod
    def switches(cls):
        """Names of the options without a value."""
        actions = cls._create_parser()._actions
        return {action.dest for action in actions if action.nargs == 0}


def _number(text):
    """A number, the infinite one also as YAML writes it."""
    return float({".inf": "inf"}.get(text, text))
