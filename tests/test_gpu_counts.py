"""What a GPU is given to do, counted on one that is not there."""

import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch.overrides import TorchFunctionMode

from benchmarks import isa
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.scoring.loss import pairwise_neg_snr
from speechbrain_spmamba.training.brain import SeparationBrain
from speechbrain_spmamba.upstream.private import OperatorMode

pytest.importorskip("triton")
sys.path.insert(0, str(Path(isa.__file__).parent))

import pretended_gpu  # noqa: E402
from gpu_work import GPUWork  # noqa: E402
from launches import count  # noqa: E402
from roofline import H100, device_seconds, host_seconds  # noqa: E402


@pytest.fixture
def work():
    work = GPUWork()
    with work.watch():
        yield work


def names(work):
    return [kernel.name for kernel in work.kernels]


def test_views_and_new_memory_launch_nothing(work):
    x = torch.empty(3, 4, device="cuda")
    x.t().unfold(0, 2, 1)[1:].unsqueeze(0).detach().expand(2, -1, -1, -1)
    assert work.launches() == (0, 0) and work.live == 4 * 12


def test_a_kernel_has_its_bytes_and_its_products(work):
    x, w = torch.empty(3, 4, device="cuda"), torch.empty(4, 5, device="cuda")
    y = x @ w
    y.add_(1.0)
    y.copy_(x[:, :1].expand(3, 5))
    assert names(work) == ["mm", "add_", "copy_"]
    assert [k.macs for k in work.torch] == [60, 0, 0]
    # The sum is read and written; of the copy, three values of x are read.
    assert [k.bytes for k in work.torch] == [0, 4 * 30, 4 * (15 + 12)]


def test_autograd_runs_and_autocast_casts_as_on_a_gpu(work):
    x = torch.empty(3, 4, device="cuda")
    layer = torch.nn.Linear(4, 5, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        y = layer(x)
        loss = y.square().sum()  # autocast for a CPU leaves it in bfloat16
    loss.backward()
    assert (y.dtype, loss.dtype) == (torch.bfloat16, torch.float32)
    assert layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.device == torch.device("cuda:0")


def test_memory_lives_as_long_as_its_tensors(work):
    x = torch.empty(1000, device="cuda")
    y = x * 2 + 1  # one of the two products is let go
    assert (work.live, work.peak) == (8000, 12000)
    del x, y
    assert work.live == 0


@pytest.mark.parametrize(
    "call, waits",
    [
        (lambda x: x.sum().item(), True),
        (lambda x: bool((x > 0).all()), True),
        (lambda x: x.cpu(), True),
        (lambda x: x.to("cpu", non_blocking=True), False),
        (lambda x: torch.ones(3).to(x.device), True),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), False),
        (lambda x: torch.ones(3, device=x.device) * x.double(), False),
    ],
)
def test_the_host_waits_where_it_needs_a_value(call, waits):
    work = GPUWork()
    with work.watch():
        call(torch.empty(3, device="cuda"))
    assert sum(work.waits.values()) == waits


def test_attention_is_the_kernel_that_takes_its_heads(work):
    def attend(size):
        q = torch.empty(1, 2, 9, size, device="cuda", requires_grad=True)
        with torch.autocast("cuda", torch.bfloat16):
            out = torch.nn.functional.scaled_dot_product_attention(q, q, q)
        out.sum().backward()

    _, fused = work.part(lambda: attend(520))
    _, plain = work.part(lambda: attend(514))
    assert "_scaled_dot_product_efficient_attention_backward" in names(fused)
    assert "bmm" in names(plain) and "bmm" not in names(fused)


def test_a_time_is_that_of_what_takes_longest(work):
    x = torch.empty(10**4, 10**4, device="cuda")
    _, product = work.part(lambda: x @ x)
    _, moved = work.part(lambda: x + x)
    _, small = work.part(lambda: x[:1] + x[:1])
    for part, seconds in (
        (product, 1e12 / H100.macs_per_second),
        (moved, 12e8 / H100.bytes_per_second),
        (small, H100.launch_seconds),
    ):
        assert device_seconds(part.kernels) == pytest.approx(seconds)
    assert host_seconds(work.kernels) == 3 * H100.host_seconds


SMALL = {"num_blocks": 1, "n_fft": 64, "hop_length": 32, "emb_dim": 4}


def test_every_kernel_of_a_step_is_seen():
    parts = count(seconds=0.1, memory="balanced", **SMALL)
    # Two paths with two directions each.
    assert Counter(k.name for k in parts["forward"].triton) == {
        "windows_forward_kernel": 2,
        "conv_forward_kernel": 4,
        "scan_forward_kernel": 4,
        "overlap_add_kernel": 2,
        "head_norm_forward_kernel": 4,
    }
    # Windows and convolutions are computed again.
    assert Counter(k.name for k in parts["backward"].triton) == {
        "windows_forward_kernel": 2,
        "conv_forward_kernel": 4,
        "scan_backward_kernel": 4,
        "add_parts_kernel": 4,
        "conv_backward_kernel": 4,
        "along_kernel": 2,
        "windows_backward_kernel": 2,
        "head_norm_backward_kernel": 4,
    }
    # Afterwards weights and gradients are there, and nothing else.
    model = build_model("spmamba", **SMALL)
    model = 4 * sum(p.numel() for p in model.parameters())
    assert 2 * model <= parts["backward"].live < 2.2 * model + 10**5


class Recorded(OperatorMode):
    """Operators and the dtypes of what they make, in a row."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not func.is_view:
            self.seen.append((func.overloadpacket.__name__, out.dtype))
        return out


class ItsAttention(TorchFunctionMode):
    """Without a GPU, torch chooses another kernel; the casts are its own."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.scaled_dot_product_attention:
            func = pretended_gpu._attention
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("system", ["spmamba", "conv_tasnet", "sudormrf"])
def test_stand_ins_do_what_torch_does_for_a_gpu(system, monkeypatch):
    sizes = SMALL if system == "spmamba" else {}

    def record():
        recorded = Recorded()
        with pretended_gpu.pretended_gpu(lambda *_: None, recorded):
            with torch.device("cuda"):
                model = build_model(system, **sizes)
                mix = torch.empty(1, 400)
            recorded.seen.clear()
            with torch.autocast("cuda", torch.bfloat16):
                model(mix)
        return recorded.seen

    pretended = record()
    monkeypatch.setattr(pretended_gpu, "_InPlaceOfCpp", ItsAttention)
    monkeypatch.setattr(pretended_gpu, "_AskedByCpp", nullcontext)
    assert pretended == record()


def test_a_batch_is_launched_as_one_item_where_memory_allows_it():
    few = {"num_blocks": 1, "memory": "balanced"}
    one, four = (count(batch=batch, **few) for batch in (1, 4))
    for part, work in four.items():
        assert sum(work.launches()) <= sum(one[part].launches()) + 30
    small = count(batch=4, card=8 * 2**30, **few)["backward"]
    assert len(small.triton) > 2 * len(four["backward"].triton)


def test_no_launch_and_no_wait_is_added_to_the_published_model():
    """4 s, bfloat16; the figures of benchmarks/results/launches_counted.csv."""
    parts = count(memory="balanced") | count(training=False)
    found = {name: sum(work.launches()) for name, work in parts.items()}
    assert found["forward"] < 384 + 20
    assert found["backward"] < 970 + 20
    assert found["inference"] < 359 + 20
    # No scores of all frames with all frames in memory.
    assert not any(
        "softmax" in n for part in parts.values() for n in names(part)
    )
    waits = {name: sum(work.waits.values()) for name, work in parts.items()}
    assert waits["forward"] == waits["backward"] == 0


def test_a_training_step_waits_for_the_loss_alone():
    work = GPUWork()
    with work.watch():
        with torch.device("cuda"):
            separator = build_model("spmamba", **SMALL)
        brain = SeparationBrain(
            modules={"separator": separator},
            opt_class=torch.optim.Adam,
            hparams={"train_loss": pairwise_neg_snr, "ema_decay": 0.9},
            run_opts={
                "device": "cuda",
                "precision": "bf16",
                "skip_nonfinite_grads": True,
            },
        )
        brain.init_optimizers()
        brain.step, brain.nonfinite_count = 1, 0
        item = {"mix_sig": torch.empty(400), "src_sig": torch.empty(400, 2)}
        _, step = work.part(lambda: brain.fit_batch(PaddedBatch([item, item])))
    assert list(step.waits.values()) == [1], step.waits
    assert "_fused_adam_" in names(step)
