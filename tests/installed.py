"""Run by the Python of an environment that has the package, and no checkout.

    python -I tests/installed.py docs/example/talk.wav

Separates the recording into this folder, by the command and with the C kernels.
Of the tests of wheels here (test_packaging.py) and of cibuildwheel.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

COMMAND = Path(sysconfig.get_path("scripts")) / "spmamba"


def spmamba(*words):
    """Standard output and errors of a command."""
    done = subprocess.run(
        [COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def main(recording):
    """Separates a recording of two talkers."""
    import speechbrain_spmamba
    from speechbrain_spmamba.ops import available_backends

    package = Path(speechbrain_spmamba.__file__).parent
    assert package.parent.name == "site-packages", package
    assert available_backends()["cpu"] == ""

    said = spmamba("separate", recording)
    assert "selective_scan: backend 'cpu' on cpu" in said, said
    name = Path(recording).stem
    for talker in (1, 2):
        assert Path(f"{name}_s{talker}.wav").stat().st_size > 1000, said
    assert "voices-8k-3" in spmamba("models")
    assert "hparams/tiny.yaml" in spmamba("new")
    print(said)


if __name__ == "__main__":
    main(sys.argv[1])
