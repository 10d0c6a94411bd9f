"""Builds the optional C kernels of the cpu scan backend; the rest is setup.cfg.

One library for each instruction set of x86-64, one for any other processor,
without headers of Python or torch. Nothing here can make an installation fail:
what does not compile is left out, and the scan runs on plain torch.
"""

import platform
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, CompileError, ExecError

FOLDER = "speechbrain_spmamba/ops/cpu"
SOURCES = ["path_forward.c", "conv.c"]
SOURCES += ["scan_forward.c", "scan_backward.c", "scan_step.c"]

# Contraction gives fused multiply-adds. Nothing may reorder sums, so that
# results do not depend on the compiler's mood: no -ffast-math.
FLAGS = [
    "-std=gnu11",
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
]
BUILDS = {"base": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    BUILDS["avx2"] = ["-march=x86-64-v3"]
    BUILDS["avx512"] = ["-march=x86-64-v4", "-mprefer-vector-width=512"]


class BuildKernels(build_ext):
    """Compiles each library with OpenMP's threads, or else without."""

    def build_extension(self, ext):
        flags = ext.extra_compile_args
        ext.extra_compile_args = [*flags, "-fopenmp"]
        ext.extra_link_args = ["-fopenmp"]
        try:
            super().build_extension(ext)
        except (CCompilerError, CompileError, ExecError):
            ext.extra_compile_args, ext.extra_link_args = flags, []
            super().build_extension(ext)


setup(
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[
        Extension(
            f"speechbrain_spmamba.ops.cpu._kernels_{name}",
            sources=[f"{FOLDER}/{source}" for source in SOURCES],
            depends=sorted(glob(f"{FOLDER}/*.h")),
            extra_compile_args=FLAGS + march,
            optional=True,
        )
        for name, march in BUILDS.items()
    ],
)
