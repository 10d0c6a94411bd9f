"""Splits that cannot be meant are told in one line, by every set."""

import pytest

from speechbrain_spmamba import cli

SETS = {
    "custom": ["--folder", "data"],
    "wham": ["--folder", "data"],
    "wsj0mix": ["--folder", "data"],
    "lrs2-2mix": ["--folder", "data"],
    "librimix": ["--folder", "data"],
    "mixtures": ["--speech_folder", "data"],
    "conversations": ["--speech_folder", "data"],
    "echo2mix": ["--speech_folder", "data"],
}
# Sets whose items are made, so many a split.
MADE = ["mixtures", "conversations", "echo2mix"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "splits",
    [
        "[test]",
        "test",
        "{}",
        "{test: 5}",
        "{test: {folder: x}}",
        "{../x: test}",
    ],
)
def test_splits_that_are_none_are_told(tmp_path, capsys, name, splits):
    words = [name, str(tmp_path / "out"), *SETS[name], "--splits", splits]
    with pytest.raises(SystemExit) as end:
        cli.main(["prepare", *words])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "split" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize(
    "wish, reason",
    [
        ("speech: 5", "has speech=5; give names of subsets"),
        ("speech: [[a]]", "has speech=[['a']]; give names of subsets"),
        ("noise: [a]", "has noise=['a']; give the name of a folder"),
        (
            "mixture: 5",
            "has 'mixture', which nothing reads; it may have mix",
        ),
    ],
)
def test_wishes_that_are_none_are_told(tmp_path, capsys, name, wish, reason):
    splits = f"{{test: {{mixtures: 1, {wish}}}}}"
    words = [name, str(tmp_path), *SETS[name], "--splits", splits]
    with pytest.raises(SystemExit) as end:
        cli.main(["prepare", *words])
    assert end.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("folder", ["[[a], b]", "5", "{a: b}", "''"])
def test_folders_that_are_none_are_told(tmp_path, capsys, name, folder):
    words = [name, str(tmp_path / "out"), SETS[name][0], folder]
    if name in MADE:
        words += ["--splits", "{test: {mixtures: 1}}"]
    with pytest.raises(SystemExit) as end:
        cli.main(["prepare", *words])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "folder is" in line


@pytest.mark.parametrize("name", [*MADE, "custom", "wham"])
def test_a_split_stays_within_the_output_folder(tmp_path, capsys, name):
    wish = "{mixtures: 2}" if name in MADE else "data"
    for split in ("../x", "/x", "..", "a/b", "''", "'a\\\\b'"):
        words = [name, str(tmp_path / "out" / "y"), *SETS[name]]
        with pytest.raises(SystemExit) as end:
            cli.main(["prepare", *words, f"--splits={{{split}: {wish}}}"])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "a split is called" in line and "name of a folder" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["librimix", "wsj0mix"])
def test_a_published_set_has_one_number_of_talkers(tmp_path, capsys, name):
    for value in ("[0, 3]", "{1: 1, 2: 1}", "2.0", "two", "0"):
        words = [name, str(tmp_path / "out"), *SETS[name]]
        with pytest.raises(SystemExit) as end:
            cli.main(["prepare", *words, f"--num_spks={value}"])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "num_spks is " in line and "; expected " in line
    assert not (tmp_path / "out").exists()


NUMBERS = {
    "sample_rate": ["0", "16", "8000.5", ".nan", "-8000"],
    "num_spks": ["0", "-1", "1.5", "101", "[3, 0]", "[0]", "{1: 0}", "two"],
    "seconds": ["0", "-1", ".nan", ".inf", "1.0e-9"],
    "seed": ["-1", "0.5"],
    "jobs": ["0", "1.5"],
    "level": ["3", "[1]", "[-20, -30]", "[1, 2, 3]"],
    "sir": ["[a, b]", "word"],
    "snr": ["[.nan, 3]", "{a: 1}"],
}


@pytest.mark.parametrize("option", NUMBERS)
def test_numbers_that_no_mixtures_are_made_of_are_told(
    tmp_path, capsys, option
):
    for value in NUMBERS[option]:
        words = ["mixtures", str(tmp_path / "out"), *SETS["mixtures"]]
        words += ["--splits", "{test: {mixtures: 2}}", f"--{option}={value}"]
        with pytest.raises(SystemExit) as end:
            cli.main(["prepare", *words])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{option} is " in line and "; expected" in line
    assert not (tmp_path / "out").exists()
