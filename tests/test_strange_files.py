"""Damaged and made-up model folders: one line of error, or a sound model.

Mutations are drawn from a seed: of the YAML text, of the bytes of the weights,
of the tensors in them, and of the objects beside them. Whatever still loads
has to separate.
"""

import io

import numpy as np
import pytest
import torch

from speechbrain_spmamba.files.checksums import SUMS_FILE
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.export import SAFETENSORS_FILE, write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from tests.small_models import SMALL, build_small

HPARAMS, WEIGHTS = "hyperparams.yaml", "separator.ckpt"
VALUES = (
    "0", "1", "2", "3", "-1", "7", "0010", "1000", "100000", "1000000000",
    "1e300", "1.0e-300", ".nan", ".inf", "-.inf", "0.5", "abc", "null", "~",
    "True", "yes", "''", "'8'", "[1]", "{a: 1}", "!!int 8", "*a",
    "!!python/tuple [1]", "2001-01-01", "0x10", "1_000", "!ref <num_spks>",
    "!ref <x>", "&a 1",
    '"\\U0010ffff"', "%", "@", "`", "|", ">", "é", "9" * 5000,
)  # fmt: skip


class Odd:
    """No weight; nothing of it may run."""

    def __reduce__(self):
        return (print, ("ran",))


def make_folder(folder, system="dprnn", keep_sums=False):
    """A model folder of a tiny model."""
    separator = build_small(system)
    write_model(folder, separator, model_yaml(separator, SMALL[system]))
    if not keep_sums:  # who means harm makes them anew, or leaves them out
        (folder / SUMS_FILE).unlink()
    return folder


def load(folder):
    return WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})


def outcome(folder):
    """What loading and separating ends with: a line of error, or None."""
    try:
        est = load(folder).separate_batch(torch.randn(1, 300))
    except ValueError as error:
        assert "\n" not in str(error) and str(error).strip()
        return str(error)
    assert est.dtype == torch.float32 and est.shape[:2] == (1, 300)
    return None


def _of_text(rng, text):
    """A line or a word of the YAML file changes."""
    lines = text.splitlines()
    place = rng.integers(len(lines))
    kind = rng.integers(6)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, lines[rng.integers(len(lines))])
    elif kind == 2:
        line = lines[place]
        lines[place] = line[: rng.integers(len(line) + 1)]
    elif kind == 3:
        letters = list(text)
        for spot in rng.integers(len(letters), size=3):
            letters[spot] = chr(rng.integers(32, 127))
        return "".join(letters)
    else:  # most often, a value
        numbers = [n for n, line in enumerate(lines) if ": " in line]
        place = numbers[rng.integers(len(numbers))]
        key = lines[place].partition(": ")[0]
        lines[place] = f"{key}: {VALUES[rng.integers(len(VALUES))]}"
    return "\n".join(lines) + "\n"


def _of_bytes(rng, data):
    """The file of weights is cut, hit or replaced."""
    kind, place = rng.integers(6), rng.integers(len(data))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return rng.bytes(place)
    if kind == 2:
        return data[:place] + rng.bytes(4) + data[place:]
    changed = bytearray(data)
    # Half of the hits go where the description lies.
    limit = len(data) if kind == 3 else data.index(b"PK", 4)
    for spot in rng.integers(limit, size=1 + kind):
        changed[spot] ^= 1 << rng.integers(8)
    return bytes(changed)


TENSORS = (
    lambda t: t.double(),
    lambda t: t.half(),
    lambda t: t.bfloat16(),
    lambda t: t.to(torch.complex64),
    lambda t: t > 0,
    lambda t: t.long(),
    lambda t: t.to("meta"),
    lambda t: t.to_sparse(),
    lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    lambda t: torch.zeros(()).expand(t.shape),
    lambda t: torch.zeros(()).expand(100_000, 100_000),
    lambda t: t.t() if t.dim() == 2 else t[None],
    lambda t: t[:0],
    lambda t: torch.full_like(t, torch.nan),
    lambda t: torch.full_like(t, torch.inf),
    lambda t: torch.full_like(t, 1e38),
    lambda t: torch.nn.Parameter(t),
    lambda t: None,
    lambda t: 3,
    lambda t: "text",
    lambda t: [t],
    lambda t: {"weight": t},
    lambda t: Odd(),
)
NAMES = (0, None, b"name", ("a",), "", "a" * 10_000, "a\nb", 1.5, True)


def _of_state(rng, state):
    """A tensor, a name or the whole changes."""
    names, kind = list(state), rng.integers(8)
    name = names[rng.integers(len(names))]
    if kind == 0:
        state[NAMES[rng.integers(len(NAMES))]] = state.pop(name)
    elif kind == 1:
        state.pop(name)
    elif kind == 2:
        whole = ([], {}, None, 3, [state], {"state_dict": state}, state[name])
        return whole[rng.integers(len(whole))]
    else:
        state[name] = TENSORS[rng.integers(len(TENSORS))](state[name])
    return state


def mutate(rng, good, folder):
    """Writes a mutation of a good folder's files into another."""
    text, data = (good / HPARAMS).read_text(), (good / WEIGHTS).read_bytes()
    kind = rng.integers(3)
    if kind == 0:
        text = _of_text(rng, text)
    elif kind == 1:
        data = _of_bytes(rng, data)
    else:
        state = torch.load(good / WEIGHTS, weights_only=True)
        file = io.BytesIO()
        torch.save(_of_state(rng, state), file)
        data = file.getvalue()
    (folder / HPARAMS).write_text(text, encoding="utf-8")
    (folder / WEIGHTS).write_bytes(data)


def run_mutations(tmp_path, seeds):
    """Tries mutations; returns how many were refused."""
    good, folder = make_folder(tmp_path / "good"), tmp_path / "changed"
    folder.mkdir()
    refused = 0
    for seed in seeds:
        mutate(np.random.default_rng(seed), good, folder)
        refused += outcome(folder) is not None
    return refused


def test_some_mutations_end_in_a_line_or_a_sound_model(tmp_path):
    assert 40 < run_mutations(tmp_path, range(60)) < 60


@pytest.mark.slow
def test_hundreds_of_mutations_end_in_a_line_or_a_sound_model(tmp_path):
    assert run_mutations(tmp_path, range(60, 460)) > 300


def test_mutations_of_safetensors_end_in_a_line_or_a_sound_model(tmp_path):
    folder, refused = make_folder(tmp_path), 0
    (folder / WEIGHTS).unlink()
    data = (folder / SAFETENSORS_FILE).read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(0)
    for number in range(40):
        changed = bytearray(data)
        # Every second time where names, sizes and places stand.
        limit = header if number % 2 else len(data)
        for spot in rng.integers(limit, size=1 + number % 4):
            changed[spot] ^= 1 << rng.integers(8)
        end = rng.integers(len(data)) if number % 5 == 0 else len(data)
        (folder / SAFETENSORS_FILE).write_bytes(changed[:end])
        refused += outcome(folder) is not None
    assert 15 < refused < 40


def test_every_flipped_bit_is_refused_or_changes_nothing(tmp_path):
    good = make_folder(tmp_path, keep_sums=True)
    before, rng = load(good), np.random.default_rng(0)
    # Of the last, which is not read, few: each time the model is loaded.
    flips = {HPARAMS: 84, WEIGHTS: 84, SUMS_FILE: 24, SAFETENSORS_FILE: 8}
    for name, count in flips.items():
        data, refused = (good / name).read_bytes(), 0
        for _ in range(count):
            changed = bytearray(data)
            changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
            (good / name).write_bytes(changed)
            refused += _is_refused(good, before)
        (good / name).write_bytes(data)
        assert refused == count or name not in (HPARAMS, WEIGHTS)


def _is_refused(folder, before):
    """Whether it is; what is loaded has to be what it was before."""
    try:
        after = load(folder)
    except ValueError as error:
        assert "\n" not in str(error)
        return True
    assert after.hparams.sample_rate == before.hparams.sample_rate
    before, after = before.mods.separator, after.mods.separator
    assert repr(after) == repr(before)
    for key, weight in after.state_dict().items():
        assert torch.equal(weight, before.state_dict()[key])
    return False
