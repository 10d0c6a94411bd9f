"""A look at what was prepared: figures in numbers, and one drawing.

Plans tell what was meant, audio and impulse responses what became of it.
"""

import json
from pathlib import Path

import numpy as np

from speechbrain_spmamba.audio import read_audio
from speechbrain_spmamba.files.figures import new_figure, write_figure
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.prepare.provenance import read_provenance
from speechbrain_spmamba.prepare.scenes.acoustics import measure_rt60
from speechbrain_spmamba.prepare.scenes.loudness import loudness
from speechbrain_spmamba.prepare.scenes.plans import part_paths
from speechbrain_spmamba.prepare.scenes.rooms import impulse_responses
from speechbrain_spmamba.prepare.scenes.scene import Scene

STEP = 0.01  # s, resolution of who speaks when
READERS = ("tab:blue", "tab:green", "tab:cyan", "tab:olive")
COLOURS = {
    "effects": "tab:red",
    "background": "tab:orange",
    "music": "tab:purple",
    "ambience": "tab:gray",
}


def inspect(
    folder: str | Path, output: str | Path | None = None, heard: int = 8
) -> dict:
    """Describes prepared mixtures, prints it, and draws one figure.

    Arguments
    ---------
    folder : str or Path
        The output folder of ``echo2mix.prepare`` or ``conversations.prepare``.
    output : str or Path, optional
        The figure, ``<folder>/inspect.png`` by default.
    heard : int
        Mixtures a split whose audio and rooms are measured.

    Returns
    -------
    dict
        Split -> what is printed: ``mixtures``, ``hours``, ``readers``,
        ``talkers`` (number in a mixture -> mixtures that are planned so),
        ``overlap`` (time in which two or more speak over time in which
        anyone does), ``silence`` (share of time in which nobody speaks),
        ``levels`` (of classes in scenes, or the ratios of items: mean,
        standard deviation, bounds of the law, and how probable such draws
        are under it),
        ``rt60`` (least, mean, most) and, from audio, ``level_error``
        (largest, LU) and ``rt60_ratio`` (mean of measured over planned).

    Raises
    ------
    ValueError
        No plans in the folder.
    """
    folder = Path(folder)
    plans = {
        path.name.removesuffix(".plans.jsonl"): [
            json.loads(line) for line in read_text(path).splitlines()
        ]
        for path in sorted(folder.glob("*.plans.jsonl"))
    }
    plans = {split: found for split, found in plans.items() if found}
    settings = read_provenance(folder) if plans else None
    if not settings:
        state = "holds none" if folder.is_dir() else "does not exist"
        raise ValueError(
            f"plans of mixtures were expected in {folder}, which {state}; "
            "give the folder that `spmamba prepare` made of echo2mix or "
            "conversations"
        )
    found = {
        split: _describe(folder / split, lines, settings, heard)
        for split, lines in plans.items()
    }
    for split, values in found.items():
        _print(split, values)
    output = Path(output or folder / "inspect.png")
    write_figure(output, _draw(folder, plans, settings), dpi=110)
    print(f"figure: {output}")
    return found


def speech_activity(plan: dict) -> np.ndarray:
    """Who speaks when.

    Arguments
    ---------
    plan : dict
        A line of plans.

    Returns
    -------
    numpy.ndarray
        bool, ``[readers, steps]``, in steps of 10 ms.
    """
    cut = plan["cut"] or {"start": 0.0, **plan["scene"]}
    tracks = [t for t in plan["scene"]["tracks"] if t["group"]]
    active = np.zeros((len(tracks), round(cut["seconds"] / STEP)), bool)
    for row, track in zip(active, tracks, strict=True):
        for event in track["events"]:
            begin = event["onset"] - cut["start"]
            end = begin + event["frames"] / event["sample_rate"]
            row[max(round(begin / STEP), 0) : max(round(end / STEP), 0)] = True
    return active


def _describe(folder, plans, settings, heard):
    """The numbers of one split."""
    from scipy.stats import kstest

    made = [p for p in plans if part_paths(folder, p)["mix"].is_file()]
    activity = [speech_activity(plan) for plan in plans]
    anyone = np.concatenate([a.any(0) for a in activity])
    several = np.concatenate([a.sum(0) > 1 for a in activity])
    talkers = sorted(len(a) for a in activity)
    seconds = [(p["cut"] or p["scene"])["seconds"] for p in made]
    levels = {}
    for name, (values, low, high) in _drawn(plans, settings).items():
        test = kstest(values, "uniform", (low, high - low))
        levels[name] = {
            "mean": float(np.mean(values)),
            "deviation": float(np.std(values)),
            "law": [low, high],
            "probability": float(test.pvalue),
        }
    rt60 = [plan["scene"]["room"]["rt60"] for plan in plans]
    chosen = made[:heard]
    ratios = [ratio for plan in chosen for ratio in _rt60_ratios(plan)]
    errors = [e for plan in chosen for e in _level_errors(folder, plan)]
    return {
        "mixtures": len(made),
        "planned": len(plans),
        "hours": sum(seconds) / 3600,
        "readers": len(
            {t["group"] for p in plans for t in p["scene"]["tracks"]} - {""}
        ),
        "talkers": {count: talkers.count(count) for count in talkers},
        "overlap": float(several.sum() / max(anyone.sum(), 1)),
        "silence": float(1 - anyone.mean()),
        "levels": levels,
        "rt60": [float(f(rt60)) for f in (np.min, np.mean, np.max)],
        "rt60_ratio": float(np.mean(ratios)) if ratios else None,
        "level_error": max(errors, default=None),
    }


def _drawn(plans, settings):
    """Name -> levels that were drawn and the bounds of their uniform law."""
    law, drawn = settings.get("scene"), {}
    if not law:
        law, names = settings["conversation"], ("level", "sir", "snr")
        drawn = {
            name: (values, *law[name])
            for name, values in zip(names, _talk_levels(plans), strict=True)
            if law[name][0] < law[name][1]
        }
    elif settings["cut"]:
        for name in ("sir", "snr", "level"):
            values = np.concatenate([np.ravel(p["cut"][name]) for p in plans])
            drawn[name] = values, *settings["cut"][name]
    else:
        spread = law["class_spread"]
        for class_ in ("speech", "effects", "background", "music", "noise"):
            levels = [plan["scene"]["levels"].get(class_) for plan in plans]
            levels = [level for level in levels if level is not None]
            middle = law[f"{class_}_level"]
            drawn[class_] = levels, middle - spread, middle + spread
    return {n: found for n, found in drawn.items() if len(found[0])}


def _talk_levels(plans):
    """Of conversations: first talkers, and what they are over the others."""
    firsts, sirs, snrs = [], [], []
    for scene in (plan["scene"] for plan in plans):
        first = scene["levels"]["speech"]
        levels = [t["level"] for t in scene["tracks"] if t["group"]]
        firsts.append(first)
        sirs += [first - level for level in levels[1:]]
        if "noise" in scene["levels"]:
            snrs.append(first - scene["levels"]["noise"])
    return firsts, sirs, snrs


def _rt60_ratios(plan):
    """Measured reverberation times over the planned one, for each source."""
    room = Scene.from_dict(plan["scene"]).room
    sample_rate = plan["sample_rate"]
    if room.rt60 == 0:
        return []
    responses = impulse_responses(room, sample_rate, seed=0)
    ratios = [measure_rt60(r[0], sample_rate) / room.rt60 for r in responses]
    return [ratio for ratio in ratios if np.isfinite(ratio)]


def _level_errors(folder, plan):
    """Differences of readers' loudness from the plan, where files tell."""
    # Cuts have other levels; integers may have been scaled with the mixture;
    # of an early or dry reference the level is not what was planned.
    whole = plan["cut"] is None and plan["reference"] == "reverberant"
    if not whole or plan["subtype"] != "FLOAT":
        return []
    errors, paths = [], part_paths(folder, plan)
    for track in plan["scene"]["tracks"]:
        if track["group"]:
            wave = read_audio(paths[track["name"]], plan["sample_rate"])[:, 0]
            found = loudness(wave, plan["sample_rate"])
            errors.append(abs(found - track["level"]))
    return errors


def _print(split, values):
    """What a user wants to know, in a few lines."""
    print(
        f"{split}: {values['mixtures']} of {values['planned']} mixtures, "
        f"{values['hours']:.2f} h, {values['readers']} readers; two or more "
        f"speak in {values['overlap']:.0%} of speech, nobody in "
        f"{values['silence']:.0%} of time"
    )
    if len(values["talkers"]) > 1:
        counts = [f"{k} in {n}" for k, n in values["talkers"].items()]
        print(f"  talkers    {', '.join(counts)} mixtures")
    for name, level in values["levels"].items():
        low, high = level["law"]
        print(
            f"  {name:10} {level['mean']:6.2f} ± {level['deviation']:.2f} dB, "
            f"law {low:g} to {high:g} (p = {level['probability']:.2f})"
        )
    low, mean, high = values["rt60"]
    line = f"  RT60       {low:.2f} to {high:.2f} s, mean {mean:.2f} s"
    if values["rt60_ratio"] is not None:
        line += f"; measured {values['rt60_ratio']:.2f} times the plan"
    print(line)
    if values["level_error"] is not None:
        print(f"  readers' levels within {values['level_error']:.3f} LU")


def _draw(folder, plans, settings):
    """Timeline and spectrogram of a mixture of many; histograms of all."""
    split = next(iter(plans))
    plan = max(plans[split], key=lambda plan: len(speech_activity(plan)))
    figure = new_figure((11, 9))
    rows = figure.subfigures(2, 1, height_ratios=(3, 2))
    timeline, picture = rows[0].subplots(2, 1, sharex=True)
    _draw_timeline(timeline, plan)
    _draw_spectrogram(picture, folder / split, plan)
    timeline.set_xlim(0, (plan["cut"] or plan["scene"])["seconds"])
    rows[0].suptitle(f"{split} {plan['ID']}")
    everything = [plan for found in plans.values() for plan in found]
    levels, times = rows[1].subplots(1, 2)
    for name, (values, low, high) in _drawn(everything, settings).items():
        colour = COLOURS.get({"noise": "ambience"}.get(name, name))
        bins = np.linspace(low, high, 17)
        _, _, bars = levels.hist(
            values, bins, alpha=0.6, color=colour, label=name
        )
        for edge in (low, high):
            levels.axvline(edge, color=bars[0].get_facecolor(), lw=0.8, ls=":")
    ratios = "sir" in (settings.get("cut") or settings.get("conversation", ()))
    unit = "ratio / dB, level / LUFS" if ratios else "level / LUFS"
    levels.set(xlabel=unit, ylabel="mixtures")
    levels.legend(fontsize="small")
    times.hist([p["scene"]["room"]["rt60"] for p in everything], 16)
    room = (settings.get("scene") or settings["conversation"])["room"]
    for edge in room["rt60"] if room else ():
        times.axvline(edge, color="black", lw=0.8, ls=":")
    times.set(xlabel="planned RT60 / s", ylabel="mixtures")
    return figure


def _draw_timeline(axes, plan):
    """A bar for each event; its label is the track's level."""
    cut = plan["cut"] or {"start": 0.0, **plan["scene"]}
    tracks = plan["scene"]["tracks"]
    for height, track in enumerate(tracks):
        bars = [
            (e["onset"] - cut["start"], e["frames"] / e["sample_rate"])
            for e in track["events"]
        ]
        colour = COLOURS.get(track["name"], READERS[height % len(READERS)])
        axes.broken_barh(
            bars, (height - 0.35, 0.7), color=colour, ec="white", lw=0.5
        )
    names = [f"{t['name']}  {t['group']}".strip() for t in tracks]
    axes.set_yticks(range(len(tracks)), names)
    axes.invert_yaxis()


def _draw_spectrogram(axes, folder, plan):
    """The mixture, down to 80 dB below its peak."""
    path = part_paths(folder, plan)["mix"]
    if not path.is_file():
        axes.text(0.5, 0.5, "not made yet", transform=axes.transAxes)
        return
    wave = read_audio(path)[:, 0]
    power, _, _, image = axes.specgram(
        wave + 1e-9, NFFT=512, Fs=plan["sample_rate"], noverlap=256
    )
    top = 10 * np.log10(power.max())
    image.set_clim(top - 80, top)
    axes.set(xlabel="time / s", ylabel="frequency / Hz")
