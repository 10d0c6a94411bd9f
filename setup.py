"""Builds what setup.cfg has no words for: C kernels, experiments, the tag.

The kernels of the cpu scan backend are one library for each instruction set of
x86-64, one for any other processor, without headers of Python or torch. Nothing
here can make an installation fail: what does not compile is left out, and the
scan runs on plain torch.
"""

import os
import shlex
import sys
import sysconfig
from glob import glob

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError

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
    "-shared",
]
# What torch asks of a processor before it calls it one of AVX2 or AVX-512.
AVX2 = ["-mavx2", "-mfma"]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
BUILDS = {"base": []}
if sysconfig.get_platform().endswith(("x86_64", "amd64")):
    BUILDS["avx2"] = AVX2
    BUILDS["avx512"] = [*AVX2, *AVX512, "-mprefer-vector-width=512"]

# MSVC has no vector types; Zig's C compiler, which PyPI has, is clang.
ZIG = {"win-amd64": "x86_64-windows-gnu", "win-arm64": "aarch64-windows-gnu"}

# Outside of the package in a checkout, inside of it once installed.
EXPERIMENTS = ["train.py", "hparams/*.yaml", "recipes/*/hparams/*.yaml"]


class BuildKernels(build_ext):
    """Compiles each library with OpenMP's threads, or else without."""

    def build_extension(self, ext):
        command = [*self._compiler(), *FLAGS, *ext.extra_compile_args]
        for name in ("ARCHFLAGS", "CFLAGS", "LDFLAGS"):
            command += shlex.split(os.environ.get(name, ""))
        # Beside it a linker may leave what nobody needs.
        made = os.path.join(self.build_temp, ext.name)
        self.mkpath(self.build_temp)
        command += [*ext.sources, "-o", made]
        # On Linux the runtime is the one that torch has loaded. Elsewhere it
        # would be a second one, whose threads take the cores from torch's.
        if self.plat_name.startswith("linux"):
            command += ["-fPIC", "-Wl,-z,defs"]  # a missing runtime is an error
            try:
                self.spawn([*command, "-fopenmp"])
            except ExecError:
                self.spawn(command)
        else:
            self.spawn(command)
        path = self.get_ext_fullpath(ext.name)
        self.mkpath(os.path.dirname(path))
        self.copy_file(made, path)

    def _compiler(self):
        if "CC" in os.environ:
            return shlex.split(os.environ["CC"])
        if self.plat_name in ZIG:
            zig = [sys.executable, "-m", "ziglang", "cc"]
            return [*zig, "-target", ZIG[self.plat_name]]
        return shlex.split(sysconfig.get_config_var("CC") or "cc")

    def get_ext_filename(self, fullname):
        """One name for all versions of Python: it is no module of theirs."""
        ending = ".dll" if self.plat_name.startswith("win") else ".so"
        return os.path.join(*fullname.split(".")) + ending


class BuildPackage(build_py):
    """Takes the experiments into the package."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        inside = os.path.join(self.build_lib, "speechbrain_spmamba/experiments")
        for path in sorted(sum(map(glob, EXPERIMENTS), [])):
            self.mkpath(os.path.join(inside, os.path.dirname(path)))
            self.copy_file(path, os.path.join(inside, path))


class BuildWheel(bdist_wheel):
    """One wheel a platform, for all versions of Python."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(
    cmdclass={
        "build_ext": BuildKernels,
        "build_py": BuildPackage,
        "bdist_wheel": BuildWheel,
    },
    ext_modules=[
        Extension(
            f"speechbrain_spmamba.ops.cpu._kernels_{name}",
            sources=[f"{FOLDER}/{source}" for source in SOURCES],
            depends=sorted(glob(f"{FOLDER}/*.h")),
            extra_compile_args=march,
            optional=True,
        )
        for name, march in BUILDS.items()
    ],
)
