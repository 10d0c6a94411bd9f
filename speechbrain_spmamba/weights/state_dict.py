"""Weights of a stranger's file: read without believing what it says.

A file of ``torch.save`` is a zip archive of raw numbers and of a description,
a pickle, that lays tensors over them. ``weights_only`` runs nothing of it, but
a few bytes may still unpack, or stand for a tensor that repeats them, to
hundreds of gigabytes. So archives have to be stored as they are written,
tensors may not be larger than their file, and the file is mapped, not read,
until its tensors are known to fit. A file of safetensors holds numbers, names
and sizes alone, which its library checks.
"""

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn.modules import module as torch_modules

from speechbrain_spmamba.files.names import shown

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# What a module may register before it is built: the toolkit copies modules,
# and throws away what it copied.
SPARE = 100


def read_weights(path: str | Path) -> dict:
    """Reads a state dict; nothing of its numbers is looked at yet.

    Arguments
    ---------
    path : str or Path
        What ``torch.save`` wrote, or ``.safetensors``.

    Returns
    -------
    dict
        Name -> dense tensor on the CPU, a view of the file.

    Raises
    ------
    ValueError
        No such file, no weights, more than weights, or a file that claims to
        hold more than it does.

    Example
    -------
    >>> path = getfixture("tmp_path") / "net.ckpt"
    >>> torch.save({"w": torch.zeros(2)}, path)
    >>> read_weights(path)
    {'w': tensor([0., 0.])}
    """
    path = check_is_file(path)
    if path.suffix == ".safetensors":
        state = read_safetensors(path)
    else:
        check_archive(path)
        state = load_untrusted(path)
    if not isinstance(state, dict) or not state:
        raise ValueError(f"{path} holds no weights with names")
    try:
        check_tensors(state, path.stat().st_size)
    except ValueError as error:
        raise ValueError(f"{path} {error}; it was not loaded") from None
    # Without what an OrderedDict may carry, which can tell a module to take
    # tensors as they are.
    return dict(state)


def check_is_file(path):
    """The path, as ``Path``, of a file that is there; else ValueError."""
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {found}; a file of weights was expected")
    return path


def load_untrusted(path, allowed=()):
    """What ``torch.save`` wrote, on the CPU; an archive is mapped, not read.

    Its pickle may name plain values, tensors and what is ``allowed`` (see
    ``safe_globals`` of torch); for anything else there is a ValueError.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            mapped = zipfile.is_zipfile(path)  # older files cannot be
            return torch.load(path, "cpu", weights_only=True, mmap=mapped)
    # Whatever a damaged or made-up pickle leads to: dozens of kinds.
    except Exception as error:
        raise _no_weights(path, error) from None


def read_safetensors(path):
    """The tensors of a ``.safetensors`` file, on the CPU; else ValueError."""
    # Not at import: most files of weights are none.
    from safetensors.torch import load_file

    try:
        return load_file(path)
    # Of a damaged file, the library's own kind, the system's or torch's.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path} is no safetensors file ({reason}); it was not read"
        ) from None


def check_tensors(state: dict, most: int) -> None:
    """Refuses a state dict of other things than plain tensors with names.

    Arguments
    ---------
    state : dict
        What a file holds.
    most : int
        Bytes that the tensors may have together.

    Raises
    ------
    ValueError
        What is wrong with the file, as the rest of a sentence.

    Example
    -------
    >>> check_tensors({"w": torch.zeros(1).expand(9)}, most=8)
    Traceback (most recent call last):
        ...
    ValueError: claims to hold 36 bytes of weights, more than there are
    """
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise ValueError(
                f"has a weight with the name {str(name)[:40]!r}, which is no "
                "text"
            )
        if not _is_dense(tensor):
            raise ValueError(f"has '{shown(name[:80])}', no plain tensor")
    total = sum(t.numel() * t.element_size() for t in state.values())
    if total > most:
        raise ValueError(
            f"claims to hold {total} bytes of weights, more than there are"
        )


def check_archive(path: Path) -> None:
    """Refuses an archive that would unpack to more than its size.

    Arguments
    ---------
    path : Path
        A file of weights.

    Raises
    ------
    ValueError
        It is compressed, lists its bytes several times, or is none.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    # The archive's own fields may be anything, too.
    except Exception as error:
        raise _no_weights(path, error) from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError(
            f"{path} is compressed, as `torch.save` never writes it; it was "
            "not loaded"
        )
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError(
            f"{path} has {size} bytes and would unpack to more; it was not "
            "loaded"
        )


def _no_weights(path, error):
    """The error of a file that cannot be read."""
    cause = "" if isinstance(error, pickle.UnpicklingError) else "damaged, or "
    return ValueError(
        f"{path} is no file of weights: it is {cause}made by another program, "
        "or holds more than weights; it was not loaded"
    )


def _is_dense(tensor):
    """Whether it is a tensor whose numbers stand in memory one by one."""
    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and not tensor.is_nested
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
    )


def check_fit(state: dict, wanted: dict) -> None:
    """Compares weights with those that a network has.

    Arguments
    ---------
    state : dict
        From ``read_weights``.
    wanted : dict
        State dict of the network, on any device, also "meta".

    Raises
    ------
    ValueError
        Weights are missing, too many, of another shape, or of a kind that is
        not converted: floating point numbers of any width are.

    Example
    -------
    >>> layer = torch.nn.Linear(2, 1, device="meta")
    >>> check_fit({"weight": torch.zeros(1, 2)}, layer.state_dict())
    Traceback (most recent call last):
        ...
    ValueError: 'bias' is missing (1 of 2)
    """
    for there, other, problem in (
        (wanted, state, "is missing"),
        (state, wanted, "is unknown to it"),
    ):
        odd = [name for name in there if name not in other]
        if odd:
            raise ValueError(
                f"'{shown(odd[0][:80])}' {problem} ({len(odd)} of {len(there)})"
            )
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"'{name}' has shape {list(tensor.shape)}, expected "
                f"{list(wanted[name].shape)}"
            )
        found, expected = tensor.dtype, wanted[name].dtype
        if found != expected and not {found, expected} <= set(FLOATS):
            raise ValueError(
                f"'{name}' is of type {found}, expected {expected}"
            )


def load_weights(module: torch.nn.Module, state: dict) -> None:
    """Copies weights that fit (``check_fit``) into a network, in its precision.

    Arguments
    ---------
    module : torch.nn.Module
        The network.
    state
        As for ``check_fit``.
    """
    check_fit(state, module.state_dict())
    module.load_state_dict(state)


def check_finite(state):
    """Raises ValueError for weights that are of no use to anyone."""
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"'{name}' has numbers that are not finite")


@contextmanager
def limit_parameters(tensors: int) -> Iterator[None]:
    """Ends the building of a network that has many more weights than a file.

    Arguments
    ---------
    tensors : int
        Weights in the file.

    Example
    -------
    >>> with limit_parameters(1), torch.device("meta"):
    ...     layers = [torch.nn.Linear(1, 1) for _ in range(10**9)]
    Traceback (most recent call last):
        ...
    ValueError: it has more weights than the file, which has 1
    """
    left = 2 * tensors + SPARE

    def count(module, name, parameter):
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(
                f"it has more weights than the file, which has {tensors}"
            )

    handle = torch_modules.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
