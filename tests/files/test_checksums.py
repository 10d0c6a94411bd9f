"""Sums of files: every flipped bit is seen, `sha256sum` reads them."""

import shutil
import subprocess

import pytest

from speechbrain_spmamba.files.checksums import (
    SUMS_FILE,
    check_sums,
    write_sums,
)


@pytest.fixture
def folder(tmp_path):
    """Two files and their sums."""
    (tmp_path / "weights.ckpt").write_bytes(bytes(range(16)))
    (tmp_path / "settings.yaml").write_text("a: 1\n")
    write_sums(tmp_path, ["weights.ckpt", "settings.yaml"])
    return tmp_path


@pytest.mark.parametrize("name", ["weights.ckpt", "settings.yaml", SUMS_FILE])
def test_a_flipped_bit_is_found_wherever_it_is(folder, name):
    check_sums(folder)
    whole = (folder / name).read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(changed)
        with pytest.raises(ValueError):
            check_sums(folder)


def test_a_missing_file_is_named(folder):
    (folder / "weights.ckpt").unlink()
    with pytest.raises(ValueError, match="weights.ckpt is missing"):
        check_sums(folder)


def test_a_folder_without_sums_passes(folder):
    (folder / SUMS_FILE).unlink()
    check_sums(folder)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum")
def test_the_systems_own_program_reads_the_sums(folder):
    done = subprocess.run(["sha256sum", "-c", SUMS_FILE], cwd=folder)
    assert done.returncode == 0
