"""The selective scan of Mamba-1 and the backends that compute it.

``selective_scan`` is the one public operation; every backend computes the same
numbers and is tested against ``reference.py``, the plain loop over time.
"""

from speechbrain_spmamba.ops.backends import available_backends, choose_backend
from speechbrain_spmamba.ops.selective_scan import selective_scan

__all__ = ["available_backends", "choose_backend", "selective_scan"]
