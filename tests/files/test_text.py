"""Text and tables of others: read as they are meant, or one line of why not."""

import logging

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.files.text import read_columns, read_csv, read_text
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.corpora.speakers import read_speakers
from speechbrain_spmamba.prepare.sets.custom import prepare
from speechbrain_spmamba.prepare.sets.librimix_items import read_metadata
from speechbrain_spmamba.settings.experiment import load_settings
from tests import ROOT

MARK = b"\xef\xbb\xbf"
ROWS = "ID,duration,mix_wav,s1_wav\nä,1.5,m.wav,s.wav\n"


def write(folder, content, name="a.csv"):
    path = folder / name
    path.write_bytes(content if type(content) is bytes else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        MARK + ROWS.encode(),
        MARK + MARK + ROWS.encode(),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS.replace(",", " , ").encode(),
        ROWS.encode().rstrip(b"\n") + b"\n\n",
    ],
    ids=["mark", "two marks", "crlf", "blanks", "empty lines"],
)
def test_what_programs_do_to_a_table_changes_nothing(tmp_path, content):
    plain = read_manifest(write(tmp_path, ROWS), "/d")
    assert read_manifest(write(tmp_path, content), "/d") == plain
    assert list(plain) == ["ä"]


def test_a_mark_is_skipped_wherever_text_of_others_is_read(tmp_path):
    for name in ("x", "y"):
        soundfile.write(tmp_path / f"{name}.wav", np.full(9, 0.1), 8000)
    write(tmp_path, MARK + b"ID,mix,s1\nfirst,x.wav,y.wav\n", "all.csv")
    made = prepare(tmp_path, tmp_path / "out", splits={"test": "all.csv"})
    assert list(read_manifest(made["test"], tmp_path)) == ["first"]

    write(tmp_path, MARK + b"60 | M | dev | 1 | Ann", "SPEAKERS.TXT")
    assert read_speakers(tmp_path)["60"][:2] == ("M", "dev")

    columns = "mixture_ID,source_1_path,source_1_gain,noise_path,noise_gain"
    table = MARK + f"{columns}\na,b.flac,1,c.wav,2\n".encode()
    path = write(tmp_path, table, "libri1mix_test-clean.csv")
    assert read_metadata(path, 1)[0]["item"] == "a"


def test_a_mark_before_an_experiment_changes_nothing(tmp_path):
    text = (ROOT / "hparams/tiny.yaml").read_text(encoding="utf-8")
    text = text.replace("num_examples: ", "num_examples: 3")
    marked = MARK + text.replace("\n", "\r\n").encode()
    words = [str(write(tmp_path, marked, "a.yaml"))]
    words += ["--output_folder", str(tmp_path / "run")]
    found, plain = load_settings(words)[1], write(tmp_path, text, "b.yaml")
    expected = load_settings([str(plain), *words[1:]])[1]
    assert found.keys() == expected.keys()
    assert found["num_examples"] == expected["num_examples"] > 30
    write(tmp_path, text.encode("utf-16"), "a.yaml")
    with pytest.raises(ValueError, match="a.yaml is UTF-16 text"):
        load_settings(words)


@pytest.mark.parametrize(
    "content, reason",
    [
        (ROWS.encode("utf-16"), "is UTF-16 text.*save it as UTF-8"),
        (ROWS.encode("utf-16-le"), "is no text but binary data"),
        (ROWS.encode("latin-1"), r"is no UTF-8 text \(byte 0xe4 in line 2\)"),
        (ROWS.replace(",", ";"), "has ';' between its columns, expected a c"),
        (ROWS.replace(",", "\t"), r"has '\\t' between its columns"),
        ("ID,mix_wav,ID\n", "has the column 'ID' twice"),
        (ROWS + "b,1.5,a,b.wav,s.wav\n", "line 3 has 5 fields, its first lin"),
        ('ID\n"' + 200_000 * "x", "line 2 is no line of a CSV file"),
        (b"RIFF\0\0\0\0WAVEfmt ", "is no text but binary data, as audio is"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(tmp_path, content, reason):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=f"a.csv {reason}") as error:
        read_manifest(path, tmp_path)
    assert "\n" not in str(error.value)


def test_audio_for_a_table_is_told_in_one_line(tmp_path):
    rng = np.random.default_rng(0)
    for suffix in ("wav", "flac", "ogg"):
        path = tmp_path / f"a.{suffix}"
        soundfile.write(path, 0.1 * rng.standard_normal(4000), 8000)
        path = path.rename(tmp_path / "a.csv")
        with pytest.raises(ValueError, match="no text but binary") as error:
            prepare(tmp_path, tmp_path / "out", splits={"test": "a.csv"})
        assert "\n" not in str(error.value)


def test_a_column_that_is_not_read_is_said(tmp_path, caplog):
    read_manifest(write(tmp_path, ROWS), tmp_path)
    assert not caplog.text
    table = "id,mix,s1,s2,sex\n,x.wav,x.wav,x.wav,F\n"
    soundfile.write(tmp_path / "x.wav", np.full(9, 0.1), 8000)
    splits, path = {"test": "all.csv"}, write(tmp_path, table, "all.csv")
    with caplog.at_level(logging.WARNING):
        prepare(tmp_path, tmp_path / "out", splits=splits, sources=["s1"])
    assert f"{path}: columns that are not read: id, s2, sex " in caplog.text
    caplog.clear()
    text = "ID,duration,mix_wav,s1_wav,s3_wav\na,1,m,s,t\n"
    read_manifest(write(tmp_path, text), tmp_path)
    assert "not read: s3_wav (read are ID, duration, mix_wav" in caplog.text


def test_both_names_of_a_part_are_too_many(tmp_path):
    write(tmp_path, "mix,mix_wav,s1\na,b,c\n")
    with pytest.raises(ValueError, match="has both mix and mix_wav; keep one"):
        prepare(tmp_path, tmp_path / "out", splits={"test": "a.csv"})


def test_a_row_may_leave_out_what_is_empty_at_its_end(tmp_path):
    _, rows = read_csv(write(tmp_path, "a,b,c\n1,2\n\n3,4,5\n"))
    assert rows == [
        (2, {"a": "1", "b": "2", "c": ""}),
        (4, {"a": "3", "b": "4", "c": "5"}),
    ]


def test_an_empty_file_is_an_empty_table(tmp_path):
    path = write(tmp_path, "")
    assert (read_text(path), read_columns(path)) == ("", [])
    assert read_csv(path) == ([], [])
