"""A causal model as a step gives what its stream gives."""

import numpy as np
import pytest
import torch

from speechbrain_spmamba.deploy import onnx_file
from speechbrain_spmamba.deploy.step import run_steps
from tests.small_models import SMALL

CAUSAL = {"causal": True, "num_blocks": 1}
AHEAD = {**CAUSAL, "lookahead": 2, "attn_context": 5, "synthesis_length": 48}
BANDS = {**CAUSAL, "masks": True, "band": 4, "emb_ks": 1, "attn_context": 0}
CASES = [
    ("spmamba", AHEAD),
    pytest.param("spmamba", {**BANDS, "num_mics": 2}, marks=pytest.mark.slow),
    pytest.param("tf_gridnet", AHEAD, marks=pytest.mark.slow),
]


def streamed(model, mix):
    """Estimates of a wave [B, T], by the model."""
    stream = model.stream()
    return torch.cat([stream.feed(mix), stream.flush()], 1)


@pytest.mark.parametrize("name, changes", CASES)
@pytest.mark.parametrize("hops", [[1], [5, 1, 16]])
def test_steps_of_any_size_give_what_the_stream_gives(
    written, name, changes, hops
):
    model, path = written(name, **changes)
    mics = [model.num_mics] if model.num_mics > 1 else []
    mix = torch.randn(2, 1000, *mics)
    session = onnx_file.open_session(str(path), threads=1)
    est = torch.from_numpy(run_steps(session, mix.numpy(), hops))
    expected = streamed(model, mix)
    torch.testing.assert_close(est, expected, rtol=0, atol=1e-5)


def test_the_file_tells_how_to_step(written):
    model, path = written("spmamba", **AHEAD)
    session = onnx_file.open_session(str(path))
    known = session.get_modelmeta().custom_metadata_map
    told = {k: known[k] for k in ("hop_length", "delay", "initial_state")}
    assert told == {"hop_length": "32", "delay": "80", "initial_state": "zeros"}
    mix, *states = session.get_inputs()
    est, *after = session.get_outputs()
    assert (mix.name, est.name) == ("mix", "estimates")
    assert [f"next.{s.name}" for s in states] == [s.name for s in after]
    assert all(s.shape[0] == "batch" for s in states)
    assert all(isinstance(n, int) for s in states for n in s.shape[1:])


def test_streams_of_a_batch_do_not_hear_each_other(written):
    _, path = written("spmamba", **AHEAD)
    session = onnx_file.open_session(str(path))
    mix = np.random.default_rng(0).normal(size=(2, 700)).astype("f")
    both = run_steps(session, mix, [3])
    one = run_steps(session, mix[1:], [3])
    np.testing.assert_allclose(both[1:], one, atol=1e-5)


def test_an_output_of_the_past_is_none_of_the_future(written):
    _, path = written("spmamba", **AHEAD)
    session = onnx_file.open_session(str(path))
    mix = np.random.default_rng(0).normal(size=(1, 700)).astype("f")
    changed = mix.copy()
    changed[:, 400:] = 0
    est, other = (run_steps(session, wave, [2]) for wave in (mix, changed))
    same = 400 - int(SMALL["spmamba"]["hop_length"]) * 3 - 48
    np.testing.assert_array_equal(est[:, :same], other[:, :same])
