"""SDR of long recordings: correlations over blocks, against two other forms.

    OMP_NUM_THREADS=1 python benchmarks/scoring.py

`whole` transforms whole signals and solves for each estimate by itself, as
torchmetrics does; `sir and sar` has these ratios, too; `fast_bss_eval` is the
package of that name, where it is installed. Sources and estimates are coloured
noise. The error is the largest difference from `whole` in dB.
"""

import argparse
import functools
import importlib.util
import math

import torch
from measure import Table, in_turns

from speechbrain_spmamba.scoring.metrics import BSS_TAPS, bss_eval, sdr

CASES = [(8000, 4, 2), (8000, 60, 2), (16000, 60, 2), (16000, 60, 3)]


def signals(rate, seconds, num_spks):
    """Estimates at about 10 dB and their sources, float32, ``[T, S]``."""
    drawn = torch.Generator().manual_seed(0)
    noise = torch.randn(2, rate * seconds, num_spks, generator=drawn)
    source = noise[0] + noise[0].roll(1, 0) + 0.5 * noise[0].roll(3, 0)
    return source + 0.3 * source.roll(1, 1) + 0.3 * noise[1], source


def whole(est, source):
    """Plain form: float64 transforms of all samples, ``[S]``."""
    est, source = est.double().T.contiguous(), source.double().T.contiguous()
    est = est / est.norm(dim=1, keepdim=True)
    source = source / source.norm(dim=1, keepdim=True)
    size = 2 ** math.ceil(math.log2(2 * est.shape[1] - 1))
    spectrum = torch.fft.rfft(source, size)
    own = torch.fft.irfft(spectrum.abs().square(), size)[:, :BSS_TAPS]
    both = spectrum.conj() * torch.fft.rfft(est, size)
    cross = torch.fft.irfft(both, size)[:, :BSS_TAPS]
    lags = torch.arange(BSS_TAPS)
    matrix = own[:, (lags - lags.unsqueeze(1)).abs()]
    share = (cross * torch.linalg.solve(matrix, cross)).sum(1)
    return 10 * torch.log10(share / (1 - share))


def with_sir_and_sar(est, source):
    """SDR, with the other ratios computed as well."""
    return bss_eval(est, source, together=True)["sdr"]


def fast_bss_eval(est, source):
    """That package, in float64, ``[S]``."""
    from fast_bss_eval import sdr

    return sdr(source.double().T, est.double().T, filter_length=BSS_TAPS)


def main():
    """Measures all cases and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    forms = {"whole": whole, "blocks": sdr, "sir and sar": with_sir_and_sar}
    if importlib.util.find_spec("fast_bss_eval"):
        forms["fast_bss_eval"] = fast_bss_eval
    table = Table("scoring", "cpu")
    for rate, seconds, num_spks in CASES:
        est, source = signals(rate, seconds, num_spks)
        expected = whole(est, source)
        errors = {
            name: (form(est, source) - expected).abs().max().item()
            for name, form in forms.items()
        }
        calls = {
            name: functools.partial(form, est, source)
            for name, form in forms.items()
        }
        found = in_turns(calls, arguments.runs)
        case = f"{num_spks} sources, {seconds} s of {rate} Hz"
        table.add(case, found, "whole", errors)


if __name__ == "__main__":
    main()
