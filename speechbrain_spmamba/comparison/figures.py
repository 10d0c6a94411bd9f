"""The figures of a comparison: learning curves, and quality against cost.

A system has one colour and one marker in all figures, see ``models.systems``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_spmamba.files.figures import new_figure
from speechbrain_spmamba.models.systems import SYSTEMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


GREY = "#555555"


def title_of(system: str) -> str:
    """How a system is called in tables and figures.

    Arguments
    ---------
    system : str
        Name of the model.

    Returns
    -------
    str
        Its title.

    Example
    -------
    >>> title_of("conv_tasnet")
    'Conv-TasNet'
    """
    return SYSTEMS[system].title if system in SYSTEMS else system


def style_of(system: str) -> dict:
    """Colour and marker of a system; all unknown ones have the last.

    Arguments
    ---------
    system : str
        Name of the model.

    Returns
    -------
    dict
        For matplotlib.

    Example
    -------
    >>> style_of("spmamba")
    {'color': '#000000', 'marker': 'o'}
    """
    row = SYSTEMS.get(system) or list(SYSTEMS.values())[-1]
    return {"color": row.colour, "marker": row.marker}


def draw_curves(histories: dict) -> Figure:
    """Training and validation of each epoch.

    Arguments
    ---------
    histories : dict
        System -> rows of ``history.csv``.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure((9.6, 4.2))
    panels = (("train_snr", "training SNR, dB"),
              ("valid_si_snri", "validation SI-SNRi, dB"))  # fmt: skip
    axes = figure.subplots(1, 2)
    for axis, (key, label) in zip(axes, panels, strict=True):
        for system, rows in histories.items():
            axis.plot(
                [row["epoch"] for row in rows],
                [row[key] for row in rows],
                label=title_of(system),
                linewidth=2.4 if system == "spmamba" else 1.4,
                markersize=5,
                # Marks hide long curves.
                markevery=max(1, len(rows) // 8),
                **style_of(system),
            )
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        _clean(axis, label)
    _name_systems(figure, axes[0])
    return figure


def draw_costs(systems: dict) -> Figure | None:
    """SI-SNRi against multiply-accumulates and parameters.

    Arguments
    ---------
    systems : dict
        System -> see ``comparison.results.collect_system``.

    Returns
    -------
    matplotlib.figure.Figure or None
        The figure; None if no system has both scores and costs.
    """
    panels = (("macs", "MACs for a second of audio, G", 1e9),
              ("parameters", "parameters, M", 1e6))  # fmt: skip
    systems = {
        name: found
        for name, found in systems.items()
        if found["si_snri"]["mean"] is not None
        and all(found[key] for key, *_ in panels)
    }
    if not systems:
        return None
    figure = new_figure((9.6, 4.6))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (key, label, unit) in zip(axes, panels, strict=True):
        axis.set_xscale("log")
        for name, found in systems.items():
            mean, (low, high) = (
                found["si_snri"][k] for k in ("mean", "interval")
            )
            axis.errorbar(
                [found[key] / unit],
                [mean],
                label=title_of(name),
                yerr=[[mean - low], [high - mean]],
                linestyle="none",
                markersize=7,
                elinewidth=1,
                capsize=2.5,
                **style_of(name),
            )
        axis.set_xlabel(label)
        _clean(axis, "SI-SNRi, dB" if axis is axes[0] else "")
        costs = [found[key] / unit for found in systems.values()]
        low, high = min(costs), max(costs)
        _number_decades(axis.xaxis, high / low)
        axis.margins(x=0.1, y=0.08)
        if low == high:  # one system, to which no axis can be fitted
            axis.autoscale(False, axis="x")
            axis.set_xlim(low / 2, high * 2)
    _name_systems(figure, axes[0])
    return figure


def _clean(axis, title):
    """A panel with little ink, its title where the eye begins."""
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(GREY)
    axis.tick_params(colors=GREY, labelsize=9)
    axis.grid(axis="y", color="#DDDDDD", linewidth=0.7)
    axis.set_axisbelow(True)


def _name_systems(figure, axis):
    """A legend beside the panels: names among the points would collide."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right center", frameon=False, fontsize=9
    )


def _number_decades(axis, ratio):
    """Plain numbers on a logarithmic axis, the more the shorter it is."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    digits = (1, 2, 5) if ratio > 10 else (1, 1.5, 2, 3, 5, 7)
    axis.set_major_locator(LogLocator(subs=digits if ratio < 1000 else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())
