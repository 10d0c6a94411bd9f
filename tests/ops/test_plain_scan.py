"""The scan in torch's own operators, for programs that leave the package."""

import pytest
import torch

from speechbrain_spmamba.ops import plain_scans, selective_scan
from tests.ops.test_selective_scan import make_inputs

LONG = ("u", "delta", "B", "C", "z")


class Scan(torch.nn.Module):
    """A scan and its last state."""

    def __init__(self, reverse):
        super().__init__()
        self.reverse = reverse

    def forward(self, tensors):
        return selective_scan(
            **tensors,
            delta_softplus=True,
            reverse=self.reverse,
            return_last_state=True,
        )


@pytest.mark.parametrize("reverse, has_state", [(False, True), (True, False)])
def test_an_exported_plain_scan_has_no_operator_of_ours(reverse, has_state):
    inputs = make_inputs(length=9)
    inputs["initial_state"] = None
    if has_state:
        inputs["initial_state"] = torch.randn(2, 5, 8, dtype=torch.double)
    time = {1: torch.export.Dim("time")}
    shapes = {k: time if k in LONG else None for k in inputs}
    with torch.no_grad(), plain_scans():
        program = torch.export.export(
            Scan(reverse), (inputs,), dynamic_shapes=(shapes,)
        )
    assert "spmamba" not in str(program.graph)
    inputs |= {k: v for k, v in make_inputs(length=30).items() if k in LONG}
    for found, expected in zip(
        program.module()(inputs), Scan(reverse)(inputs), strict=True
    ):
        torch.testing.assert_close(found, expected)
