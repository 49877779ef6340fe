"""The figures drawn from the study's tables: similarity, regression and training."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator

from spect2pet.evaluate import published
from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET, SCALES, SETS, on_scale
from spect2pet.figures.pictures import CBF_WINDOW, cbf_label, new_figure
from spect2pet.figures.style import (
    COLOURS,
    DARK,
    GREY,
    ONE_COLUMN,
    STYLE,
    TWO_COLUMNS,
    note,
    p_value,
    signed,
)

FITTED_LINE: dict[str, Any] = {"color": DARK, "linewidth": 1.2}
IDENTITY_LINE: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "dashes": (4, 3)}
SCALE_TITLES = {"absolute": f"absolute {cbf_label()}", "relative": cbf_label(relative=True)}
PUBLISHED_LINE: dict[str, Any] = {"color": DARK, "linewidth": 1.0, "linestyle": ":"}

# --- Similarity -----------------------------------------------------------------


@matplotlib.rc_context(STYLE)
def draw_similarity(similarity: pd.DataFrame, tests: pd.DataFrame) -> Figure:
    """SSIM of every subject's SPECT and P2P: boxes, and a line from one to the other.

    Args:
        similarity: one row a subject and image, as ``similarity.tsv`` holds them.
        tests: one row a set and measure, as ``similarity_tests.tsv`` holds them.

    Returns:
        The figure, one column wide, with a panel for each set.
    """
    sets = [name for name in SETS if (similarity["set"] == name).any()]
    figure = new_figure(ONE_COLUMN, 2.85)
    axes = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    of_measure = tests[tests["measure"] == HEADLINE_MEASURE].set_index("set")
    for cell, name in zip(axes, sets, strict=True):
        members = similarity[similarity["set"] == name].sort_values("subject")
        values = np.array(
            [members.loc[members["image"] == image, HEADLINE_MEASURE] for image in COLOURS]
        )
        _paired_boxes(cell, values)
        test: Any = of_measure.loc[name]
        cell.set_title(f"{name}\nn = {test['n']}")
        gain = f"gain {signed(test['difference'], 3)}"
        cell.set_xlabel("\n".join(filter(None, (gain, p_value(test["wilcoxon_p"])))))
    for image, value, place in zip(COLOURS, published.SSIM.values(), (0, 1), strict=True):
        axes[0].plot(place, value, "D", markersize=4, markerfacecolor="white",
                     markeredgecolor=COLOURS[image], zorder=4)  # fmt: skip
    marker = Line2D([], [], marker="D", linestyle="", markersize=4, markerfacecolor="white",
                    markeredgecolor=DARK)  # fmt: skip
    figure.legend([marker], ["published"], loc="outside upper right", handletextpad=0.1,
                  borderpad=0)  # fmt: skip
    relative = similarity["relative"]
    scale = " (relative CBF)" if relative.all() else " (partly relative CBF)"
    axes[0].set_ylabel("SSIM against PET" + (scale if relative.any() else ""))
    return figure


def _paired_boxes(axes: Axes, values: np.ndarray) -> None:
    """Two boxes, and a line a subject between them; ``values`` is (2, subjects)."""
    boxes = axes.boxplot(
        values.T, positions=(0, 1), widths=0.5, showfliers=False, patch_artist=True,
        medianprops={"color": DARK, "linewidth": 1.2}, whis=(0, 100),
        boxprops={"linewidth": 0.6}, whiskerprops={"linewidth": 0.6}, capprops={"linewidth": 0.6},
    )  # fmt: skip
    for box, colour in zip(boxes["boxes"], COLOURS.values(), strict=True):
        box.set(facecolor=colour, alpha=0.35)
    axes.plot((0, 1), values, color=GREY, linewidth=0.5, zorder=3)
    for place, (row, colour) in enumerate(zip(values, COLOURS.values(), strict=True)):
        axes.plot(np.full(len(row), place), row, "o", color=colour, markersize=2.5, zorder=3)
    axes.set_xticks((0, 1), list(COLOURS))
    axes.set_xlim(-0.5, 1.5)


# --- Regression -----------------------------------------------------------------


@matplotlib.rc_context(STYLE)
def draw_regression(regions: pd.DataFrame, regression: pd.DataFrame, atlas: str) -> Figure:
    """ROI means of the three images on one another, absolute and relative.

    Args:
        regions: region means of all subjects, as ``regions.tsv`` holds them.
        regression: the lines, as ``regression.tsv`` holds them.
        atlas: the atlas whose regions are drawn; of test subjects only.

    Returns:
        The figure, two columns wide: a row a scale, a column a pair of images.
    """
    figure = new_figure(TWO_COLUMNS, 5.2)
    figure.set_layout_engine("constrained", h_pad=0.06)
    of_test = (regression["set"] == HEADLINE_SET) & (regression["atlas"] == atlas)
    parts: Any = figure.subfigures(len(SCALES), 1)
    for part, scale, letters in zip(parts, SCALES, ("abc", "def"), strict=True):
        part.suptitle(SCALE_TITLES[scale], fontsize=8)
        points = on_scale(regions, scale)
        points = points[(points["set"] == HEADLINE_SET) & (points["atlas"] == atlas)]
        top = 1.05 * np.nanmax(points[["spect", "p2p", "pet"]].to_numpy(), initial=CBF_WINDOW[1])
        cells = part.subplots(1, len(published.LINES))
        for cell, paper, letter in zip(cells, published.LINES, letters, strict=True):
            of_pair = (regression["y"] == paper.y) & (regression["x"] == paper.x)
            line = regression[of_test & of_pair & (regression["scale"] == scale)].iloc[0]
            _draw_pair(cell, points, line, top)
            if scale == "absolute":
                _line(cell, paper.slope, published.PER_ML * paper.intercept, top, **PUBLISHED_LINE)
            cell.set_title(letter, loc="left", fontweight="bold")
        if scale == "absolute":
            cells[0].legend(
                [Line2D([], [], **look) for look in (FITTED_LINE, IDENTITY_LINE, PUBLISHED_LINE)],
                ["regression", "identity", "published"],
                loc="lower right",
            )
    return figure


def _draw_pair(axes: Axes, points: pd.DataFrame, line: pd.Series, top: float) -> None:
    """Region means of one image on those of another, with line, identity and equation."""
    axes.plot((0, top), (0, top), zorder=1, **IDENTITY_LINE)
    colour = COLOURS[line["y"]]
    # Thousands of points are drawn as pixels, so that the SVG stays small.
    axes.plot(
        points[line["x"].lower()], points[line["y"].lower()], "o", color=colour, markersize=1.6,
        alpha=0.4, markeredgewidth=0, rasterized=True, zorder=2,
    )  # fmt: skip
    _line(axes, line["slope"], line["intercept"], top, **FITTED_LINE | {"color": colour})
    note(axes, _equation(line), DARK, top=True)
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal", xlabel=line["x"], ylabel=line["y"])
    axes.xaxis.set_major_locator(MultipleLocator(20))
    axes.yaxis.set_major_locator(MultipleLocator(20))


def _line(axes: Axes, slope: float, intercept: float, top: float, **look: Any) -> None:
    x = np.array([0, top])
    axes.plot(x, intercept + slope * x, zorder=3, **look)


def _equation(line: pd.Series) -> str:
    """What a panel says of its line."""
    if np.isnan(line["slope"]):
        return f"n = {line['n']}: no line"
    # A true minus, and none before zero.
    intercept = f"{round(line['intercept'], 1) + 0.0:.1f}".replace("-", "−")
    return (
        f"y = {intercept} {signed(line['slope'], 2, spaced=True)} x\n"
        f"r = {line['r']:.2f}, {p_value(line['p'])}\n"
        f"n = {line['n']} ({line['subjects']} subjects)"
    )


# --- Training -------------------------------------------------------------------


@matplotlib.rc_context(STYLE)
def draw_training(histories: Sequence[pd.DataFrame]) -> Figure:
    """Losses and validation over the epochs of all networks of a model.

    Args:
        histories: one a network, each with one row an epoch, as ``history.tsv`` holds them.

    Returns:
        The figure, two columns wide, with a line a network.  Where the generator has no
        opponent its own loss stands in place of the adversarial ones.
    """
    figure = new_figure(TWO_COLUMNS, 2.4)
    distance, loss, ssim = figure.subplots(1, 3)
    _curves(
        distance,
        histories,
        {"l1": ("training, whole slices", GREY), "validation_l1": ("validation, brain", DARK)},
    )
    distance.set_ylabel("|P2P − PET| (mL/100 g/min)")
    distance.set_ylim(bottom=0)
    if any(history["discriminator_loss"].any() for history in histories):
        _curves(
            loss,
            histories,
            {"gan_loss": ("generator", COLOURS["P2P"]),
             "discriminator_loss": ("discriminator", COLOURS["SPECT"])},
        )  # fmt: skip
        loss.set_ylabel("adversarial loss")
    else:
        _curves(loss, histories, {"generator_loss": ("generator", COLOURS["P2P"])})
        loss.set_ylabel("loss, no adversarial part")
    _curves(ssim, histories, {"validation_ssim": ("validation", DARK)})
    ssim.set_ylabel("SSIM against PET")
    for cell, letter in zip((distance, loss, ssim), "abc", strict=True):
        cell.set_title(letter, loc="left", fontweight="bold")
        cell.set_xlabel("epoch")
        cell.set_xlim(0, max(history["epoch"].max() for history in histories))
        cell.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _curves(
    axes: Axes, histories: Sequence[pd.DataFrame], columns: dict[str, tuple[str, str]]
) -> None:
    """One curve a column and network; a training too short for a curve shows its points."""
    width = 1.2 if len(histories) == 1 else 0.6
    for column, (_, colour) in columns.items():
        for history in histories:
            marker = "o" if len(history) < 5 else ""
            axes.plot(history["epoch"], history[column], color=colour, linewidth=width,
                      marker=marker, markersize=2.5)  # fmt: skip
    axes.legend(
        [Line2D([], [], color=colour) for _, colour in columns.values()],
        [label for label, _ in columns.values()],
        title=f"{len(histories)} networks" if len(histories) > 1 else None,
        title_fontsize=7,
        alignment="left",
    )
