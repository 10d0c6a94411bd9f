"""--isa avx2 | avx512: the vector instructions that a measurement may use.

torch, oneDNN and MKL read their environment when they are loaded, and our
kernels follow torch. So this module is imported before torch, looks at the
command line by itself, and sets the environment. With the instructions that the
processor has anyway, or without --isa, nothing is set.
"""

import argparse
import os
import pathlib
import sys

# From least to most, and by which flag a processor tells that it has them.
_FLAGS = {"avx2": "avx2", "avx512": "avx512bw"}
_AVX2_ONLY = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def add_argument(parser):
    """Tells a parser of --isa."""
    parser.add_argument(
        "--isa",
        choices=_FLAGS,
        help="vector instructions to use; default: all that there are",
    )


def available():
    """Names of the instructions that this processor has."""
    info = pathlib.Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else ()
    return [name for name, flag in _FLAGS.items() if flag in flags]


def restriction(arguments, available):
    """What a command line restricts a processor to; "" if to nothing less."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_argument(parser)
    asked = parser.parse_known_args(arguments)[0].isa
    if asked and asked not in available:
        parser.exit(
            2,
            f"--isa is {asked}, and this processor has "
            f"{' and '.join(available) or 'none of its kind'}; leave it out\n",
        )
    return "" if asked in (None, *available[-1:]) else asked


RESTRICTED = restriction(sys.argv[1:], available())
if RESTRICTED:
    assert "torch" not in sys.modules, "import isa before torch"
    os.environ.update(_AVX2_ONLY)
