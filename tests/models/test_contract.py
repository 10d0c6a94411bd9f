"""What every model promises, for each of them in a small size."""

import pytest
import torch

from speechbrain_spmamba.models import build_model
from tests.small_models import SYSTEMS, VARIANTS, build_small

EVERY = [*SYSTEMS, *VARIANTS]
# Sizes beside the small ones for which padding takes other ways.
SIZES = [
    ("spmamba", {"emb_ks": 8}),
    ("spmamba", {"emb_hs": 2}),
    ("spmamba", {"emb_ks": 3, "emb_hs": 3}),
    ("spmamba", {"emb_ks": 3, "emb_hs": 4}),
    ("tf_gridnet", {"emb_hs": 3}),
    ("tf_gridnet", {"version": 2}),
    ("tf_gridnet", {"version": 2, "emb_hs": 2}),
    ("tf_gridnet", {"version": 2, "emb_hs": 3}),
    ("tdanet", {"attention": "published"}),
    ("tdanet", {"upsampling_depth": 2}),
    ("tdanet", {"upsampling_depth": 5}),
    ("afrcnn", {"enc_kernel_size": 49}),
    ("afrcnn", {"enc_kernel_size": 16}),
    ("sudormrf", {"enc_kernel_size": 41}),
    ("sudormrf", {"enc_kernel_size": 16}),
    ("conv_tasnet", {"kernel_size": 2}),
    ("conv_tasnet asteroid", {"kernel_size": 2}),
    ("dprnn", {"kernel_size": 5}),
    ("dprnn asteroid", {"kernel_size": 16, "chunk_size": 10}),
    ("dprnn asteroid", {"bidirectional": False}),
]
# Weights that exist because they are published, and lead nowhere.
UNUSED = {
    # The first merge takes the map that is one finer than the coarsest.
    "tdanet": "block.modulate.3.",
    # Behind the last block only the skip path goes on.
    "conv_tasnet": "blocks.5.residual.",
    "conv_tasnet asteroid": "blocks.5.residual.",
    "tdanet best": "block.modulate.3.",
}
# SegLSTM of the toolkit starts from float32 whatever its weights are.
SINGLE_PRECISION = {"skim"}
ANY_LEVEL = ["spmamba", "tf_gridnet"]
of_all_models = pytest.mark.parametrize("name", EVERY)
# Where a variant does as its system does, it is a slow test.
of_all_systems = pytest.mark.parametrize(
    "name",
    [*SYSTEMS, *(pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS)],
)


def _exact(name, **overrides):
    """A small model, its number type, and how far equal results differ."""
    if name.split()[0] in SINGLE_PRECISION:
        return build_small(name), torch.float32, {"rtol": 1e-4, "atol": 1e-5}
    model = build_small(name, **overrides).double()
    return model, torch.float64, {"rtol": 1e-7, "atol": 1e-9}


@of_all_systems
def test_any_number_of_sources(name):
    for num_spks in (1, 2, 3, 4, 5):
        model = build_small(name, num_spks=num_spks, sample_rate=8000)
        assert (model.num_spks, model.sample_rate) == (num_spks, 8000)
        est = model(torch.randn(2, 333))
        assert est.shape == (2, 333, num_spks)
        assert torch.isfinite(est).all() and est[0].abs().amax(0).min() > 0


@of_all_systems
def test_short_recordings_keep_their_length(name):
    model = build_small(name)
    for samples in (1, 2, 8, 17, 25, 32, 65, 799):
        est = model(torch.randn(1, samples))
        assert est.shape == (1, samples, 2)
        assert torch.isfinite(est).all(), samples


@pytest.mark.parametrize(
    "name, overrides",
    [
        *((name, {}) for name in EVERY),
        *(
            pytest.param(
                *case, marks=[] if case[0] == "spmamba" else pytest.mark.slow
            )
            for case in SIZES
        ),
    ],
    ids=str,
)
def test_padding_and_neighbours_do_not_change_the_output(name, overrides):
    model, dtype, close = _exact(name, **overrides)
    sizes = [600, 599, 576, 395, 100, 41, 33, 24, 7, 1]
    batch = torch.randn(len(sizes), 600, dtype=dtype)  # no zeros behind ends
    lengths = torch.tensor(sizes, dtype=torch.float64) / 600
    with torch.no_grad():
        est = model(batch, lengths)
        for item, samples in enumerate(sizes):
            alone = model(batch[item : item + 1, :samples])[0]
            torch.testing.assert_close(est[item, :samples], alone, **close)
            assert (est[item, samples:] == 0).all()


@of_all_systems
def test_items_of_one_length_do_not_change_each_other(name):
    model, dtype, close = _exact(name)
    batch = torch.randn(3, 501, dtype=dtype)
    with torch.no_grad():
        alone = torch.cat([model(item) for item in batch.split(1)])
        torch.testing.assert_close(model(batch), alone, **close)
        torch.testing.assert_close(model(batch, torch.ones(3)), alone, **close)


@of_all_models
def test_padding_does_not_change_the_gradient(name):
    model, dtype, close = _exact(name)
    mix = torch.randn(2, 600, dtype=dtype)
    gradients = []
    for part, lengths in (
        (mix[:, :430], None),
        (mix, torch.full((2,), 43 / 60)),
    ):
        model.zero_grad()
        model(part, lengths)[:, :430].square().sum().backward()
        found = [p.grad for p in model.parameters() if p.requires_grad]
        gradients.append([gradient.clone() for gradient in found])
    for alone, in_batch in zip(*gradients, strict=True):
        torch.testing.assert_close(in_batch, alone, **close)


@of_all_systems
def test_every_weight_learns(name):
    model, unused = build_small(name), UNUSED.get(name, " ")
    est = model(torch.randn(2, 501), torch.tensor([1.0, 0.6]))
    est.pow(4).sum().backward()
    for key, weight in model.named_parameters():
        # What never gets a gradient must say so: DDP would wait for it.
        assert weight.requires_grad == (not key.startswith(unused)), key
        if weight.requires_grad:
            assert torch.isfinite(weight.grad).all(), key
            assert weight.grad.abs().max() > 0, key


@of_all_systems
def test_it_runs_in_training_mode_too(name):
    model = build_small(name).train()
    est = model(torch.randn(2, 300), torch.tensor([1.0, 0.5]))
    assert torch.isfinite(est).all() and (est[1, 150:] == 0).all()


@of_all_systems
def test_weights_from_a_file_give_the_same_output(name, tmp_path):
    model, other = build_small(name), build_small(name)
    mix = torch.randn(1, 501)
    with torch.no_grad():
        est = model(mix)
        assert not torch.equal(other(mix), est)
        torch.save(model.state_dict(), tmp_path / "weights.pt")
        state = torch.load(tmp_path / "weights.pt", weights_only=True)
        other.load_state_dict(state, strict=True)
        assert torch.equal(other(mix), est)


@of_all_systems
@pytest.mark.parametrize("lengths", [None, torch.tensor([0.5, 1.0])])
def test_silence_in_gives_exact_silence_out(name, lengths):
    model, mix = build_small(name), torch.randn(2, 400)
    mix[0] = 0
    est = model(mix, lengths)
    assert (est[0] == 0).all() and est[1].abs().max() > 0
    est.square().sum().backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(torch.isfinite(grad).all() for grad in grads)


@pytest.mark.parametrize("name", ANY_LEVEL)
@pytest.mark.parametrize("gain", [1e-6, 1e4])
def test_the_output_follows_the_level_of_the_input(name, gain):
    model, mix = build_small(name), torch.randn(1, 800)
    torch.testing.assert_close(
        model(gain * mix) / gain, model(mix), rtol=1e-3, atol=1e-4
    )


@of_all_systems
def test_inputs_it_cannot_separate_are_errors_of_one_line(name):
    model, bad = build_small(name), torch.randn(3, 400)
    bad[1, 5] = float("nan")
    for mix, lengths, message in (
        (bad, None, "item 1 of the batch has NaN"),
        (bad / 0, None, "item 0 of the batch"),
        (torch.randn(400), None, r"shape \[400\]; expected \[B, T\]"),
        (torch.randn(1, 400, 2), None, r"shape \[1, 400, 2\]"),
        (torch.randn(1, 0), None, "at least one sample"),
        (torch.randn(1, 400), torch.tensor([1.5]), "relative lengths"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            model(mix, lengths)
        assert "\n" not in str(error.value)


@of_all_systems
def test_the_output_is_float32_under_autocast(name):
    model, mix = build_small(name), torch.randn(2, 400)
    for lengths in (None, torch.tensor([1.0, 0.6])):
        with torch.no_grad():
            full = model(mix, lengths)
            with torch.autocast("cpu", torch.bfloat16):
                low = model(mix, lengths)
        assert low.dtype == torch.float32
        assert (low - full).norm() / full.norm() < 0.05


@of_all_systems
@pytest.mark.parametrize(
    "precision",
    [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)],
)
def test_gradients_are_finite_under_autocast(name, precision):
    model, mix = build_small(name).train(), torch.randn(2, 400)
    with torch.autocast("cpu", precision):
        est = model(mix, torch.tensor([1.0, 0.6]))
    est.square().mean().backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(torch.isfinite(grad).all() for grad in grads)


@pytest.mark.slow  # of SPMamba also in ops/test_custom_op.py, by default
@of_all_models
def test_a_compiled_model_computes_the_same(name):
    model, mix = build_small(name), torch.randn(2, 400)
    lengths = torch.tensor([1.0, 0.6])
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        est = compiled(mix, lengths)
        torch.testing.assert_close(est, model(mix, lengths))


def test_unknown_names_and_arguments_are_errors_that_list_the_known():
    with pytest.raises(ValueError, match="known models: spmamba.*, skim$"):
        build_model("spmambo")
    with pytest.raises(ValueError, match="no argument 'n_blocks'.*num_blocks"):
        build_model("spmamba", n_blocks=2)
