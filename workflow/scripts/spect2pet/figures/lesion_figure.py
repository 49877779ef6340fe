"""The figure of deficits: what each image finds, how deep it shows them, and what it makes up."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spect2pet.evaluate.evaluation import HEADLINE_SET, IMAGES
from spect2pet.figures.pictures import new_figure
from spect2pet.figures.plots import IDENTITY_LINE
from spect2pet.figures.style import COLOURS, DARK, GREY, STYLE, TWO_COLUMNS, note
from spect2pet.lesions import roc
from spect2pet.lesions.detection import OBSERVERS

COLOUR_OF = {**COLOURS, "PET": DARK}


@matplotlib.rc_context(STYLE)
def draw_lesions(lesions: pd.DataFrame, scores: pd.DataFrame, detection: pd.DataFrame) -> Figure:
    """ROC curves of regions, depth of deficits and false deficits of the test subjects.

    Args:
        lesions: one row a subject and image, as ``lesions.tsv`` holds them.
        scores: one row a case, as ``lesion_scores.tsv`` holds them.
        detection: one row a set, observer and image, as ``lesion_detection.tsv`` holds them.

    Returns:
        The figure, two columns wide.
    """
    figure = new_figure(TWO_COLUMNS, 2.6)
    axes = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    of_test, cases, areas = (
        table[table["set"] == HEADLINE_SET] for table in (lesions, scores, detection)
    )
    _draw_curves(
        axes[0],
        *(table[table["observer"] == OBSERVERS[0]] for table in (cases, areas)),
    )
    _draw_subjects(axes[1], of_test, "recovery", "measured / true loss of flow")
    axes[1].axhline(1, zorder=1, **IDENTITY_LINE)
    _draw_subjects(axes[2], of_test, "false_deficits", "false deficits in a brain")
    axes[2].set_ylim(bottom=0)
    axes[2].yaxis.set_major_locator(MaxNLocator(integer=True))
    for cell, letter in zip(axes, "abc", strict=True):
        cell.set_title(letter, loc="left", fontweight="bold")
    return figure


def _draw_curves(axes: Axes, cases: pd.DataFrame, areas: pd.DataFrame) -> None:
    """ROC curves of all images on the same regions."""
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_aspect("equal")
    if areas["auc"].isna().all():
        note(axes, "not known", GREY, top=True)
        return
    axes.plot((0, 1), (0, 1), zorder=1, **IDENTITY_LINE)
    by_image: Any = areas.set_index("image")
    for image in IMAGES:
        false, found = roc.curve(cases["positive"], cases[image.lower()])
        row = by_image.loc[image]
        label = f"{image} {row['auc']:.2f}"
        if not np.isnan(row["bootstrap_low"]):
            label += f" ({row['bootstrap_low']:.2f}–{row['bootstrap_high']:.2f})"
        axes.plot(false, found, color=COLOUR_OF[image], label=label)
    # On white, so that the diagonal does not run through the words.
    axes.legend(title="area under the curve", title_fontsize=6.5, fontsize=6.5, loc="lower right",
                frameon=True, framealpha=1, edgecolor="none", borderpad=0.1)  # fmt: skip


def _draw_subjects(axes: Axes, rows: pd.DataFrame, name: str, label: str) -> None:
    """One number of every subject, a line from image to image, and its mean."""
    axes.set(ylabel=label, xlim=(-0.4, len(IMAGES) - 0.6))
    axes.set_xticks(range(len(IMAGES)), IMAGES)
    wide = rows.pivot_table(index="subject", columns="image", values=name)
    wide = wide.reindex(columns=list(IMAGES)).dropna()
    if wide.empty:
        note(axes, "not known", GREY, top=True)
        return
    axes.plot(range(len(IMAGES)), wide.to_numpy().T, color="0.75", linewidth=0.6, zorder=2)
    for place, image in enumerate(IMAGES):
        axes.plot(np.full(len(wide), place), wide[image], "o", color=COLOUR_OF[image],
                  markersize=2.5, alpha=0.6, markeredgewidth=0, zorder=3)  # fmt: skip
        axes.plot(place, wide[image].mean(), "o", color=COLOUR_OF[image], markersize=6,
                  markeredgecolor="white", markeredgewidth=0.8, zorder=4)  # fmt: skip
    axes.set_xlabel(f"n = {len(wide)} subjects")
