"""The loop trains what it says it trains, and survives bad batches."""

import math

import pytest
import speechbrain as sb
import torch
import torch.nn.functional as F
from speechbrain.dataio.batch import PaddedBatch

from speechbrain_spmamba.brain import SeparationBrain
from speechbrain_spmamba.loss import pairwise_neg_snr, pit
from speechbrain_spmamba.metrics import score


def _batch(*lengths, dtype=torch.float32):
    sources = [torch.randn(n, 2, dtype=dtype) for n in lengths]
    return PaddedBatch([{"mix_sig": s.sum(1), "src_sig": s} for s in sources])


@pytest.fixture
def make_brain(small_model):
    def make(ema_decay=0.0, **run_opts):
        brain = SeparationBrain(
            modules={"separator": small_model()},
            opt_class=lambda p: torch.optim.Adam(p, lr=1e-3),
            hparams={"train_loss": pairwise_neg_snr, "ema_decay": ema_decay},
            run_opts={"device": "cpu", **run_opts},
        )
        brain.init_optimizers()
        brain.step, brain.nonfinite_count = 1, 0
        return brain

    return make


def test_a_few_steps_on_one_batch_lower_its_loss(make_brain):
    brain, batch = make_brain(), _batch(800, 800)
    losses = [brain.fit_batch(batch).item() for _ in range(15)]
    assert losses[-1] < losses[0] - 1.0


def test_padding_changes_neither_loss_nor_gradient(make_brain):
    brain, batch = make_brain(), _batch(800, 500, dtype=torch.float64)
    brain.modules.double()
    losses, grads = [], []
    for items in (batch, None):
        brain.zero_grad()
        if items is not None:
            est = brain.compute_forward(items, sb.Stage.TRAIN)
            loss = brain.compute_objectives(est, items, sb.Stage.TRAIN)
        else:
            loss = 0.0
            for index, samples in enumerate((800, 500)):
                mix = batch.mix_sig.data[index : index + 1, :samples]
                src = batch.src_sig.data[index : index + 1, :samples]
                est = brain.modules.separator(mix)
                loss = loss + pit(pairwise_neg_snr, est, src)[0].mean() / 2
        loss.backward()
        losses.append(loss.item())
        grads.append([p.grad.clone() for p in brain.modules.parameters()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)
    for padded, alone in zip(*grads, strict=True):
        torch.testing.assert_close(padded, alone, rtol=1e-6, atol=1e-8)


def test_a_batch_with_a_bad_loss_leaves_the_weights_alone(make_brain):
    brain = make_brain(skip_nonfinite_grads=True)
    before = [p.clone() for p in brain.modules.parameters()]
    batch = _batch(800)
    batch.src_sig.data[0, 3, 0] = float("nan")
    brain.fit_batch(batch)
    for old, new in zip(before, brain.modules.parameters(), strict=True):
        assert torch.equal(old, new)
    brain.fit_batch(_batch(800))
    assert not torch.equal(before[0], next(brain.modules.parameters()))


def test_accumulated_gradients_are_those_of_the_joined_batch(make_brain):
    batch = _batch(800, 800)
    halves = [
        PaddedBatch(
            [
                {
                    "mix_sig": batch.mix_sig.data[i],
                    "src_sig": batch.src_sig.data[i],
                }
            ]
        )
        for i in range(2)
    ]
    joined, parts = make_brain(), make_brain(grad_accumulation_factor=2)
    parts.modules.load_state_dict(joined.modules.state_dict())
    joined.fit_batch(batch)
    for parts.step, half in enumerate(halves, start=1):
        parts.fit_batch(half)
    assert joined.optimizer_step == parts.optimizer_step == 1
    pairs = zip(
        joined.optimizer.state.values(),
        parts.optimizer.state.values(),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(
            one["exp_avg"], other["exp_avg"], rtol=1e-3, atol=1e-6
        )


def test_training_keeps_the_step_sizes_of_mamba(make_brain):
    brain = make_brain()
    name = "blocks.0.intra.mixer.forward_branch.mamba.dt_proj.bias"
    step = F.softplus(brain.modules.separator.get_parameter(name))
    assert 0.0009 < step.min() and step.max() < 0.101
    brain.fit_batch(_batch(800))
    step = F.softplus(brain.modules.separator.get_parameter(name))
    assert 0.0005 < step.min() and step.max() < 0.11


def test_the_average_is_used_outside_of_training(make_brain):
    brain, batch = make_brain(ema_decay=0.5), _batch(800)
    for _ in range(3):
        brain.fit_batch(batch)
    brain.modules.eval()
    with torch.no_grad():
        trained = brain.compute_forward(batch, sb.Stage.TRAIN)
        valid = brain.compute_forward(batch, sb.Stage.VALID)
        average = brain.average.module(batch.mix_sig.data)
    assert torch.equal(valid, average) and not torch.equal(valid, trained)


def _validate(brain, batch, est):
    """Loss and SI-SNRi of given estimates."""
    brain.on_stage_start(sb.Stage.VALID)
    loss = brain.compute_objectives(est, batch, sb.Stage.VALID)
    return loss.item(), brain.si_snri


def test_validation_tells_the_improvement_that_a_test_tells(make_brain):
    batch = _batch(800, 500)
    mix, src = batch.mix_sig.data, batch.src_sig.data
    est = (src + 0.1 * torch.randn_like(src)).flip(-1)
    _, gains = _validate(make_brain(), batch, est)
    for gain, item, samples in zip(gains, range(2), (800, 500), strict=True):
        signals = (x[item, :samples] for x in (mix, est.flip(-1), src))
        assert gain == pytest.approx(score(*signals)["si_snri"])
        assert gain > 10
    _, gains = _validate(make_brain(), batch, torch.randn_like(src))
    assert max(gains) < 0


def test_validation_hears_an_output_that_should_be_silent(make_brain):
    batch = _batch(800)
    src = batch.src_sig.data
    src[..., 1] = 0
    noise = torch.randn_like(src)
    levels = torch.tensor([0.1, 1e-6])
    soft, gains = _validate(make_brain(), batch, src + noise * levels)
    loud, _ = _validate(make_brain(), batch, src + noise * levels * 100)
    assert soft < loud - 5
    assert math.isfinite(gains[0])  # the mixture holds another talker


def test_validation_of_a_model_that_gives_nan_names_the_item(make_brain):
    src = torch.randn(800, 2)
    items = [{"id": n, "mix_sig": src.sum(1), "src_sig": src} for n in "ab"]
    est = torch.stack([src, src * float("nan")])
    with pytest.raises(ValueError, match="NaN or infinite samples for 'b'"):
        _validate(make_brain(), PaddedBatch(items), est)


def test_bfloat16_training_takes_steps(make_brain):
    brain, batch = make_brain(precision="bf16"), _batch(800, 800)
    losses = [brain.fit_batch(batch).item() for _ in range(15)]
    assert losses[-1] < losses[0] - 1.0
