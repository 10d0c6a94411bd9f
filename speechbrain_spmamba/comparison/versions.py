"""What a result was obtained with: versions and hardware."""

import importlib.metadata
import platform
from pathlib import Path

import torch

import speechbrain_spmamba

PACKAGES = ("torch", "speechbrain", "numpy")


def versions(device: str | None = None) -> dict:
    """Versions of what counts, and the names of the processors.

    Arguments
    ---------
    device : str, optional
        Where things run; its name is given if it is a GPU.

    Returns
    -------
    dict
        Name -> text.

    Example
    -------
    >>> sorted(versions("cpu"))
    ['cpu', 'numpy', 'python', 'speechbrain', 'speechbrain_spmamba', 'threads',
    'torch']
    """
    found = {
        "speechbrain_spmamba": speechbrain_spmamba.__version__,
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "threads": str(torch.get_num_threads()),
    }
    on_gpu = device is None or device.startswith("cuda")
    if on_gpu and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def cpu_name(path: str | Path = "/proc/cpuinfo") -> str:
    """The name of the processor.

    Arguments
    ---------
    path : str or Path
        Where Linux tells it.

    Returns
    -------
    str
        As the system gives it.

    Example
    -------
    >>> path = getfixture("tmp_path") / "cpuinfo"
    >>> _ = path.write_text("processor : 0\\nmodel name : Fast CPU 9\\n")
    >>> cpu_name(path)
    'Fast CPU 9'
    """
    if Path(path).is_file():
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
