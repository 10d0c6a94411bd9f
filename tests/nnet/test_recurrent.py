"""LSTMs run under autocast, in a precision that the processor has."""

import logging

import pytest
import torch

from speechbrain_spmamba.nnet import recurrent
from speechbrain_spmamba.nnet.recurrent import BLSTM

# No processor has an LSTM in float16; in bfloat16, those with AVX-512 do.
MISSING = torch.float16


@pytest.mark.parametrize("count", [None, torch.tensor([7, 4])])
def test_where_autocast_has_no_lstm_it_runs_in_float32(count):
    layer, x = BLSTM(3, hidden=4), torch.randn(2, 7, 3)
    outputs, gradients = [], []
    for enabled in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", MISSING, enabled):
            outputs.append(layer(x, count))
        outputs[-1].square().sum().backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])
    assert outputs[1].dtype == torch.float32
    assert torch.equal(*outputs)
    for plain, under_autocast in zip(*gradients, strict=True):
        assert torch.equal(plain, under_autocast)


def test_an_input_of_low_precision_is_taken():
    layer, x = BLSTM(3, hidden=4), torch.randn(2, 7, 3).to(MISSING)
    with torch.autocast("cpu", MISSING):
        assert layer(x).dtype == torch.float32


def test_it_is_said_once_and_asking_draws_no_random_number(caplog):
    layer, x = BLSTM(3, hidden=4), torch.randn(2, 7, 3)
    recurrent._autocast_runs_lstms.cache_clear()
    before = torch.get_rng_state()
    with caplog.at_level(logging.WARNING, logger=recurrent.__name__):
        with torch.inference_mode(), torch.autocast("cpu", MISSING):
            layer(layer(x)[..., :3])
    assert torch.equal(torch.get_rng_state(), before)
    (record,) = caplog.records
    assert "no LSTM in float16" in record.getMessage()
    assert "run in float32" in record.getMessage()
