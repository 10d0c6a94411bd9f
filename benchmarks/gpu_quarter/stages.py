"""What the quarter of an hour consists of: commands with a limit of time.

The order is that of worth: should the time end early, what came first is there.
The published scan is compiled beside the first stages, and what compares with
it comes last. Limits are for an H100 that has compiled none of our kernels.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = "benchmarks/gpu_quarter"
RECIPE = "recipes/Voices/hparams/voices-8k-2.yaml"
SIZES = {"train": 3000, "valid": 60, "test": 300}  # mixtures
TINY_SIZES = {"train": 8, "valid": 2, "test": 2}


@dataclass(frozen=True)
class Stage:
    """A command with a limit.

    Arguments
    ---------
    name : str
        For the log.
    seconds : float
        After which it is stopped.
    command : str
        Arguments of the Python interpreter, in the repository's root.
    after : str
        A stage in the background that is waited for; where it failed, this one
        is left out.
    """

    name: str
    seconds: float
    command: str
    after: str = ""


def gpu_tests():
    """Files with tests that need a GPU: to collect all takes a minute."""
    return sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    )


def background(given, work, tiny):
    """What takes processors alone: the published scan, and the mixtures.

    Arguments
    ---------
    given : Path
        What travelled: ``corpus`` and ``mamba_ssm.tar.gz``, see ``pack.py``.
    work : Path
        Folder for what is not kept.
    tiny : bool
        Sizes that take a CPU seconds.
    """
    archive = shlex.quote(str(given / "mamba_ssm.tar.gz"))
    folder = shlex.quote(str(work / "mamba_ssm"))
    prepare = f"-m speechbrain_spmamba.cli prepare {RECIPE}"
    settings = experiment(given, work, tiny)
    return [
        Stage("build", 280, f"{HERE}/build_mamba_ssm.py {archive} {folder}"),
        Stage("mixtures", 280, f"{prepare} {settings}"),
    ]


def measure(device, tiny):
    """Tests, speed and memory, and the same beside the published scan.

    Arguments
    ---------
    device : str
        "cuda", or "cpu" to try it.
    tiny : bool
        Sizes that take a CPU seconds.
    """
    tests = f"-m pytest -o addopts= -q -m gpu -n {2 if tiny else 8}"
    runs = "--runs 2 --tiny" if tiny else "--runs 10"
    whole, short = (0.1, 0.1) if tiny else (4, 1)
    model = f"benchmarks/model.py --device {device} {runs}"
    scan = f"benchmarks/scan.py --device {device} {runs}"
    ours = f"{model} --published-runs 0"
    variants = f"benchmarks/scan_variants.py --device {device} {runs}"
    profile = f"{HERE}/profile_step.py --device {device}"
    return [
        Stage("tests", 110, f"{tests} {' '.join(gpu_tests())}"),
        Stage("model", 60, f"{ours} --seconds {whole}"),
        Stage("batch of four", 45, f"{ours} --seconds {whole} --batch 4"),
        Stage("a second", 25, f"{ours} --seconds {short} --only inference"),
        Stage("profile", 45, f"{profile} {'--tiny' if tiny else ''}"),
        Stage("scan", 30, scan),
        Stage("scan backward", 40, f"{scan} --backward"),
        Stage("published model", 60, f"{model} --seconds {whole}", "build"),
        Stage("published scan", 30, scan, "build"),
        Stage("published backward", 40, f"{scan} --backward", "build"),
        Stage("variants of the scan", 60, variants),
    ]


def train(device, given, work, tiny, minutes):
    """The recipe of the package's model, from the weights that stand.

    Arguments
    ---------
    device, given, work, tiny : str, Path, Path, bool
        As above.
    minutes : float
        Of training; validation and test take another.
    """
    settings = experiment(given, work, tiny)
    limit = f'--epoch_counter "{{max_minutes: {minutes}}}"'
    return Stage(
        "training",
        60 * minutes + 60,
        f"train.py {RECIPE} {settings} --device {device} --noprogressbar "
        f"--start_from voices-8k-2 {limit}",
    )


def experiment(given, work, tiny):
    """Keys of the recipe that differ here, for a command line.

    The batch is larger than on a CPU, in bfloat16.
    """
    sizes = TINY_SIZES if tiny else SIZES
    splits = ", ".join(
        f"{name}: {{speech: [{name}], noise: {name}, mixtures: {mixtures}}}"
        for name, mixtures in sizes.items()
    )
    keys = {
        "data_folder": given / "corpus",
        "speech_folder": given / "corpus" / "speech",
        "noise_folder": given / "corpus" / "noise",
        "mixture_folder": work / "mixtures",
        "output_folder": work / "run",
        "splits": f"{{{splits}}}",
        "prepare_jobs": 1 if tiny else 6,
        "batch_size": 2 if tiny else 16,
        "num_workers": 0 if tiny else 8,
        "precision": "bf16",
    }
    return shlex.join(f"--{key}={value}" for key, value in keys.items())
