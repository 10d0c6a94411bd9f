"""A recording of the web or of the Hugging Face Hub, named as the toolkit does.

path, as a user gives it -> here -> a path that can be opened
"""

import tempfile
from pathlib import Path
from typing import BinaryIO

from speechbrain.utils.data_utils import split_path
from speechbrain.utils.fetching import LocalStrategy, fetch

WEB = ("http://", "https://")


def fetched(
    path: str | Path | BinaryIO, savedir: str | Path | None = None
) -> str | Path | BinaryIO:
    """Where a recording is on this machine, once it is fetched if need be.

    Arguments
    ---------
    path : str, Path or binary file object
        What can be opened, a web address, or ``user/model/name`` of a file on
        the Hub. A file on this machine goes first, and stays where it is.
    savedir : str or Path, optional
        Keeps what is fetched; a file of that name there is not fetched again.
        Without, nothing is.

    Returns
    -------
    str, Path or binary file object
        What can be opened.

    Raises
    ------
    ValueError
        It cannot be fetched, or is on the web and there is no ``savedir``.

    Example
    -------
    >>> fetched("talk.wav", "there")
    'talk.wav'
    """
    if not isinstance(path, str) or Path(path).exists():
        return path
    on_web = path.startswith(WEB)
    if on_web and savedir is None:
        raise ValueError(
            f"{path} is a web address; say with savedir where it is to be kept"
        )
    # Only what cannot be meant as a file here is looked for on the Hub.
    parts = Path(path).parts
    on_hub = len(parts) > 2 and not Path(parts[0]).exists()
    if savedir is None or not (on_web or on_hub):
        return path
    source, name = split_path(path)
    kept = Path(savedir) / name
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Under its own name only when it is whole.
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            fetch(
                name,
                source=source,
                savedir=folder,
                local_strategy=LocalStrategy.COPY,
            ).rename(kept)
    # Its kind depends on where from, and on the Hub's client.
    except Exception as error:
        where = "the web" if on_web else "the Hugging Face Hub"
        reason = " ".join(str(error).split())[:150]
        raise ValueError(
            f"{path} is no file here, and could not be fetched from {where} "
            f"({type(error).__name__}: {reason})"
        ) from None
    return kept
