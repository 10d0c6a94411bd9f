"""Outputs say what they were made of, so that only what is done is skipped.

Every output carries a tag in its comment field: digests of the recording, of
its path, and of the model and the options. A run that would write the same
outputs finds its own tags and skips them. Outputs of the same recording by
another model or with other options are out of date and made again, as are
those of a recording that has changed. Anything else under the same names is
neither taken for done nor replaced unasked.
"""

import hashlib
import os
from pathlib import Path

import soundfile

from speechbrain_spmamba.files.checksums import file_sum
from speechbrain_spmamba.files.names import native, shown
from speechbrain_spmamba.recordings.options import SeparationOptions

PREFIX = "spmamba"
DIGITS = 16  # of each digest
DEFAULT = SeparationOptions()


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


def make_tag(path, digest, options):
    """The tag of the outputs of a recording.

    Arguments
    ---------
    path : str or Path
        The recording.
    digest : str
        That of the model.
    options : speechbrain_spmamba.recordings.options.SeparationOptions
        How it is separated.

    Returns
    -------
    str
        For the comment field of the outputs.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> path.write_bytes(b"some samples")
    12
    >>> make_tag(path, "model", SeparationOptions())
    'spmamba ...'
    """
    place = os.fsencode(os.path.abspath(path))
    made = repr((digest, *_deciding(options))).encode()
    sums = [hashlib.sha256(part).hexdigest() for part in (place, made)]
    return " ".join([PREFIX, *(s[:DIGITS] for s in (file_sum(path), *sums))])


def _deciding(options):
    """The options that decide what comes out: all but ``batch``.

    In the form that earlier versions gave them, so that their outputs are
    taken for done: what is not chosen is left out, with one exception.
    """
    values = {k: v for k, v in vars(options).items() if k != "batch"}
    first = ("format", "subtype", "keep_rate", "speakers")
    rest = sorted(
        (name, value)
        for name, value in values.items()
        if name not in first
        and (name == "mixture_consistent" or value != getattr(DEFAULT, name))
    )
    return *(values[name] for name in first), tuple(rest)


def is_done(paths, tag):
    """Whether outputs are there and were made as they would be made now.

    Arguments
    ---------
    paths : list of Path
        All outputs of one recording.
    tag : str
        Their tag; empty for a recording that cannot be read twice, of which
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
        found, wanted = _comment(path).split(), tag.split()
        tagged = len(found) == len(wanted) == 4 and found[0] == PREFIX
        # The same content or path: a moved recording, or one that changed.
        if not tagged or not set(found[1:3]) & set(wanted[1:3]):
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
