"""Outputs say what they were made of, so that only what is done is skipped.

Every output carries a mark in its comment field: digests of the recording, of
its path, and of the model and the settings. A run that would write the same
outputs finds its own marks and skips them. Outputs of the same recording by
another model or with other settings are out of date and made again, as are
those of a recording that has changed. Anything else under the same names is
neither taken for done nor replaced unasked.
"""

import hashlib
import os
from pathlib import Path

import soundfile

from speechbrain_spmamba.files.names import native, shown

PREFIX = "spmamba"
DIGITS = 16  # of each digest
BLOCK = 1 << 20  # bytes read at a time


def digest_of_model(model, settings=b""):
    """A digest of what a model computes.

    Arguments
    ---------
    model : torch.nn.Module
        The model.
    settings : bytes
        What it was built from.

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = hashlib.sha256(repr(model).encode() + settings)
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        array = tensor.detach().cpu().contiguous().view(-1)
        digest.update(array.double().numpy().tobytes())
    return digest.hexdigest()


def make_mark(path, *settings):
    """The mark of the outputs of a recording.

    Arguments
    ---------
    path : str or Path
        The recording.
    *settings : tuple
        Whatever else decides what comes out.

    Returns
    -------
    str
        For the comment field of the outputs.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> path.write_bytes(b"some samples")
    12
    >>> make_mark(path, "model", 10.0) == make_mark(path, "model", 10.0)
    True
    >>> make_mark(path, "model", 10.0) == make_mark(path, "model", 20.0)
    False
    """
    content = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            content.update(block)
    place = hashlib.sha256(os.fsencode(os.path.abspath(path)))
    digests = (content, place, hashlib.sha256(repr(settings).encode()))
    return " ".join([PREFIX, *(d.hexdigest()[:DIGITS] for d in digests)])


def is_done(paths, mark):
    """Whether outputs are there and were made as they would be made now.

    Arguments
    ---------
    paths : list of Path
        All outputs of one recording.
    mark : str or None
        Their mark; None for a recording that cannot be read twice, of which
        nothing is ever taken for done.

    Returns
    -------
    bool
        False if one is missing or out of date.

    Raises
    ------
    ValueError
        One is there that is not of this recording.
    """
    done = True
    for path in map(Path, paths):
        if not path.exists():
            done = False
            continue
        found, wanted = _comment(path).split(), (mark or "").split()
        marked = len(found) == len(wanted) == 4 and found[0] == PREFIX
        # The same content or path: a moved recording, or one that changed.
        if not marked or not set(found[1:3]) & set(wanted[1:3]):
            raise ValueError(
                f"{shown(path)} exists and is not of this recording; "
                "give another output folder, or --overwrite"
            )
        done &= found[1] == wanted[1] and found[3] == wanted[3]
    return done


def _comment(path):
    """The comment field of an audio file; empty if it is none."""
    try:
        with soundfile.SoundFile(native(path)) as file:
            return file.comment
    except (soundfile.SoundFileError, OSError):
        return ""
