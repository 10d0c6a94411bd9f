"""Files of a model from the Hugging Face Hub, or a clear no.

What was fetched before is used without a network. Everything else begins with
one short question, for the Hub's own client tries for half a minute to reach
what may be nothing but a misspelt folder.
"""

from dataclasses import replace

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from speechbrain.utils.fetching import fetch

SECONDS = 5  # until the Hub counts as out of reach


def fetch_files(source, names, optional, config, **options):
    """Fetches files of a repository.

    Arguments
    ---------
    source : str
        ``user/model``.
    names : iterable of str
        Files that it must have.
    optional : str
        One that it may have.
    config : speechbrain.utils.fetching.FetchConfig
        What may be fetched, and how.
    **options : dict
        ``savedir`` and ``local_strategy``, for ``fetch``.

    Returns
    -------
    list of Path
        Where ``names`` are now; the other file is beside them.

    Raises
    ------
    ValueError
        There is no such repository or file, or the Hub cannot be reached.
    """
    if not config.allow_updates:
        try:
            offline = replace(config, allow_network=False)
            paths = [
                fetch(name, source, fetch_config=offline, **options)
                for name in names
            ]
            _fetch_if_there(optional, source, offline, options)
            return paths
        except LocalEntryNotFoundError:
            pass  # not fetched before
    there = _files_on_hub(source, config)
    for name in names:
        if name not in there:
            raise ValueError(
                f"{source} on the Hugging Face Hub is no model folder: it has "
                f"no {name}"
            )
    wanted = [*names, *({optional} & there)]
    try:
        paths = [
            fetch(name, source, fetch_config=config, **options)
            for name in wanted
        ]
    # Its kind depends on the client that the Hub's library is built on.
    except Exception as error:
        raise ValueError(
            f"{source} could not be fetched from the Hugging Face Hub: "
            f"{_reason(error)}"
        ) from None
    return paths[: len(names)]


def _fetch_if_there(name, source, config, options):
    """Links a file that was fetched before; most have it, older ones not."""
    try:
        fetch(name, source, fetch_config=config, **options)
    except LocalEntryNotFoundError:
        pass


def _files_on_hub(source, config):
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
