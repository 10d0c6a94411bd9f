"""The command line as such: names, versions, one line for what is wrong."""

import ast
import gc

import pytest

from speechbrain_spmamba import __version__, cli
from tests import package_calls


def _run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        cli.main(list(words))
    return stop.value.code, *capsys.readouterr()


def test_the_version_is_said(capsys):
    status, out, _ = _run(capsys, "--version")
    assert (status, out) == (0, f"spmamba {__version__}\n")


def test_what_was_imported_is_not_searched_for_garbage(capsys, monkeypatch):
    at_the_end = []
    monkeypatch.setattr(cli.atexit, "register", at_the_end.append)
    before = gc.get_threshold()
    try:
        gc.set_threshold(700)
        _run(capsys, "--version")
        assert gc.get_threshold()[0] > 5_000 and gc.isenabled()
    finally:
        gc.set_threshold(*before)
    assert at_the_end == [gc.freeze]


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "a command is missing; give one of prepare, new, train"),
        (["sepratte", "a.wav"], '"sepratte". Did you mean "separate"?'),
        (["xyz"], '"xyz". Available commands: prepare, new, train'),
        (["separate"], "FILES requires an argument"),
        (["separate", "a.wav", "--output"], "--output requires an argument"),
        (["demo", "m", "--port", "8.5"], "--port: 8.5 is no whole number"),
        (["export", "a", "b", "--lisence=x"], "Did you mean --license?"),
        (["convert"], "see `spmamba convert --help`"),
    ],
)
def test_a_slip_of_the_pen_is_one_line(words, message, capsys):
    status, out, err = _run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert message in err


def test_progress_bars_stay_out_of_redirected_logs():
    calls = [
        (file, call) for file, name, call in package_calls() if name == "tqdm"
    ]
    assert len(calls) > 5
    told = [
        {word.arg: ast.unparse(word.value) for word in call.keywords}
        for _, call in calls
    ]
    # None: tqdm itself asks whether someone is looking.
    for (name, _), words in zip(calls, told, strict=True):
        assert words.get("disable", "").endswith(("None", "not visible")), name
