"""The selective scan of Mamba-1 and the backends that compute it.

selective_scan.py     what is computed; checks; the one public operation
backends.py           which backend computes it
reference.py          the definition, a plain loop over time; all backends
mamba_ssm.py          are tested against it; a package's kernel, if there
custom_op.py          the others, as one operator of torch's, each with the
kernel_interface.py   same functions:
torch_loop.py         plain torch, with torch_conv.py, tiling.py, buffers.py
cpu/                  C
triton/               Triton, for GPUs
"""

from speechbrain_spmamba.ops.backends import available_backends, choose_backend
from speechbrain_spmamba.ops.selective_scan import selective_scan

__all__ = ["available_backends", "choose_backend", "selective_scan"]
