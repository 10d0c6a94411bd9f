"""A stranger's model folder builds a model and does nothing else."""

import pytest
import torch
from hyperpyyaml import resolve_references

from speechbrain_spmamba import safe_yaml
from speechbrain_spmamba.files.checksums import SUMS_FILE
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.weights.export import write_model
from speechbrain_spmamba.weights.folder_yaml import (
    LAYOUTS,
    TAIL,
    inference_yaml,
    model_yaml,
)
from tests import ROOT

SMALL = {
    "n_filters": 4,
    "feature_dim": 4,
    "hidden": 4,
    "num_blocks": 1,
    "chunk_size": 10,
}
# Lines behind those of a good folder; MARK is a folder that must not appear.
ADDED = {
    "apply": "x: !apply:os.mkdir [MARK]",
    "apply in a value": "x: {y: [1, !apply:os.mkdir [MARK]]}",
    "applyref": "x: !applyref:os.mkdir [MARK]",
    "new": "x: !new:logging.FileHandler {filename: MARK}",
    "python tag": 'x: !!python/object/apply:os.mkdir ["MARK"]',
    "tuple without a tag": 'x: (!!python/object/apply:os.mkdir ["MARK"])',
    "tuple in a key": 'x: {(!!python/object/apply:os.mkdir ["MARK"]): 1}',
    "quoted tuple": "x: '(!!python/object/apply:os.mkdir [MARK])'",
    "tuple with a tag": "x: !tuple '(!!python/object/apply:os.mkdir [MARK])'",
    "anchor": "x: &a !apply:os.mkdir [MARK]\ny: *a",
    "merge": "<<: {x: !apply:os.mkdir [MARK]}",
    "include": "x: !include:evil.yaml",
    "escaped tag": "x: !apply:os%2Emkdir {path: MARK}",
    "verbatim tag": "x: !<!apply:os.mkdir> {path: MARK}",
    "hidden key": "__x: !apply:os.mkdir [MARK]",
    "key of a call": "? !apply:os.mkdir [MARK]\n: 1",
    "second document": "---\nx: !apply:os.mkdir [MARK]",
    "copy": "x: !apply:os.mkdir [MARK]\ny: !copy <x>",
    "call of a part": "x: !new:pathlib.Path [MARK]\ny: !ref <x.mkdir>",
    "line of Unicode": "# x\u2028x: !apply:os.mkdir [MARK]",
    "line of control": "# x\x85x: !apply:os.mkdir [MARK]",
    "carriage return": "# x\rx: !apply:os.mkdir [MARK]",
    "module": "x: !module:this",
    "name": "x: !name:os.mkdir",
    "power": "x: !ref <sample_rate> ** 99999999",
    "key twice": "separator: !apply:os.mkdir [MARK]",
    "run option": "compile: True",
    "placeholder": "x: !PLACEHOLDER",
    "aliases of aliases": "x: &x [1, 1]\ny: &y [*x, *x]\nz: [*y, *y]",
    "too deep": "x: " + "{y: " * 500 + "1" + "}" * 500,
    "too long": "#" * 30_000,
}
# The last part of a good folder, and what earlier versions wrote there.
_PRETRAINER = TAIL[TAIL.index("pretrained_path:") :]
_HOOK = "!name:speechbrain_spmamba.inference.strict_load"
_LOADABLES = "    loadables:"
EARLIER = f"""\
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        separator: !ref <separator>
    custom_hooks:
        separator: {_HOOK}
"""
# Part of a good folder -> what stands there instead. Of a folder of earlier
# versions, if it is about what they wrote.
CHANGED = {
    "condition": (
        _LOADABLES,
        "    conditions: {separator: !name:os.mkdir {path: MARK}}\n"
        + _LOADABLES,
    ),
    "hook": (_HOOK, "!name:os.mkdir {mode: MARK}"),
    "no hook": (f"        separator: {_HOOK}", "        {}"),
    "path above": (
        _LOADABLES,
        "    paths: {separator: ../evil/separator.ckpt}\n" + _LOADABLES,
    ),
    "path on the net": (
        _LOADABLES,
        "    paths: {separator: 'https://host.invalid/a.ckpt'}\n" + _LOADABLES,
    ),
    "folder elsewhere": (
        _LOADABLES,
        "    collect_in: MARK\n" + _LOADABLES,
    ),
    "other loadable": (
        "loadables:\n        separator: !ref <separator>",
        "loadables:\n        separator: !apply:os.mkdir {path: MARK}",
    ),
    "path of the pretrainer": (
        "pretrained_path: null",
        "pretrained_path: evil",
    ),
    "call for the path": (
        "pretrained_path: null",
        "pretrained_path: !apply:os.mkdir {path: MARK}",
    ),
    "path beside the reference": (
        "!ref <pretrained_path>",
        "!apply:os.mkdir {path: MARK}",
    ),
    "one more for the pretrainer": (
        "    pretrained_path: !ref",
        "    collect_in: MARK\n    pretrained_path: !ref",
    ),
    "other separator": (
        "Pretrainer\n    separator: !ref <separator>",
        "Pretrainer\n    separator: !apply:os.mkdir {path: MARK}",
    ),
    "other class": ("models.dprnn.DPRNN", "settings.load_settings"),
    "class of the toolkit": (
        "speechbrain_spmamba.models.dprnn.DPRNN",
        "speechbrain.utils.train_logger.FileTrainLogger",
    ),
    "argument": ("chunk_size: 10", "chunk_size: !apply:os.mkdir {path: MARK}"),
    "argument of a word": (
        "chunk_size: 10",
        'chunk_size: (!!python/object/apply:os.mkdir ["MARK"])',
    ),
    "rate": ("sample_rate: 8000\nnum", "sample_rate: !apply:time.time []\nnum"),
    "normalizer": (
        "!new:speechbrain.dataio.preprocess.AudioNormalizer\n"
        "    sample_rate: !ref <sample_rate>",
        "!apply:os.mkdir {path: MARK}",
    ),
    "modules": (
        "modules:\n    separator: !ref <separator>",
        "modules: !apply:os.mkdir {path: MARK}",
    ),
    "directive": (
        "sample_rate: 8000\nnum",
        "%TAG !e! !apply:\n---\nx: !e!os.mkdir {path: MARK}\n"
        "sample_rate: 8000\nnum",
    ),
    "a list of keys": ("sample_rate: 8000\nnum", "- x\n- y\nnum"),
}
# Those that run where nothing is checked.
SPMAMBA = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}
REAL = [
    "apply",
    "apply in a value",
    "applyref",
    "new",
    "python tag",
    "tuple without a tag",
    "tuple with a tag",
    "anchor",
    "merge",
    "include",
    "escaped tag",
    "verbatim tag",
    "hidden key",
    "line of Unicode",
    "line of control",
    "carriage return",
    "condition",
    "other loadable",
    "call for the path",
    "path beside the reference",
    "other separator",
    "argument",
    "argument of a word",
    "normalizer",
    "modules",
    "directive",
]


@pytest.fixture
def folder(tmp_path):
    """A good folder of a small model."""
    folder = tmp_path / "model"
    arguments = {**SMALL, "sample_rate": 8000}
    separator = build_model("dprnn", **arguments)
    write_model(folder, separator, model_yaml(separator, arguments))
    # Who means harm leaves them out, or makes them anew.
    (folder / SUMS_FILE).unlink()
    return folder


def _spoil(folder, how):
    """Changes the YAML file; gives what its payload would make."""
    mark, path = folder.parent / "mark", folder / "hyperparams.yaml"
    text = path.read_text()
    if how in ADDED:
        text = text.rstrip("\n") + f"\n{ADDED[how]}\n"
    else:
        old, new = CHANGED[how]
        if old in EARLIER and old not in text:
            text = text.replace(_PRETRAINER, EARLIER)
        assert text.count(old) == 1
        text = text.replace(old, new)
    evil = "x: !apply:os.mkdir [MARK]\n".replace("MARK", str(mark))
    (folder / "evil.yaml").write_text(evil)
    path.write_bytes(text.replace("MARK", str(mark)).encode())
    return mark


def _load(folder, **options):
    return WaveformSeparation.from_hparams(
        folder, run_opts={"device": "cpu"}, **options
    )


@pytest.mark.parametrize("how", [*ADDED, *CHANGED])
def test_what_is_more_than_a_model_is_refused_and_not_run(folder, how):
    mark = _spoil(folder, how)
    with pytest.raises(ValueError, match="hyperparams.yaml was not") as error:
        _load(folder)
    assert "\n" not in str(error.value)
    assert not mark.exists()


def test_what_earlier_versions_wrote_is_loaded(folder):
    path = folder / "hyperparams.yaml"
    text = path.read_text()
    path.write_text(text.replace(_PRETRAINER, EARLIER))
    assert EARLIER in path.read_text()
    wanted = _load(folder).state_dict()
    trusted = _load(folder, safe=False).state_dict()
    assert all(torch.equal(trusted[key], wanted[key]) for key in wanted)


PARTS = {
    "another encoder": (
        "encoder: !new:speechbrain_spmamba.models.toolkit.SpectrumEncoder",
        "encoder: !new:torch.nn.Identity",
    ),
    "an argument": (
        "models.toolkit.SpectrumEncoder",
        "models.toolkit.SpectrumEncoder {n_fft: 100000000}",
    ),
    "a call": (
        "    model: !ref <separator>",
        "    model: !apply:os.mkdir {path: MARK}",
    ),
    "a module more": (
        "    decoder: !ref <decoder>",
        "    decoder: !ref <decoder>\n    other: !ref <decoder>",
    ),
}


@pytest.mark.parametrize("how", PARTS)
def test_parts_for_the_toolkit_are_checked_too(folder, how):
    path, mark = folder / "hyperparams.yaml", folder.parent / "mark"
    text = path.read_text().replace(TAIL, LAYOUTS["toolkit"])
    path.write_text(text)
    assert set(_load(folder).mods) > {"separator", "encoder", "masknet"}
    old, new = PARTS[how]
    assert text.count(old) == 1
    path.write_text(text.replace(old, new.replace("MARK", str(mark))))
    with pytest.raises(ValueError, match="hyperparams.yaml was not loaded"):
        _load(folder)
    assert not mark.exists()


@pytest.mark.parametrize("how", REAL)
def test_the_same_would_run_if_it_were_trusted(folder, how):
    mark = _spoil(folder, how)
    try:
        _load(folder, safe=False)
    except Exception:
        pass  # whatever a spoilt file leads to, once its payload has run
    assert mark.exists()


def test_a_repository_on_the_hub_is_checked_too(folder, tmp_path, monkeypatch):
    asked = []

    def download(repo_id, filename, **options):
        asked.append((repo_id, filename))
        return str(folder / filename)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert _load("someone/model").hparams.sample_rate == 8000
    mark = _spoil(folder, "apply")
    with pytest.raises(ValueError, match="more than a model"):
        _load("someone/model")
    assert not mark.exists()
    assert ("someone/model", "separator.ckpt") in asked


def test_what_is_loaded_is_what_was_checked(folder, monkeypatch):
    check, marks = safe_yaml.check, []

    def check_then_change(text):
        check(text)
        marks.append(_spoil(folder, "apply"))

    monkeypatch.setattr(safe_yaml, "check", check_then_change)
    assert _load(folder).hparams.num_spks == 2
    assert marks and not marks[0].exists()


def test_checked_and_trusted_folders_give_the_same(folder):
    mix = torch.randn(1, 400)
    torch.testing.assert_close(
        _load(folder).separate_batch(mix),
        _load(folder, safe=False).separate_batch(mix),
    )


def test_the_user_may_change_what_was_checked(folder):
    model = _load(folder, overrides={"separator": {"chunk_size": 20}})
    assert model.mods.separator.chunk_size == 20


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_files_of_any_system_pass(folder, ending):
    path = folder / "hyperparams.yaml"
    path.write_bytes(path.read_text().replace("\n", ending).encode())
    _load(folder)


@pytest.mark.parametrize(
    "experiment",
    [
        *(ROOT / "hparams").glob("*.yaml"),
        *(ROOT / "recipes").glob("*/hparams/*.yaml"),
    ],
    ids=lambda path: path.parts[-3] + "-" + path.stem,
)
def test_what_export_makes_of_every_experiment_passes(tmp_path, experiment):
    text = experiment.read_text(encoding="utf-8")
    # `complexity` takes it as it is, with its references.
    safe_yaml.check_values(safe_yaml.model_part(text))
    overrides = {
        line.partition(":")[0]: "x"
        for line in text.splitlines()
        if "!PLACEHOLDER" in line
    }
    # As a run keeps it: references resolved, placeholders filled.
    kept = tmp_path / "hyperparams.yaml"
    kept.write_text(resolve_references(text, overrides).getvalue())
    exported = inference_yaml(kept)
    safe_yaml.check(exported)
    safe_yaml.check_values(exported)


def test_a_plain_file_written_by_hand_is_loaded(tmp_path):
    torch.save(
        build_model("spmamba", **SPMAMBA).state_dict(),
        tmp_path / "separator.ckpt",
    )
    (tmp_path / "hyperparams.yaml").write_text(
        "# A model of mine.\nsample_rate: 8000\nnum_spks: 2\n\nn_fft: 64\n"
        "separator: !new:speechbrain_spmamba.models.spmamba.SPMamba\n"
        "    num_spks: !ref <num_spks>\n    sample_rate: !ref <sample_rate>\n"
        "    n_fft: !ref <n_fft>\n    hop_length: 32\n    num_blocks: 1\n"
        "    emb_dim: 4\nmodules:\n    separator: !ref <separator>\n"
        "pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer\n"
        "    loadables:\n        separator: !ref <separator>\n"
    )
    est = _load(tmp_path).separate_batch(torch.zeros(1, 100))
    assert est.shape == (1, 100, 2)
