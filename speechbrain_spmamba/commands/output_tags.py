"""Outputs say what they were made of, so that only what is done is skipped.

Every voice carries a tag in its comment field: digests of the recording, of
its path, and of the model and the options; then what was written with it: how
many voices, for that is not known before, and a digest of each text. A run
that would write the same outputs finds its own tags and skips them. Outputs of
the same recording by another model or with other options are out of date and
made again, as are those of a recording that has changed; what is then one
voice too many is removed. Anything else under the same names is neither taken
for done, nor replaced unasked, nor removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from speechbrain_spmamba.files.checksums import file_sum
from speechbrain_spmamba.files.names import native, shown
from speechbrain_spmamba.recordings.options import SeparationOptions

if TYPE_CHECKING:
    import torch


PREFIX = "spmamba"
DIGITS = 16  # of each digest
DEFAULT = SeparationOptions()
# Of texts that say that nobody talks, with which nothing is lost.
NOBODY, SMALL = b'"talkers": []', 1 << 16  # bytes
EMPTY = hashlib.sha256(b"").hexdigest()[:DIGITS]


def digest_of_model(model: torch.nn.Module, settings: bytes = b"") -> str:
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


def make_tag(path: str | Path, digest: str, options: SeparationOptions) -> str:
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
    taken for done: what is not chosen is left out, with one exception. They
    wrote all outputs unless they were told how many.
    """
    values = {k: v for k, v in vars(options).items() if k != "batch"}
    every = values.pop("all_outputs") or options.speakers is not None
    first = ("format", "subtype", "keep_rate", "speakers")
    rest = sorted(
        (name, value)
        for name, value in values.items()
        if name not in first
        and (name == "mixture_consistent" or value != getattr(DEFAULT, name))
    )
    rest += [] if every else [("who", "speaks")]
    return *(values[name] for name in first), tuple(rest)


def whole_tag(tag: str, count: int, texts: Iterable[str]) -> str:
    """A tag with what is written at once.

    Arguments
    ---------
    tag : str
        See ``make_tag``; empty for a recording that cannot be read twice.
    count : int
        How many voices.
    texts : iterable of str
        What is written beside them.

    Returns
    -------
    str
        For the comment field; empty without a tag.

    Example
    -------
    >>> whole_tag("spmamba a b c", 2, ["text"])
    'spmamba a b c 2 982d9e3eb996f559'
    """
    sums = [_digest(text.encode()) for text in texts]
    return " ".join([tag, str(count), *sums]) if tag else ""


class Earlier:
    """What lies where the outputs of a recording go.

    Arguments
    ---------
    voices : list of Path
        Voices that there may be, in their order.
    tag : str
        Tag of the recording, see ``make_tag``; empty for one that cannot be
        read twice, of which nothing is ever taken for done.
    texts : iterable of Path
        Texts that there may be.
    siblings : iterable of Path
        Voices in other formats, to which texts may belong as well.
    """

    def __init__(
        self,
        voices: list[Path],
        tag: str,
        texts: Iterable[Path] = (),
        siblings: Iterable[Path] = (),
    ) -> None:
        self.wanted = tag.split()
        there = {p: _comment(p).split() for p in voices if p.exists()}
        self.own = {path: t for path, t in there.items() if self._is_own(t)}
        self.foreign = [path for path in there if path not in self.own]
        self.sums = {path: _sum(path) for path in texts if path.exists()}
        others = [_comment(path).split() for path in siblings if path.exists()]
        self.others = [tag for tag in others if self._is_own(tag)]

    def check_free(self, voices, texts=()):
        """Raises ValueError for what is there and not of this recording."""
        ours = {EMPTY, *_sums_in([*self.own.values(), *self.others])}
        for path in [*voices, *texts]:
            if path in self.foreign or self.sums.get(path, EMPTY) not in ours:
                raise ValueError(
                    f"{shown(path)} exists and is not of this recording; "
                    "give another output folder, or --overwrite"
                )

    def done(
        self, voices: list[Path], texts: Iterable[Path] = ()
    ) -> list[Path]:
        """The outputs, if they were made as they would be made now.

        Arguments
        ---------
        voices : list of Path
            One an output of the model, or as many as are wanted.
        texts : iterable of Path
            Those that are wanted.

        Returns
        -------
        list of Path
            Voices and texts; none if one is missing, out of date or too many.
        """
        tags = list(self.own.values())
        if not tags or not self._is_current(tags[0]):
            return []
        # Earlier versions knew how many there would be, and told none.
        count = int((tags[0][4:] or [len(voices)])[0])
        outputs = [*voices[:count], *texts]
        whole = list(self.own) == voices[:count] and all(
            self._is_current(tag) for tag in tags
        )
        whole &= all(self.sums.get(path) in tags[0][5:] for path in texts)
        return outputs if whole else []

    def clear(self, written: list[Path]) -> tuple[list[Path], list[Path]]:
        """Removes what is of this recording and was not written anew.

        Arguments
        ---------
        written : list of Path
            The outputs.

        Returns
        -------
        removed, left : list of Path
            What was removed; what is not of this recording, stays, and looks
            as if it were another voice.
        """
        ours = _sums_in(self.own.values()) - {EMPTY}
        texts = [path for path, one in self.sums.items() if one in ours]
        removed = [p for p in [*self.own, *texts] if p not in written]
        for path in removed:
            path.unlink(missing_ok=True)
        return removed, [p for p in self.foreign if p not in written]

    def _is_own(self, tag):
        """The same content or path: a moved recording, or one that changed."""
        alike = len(tag) > 3 and len(self.wanted) == 4 and tag[0] == PREFIX
        return alike and bool(set(tag[1:3]) & set(self.wanted[1:3]))

    def _is_current(self, tag):
        return tag[1] == self.wanted[1] and tag[3] == self.wanted[3]


def _sums_in(tags):
    """Digests of the texts that were written with tagged voices."""
    return {word for tag in tags for word in tag[5:]}


def _digest(content):
    """Of a text, as bytes."""
    digest = hashlib.sha256(content).hexdigest()[:DIGITS]
    return EMPTY if NOBODY in content else digest


def _sum(path):
    """The digest of a file of text; none of what is no such file."""
    try:
        if path.stat().st_size < SMALL:
            return _digest(path.read_bytes())
        return file_sum(path)[:DIGITS]
    except OSError:
        return ""


def _comment(path):
    """The comment field of an audio file; empty if it is none."""
    try:
        with soundfile.SoundFile(native(path)) as file:
            return file.comment
    except (soundfile.SoundFileError, OSError):
        return ""
