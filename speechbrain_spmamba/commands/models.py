"""``spmamba models``: those that come with the package."""

# From docs/weights.md, which does not come with the package.
OTHERS = """\
Others, and better ones, are published weights; `spmamba convert` reads them:
  github.com/JusperLee/SPMamba   SPMamba: Libri2Mix, Echo2Mix
  github.com/JusperLee/SonicSim  six systems: moving talkers, noise, music
  huggingface.co/JorisCos        Conv-TasNet: Libri2Mix, Libri3Mix
  zenodo.org/record/6299852      SudoRM-RF: WSJ0-2mix, WHAMR!
Your own, or one of the Hugging Face Hub: --model FOLDER, --model user/name"""


def models() -> None:
    """List the models that come with the package, and where others are."""
    from speechbrain_spmamba.builtin.models import (
        DEFAULT,
        LIVE,
        builtin_models,
    )
    from speechbrain_spmamba.files.markdown import markdown_table

    head = ["model", "system", "rate", "talkers", "score", "trained on"]
    head += ["licence", "size"]
    marks = {DEFAULT: " (default)", LIVE: " (live)"}
    rows = [
        [
            name + marks.get(name, ""),
            model.system,
            f"{model.sample_rate} Hz",
            model.num_spks,
            model.score,
            model.figures["data"],
            model.figures["licence"],
            f"{model.megabytes:.1f} MB",
        ]
        for name, model in builtin_models().items()
    ]
    print(markdown_table(head, rows, len(head)))
    print(f"\n{OTHERS}")
