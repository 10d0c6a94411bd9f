"""What the tabs of the page have in common."""

from __future__ import annotations

import html
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio


def player(
    gr: ModuleType,
    index: int,
    path: str | None = None,
    line: str = "",
    prefix: str = "voice",
) -> gradio.Audio:
    """The player of a voice, with what is said about it.

    Arguments
    ---------
    gr : module
        Gradio.
    index : int
        Which voice, from 0.
    path : str, optional
        Its file; without one, the player is not shown.
    line : str
        What is said about it.
    prefix : str
        Of its name in the page.

    Returns
    -------
    gradio.Audio
        The player.
    """
    return gr.Audio(
        path,
        visible=path is not None,
        label=f"Voice {index + 1}" + (f": {line}" if line else ""),
        interactive=False,
        buttons=["download"],
        elem_id=f"{prefix}{index + 1}",
        min_width=320,
    )


def notice(gr: ModuleType, text: str) -> gradio.Error:
    """An error that the page shows in one line, until it is closed.

    Arguments
    ---------
    gr : module
        Gradio.
    text : str
        The line.

    Returns
    -------
    gradio.Error
        To be raised.
    """
    return gr.Error(html.escape(text), duration=None, print_exception=False)
