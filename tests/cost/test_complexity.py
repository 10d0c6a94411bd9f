"""Whole models cost what one finds by hand, and nothing is left out."""

import math

import pytest
import torch

from speechbrain_spmamba.cost import complexity
from speechbrain_spmamba.cost.complexity import (
    count,
    growth,
    load,
    measure,
    ptflops,
)
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.nnet.mamba_path import plain_paths
from tests.small_models import build_small

SAMPLES, BINS, FRAMES = 16000, 257, 126  # a second, STFT of 512 and 128
# Windows of 8 in all frames and bins, six blocks.
WINDOWS = 6 * (FRAMES * (BINS - 7) + BINS * (FRAMES - 7))


@pytest.fixture(scope="module")
def spmamba():
    return count(build_model("spmamba"), computed=False)


@pytest.mark.parametrize(
    "part, giga",
    [
        ("blocks.in_proj", 97.648),
        ("blocks.x_proj", 15.258),
        ("blocks.mamba (product)", 3.052),  # step sizes
        ("blocks.out_proj", 48.824),
        ("blocks.mamba (convolution)", 1.526),
        ("blocks.mamba (scan)", 55.690 / 2),
    ],
)
def test_the_parts_of_spmamba_are_those_worked_out_by_hand(spmamba, part, giga):
    assert spmamba["parts"][part] == pytest.approx(giga * 1e9, abs=5e5)


def test_spmamba_costs_208_or_236_giga_by_how_its_scan_is_counted(spmamba):
    # Those figures count a bias of convolution and step size for a MAC each.
    biases = 2 * WINDOWS * 2 * 512
    whole, halved = 235.70e9, 207.85e9
    operations = spmamba["macs_scan_as_operations"] + biases
    assert operations == pytest.approx(whole, rel=1e-3)
    assert spmamba["macs"] + biases == pytest.approx(halved, rel=1e-3)
    scan = spmamba["parts"]["blocks.mamba (scan)"]
    rest = spmamba["macs"] - scan + biases
    assert rest == pytest.approx(180.01e9, rel=1e-3)


def test_parts_add_up_to_the_whole(spmamba):
    assert sum(spmamba["parts"].values()) == spmamba["macs"]


def test_folding_spares_the_width_between_two_projections():
    # d = 128, inner 512, both directions: two out-projections and a transposed
    # convolution become one product, and the residual another.
    published = 2 * 512 * 128 + 2 * 128 * 128
    folded = 2 * 512 * 128 + 128 * 128
    found = count(build_model("spmamba", num_blocks=1), 0.125)
    frames = 2000 // 128 + 1
    windows = frames * (BINS - 7) + BINS * (frames - 7)
    spared = found["macs"] - found["macs_computed"]
    assert spared == windows * (published - folded) / 0.125


def test_tf_gridnet_costs_what_its_layers_say():
    lstm = WINDOWS * 2 * 4 * 256 * (256 + 256)
    deconv = WINDOWS * 512 * 32 * 8
    projections = 6 * FRAMES * BINS * 32 * (4 * (2 + 2 + 8) + 32)
    attention = 6 * 4 * FRAMES**2 * BINS * (2 + 8)
    ends = FRAMES * BINS * 9 * 32 * (2 + 4)
    transforms = 3 * FRAMES * 512 * int(math.log2(512))
    expected = lstm + deconv + projections + attention + ends + transforms
    found = count(build_model("tf_gridnet"))
    assert found["macs"] == found["macs_computed"] == expected
    assert found["parts"]["blocks.lstm"] == lstm


def test_conv_tasnet_costs_what_its_layers_say():
    frames = (SAMPLES + 8 + 8 - 16) // 8 + 2
    block = 2 * 128 * 512 + 3 * 512 + 128 * 512
    filters = 512 * 16 + 2 * 512 * 16
    ends = filters + 512 * 128 + 128 * 1024
    # the last block's residual is read by nothing
    expected = frames * (24 * block - 128 * 512 + ends)
    assert count(build_model("conv_tasnet"))["macs"] == expected


def test_a_longer_recording_of_a_linear_model_costs_as_much_a_second():
    model = build_small("sudormrf")
    one, four = count(model, 1.0), count(model, 4.0)
    assert four["macs"] == pytest.approx(one["macs"], rel=1e-2)


def test_counting_changes_no_output_and_no_weight():
    model = build_small("spmamba")
    mix = torch.randn(1, 400, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(mix)
        count(model, 0.05)
        assert torch.equal(model(mix), before)
        with plain_paths():
            assert torch.allclose(model(mix), before, atol=1e-5)


def test_more_microphones_cost_more_at_the_input_alone():
    one, two = (count(build_small("tf_gridnet", num_mics=m)) for m in (1, 2))
    changed = {k for k, v in two["parts"].items() if v != one["parts"][k]}
    assert changed == {"input_conv", "stft"}


def test_a_recording_without_a_sample_is_an_error():
    with pytest.raises(ValueError, match="is no sample"):
        count(build_small("dprnn"), 1e-6)


def test_growth_finds_the_power_of_a_length():
    assert growth([1, 3, 60], [5, 5 * 9, 5 * 3600]) == pytest.approx(2)
    assert growth([2], [7]) is None


EXPERIMENT = """\
data_folder: !PLACEHOLDER
num_spks: 2
sample_rate: 8000
separator: !new:speechbrain_spmamba.models.dprnn.DPRNN
    num_spks: !ref <num_spks>
    sample_rate: !ref <sample_rate>
    hidden: 5
train_set: !new:this.does.not.exist
    folder: !ref <data_folder>
"""


def test_an_experiment_gives_its_model_and_builds_nothing_else(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(EXPERIMENT)
    assert load(path).sample_rate == 8000
    assert load(tmp_path, num_spks=3).num_spks == 3


def test_what_is_no_model_is_an_error(tmp_path):
    path = tmp_path / "a.yaml"
    with pytest.raises(ValueError, match="a.yaml does not exist"):
        load(path)
    path.write_text("num_spks: 2\n")
    with pytest.raises(ValueError, match="no key 'separator'"):
        load(path)
    with pytest.raises(ValueError, match="unknown model 'spmambo'"):
        load("spmambo")
    with pytest.raises(ValueError, match="hyperparams.yaml does not exist"):
        load(tmp_path)


def test_a_model_that_cannot_run_says_why(monkeypatch):
    def fail(cases, repeats):
        return {name: [{"length": 2.0, "error": "broken"}] for name in cases}

    monkeypatch.setattr(complexity, "measure_in_turns", fail)
    with pytest.raises(ValueError, match="did not run for 2 s on cpu: broken"):
        measure("dprnn", 2.0)


@pytest.mark.parametrize(
    "name",
    [
        "conv_tasnet",
        pytest.param("dprnn", marks=pytest.mark.slow),
        pytest.param("sudormrf", marks=pytest.mark.slow),
    ],
)
def test_ptflops_counts_the_same_and_biases_gates_and_norms(name):
    pytest.importorskip("ptflops", reason="extra [complexity]")
    model = build_model(name)
    found = ptflops(model, 0.125)["macs"]
    ours = count(model, 0.125)["macs"]
    assert ours < found < 1.04 * ours
