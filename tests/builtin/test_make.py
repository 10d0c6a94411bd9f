"""A model folder and figures become a model of the package."""

import pytest

from speechbrain_spmamba.builtin import make, models
from speechbrain_spmamba.files.checksums import check_sums, write_sums
from tests.test_strange_files import load, make_folder

CARD = """\
---
license: cc-by-4.0
---

# DPRNN (mine)

Separates 2 sources.

## Use

Somehow.

## Data

* Some.

## Scores

Not measured for these weights.

## Licence

Not stated.
"""
FIGURES = """\
data: two sentences
licence: cc-by-4.0
scores:
  - {on: two dogs, si_snri: 1.5, interval: [1, 2]}
  - {on: two cats, si_snri: 2.5, interval: [2, 3]}
"""


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Words of the command line; the package's models are elsewhere."""
    model = make_folder(tmp_path / "model", keep_sums=True)
    (model / "README.md").write_text(CARD)
    (tmp_path / "figures.yaml").write_text(FIGURES)
    monkeypatch.setattr(models, "FOLDER", tmp_path / "builtin")
    return [str(tmp_path / x) for x in ("model", "figures.yaml", "builtin/two")]


def test_what_is_made_is_one_of_the_package(given, tmp_path):
    make.main(given)
    (name, model), *rest = models.builtin_models().items()
    assert (name, model.system, rest) == ("two", "dprnn", [])
    assert model.score.startswith("1.5 dB SI-SNRi (95 % interval 1.0 to 2.0)")
    check_sums(model.folder, needed=["separator.safetensors"])
    ours, theirs = load("two"), load(tmp_path / "model")
    assert repr(ours.mods) == repr(theirs.mods)


def test_the_card_tells_the_figures_in_place_of_what_it_did_not_know(given):
    make.main(given)
    text = (models.FOLDER / "two/README.md").read_text()
    assert text.startswith("---\nlicense: cc-by-4.0\n---\n\n# two: DPRNN (")
    assert "spmamba separate talk.wav --model two" in text
    assert "* two sentences\n* Some." in text and "on two cats" in text
    assert "Not measured" not in text and text.endswith("\n\ncc-by-4.0\n")


def test_it_is_made_again_in_its_place(given, tmp_path):
    make.main(given)
    make_folder(tmp_path / "model", "conv_tasnet", keep_sums=True)
    (tmp_path / "figures.yaml").write_text(FIGURES.replace("1.5", "1.75"))
    make.main(given)
    assert models.builtin_models()["two"].system == "conv_tasnet"
    assert models.builtin_models()["two"].score.startswith("1.8 dB")
    check_sums(models.FOLDER / "two")


@pytest.mark.parametrize(
    "mistake, message",
    [
        ("arguments", "2 arguments were given; expected MODEL FIGURES.yaml"),
        ("card", "model has no README.md; give what `spmamba export` made"),
        ("damage", "separator.safetensors is damaged"),
        ("size", "separator.safetensors has 0.0 MB; at most 1e-06 MB come"),
        ("figures", "figures.yaml: expected data, licence, scores, found"),
    ],
)
def test_a_mistake_is_one_line_and_makes_nothing(
    given, tmp_path, mistake, message, monkeypatch, capsys
):
    if mistake == "arguments":
        given.pop()
    elif mistake == "card":
        (tmp_path / "model/README.md").unlink()
    elif mistake == "damage":
        write_sums(tmp_path / "model", ["hyperparams.yaml"])
        with open(tmp_path / "model/SHA256SUMS", "a") as file:
            file.write(f"{'0' * 64}  separator.safetensors\n")
    elif mistake == "size":
        monkeypatch.setattr(make, "MAX_BYTES", 1)
    else:
        (tmp_path / "figures.yaml").write_text("data: x\n")
    with pytest.raises(SystemExit) as stop:
        make.main(given)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not models.FOLDER.exists()
