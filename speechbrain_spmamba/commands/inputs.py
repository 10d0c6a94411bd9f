"""From what was named on the command line to recordings and output names.

Names may be files, folders, patterns and ``-``. The output tree mirrors the
input: ``in/day1/a.wav`` of the folder ``in`` becomes ``out/day1/a_s1.wav``. Two
recordings never share an output name: they keep their suffix, then as much of
their folders as tells them apart.
"""

import glob
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from speechbrain_spmamba.files.audio_files import audio_files
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.recordings.segments import text_path
from speechbrain_spmamba.recordings.separation import source_paths

STANDARD = "-"  # standard input


@dataclass(frozen=True)
class Input:
    """A recording and where its sources go.

    Arguments
    ---------
    source : str
        Path of the recording, or ``-``.
    stem : Path
        Output path without ``_s1.wav``.
    """

    source: str
    stem: Path

    def paths(self, count, format="wav"):
        """Output paths of ``count`` sources."""
        return source_paths(self.stem, count, format)

    def texts(self, forms):
        """Path -> form of the texts that say who speaks when."""
        return {text_path(self.stem, form): form for form in forms}


def find_inputs(
    names: list[str], output_folder: str | Path
) -> tuple[list[Input], list[str]]:
    """Finds all recordings.

    Arguments
    ---------
    names : list of str
        Files, folders, patterns (``*``, ``?``, ``[...]``, ``**``), ``-``.
    output_folder : str or Path
        Root of the outputs.

    Returns
    -------
    inputs : list of Input
        One a recording, in order, none twice.
    errors : list of str
        A line for each folder or pattern that holds no audio.

    Raises
    ------
    ValueError
        The output folder is an input folder.

    Example
    -------
    >>> inputs, errors = find_inputs(["x/a.wav", "y/a.wav"], "out")
    >>> [path.as_posix() for one in inputs for path in one.paths(1)]
    ['out/x/a_s1.wav', 'out/y/a_s1.wav']
    """
    output, errors = Path(output_folder), []
    found = {}  # absolute path -> name as given, place below the output folder

    def add(path, place):
        found.setdefault(os.path.abspath(path), (str(path), place))

    for name in names:
        if name == STANDARD:
            add(name, Path("stdin"))
        elif not name:
            errors.append("a name is empty; give a file, a folder or -")
        elif os.path.isdir(name):
            if os.path.abspath(name) == os.path.abspath(output):
                raise ValueError(
                    f"{shown(name)} is input and output; give another output "
                    "folder, --output FOLDER"
                )
            below, unreadable = audio_files(name, leave_out=output)
            for path in below:
                add(path, path.relative_to(name))
            errors += unreadable
            if not below and not unreadable:
                errors.append(f"{shown(name)} holds no audio")
        elif glob.has_magic(name) and not os.path.lexists(name):
            root = _fixed_part(name)
            below_root = str(Path(name).relative_to(root))
            matches, unreadable = audio_files(root, below_root)
            for path in matches:
                add(path, path.relative_to(root))
            errors += unreadable
            if not matches and not unreadable:
                errors.append(f"{shown(name)} matches no audio file")
        else:
            add(name, Path(Path(name).name))
    stems = _stems({path: place for path, (_, place) in found.items()})
    inputs = [
        Input(name, output / stems[path]) for path, (name, _) in found.items()
    ]
    return inputs, errors


def _stems(places):
    """An output stem for each absolute path, no two alike."""
    folders = {os.path.dirname(path) for path in places}
    root = os.path.commonpath(folders) if folders else ""

    def from_root(path):
        return Path(os.path.relpath(path, root))

    stems = {path: _bare(place) for path, place in places.items()}
    # What collides keeps its suffix, or its folders, or both.
    for style in (
        places.get,
        lambda path: _bare(from_root(path)),
        from_root,
    ):
        for path in _colliding(stems):
            stems[path] = style(path)
    for path in _colliding(stems):
        raise ValueError(
            f"{shown(path)} and another file would both become "
            f"{shown(stems[path])}; separate them into different folders"
        )
    return stems


def _bare(path):
    return path.with_suffix("")


def _colliding(stems):
    """Paths that share their stem with another path."""
    by_stem = defaultdict(list)
    for path, stem in stems.items():
        by_stem[stem].append(path)
    return [path for group in by_stem.values() if group[1:] for path in group]


def _fixed_part(pattern):
    """The folder of a pattern above its first part with a wildcard."""
    parts = Path(pattern).parts
    count = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:count])
