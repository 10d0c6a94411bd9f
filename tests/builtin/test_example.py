"""The model of the package separates voices that it has never heard."""

from functools import partial
from itertools import combinations

import pytest
import torch

from speechbrain_spmamba import cli
from speechbrain_spmamba.audio import read_audio, resample
from speechbrain_spmamba.builtin.models import DEFAULT
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.scoring.loss import pit, reorder
from speechbrain_spmamba.scoring.metrics import score
from speechbrain_spmamba.scoring.silence import pairwise_neg_si_snr_or_level
from tests import ROOT

EXAMPLE = ROOT / "docs" / "example"
# SI-SNRi in dB of the model as it was measured when it came.
MEASURED = {
    ("1688", "1998"): 6.97,
    ("1688", "2414"): 8.68,
    ("1688", "367"): 10.71,
    ("1998", "2414"): 10.17,
    ("1998", "367"): 8.84,
    ("2414", "367"): 8.67,
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
    voices["nobody"] = torch.zeros_like(voices["367"])
    src = torch.stack(
        [
            torch.stack([voices[n] for n in (*pair, "nobody")], -1)
            for pair in MEASURED
        ]
    )
    mix = src.sum(-1)
    est = model.separate_batch(mix)
    loss = partial(pairwise_neg_si_snr_or_level, mix=mix)
    est = reorder(est, pit(loss, est, src)[1])
    gains = {
        pair: score(mix[i], est[i], src[i], metrics=["si_snr"])["si_snri"]
        for i, pair in enumerate(MEASURED)
    }
    with capsys.disabled():
        print({"-".join(pair): round(g, 2) for pair, g in gains.items()})
    lost = {p: MEASURED[p] - gain for p, gain in gains.items()}
    assert max(lost.values()) < 0.5, lost


def test_one_who_talks_alone_is_one_voice_and_two_are_two(tmp_path, capsys):
    voices = sorted((EXAMPLE / "voices").glob("*.flac"))
    words = ["separate", *map(str, voices), str(EXAMPLE / "talk.wav")]
    with pytest.raises(SystemExit, match="^0$"):
        cli.main([*words, "--output", str(tmp_path)])
    written = sorted(path.name for path in tmp_path.iterdir())
    alone = [f"{voice.stem}_s1.wav" for voice in voices]
    assert written == sorted([*alone, "talk_s1.wav", "talk_s2.wav"])
    told = capsys.readouterr().err
    assert (told.count("; 1 talks;"), told.count("; 2 talk;")) == (4, 1)
