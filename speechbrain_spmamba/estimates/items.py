"""Which references, estimates and mixture belong together.

An item may have fewer references than another: its further sources are
silent, as they are where an estimate is more than there are references. An
estimate that is missing is one that says nothing. An item without any estimate
is most likely one that was not separated, and an error unless ``partial``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_spmamba.estimates.layouts import find_files
from speechbrain_spmamba.estimates.tables import is_table, read_table
from speechbrain_spmamba.files.names import shown

if TYPE_CHECKING:
    from speechbrain_spmamba.estimates.layouts import Files


@dataclass(frozen=True)
class Item:
    """Files of a mixture.

    Arguments
    ---------
    name : str
        Its ID.
    references, estimates : tuple of str
        Paths, in the order of their numbers; empty ones are silence.
    mixture : str, optional
        Path.
    """

    name: str
    references: tuple
    estimates: tuple
    mixture: str | None = None

    @property
    def paths(self):
        """All files that there are."""
        named = (*self.references, *self.estimates, self.mixture)
        return [path for path in named if path]


def find_references(
    references: str | Path,
    mixtures: str | Path | None = None,
    reference_pattern: str | None = None,
    mixture_pattern: str | None = None,
    data_root: str | Path | None = None,
) -> tuple[Files, Files | None]:
    """Finds references and mixtures.

    Arguments
    ---------
    references : str or Path
        Folder, or table of ``tables.read_table``.
    mixtures : str or Path, optional
        Folder; by default those of the table.
    reference_pattern, mixture_pattern : str, optional
        How they are named, where that is given, see ``patterns``.
    data_root : str or Path, optional
        See ``tables.read_table``.

    Returns
    -------
    layouts.Files
        The references.
    layouts.Files or None
        The mixtures.

    Raises
    ------
    ValueError
        They are not found, or a reference has no mixture.
    """
    found = None
    if is_table(references):
        files, found = read_table(references, "reference", data_root)
    else:
        files = find_files(references, "reference", reference_pattern)
    if mixtures is not None:
        found = find_files(mixtures, "mixture", mixture_pattern, files.items)
    if found is not None:
        without = [item for item in files.items if item not in found.items]
        if without:
            raise ValueError(
                f"{len(without)} of {len(files.items)} references have no "
                f"mixture in {found.where}, the first is "
                f"'{shown(without[0])}'; give the folder of all, or none"
            )
    return files, found


def find_estimates(
    estimates: str | Path,
    references: Files,
    pattern: str | None = None,
    data_root: str | Path | None = None,
) -> Files:
    """Finds the estimates of references.

    Arguments
    ---------
    estimates : str or Path
        Folder or table.
    references : layouts.Files
        Those of ``find_references``.
    pattern, data_root
        As for ``find_references``.

    Returns
    -------
    layouts.Files
        The estimates, by the IDs of the references.

    Raises
    ------
    ValueError
        They are not found.
    """
    ids = references.items
    if is_table(estimates):
        return read_table(estimates, "estimate", data_root, ids)[0]
    return find_files(estimates, "estimate", pattern, ids)


def pair(
    references: Files,
    estimates: Files,
    mixtures: Files | None = None,
    partial: bool = False,
) -> list[Item]:
    """Puts together what belongs together.

    Arguments
    ---------
    references, estimates, mixtures : layouts.Files
        See above.
    partial : bool
        Leave out items without estimates.

    Returns
    -------
    list of Item
        In the order of their IDs.

    Raises
    ------
    ValueError
        An item in which somebody talks has no estimate.

    Example
    -------
    >>> from speechbrain_spmamba.estimates.layouts import Files
    >>> true = Files("reference", "", {"a": {1: "a1.wav", 2: "a2.wav"}})
    >>> found = Files("estimate", "", {"a": {0: "b0.wav", 1: "b1.wav"}})
    >>> pair(true, found)[0].estimates
    ('b0.wav', 'b1.wav')
    """
    items, without = [], []
    for name, sources in sorted(references.items.items()):
        found = estimates.items.get(name, {})
        if not found and any(sources.values()):
            without.append(name)
            continue
        mixture = mixtures.items[name][0] if mixtures else None
        items.append(Item(name, _in_order(sources), _in_order(found), mixture))
    if without and not partial:
        raise ValueError(
            f"{len(without)} of {len(references.items)} references have no "
            f"estimate in {estimates.where}, the first is "
            f"'{shown(without[0])}'; separate them as well, or give "
            "--partial to score the others"
        )
    return items


def _in_order(files):
    return tuple(path for _, path in sorted(files.items()))
