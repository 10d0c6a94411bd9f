"""Numbers of a stranger's YAML: named in one line before anything is built."""

import pytest
import torch

from speechbrain_spmamba.models import build_model
from tests.test_strange_files import HPARAMS, make_folder, outcome

# Line of a good file, what stands there instead, and the answer.
WRONG = [
    ("sample_rate: 8000", "sample_rate: 0", "'sample_rate' is 0, expected a"),
    ("sample_rate: 8000", "sample_rate: -8000", "'sample_rate' is -8000"),
    ("sample_rate: 8000", "sample_rate: 0010", "'sample_rate' is '0010'"),
    ("sample_rate: 8000", "sample_rate: '8000'", "'sample_rate' is '8000'"),
    ("sample_rate: 8000", "sample_rate: 8e3", "'sample_rate' is 8000.0"),
    ("sample_rate: 8000", "sample_rate: 16000", "for sample_rate = 8000"),
    ("num_spks: 2", "num_spks: 3", "built for num_spks = 2"),
    ("num_spks: 2", "num_spks: null", "'num_spks' is None, expected a whole"),
    ("    n_fft: 64", "    n_fft: abc", "'n_fft' is 'abc', expected a whole"),
    ("    n_fft: 64", "    n_fft: 64.5", "'n_fft' is 64.5, expected a whole"),
    ("    n_fft: 64", "    n_fft: True", "'n_fft' is True, expected a whole"),
    ("    n_fft: 64", "    n_fft: 0x40", "'n_fft' is '0x40', expected a"),
    ("    n_fft: 64", "    n_fft: 6_4", "'n_fft' is '6_4', expected a whole"),
    ("    n_fft: 64", "    n_fft: 999999", "from 1 to 100000"),
    ("    num_heads: 2", "    num_heads: 0", "'num_heads' is 0, expected"),
    ("    num_heads: 2", "    num_heads: -1", "'num_heads' is -1, expected"),
    ("    expand: 2", "    expand: 1e300", "'expand' is '1e300', expected"),
    ("    expand: 2", "    expand: !ref <num_spks> ** 9", "'expand' of"),
    ("    num_blocks: 2", "    num_blocks: 1000000000", "from 1 to 100"),
    ("    num_blocks: 2", "    num_blocks: 100", "more weights than the file"),
    ("    num_blocks: 2", "    num_blocks: 1", "do not fit the model"),
    ("    emb_dim: 4", "    emb_dim: 100000", "expected [100000, 2, 3, 3]"),
    ("    emb_dim: 4", "    eps: -1.0", "'eps' is -1.0, expected a number"),
    ("    emb_dim: 4", "    eps: .nan", "'eps' is '.nan', expected a number"),
    ("    emb_dim: 4", "    memory: 3", "'memory' is 3, expected a word"),
    ("    emb_dim: 4", "    memory: huge", "memory"),
    ("    emb_dim: 4", "    dim: 4", "no argument 'dim'; it has num_spks,"),
    ("    emb_hs: 1", "    emb_hs: 34", "emb_hs is 34; choose 1 to"),
    ("    hop_length: 32", "    hop_length: 33", "hop_length is 33; choose"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("model"), "spmamba")


@pytest.mark.parametrize("line, wrong, answer", WRONG)
def test_a_wrong_number_is_named(folder, line, wrong, answer):
    path = folder / HPARAMS
    text = path.read_text()
    assert f"\n{line}\n" in text
    try:
        path.write_text(text.replace(f"\n{line}\n", f"\n{wrong}\n"))
        found = outcome(folder)
    finally:
        path.write_text(text)
    assert answer in (found or "")


def test_weightless_sizes_of_a_transformer_have_bounds_too():
    sizes = {"n_filters": 8, "num_heads": 2, "num_layers": 1, "ffn_dim": 8}
    with pytest.raises(ValueError, match="segment_size is 2501; give 1 to"):
        build_model("resepformer", segment_size=2501, **sizes)
    model = build_model("resepformer", segment_size=1, **sizes)
    with pytest.raises(ValueError, match="RE-SepFormer knows the positions"):
        model(torch.randn(1, 30_000))
