"""What the package needs of others' private parts is there, in one file."""

import argparse
import ast

import pytest
import speechbrain as sb
import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.run_opts import RunOptions
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from speechbrain_spmamba.upstream import private
from tests import package_trees

HOME = "upstream/private.py"

# The reasons stand in that file.
NEEDED = [
    (_MultiProcessingDataLoaderIter, "_shutdown_workers"),
    (SaveableDataLoader([1]), "_speechbrain_iterator"),
    (sb.Brain, "_optimizer_step_limit_exceeded"),
    (sb.Brain, "_save_intra_epoch_ckpt"),
    (sb.Brain, "_should_save_intra_epoch_ckpt"),
    (Checkpointer, "_construct_checkpoint_objects"),
    (Checkpointer, "_custom_checkpoint_dirpath"),
    (Checkpointer, "_list_checkpoint_dirs"),
    (Checkpointer, "_new_checkpoint_dirpath"),
    (RunOptions, "_convert_to_yaml"),
    (RunOptions, "_create_parser"),
    (argparse.ArgumentParser(), "_actions"),
    (torch.fx.experimental, "_config"),
    (torch.ops.aten.lstm.input, "_dispatch_cache"),
]

# Documented in spite of their underscore.
PUBLIC = {"_asdict", "_fields", "_make", "_replace", "_exit", "_check"}

# Names that a class of ours would share with what it is made from.
TAKEN = {
    name
    for owner in (
        sb.Brain,
        Checkpointer,
        RunOptions,
        argparse.ArgumentParser,
        torch.Tensor,
        torch.nn.Module,
    )
    for name in dir(owner)
}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_"


def definitions(tree):
    """Private names of functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        name = getattr(node, "name", None) or getattr(node, "id", None)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            name = None
        if isinstance(name, str) and is_private(name):
            yield name


def foreign_names(tree, ours=()):
    """Private names of other packages that a file imports, reads, overrides."""
    own = set(ours) - TAKEN | set(definitions(tree)) | PUBLIC
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            parts = [
                part for name in node.names for part in name.name.split(".")
            ]
            yield from filter(is_private, parts)
        elif isinstance(node, ast.ImportFrom):
            parts = [
                *(node.module or "").split("."),
                *(n.name for n in node.names),
            ]
            yield from filter(is_private, parts)
        elif isinstance(node, ast.Attribute):
            if is_private(node.attr) and node.attr not in own:
                yield node.attr
        elif isinstance(node, ast.ClassDef) and node.bases:
            methods = [m.name for m in node.body if hasattr(m, "name")]
            yield from (m for m in methods if is_private(m) and m in TAKEN)


def found():
    """File -> private names of others in it."""
    trees = package_trees()
    ours = {
        name
        for file, tree in trees.items()
        if file != HOME
        for name in definitions(tree)
    }
    names = {f: set(foreign_names(t, ours)) for f, t in trees.items()}
    return {file: found for file, found in names.items() if found}


@pytest.mark.parametrize("owner, name", NEEDED)
def test_the_private_part_is_still_there(owner, name):
    assert hasattr(owner, name)


def test_tensors_without_values_have_shapes_and_mix_with_others():
    weight = torch.ones(3, 2)
    with private.without_values():
        product = torch.ones(5, 3) @ weight
    assert product.shape == (5, 2)
    assert private.has_values(weight) and not private.has_values(product)


def test_operators_within_an_autograd_function_are_seen():
    class Within(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.exp()

    class Names(private.OperatorMode):
        seen = ()

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen += (func.overloadpacket.__name__,)
            return func(*args, **(kwargs or {}))

    x = torch.ones(1)
    with Names() as names:
        Within.apply(x)
    assert "exp" in names.seen


def test_private_parts_of_others_stand_in_one_file_and_all_have_a_test():
    by_file = found()
    tested = {name for _, name in NEEDED} | {"_subclasses", "_python_dispatch"}
    assert by_file.pop(HOME) == tested
    assert not by_file


@pytest.mark.parametrize(
    "source",
    [
        "from torch._subclasses import fake_tensor",
        "import torch._dynamo",
        "from torch.storage import _load_from_bytes",
        "key = tensor._version",
        "class Mine(Brain):\n    def _save_intra_epoch_ckpt(self): pass",
    ],
)
def test_each_way_to_use_a_private_part_is_seen(source):
    assert set(foreign_names(ast.parse(source)))
    assert not set(foreign_names(ast.parse("x = self._mine"), {"_mine"}))
