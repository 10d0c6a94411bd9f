"""A grid that torch.export makes a program of, for waves of other lengths."""

import pytest
import torch

from speechbrain_spmamba.models import build_model
from tests.small_models import SMALL

DYNAMIC = torch.export.Dim.DYNAMIC


def exported(model, samples):
    """Its program, for any number of waves of any length."""
    mics = () if model.num_mics == 1 else (model.num_mics,)
    with torch.no_grad():
        return torch.export.export(
            model,
            (torch.randn(3, samples, *mics),),
            dynamic_shapes={"mix": {0: DYNAMIC, 1: DYNAMIC}},
        )


def assert_same(model, program, *shapes):
    """Of waves of these shapes, to 1e-5 of the peak."""
    for shape in shapes:
        mix = torch.randn(shape)
        with torch.no_grad():
            est, expected = program.module()(mix), model(mix)
        assert (est - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    "changes",
    [{}, {"masks": True, "rest": True, "emb_hs": 4, "num_mics": 2}],
    ids=["spectra", "masks"],
)
def test_an_exported_spmamba_separates_other_lengths_as_the_model_does(changes):
    sizes = SMALL["spmamba"] | {"num_blocks": 1} | changes
    model = build_model("spmamba", **sizes).eval()
    program = exported(model, 1000)
    ours = {n.target for n in program.graph.nodes if "spmamba" in str(n.target)}
    assert ours == {torch.ops.spmamba.selective_scan.default}
    mics = changes.get("num_mics", 1)
    for shape in ((1, 300), (3, 777), (1, 5000)):
        assert_same(model, program, shape if mics == 1 else (*shape, mics))


def test_an_exported_tf_gridnet_separates_other_lengths_as_the_model_does():
    model = build_model("tf_gridnet", **SMALL["tf_gridnet"]).eval()
    assert_same(model, exported(model, 1000), (1, 128), (3, 777), (1, 5000))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spmamba", "tf_gridnet"])
def test_the_published_sizes_are_exported(name):
    model = build_model(name).eval()
    assert_same(model, exported(model, 8000), (1, 12345))
