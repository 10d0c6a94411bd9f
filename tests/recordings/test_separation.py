"""Which outputs of a model become files."""

import numpy as np
import pytest
import soundfile

from tests.separating import parts_model, talker


@pytest.mark.parametrize("all_outputs", [False, True])
def test_files_are_of_the_voices_that_speak(tmp_path, all_outputs):
    model, wave = parts_model(shares=(0.0, 0.1, 0.8)), 0.5 * talker(0, 4.0)
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, 8000, "FLOAT")
    options, written = {"all_outputs": all_outputs}, [0, 1, 2]
    found = model.separate_to_files(path, tmp_path / "out", **options)
    assert found.talkers == 1
    if not all_outputs:
        written = [2]
    est = model.separate_file(path, tmp_path / "again", **options)
    assert est.shape == (32000, 3)
    for paths in (found.paths, sorted((tmp_path / "again").iterdir())):
        assert [path.name for path in paths] == [
            f"a_s{number + 1}.wav" for number in range(len(written))
        ]
        for path, index in zip(paths, written, strict=True):
            voice = soundfile.read(path, dtype="float32")[0]
            np.testing.assert_array_equal(voice, est[:, index])
    assert {one.talker for one in found.segments} == {f"s{len(written)}"}
    seconds = sum(one.end - one.start for one in found.segments)
    assert seconds == pytest.approx(found.activity[-1].seconds, abs=0.01)


def test_of_a_recording_of_nobody_there_are_no_files(tmp_path):
    path, parts = tmp_path / "a.wav", parts_model()
    soundfile.write(path, np.zeros(8000), 8000)
    found = parts.separate_to_files(path, tmp_path / "out")
    assert (found.paths, found.talkers, found.segments) == ([], 0, [])
    assert parts.separate_file(path, tmp_path / "out").shape == (8000, 2)
    assert list((tmp_path / "out").iterdir()) == []
