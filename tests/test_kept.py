"""What version 0.1 made is still of use: a run, its checkpoint, its model.

`kept/version_0.1.zip` holds a run of `train_server.SETTINGS` with
`--max_epochs=2`, the model that was exported from it, and what that model gave
for `_mixture`. Its third epoch ended with the figures below.
"""

import importlib
import pydoc
import re
import shutil

import numpy as np
import pytest
import torch

from speechbrain_spmamba import MOVED
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models.toolkit import RatioMasks
from speechbrain_spmamba.settings.experiment import load_settings
from speechbrain_spmamba.settings.requirements import REQUIRED
from speechbrain_spmamba.weights.export import export
from tests import ROOT, train_server

THIRD_EPOCH = {"train snr": 1.33, "valid si_snr": -5.68, "valid si_snri": -5.43}


def _mixture():
    return torch.sin(torch.arange(400) ** 2 / 300.0)


@pytest.fixture
def kept(tmp_path):
    shutil.unpack_archive(ROOT / "tests/kept/version_0.1.zip", tmp_path)
    return tmp_path


def _separated(folder):
    model = WaveformSeparation.from_hparams(source=folder)
    return model.separate_batch(_mixture()[None])[0].numpy()


def test_a_model_folder_gives_what_it_gave(kept):
    before = np.load(kept / "model_estimate.npy")
    np.testing.assert_allclose(_separated(kept / "model"), before, atol=1e-5)


def test_a_run_can_be_exported(kept):
    folder = export(kept / "run", kept / "again")
    assert np.array_equal(_separated(folder), _separated(kept / "model"))


def test_a_run_goes_on_from_its_checkpoint(kept):
    (kept / "results/tiny").mkdir(parents=True)
    run = (kept / "run").rename(kept / "results/tiny/1234")
    status = train_server.run(train_server.train, kept, "--max_epochs=3")
    assert status == 0
    *first, last = (run / "train_log.txt").read_text().splitlines()
    assert len(first) == 2 and last.startswith("epoch: 3")
    found = re.findall(r"(train snr|valid \w+): ([-+.\de]+)", last)
    found = {name: float(value) for name, value in found}
    assert found == pytest.approx(THIRD_EPOCH, rel=0.01)
    # Names that have moved are no other settings. (That version did not keep
    # what options of the command line had replaced.)
    assert (
        "goes on with other settings (max_epochs: 2 -> 3, "
        "ckpt_interval_minutes: 15 -> 0)" in (run / "log.txt").read_text()
    )


@pytest.mark.parametrize("old, new", MOVED.items())
def test_experiments_are_told_what_has_moved(old, new, tmp_path):
    importlib.import_module(f"speechbrain_spmamba.{new}")
    before = f"speechbrain_spmamba.{old}"
    path = tmp_path / "mine.yaml"
    others = "".join(f"{key}: 1\n" for key in {*REQUIRED} - {"train_loss"})
    path.write_text(f"train_loss: !name:{before}.any\n{others}")
    message = f"{before} is now speechbrain_spmamba.{new}; write that"
    with pytest.raises(ValueError, match=re.escape(message)):
        load_settings([str(path), "--device=cpu"])


def test_folders_for_the_toolkits_classes_find_ours():
    found = pydoc.locate("speechbrain_spmamba.toolkit.RatioMasks")
    assert found is RatioMasks
