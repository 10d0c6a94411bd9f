"""What a folder of mixtures is made with and made of, so that neither mixes.

``settings.json`` holds the settings, where the corpora were last seen, and what
the files are that mixtures are drawn from (``corpora/fingerprints.py``). It is
written before the first mixture: the next call with the same settings and
corpora completes the folder, one with others is refused. What counts is what
the files are, not where they lie: corpora and mixtures may move. Finished
mixtures are used without their corpora, too.
"""

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from speechbrain_spmamba.files.text import read_json
from speechbrain_spmamba.files.writing import write_json
from speechbrain_spmamba.prepare.corpora.fingerprints import (
    are_gone,
    describe_files,
    find_missing,
)
from speechbrain_spmamba.prepare.corpora.roots import find_roots, folder_list

logger = logging.getLogger(__name__)

NAME = "settings.json"
FILES = "files"  # key of what they are; older versions have none
ADVICE = "choose another folder or remove it"


class Provenance:
    """What a folder is made with and of.

    Arguments
    ---------
    output_folder : str or Path
        The folder. ``manifests`` are the paths in it, by split.
    settings : dict
        What mixtures depend on, as JSON can hold it, with the ``splits``.
        None is as good as missing.
    folders : dict
        ``speech_folder`` and the like -> a folder, a list of them, or None.

    Example
    -------
    >>> corpus = getfixture("tmp_path") / "corpus"
    >>> corpus.mkdir()
    >>> _ = (corpus / "a.wav").write_bytes(b"...")
    >>> def provenance():
    ...     folders = {"speech_folder": corpus}
    ...     return Provenance(corpus.parent / "out", {"seconds": 4}, folders)
    >>> provenance().write([corpus / "a.wav"])
    >>> corpus = corpus.rename(corpus.with_name("moved"))
    >>> provenance().check(finished=True)
    >>> _ = (corpus / "a.wav").write_bytes(b"....")
    >>> provenance().check(finished=True)
    Traceback (most recent call last):
        ...
    ValueError: .../out is made of another $speech/a.wav (3 bytes then, 4 ...
    """

    def __init__(
        self, output_folder: str | Path, settings: dict, folders: dict
    ) -> None:
        self.folder = Path(output_folder)
        # Through JSON, so that tuples and lists compare equal.
        self.settings = json.loads(json.dumps(settings))
        self.roots = find_roots(folders)
        self.places = {
            key: _places(some, key, self.folder)
            for key, some in folders.items()
        }
        self.manifests = {
            split: self.folder / f"{split}.csv"
            for split in settings.get("splits", ())
        }

    def is_finished(self) -> bool:
        """Whether all manifests are there, made with and of the same.

        Returns
        -------
        bool
            False where something is to be made.

        Raises
        ------
        ValueError
            As in ``check``.
        """
        finished = all(path.is_file() for path in self.manifests.values())
        self.check(finished)
        return finished

    def check(self, finished: bool) -> None:
        """Says no where the folder holds what was made otherwise.

        Arguments
        ---------
        finished : bool
            Whether all mixtures are there, so that corpora need not be.

        Raises
        ------
        ValueError
            Settings or files differ; the message names the first that does.
        """
        found = read_provenance(self.folder)
        if not found:
            return
        self._check_settings(found)
        if FILES not in found:
            self._check_older(found, finished)
        elif self._check_files(found[FILES], finished):
            self._keep_places(found)

    def write(self, paths: Iterable[str | Path]) -> None:
        """Writes down what the folder is made with and of.

        Arguments
        ---------
        paths : iterable of (str or Path)
            All files that mixtures are drawn from.

        Raises
        ------
        ValueError
            The folder was begun with other files.
        """
        files = describe_files(paths, self.roots)
        begun = (read_provenance(self.folder) or {}).get(FILES)
        if begun is not None and begun != files:
            new, lost = files.keys() - begun.keys(), begun.keys() - files.keys()
            first = min(new or lost or files)
            raise ValueError(
                f"{self.folder} was begun with other corpora ({len(new)} "
                f"files are new, {len(lost)} are gone, first {first}); make "
                f"them what they were, {ADVICE}"
            )
        self._save({**self.places, **self.settings, FILES: files})

    def _check_settings(self, found):
        """Compares all but where corpora lie; that there are any counts."""
        # The roots' names are what older versions called folders.
        apart = {FILES, *self.places, *self.roots}
        was = {k: value for k, value in found.items() if k not in apart}
        now = dict(self.settings)
        for key, places in self.places.items():
            if key in found and bool(found[key]) != bool(places):
                was[key], now[key] = found[key], places
        for key in dict.fromkeys([*now, *was]):
            one, other = was.get(key), now.get(key)
            if one == other:
                continue
            if isinstance(one, dict) and isinstance(other, dict):
                # Of laws with dozens of numbers, the one that differs.
                inner = dict.fromkeys([*other, *one])
                key = next(k for k in inner if one.get(k) != other.get(k))
                one, other = one.get(key), other.get(key)
            raise ValueError(
                f"{self.folder} holds mixtures made with {key}={one}, now "
                f"{key}={other}; {ADVICE}"
            )

    def _check_older(self, found, finished):
        """A folder of an older version, which kept no more than places."""
        if not finished:
            raise ValueError(
                f"{self.folder} was begun by an older version, which drew and "
                f"resampled in another way; {ADVICE}"
            )
        for key, places in self.places.items():
            was = found.get(key, found.get(key.removesuffix("_folder")))
            if was and places:
                now = [places] if isinstance(places, str) else places
                if [os.path.realpath(self.folder / was)] != [
                    os.path.realpath(self.folder / place) for place in now
                ]:
                    logger.warning(
                        "%s was made by an older version with %s=%s; that it "
                        "is the same as %s is taken for granted",
                        self.folder,
                        key,
                        was,
                        ", ".join(now),
                    )

    def _check_files(self, files, finished):
        """Whether all files are there; raises where they are others."""
        missing = find_missing(files, self.roots, self.folder)
        if not missing:
            return True
        text = (
            f"{len(missing)} of {len(files)} files that {self.folder} is "
            f"made of are not there, first {missing[0]}"
        )
        if not finished or not are_gone(missing, self.roots):
            raise ValueError(
                f"{text}; give the corpora that it was made of, {ADVICE}"
            )
        logger.warning("%s; its mixtures are used as they are", text)
        return False

    def _keep_places(self, found):
        """Notes where the corpora are now, for whoever reads them again."""
        if all(found.get(k) == place for k, place in self.places.items()):
            return
        try:
            self._save({**found, **self.places})
        except OSError as error:  # finished data may be read-only
            logger.info("%s keeps its old places: %s", self.folder, error)

    def _save(self, content):
        write_json(self.folder / NAME, content, end="")


def read_provenance(output_folder: str | Path) -> dict | None:
    """Reads what a folder was made with.

    Arguments
    ---------
    output_folder : str or Path
        What was prepared.

    Returns
    -------
    dict or None
        Settings and folders; None without ``settings.json``.

    Raises
    ------
    ValueError
        ``settings.json`` is damaged.
    """
    path = Path(output_folder) / NAME
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} is damaged; remove {path.parent} and make it again"
        )
    return content


def read_folders(output_folder: str | Path) -> dict:
    """Where the corpora of a folder were last seen.

    Arguments
    ---------
    output_folder : str or Path
        What was made of them.

    Returns
    -------
    dict
        ``speech_folder`` and the like -> list of path.
    """
    found = read_provenance(output_folder) or {}
    return {
        key: [
            os.path.normpath(Path(output_folder).absolute() / place)
            for place in ([some] if isinstance(some, str) else some or [])
        ]
        for key, some in found.items()
        if key.endswith("folder")
    }


def _places(folders, key, output_folder):
    """Folders as ``settings.json`` keeps them: relative, where possible."""
    places = []
    for one in folder_list(folders, key):
        try:
            place = os.path.relpath(one, output_folder)
        except ValueError:  # another drive
            place = os.path.abspath(one)
        places.append(Path(place).as_posix())
    return places[0] if len(places) == 1 else places or None
