"""What the models that come with the package are: names, figures, places.

Known without torch. A name of one is that model wherever a model folder is
asked for; a folder of the same name is given with a slash, ``./name``.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import load, plain

FOLDER = Path(__file__).parent
DEFAULT = "voices-8k-3"
LIVE = "voices-8k-2-live"  # for sound as it comes
HPARAMS_FILE = "hyperparams.yaml"  # these three of any model folder
SAFETENSORS_FILE = "separator.safetensors"
CARD_FILE = "README.md"
FIGURES_FILE = "figures.yaml"
# Of a figures.yaml. The first of the scores is what a line tells.
FIGURES = ("data", "licence", "scores")
SCORE = ("on", "si_snri", "interval")


@dataclass(frozen=True)
class BuiltinModel:
    """A model of the package, as its folder describes it.

    Arguments
    ---------
    folder : Path
        See ``builtin``.

    Example
    -------
    >>> model = builtin_models()[DEFAULT]
    >>> model.system, model.sample_rate, model.num_spks
    ('spmamba', 8000, 3)
    """

    folder: Path

    @property
    def name(self):
        """What it is called."""
        return self.folder.name

    @cached_property
    def _settings(self):
        return plain(load(read_text(self.folder / HPARAMS_FILE)))

    @property
    def system(self):
        """Name of the system, as ``build_model`` has it."""
        return self._settings["separator"]["!"].split(".")[-2]

    @property
    def sample_rate(self):
        """Its rate in Hz."""
        return self._settings["sample_rate"]

    @property
    def num_spks(self):
        """How many talkers it gives."""
        return self._settings["num_spks"]

    @property
    def megabytes(self):
        """Size of its weights, in millions of bytes."""
        return (self.folder / SAFETENSORS_FILE).stat().st_size / 1e6

    @cached_property
    def figures(self):
        """``data``, ``licence`` and ``scores``, see ``read_figures``."""
        return read_figures(self.folder / FIGURES_FILE)

    @property
    def score(self):
        """The first of its scores, as text."""
        return score_text(self.figures["scores"][0])


def read_figures(path: str | Path) -> dict:
    """What is known of a model beside itself.

    Arguments
    ---------
    path : str or Path
        YAML with ``data``, what it was trained on; ``licence`` of its
        weights; and ``scores``, a list of ``on``, what was separated;
        ``si_snri``, the mean in dB; ``interval``, of 95 %.

    Returns
    -------
    dict
        The same.

    Raises
    ------
    ValueError
        Something is missing, or unknown.
    """
    figures = plain(load(read_text(path)))
    parts = [(figures, FIGURES)]
    if isinstance(figures, dict) and isinstance(figures.get("scores"), list):
        parts += [(score, SCORE) for score in figures["scores"] or [None]]
    for part, keys in parts:
        if not isinstance(part, dict) or set(part) != set(keys):
            raise ValueError(
                f"{path}: expected {', '.join(keys)}, found "
                f"{', '.join(part) if isinstance(part, dict) else part}"
            )
    return figures


def score_text(score: dict) -> str:
    """A score in a few words.

    Arguments
    ---------
    score : dict
        One of ``read_figures``.

    Returns
    -------
    str
        Of one line.

    Example
    -------
    >>> score_text({"on": "noise", "si_snri": 1.26, "interval": [1, 1.5]})
    '1.3 dB SI-SNRi (95 % interval 1.0 to 1.5) on noise'
    """
    low, high = score["interval"]
    return (
        f"{score['si_snri']:.1f} dB SI-SNRi (95 % interval {low:.1f} to "
        f"{high:.1f}) on {score['on']}"
    )


def builtin_models() -> dict:
    """All that come with the package.

    Returns
    -------
    dict
        Name -> BuiltinModel, in the order of their names.
    """
    folders = sorted(path.parent for path in FOLDER.glob(f"*/{HPARAMS_FILE}"))
    return {folder.name: BuiltinModel(folder) for folder in folders}


def find_model(source: str | Path) -> str | Path:
    """Where a model is, if it comes with the package.

    Arguments
    ---------
    source : str or Path
        A name, a folder, or a name on the Hugging Face Hub. A ``Path`` is
        always a folder.

    Returns
    -------
    str or Path
        The folder of the model of that name, or what was given.

    Example
    -------
    >>> find_model(DEFAULT).name, find_model(f"./{DEFAULT}")
    ('voices-8k-3', './voices-8k-3')
    """
    named = builtin_models().get(source) if isinstance(source, str) else None
    return named.folder if named else source
