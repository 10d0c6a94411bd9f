"""Gathers what a machine without a network needs for ``quarter.py``.

    pip install wheel
    python benchmarks/gpu_quarter/pack.py .gpu --speech DIR [DIR ...] \\
        --noise DIR [--python 3.12] [--megabytes 32]

Speech and noise are folders with train, valid and test, the former of
LibriSpeech's shape, with SPEAKERS.TXT. They are kept as Ogg Vorbis at 8 kHz:
a recording of every reader, another and so on, until the size is reached. Test
and validation get a tenth of it each, training the rest: few recordings are
learned by heart within minutes. Packages are those that torch's usual
surroundings lack.
"""

import argparse
import os
import subprocess
import sys
from itertools import chain, zip_longest
from pathlib import Path

import soundfile

from speechbrain_spmamba.audio import resample

RATE = 8000
SHARES = {"test": 0.1, "valid": 0.1}  # of the room; training gets the rest
MAMBA = "mamba-ssm==2.3.2.post1"
PACKAGES = """
    speechbrain hyperpyyaml ruamel.yaml<0.19 ruamel.yaml.clib
    soundfile soxr cffi pycparser pyloudnorm pyroomacoustics
    cyclopts docstring_parser rich_rst docutils
""".split()
PLATFORMS = [f"manylinux_2_{n}_x86_64" for n in (17, 24, 27, 28, 31, 34)]


def pip(*arguments):
    """Runs pip; mamba-ssm's archive is not to be compiled."""
    subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--no-deps", "--quiet"],
        env={**os.environ, "MAMBA_SKIP_CUDA_BUILD": "TRUE"},
        check=True,
    )


def pack_packages(out, python):
    """Packages, unpacked, and mamba-ssm's source archive."""
    platforms = chain.from_iterable(("--platform", p) for p in PLATFORMS)
    pip(
        "install", "--target", str(out / "site"), "--upgrade",
        "--only-binary", ":all:", "--python-version", python,
        "--implementation", "cp", *platforms, "--no-compile", *PACKAGES,
    )  # fmt: skip
    pip(
        "download", "--dest", str(out), "--no-build-isolation",
        "--no-binary", ":all:", MAMBA,
    )  # fmt: skip
    (archive,) = out.glob("mamba_ssm-*.tar.gz")
    archive.replace(out / "mamba_ssm.tar.gz")


def recordings(folder):
    """Files of a split, a first of every reader, then a second ..."""
    readers = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".ogg", ".flac", ".wav"):
            reader = path.relative_to(folder).parts[0]
            readers.setdefault(reader, []).append(path)
    return filter(None, chain.from_iterable(zip_longest(*readers.values())))


def pack_split(source, out, room):
    """Copies recordings until there is no more room; returns what is left."""
    for path in recordings(source):
        if room <= 0:
            break
        wave, rate = soundfile.read(path, always_2d=True)
        kept = (out / path.relative_to(source)).with_suffix(".ogg")
        kept.parent.mkdir(parents=True, exist_ok=True)
        wave = resample(wave[:, 0], rate, RATE)
        with soundfile.SoundFile(kept, "w", RATE, channels=1) as file:
            # libsndfile crashes on minutes of Vorbis at once.
            for start in range(0, len(wave), RATE):
                file.write(wave[start : start + RATE])
        room -= kept.stat().st_size
    return room


def main():
    """Packs all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--speech", type=Path, nargs="+", required=True)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--megabytes", type=float, default=32, help="of audio")
    asked = parser.parse_args()
    pack_packages(asked.out, asked.python)
    corpus, room = asked.out / "corpus", asked.megabytes * 1e6
    speakers = [(f / "SPEAKERS.TXT").read_text() for f in asked.speech]
    (corpus / "speech").mkdir(parents=True, exist_ok=True)
    (corpus / "speech" / "SPEAKERS.TXT").write_text("".join(speakers))
    for split in ("test", "valid", "train"):
        share = SHARES.get(split, 1) * asked.megabytes * 1e6
        given = left = min(share, room)
        noise = corpus / "noise" / split
        left = pack_split(asked.noise / split, noise, left)
        for folder in asked.speech:
            speech = corpus / "speech" / split
            left = pack_split(folder / split, speech, left)
        room -= given - left
    print(f"room for {room / 1e6:.1f} MB more")


if __name__ == "__main__":
    main()
