"""Where the time of a call goes, by torch's profiler.

A kernel of ours is a part by its own name, with all that it computes, products
too. Operators of torch are grouped, and what lies between all of these is
Python's and autograd's. To be recorded costs about a microsecond an operator,
which makes many small ones look larger.
"""

from torch.profiler import ProfilerActivity, profile, record_function

from speechbrain_spmamba.ops.backends import KERNELS, replaced_kernels

_OPERATORS = {
    "products": "mm addmm addmm_ bmm baddbmm",
    "copies": "copy_ cat index",
    "norms": "native_layer_norm native_layer_norm_backward",
    "convolutions": "_convolution mkldnn_convolution convolution_backward",
    "prelu": "_prelu_kernel _prelu_kernel_backward",
}
_PART_OF = {
    name: part for part, names in _OPERATORS.items() for name in names.split()
}


class _Recorded:
    """The cpu kernels, each call a part of the profile."""

    def __init__(self):
        self._kernels = KERNELS["cpu"]

    def __getattr__(self, name):
        function = getattr(self._kernels, name)
        if not name.endswith(("_forward", "_backward")):
            return function  # a question, which takes no time

        def call(*args):
            with record_function(f"kernel::{name}"):
                return function(*args)

        return call


def shares(call):
    """Part -> % of the time of a call, the largest first."""
    with (
        replaced_kernels(_Recorded()),
        profile(activities=[ProfilerActivity.CPU], acc_events=True) as found,
        record_function("whole"),
    ):
        call()
    parts = {}
    for event in found.key_averages():
        origin, _, name = event.key.partition("::")
        if origin == "aten":
            name = _PART_OF.get(name, "elementwise and other")
        elif origin != "kernel":
            name = "Python and autograd"
        parts[name] = parts.get(name, 0) + event.self_cpu_time_total
    total = sum(parts.values())
    largest_first = sorted(parts.items(), key=lambda part: -part[1])
    return {name: 100 * time / total for name, time in largest_first}
