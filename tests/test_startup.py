"""What is imported before a model works: what it needs and no more.

Seconds and megabytes of a short command are those of imports.
"""

import subprocess
import sys

import pytest
import soundfile

from speechbrain_spmamba.builtin.models import DEFAULT
from tests import ROOT
from tests.separating import noise
from tests.small_models import SYSTEMS, VARIANTS
from tests.test_strange_files import make_folder

# Packages beside those that the toolkit's own inference imports.
INFERENCE = {"soundfile", "_soundfile", "_soundfile_data", "_cffi_backend"}
INFERENCE |= {"soxr", "speechbrain", "speechbrain_spmamba"}
# Each takes 0.2 to 2 seconds, and some of them 100 MB.
SLOW = {"torch._dynamo", "torch._inductor", "sympy", "triton", "matplotlib"}
SLOW |= {"scipy.signal", "huggingface_hub.hf_api", "pyroomacoustics"}
# Parts of the toolkit compute tables and draw orthogonal weights at once.
OF_THE_TOOLKIT = {"sepformer", "resepformer", "skim"}

PROGRAM = """
import sys
import speechbrain.inference.interfaces

def report(before=frozenset()):
    print("imported:", *(set(sys.modules) - before))

before = set(sys.modules)
import speechbrain_spmamba.inference
report(before)

from speechbrain_spmamba import cli
for words in (sys.argv[2:], sys.argv[2:4] + ["--output", sys.argv[-1] + "2"]):
    try:
        cli.main(words)
    except SystemExit as stop:
        assert stop.code == 0
report()

import torch
from tests.small_models import build_small
with torch.device("meta"):
    for name in sys.argv[1].split(","):
        build_small(name)
report()
"""

LISTING = """
import sys
from speechbrain_spmamba import cli
try:
    cli.main(["models"])
except SystemExit as stop:
    assert stop.code == 0
assert not {"torch", "speechbrain", "scipy"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Modules: new with inference, all behind `separate`, and with models."""
    folder = tmp_path_factory.mktemp("startup")
    model = make_folder(folder / "model", "spmamba")
    soundfile.write(folder / "a.wav", noise(8000), 8000)
    systems = {
        name
        for name in (*SYSTEMS, *VARIANTS)
        if name.split()[0] not in OF_THE_TOOLKIT
    }
    words = ["separate", folder / "a.wav", "-m", model, "-o", folder / "out"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(systems), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [set(line.split()[1:]) for line in lines if "imported:" in line]


def test_inference_imports_no_package_but_these(imported):
    packages = {name.partition(".")[0] for name in imported[0]}
    assert packages - sys.stdlib_module_names <= INFERENCE


def test_separating_imports_nothing_slow(imported):
    """With a model folder, and with a model of the package."""
    assert not imported[1] & SLOW


def test_planning_a_model_without_memory_imports_nothing_slow(imported):
    assert not imported[2] & SLOW


def test_models_are_listed_without_torch():
    words = [sys.executable, "-c", LISTING]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert DEFAULT in done.stdout
