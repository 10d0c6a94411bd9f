"""``spmamba score`` from the folders of a tool to its tables."""

import csv
import json

import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.estimates import score_files, score_set
from speechbrain_spmamba.files.lock import locked
from tests.estimates.files import (
    ITEMS,
    LIBRIMIX,
    RATE,
    signals,
    write,
    write_estimates,
    write_references,
)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with a LibriMix-like set in ``data``."""
    monkeypatch.chdir(tmp_path)
    write_references(tmp_path / "data", *LIBRIMIX)
    write_estimates(tmp_path / "est", "{id}_est{n}.wav")

    def run(*words, output="scores", status=0):
        with pytest.raises(SystemExit) as stop:
            cli.main(["score", *map(str, words), "--output", str(output)])
        out, err = capsys.readouterr()
        assert stop.value.code == status, err
        assert "Traceback" not in err
        return out if status == 0 else err.strip()

    return run


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_set_has_a_row_an_item_and_a_summary(call):
    out = call("data", "est", "--mixtures", "data")
    assert "references: 3 items, 6 files, 'data/s{n}/{id}'" in out
    assert "estimates: 3 items, 6 files, 'est/{id}_est{n}'" in out
    assert "mean SI-SNRi" in out and "over 3 talkers" in out
    rows = _rows("scores/results.csv")
    assert [row["ID"] for row in rows] == sorted(ITEMS)
    assert all(float(row["si_snr"]) > 15 for row in rows)
    with open("scores/summary.json") as file:
        summary = json.load(file)
    mean = sum(float(row["sdri"]) for row in rows) / 3
    assert summary["sdri"]["mean"] == pytest.approx(mean)
    assert summary["checkpoint"] == {"name": "est"} and summary["cut"] == 0


def test_plain_figures_need_no_mixtures(call):
    out = call("data", "est", "--metrics", "[sdr]")
    assert "mean SDR " in out and "SDRi" not in out
    assert list(_rows("scores/results.csv")[0])[:3] == ["ID", "duration", "sdr"]


def test_a_table_brings_its_mixtures(call, tmp_path):
    lines = ["ID,mix_wav,s1_wav,s2_wav"]
    lines += [
        f"{x},mix_clean/{x}.wav,s1/{x}.wav,s2/{x}.wav" for x in sorted(ITEMS)
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    folders = call("data", "est", "--mixtures", "data/mix_clean")
    table = call("a.csv", "est", "--data_root", "data", output="other")
    assert "mean SI-SNRi" in folders and "mean SI-SNRi" in table
    assert _rows("scores/results.csv") == _rows("other/results.csv")


def test_names_of_any_kind_are_found_by_a_pattern(call, tmp_path):
    write_estimates(tmp_path / "odd", "{n}-of-{id}.flac")
    error = call("data", "odd", status=2)
    assert (
        error.startswith("error: odd has 6 audio files") and "\n" not in error
    )
    out = call("data", "odd", "--estimate_pattern", "{n}-of-{id}.flac")
    assert "estimates: 3 items, 6 files" in out


def test_references_without_estimates_are_an_error_or_left_out(call, tmp_path):
    write_estimates(tmp_path / "some", "{id}_s{n}.wav", items=ITEMS[:2])
    error = call("data", "some", status=2)
    assert "1 of 3 references have no estimate in 'some/" in error
    assert "--partial" in error and not (tmp_path / "scores").exists()
    out = call("data", "some", "--partial")
    assert "1 references have no estimate and are left out" in out
    assert len(_rows("scores/results.csv")) == 2


def test_more_and_fewer_estimates_are_told(call, tmp_path):
    src, _ = signals(0)
    write(tmp_path / "est", "{id}_est{n}.wav", 1e-4 * src[:, 0], ITEMS[0], 3)
    (tmp_path / f"est/{ITEMS[1]}_est2.wav").unlink()
    out = call("data", "est", "--mixtures", "data")
    assert "1 items have fewer estimates than references" in out
    assert "1 items have more estimates than references" in out
    silence = {
        x["ID"]: float(x["silence"]) for x in _rows("scores/results.csv")
    }
    assert 60 < silence[ITEMS[0]] < 95 and silence[ITEMS[2]] == 100


def test_another_rate_is_told_in_a_line(call, tmp_path):
    _, est = signals(0)
    path = tmp_path / f"est/{ITEMS[0]}_est1.wav"
    soundfile.write(path, est[:, 0], 2 * RATE)
    error = call("data", "est", status=2)
    assert f"{ITEMS[0]}_est1.wav is sampled at 16000 Hz" in error


def test_mixtures_that_are_missing_are_told(call, tmp_path):
    (tmp_path / f"data/mix_clean/{ITEMS[0]}.wav").unlink()
    error = call("data", "est", "--mixtures", "data", status=2)
    assert "1 of 3 references have no mixture in 'data/mix_clean/" in error


def test_two_tools_are_compared_item_by_item(call, tmp_path):
    write_estimates(tmp_path / "better", "{id}_s{n}.wav", leak=0.05)
    out = call("data", "better", "--against", "est", "--mixtures", "data")
    assert "better minus est:" in out
    line = next(x for x in out.splitlines() if x.strip().startswith("SDRi, dB"))
    assert line.split()[-2:] == ["100.0", "3"]
    ours = {x["ID"]: x for x in _rows("scores/results.csv")}
    theirs = {x["ID"]: x for x in _rows("scores/against/results.csv")}
    rows = _rows("scores/differences.csv")
    assert [row["ID"] for row in rows] == sorted(ITEMS)
    for row in rows:
        both = ours[row["ID"]], theirs[row["ID"]]
        for name in ("si_snr", "si_snri", "sdr", "sdri", "sir", "sar"):
            one, other = (float(found[name]) for found in both)
            assert float(row[name]) == pytest.approx(one - other)
    with open("scores/differences.json") as file:
        found = json.load(file)["sir"]
    mean = sum(float(row["sir"]) for row in rows) / 3
    assert found["mean"] == pytest.approx(mean) and found["better"] == 1
    assert found["talkers"] == 3 and found["items"] == 3


def test_a_tool_is_not_compared_with_itself(call):
    error = call("data", "est", "--against", "est", status=2)
    assert "--against is est as well" in error


def test_any_number_of_processes_gives_the_same(call):
    call("data", "est", "--mixtures", "data", output="one")
    call("data", "est", "--mixtures", "data", "--jobs", 2, output="two")
    for name in ("results.csv", "summary.json", "talkers.csv", "rows.jsonl"):
        with open(f"one/{name}") as one, open(f"two/{name}") as two:
            assert one.read() == two.read(), name


def _count(monkeypatch):
    """Items that are scored from now on."""
    scored = []

    def note(item, **options):
        scored.append(item.name)
        return score_files.score_files(item, **options)

    monkeypatch.setattr(score_set, "score_files", note)
    return scored


def test_an_interrupted_run_goes_on(call, monkeypatch, tmp_path):
    call("data", "est", output="whole")
    scored = _count(monkeypatch)
    path = tmp_path / f"est/{sorted(ITEMS)[2]}_est1.wav"
    content = path.read_bytes()
    path.write_bytes(b"no audio")
    assert path.name in call("data", "est", status=2)
    assert len(scored) == 3
    assert not (tmp_path / "scores/results.csv").exists()
    rows = tmp_path / "scores/rows.jsonl"
    # As a run leaves it that is killed while it writes.
    rows.write_text(rows.read_text() + '["123", {"row": {"ID": "')
    path.write_bytes(content)
    call("data", "est")
    assert scored[3:] == [sorted(ITEMS)[2]]
    for name in ("results.csv", "summary.json"):
        both = [(tmp_path / x / name).read_text() for x in ("whole", "scores")]
        assert both[0] == both[1], name


def test_rows_are_kept_only_of_the_same_files_and_options(
    call, monkeypatch, tmp_path
):
    call("data", "est")
    scored = _count(monkeypatch)
    call("data", "est")
    assert scored == []
    call("data", "est", "--metrics", "sdr")
    assert len(scored) == 3
    call("data", "est", "--metrics", "sdr", "--mixtures", "data")
    assert len(scored) == 6
    write_estimates(tmp_path / "est", "{id}_est{n}.wav", 1, 0.2, ITEMS[:1])
    call("data", "est", "--metrics", "sdr", "--mixtures", "data")
    assert scored[6:] == [ITEMS[0]]


def test_two_runs_do_not_write_into_one_folder(call):
    with locked("scores"):
        error = call("data", "est", status=2)
    assert "scores is in use by process" in error
