"""``spmamba new``: an experiment of the package as a file of one's own."""

from pathlib import Path


def new(experiment: str | None = None, file: str | None = None, /) -> None:
    """Copy an experiment of the package; without its name, list them.

    Arguments
    ---------
    experiment : str, optional
        Name of an experiment.
    file : str, optional
        Where the copy goes, for you to change; by default the end of the name,
        in this folder.
    """
    from speechbrain_spmamba.errors import did_you_mean
    from speechbrain_spmamba.files.markdown import markdown_table
    from speechbrain_spmamba.files.text import read_text
    from speechbrain_spmamba.files.writing import write_text
    from speechbrain_spmamba.settings.experiments import (
        experiment_names,
        experiments_folder,
    )

    texts = {
        name: read_text(experiments_folder() / name)
        for name in experiment_names()
    }
    if experiment is None:
        rows = [[name, _summary(text)] for name, text in texts.items()]
        print(markdown_table(["experiment", "what it trains"], rows, 2))
        return
    if experiment not in texts:
        hint = did_you_mean(experiment, texts)
        raise ValueError(
            f"there is no experiment {experiment}{hint}; expected a name that "
            "`spmamba new` lists"
        )
    target = Path(file or Path(experiment).name)
    if target.exists():
        raise ValueError(
            f"{target} exists; choose another name: spmamba new {experiment} "
            "FILE"
        )
    command = f"# spmamba train {target.as_posix()}"
    text = texts[experiment]
    text = text.replace(f"# python train.py {experiment}", command, 1)
    write_text(target, text)
    print(text.partition("\n")[0].removeprefix("# "))


def _summary(text):
    """The first sentence about an experiment, from the head of its file."""
    head = text.partition("\n#\n")[2].partition("\n\n")[0]
    words = head.replace("\n#", "").removeprefix("# ").split()
    return " ".join(words).partition(". ")[0].rstrip(".")
