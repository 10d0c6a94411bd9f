"""Real recordings go through the same path as made-up ones.

Needs a small corpus with speech/ and noise/, each with train, valid and test,
beside the repository or where MINICORPUS points.
"""

import os
from pathlib import Path

import pytest

from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.prepare.sets.mixtures import prepare
from tests import SHARED

BESIDE = SHARED / "minicorpus"
CORPUS = Path(os.environ.get("MINICORPUS", BESIDE))
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no corpus in {CORPUS}; set MINICORPUS"
)


def test_real_speech_becomes_batches(tmp_path):
    manifests = prepare(
        speech_folder=CORPUS / "speech",
        noise_folder=CORPUS / "noise",
        output_folder=tmp_path,
        splits={
            split: {"speech": [split], "noise": split, "mixtures": 4}
            for split in ("train", "valid", "test")
        },
        sample_rate=8000,
        seconds=2.0,
        sexes=["F", "M"],
        jobs=2,
    )
    for manifest in manifests.values():
        items = list(make_dataset(manifest, tmp_path, 8000, 2, segment=1.5))
        assert len(items) == 4
        for item in items:
            assert item["src_sig"].shape == (12000, 2)
            assert (item["src_sig"].std(0) > 1e-3).all()
            # 16-bit files: the mixture is the talkers plus quieter noise
            noise = item["mix_sig"] - item["src_sig"].sum(1)
            assert 0 < noise.std() < item["src_sig"].std(0).max()
