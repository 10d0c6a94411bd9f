"""The loop trains what it says it trains, and survives bad batches."""

import math
from doctest import DocTestParser

import pytest
import speechbrain as sb
import torch
import torch.nn.functional as F
from speechbrain.dataio.batch import PaddedBatch

from speechbrain_spmamba.scoring import loss as loss_file
from speechbrain_spmamba.scoring.loss import pairwise_neg_snr, pit
from speechbrain_spmamba.scoring.metrics import score
from speechbrain_spmamba.training.brain import SeparationBrain
from speechbrain_spmamba.training.checkpoint import AtomicCheckpointer
from speechbrain_spmamba.training.nonfinite import PATIENCE, fused


def _batch(*lengths, dtype=torch.float32, **more):
    sources = [torch.randn(n, 2, dtype=dtype) for n in lengths]
    return PaddedBatch(
        [{"mix_sig": s.sum(1), "src_sig": s, **more} for s in sources]
    )


def _bad(item):
    """A batch of one item, of which the gradients are not finite."""
    batch = _batch(800, id=item)
    batch.src_sig.data[0, 3, 0] = float("nan")
    return batch


@pytest.fixture
def make_brain(small_model):
    def make(ema_decay=0.0, settings=None, **run_opts):
        hparams = {"train_loss": pairwise_neg_snr, "ema_decay": ema_decay}
        brain = SeparationBrain(
            modules={"separator": small_model()},
            opt_class=lambda p: torch.optim.Adam(p, lr=1e-3),
            hparams={**hparams, **(settings or {})},
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


def test_a_loss_made_as_the_head_of_the_losses_says_is_trained_with(make_brain):
    (example,) = DocTestParser().get_examples(loss_file.__doc__)
    names = dict(vars(loss_file))
    exec(example.source, names)
    brain, batch = make_brain(), _batch(800, 500)
    brain.hparams.train_loss = names["pairwise_l1"]
    steps = [brain.fit_batch(batch).item() for _ in range(15)]
    assert steps[-1] < 0.95 * steps[0]
    est, (src, lengths) = torch.randn(2, 800, 2), batch.src_sig
    padded = names["pairwise_l1"](est, src, lengths)[1]
    alone = names["pairwise_l1"](est[1:, :500], src[1:, :500])[0]
    torch.testing.assert_close(padded, alone)


def test_a_loss_that_takes_the_mixture_gets_it(make_brain):
    def level(est, src, lengths=None, *, mix):
        heard.append(mix)
        return pairwise_neg_snr(est, src, lengths)

    brain, heard = make_brain(), []
    brain.hparams.train_loss = level
    brain.fit_batch(batch := _batch(800, 400))
    assert torch.equal(heard[0], batch.mix_sig.data)


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


def test_an_item_without_finite_gradients_is_named_once(make_brain, caplog):
    caplog.set_level("WARNING")
    brain = make_brain(skip_nonfinite_grads=True)
    brain.fit_batch(_batch(800, id="good"))
    assert not caplog.records
    brain.step = 2
    brain.fit_batch(_bad("bad-7"))
    (record,) = caplog.records
    assert "step 2" in record.getMessage() and "bad-7" in record.getMessage()
    assert "good" not in record.getMessage()


def test_gradients_alone_that_are_not_finite_are_named_too(make_brain, caplog):
    caplog.set_level("WARNING")
    brain = make_brain(skip_nonfinite_grads=True)
    first = next(brain.modules.parameters())
    first.register_hook(lambda grad: grad * float("inf"))
    brain.fit_batch(_batch(800, 800, id="a"))
    (record,) = caplog.records
    assert "gradients are not finite; items: a, a" in record.getMessage()


def test_the_items_of_a_whole_accumulation_are_named(make_brain, caplog):
    caplog.set_level("WARNING")
    brain = make_brain(grad_accumulation_factor=2, skip_nonfinite_grads=True)
    first = next(brain.modules.parameters())
    first.register_hook(lambda grad: grad * float("nan"))
    for brain.step, item in enumerate("abcd", start=1):
        brain.fit_batch(_batch(800, id=item))
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition("items: ")[2] for line in said] == ["a, b", "c, d"]


def test_divergence_ends_with_what_is_known_and_a_way_back(
    make_brain, tmp_path
):
    saved = AtomicCheckpointer(tmp_path / "run" / "save").save_checkpoint
    saved({"epoch": 3, "loss": -2.0}, name="best")
    saved({"epoch": 4, "loss": 9.0}, name="last")
    brain = make_brain(nonfinite_patience=2)
    brain.checkpointer = AtomicCheckpointer(tmp_path / "run" / "save")
    with pytest.raises(ValueError) as raised:
        for brain.step, item in enumerate("xyz", start=5):
            brain.fit_batch(_bad(item))
    said = str(raised.value)
    assert "step 7: loss nan at learning rate 0.001;" in said
    assert "step 5 (x), step 6 (y), step 7 (z)" in said
    assert "CKPT+best (epoch 3, validation loss -2.00 dB)" in said
    assert f"spmamba export {tmp_path / 'run'} MODEL" in said
    assert "--lr 0.0005" in said and "\n" not in said


def test_a_long_row_without_finite_gradients_is_a_divergence(make_brain):
    brain = make_brain(skip_nonfinite_grads=True)
    first = next(brain.modules.parameters())
    first.register_hook(lambda grad: grad * float("nan"))
    batch = _batch(400, id="a")
    brain.fit_batch(batch)
    assert brain.nonfinite.in_a_row == 1
    brain.nonfinite.in_a_row = PATIENCE
    with pytest.raises(ValueError, match="diverged.*no epoch was finished"):
        brain.fit_batch(batch)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_on_a_gpu_a_step_is_left_out_there_and_named_with_its_loss(
    make_brain, caplog, value
):
    caplog.set_level("WARNING")
    brain = make_brain(skip_nonfinite_grads=True)
    brain.reads_later, brain.opt_class = True, fused(torch.optim.Adam)
    brain.init_optimizers()
    first = next(brain.modules.parameters())
    hook = first.register_hook(lambda grad: grad * float(value))
    before = [p.clone() for p in brain.modules.parameters()]
    brain.fit_batch(_batch(800, id="a"))
    for old, new in zip(before, brain.modules.parameters(), strict=True):
        assert torch.equal(old, new)
    (record,) = caplog.records
    assert "gradients are not finite; items: a" in record.getMessage()
    hook.remove()
    brain.fit_batch(_batch(800, id="b"))
    assert len(caplog.records) == 1 and brain.nonfinite.in_a_row == 0
    assert not torch.equal(before[0], next(brain.modules.parameters()))
    brain.fit_batch(_bad("c"))
    assert "the loss is not finite; items: c" in caplog.records[1].getMessage()


@pytest.mark.parametrize("factor", [11, 0, -1, 1.5])
def test_an_accumulation_that_never_steps_is_refused(make_brain, factor):
    with pytest.raises(ValueError, match="grad_accumulation_factor is"):
        brain = make_brain(grad_accumulation_factor=factor)
        brain.make_dataloader(list(range(10)), sb.Stage.TRAIN)


def test_batches_that_lead_to_no_step_are_said(make_brain, caplog):
    caplog.set_level("WARNING")
    brain = make_brain(grad_accumulation_factor=4)
    brain.make_dataloader(list(range(8)), sb.Stage.TRAIN)
    assert not caplog.records
    brain.make_dataloader(list(range(10)), sb.Stage.TRAIN)
    assert "the last 2 of the 10 batches" in caplog.text


def test_items_left_out_in_an_epoch_are_named_and_counted(make_brain, caplog):
    brain = make_brain()
    brain.make_dataloader(list(range(100)), sb.Stage.TRAIN)
    first = _batch(800, id="b", left_out="a\ta.wav is truncated")
    for _ in range(2):
        brain.fit_batch(first)
    assert caplog.text.count("left out a, 1 so far: a.wav is truncated") == 1
    with pytest.raises(ValueError, match="2 of 100 items have bad files"):
        brain.fit_batch(_batch(800, id="b", left_out="c\tc.wav does not"))


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


def test_a_test_has_the_scores_that_are_asked_for(make_brain, tmp_path):
    known = {"results_folder": tmp_path, "sample_rate": 8000, "num_examples": 0}
    batch = _batch(800, id="a")
    for asked, columns in (
        ({}, ["si_snr", "si_snri", "sdr", "sdri", "sir", "sar"]),
        ({"metrics": ["sar", "si_snr"]}, ["si_snr", "si_snri", "sar"]),
    ):
        brain = make_brain(settings={**known, **asked})
        brain.on_stage_start(sb.Stage.TEST)
        est = batch.src_sig.data + 0.1
        brain.compute_objectives(est, batch, sb.Stage.TEST)
        row = brain.evaluation.rows[0]
        assert list(row)[2 : 2 + len(columns)] == columns
        assert list(row)[2 + len(columns)] == "silence"


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
    said = (
        "diverged in epoch 1, validation: .* NaN or infinite samples for 'b' "
        "at learning rate 0.001.*with another --output_folder and a lower"
    )
    with pytest.raises(ValueError, match=said):
        _validate(make_brain(), PaddedBatch(items), est)


@pytest.mark.parametrize(
    "settings, allowed", [({"tf32": False}, False), ({}, True)]
)
def test_tf32_is_as_the_settings_say_and_else_the_toolkits(
    make_brain, settings, allowed
):
    make_brain(settings=settings)
    assert torch.backends.cuda.matmul.allow_tf32 is allowed
    assert torch.backends.cudnn.allow_tf32 is allowed


def test_a_graph_is_refused_on_a_cpu(make_brain):
    with pytest.raises(ValueError, match="cuda_graph is True, .* on cpu; give"):
        make_brain(settings={"cuda_graph": True})


def test_only_training_on_full_crops_is_played(make_brain):
    brain = make_brain(ema_decay=0.5)
    brain.graphed = lambda mix: mix.new_zeros(*mix.shape, 2)
    for stage, lengths, played in (
        (sb.Stage.TRAIN, (800, 800), True),
        (sb.Stage.TRAIN, (800, 500), False),
        (sb.Stage.VALID, (800, 800), False),
    ):
        est = brain.compute_forward(_batch(*lengths), stage)
        assert bool((est == 0).all()) is played


def test_bfloat16_training_takes_steps(make_brain):
    brain, batch = make_brain(precision="bf16"), _batch(800, 800)
    losses = [brain.fit_batch(batch).item() for _ in range(15)]
    assert losses[-1] < losses[0] - 1.0
