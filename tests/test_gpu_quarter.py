"""The quarter of an hour on a GPU, tried on a CPU: none of it must be lost."""

import csv
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch

from benchmarks import isa
from tests.prepare import small_corpora

FOLDER = Path(isa.__file__).parent / "gpu_quarter"
sys.path.insert(0, str(FOLDER))

import build_mamba_ssm  # noqa: E402
import pack  # noqa: E402
import quarter  # noqa: E402
from stages import Stage, gpu_tests  # noqa: E402


@pytest.fixture
def begun(tmp_path):
    """A quarter of an hour, and what its log says."""
    begun = quarter.Quarter(tmp_path / "out", tmp_path / "work", [])
    yield begun, lambda: (tmp_path / "out/gpu_quarter.log").read_text()
    begun.log.close()


def test_a_stage_that_takes_too_long_is_stopped_with_all_it_started(
    begun, tmp_path
):
    begun, log = begun
    child = tmp_path / "child"
    starts = (
        "-c 'import subprocess, sys, time;"
        'p = subprocess.Popen([sys.executable, "-c", "import time;'
        'time.sleep(60)"]);'
        f'open("{child}", "w").write(str(p.pid)); time.sleep(60)\''
    )
    begun.run(Stage("endless", 3, starts))
    begun.run(Stage("next", 20, "-c 'print(6 * 7)'"))
    assert "endless: exit status -15" in log()
    assert "\n42\n" in log() and "next: exit status 0" in log()
    state = Path(f"/proc/{child.read_text()}/status")
    ends = time.monotonic() + 10
    while state.exists() and "zombie" not in state.read_text():
        assert time.monotonic() < ends, "the child goes on"
        time.sleep(0.1)


def test_what_needs_a_stage_that_failed_is_left_out(begun):
    begun, log = begun
    begun.begin_beside(Stage("build", 20, "-c 'raise SystemExit(3)'"))
    begun.begin_beside(Stage("data", 20, "-c ''"))
    begun.run(Stage("compared", 20, "-c 'print(6 * 7)'", after="build"))
    begun.run(Stage("this too", 20, "-c 'print(6 * 7)'", after="build"))
    begun.run(Stage("read", 20, "-c 'print(7 * 7)'", after="data"))
    assert "compared: left out, for want of build" in log()
    assert "this too: left out, for want of build" in log()
    assert log().count("build: exit status") == 1
    assert "\n42\n" not in log() and "\n49\n" in log()


def test_the_files_with_gpu_tests_are_found():
    assert "tests/ops/triton/test_gpu.py" in gpu_tests()
    assert "tests/test_audio.py" not in gpu_tests()


def test_the_published_sources_are_left_with_one_type(tmp_path):
    macro = (
        "#define {}(TYPE, NAME, ...) \\\n    if (a) {{ half }} \\\n    }}\n\n"
    )
    (tmp_path / "selective_scan.cpp").write_text(
        "".join(map(macro.format, build_mamba_ssm.TYPES)) + "int after;\n"
    )
    (tmp_path / "selective_scan_fwd_bf16.cu").write_text(
        "template f<at::BFloat16, float>;\ntemplate f<at::BFloat16, complex_t>;"
    )
    build_mamba_ssm.restrict(tmp_path)
    text = (tmp_path / "selective_scan.cpp").read_text()
    assert "half" not in text and "int after;" in text
    assert "using input_t = at::BFloat16;" in text
    forward = (tmp_path / "selective_scan_fwd_bf16.cu").read_text()
    assert forward == "template f<at::BFloat16, float>;\n"
    with pytest.raises(ValueError, match="0 times"):
        (tmp_path / "selective_scan.cpp").write_text("int after;\n")
        build_mamba_ssm.restrict(tmp_path)


def test_the_published_scan_is_given_contiguous_time(monkeypatch):
    given = []

    def fwd(*arguments):
        given.extend(arguments[:-1])
        return given[0] + given[6], torch.ones(1), given[0] * given[6]

    def bwd(*arguments):
        given.append(arguments[8])
        u, delta, A, B, C, D, z, bias = arguments[:8]
        return u, delta, A, B, C, D, bias, z

    extension = SimpleNamespace(fwd=fwd, bwd=bwd)
    monkeypatch.setitem(sys.modules, build_mamba_ssm.EXTENSION, extension)
    interface = {}
    exec(build_mamba_ssm.INTERFACE, interface)
    u, delta, z = torch.randn(3, 2, 7, 4).transpose(2, 3).unbind(0)
    B, C = torch.randn(2, 2, 7, 3).transpose(2, 3).unbind(0)
    A, D, bias = torch.randn(4, 3), torch.randn(4), torch.randn(4)
    inputs = [x.requires_grad_() for x in (u, delta, A, B, C, D, z, bias)]
    y = interface["selective_scan_fn"](*inputs)
    y.backward(torch.ones(2, 7, 4).transpose(1, 2))
    assert len(given) == 9
    assert all(x.stride(-1) == 1 for x in given)
    for tensor in inputs:
        torch.testing.assert_close(tensor.grad, tensor.detach())


def test_every_reader_is_packed_once_before_one_is_twice(tmp_path):
    source, seconds = tmp_path / "speech", (0.4, 0.5, 0.6)
    small_corpora.write_speech(source, "train", ["1", "2"], seconds, rate=16000)
    names = [p.stem for p in pack.recordings(source / "train")]
    assert names == [f"{r}-7-000{n}" for n in range(3) for r in (1, 2)]
    left = pack.pack_split(source / "train", tmp_path / "packed", room=1e6)
    packed = sorted((tmp_path / "packed").rglob("*.ogg"))
    assert left == 1e6 - sum(path.stat().st_size for path in packed)
    assert [soundfile.info(path).frames for path in packed] == [
        3200, 4000, 4800, 3200, 4000, 4800,
    ]  # fmt: skip
    assert pack.pack_split(source / "train", tmp_path / "less", room=1) < 0
    assert len(list((tmp_path / "less").rglob("*.ogg"))) == 1


def test_training_gets_all_the_room_that_test_and_validation_leave(
    tmp_path, monkeypatch
):
    speech, noise, out = (tmp_path / x for x in ("speech", "noise", "out"))
    for split in ("train", "valid", "test"):
        small_corpora.write_speech(speech, split, "123", (1,) * 9, "FMF")
        small_corpora.write_noises(noise, split)
    asked = f"pack {out} --speech {speech} --noise {noise} --megabytes 0.1"
    monkeypatch.setattr(sys, "argv", asked.split())
    monkeypatch.setattr(pack, "pack_packages", lambda out, python: None)
    pack.main()
    sizes = {
        split: [
            path.stat().st_size
            for path in (out / "corpus").rglob("*.ogg")
            if split in path.parts
        ]
        for split in ("train", "valid", "test")
    }
    for split in ("valid", "test"):
        over = sum(sizes[split]) - 0.1 * 1e5
        assert 0 <= over < max(sizes[split]), sizes
    whole = sum(map(sum, sizes.values()))
    assert 0 <= whole - 1e5 < max(sizes["train"]), sizes


@pytest.mark.slow
def test_the_quarter_runs_to_its_end_on_a_cpu(tmp_path):
    given, out, work = (tmp_path / name for name in ("given", "out", "work"))
    for split in ("train", "valid", "test"):
        speech, noise = (given / "corpus" / x for x in ("speech", "noise"))
        small_corpora.write_speech(speech, split, "123", (4.5,), "FMF")
        small_corpora.write_noises(noise, split, seconds=5)
    for what in ("measure", "train"):
        command = [sys.executable, FOLDER / "quarter.py", what, out]
        command += ["--device", "cpu", "--tiny", "--minutes", "0.2"]
        command += ["--given", given, "--work", work]
        subprocess.run(command, check=True)
    log = (out / "gpu_quarter.log").read_text()
    ended = dict(
        line.partition("] ")[2].split(": exit status ")
        for line in log.splitlines()
        if ": exit status " in line
    )
    # There is no archive to compile, which ends nothing but what needs it.
    assert int(ended.pop("build")) != 0, log
    assert set(ended.values()) == {"0"}, log
    assert {"tests", "model", "profile", "scan", "training"} < set(ended)
    assert log.count("left out, for want of build") == 3
    with open(out / "model_cpu.csv", newline="") as file:
        cases = {row["case"] for row in csv.DictReader(file)}
    assert cases == {
        f"{case}, 0.1 s{batch}"
        for case in ("inference", "training step")
        for batch in ("", ", batch 4")
    }
    with open(out / "scan_variants_cpu.csv", newline="") as file:
        assert {float(row["error"]) for row in csv.DictReader(file)} == {0.0}
    assert "Self CPU" in (out / "profile_cpu.txt").read_text()
    with tarfile.open(out / "training.tar.gz") as archive:
        kept = {Path(name).name for name in archive.getnames()}
    assert {"history.csv", "train_log.txt", "hyperparams.yaml"} < kept
    assert {"separator.ckpt", "average.ckpt", "summary.json"} < kept
