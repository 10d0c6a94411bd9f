"""Tables of this package, of Asteroid and of look2hear say where files are."""

import json

import pytest

from speechbrain_spmamba.estimates.items import find_references
from speechbrain_spmamba.estimates.tables import read_table
from tests.estimates.files import ITEMS, LIBRIMIX, write_references


def _table(path, text):
    path.write_text(text)
    return path


def test_a_manifest_and_metadata_of_asteroid_give_the_same(tmp_path):
    ours = _table(
        tmp_path / "a.csv",
        "ID,duration,mix_wav,mix_wav_format,s1_wav,s2_wav\n"
        "a,1.0,$data_root/m.wav,wav,$data_root/x.wav,/d/y.wav\n",
    )
    theirs = _table(
        tmp_path / "b.csv",
        ",mixture_ID,mixture_path,source_1_path,source_2_path,length\n"
        "0,a,m.wav,x.wav,/d/y.wav,8000\n",
    )
    for path in (ours, theirs):
        for root in (None, "/e"):
            files, mixtures = read_table(path, "reference", root)
            folder = root or str(tmp_path)
            assert files.items == {"a": {1: f"{folder}/x.wav", 2: "/d/y.wav"}}
            assert mixtures.items == {"a": {0: f"{folder}/m.wav"}}


def test_an_empty_cell_is_silence(tmp_path):
    path = _table(tmp_path / "a.csv", "ID,s1_wav,s2_wav\na,/x.wav,\n")
    files, mixtures = read_table(path, "reference")
    assert files.items == {"a": {1: "/x.wav", 2: ""}} and mixtures is None


def test_lists_of_look2hear_are_read(tmp_path):
    write_references(tmp_path, *LIBRIMIX)
    for name, folder in (("mix", "mix_clean"), ("s1", "s1"), ("s2", "s2")):
        files = [[str(tmp_path / folder / f"{x}.wav"), 4000] for x in ITEMS]
        (tmp_path / f"{name}.json").write_text(json.dumps(files))
    files, mixtures = find_references(tmp_path)
    assert sorted(files.items) == sorted(mixtures.items) == sorted(ITEMS)
    assert files.items[ITEMS[0]][2] == str(tmp_path / f"s2/{ITEMS[0]}.wav")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ID,mix_wav\na,b\n", "has the columns ID, mix_wav; expected ID and"),
        ("s1_wav\na\n", "has the columns s1_wav; expected ID"),
        ("ID,s1_wav\na,b\na,c\n", "line 3: ID 'a' stands there twice"),
        ("ID,s1_wav\n", "has no rows"),
        ("ID,s1_wav\na,b\n", "none of its 1 items, such as 'a', is one of"),
    ],
)
def test_a_mistake_is_told_in_a_line(text, words, tmp_path):
    path = _table(tmp_path / "a.csv", text)
    with pytest.raises(ValueError, match=words):
        read_table(path, "estimate", None, ["x"])


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="does not exist; check the path"):
        read_table(tmp_path / "a.csv", "reference")
