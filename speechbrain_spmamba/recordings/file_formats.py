"""Formats of the files that voices are written to, and what each can hold.

WAV and FLAC give the samples back. MP3 and Opus, which is Ogg with Opus in it,
leave out what is hardly heard for files that are much smaller, and know few
rates. libsndfile writes them from version 1.1 on. Both say how many samples to
drop where they begin and end (LAME's tag; pre-skip and the last granule): what
libsndfile or ffmpeg reads is as long as what was written, and not late.

From `options` and `source_writer`; to soundfile.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileFormat:
    """What libsndfile takes for a format.

    Arguments
    ---------
    container : str
        libsndfile's name of the format.
    subtypes : tuple of str
        Its names of sample formats.
    channels : int
        How many at most.
    fastest : int
        The highest rate in Hz.
    rates : tuple of int
        All rates in Hz, rising; none where any will do.
    """

    container: str
    subtypes: tuple
    channels: int = 1024
    fastest: int = 1 << 31
    rates: tuple = ()


# Suffix of the files -> format.
FORMATS = {
    "wav": FileFormat("WAV", ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
    "flac": FileFormat("FLAC", ("PCM_16", "PCM_24"), 8, 655_350),
    "mp3": FileFormat(
        "MP3",
        ("MPEG_LAYER_III",),
        2,
        48000,
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "opus": FileFormat(
        "OGG", ("OPUS",), 255, 48000, (8000, 12000, 16000, 24000, 48000)
    ),
}


def check_format(name: str, subtype: str | None = None) -> None:
    """Says no to a format that there is not, or not with this libsndfile.

    Arguments
    ---------
    name : str
        Of ``FORMATS``.
    subtype : str, optional
        A sample format that it has to hold.

    Raises
    ------
    ValueError
        It is none of them, does not hold the samples, or libsndfile is too
        old for it or was built without it.

    Example
    -------
    >>> check_format("flac", "PCM_24")
    >>> check_format("flac", "FLOAT")
    Traceback (most recent call last):
        ...
    ValueError: flac holds no FLOAT; choose PCM_16, PCM_24
    """
    if name not in FORMATS:
        *most, last = FORMATS
        raise ValueError(
            f"--format is {name}; expected {', '.join(most)} or {last}"
        )
    known = FORMATS[name].subtypes
    if subtype is not None and subtype not in known:
        raise ValueError(
            f"{name} holds no {subtype}; choose {', '.join(known)}"
        )
    import soundfile  # not for the help of a command

    if known[0] not in soundfile.available_subtypes(FORMATS[name].container):
        raise ValueError(
            f"libsndfile {soundfile.__libsndfile_version__} of this "
            f"installation writes no {name}; `pip install -U soundfile` brings "
            "one that does, or choose --format wav or flac"
        )


def file_rate(name: str, sample_rate: int) -> int:
    """The rate of a file, in Hz: the wanted one, or the next higher there is.

    Arguments
    ---------
    name : str
        Of ``FORMATS``.
    sample_rate : int
        The wanted one, in Hz.

    Returns
    -------
    int
        Above the highest of the format, the highest.

    Example
    -------
    >>> [file_rate("opus", rate) for rate in (8000, 11025, 44100, 96000)]
    [8000, 12000, 48000, 48000]
    >>> file_rate("wav", 44100)
    44100
    """
    rates = FORMATS[name].rates or (sample_rate,)
    return min((r for r in rates if r >= sample_rate), default=rates[-1])


def container(path):
    """libsndfile's name of the format that the suffix of a path names.

    Example
    -------
    >>> from pathlib import Path
    >>> container(Path("a.opus")), container(Path("a.aiff"))
    ('OGG', 'AIFF')
    """
    suffix = path.suffix[1:].lower()
    return FORMATS[suffix].container if suffix in FORMATS else suffix.upper()
