"""Speaker encoders of the toolkit, which tell voices apart.

A folder or a repository of the Hugging Face Hub that the toolkit's
``EncoderClassifier`` loads, such as its ECAPA-TDNN,
``speechbrain/spkrec-ecapa-voxceleb``. Its YAML file is a program, which is run:
whoever names an encoder here has to trust it, see ``commands.separate``.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain.utils.fetching import FetchConfig

from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.weights.model_folder import HUB_NAME

if TYPE_CHECKING:
    from speechbrain.inference.speaker import EncoderClassifier


KNOWN = "speechbrain/spkrec-ecapa-voxceleb"


@lru_cache(maxsize=1)
def load_encoder(source: str, device: str = "cpu") -> EncoderClassifier:
    """Loads a speaker encoder; it is kept for the next recording.

    Arguments
    ---------
    source : str
        Folder, or name on the Hub.
    device : str
        Where it runs.

    Returns
    -------
    speechbrain.inference.speaker.EncoderClassifier
        The encoder.

    Raises
    ------
    ValueError
        There is no such encoder, or it cannot be loaded.

    Example
    -------
    >>> load_encoder("nowhere")
    Traceback (most recent call last):
        ...
    ValueError: there is no folder nowhere ...
    """
    # Imported for who asks for an encoder.
    from huggingface_hub.errors import LocalEntryNotFoundError
    from speechbrain.inference.speaker import EncoderClassifier

    from speechbrain_spmamba.weights.hub import files_on_hub

    load = partial(
        EncoderClassifier.from_hparams, source, run_opts={"device": device}
    )
    if Path(source).is_dir():
        # A copy of a repository names the place that its weights were at.
        own = {"pretrained_path": source}
        with _explained(source):
            return load(overrides=own, overrides_must_match=False)
    if not HUB_NAME.fullmatch(source):
        raise ValueError(
            f"there is no folder {shown(source)} with a speaker encoder; give "
            f"one, or its name on the Hugging Face Hub: {KNOWN}"
        )
    with _explained(source), suppress(LocalEntryNotFoundError):
        return load(fetch_config=FetchConfig(allow_network=False))
    # The Hub's client would try for half a minute to reach it.
    files_on_hub(source, FetchConfig())
    with _explained(source):
        return load()


@contextmanager
def _explained(source):
    """Whatever is wrong with a folder, as one line."""
    try:
        yield
    # What a YAML file builds has many ways to fail.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ValueError(
            f"{shown(source)} is no speaker encoder that the toolkit's "
            f"EncoderClassifier loads, as {KNOWN} is: {reason}"
        ) from None
