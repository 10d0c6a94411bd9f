"""Which files are audio, and all of them below a folder.

Audio is what libsndfile reads, told by the suffix as soundfile itself tells a
format. Linked folders and files are followed, as `find -L` does.
"""

import fnmatch
import os
from functools import lru_cache
from pathlib import Path, PurePath

import soundfile

from speechbrain_spmamba.files.names import shown

# Suffixes beside the names of the formats, which are suffixes as well.
SUFFIXES = {
    "AIFF": ("aif", "aifc"),
    "AU": ("snd",),
    "IRCAM": ("sf",),
    "MP3": ("mp1", "mp2"),
    "NIST": ("sph",),
    "OGG": ("oga", "opus"),
    "SVX": ("8svx", "iff"),
    "WAV": ("wave",),
}
HEADLESS = "RAW"  # needs to be told its rate


@lru_cache(maxsize=1)
def audio_suffixes() -> frozenset[str]:
    """Suffixes of the formats that this libsndfile reads.

    Returns
    -------
    frozenset of str
        In lower case, with their dot.

    Example
    -------
    >>> {".wav", ".flac", ".aif", ".w64"} <= audio_suffixes()
    True
    """
    names = set(soundfile.available_formats()) - {HEADLESS}
    more = [suffix for name in names for suffix in SUFFIXES.get(name, ())]
    return frozenset(f".{name.lower()}" for name in [*names, *more])


def is_audio(path: str | Path) -> bool:
    """Whether a file is audio, by its name.

    Arguments
    ---------
    path : str or Path
        The file; it need not exist.

    Returns
    -------
    bool
        True for a suffix of ``audio_suffixes``, in any case.

    Example
    -------
    >>> is_audio("a.Opus"), is_audio("a.txt")
    (True, False)
    """
    return os.path.splitext(path)[1].lower() in audio_suffixes()


def audio_files(
    folder: str | Path,
    pattern: str = "**/*",
    leave_out: str | Path | None = None,
) -> tuple[list[Path], list[str]]:
    """Finds the audio files of a folder, also behind links.

    Arguments
    ---------
    folder : str or Path
        Where to look. Hidden files and folders are not seen.
    pattern : str
        Glob below the folder; ``**`` is any number of folders.
    leave_out : str or Path, optional
        A folder that is not entered.

    Returns
    -------
    paths : list of Path
        In the order of their parts. A folder that lies within itself by a
        link is entered once.
    unreadable : list of str
        A line for each link to nothing and each folder that cannot be listed.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("b.WAV", "a/c.opus", "a/notes.txt", ".hidden.wav"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> (folder / "d").symlink_to("a")
    >>> paths, unreadable = audio_files(folder)
    >>> [path.relative_to(folder).as_posix() for path in paths], unreadable
    (['a/c.opus', 'b.WAV', 'd/c.opus'], [])
    """
    folder, parts, unreadable = Path(folder), PurePath(pattern).parts, []
    left_out = leave_out and os.path.abspath(leave_out)
    paths = list(_walk(folder, (), parts, (), left_out, unreadable))
    return sorted(paths, key=lambda path: path.parts), unreadable


def _walk(folder, place, pattern, above, left_out, unreadable):
    """Audio files of a folder that lies at ``place``, ``above`` around it."""
    try:
        status = os.stat(folder)
        names = sorted(os.listdir(folder))
    except OSError:
        unreadable.append(f"{shown(folder)} cannot be listed")
        return
    own = status.st_dev, status.st_ino
    if own in above:
        return
    above = (*above, own)
    for name in names:
        path, parts = folder / name, (*place, name)
        if name.startswith("."):
            continue
        if left_out and os.path.abspath(path) == left_out:
            continue
        if os.path.isdir(path):
            if _fits(parts, pattern, partly=True):
                yield from _walk(
                    path, parts, pattern, above, left_out, unreadable
                )
        elif os.path.isfile(path):
            if is_audio(name) and _fits(parts, pattern):
                yield path
        elif os.path.islink(path):
            unreadable.append(f"{shown(path)} is a link to nothing")


def _fits(parts, pattern, partly=False):
    """Whether a path fits a glob, or a folder may hold what does."""
    if not parts:
        return bool(pattern) if partly else all(p == "**" for p in pattern)
    if not pattern:
        return False
    if pattern[0] == "**":
        return _fits(parts, pattern[1:], partly) or _fits(
            parts[1:], pattern, partly
        )
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(
        parts[1:], pattern[1:], partly
    )
