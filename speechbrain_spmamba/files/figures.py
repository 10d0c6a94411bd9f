"""Figures without a window, written whole or not at all."""

from pathlib import Path

from speechbrain_spmamba.files.writing import replacing


def new_figure(size):
    """An empty figure; ``size`` is its width and height in inches."""
    # Not at import: figures need a second that most uses do not have.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(path, figure, dpi):
    """Writes a figure in the format that the suffix names, else as PNG.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.png"
    >>> write_figure(path, new_figure((1, 1)), dpi=10)
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    with replacing(path) as temporary:
        suffix = Path(path).suffix[1:]
        figure.savefig(temporary, format=suffix or "png", dpi=dpi)
