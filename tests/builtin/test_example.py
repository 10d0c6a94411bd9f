"""The model of the package separates voices that it has never heard."""

from itertools import combinations

import torch

from speechbrain_spmamba.audio import read_audio, resample
from speechbrain_spmamba.builtin.models import DEFAULT
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr, pit
from tests import ROOT

EXAMPLE = ROOT / "docs" / "example"
# SI-SNRi in dB of the model as it was measured when it came.
MEASURED = {
    ("1688", "1998"): 7.08,
    ("1688", "2414"): 8.25,
    ("1688", "367"): 12.08,
    ("1998", "2414"): 11.16,
    ("1998", "367"): 9.02,
    ("2414", "367"): 8.93,
}


def _voice(name):
    wave = read_audio(EXAMPLE / "voices" / f"{name}.flac", 16000)[:, 0]
    return torch.from_numpy(resample(wave, 16000, 8000)).float()


def test_the_recording_is_the_sum_of_its_voices():
    talk = read_audio(EXAMPLE / "talk.wav", 16000)[:, 0]
    voices = [
        read_audio(EXAMPLE / "voices" / f"{name}.flac", 16000)[:, 0]
        for name in ("367", "1688")
    ]
    assert abs(talk - sum(voices)).max() < 1e-4


def test_every_pair_is_separated_as_well_as_it_was_measured(capsys):
    model = WaveformSeparation.from_hparams(source=DEFAULT)
    names = ("1688", "1998", "2414", "367")
    assert list(MEASURED) == list(combinations(names, 2))
    voices = {name: _voice(name) for name in names}
    src = torch.stack(
        [torch.stack([voices[n] for n in pair], -1) for pair in MEASURED]
    )
    mix = src.sum(-1)
    after, _ = pit(pairwise_neg_si_snr, model.separate_batch(mix), src)
    both = torch.stack([mix, mix], -1)
    before, _ = pit(pairwise_neg_si_snr, both, src)
    gains = dict(zip(MEASURED, (before - after).tolist(), strict=True))
    with capsys.disabled():
        print({"-".join(pair): round(g, 2) for pair, g in gains.items()})
    lost = {p: MEASURED[p] - gain for p, gain in gains.items()}
    assert max(lost.values()) < 0.5, lost
