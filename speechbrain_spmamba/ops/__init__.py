"""The selective scan of Mamba-1 and the backends that compute it.

    selective_scan.py    what is computed; the one public operation
    checks.py            what it may be given
    groups.py            weights of groups of channels, by a scan of each
    scan_step.py         one time step, for inference
    backends.py          which backend computes it
    reference.py         backend: the definition, a plain loop over time
    mamba_ssm.py         backend: the package of that name
    custom_op.py         the other backends, as one operator of torch's
    kernel_interface.py  the functions that each of these has
    torch_loop.py        backend torch; torch_conv.py, torch_windows.py,
                         tiling.py, buffers.py
    windows.py           how many windows fit, and their overlap-add
    cpu/, triton/        backends of these names

Every backend computes the same numbers and is tested against ``reference.py``.
"""

from speechbrain_spmamba.ops.backends import available_backends, choose_backend
from speechbrain_spmamba.ops.scan_step import selective_scan_step
from speechbrain_spmamba.ops.selective_scan import selective_scan

__all__ = [
    "available_backends",
    "choose_backend",
    "selective_scan",
    "selective_scan_step",
]
