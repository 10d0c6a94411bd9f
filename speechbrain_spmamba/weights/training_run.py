"""What a finished training run tells of itself, for its model card."""

from pathlib import Path

from ruamel.yaml import YAML

from speechbrain_spmamba import present_name
from speechbrain_spmamba.files.text import read_csv, read_json
from speechbrain_spmamba.manifest import source_keys

MAX_NODES = 100_000  # of settings


def read_settings(path):
    """The settings of a run, of which nothing is built.

    Arguments
    ---------
    path : str or Path
        Its ``hyperparams.yaml``.

    Returns
    -------
    dict
        See ``plain``.

    Raises
    ------
    ValueError
        It is no YAML, or aliases make it absurdly large.
    """
    try:
        tree = YAML(typ="rt").load(Path(path).read_text(encoding="utf-8"))
    # Made-up tags of numbers and dates fail in many ways.
    except Exception:
        tree = None
    if not isinstance(tree, dict) or _size(tree, {}) > MAX_NODES:
        raise ValueError(f"{path} is no file of settings")
    return plain(tree)


def check_no_run(folder):
    """Says no to writing what is no run into the folder of one.

    Arguments
    ---------
    folder : str or Path
        The folder to be written to; it need not be there.

    Raises
    ------
    ValueError
        It holds checkpoints.
    """
    if any(Path(folder).glob("save/CKPT*")):
        raise ValueError(
            f"{folder} is the folder of a training run; choose another one, "
            "or one within it"
        )


def _size(node, known):
    """Nodes of a tree; an alias counts as often as it stands there."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1  # as long as it contains itself
        parts = node.values() if isinstance(node, dict) else node
        parts = parts if isinstance(node, (dict, list)) else ()
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def plain(node):
    """Settings without the tags and anchors of their YAML file.

    Arguments
    ---------
    node : object
        From ruamel's round-trip loader.

    Returns
    -------
    object
        Dicts, lists and scalars; what a tag names is kept under the key "!".

    Example
    -------
    >>> from ruamel.yaml import YAML
    >>> yaml = YAML(typ="rt")
    >>> plain(yaml.load("a: &x !new:collections.Counter\\n  b: 1\\nc: *x"))
    {'a': {'!': 'collections.Counter', 'b': 1}, 'c': {'!': ...}}
    """
    if isinstance(node, dict):
        out = {str(key): plain(value) for key, value in node.items()}
        tag = str(getattr(node.tag, "value", None) or "")
        if ":" not in tag:
            return out
        return {"!": present_name(tag.partition(":")[2]), **out}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if hasattr(node, "tag"):  # a scalar with a tag, such as !name:x.y
        return {"!": present_name(str(node.tag.value or "").partition(":")[2])}
    return node


def read_set(settings, split):
    """What a manifest says of a data set.

    Arguments
    ---------
    settings : dict
        From ``plain``.
    split : str
        "train" or "test".

    Returns
    -------
    dict or None
        ``mixtures``, ``hours``, ``sources`` and ``noise``; None if there is
        no such manifest any more.
    """
    path = (settings.get(f"{split}_set") or {}).get("manifest")
    try:
        if not Path(path).is_file():  # nor what never ends
            return None
        rows = [row for _, row in read_csv(path)[1]]
        return {
            "mixtures": len(rows),
            "hours": sum(float(row["duration"]) for row in rows) / 3600,
            "sources": len(source_keys(rows[0])),
            "noise": any(row.get("noise_wav") for row in rows),
        }
    except (OSError, TypeError, ValueError, KeyError, IndexError):
        return None


def read_scores(path, checkpoint):
    """The test scores of the weights that are exported.

    Arguments
    ---------
    path : Path
        ``summary.json``.
    checkpoint : dict
        What is exported, see ``training.checkpoint.identity``.

    Returns
    -------
    dict or None
        The summary; None if there is none, or if it is of other weights.
    """
    try:
        summary = read_json(path)
        measured = summary["mixtures"] > 0
        theirs = summary["checkpoint"] == checkpoint
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return summary if measured and theirs else None
