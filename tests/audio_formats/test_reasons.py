"""What libsndfile says of a file is told in one form, wherever it is read."""

import re

import pytest
import soundfile

from speechbrain_spmamba.audio_formats.reasons import reason_of
from tests import ROOT


def test_the_reason_has_no_path_and_no_full_stop(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio at all")
    with pytest.raises(soundfile.SoundFileError) as error:
        soundfile.SoundFile(tmp_path / "a.wav")
    assert reason_of(error.value) == "Format not recognised"
    error = FileNotFoundError(2, "No such file or directory", "a.wav")
    assert reason_of(error) == "No such file or directory"


def test_no_other_module_forms_the_reason():
    package, words = (
        ROOT / "speechbrain_spmamba",
        "error_string|is damaged at sample",
    )
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(words, path.read_text(encoding="utf-8"))
    }
    assert found == {"audio_formats/reasons.py"}
