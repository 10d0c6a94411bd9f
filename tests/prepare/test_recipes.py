"""Every recipe prepares its data by itself, then trains and tests."""

import os
import sys

import pytest

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora
from tests import train_server
from tests.prepare.trees import write_noise, write_parts

RECIPES = train_server.ROOT / "recipes"
# One epoch over two mixtures with a model of a few hundred weights.
SMALL = [
    "--device=cpu",
    "--noprogressbar",
    "--max_epochs=1",
    "--num_workers=0",
    "--prepare_jobs=1",
    "--num_examples=0",
    "--segment=0.2",
    "--separator={n_fft: 64, hop_length: 32, num_blocks: 1, emb_dim: 4,"
    " emb_ks: 4, expand: 1, d_state: 2, num_heads: 1, attn_qk_dim: 32}",
]
FEW = (
    "--splits={{train: {{mixtures: 2}}, valid: {{mixtures: 2}},"
    " test: {{mixtures: 2}}}}"
)
FRESH = "--dynamic_mixing={{scenes: {data}/echo2mix_release}}"
NAMES = ["10-1-0001_11-1-0001", "12-1-0001_13-1-0001"]


def _custom(data):
    for split in ("train", "valid", "test"):
        write_parts(data / split, ["mix", "s1", "s2"], NAMES, 4800, 16000)


def _wham(data):
    parts = ["mix_both", "s1", "s2", "noise"]
    for split in ("tr", "cv", "tt"):
        write_parts(data / "wav8k/min" / split, parts, NAMES, 2400)


def _wsj0mix(data):
    for split in ("tr", "cv", "tt"):
        base = data / "2speakers/wav8k/min" / split
        write_parts(base, ["mix", "s1", "s2"], NAMES, 2400)


def _released(data):
    for split in ("train", "val", "test"):
        for pair in ("10_11", "12_13"):
            for part in ("mix", "spk1_reverb", "spk2_reverb"):
                path = data / f"gpfs/{split}/house/1_room/{pair}/{part}.wav"
                write_noise(path, 4800, 16000)


def _librimix(data):
    subsets = {"train-clean-100": "tr", "dev-clean": "cv", "test-clean": "tt"}
    for subset, noise in subsets.items():
        lines = [
            "mixture_ID,source_1_path,source_1_gain,source_2_path,"
            "source_2_gain,noise_path,noise_gain"
        ]
        for name in NAMES:
            files = []
            for utterance in name.split("_"):
                reader, chapter, _ = utterance.split("-")
                files.append(f"{subset}/{reader}/{chapter}/{utterance}.flac")
                write_noise(data / "LibriSpeech" / files[-1], 4800, 16000)
            write_noise(data / f"wham_noise/{noise}/n.wav", 4800, 16000)
            lines.append(f"{name},{files[0]},1,{files[1]},1,{noise}/n.wav,0.5")
        path = data / f"LibriMix/metadata/Libri2Mix/libri2mix_{subset}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


def _echo2mix(data):
    make_corpora(
        data,
        readers=(4, 3, 3),
        utterances_per_reader=(2, 2, 2),
        noise_files=(2, 2, 2),
        dnr_items=(1, 1, 1),
    )


def _train(folder, recipe, options):
    """What ``python train.py`` does, in ``folder``."""
    os.chdir(folder)
    sys.path.insert(0, str(train_server.ROOT))
    import train as program

    program.main([str(RECIPES / recipe), *SMALL, *options])


def _check(folder, recipe, make, options=()):
    make(folder / "data")
    options = [f"--data_folder={folder / 'data'}", *options]
    assert train_server.run(_train, folder, recipe, options) == 0
    results = next((folder / "results").glob("*/1234/test/results.csv"))
    assert len(results.read_text().splitlines()) >= 1 + len(NAMES)


@pytest.mark.slow
def test_training_prepares_by_itself_and_mixes_anew(tmp_path):
    options = ["--dynamic_mixing=True"]
    _check(tmp_path, "Custom/hparams/spmamba.yaml", _custom, options)
    manifest = tmp_path / "data/custom_16000_2/train.csv"
    assert set(read_manifest(manifest, tmp_path / "data", 2)) == set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe, make, options",
    [
        ("Custom/hparams/spmamba.yaml", _custom, []),
        ("WHAM/hparams/spmamba.yaml", _wham, []),
        ("WSJ0Mix/hparams/spmamba.yaml", _wsj0mix, []),
        ("LibriMix/hparams/spmamba.yaml", _librimix, []),
        ("Echo2Mix/hparams/spmamba_released.yaml", _released, []),
        ("Echo2Mix/hparams/spmamba.yaml", _echo2mix, [FEW]),
        ("Echo2Mix/hparams/spmamba.yaml", _echo2mix, [FEW, FRESH]),
    ],
)
def test_every_recipe_prepares_by_itself(tmp_path, recipe, make, options):
    options = [option.format(data=tmp_path / "data") for option in options]
    _check(tmp_path, recipe, make, options)
