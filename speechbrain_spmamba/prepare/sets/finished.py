"""From folders of finished mixtures to manifests, whatever the data set.

A data set's own module says where its parts are and how its files are named;
here they are found, matched by name, checked by their headers and written.
Nothing is decoded and no audio is written, so the data may be read-only.
"""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from speechbrain_spmamba.audio import check_rate, open_audio
from speechbrain_spmamba.files.audio_files import audio_files
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.prepare.corpora.roots import one_folder
from speechbrain_spmamba.prepare.provenance import Provenance

DEEPEST = 9  # levels below the given folder that are searched
MOST_FOLDERS = 5000  # folders that are searched


def write_manifests(
    folder: str | Path,
    output_folder: str | Path,
    settings: dict,
    find: Callable,
    jobs: int = 1,
) -> dict:
    """Writes one manifest a split; returns at once when all are there.

    Arguments
    ---------
    folder : str or Path
        Folder above all audio files, ``$data_root`` of the manifests; it may
        be another one than before.
    output_folder : str or Path
        Gets ``<split>.csv``.
    settings : dict
        What the manifests depend on beside ``folder``, as JSON can hold it:
        ``splits``, split name -> what ``find`` understands; ``sample_rate``,
        the rate in Hz that all files must have, or None; and any others.
        Other settings need another output folder.
    find : callable
        Takes the absolute folder and a value of ``splits``, and returns
        ID -> {column: path}; the path of a silent source is empty.
    jobs : int
        Threads that read headers.

    Returns
    -------
    dict
        Split name -> path of its manifest.

    Raises
    ------
    ValueError
        Manifests of other settings or files, or files that do not fit
        together.
    """
    root = one_folder(folder)
    provenance = Provenance(output_folder, settings, {"folder": root})
    if provenance.is_finished():
        return provenance.manifests
    # Everything is looked at before anything is written.
    rows = {
        split: check_items(
            find(root, where), settings["sample_rate"], split, jobs
        )
        for split, where in settings["splits"].items()
    }
    provenance.write(
        path
        for row in sum(rows.values(), [])
        for key, path in row.items()
        if key.endswith("_wav") and path
    )
    for split, path in provenance.manifests.items():
        write_manifest(path, rows[split], root)
    return provenance.manifests


def name_parts(mix: str, sources: list[str], noise: str | None = None) -> dict:
    """The columns of a manifest for the parts of a mixture.

    Arguments
    ---------
    mix : str
        What the mixture is called: a folder, or the like.
    sources : list of str
        The same of its sources.
    noise : str, optional
        The same of its noise, if there is any.

    Returns
    -------
    dict
        Column -> name.

    Example
    -------
    >>> name_parts("mix", ["s1", "s2"])
    {'mix_wav': 'mix', 's1_wav': 's1', 's2_wav': 's2'}
    """
    parts = {"mix_wav": mix}
    parts.update({f"s{i}_wav": name for i, name in enumerate(sources, 1)})
    if noise:
        parts["noise_wav"] = noise
    return parts


def locate(folder: str | Path, inside: list[str], tree: str) -> Path:
    """Finds the folder that holds some subfolders, at whatever depth.

    Archives are packed with and without their top folder, some with the
    absolute path of the machine they were made on.

    Arguments
    ---------
    folder : str or Path
        Where to look; the nearest fit is taken.
    inside : list of str
        Relative paths of the folders that must be there.
    tree : str
        What was expected and where to get it, for the message.

    Returns
    -------
    Path
        The folder that holds them.

    Raises
    ------
    ValueError
        No such folder.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "mnt" / "set" / "tr").mkdir(parents=True)
    >>> locate(folder, ["tr"], "tr/").name
    'set'
    """
    top = Path(folder).absolute()
    if not top.is_dir():
        raise ValueError(f"{folder} is no folder; expected {tree}")
    waiting, seen = deque([(top, 0)]), 0
    while waiting and seen < MOST_FOLDERS:
        here, depth = waiting.popleft()
        seen += 1
        if all((here / path).is_dir() for path in inside):
            return here
        if depth < DEEPEST:
            waiting.extend((below, depth + 1) for below in _folders(here))
    raise ValueError(
        f"{folder} has no {', '.join(inside)} at any level; expected {tree}; "
        f"found {_some(path.name for path in _folders(top))}"
    )


def match_parts(
    folder: Path,
    parts: dict,
    tree: str,
    num_spks: int | None = None,
    silent: Sequence[str] = (),
) -> dict:
    """Matches the files of some folders by their names.

    Arguments
    ---------
    folder : Path
        Holds a folder for each part.
    parts : dict
        Column of the manifest -> name of the folder.
    tree : str
        What was expected, for the message.
    num_spks : int, optional
        Where given, a folder for one more source is an error: the mixtures
        would hold a talker that nobody is asked for.
    silent : list of str
        As for ``join_parts``.

    Returns
    -------
    dict
        ID -> {column: path}; IDs are the files' names.

    Raises
    ------
    ValueError
        A folder is missing or empty, or a file has no namesake.
    """
    files = {}
    for column, part in parts.items():
        if not (folder / part).is_dir():
            found = _some(path.name for path in _folders(folder))
            raise ValueError(
                f"{folder} has no folder {part}; expected {tree}; found {found}"
            )
        files[column] = files_below(folder / part)
        if not files[column]:
            raise ValueError(f"{folder / part} holds no audio; expected {tree}")
    if num_spks and (folder / f"s{num_spks + 1}").is_dir():
        raise ValueError(
            f"{folder} holds s{num_spks + 1}, so more than {num_spks} talkers "
            "a mixture; set num_spks"
        )
    return join_parts(files, silent)


def join_parts(files: dict, silent: Sequence[str] = ()) -> dict:
    """Joins the files of one name.

    Arguments
    ---------
    files : dict
        Column -> {name: path}.
    silent : list of str
        Columns of sources that are silent where a name is missing.

    Returns
    -------
    dict
        Name -> {column: path}; the path of a silent source is empty.

    Raises
    ------
    ValueError
        A name is missing in another column.

    Example
    -------
    >>> join_parts({"mix_wav": {"a": "mix/a.wav"}, "s1_wav": {}})
    Traceback (most recent call last):
        ...
    ValueError: mix/a.wav has no namesake for s1_wav (0 of 1 files are ...
    """
    names = sorted(set().union(*files.values()))
    for column, paths in files.items():
        for name in names:
            if name not in paths and column not in silent:
                other = next(p[name] for p in files.values() if name in p)
                raise ValueError(
                    f"{other} has no namesake for {column} ({len(paths)} of "
                    f"{len(names)} files are there); complete the data or "
                    "remove the rest of this mixture"
                )
    return {
        name: {column: paths.get(name, "") for column, paths in files.items()}
        for name in names
    }


def files_below(folder: Path) -> dict:
    """Lists audio files below a folder by name.

    Arguments
    ---------
    folder : Path
        The folder.

    Returns
    -------
    dict
        Relative path without suffix, with ``_`` for ``/`` -> path.

    Raises
    ------
    ValueError
        Two files have one name, or a link leads to nothing.
    """
    files = {}
    paths, unreadable = audio_files(folder)
    if unreadable:
        raise ValueError(f"{unreadable[0]}; replace or remove it")
    for path in paths:
        name = "_".join(path.relative_to(folder).with_suffix("").parts)
        if name in files:
            raise ValueError(
                f"{files[name]} and {path} are both named {name}; keep one"
            )
        files[name] = path
    return files


def check_items(
    items: dict, sample_rate: int | None = None, name: str = "", jobs: int = 1
) -> list[dict]:
    """Makes manifest rows of matched files, by their headers.

    Arguments
    ---------
    items : dict
        ID -> {column: path}, empty where a source is silent.
    sample_rate : int, optional
        Wanted of all files, in Hz.
    name : str
        What is checked, for the progress bar and the message.
    jobs : int
        Threads.

    Returns
    -------
    list of dict
        Rows with ``ID``, ``duration`` in seconds and the paths.

    Raises
    ------
    ValueError
        Files that cannot be read, are empty, have another rate, or another
        length than their mixture. Benchmarks are scored as a whole, so that
        nothing is left out silently; the message counts the bad ones.
    """
    found = Parallel(n_jobs=jobs, prefer="threads")(
        delayed(_row)(item, files, sample_rate)
        for item, files in tqdm(
            items.items(), desc=f"checking {name}".strip(), disable=None
        )
    )
    bad = [row for row in found if isinstance(row, str)]
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(found)} mixtures {name} cannot be used; "
            f"first: {bad[0]}"
        )
    return found


def _row(item, files, sample_rate):
    """The row of a mixture, or what is wrong with it."""
    frames = {}
    try:
        for column, path in files.items():
            if path:
                with open_audio(path) as file:
                    check_rate(file, path, sample_rate)
                    frames[column] = file.frames
                    own_rate = file.samplerate
    except ValueError as error:
        return str(error)
    total = frames["mix_wav"]
    if not total:
        return f"{files['mix_wav']} is empty; replace or remove it"
    for column, length in frames.items():
        if length != total:
            return (
                f"{files[column]} has {length} samples, its mixture "
                f"{files['mix_wav']} has {total}; they must be equally long"
            )
    return {"ID": item, "duration": total / own_rate, **files}


def _folders(folder):
    """Subfolders, sorted; none where they may not be read."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.is_dir() and path.name[0] != "."
        )
    except PermissionError:
        return []


def _some(names):
    """The first few of what was found, for a message."""
    names = list(names)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(names[:8]) or "no folders") + more
