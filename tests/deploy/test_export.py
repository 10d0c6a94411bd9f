"""``spmamba export --onnx``: of runs, folders and models of the package."""

import pytest
import torch

from speechbrain_spmamba import cli
from speechbrain_spmamba.deploy import export as command
from speechbrain_spmamba.deploy.export import card_licence, export_onnx
from speechbrain_spmamba.weights.export import export
from tests.weights.test_export import run  # noqa: F401, the fixture


@pytest.fixture
def written(monkeypatch):
    """What would be written, and where."""
    found = {}

    def write(model, path, licence):
        found.update(model=model, path=path, licence=licence)
        return 1e-6

    monkeypatch.setattr(command, "write_onnx", write)
    monkeypatch.setattr(command, "packages", lambda: None)
    return found


def weights(model):
    return torch.cat([p.flatten() for p in model.parameters()])


def test_a_model_of_the_package_with_its_licence(written, tmp_path):
    path, error = export_onnx("voices-8k-3", tmp_path / "new.onnx")
    assert path == written["path"] == tmp_path / "new.onnx" and error == 1e-6
    assert written["licence"] == "cc-by-4.0"
    assert written["model"].num_spks == 3


def test_a_run_and_its_model_folder_are_the_same_model(
    run,  # noqa: F811
    written,
    tmp_path,
):
    export_onnx(run, tmp_path / "onnx", license="MIT")
    assert written["path"] == tmp_path / "onnx/model.onnx"
    assert written["licence"] == "mit"
    of_run = weights(written["model"])
    folder = export(run, tmp_path / "model", license="cc-by-4.0")
    export_onnx(folder, folder)  # beside its other files
    assert written["path"] == folder / "model.onnx"
    assert written["licence"] == "cc-by-4.0"
    assert torch.equal(weights(written["model"]), of_run)


def test_what_is_there_is_replaced_only_if_asked(written, tmp_path):
    (tmp_path / "a.onnx").write_text("kept")
    with pytest.raises(ValueError, match="exists; .* --overwrite"):
        export_onnx("voices-8k-3", tmp_path / "a.onnx")
    export_onnx("voices-8k-3", tmp_path / "a.onnx", overwrite=True)


def test_the_command_says_where_and_how_exact(written, tmp_path, capsys):
    path = tmp_path / "a.onnx"
    with pytest.raises(SystemExit) as done:
        cli.main(["export", "voices-8k-3", str(path), "--onnx"])
    assert done.value.code == 0
    assert capsys.readouterr().out == (
        f"{path}: within 1e-06 of the model's peak\n"
    )


@pytest.mark.parametrize(
    "text, licence",
    [
        ("---\nlicense: mit\n---\n# A", "mit"),
        ("---\nlicense: [mit\n---\n", None),
        ("# No front matter", None),
        ("", None),
        (None, None),
    ],
)
def test_the_licence_is_that_of_the_card_if_any(text, licence, tmp_path):
    if text is not None:
        (tmp_path / "README.md").write_text(text)
    assert card_licence(tmp_path) == licence
