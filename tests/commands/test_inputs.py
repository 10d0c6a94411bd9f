"""The output tree mirrors the input, and no two outputs share a name."""

import pytest

from speechbrain_spmamba.commands.inputs import find_inputs


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/a.wav", "in/b.FLAC", "in/notes.txt", "in/.hidden.wav",
        "in/day1/a.wav", "in/day2/deep/a.mp3",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def _names(*names, output="out"):
    inputs, errors = find_inputs(names, output)
    assert not errors
    return {t.source: t.paths(1)[0].as_posix() for t in inputs}


def test_a_folder_is_mirrored(tree):
    assert _names("in") == {
        "in/a.wav": "out/a_s1.wav",
        "in/b.FLAC": "out/b_s1.wav",
        "in/day1/a.wav": "out/day1/a_s1.wav",
        "in/day2/deep/a.mp3": "out/day2/deep/a_s1.wav",
    }


def test_a_pattern_is_mirrored_from_its_fixed_part(tree):
    assert _names("in/day*/**/*") == {
        "in/day1/a.wav": "out/day1/a_s1.wav",
        "in/day2/deep/a.mp3": "out/day2/deep/a_s1.wav",
    }


def test_files_go_straight_into_the_output_folder(tree):
    assert _names("in/day1/a.wav") == {"in/day1/a.wav": "out/a_s1.wav"}


def test_two_kinds_of_one_name_keep_their_suffix(tree):
    (tree / "in/b.wav").touch()
    found = _names("in/b.wav", "in/b.FLAC", "in/a.wav")
    assert found["in/b.wav"] == "out/b.wav_s1.wav"
    assert found["in/b.FLAC"] == "out/b.FLAC_s1.wav"
    assert found["in/a.wav"] == "out/a_s1.wav"


def test_one_name_in_two_folders_keeps_the_folders(tree):
    assert _names("in/a.wav", "in/day1/a.wav") == {
        "in/a.wav": "out/a_s1.wav",
        "in/day1/a.wav": "out/day1/a_s1.wav",
    }


def test_many_collisions_end_in_names_of_their_own(tree):
    (tree / "in/day1/a.flac").touch()
    found = _names("in/day1/a.wav", "in/day1/a.flac", "in/a.wav", "in/day1")
    assert len(found) == len(set(found.values())) == 3


def test_what_is_named_twice_is_separated_once(tree):
    assert len(_names("in/a.wav", "./in/a.wav", "in", "in/*.wav")) == 4


def test_outputs_within_the_input_are_no_input(tree):
    (tree / "in/out").mkdir()
    (tree / "in/out/a_s1.wav").touch()
    assert "in/out/a_s1.wav" not in _names("in", output="in/out")


def test_input_and_output_are_not_the_same_folder(tree):
    with pytest.raises(ValueError, match="in is input and output"):
        find_inputs(["in"], tree / "in")


def test_what_holds_no_audio_is_reported(tree):
    (tree / "empty").mkdir()
    inputs, errors = find_inputs(["empty", "no*.wav", "", "in/a.wav"], "out")
    assert [t.source for t in inputs] == ["in/a.wav"]
    assert errors == [
        "empty holds no audio",
        "no*.wav matches no audio file",
        "a name is empty; give a file, a folder or -",
    ]


def test_a_file_with_wildcards_in_its_name_is_a_file(tree):
    (tree / "take[1].wav").touch()
    assert _names("take[1].wav") == {"take[1].wav": "out/take[1]_s1.wav"}


def test_a_missing_file_is_left_to_the_reader(tree):
    assert _names("none.wav") == {"none.wav": "out/none_s1.wav"}


def test_standard_input_has_a_name():
    assert _names("-") == {"-": "out/stdin_s1.wav"}


@pytest.mark.parametrize("name", ["in", "in/**/*"])
def test_links_are_followed_and_links_to_nothing_are_errors(tree, name):
    (tree / "disk").mkdir()
    (tree / "disk/x.opus").touch()
    (tree / "in/disk").symlink_to("../disk")
    (tree / "in/disk/up").symlink_to("../in")
    assert _names(name)["in/disk/x.opus"] == "out/disk/x_s1.wav"
    assert len(_names(name)) == 5
    (tree / "in/gone").symlink_to("nowhere")
    inputs, errors = find_inputs([name], "out")
    assert len(inputs) == 5
    assert errors == ["in/gone is a link to nothing"]
