"""Dynamic mixing of scenes: drawn and rendered in training, as needed.

The laws and corpora are those of a folder that ``echo2mix.prepare`` made; an
item of its manifest gets another scene in every epoch. In an experiment:

    dynamic_mixing: {scenes: FOLDER}

or on the command line ``--dynamic_mixing "{scenes: FOLDER}"``. A scene of 60 s
takes about half a second to render, so give the loader workers enough.
"""

import zlib
from pathlib import Path

import numpy as np

from speechbrain_spmamba.prepare.provenance import read_folders, read_provenance
from speechbrain_spmamba.prepare.scenes.excerpts import ExcerptLaw, draw_excerpt
from speechbrain_spmamba.prepare.scenes.render import render
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import SceneLaw, draw_scene
from speechbrain_spmamba.prepare.seeded import generator

FOLDERS = ("speech", "noise", "music", "effects", "dnr")
TRIES = 10  # scenes that are drawn in search of one without a silent talker


class DynamicScenes:
    """Draws scenes by ``draw(seed, epoch, item)``, see ``loading/augment.py``.

    Arguments
    ---------
    folder : str or Path
        What ``echo2mix.prepare`` made. Its corpora must be where that last
        saw them: after they moved, prepare once more.
    sample_rate : int
        Of the scenes, in Hz.
    segment : float, optional
        Seconds of a random crop; without it, scenes are whole.
    split : str
        Whose corpora are drawn from.

    Raises
    ------
    ValueError
        The folder was not made by ``echo2mix.prepare``, has no such split, or
        corpora are missing.
    """

    def __init__(
        self,
        folder: str | Path,
        sample_rate: int,
        segment: float | None = None,
        split: str = "train",
    ) -> None:
        from speechbrain_spmamba.prepare.scenes.pools import make_pools

        made = read_provenance(folder) or {}
        folders = read_folders(folder)
        if "scene" not in made or split not in made["splits"]:
            raise ValueError(
                f"{folder} holds no scenes of split {split}; fresh ones need "
                "the folder that `spmamba prepare echo2mix` made"
            )
        law = dict(made["scene"])
        self.law = SceneLaw(**{**law, "room": RoomLaw(**law["room"])})
        self.excerpt_law = made["cut"] and ExcerptLaw(**made["cut"])
        self.reference = made["reference"]
        self.sample_rate = sample_rate
        self.frames = segment and round(segment * sample_rate)
        self.split = split
        self.pools = make_pools(
            {split: made["splits"][split]},
            num_spks=self.law.counts.most,
            **{f"{name}_folder": folders[f"{name}_folder"] for name in FOLDERS},
            **made["pools"],
        )[split]

    def __call__(self, seed, epoch, item):
        """Draws and renders a scene.

        Arguments
        ---------
        seed, epoch : int
            Others give other scenes.
        item : str
            ID of a row of the manifest.

        Returns
        -------
        numpy.ndarray
            Mixture, float32, shape ``[T]``, or ``[T, M]`` of M microphones.
        numpy.ndarray
            References at the first microphone, shape ``[T, S]``; silent ones
            last.

        Raises
        ------
        ValueError
            A talker is silent in many scenes in a row: bad files.
        """
        number = zlib.crc32(item.encode())
        for attempt in range(TRIES):
            # An epoch is a split of its own: no scene of the files comes back.
            name = f"{self.split}, epoch {epoch}, draw {attempt}"
            scene = draw_scene(self.pools, self.law, seed, name, number)
            excerpt = None
            if self.excerpt_law:
                scene, excerpt = draw_excerpt(scene, self.excerpt_law)
            made = render(scene, self.sample_rate, self.reference, excerpt)
            if not made.silent:
                break
        else:
            raise ValueError(
                f"{TRIES} scenes for {item} had a silent talker; "
                f"{made.problems[0] if made.problems else 'see the corpora'}"
            )
        mix = made.signals["mix"].T
        silence = np.zeros_like(made.signals["mix"])
        sources = [made.signals.get(n, silence)[0] for n in self.law.sources]
        sources = np.stack(sources, axis=1)
        start, stop = 0, len(mix)
        if self.frames and self.frames < stop:
            rng = generator(seed, epoch, number)
            start = int(rng.integers(stop - self.frames + 1))
            stop = start + self.frames
        mix = mix[:, 0] if mix.shape[1] == 1 else mix
        return (
            mix[start:stop].astype("float32"),
            sources[start:stop].astype("float32"),
        )
