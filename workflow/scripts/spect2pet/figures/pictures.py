"""Drawing basics that every picture shares: colours, orientation, slices, saving.

Figures are built without ``pyplot``, so nothing is global and no display is
needed.  Axial slices are drawn in radiological convention, the patient's left
on the right of the picture, and say so with the letters R and L.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine

from spect2pet.core import files
from spect2pet.core.provenance import RESEARCH_ONLY

#: Perceptually uniform, so that equal steps of flow look equal.
CBF_COLOURS = "inferno"
#: For differences, white at zero.
DIFFERENCE_COLOURS = "RdBu_r"
#: Flow from black to white, mL/100 g/min; grey matter of the healthy lies near 50 to 60.
CBF_WINDOW = (0.0, 80.0)
DPI = 150
#: Height of the strip below every figure that says what it is not for, inches.
STAMP_INCHES = 0.22


def cbf_label(relative: bool = False) -> str:
    """Label of a CBF axis or colour bar; ``relative`` for images scaled to a mean of 50."""
    return "relative CBF (whole-brain mean 50)" if relative else "CBF (mL/100 g/min)"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` × ``height`` inches that lays itself out."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def pick_slices(mask: np.ndarray, count: int) -> list[int]:
    """Axial slices spread evenly over the middle 80 % of a mask's height.

    Args:
        mask: booleans (x, y, z) with at least one voxel set.
        count: how many slices.

    Returns:
        Indices along z, from foot to head.
    """
    heights = np.flatnonzero(mask.any(axis=(0, 1)))
    low, high = heights[0], heights[-1]
    margin = 0.1 * (high - low)
    return [round(k) for k in np.linspace(low + margin, high - margin, count)]


def show_slice(
    axes: Axes,
    plane: np.ndarray,
    window: tuple[float, float] = CBF_WINDOW,
    colours: str = CBF_COLOURS,
) -> AxesImage:
    """Draw one axial slice of a RAS+ image, the patient's left on the right.

    Coordinates of the axes are voxel indices, so contours of ``other.T`` drawn
    on the same axes fall on their place.

    Args:
        axes: where to draw; its ticks and frame are removed.
        plane: the slice (x, y), x towards the patient's right, y towards the front.
        window: values shown as the first and the last colour.
        colours: name of a matplotlib colour map.

    Returns:
        The drawn image, from which a colour bar can be made.
    """
    image = axes.imshow(
        plane.T,
        origin="lower",
        cmap=colours,
        vmin=window[0],
        vmax=window[1],
        interpolation="nearest",
    )
    axes.set_xlim(plane.shape[0] - 0.5, -0.5)
    axes.set(xticks=[], yticks=[], frame_on=False)
    return image


def mark_sides(axes: Axes, colour: str = "white") -> None:
    """Write R and L on the sides of a slice that `show_slice` drew."""
    for x, side in ((0.03, "R"), (0.97, "L")):
        text = axes.text(x, 0.5, side, color=colour, fontsize=8, transform=axes.transAxes)
        text.set(ha="center", va="center")


def draw_rows(
    rows: Mapping[str, Sequence[np.ndarray]],
    title: str = "",
    window: tuple[float, float] = CBF_WINDOW,
    label: str | None = None,
) -> tuple[Figure, np.ndarray]:
    """Draw rows of axial slices under one window, with one colour bar.

    Args:
        rows: for each row its name and its slices (x, y), equally many per row.
        title: text above everything.
        window: values shown as the first and the last colour.
        label: label of the colour bar, `cbf_label` where None.

    Returns:
        The figure and its axes (rows, columns), for contours to be added.
    """
    planes = list(rows.values())
    columns = len(planes[0])
    width, height = planes[0][0].shape
    figure = new_figure(1.5 * columns + 1.2, 1.5 * len(planes) * height / width + 0.6)
    axes = figure.subplots(len(planes), columns, squeeze=False)
    for line, (name, slices) in zip(axes, rows.items(), strict=True):
        for cell, plane in zip(line, slices, strict=True):
            image = show_slice(cell, plane, window)
        mark_sides(line[0])
        line[0].set_ylabel(name)
    figure.colorbar(image, ax=axes, label=label or cbf_label(), shrink=0.8, aspect=30)
    if title:
        figure.suptitle(title)
    return figure, axes


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Stamp a figure as research-only and save it, the same bytes for the same figure.

    Args:
        figure: a figure of `new_figure`; the text is added in a strip below everything.
        paths: files to write; the suffix, ``.png`` or ``.svg``, gives the format.
    """
    if RESEARCH_ONLY not in (text.get_text() for text in figure.texts):
        strip = STAMP_INCHES / figure.get_figheight()
        engine = figure.get_layout_engine()
        if isinstance(engine, ConstrainedLayoutEngine):
            engine.set(rect=(0, strip, 1, 1 - strip))
        figure.text(0.5, strip / 2, RESEARCH_ONLY, size=7, color="0.4", ha="center", va="center")
    _settle(figure)
    for path in map(Path, paths):
        kind = path.suffix.removeprefix(".")
        metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
        with (
            files.whole(path) as partial,
            matplotlib.rc_context({"svg.hashsalt": "spect2pet"}),
        ):
            figure.savefig(partial, format=kind, metadata=metadata)


def _settle(figure: Figure) -> None:
    """Keep the layout as it is, rounded.

    The layout solver adds up in an order that depends on memory addresses; the last bits of
    positions, and with them single pixels, would differ between equal runs.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(5))
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 5))
