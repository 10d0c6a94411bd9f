"""A checkpoint is whole or it is none."""

import errno
import random
import re

import numpy as np
import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_spmamba.training.checkpoint import (
    AtomicCheckpointer,
    RandomState,
    identity,
    moving_average,
    weights_file,
)

FULL = "[enforce fail] PytorchStreamWriter failed writing file data/0"


class _Stop(Exception):
    pass


def _stop(*args):
    raise _Stop


def test_a_save_that_is_cut_off_leaves_no_checkpoint(tmp_path):
    layer, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    checkpointer.save_checkpoint(meta={"epoch": 1})
    # dies between the first file and the second
    checkpointer.add_recoverable("other", other, custom_save_hook=_stop)
    with pytest.raises(_Stop):
        checkpointer.save_checkpoint(meta={"epoch": 2})
    assert len(list(tmp_path.iterdir())) == 2  # what a SIGKILL would leave

    again = AtomicCheckpointer(tmp_path, {"layer": layer})
    assert again.recover_if_possible().meta["epoch"] == 1
    again.save_checkpoint(meta={"epoch": 2})
    names = [path.name[:5] for path in tmp_path.iterdir()]
    assert names == ["CKPT+", "CKPT+"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), RuntimeError(FULL)]
)
def test_a_full_disk_is_said_and_takes_no_more_room(
    tmp_path, monkeypatch, error
):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    whole = checkpointer.save_checkpoint(meta={"epoch": 1})
    before = whole.paramfiles["layer"].read_bytes()

    def fails(state, path):
        path.write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fails)
        with pytest.raises(ValueError, match="free some.*the same command ag"):
            checkpointer.save_checkpoint(meta={"epoch": 2})
    assert list(tmp_path.iterdir()) == [whole.path]
    assert whole.paramfiles["layer"].read_bytes() == before
    again = AtomicCheckpointer(tmp_path, {"layer": layer})
    assert again.recover_if_possible().meta["epoch"] == 1


def test_a_deletion_that_is_cut_off_leaves_the_best_and_the_last(
    tmp_path, monkeypatch
):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    for loss in (1.0, 2.0):
        checkpointer.save_and_keep_only(meta={"loss": loss}, min_keys=["loss"])

    def half(path):
        (path / "layer.ckpt").unlink()
        raise _Stop

    monkeypatch.setattr("shutil.rmtree", half)
    with pytest.raises(_Stop):
        checkpointer.save_and_keep_only(meta={"loss": 3.0}, min_keys=["loss"])
    assert checkpointer.recover_if_possible().meta["loss"] == 3.0
    best = checkpointer.recover_if_possible(min_key="loss")
    assert best.meta["loss"] == 1.0


def test_best_and_last_are_kept(tmp_path):
    checkpointer = AtomicCheckpointer(tmp_path, {"l": torch.nn.Linear(1, 1)})
    for epoch, loss in enumerate([3.0, 1.0, 2.0, 4.0], start=1):
        checkpointer.save_and_keep_only(
            meta={"epoch": epoch, "loss": loss}, min_keys=["loss"]
        )
    kept = {c.meta["epoch"] for c in checkpointer.list_checkpoints()}
    assert kept == {2, 4}
    assert checkpointer.find_checkpoint(min_key="loss").meta["epoch"] == 2


def test_all_ranks_wait_until_a_checkpoint_has_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "speechbrain_spmamba.training.checkpoint.ddp_barrier",
        lambda: seen.append([path.name for path in tmp_path.iterdir()]),
    )
    checkpointer = AtomicCheckpointer(tmp_path, {"l": torch.nn.Linear(1, 1)})
    checkpointer.save_checkpoint(name="first")
    assert seen == [["CKPT+first"]]
    monkeypatch.setattr(  # as on other ranks
        Checkpointer, "save_checkpoint", lambda *args, **kwargs: None
    )
    assert checkpointer.save_checkpoint(name="second") is None
    assert len(seen) == 2


def test_saved_files_are_where_the_checkpoint_says(tmp_path):
    layer = torch.nn.Linear(2, 2)
    saved = AtomicCheckpointer(tmp_path, {"l": layer}).save_checkpoint()
    state = torch.load(saved.paramfiles["l"], weights_only=True)
    assert torch.equal(state["weight"], layer.weight)


def test_all_random_generators_come_back(tmp_path):
    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()

    state = RandomState()
    state.save(tmp_path / "r")
    first = draw()
    assert draw() != first
    state.load(tmp_path / "r", end_of_epoch=False)
    assert draw() == first


def test_the_average_follows_its_formula():
    layer = torch.nn.Linear(1, 1)
    average = moving_average(layer, 0.9)
    expected = None
    for value in (1.0, 2.0, 5.0):
        torch.nn.init.constant_(layer.weight, value)
        average.update_parameters(layer)
        expected = value if expected is None else 0.9 * expected + 0.1 * value
    assert average.module.weight.item() == pytest.approx(expected)
    assert not average.module.weight.requires_grad
    assert layer.weight.requires_grad and not average.training


@pytest.mark.parametrize("decay", [-0.1, 0.0, 1.0, 2.0])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="ema_decay"):
        moving_average(torch.nn.Linear(1, 1), decay)


@pytest.fixture
def two(tmp_path):
    """Two checkpoints of a layer and a random state, the better one last."""
    layer = torch.nn.Linear(2, 2)
    parts = {"separator": layer, "random": RandomState()}
    checkpointer = AtomicCheckpointer(tmp_path, parts)
    for epoch in (1, 2):
        torch.nn.init.constant_(layer.weight, float(epoch))
        checkpointer.save_checkpoint({"epoch": epoch, "loss": -epoch})
    return checkpointer, layer, sorted(tmp_path.iterdir())[-1]


def _flip(data, place):
    """The same bytes with one bit another."""
    at = int(place * (len(data) - 1))
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGE = {
    "a bit at the start": lambda data: _flip(data, 0),
    "a bit in the middle": lambda data: _flip(data, 0.5),
    "a bit at the end": lambda data: _flip(data, 1),
    "no end": lambda data: data[: len(data) // 2],
    "no last line": lambda data: b"".join(data.splitlines(True)[:-1]),
    "nothing": lambda data: b"",
}
FILES = ("CKPT.yaml", "SHA256SUMS", "random.ckpt", "separator.ckpt")


@pytest.mark.parametrize("damage", DAMAGE)
def test_of_a_damaged_checkpoint_nothing_is_loaded(damage, two, caplog):
    checkpointer, layer, last = two
    assert {path.name for path in last.iterdir()} == set(FILES)
    for name in FILES:
        whole = (last / name).read_bytes()
        (last / name).write_bytes(DAMAGE[damage](whole))
        for key in (None, "loss"):
            torch.nn.init.zeros_(layer.weight)
            checkpointer.damaged.clear()
            caplog.clear()
            found = checkpointer.recover_if_possible(min_key=key)
            assert found.meta["epoch"] == 1, name
            assert (layer.weight == 1).all()
            (warning,) = [r for r in caplog.records if r.levelname == "WARNING"]
            assert f"{last} is left out" in warning.message
        (last / name).write_bytes(whole)
    checkpointer.damaged.clear()
    assert checkpointer.recover_if_possible().meta["epoch"] == 2


@pytest.mark.parametrize("damage", ["no end", "nothing"])
def test_without_sums_damage_is_found_by_trying(damage, two, caplog):
    checkpointer, layer, last = two
    (last / "SHA256SUMS").unlink()  # as older versions wrote them
    assert checkpointer.recover_if_possible().meta["epoch"] == 2
    for name in ("random.ckpt", "separator.ckpt", "CKPT.yaml"):
        whole = (last / name).read_bytes()
        (last / name).write_bytes(DAMAGE[damage](whole))
        checkpointer.damaged.clear()
        assert checkpointer.recover_if_possible().meta["epoch"] == 1
        assert (layer.weight == 1).all()
        (record,) = [r for r in caplog.records if r.levelname == "WARNING"]
        caplog.clear()
        why = "CKPT.yaml is no description" if "yaml" in name else "Error:"
        assert f"{last} is left out" in record.message and why in record.message
        (last / name).write_bytes(whole)


def test_a_checkpoint_without_its_description_is_named(two, caplog):
    checkpointer, _, last = two
    for name in ("CKPT.yaml", "SHA256SUMS"):
        (last / name).unlink()
        checkpointer.damaged.clear()
        caplog.clear()
        assert checkpointer.recover_if_possible().meta["epoch"] == 1
        assert f"{last} is left out" in caplog.text


def test_what_others_put_beside_checkpoints_is_no_damage(two, caplog):
    checkpointer, _, last = two
    for folder in (last, last.parent):
        (folder / ".DS_Store").touch()
        (folder / "notes").mkdir()
    (last.parent / "CKPT+best").symlink_to(last.name)
    (last.parent / "CKPT+notes.txt").touch()
    assert checkpointer.recover_if_possible().meta["epoch"] == 2
    assert "left out" not in caplog.text
    checkpointer.save_and_keep_only({"epoch": 3, "loss": 0}, min_keys=["loss"])
    assert len(checkpointer.list_checkpoints()) == 2


def test_if_all_are_damaged_nothing_begins_anew(two):
    checkpointer, _, last = two
    for path in last.parent.glob("CKPT*/separator.ckpt"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no whole checkpoint") as error:
        checkpointer.recover_if_possible()
    assert last.name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("sums", [True, False])
def test_a_whole_checkpoint_of_another_model_is_not_passed_over(sums, two):
    checkpointer, _, last = two
    if not sums:
        (last / "SHA256SUMS").unlink()
    checkpointer.add_recoverable("separator", torch.nn.Linear(3, 3))
    with pytest.raises(ValueError, match="does not fit") as error:
        checkpointer.recover_if_possible()
    assert str(last) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("sums", [True, False])
def test_only_sums_tell_a_whole_file_that_cannot_be_loaded(sums, two, caplog):
    checkpointer, layer, last = two
    if not sums:
        for path in last.parent.glob("CKPT*/SHA256SUMS"):
            path.unlink()
    layer.load_state_dict = None  # which calls no layer of another size
    if sums:
        with pytest.raises(ValueError, match="does not fit .*TypeError"):
            checkpointer.recover_if_possible()
    else:
        with pytest.raises(ValueError, match="no whole checkpoint"):
            checkpointer.recover_if_possible()
        assert f"checkpoint {last} is left out: TypeError" in caplog.text


def test_nothing_is_written_before_the_first_checkpoint(tmp_path):
    layer = torch.nn.Linear(1, 1)
    checkpointer = AtomicCheckpointer(tmp_path / "save", {"layer": layer})
    assert checkpointer.recover_if_possible() is None
    assert not (tmp_path / "save").exists()
    checkpointer.save_checkpoint()
    assert checkpointer.recover_if_possible() is not None


def test_the_identity_of_a_checkpoint_is_that_of_its_weights(two):
    checkpointer, layer, _ = two
    best, other = checkpointer.find_checkpoints(min_key="loss")
    assert identity(best) == identity(best, "separator")
    assert identity(best)["sha256"] != identity(other)["sha256"]
    again = checkpointer.save_checkpoint({"epoch": 3})
    assert identity(again)["sha256"] == identity(best)["sha256"]
    assert identity(again) != identity(best)


def test_a_run_with_an_average_is_known_by_it(tmp_path):
    model = torch.nn.Linear(2, 2)
    average = moving_average(model, 0.9)
    parts = {"separator": model, "average": average, "random": RandomState()}
    saved = AtomicCheckpointer(tmp_path / "a", parts).save_checkpoint()
    assert weights_file(saved) == saved.path / "average.ckpt"
    assert identity(saved) == identity(saved, "average")
    assert identity(saved) != identity(saved, "separator")
    assert identity(saved)["name"] == saved.path.name
    del parts["average"], parts["separator"]
    saved = AtomicCheckpointer(tmp_path / "b", parts).save_checkpoint()
    with pytest.raises(ValueError, match="has no weights of a separator"):
        weights_file(saved)


def test_a_checkpoint_has_its_name_only_when_it_is_whole(tmp_path):
    layer = torch.nn.Linear(1, 1)
    checkpointer = AtomicCheckpointer(tmp_path, recoverables={"layer": layer})
    seen = []
    checkpointer.add_recoverable(
        "other", layer, custom_save_hook=lambda obj, path: seen.append(path)
    )
    saved = checkpointer.save_checkpoint({"epoch": 1}, name="first")
    assert saved.path == tmp_path / "CKPT+first"
    assert "layer" in saved.paramfiles
    assert seen[0].parent == tmp_path / "unfinished-CKPT+first"
    (found,) = checkpointer.list_checkpoints()
    assert found.path == saved.path and found.meta == saved.meta
    assert (saved.meta["epoch"], saved.meta["end-of-epoch"]) == (1, True)
    saved = checkpointer.save_checkpoint(end_of_epoch=False)
    assert saved.meta["end-of-epoch"] is False


def test_the_checkpoint_that_is_wanted_is_taken(tmp_path):
    layer = torch.nn.Linear(1, 1)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    for epoch, score in ((1, 2.0), (2, 9.0), (3, 5.0)):
        checkpointer.save_checkpoint({"epoch": epoch, "score": score})

    def take(**wanted):
        return checkpointer.recover_if_possible(**wanted).meta["epoch"]

    assert take() == 3
    assert take(max_key="score") == 2
    assert take(min_key="score") == 1
    assert take(importance_key=lambda c: abs(c.meta["score"] - 2)) == 2
    assert take(ckpt_predicate=lambda c: c.meta["epoch"] < 3) == 2


def test_damaged_checkpoints_are_named_with_the_reason(two, caplog):
    checkpointer, _, last = two
    folders = sorted(last.parent.iterdir())
    for path in folders:
        (path / "separator.ckpt").write_bytes(b"")
    names = ", ".join(path.name for path in folders)
    with pytest.raises(ValueError, match=f"in place of {re.escape(names)};"):
        checkpointer.recover_if_possible()
    assert "separator.ckpt" in caplog.records[0].message


def test_a_stray_file_hides_no_damage(two):
    checkpointer, _, last = two
    (last.parent / "CKPT+0").touch()
    path = last / "random.ckpt"
    path.write_bytes(_flip(path.read_bytes(), 0.5))
    assert checkpointer.recover_if_possible().meta["epoch"] == 1


def test_a_file_is_no_folder_of_checkpoints(tmp_path):
    (tmp_path / "save").touch()
    checkpointer = AtomicCheckpointer(tmp_path / "save")
    with pytest.raises(ValueError, match="save is a file; a folder of checkp"):
        checkpointer.recover_if_possible()
