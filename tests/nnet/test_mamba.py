"""Mamba computes its recurrence, in both directions, and ignores padding."""

import pytest
import torch
import torch.nn.functional as F

from speechbrain_spmamba.nnet.mamba import BiMamba, Mamba, MambaBranch


def _plain_mamba(module, x):
    """Figure 3 of the Mamba paper, one step after the other."""
    length, width = x.shape[1], module.conv1d.weight.shape[0]
    u, z = module.in_proj(x).chunk(2, -1)
    taps = module.conv1d.weight[:, 0]  # [D, K]
    padded = F.pad(u, (0, 0, taps.shape[1] - 1, 0))
    u = torch.stack(
        [
            (padded[:, t : t + taps.shape[1]] * taps.T).sum(1)
            for t in range(length)
        ],
        1,
    )
    u = F.silu(u + module.conv1d.bias)
    rank, n = module.dt_rank, module.d_state
    dt, B, C = module.x_proj(u).split([rank, n, n], -1)
    delta = F.softplus(module.dt_proj(dt))
    A = -torch.exp(module.A_log)
    state = x.new_zeros(x.shape[0], width, n)
    out = []
    for t in range(length):
        state = state * torch.exp(delta[:, t, :, None] * A)
        state = state + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        out.append((state * C[:, t, None]).sum(-1) + module.D * u[:, t])
    return module.out_proj(torch.stack(out, 1) * F.silu(z))


def _gradients(module, output):
    weight = torch.linspace(0.1, 1, output.numel()).double()
    loss = (output.flatten() * weight).sum()
    return torch.autograd.grad(loss, list(module.parameters()))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_output_and_gradients_are_those_of_the_recurrence(reverse, length):
    module = Mamba(6, d_state=3, expand=2, reverse=reverse).double()
    x = torch.randn(2, length, 6, dtype=torch.float64)
    out = module(x)
    turned = x.flip(1) if reverse else x
    expected = _plain_mamba(module, turned)
    expected = expected.flip(1) if reverse else expected
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)
    pairs = zip(
        _gradients(module, out), _gradients(module, expected), strict=True
    )
    for got, wanted in pairs:
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)


def _in_parts(module, x, cuts):
    """The output by ``forward_from``, which ends at each cut."""
    state, out = module.initial_state(len(x)), []
    for part in x.tensor_split(cuts, 1):
        y, state = module.forward_from(part, state)
        out.append(y)
    return torch.cat(out, 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("d_conv", [1, 4])
def test_steps_and_parts_go_on_from_a_state_exactly(d_conv, seed):
    generator = torch.Generator().manual_seed(seed)
    length = int(torch.randint(1, 60, (), generator=generator))
    cuts = torch.randint(0, length + 1, (seed + 1,), generator=generator)
    module = Mamba(12, d_state=5, d_conv=d_conv)
    x = torch.randn(3, length, 12)
    expected = module(x)
    parts = _in_parts(module, x, cuts.sort().values.tolist())
    torch.testing.assert_close(parts, expected, rtol=1e-5, atol=1e-5)
    state = module.initial_state(3)
    steps = torch.stack([module.step(x_t, state) for x_t in x.unbind(1)], 1)
    assert not steps.requires_grad
    torch.testing.assert_close(steps, expected, rtol=1e-5, atol=1e-5)
    # and both leave the same state
    _, last = module.forward_from(x, module.initial_state(3))
    for found, wanted in zip(state, last, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_gradients_flow_from_part_to_part():
    module = Mamba(6, d_state=3).double()
    x = torch.randn(2, 20, 6, dtype=torch.float64)
    pairs = zip(
        _gradients(module, _in_parts(module, x, [1, 3, 14])),
        _gradients(module, module(x)),
        strict=True,
    )
    for got, wanted in pairs:
        # A is made in float32: so are the gradients of each part's
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-9)


def test_a_layer_that_reads_from_the_end_has_no_next_step():
    module = Mamba(6, reverse=True)
    state = module.initial_state(1)
    for call in (
        lambda: module.step(torch.ones(1, 6), state),
        lambda: module.forward_from(torch.ones(1, 2, 6), state),
    ):
        with pytest.raises(ValueError, match="reverse=False") as error:
            call()
        assert "\n" not in str(error.value)


def test_steps_run_under_autocast_and_in_bfloat16():
    module, x = Mamba(16), torch.randn(2, 30, 16)
    expected = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        state = module.initial_state(2)
        y = [module.step(x_t, state) for x_t in x.unbind(1)]
    assert state.scan.dtype == torch.float32
    low = module.bfloat16()
    state = low.initial_state(2)
    assert (state.conv.dtype, state.scan.dtype) == (
        torch.bfloat16,
        torch.float32,
    )
    z = [low.step(x_t, state) for x_t in x.bfloat16().unbind(1)]
    for found in (y, z):
        error = (torch.stack(found, 1).float() - expected).abs().max()
        assert error < 0.03 * expected.abs().max()


def test_both_directions_add_their_residual():
    module = BiMamba(6, d_state=3).double()
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    out = module(x)
    for branch, part in (
        (module.forward_branch, out[..., :6]),
        (module.backward_branch, out[..., 6:]),
    ):
        torch.testing.assert_close(part, x + branch.mamba(branch.norm(x)))


@pytest.mark.parametrize("count", [1, 3, 6])
def test_padding_does_not_change_the_output(count):
    module = BiMamba(6, d_state=3).double()
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    out = module(x, torch.tensor([7, count]))
    torch.testing.assert_close(out[1:, :count], module(x[1:, :count]))
    torch.testing.assert_close(out[:1], module(x[:1]))


def test_step_sizes_start_log_uniform_between_a_thousandth_and_a_tenth():
    bias = Mamba(64, expand=8).dt_proj.bias
    step = F.softplus(bias.detach())
    assert 0.0009 < step.min() < 0.002 and 0.05 < step.max() < 0.101
    assert step.log10().mean() == pytest.approx(-2.0, abs=0.1)


def test_decays_and_skip_start_as_published():
    module = Mamba(8, d_state=5)
    torch.testing.assert_close(
        module.A_log.exp()[3], torch.arange(1.0, 6.0), rtol=1e-6, atol=0
    )
    assert (module.D == 1).all()


def test_state_parameters_are_marked():
    module = Mamba(8)
    assert module.dt_proj.bias._no_reinit
    for parameter in (module.A_log, module.D, module.dt_proj.bias):
        assert parameter._no_weight_decay


def test_bfloat16_autocast_keeps_the_state_in_float32():
    module, x = MambaBranch(16), torch.randn(2, 300, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = module(x).float()
    with torch.no_grad():
        high = module(x)
    error = (low - high).abs().max() / (high - x).abs().max()
    assert error < 0.02
