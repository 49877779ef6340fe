"""The figure of example slices: SPECT, P2P, PET and how the first two differ from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from scipy.ndimage import binary_fill_holes

from spect2pet.evaluate.evaluation import (
    HEADLINE_MEASURE,
    HEADLINE_SET,
    IMAGES,
    REFERENCE,
    to_relative,
)
from spect2pet.figures.pictures import (
    DIFFERENCE_COLOURS,
    cbf_label,
    mark_sides,
    new_figure,
    show_slice,
)
from spect2pet.figures.style import DARK, GREY, STYLE, TWO_COLUMNS, note

COLUMNS = ("SPECT", "P2P", "PET", "SPECT − PET", "P2P − PET")
BAR: dict[str, Any] = {"location": "bottom", "shrink": 0.8, "pad": 0.02}


@dataclass(frozen=True)
class Example:
    """One subject of the figure of example slices.

    Attributes:
        subject: label of the subject.
        planes: the same axial slice (x, y) of ``SPECT``, ``P2P`` and ``PET``.
        brain: booleans (x, y), the brain in this slice.
        ssim: of SPECT and P2P against PET, mean over all the subject's slices.
    """

    subject: str
    planes: dict[str, np.ndarray]
    brain: np.ndarray
    ssim: dict[str, float]


def pick_examples(similarity: pd.DataFrame, count: int) -> list[str]:
    """Test subjects spread evenly from the smallest to the largest gain in SSIM.

    Args:
        similarity: one row a subject and image, as ``similarity.tsv`` holds them.
        count: how many; fewer where the test set has fewer.

    Returns:
        Labels of the subjects, the smallest gain first; a single one is the median.
    """
    members = similarity[similarity["set"] == HEADLINE_SET]
    ssim = {
        name: rows.set_index("subject")[HEADLINE_MEASURE] for name, rows in members.groupby("image")
    }
    gain = (ssim["P2P"] - ssim["SPECT"]).sort_index().sort_values(kind="stable")
    count = min(count, len(gain))
    places = np.linspace(0, len(gain) - 1, count) if count > 1 else [(len(gain) - 1) / 2]
    return [str(gain.index[round(place)]) for place in places]


def example_of(
    subject: str,
    images: Mapping[str, np.ndarray],
    mask: np.ndarray,
    similarity: pd.DataFrame,
    relative: bool = False,
) -> Example:
    """The axial slice of a subject with most brain in it.

    Args:
        subject: label of the subject.
        images: ``SPECT``, ``P2P`` and ``PET``, (x, y, z), mL/100 g/min.
        mask: the brain on the same grid; anything but 0 is brain.
        similarity: one row a subject and image, as ``similarity.tsv`` holds them.
        relative: scale each image to a whole-brain mean of 50 first.
    """
    brain = mask > 0
    k = int(np.argmax(brain.sum(axis=(0, 1))))
    if relative:
        images = {name: to_relative(image, mask) for name, image in images.items()}
    of_subject = similarity[similarity["subject"] == subject].set_index("image")
    return Example(
        subject,
        {name: image[:, :, k] for name, image in images.items()},
        brain[:, :, k],
        {str(name): value for name, value in of_subject[HEADLINE_MEASURE].items()},
    )


@matplotlib.rc_context(STYLE)
def draw_examples(
    examples: Sequence[Example], difference_limit: float, relative: bool = False
) -> Figure:
    """SPECT, P2P and PET of some subjects, and how the first two differ from PET.

    Args:
        examples: one a row.
        difference_limit: difference shown in the strongest colour, mL/100 g/min.
        relative: the images are scaled to a whole-brain mean of 50.

    Returns:
        The figure, two columns wide, in radiological convention.
    """
    boxes = boxes_around([example.brain for example in examples])
    width, height = (box.stop - box.start for box in boxes[0])
    panel = (TWO_COLUMNS - 0.35) / len(COLUMNS)
    figure = new_figure(TWO_COLUMNS, panel * height / width * len(examples) + 0.95)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.03, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(examples), len(COLUMNS), squeeze=False)
    for cell, title in zip(axes[0], COLUMNS, strict=True):
        cell.set_title(title, pad=3)
    for line, example, box in zip(axes, examples, boxes, strict=True):
        flow, change = _draw_row(line, example, box, difference_limit)
    label = cbf_label(relative)
    bars = (
        figure.colorbar(flow, ax=axes[:, :3], label=label, extend="max", aspect=42, **BAR),
        figure.colorbar(
            change, ax=axes[:, 3:], label=f"difference in {label}", extend="both", aspect=28, **BAR
        ),
    )
    for bar in bars:
        bar.outline.set_linewidth(0.6)
    return figure


def _draw_row(
    cells: np.ndarray, example: Example, box: tuple[slice, slice], limit: float
) -> tuple[AxesImage, AxesImage]:
    """Draw one subject; return an image of flow and one of difference, for the colour bars."""
    planes = {name: plane[box] for name, plane in example.planes.items()}
    for cell, name in zip(cells[:3], IMAGES, strict=True):
        flow = show_slice(cell, planes[name])
        if name in example.ssim:
            note(cell, f"SSIM {example.ssim[name]:.2f}", "white")
    # Ventricles are holes in the mask; their outlines would only distract.
    outline = binary_fill_holes(example.brain[box]).T
    for cell, name in zip(cells[3:], IMAGES, strict=False):
        difference = planes[name] - planes[REFERENCE]
        change = show_slice(cell, difference, (-limit, limit), DIFFERENCE_COLOURS)
        cell.contour(outline, levels=[0.5], colors=GREY, linewidths=0.4)
    mark_sides(cells[0])
    mark_sides(cells[3], DARK)
    cells[0].text(
        -0.06, 0.5, f"sub-{example.subject}", rotation=90, va="center", ha="center",
        transform=cells[0].transAxes,
    )  # fmt: skip
    return flow, change


def boxes_around(brains: Sequence[np.ndarray], margin: int = 4) -> list[tuple[slice, slice]]:
    """One window a brain, all of one size and each centred on its brain."""
    extents = [[(at.min(), at.max()) for at in np.nonzero(brain)] for brain in brains]
    sizes = [
        min(max(e[axis][1] - e[axis][0] for e in extents) + 1 + 2 * margin, brains[0].shape[axis])
        for axis in (0, 1)
    ]
    boxes = []
    for extent, brain in zip(extents, brains, strict=True):
        starts = [
            int(np.clip((low + high + 1 - size) // 2, 0, length - size))
            for (low, high), size, length in zip(extent, sizes, brain.shape, strict=True)
        ]
        x, y = (slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        boxes.append((x, y))
    return boxes
