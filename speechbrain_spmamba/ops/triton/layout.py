"""How the work is cut into programs, and how tensors reach the kernels.

The numbers below come from compiled code, which ``benchmarks/instructions.py``
counts without a GPU: sm_90, 16 states, low-rank step sizes; and of an H200, by
``benchmarks/scan_variants.py``. They are constants and not the result of a
search on the first call, which would make runs differ.

    scan      64 registers   157 instructions per time step and 32 channels
    backward 255 registers   125 + 451 (states before segments, all the rest)

The forward scan computes 19 exponentials and reciprocals, 152 cycles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from speechbrain_spmamba.ops.kernel_interface import ScanInputs


# States that one program holds: 16 for each of the 32 lanes of its warp. With
# two channels to a lane, the forward scan takes 17 instructions less but has as
# many exponentials, and the backward scan spills; with half a channel to a
# lane, they take 104 and 436 more: what is not done for each state, is done
# twice. A second warp to a program brings barriers to sums over channels.
_PROGRAM_STATES = 512
_LANES = 32

# More states than this leave a program of one warp with a single channel.
MAX_STATES = 256

# Time steps from one checkpoint to the next. Checkpoints take 4 N / 48 bytes
# for each element of u, 16 states less than a u of bfloat16. The scratch memory
# of a backward program, a state for each segment, takes 32 KiB, that of all
# programs that run at a time two thirds of the L2 cache of an H100.
INTERVAL = 48

# Steps whose states and decays the backward pass holds in registers; divides
# INTERVAL. Each segment waits for memory once and costs a state of scratch
# memory, so the more steps the better. With three the compiler moves addresses
# back and forth for want of registers, 39 instructions a step, and yet an H200
# takes 6 % less time than with two. With four it takes 4 % less still, and with
# intervals of 24 as well, 8 %: measured, and not yet taken over.
SEGMENT = 3

# Registers of a lane in the forward scan. With 64 a multiprocessor runs the 32
# programs that it takes at most; the compiler would use 86, and an H200 1.35 to
# 1.40 times the time.
FORWARD_REGISTERS = 64

# Steps whose parts of the gradients of B and C a program of four warps adds up.
STRETCH = 32

# Low-rank step sizes are computed in the kernel up to this rank; beyond, their
# weights would not fit into registers.
MAX_RANK = 16


def next_power_of_2(number):
    """Returns the smallest power of 2 that is not below ``number``.

    Example
    -------
    >>> [next_power_of_2(n) for n in (1, 5, 16)]
    [1, 8, 16]
    """
    return 1 << (number - 1).bit_length()


def block_channels(states):
    """Returns how many channels a program takes that each have ``states``.

    Example
    -------
    >>> [block_channels(n) for n in (5, 16, 17, 64, 256)]
    [32, 32, 16, 8, 2]
    """
    return min(_LANES, _PROGRAM_STATES // next_power_of_2(states))


def cdiv(number, divisor):
    """Returns the quotient of two positive integers, rounded up.

    Example
    -------
    >>> cdiv(65, 64)
    2
    """
    return -(-number // divisor)


def checkpoint_shape(u: torch.Tensor, A: torch.Tensor) -> tuple:
    """Shape of the states that a forward pass leaves for the backward pass.

    Arguments
    ---------
    u : torch.Tensor
        Input sequences, ``[B, L, D]``.
    A : torch.Tensor
        Decay rates, ``[D, N]``.

    Returns
    -------
    tuple
        ``(B, intervals of time, blocks of channels, N', channels in a
        block)``, N' being the power of 2 that holds N; for float32.

    Example
    -------
    >>> checkpoint_shape(torch.zeros(2, 250, 512), torch.zeros(512, 16))
    (2, 6, 16, 16, 32)
    """
    batch, length, channels = u.shape
    block = block_channels(A.shape[1])
    # A block's states lie together: one address and constant offsets from it,
    # where [N, D] would keep an address for each state in registers.
    return (
        batch,
        cdiv(length, INTERVAL),
        cdiv(channels, block),
        next_power_of_2(A.shape[1]),
        block,
    )


def forward_options(constants: dict) -> dict:
    """Options of the forward scan's compiler.

    Arguments
    ---------
    constants : dict
        Of the kernel, from ``arrange``.

    Returns
    -------
    dict
        A limit of registers; empty where the compiler would spill more than
        four of them, and for AMD's, which knows no limit.

    Example
    -------
    >>> forward_options({"BLOCK_N": 16, "BLOCK_R": 16})
    {}
    """
    fits = constants["BLOCK_N"] <= 16 and constants["BLOCK_R"] <= 8
    if torch.version.hip or not FORWARD_REGISTERS or not fits:
        return {}
    return {"maxnreg": FORWARD_REGISTERS}


def refuse_float64(**tensors) -> None:
    """Raises ValueError if one of the named tensors is float64."""
    for name, tensor in tensors.items():
        if getattr(tensor, "dtype", None) == torch.float64:
            raise ValueError(
                f"triton has no float64 kernel here and {name} is float64; "
                "use the backend 'torch'"
            )


def parameter(tensor, u):
    """A parameter for each channel of u: float32, zeros when it is None."""
    if tensor is None:
        return u.new_zeros(u.shape[2], dtype=torch.float32)
    return tensor.to(torch.float32).contiguous()


def transposed(parameter, rows):
    """[D, N] -> float32 [rows, D], zeros in the rows beyond N.

    No copy if its memory has that form.
    """
    if parameter.shape[1] == rows:
        return parameter.T.float().contiguous()
    padded = parameter.new_zeros(rows, parameter.shape[0], dtype=torch.float32)
    padded[: parameter.shape[1]] = parameter.T
    return padded


class Sequence(NamedTuple):
    """A sequence ``[B, L, D]`` as a kernel takes it; D is contiguous.

    Arguments
    ---------
    start : torch.Tensor
        The tensor; in a kernel the pointer to its first element.
    batch, time : int
        Its strides.
    """

    start: torch.Tensor
    batch: int
    time: int


class Tensors(NamedTuple):
    """Inputs of a scan in the form that the kernels take, in their order."""

    u: Sequence
    delta: Sequence | None
    z: Sequence | None
    rows: torch.Tensor
    weight: torch.Tensor | None
    A: torch.Tensor
    D: torch.Tensor
    bias: torch.Tensor


def arrange(inputs: ScanInputs) -> tuple:
    """Brings the inputs of a scan into the form that the kernels take.

    Arguments
    ---------
    inputs : ScanInputs
        See ``ops.kernel_interface``.

    Returns
    -------
    tuple
        The number of programs; ``Tensors``: the sequences with contiguous
        channels and the parameters in float32, transposed, zeros where one is
        missing, and padded; and a dict of the kernels' constants.
    """
    refuse_float64(**inputs._asdict())
    batch, _, channels = inputs.u.shape
    states = inputs.A.shape[1]
    block_n, block_d = next_power_of_2(states), block_channels(states)
    delta, weight, low_rank, block_r = inputs.delta, None, None, 0
    if inputs.delta_weight is not None:
        rank = inputs.delta_weight.shape[1]
        if rank > MAX_RANK:
            delta = delta.float() @ inputs.delta_weight.float().T
        else:
            # four at least, to keep the rows that they end on 16 bytes
            block_r = max(4, next_power_of_2(rank))
            delta, low_rank = None, delta
            weight = transposed(inputs.delta_weight, block_r)
    tensors = Tensors(
        u=readable(inputs.u),
        delta=readable(delta),
        z=readable(inputs.z),
        rows=_pack_rows(inputs, low_rank, block_n, block_r),
        weight=weight,
        A=transposed(inputs.A, block_n),
        D=parameter(inputs.D, inputs.u),
        bias=parameter(inputs.delta_bias, inputs.u),
    )
    constants = {
        "BLOCK_N": block_n,
        "BLOCK_R": block_r,
        "BLOCK_D": block_d,
        "SOFTPLUS": inputs.delta_softplus,
        "REVERSE": inputs.reverse,
        "num_warps": 1,
    }
    return batch * cdiv(channels, block_d), tensors, constants


def _pack_rows(inputs, low_rank, block_n, block_r):
    """One float32 row for each time step: low-rank delta, B and C, padded.

    Every lane reads all of what channels share. So it pays to convert it here,
    once, not in each lane of each block of channels: in bfloat16 it took 25 %
    of the instructions. And rows are aligned, whatever they are cut from.
    """
    B, C, whole = inputs.B, inputs.C, inputs.rows
    width = block_r + 2 * block_n
    if low_rank is not None and whole is not None and whole.shape[2] == width:
        return whole.float().contiguous()
    rows = B.new_zeros(*B.shape[:2], width, dtype=torch.float32)
    if low_rank is not None:
        rows[..., : low_rank.shape[2]] = low_rank
    rows[..., block_r : block_r + B.shape[2]] = B
    start = block_r + block_n
    rows[..., start : start + C.shape[2]] = C
    return rows


def _has_rows(tensor):
    """Whether kernels can read and write the tensor where it is.

    They need contiguous channels, and 32 bits for an offset in time; that of
    a sequence in the batch has 64.
    """
    reach = tensor.shape[1] * abs(tensor.stride(1))
    return tensor.stride(2) == 1 and reach < 2**31


def readable(tensor):
    """``tensor``, or a contiguous copy, as ``Sequence``; None stays None."""
    if tensor is None:
        return None
    tensor = tensor if _has_rows(tensor) else tensor.contiguous()
    return Sequence(tensor, *tensor.stride()[:2])


def states_first(state, rows):
    """A state [B, D, N] -> float32 [B, rows, D], zeros in the rows beyond N.

    As the kernels read A: lanes side by side. None stays None.
    """
    if state is None:
        return None
    batch, channels, states = state.shape
    made = state.new_zeros(batch, rows, channels, dtype=torch.float32)
    made[:, :states] = state.transpose(1, 2)
    return made


class Outputs:
    """Stand-ins for outputs whose layout the kernels cannot write.

    Example
    -------
    >>> outputs, transposed = Outputs(), torch.zeros(1, 2, 3).transpose(1, 2)
    >>> _ = outputs.writable(transposed).start.fill_(1)
    >>> outputs.finish()
    >>> transposed.sum()
    tensor(6.)
    """

    def __init__(self) -> None:
        self._copies = []

    def writable(self, tensor):
        """``tensor``, or a stand-in with contiguous channels, likewise."""
        if tensor is None or _has_rows(tensor):
            return readable(tensor)
        stand_in = torch.empty_like(
            tensor, memory_format=torch.contiguous_format
        )
        self._copies.append((tensor, stand_in))
        return readable(stand_in)

    def states_first(self, state, rows):
        """A stand-in [B, rows, D] for a state [B, D, N]; None stays None."""
        if state is None:
            return None
        batch, channels, states = state.shape
        stand_in = state.new_empty(batch, rows, channels)
        part = stand_in[:, :states].transpose(1, 2)
        self._copies.append((state, part))
        return stand_in

    def finish(self) -> None:
        """Copies the stand-ins to where their contents belong."""
        for tensor, stand_in in self._copies:
            tensor.copy_(stand_in)
