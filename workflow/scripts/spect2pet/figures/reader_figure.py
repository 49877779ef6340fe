"""The figure of the readers' scores, and of whether they told PET from P2P."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spect2pet.evaluate.evaluation import IMAGES
from spect2pet.figures.pictures import new_figure
from spect2pet.figures.style import COLOURS, DARK, GREY, STYLE, TWO_COLUMNS, p_value
from spect2pet.readers.reader_statistics import ALL, SCORED

#: Grades from the worst to the best; ends told apart by all kinds of colour vision.
GRADE_COLOURS = "RdYlBu"
GUESSING: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "linestyle": "--"}
HEIGHT = 2.5
MARKERS = "osD^vP"


@matplotlib.rc_context(STYLE)
def draw_scores(
    readings: pd.DataFrame, scores: pd.DataFrame, tests: pd.DataFrame, choices: pd.DataFrame
) -> Figure:
    """How scores are spread, mean scores of every reader, and how often the PET was found.

    Args:
        readings: what `readings.read_readings` gave.
        scores: what `reader_statistics.tabulate_scores` gave.
        tests: what `reader_statistics.compare_scores` gave.
        choices: what `reader_statistics.tabulate_choices` gave.

    Returns:
        The figure, two columns wide.
    """
    figure = new_figure(TWO_COLUMNS, HEIGHT)
    axes = figure.subplots(1, 3, width_ratios=(1.3, 1.3, 1))
    _draw_grades(axes[0], readings)
    _draw_means(axes[1], scores, tests, int(readings["grades"].iloc[0]))
    _draw_choices(axes[2], choices)
    for cell, letter in zip(axes, "abc", strict=True):
        cell.set_title(letter, loc="left", fontweight="bold")
    return figure


def _draw_grades(axes: Axes, readings: pd.DataFrame) -> None:
    """Share of every grade, a bar an image and part."""
    grades = int(readings["grades"].iloc[0])
    colours = matplotlib.colormaps[GRADE_COLOURS](np.linspace(0.08, 0.92, grades))
    first = readings[readings["score"].notna() & readings["repeat_of"].isna()]
    names = [
        (part, image) for part in SCORED for image in IMAGES
        if ((first["part"] == part) & (first["image"] == image)).any()
    ]  # fmt: skip
    for place, (part, image) in enumerate(names):
        own = first.loc[(first["part"] == part) & (first["image"] == image), "score"]
        left = 0.0
        for grade in range(grades):
            share = 100 * float((own == grade + 1).mean())
            axes.barh(place, share, left=left, height=0.7, color=colours[grade],
                      edgecolor="white", linewidth=0.5)  # fmt: skip
            if share >= 8:
                axes.text(left + share / 2, place, str(grade + 1), ha="center", va="center",
                          color=DARK, fontsize=6.5)  # fmt: skip
            left += share
    axes.set_yticks(range(len(names)), [f"{image}, {part}" for part, image in names])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="scores (%)")


def _draw_means(axes: Axes, scores: pd.DataFrame, tests: pd.DataFrame, grades: int) -> None:
    """Mean scores: of all readers with their interval, and small ones a reader."""
    names, places = [], []
    place = 0.0
    for part in SCORED:
        of_part = scores[scores["part"] == part]
        for image in IMAGES:
            rows = of_part[of_part["image"] == image]
            if rows.empty:
                continue
            colour = COLOURS.get(image, DARK)
            single = rows[rows["reader"] != ALL]
            for k, value in enumerate(single["mean"]):
                axes.plot(place + 0.15 + 0.3 * k / len(single), value, MARKERS[k % len(MARKERS)],
                          color=colour, markersize=3, alpha=0.6, markeredgewidth=0)  # fmt: skip
            both = rows[rows["reader"] == ALL].iloc[0]
            axes.plot([place, place], [both["low"], both["high"]], color=colour, linewidth=1.2)
            axes.plot(place, both["mean"], "o", color=colour, markersize=5.5,
                      markeredgecolor="white", markeredgewidth=0.8)  # fmt: skip
            names.append(f"{image}\n{part}")
            places.append(place)
            place += 1
        place += 0.5
    axes.set_xticks(places, names)
    axes.set(ylim=(0.8, grades + 0.55), yticks=range(1, grades + 1), ylabel="mean score")
    told = tests[
        (tests["reader"] == ALL) & (tests["part"] == SCORED[0]) & (tests["image"] == "SPECT")
        & (tests["other"] == "P2P")
    ]  # fmt: skip
    text = p_value(float(told["wilcoxon_p_holm"].iloc[0])) if len(told) else ""
    if text:
        height = grades + 0.15
        axes.plot([0, 0, 1, 1], [height - 0.08, height, height, height - 0.08], color=DARK,
                  linewidth=0.6)  # fmt: skip
        axes.text(0.5, height + 0.03, text, ha="center", va="bottom", fontsize=6.5)


def _draw_choices(axes: Axes, choices: pd.DataFrame) -> None:
    """How often the PET was told from P2P; half is guessing."""
    axes.axvline(50, zorder=1, **GUESSING)
    for place, row in enumerate(choices.to_dict("records")):
        colour = COLOURS["P2P"] if row["reader"] == ALL else GREY
        axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour)
        axes.plot(100 * row["share"], place, "o", color=colour, markersize=5,
                  markeredgecolor="white", markeredgewidth=0.8)  # fmt: skip
    axes.set_yticks(range(len(choices)), choices["reader"])
    axes.set(xlim=(0, 100), ylim=(max(len(choices), 1) - 0.5, -0.5), xlabel="PET found (%)")
    axes.tick_params(axis="y", length=0)
