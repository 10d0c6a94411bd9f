"""How long counted work would take on a card, from its data sheet.

An estimate, to see what is worth changing: each kernel takes the longest of
moving its bytes, doing its products, and issuing its instructions, and never
less than a launch takes on the device. The host is a second roof: it launches
one kernel after another, whatever they do.
"""

from dataclasses import dataclass

# Of each kernel: cycles of a scheduler for a time step of 32 channels (all
# instructions 1; MUFU have a unit of their own), and warps of a scheduler, as
# registers allow. Both from instructions.py for sm_90, rank 8, 16 states.
SCAN_CYCLES = {
    "scan_forward_kernel": (157, 8),
    "scan_backward_kernel": (576, 2),
}


@dataclass(frozen=True)
class Card:
    """Constants of a card, and what of them a good kernel reaches.

    Arguments
    ---------
    bytes_per_second : float
        Of its memory.
    macs_per_second : float
        Of dense bfloat16 products.
    cycles_per_second : float
        Of all schedulers together: instructions issued for a warp.
    launch_seconds : float
        Least time of a kernel on the device.
    host_seconds : float
        Time of the host for a launch, Python included.
    """

    bytes_per_second: float
    macs_per_second: float
    cycles_per_second: float
    launch_seconds: float
    host_seconds: float


# The data sheet has 3.35 TB/s, 989 TFLOP/s of bfloat16 (4.9e14 MACs), 132 SMs
# of 4 schedulers at 1.75 GHz. Plain kernels reach nine tenths of the first, and
# products as thin as these (128 to 1024 values) a fifth of the second.
H100 = Card(3.0e12, 1.0e14, 132 * 4 * 1.75e9, 2e-6, 7e-6)


def device_seconds(kernels, card=H100):
    """Time of the device for a list of ``gpu_work.Kernel``."""
    return sum(_seconds(kernel, card) for kernel in kernels)


def host_seconds(kernels, card=H100):
    """Time of the host to launch them."""
    return sum(kernel.launches for kernel in kernels) * card.host_seconds


def _seconds(kernel, card):
    cycles, warps = SCAN_CYCLES.get(kernel.name, (0, 1))
    # Each warp waits for its own results; others issue meanwhile.
    busy = warps / (warps + 1)
    return max(
        kernel.bytes / card.bytes_per_second,
        kernel.macs / card.macs_per_second,
        kernel.steps * cycles / (busy * card.cycles_per_second),
        kernel.launches * card.launch_seconds,
    )
