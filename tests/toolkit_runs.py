"""A run of a recipe of the toolkit, without its data and its hours.

The recipes' own code stays in the toolkit. What is here keeps their form, as
of SpeechBrain 1.1: the loop of ``sb.Brain``, the names of modules and figures,
what is written where. `docs/toolkit.md` says how the real ones are run.
"""

import csv

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references

from tests import ROOT

FILE = "hparams/toolkit-spmamba.yaml"
# Recipe of the toolkit -> our file for it, and the name of its data folder.
RECIPES = {
    "LibriMix": (ROOT / "recipes/LibriMix" / FILE, "Libri2Mix"),
    "WSJ0Mix": (ROOT / "recipes/WSJ0Mix" / FILE, "wsj0-mix/2speakers"),
    "WHAMandWHAMR": (ROOT / "recipes/WHAM" / FILE, "wham_original"),
}
SMALL = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}
SMALL |= {"d_state": 2, "expand": 1, "num_heads": 2, "attn_qk_dim": 64}
SOURCES = ("s1", "s2", "s3")


class Recipe(sb.Brain):
    """As short as it gets: forward, loss and bookkeeping of the recipes."""

    def compute_forward(self, batch, stage):
        """Separates."""
        parts = self.hparams
        return recipe_forward(
            batch[0], parts.Encoder, parts.MaskNet, parts.Decoder
        )

    def compute_objectives(self, est, batch, stage):
        """The negative SI-SNR."""
        return self.hparams.loss(batch[1], est).mean()

    def on_stage_end(self, stage, stage_loss, epoch):
        """Logs the figure, and keeps the best checkpoint by it."""
        stats, log = {"si-snr": stage_loss}, self.hparams.train_logger.log_stats
        if stage == sb.Stage.TRAIN:
            self.train_stats = stats
        elif stage == sb.Stage.VALID:
            meta = {"epoch": epoch, "lr": self.hparams.lr}
            log(meta, self.train_stats, stats)
            self.checkpointer.save_and_keep_only(stats, min_keys=["si-snr"])
        else:
            current = self.hparams.epoch_counter.current
            log({"Epoch loaded": current}, test_stats=stats)


def recipe_forward(mix, encoder, masknet, decoder):
    """The separation step of the toolkit's recipes."""
    features = encoder(mix)
    waves = [decoder(features * mask) for mask in masknet(features)]
    return torch.stack(waves, dim=-1)[:, : mix.shape[1]]


def read_recipe(recipe, folder, **overrides):
    """Our experiment for a recipe with a small model: its text, all it builds.

    Arguments
    ---------
    recipe : str
        A key of ``RECIPES``.
    folder : Path
        Gets the run: ``folder / "run"``.
    **overrides : dict
        Further keys; a ``text`` is taken in place of the file.

    Returns
    -------
    str, dict
        As a run keeps it; as the recipe gets it.
    """
    path, data = RECIPES[recipe]
    text = overrides.pop("text", None) or path.read_text(encoding="utf-8")
    overrides = {
        "data_folder": str(folder / data),
        "output_folder": str(folder / "run"),
        "separator": SMALL,
        **overrides,
    }
    kept = resolve_references(text, overrides).getvalue()
    return kept, load_hyperpyyaml(text, overrides)


def make_brain(hparams):
    """The loop of a recipe, up to its training."""
    hparams["pretrained_separator"].collect_files()
    hparams["pretrained_separator"].load_collected()
    return Recipe(
        modules=hparams["modules"],
        opt_class=hparams["optimizer"],
        hparams=hparams,
        run_opts={"device": "cpu", "noprogressbar": True},
        checkpointer=hparams["checkpointer"],
    )


def make_run(folder, recipe="LibriMix", epochs=1, **overrides):
    """Trains, validates and tests on one batch; writes what a recipe writes.

    Arguments
    ---------
    folder, recipe, **overrides
        As for ``read_recipe``.
    epochs : int
        Epochs, of one step each.

    Returns
    -------
    Path, dict
        The output folder, and the hyperparameters.
    """
    kept, hparams = read_recipe(recipe, folder, N_epochs=epochs, **overrides)
    run, count = folder / "run", hparams["num_spks"]
    (run / "save").mkdir(parents=True, exist_ok=True)
    (run / "hyperparams.yaml").write_text(kept, encoding="utf-8")
    columns = ["mix_wav", *(f"{s}_wav" for s in SOURCES[:count]), "noise_wav"]
    if recipe == "WSJ0Mix":
        columns.pop()
    # Every duration is 1.0 there, whatever the file's.
    row = {"duration": "1.0", **dict.fromkeys(columns, "/data/0.wav")}
    row |= {f"{column}_format": "wav" for column in columns}
    for split in ("train", "valid", "test"):
        _write(hparams[f"{split}_data"], [{"ID": i, **row} for i in range(5)])
    src = torch.randn(1, 800, count)
    batch = torch.utils.data.DataLoader([(src.sum(-1), src)], batch_size=None)
    brain = make_brain(hparams)
    brain.fit(hparams["epoch_counter"], batch, batch)
    brain.evaluate(batch, min_key="si-snr")
    scores = {"sdr": 6.5, "sdr_i": 6.25, "si-snr": 5.5, "si-snr_i": 5.25}
    rows = [{"snt_id": name, **scores} for name in (0, 1, "avg")]
    _write(run / "test_results.csv", rows)
    return run, hparams


def _write(path, rows):
    """Writes a table."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
