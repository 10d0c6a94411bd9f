"""Files of a model from the Hugging Face Hub, or a clear no.

What was fetched before is used without a network. Everything else begins with
one short question, for the Hub's own client tries for half a minute to reach
what may be nothing but a misspelt folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from speechbrain.utils.fetching import fetch

if TYPE_CHECKING:
    from speechbrain.utils.fetching import FetchConfig


SECONDS = 5  # until the Hub counts as out of reach


def fetch_files(
    source: str,
    needed: Iterable[tuple[str, ...]],
    optional: str,
    config: FetchConfig,
    **options: Any,
) -> list[Path]:
    """Fetches files of a repository.

    Arguments
    ---------
    source : str
        ``user/model``.
    needed : iterable of tuple of str
        Files that it must have, each by the names that it may have: the first
        that is there counts.
    optional : str
        One that it may have.
    config : speechbrain.utils.fetching.FetchConfig
        What may be fetched, and how.
    **options : dict
        ``savedir`` and ``local_strategy``, for ``fetch``.

    Returns
    -------
    list of Path
        Where they are now; the other file is beside them.

    Raises
    ------
    ValueError
        There is no such repository or file, or the Hub cannot be reached.
    """
    if not config.allow_updates:
        offline = replace(config, allow_network=False)
        options_offline = {"fetch_config": offline, **options}
        with suppress(LocalEntryNotFoundError):  # not fetched before
            paths = [_first(names, source, options_offline) for names in needed]
            with suppress(LocalEntryNotFoundError):  # older ones have none
                fetch(optional, source, **options_offline)
            return paths
    there = files_on_hub(source, config)
    wanted = []
    for names in needed:
        found = [name for name in names if name in there]
        if not found:
            raise ValueError(
                f"{source} on the Hugging Face Hub is no model folder: it has "
                f"no {' or '.join(names)}"
            )
        wanted.append(found[0])
    try:
        paths = [
            fetch(name, source, fetch_config=config, **options)
            for name in (*wanted, *({optional} & there))
        ]
    # Its kind depends on the client that the Hub's library is built on.
    except Exception as error:
        raise ValueError(
            f"{source} could not be fetched from the Hugging Face Hub: "
            f"{_reason(error)}"
        ) from None
    return paths[: len(wanted)]


def _first(names, source, options):
    """The first of some files that was fetched before; else an error."""
    for name in names[:-1]:
        with suppress(LocalEntryNotFoundError):
            return fetch(name, source, **options)
    return fetch(names[-1], source, **options)


def files_on_hub(source, config):
    """Names of the files of a repository."""
    missing = f"there is no folder {source}, and "
    if not config.allow_network:
        raise ValueError(f"{missing}it was not fetched from the Hub before")
    try:
        info = huggingface_hub.HfApi().model_info(
            source,
            revision=config.revision,
            token=config.token,
            timeout=SECONDS,
        )
    except HfHubHTTPError as error:
        raise ValueError(
            f"{missing}no model of that name that may be read on the Hugging "
            f"Face Hub ({_reason(error)})"
        ) from None
    except Exception as error:
        raise ValueError(
            f"{missing}the Hugging Face Hub, on which {source} could be a "
            f"model, cannot be reached ({_reason(error)}); a model of the Hub "
            "needs a network the first time"
        ) from None
    return {file.rfilename for file in info.siblings}


def _reason(error):
    """An error in a few words."""
    text = " ".join(str(error).split())[:100]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
