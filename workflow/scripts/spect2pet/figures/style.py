"""The one style of all figures: journal column widths, small type, colours for every eye."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spect2pet.figures.pictures import save_figure

#: Widths of one and of two columns of the journal, inches (85 and 174 mm).
ONE_COLUMN, TWO_COLUMNS = 85 / 25.4, 174 / 25.4
#: Colours of Okabe and Ito (2008), told apart by all kinds of colour vision.
COLOURS = {"SPECT": "#D55E00", "P2P": "#0072B2"}
DARK, GREY = "0.15", "0.55"
STYLE: Any = {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 300,  # what journals ask of half-tone figures
}


def save(figure: Figure, *paths: str | Path) -> None:
    """Save a figure in print resolution, stamped as research-only."""
    with matplotlib.rc_context(STYLE):  # ticks take their style only when they are drawn
        save_figure(figure, *paths)


def note(axes: Axes, text: str, colour: str, top: bool = False) -> None:
    """Text in the lower or upper left corner of a panel."""
    axes.text(
        0.03, 0.97 if top else 0.02, text, color=colour, transform=axes.transAxes,
        va="top" if top else "bottom", ha="left", fontsize=6.5, zorder=5,
    )  # fmt: skip


def p_value(p: float) -> str:
    """A p value as a paper states it; nothing where there is no test."""
    if np.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def signed(value: float, digits: int, spaced: bool = False) -> str:
    """A number with its sign, with a true minus; what rounds to nothing has none.

    Spaced it is a term of a sum, which begins with its sign in any case.
    """
    shown = round(value, digits)
    if spaced:
        return f"{'−' if shown < 0 else '+'} {abs(shown):.{digits}f}"
    sign = "−" if shown < 0 else "+" if shown > 0 else ""
    return f"{sign}{abs(shown):.{digits}f}"
