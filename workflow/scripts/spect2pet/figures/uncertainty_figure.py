"""The figure of uncertainty: expected against actual error, and where both lie in one brain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import binary_fill_holes

from spect2pet.evaluate.evaluation import HEADLINE_SET, SCALES, relative_factor
from spect2pet.figures.examples import BAR, boxes_around
from spect2pet.figures.pictures import (
    CBF_COLOURS,
    CBF_WINDOW,
    cbf_label,
    mark_sides,
    new_figure,
    show_slice,
)
from spect2pet.figures.plots import IDENTITY_LINE, SCALE_TITLES
from spect2pet.figures.style import COLOURS, DARK, GREY, STYLE, TWO_COLUMNS, note

#: For amounts of error; differs from the colours of flow.
ERROR_COLOURS = "viridis"


@dataclass(frozen=True)
class Example:
    """One axial slice of a subject, P2P and PET scaled to one whole-brain mean.

    Attributes:
        subject: label of the subject.
        planes: by the title of the panel, (x, y): ``P2P``, ``standard deviation`` and
            ``|P2P − PET|``, relative CBF.
        brain: booleans (x, y), the brain in this slice.
    """

    subject: str
    planes: dict[str, np.ndarray]
    brain: np.ndarray


def example_of(subject: str, images: Mapping[str, np.ndarray], mask: np.ndarray) -> Example:
    """The axial slice of a subject with most brain in it.

    Args:
        subject: label of the subject.
        images: ``P2P``, its ``uncertainty`` and ``PET``, (x, y, z), mL/100 g/min.
        mask: the brain on the same grid; anything but 0 is brain.
    """
    brain = mask > 0
    k = int(np.argmax(brain.sum(axis=(0, 1))))
    of_p2p, of_pet = (relative_factor(images[name], mask) for name in ("P2P", "PET"))
    p2p, sd, pet = (images[name][:, :, k] for name in ("P2P", "uncertainty", "PET"))
    planes = {
        "P2P": of_p2p * p2p,
        "standard deviation": of_p2p * sd,
        "|P2P − PET|": np.abs(of_p2p * p2p - of_pet * pet),
    }
    return Example(subject, planes, brain[:, :, k])


@matplotlib.rc_context(STYLE)
def draw_uncertainty(uncertainty: pd.DataFrame, summary: pd.DataFrame, example: Example) -> Figure:
    """Calibration of the test subjects' uncertainty, and one example.

    Args:
        uncertainty: one row a subject, scale and bin, as ``uncertainty.tsv`` holds them.
        summary: one row a set, scale and bin, as ``uncertainty_summary.tsv`` holds them.
        example: the slice to show.

    Returns:
        The figure, two columns wide: calibration above, slices in radiological convention below.
    """
    figure = new_figure(TWO_COLUMNS, 5.0)
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.1, 2.9))
    above, below = parts
    for cell, scale, letter in zip(above.subplots(1, len(SCALES)), SCALES, "ab", strict=True):
        _draw_calibration(
            cell,
            *(
                table[(table["set"] == HEADLINE_SET) & (table["scale"] == scale)]
                for table in (uncertainty, summary)
            ),
        )
        cell.set_title(letter, loc="left", fontweight="bold")
        cell.set_title(SCALE_TITLES[scale])
    _draw_example(below, example)
    return figure


def _draw_calibration(axes: Axes, of_subjects: pd.DataFrame, pooled: pd.DataFrame) -> None:
    """Root mean squared error against standard deviation, bin by bin."""
    axes.set(xlabel="standard deviation over networks", ylabel="RMS difference from PET")
    if pooled.empty:
        note(axes, "known only relative", GREY)
        return
    for _, bins in of_subjects.groupby("subject"):
        axes.plot(bins["sd"], bins["rmse"], color="0.75", linewidth=0.6, zorder=2)
    axes.plot(pooled["sd"], pooled["rmse"], "o-", color=COLOURS["P2P"], markersize=3, zorder=3)
    # Room for the note above the lines.
    right, top = 1.05 * of_subjects["sd"].max(), 1.35 * of_subjects["rmse"].max()
    axes.plot((0, right), (0, right), zorder=1, **IDENTITY_LINE)
    axes.set(xlim=(0, right), ylim=(0, max(top, right)))
    row = pooled.iloc[0]
    note(axes, f"{_rank_correlation(row)}\nn = {row['subjects']} subjects", DARK, top=True)


def _rank_correlation(row: pd.Series) -> str:
    """Mean rank correlation with its interval, where there is one, with true minus signs."""
    text = f"rank correlation {row['spearman']:.2f}"
    if not np.isnan(row["spearman_low"]):
        text += f" ({row['spearman_low']:.2f} to {row['spearman_high']:.2f})"
    return text.replace("-", "−")


def _draw_example(figure: Any, example: Example) -> None:
    """The three slices with a colour bar each; both errors in colours of their own."""
    (box,) = boxes_around([example.brain])
    outline = binary_fill_holes(example.brain[box]).T
    cells = figure.subplots(1, len(example.planes))
    for cell, (title, plane), letter in zip(cells, example.planes.items(), "cde", strict=True):
        flow = title == "P2P"
        window = CBF_WINDOW if flow else (0.0, float(np.percentile(plane[example.brain], 99)))
        drawn = show_slice(cell, plane[box], window, CBF_COLOURS if flow else ERROR_COLOURS)
        if not flow:
            cell.contour(outline, levels=[0.5], colors="white", linewidths=0.4)
        cell.set_title(letter, loc="left", fontweight="bold")
        cell.set_title(title)
        bar = figure.colorbar(drawn, ax=cell, extend="max", label=cbf_label(relative=True), **BAR)
        bar.outline.set_linewidth(0.6)
    mark_sides(cells[0])
    cells[0].text(
        -0.06, 0.5, f"sub-{example.subject}", rotation=90, va="center", ha="center",
        transform=cells[0].transAxes,
    )  # fmt: skip
