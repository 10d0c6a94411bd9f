"""A mistake is one line with a way on; a fault is all that is known of it."""

import ast
import errno
import os

import pytest
import torch

from speechbrain_spmamba.errors import explain, one_line_errors
from tests import package_trees

WORKER = "DataLoader worker (pid 7) is killed by signal: Killed. "
GPU = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."
CPU = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."
SHARED = "unable to write to file </torch_1_2_3>: No space left on device (28)"
FULL = "[enforce fail] PytorchStreamWriter failed writing file data/0: ..."
NO_COMPILER = (
    "InvalidCxxCompiler: No working C++ compiler found: (None, 'g++')\n\n"
    "Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace"
)


def _system(code, filename=None):
    return OSError(code, os.strerror(code), filename)


def _raise(error):
    raise error


@pytest.mark.parametrize(
    "error, words",
    [
        (_system(errno.ENOSPC, "a/b.wav"), "a/b.wav: No space left on device"),
        (_system(errno.EACCES, "a"), "a: Permission denied; change its perm"),
        (
            _system(errno.EEXIST, "out"),
            "out: File exists; a folder was",
        ),
        (_system(errno.EISDIR, "out"), "out: Is a directory; a file was exp"),
        (_system(errno.ENOENT, "two\nlines"), "two\\nlines: No such file"),
        (_system(errno.ENOSPC), "No space left on device; free some, or"),
        (RuntimeError(WORKER), "memory was full; lower num_workers or batch_"),
        (RuntimeError(SHARED), "enlarge /dev/shm"),
        (RuntimeError(CPU), "memory is full; in training lower batch_size"),
        (RuntimeError(FULL), "no space is left; free some, or choose"),
        (torch.OutOfMemoryError(GPU), "memory is full; in training lower"),
        (
            RuntimeError("... Connection closed by peer [::1]"),
            "another process",
        ),
        (RuntimeError("NCCL ..., no GPUs found!"), "--distributed_backend gl"),
        (RuntimeError(NO_COMPILER), "install g++ or clang, or leave --compile"),
        (MemoryError(), "in separation lower --window, --batch or --jobs"),
        (
            ValueError("Caught in worker\nValueError: x.wav is empty"),
            "x.wav is",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_status_2(error, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        one_line_errors(_raise)(error)
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert line.startswith("error: ") and words in line
    assert "Errno" not in line and "VERBOSE" not in line


def test_a_fault_is_a_traceback_that_ends_with_where_to_report_it(capsys):
    with pytest.raises(SystemExit) as stopped:
        one_line_errors(_raise)(KeyError("s1_wav"))
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 1
    assert lines[0].startswith("Traceback")
    assert "KeyError: 's1_wav'" in lines
    assert "Please report it" in lines[-1] and "--version" in lines[-1]


def test_settings_that_the_toolkit_refuses_are_mistakes_too(capsys):
    with pytest.raises(SystemExit) as stopped:
        one_line_errors(_raise)(SystemExit("The options a and b exclude ..."))
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: The options a and b exclude ...\n"


@pytest.mark.parametrize("code", [0, 1, 143, None])
def test_an_exit_status_stays_what_it_is(code):
    with pytest.raises(SystemExit) as stopped:
        one_line_errors(_raise)(SystemExit(code))
    assert stopped.value.code == code


@pytest.mark.parametrize(
    "error", [KeyError("x"), TypeError("x"), RuntimeError("shapes differ")]
)
def test_a_fault_is_not_taken_for_a_mistake(error):
    assert explain(error) is None


def test_messages_begin_small_and_end_without_a_stop():
    found = []
    for file, tree in package_trees().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Raise) or not node.exc:
                continue
            text = getattr(node.exc, "args", [None])[:1] or [None]
            parts = getattr(text[0], "values", text)  # of an f-string
            words = [getattr(part, "value", "") for part in parts]
            first, last = words[0], words[-1]
            capital = isinstance(first, str) and first[:1].isupper()
            stop = isinstance(last, str) and last[-1:] == "." != last[-2:-1]
            if stop or (capital and first[1:2].islower()):
                found.append(f"{file}:{node.lineno}")
    assert found == []
