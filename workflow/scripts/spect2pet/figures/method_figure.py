"""The figure of all methods: how near each comes to PET, beside SPECT and the ceiling."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spect2pet.evaluate.comparison import CEILING, SPECT, images_by_name
from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET
from spect2pet.figures.pictures import new_figure
from spect2pet.figures.plots import IDENTITY_LINE
from spect2pet.figures.style import COLOURS, DARK, GREY, STYLE, TWO_COLUMNS, p_value, signed

CEILING_LINE: dict[str, Any] = {"color": DARK, "linewidth": 1.0, "linestyle": "--"}
#: Inches for a method, and for titles, axes and legend together.
ROW, MARGIN = 0.36, 0.95


@matplotlib.rc_context(STYLE)
def draw_methods(methods: pd.DataFrame, similarity: Mapping[str, pd.DataFrame]) -> Figure:
    """SSIM of every method for each test subject, and regional regression on PET.

    Args:
        methods: one row a set and method, as ``methods.tsv`` holds them.
        similarity: ``similarity.tsv`` by name, the ceiling among them where it is known.

    Returns:
        The figure, two columns wide: a row a method, SPECT at the top.
    """
    rows = methods[methods["set"] == HEADLINE_SET].reset_index(drop=True)
    figure = new_figure(TWO_COLUMNS, MARGIN + ROW * len(rows))
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(3, 1, 1))
    _draw_ssim(axes[0], rows, similarity)
    for cell, name, label in ((axes[1], "slope", "slope on PET"), (axes[2], "r", "r with PET")):
        _draw_line(cell, rows, name)
        cell.set_xlabel(label)
    looks = [
        Line2D([], [], marker="o", linestyle="", markersize=4, markeredgecolor=DARK,
               markerfacecolor=fill)
        for fill in ("white", DARK)
    ]  # fmt: skip
    figure.legend(looks, ["absolute", "relative"], loc="outside upper right", ncols=2,
                  handletextpad=0.1, columnspacing=0.8)  # fmt: skip
    for cell, letter in zip(axes, "abc", strict=True):
        cell.set_title(letter, loc="left", fontweight="bold")
        cell.tick_params(axis="y", length=0)
        cell.spines["left"].set_visible(False)
        cell.set_axisbelow(True)
        cell.grid(axis="y", color="0.92", linewidth=0.6)
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    return figure


def _draw_ssim(axes: Axes, rows: pd.DataFrame, similarity: Mapping[str, pd.DataFrame]) -> None:
    """A line a test subject from method to method, means, and what each gains over SPECT."""
    images = images_by_name(similarity)
    subjects = images[SPECT].index[images[SPECT]["set"] == HEADLINE_SET]
    values = np.array([images[name].loc[subjects, HEADLINE_MEASURE] for name in rows["model"]])
    places = np.arange(len(rows))
    axes.plot(values, places, color="0.75", linewidth=0.5, zorder=2)
    for place, (_, row) in enumerate(rows.iterrows()):
        colour = _colour(row["model"])
        axes.plot(values[place], np.full(len(subjects), place), "o", color=colour, markersize=2.5,
                  alpha=0.6, markeredgewidth=0, zorder=3)  # fmt: skip
        axes.plot(row["ssim_mean"], place, "o", color=colour, markersize=6, markeredgecolor="white",
                  markeredgewidth=0.8, zorder=4)  # fmt: skip
        axes.text(1.02, place, _told(row), transform=axes.get_yaxis_transform(), va="center",
                  color=DARK, fontsize=6.5, linespacing=1.3)  # fmt: skip
    if CEILING in set(rows["model"]):
        top = rows.loc[rows["model"] == CEILING, "ssim_mean"].item()
        axes.axvline(top, zorder=1, **CEILING_LINE)
    axes.text(1.02, 1.02, "mean (gain over SPECT)", transform=axes.transAxes, color=GREY,
              fontsize=6.5)  # fmt: skip
    axes.set_yticks(places, rows["model"])
    scale = " (partly relative CBF)" if rows["relative"].any() else ""
    axes.set_xlabel(f"SSIM against PET{scale}, {len(subjects)} test subjects")


def _draw_line(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """One number of the regional regression on PET, on both scales; 1 is right."""
    axes.axvline(1, zorder=1, **IDENTITY_LINE)
    for place, (_, row) in enumerate(rows.iterrows()):
        colour = _colour(row["model"])
        both = [row[f"{scale}_{name}"] for scale in ("absolute", "relative")]
        axes.plot(both, (place, place), color=colour, linewidth=0.8, alpha=0.6, zorder=2)
        for value, fill in zip(both, ("white", colour), strict=True):
            axes.plot(value, place, "o", markersize=4.5, markeredgecolor=colour,
                      markerfacecolor=fill, markeredgewidth=1, zorder=3)  # fmt: skip
    axes.margins(x=0.12)


def _told(row: pd.Series) -> str:
    """What is written beside a row: mean and gain over SPECT, and how much and sure that is."""
    mean = f"{row['ssim_mean']:.3f}"
    if row["model"] == SPECT:
        return mean
    first = f"{mean} ({signed(row['gain'], 3)})"
    share = row["share_of_ceiling"]
    if row["model"] == CEILING or row["gain"] == 0:
        return first
    second = (
        []
        if np.isnan(share)
        else [f"{signed(100 * share, 0).lstrip('+')} % of the way to the ceiling"]
    )
    second += filter(None, [p_value(row["wilcoxon_p_holm"])])
    return "\n".join(filter(None, [first, ", ".join(second)]))


def _colour(name: str) -> str:
    """Colour of a row: SPECT, a model's P2P, or the ceiling."""
    return {SPECT: COLOURS["SPECT"], CEILING: GREY}.get(name, COLOURS["P2P"])
