"""Makes the folder of a model that is to come with the package.

    spmamba export RESULTS MODEL --license cc-by-4.0
    python -m speechbrain_spmamba.builtin.make MODEL FIGURES.yaml FOLDER

FIGURES.yaml has ``data``, ``licence`` and ``scores``, see
``builtin.models.read_figures``; FOLDER is ``speechbrain_spmamba/builtin/NAME``.
Made again into the same folder, it replaces the model and its figures. How it
was trained is told by the model card of the export, the rest by the figures.
"""

import sys
from pathlib import Path

from speechbrain_spmamba.builtin.models import (
    CARD_FILE,
    FIGURES_FILE,
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    read_figures,
    score_text,
)
from speechbrain_spmamba.errors import one_line_errors
from speechbrain_spmamba.files.checksums import SUMS_FILE, check_sums, sums_text
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import replacing_all

MAX_BYTES = 5_000_000  # of weights: all who install the package download them


def make_builtin(
    model: str | Path, figures_file: str | Path, folder: str | Path
) -> None:
    """Writes the folder.

    Arguments
    ---------
    model : str or Path
        Model folder of ``spmamba export``.
    figures_file : str or Path
        See ``read_figures``.
    folder : str or Path
        Where to; its name is that of the model.

    Raises
    ------
    ValueError
        A file is missing or damaged, the weights are too large, or the
        figures are not complete.
    """
    model, folder = Path(model), Path(folder)
    summed = (HPARAMS_FILE, SAFETENSORS_FILE)
    for name in (*summed, CARD_FILE):
        if not (model / name).is_file():
            raise ValueError(
                f"{model} has no {name}; give what `spmamba export` made"
            )
    check_sums(model)
    size = (model / SAFETENSORS_FILE).stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{model / SAFETENSORS_FILE} has {size / 1e6:.1f} MB; at most "
            f"{MAX_BYTES / 1e6:g} MB come with the package"
        )
    figures = read_figures(figures_file)
    card = card_with(figures, read_text(model / CARD_FILE), folder.name)
    sums = sums_text({name: model / name for name in summed})
    contents = {name: (model / name).read_bytes() for name in summed} | {
        SUMS_FILE: sums.encode(),
        FIGURES_FILE: Path(figures_file).read_bytes(),
        CARD_FILE: card.encode(),
    }
    finals = [folder / name for name in contents]
    with replacing_all(finals) as paths:
        for path, content in zip(paths, contents.values(), strict=True):
            path.write_bytes(content)


def card_with(figures: dict, card: str, name: str) -> str:
    """The model card of an export with what is known beside it.

    Arguments
    ---------
    figures : dict
        From ``read_figures``.
    card : str
        The card.
    name : str
        Of the model.

    Returns
    -------
    str
        The card with its use, data, scores and licence as they are told here.
    """
    head, *sections = card.strip().split("\n\n## ")
    texts = dict(section.split("\n\n", 1) for section in sections)
    texts |= {
        "Use": f"```sh\nspmamba separate talk.wav --model {name}\n```",
        "Data": f"* {figures['data']}\n{texts['Data']}",
        "Scores": "\n".join(f"* {score_text(s)}" for s in figures["scores"]),
        "Licence": figures["licence"],
    }
    parts = [head.replace("\n# ", f"\n# {name}: ", 1)]
    parts += [f"{title}\n\n{text}" for title, text in texts.items()]
    return "\n\n## ".join(parts) + "\n"


@one_line_errors
def main(argv):
    """The command line."""
    if len(argv) != 3:
        raise ValueError(
            f"{len(argv)} arguments were given; expected MODEL FIGURES.yaml "
            "FOLDER"
        )
    make_builtin(*argv)


if __name__ == "__main__":
    main(sys.argv[1:])
