"""Compiles the Triton kernels without a GPU and counts what came out.

    python benchmarks/instructions.py
    python benchmarks/instructions.py --arch 80 --rank 8 --states 8

For each kernel and each dtype of the sequences: registers, bytes spilled to
the stack, shared memory, and SASS instructions per time step and 32 channels,
one line for each innermost loop. The backward scan has two: the first computes
the states before each segment, the second all the rest. MUFU are exponentials
and reciprocals (8 cycles for a warp on sm_90, all others 1), SHFL exchanges
between lanes.

The tools are those that come with Triton: ptxas, cuobjdump and nvdisasm.
"""

import argparse
import collections
import re
import subprocess
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from speechbrain_spmamba.ops.triton import (
    backward,
    convolution,
    forward,
    head_norm,
    layout,
    segment,
    windows,
)

# Tensors in the dtype of the model; all others are float32.
_SEQUENCES = ("u", "delta", "z", "y", "x", "out", "grad_y", "grad_out")
_SEQUENCES += ("grad_u", "grad_delta", "grad_z", "grad_x")
_SEQUENCES += ("sum_B", "sum_C")
_COUNTS = ("length", "channels", "count", "positions", "width")
_COUNTS += ("frames", "size", "blocks", "states")
_WINDOWS = ("values", "grads", "grad_values", "grad_windows", "windows")
_STATES = ("initial_state", "last_state")
_STATES += ("grad_last_state", "grad_initial_state")
_ALIGNED = [["tt.divisibility", 16]]
_OPCODES = ("MUFU", "SHFL", "LDG", "STG", "LDS", "STS", "LDL", "STL", "BAR")


def scan_constants(states=16, rank=0, reverse=False, state=False):
    """Constants of both scan kernels, with softplus.

    Arguments
    ---------
    states : int
        States of a channel.
    rank : int
        Rank of the step sizes; 0 when they are given in full.
    reverse : bool
        Direction in time.
    state : bool
        Whether a state is given and asked for, and their gradients.

    Returns
    -------
    dict
        Arguments that are known when the kernel is compiled.
    """
    return {
        "delta" if rank else "weight": None,
        **dict.fromkeys(() if state else _STATES),
        "BLOCK_N": layout.next_power_of_2(states),
        "BLOCK_R": max(4, layout.next_power_of_2(rank)) if rank else 0,
        "BLOCK_D": layout.block_channels(states),
        "INTERVAL": layout.INTERVAL,
        "SEGMENT": layout.SEGMENT,
        "STRETCH": layout.STRETCH,
        "SOFTPLUS": True,
        "REVERSE": reverse,
    }


def conv_constants(taps=4, reverse=False):
    """Constants of both kernels of the convolution."""
    return {
        "K": taps,
        "TILE": convolution.TILE,
        "GROUP": convolution.GROUP,
        "BLOCK_D": convolution.BLOCK_D,
        "REVERSE": reverse,
    }


def window_constants(size=8, hop=1, channels=16):
    """Constants of the kernels of windows."""
    return {
        "SIZE": size,
        "HOP": hop,
        "STRETCH": windows.STRETCH,
        "BLOCK_C": channels,
        "BLOCK_W": size * channels,
    }


def head_constants(size=514, heads=4):
    """Constants of the kernels of an attention's norms."""
    return {
        "HEADS": heads,
        "CHANNELS": size // 257,
        "BLOCK": layout.next_power_of_2(size),
    }


def _type_of(name, dtype):
    """The type of an argument, as the model gives it."""
    if name in _COUNTS:
        return "i32"
    if name.endswith("eps"):
        return "fp32"
    if name.endswith("_strides"):
        return ("i32",) * 3
    if name == "valid":
        return "*i1"
    return "*" + dtype if name in _WINDOWS else "*fp32"


def compile_kernel(
    kernel, constants, dtype="bf16", arch=90, num_warps=1, **options
):
    """Compiles a kernel for tensors that are aligned as those of a model are.

    Arguments
    ---------
    kernel : triton.JITFunction
        One of the kernels of the package.
    constants : dict
        Name -> value of arguments known when the kernel is compiled, None for
        a tensor that is missing. Those of other kernels are left out.
    dtype : str
        "bf16", "fp16" or "fp32", of the sequences.
    arch : int
        Compute capability: 80 for sm_80.
    num_warps : int
        Warps of a program.
    **options
        More of the compiler's; the forward scan has its own.

    Returns
    -------
    triton.compiler.CompiledKernel
        Not loaded, so that no GPU is needed.
    """
    if kernel is forward.scan_forward_kernel:
        options = layout.forward_options(constants) | options
    signature, values, attributes = {}, {}, {}
    # The map of windows is not one of the products.
    of_map = "fp32" if kernel.__module__ == windows.__name__ else dtype
    of_heads = kernel.__module__ == head_norm.__name__

    def describe(path, name, is_aligned=True):
        """The type of an argument, or of a part of one; notes the rest."""
        if name in constants:
            values[path] = constants[name]
            return "constexpr"
        if name == "results":
            names = "y", *(f"grad_{x}" for x in segment.Results._fields[1:])
            return segment.Results(
                *(describe((*path, i), part) for i, part in enumerate(names))
            )
        if of_heads and name in ("x", "out", "grad_out", "grad_x"):
            return "*" + dtype
        if name in _SEQUENCES:
            attributes.update({(*path, part): _ALIGNED for part in range(3)})
            return layout.Sequence("*" + of_map, "i32", "i32")
        if is_aligned and name[-3:] != "eps" and not name.endswith("_strides"):
            attributes[path] = _ALIGNED
        return _type_of(name, dtype)

    for index, parameter in enumerate(kernel.params):
        signature[parameter.name] = describe(
            (index,),
            parameter.name,
            not parameter.do_not_specialize
            and not parameter.do_not_specialize_on_alignment,
        )
    source = ASTSource(kernel, signature, constexprs=values, attrs=attributes)
    return triton.compile(
        source,
        target=GPUTarget("cuda", arch, 32),
        options={"num_warps": num_warps, **options},
    )


def resources(compiled):
    """What a program of a compiled kernel takes.

    Arguments
    ---------
    compiled : triton.compiler.CompiledKernel
        From ``compile_kernel``.

    Returns
    -------
    dict
        "REG", registers of a thread; "STACK", bytes of a thread, which in
        these kernels are spilled registers; "SHARED", bytes of a program.
    """
    text = _run("cuobjdump", "-res-usage", compiled)
    found = re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+)", text)
    return dict(
        zip(("REG", "STACK", "SHARED"), map(int, found.groups()), strict=True)
    )


def innermost_loops(compiled):
    """Instructions of the loops without loops in them, from first to last.

    Arguments
    ---------
    compiled : triton.compiler.CompiledKernel
        From ``compile_kernel``.

    Returns
    -------
    list
        For each loop the opcodes of its instructions, in order.
    """
    opcodes, labels, loops = [], {}, []
    for line in _run("nvdisasm", "-c", compiled).splitlines():
        if label := re.match(r"\s*(\.L_\w+):", line):
            labels[label[1]] = len(opcodes)
        if code := re.match(
            r"\s*/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+ )?(\w+)", line
        ):
            opcodes.append(code[2])
            target = re.search(r"BRA.*`\((\.L_\w+)\)", line)
            # a jump back closes a loop; one onto itself is padding
            start = labels.get(target[1], len(opcodes)) if target else None
            if start is not None and start < len(opcodes) - 1:
                loops.append((start, len(opcodes)))
    return [
        opcodes[start:end]
        for start, end in loops
        if not any(start <= a and b < end for a, b in loops)
    ]


def _run(tool, option, compiled):
    """The output of one of the tools that come with Triton, for a kernel."""
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(compiled.asm["cubin"])
        command = [str(tools / tool), option, str(path)]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout


def _report(title, compiled, steps):
    """Prints a line for a kernel and one for each of its innermost loops."""
    taken = resources(compiled)
    print(
        f"{title}: {taken['REG']} registers, {taken['STACK']} bytes spilled, "
        f"{taken['SHARED']} bytes shared"
    )
    for opcodes in innermost_loops(compiled):
        counts = collections.Counter(opcodes)
        named = ", ".join(
            f"{name} {counts[name] / steps:.1f}"
            for name in _OPCODES
            if counts[name]
        )
        print(f"    {len(opcodes) / steps:6.1f} per step, of which {named}")


def main():
    """Prints the report for the kernels that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--states", type=int, default=16)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--reverse", action="store_true")
    parser.add_argument("--block-d", type=int, help="channels of a program")
    parser.add_argument("--segment", type=int, help="steps of a segment")
    parser.add_argument("--num-warps", type=int, default=1)
    args = parser.parse_args()

    scan = scan_constants(args.states, args.rank, args.reverse)
    if args.block_d:
        scan["BLOCK_D"] = args.block_d
    if args.segment:
        scan["SEGMENT"] = args.segment
    conv = conv_constants(reverse=args.reverse)
    # counts are for 32 channels: one lane of a warp each
    share = scan["BLOCK_D"] / 32 / args.num_warps
    conv_share = conv["GROUP"] * conv["BLOCK_D"] / 32
    scan_rows = [
        ("scan", forward.scan_forward_kernel, {"checkpoints": None}, 1),
        ("scan, saving states", forward.scan_forward_kernel, {}, 1),
        (
            "scan backward",
            backward.scan_backward_kernel,
            {"y": None},
            scan["SEGMENT"],
        ),
        (
            "scan backward with y",
            backward.scan_backward_kernel,
            {},
            scan["SEGMENT"],
        ),
    ]
    for dtype in ("bf16", "fp32"):
        for title, kernel, missing, steps in scan_rows:
            compiled = compile_kernel(
                kernel, scan | missing, dtype, args.arch, args.num_warps
            )
            _report(f"{title}, {dtype}", compiled, steps * share)
        for title, kernel in (
            ("convolution", convolution.conv_forward_kernel),
            ("convolution backward", convolution.conv_backward_kernel),
        ):
            compiled = compile_kernel(kernel, conv, dtype, args.arch)
            _report(f"{title}, {dtype}", compiled, conv_share)


if __name__ == "__main__":
    main()
