"""The Bland–Altman figure: differences of regional CBF against their mean."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spect2pet.evaluate.evaluation import HEADLINE_SET, SCALES, on_scale
from spect2pet.evaluate.regional_agreement import PAIRS
from spect2pet.figures.pictures import new_figure
from spect2pet.figures.plots import FITTED_LINE, IDENTITY_LINE, SCALE_TITLES
from spect2pet.figures.style import COLOURS, DARK, GREY, STYLE, TWO_COLUMNS, note, p_value, signed

#: The pairs that are drawn: those of the study, whatever is known of its subjects.
DRAWN = PAIRS[:3]
LIMIT_LINE: dict[str, Any] = {"color": DARK, "linewidth": 0.8, "linestyle": "--"}
#: Where along a panel the intervals of bias and limits stand, parts of its width.
INTERVALS_AT = {"lower_limit": 0.95, "bias": 0.97, "upper_limit": 0.99}
#: Half of the height of a panel as a multiple of the furthest limit or point.
ROOM = 1.45


@matplotlib.rc_context(STYLE)
def draw_bland_altman(regions: pd.DataFrame, agreement: pd.DataFrame, atlas: str) -> Figure:
    """Difference of two images against their mean, a point a region of a test subject.

    Args:
        regions: region means of all subjects, as ``regions.tsv`` holds them.
        agreement: bias and limits, as ``agreement.tsv`` holds them.
        atlas: the atlas whose regions are drawn.

    Returns:
        The figure, two columns wide: a row a scale, a column a pair of images.
    """
    figure = new_figure(TWO_COLUMNS, 4.6)
    figure.set_layout_engine("constrained", h_pad=0.06)
    parts: Any = figure.subfigures(len(SCALES), 1)
    of_test = agreement[(agreement["set"] == HEADLINE_SET) & (agreement["atlas"] == atlas)]
    for part, scale, letters in zip(parts, SCALES, ("abc", "def"), strict=True):
        part.suptitle(SCALE_TITLES[scale], fontsize=8)
        points = on_scale(regions, scale)
        points = points[(points["set"] == HEADLINE_SET) & (points["atlas"] == atlas)]
        cells = part.subplots(1, len(DRAWN), sharey=True)
        furthest = [
            _draw_pair(cell, points, of_test[of_test["scale"] == scale], y, x)
            for cell, (y, x) in zip(cells, DRAWN, strict=True)
        ]
        top = ROOM * max([*furthest, 1.0])
        cells[0].set_ylim(-top, top)
        for cell, letter in zip(cells, letters, strict=True):
            cell.set_title(letter, loc="left", fontweight="bold")
    return figure


def _draw_pair(axes: Axes, points: pd.DataFrame, agreement: pd.DataFrame, y: str, x: str) -> float:
    """One panel; returns how far from zero its points and limits reach."""
    axes.set(xlabel=f"mean of {y} and {x}", ylabel=f"{y} − {x}")
    rows = agreement[(agreement["y"] == y) & (agreement["x"] == x)]
    if rows.empty:
        note(axes, "known only relative", GREY, top=True)
        return 0.0
    first, second = points[y.lower()], points[x.lower()]
    difference = first - second
    axes.axhline(0, zorder=1, **IDENTITY_LINE)
    # Thousands of points are drawn as pixels, so that the SVG stays small.
    axes.plot(
        (first + second) / 2, difference, "o", color=COLOURS[y], markersize=1.6, alpha=0.4,
        markeredgewidth=0, rasterized=True, zorder=2,
    )  # fmt: skip
    row: Any = rows.iloc[0]
    for name, look in (
        ("bias", FITTED_LINE),
        ("lower_limit", LIMIT_LINE),
        ("upper_limit", LIMIT_LINE),
    ):
        axes.axhline(row[name], zorder=3, **look)
        if not np.isnan(row[f"{name}_low"]):
            axes.vlines(
                INTERVALS_AT[name], row[f"{name}_low"], row[f"{name}_high"], color=GREY,
                linewidth=2, alpha=0.8, transform=axes.get_yaxis_transform(), zorder=4,
            )  # fmt: skip
    axes.margins(x=0.1)  # room for the intervals
    note(axes, _told(row), DARK, top=True)
    reach = [difference.abs().max(), *(abs(row[f"{side}_limit"]) for side in ("lower", "upper"))]
    return float(np.nanmax(reach))


def _told(row: pd.Series) -> str:
    """What a panel says of its bias and limits."""
    trend = p_value(row["proportional_p"])
    return "\n".join(
        filter(
            None,
            (
                f"bias {signed(row['bias'], 1)}, limits {signed(row['lower_limit'], 1)} "
                f"to {signed(row['upper_limit'], 1)}",
                f"ICC(2,1) {row['icc_2_1']:.2f}, CCC {row['ccc']:.2f}".replace("-", "−"),
                f"trend {signed(row['proportional_slope'], 2)}, {trend}" if trend else "",
            ),
        )
    )
