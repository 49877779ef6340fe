"""The figure of error maps: where in the brain SPECT and P2P differ from PET, in many people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import binary_fill_holes

from spect2pet.evaluate.evaluation import IMAGES, REFERENCE
from spect2pet.figures.pictures import (
    DIFFERENCE_COLOURS,
    cbf_label,
    mark_sides,
    new_figure,
    pick_slices,
    show_slice,
)
from spect2pet.figures.style import DARK, GREY, STYLE, TWO_COLUMNS
from spect2pet.register import mni_space

#: What is drawn of an error map, and how it is called.
PARTS = {"mean": "mean", "sd": "SD"}
#: Axial slices in a row.
SLICES = 8
#: For amounts of error; differs from the colours of flow.
SPREAD_COLOURS = "viridis"
#: Percent of the brain that the colours do justice to, and what their limit is a multiple of.
SHOWN, STEP = 99.0, 2.0
#: Inches beside the slices for names and colour bars, and above and below them.
BESIDE, ABOUT = 1.15, 0.45


@dataclass(frozen=True)
class ErrorMap:
    """How an image differs from PET, over subjects, on `mni_space.GRID`.

    Attributes:
        mean: mean difference, relative CBF; NaN outside the brain and where fewer than half of
            the subjects were scanned.
        sd: standard deviation of the difference (n − 1); NaN there and with one subject.
        subjects: number of subjects.
    """

    mean: np.ndarray
    sd: np.ndarray
    subjects: int


def map_errors(
    people: Sequence[tuple[Mapping[str, np.ndarray], np.ndarray]],
) -> dict[str, ErrorMap]:
    """Mean and standard deviation over people of SPECT − PET and of P2P − PET.

    Args:
        people: of each the images by the names of `evaluation.IMAGES`, relative CBF, and the brain
            as far as it was scanned, on `mni_space.GRID`.

    Returns:
        The maps of SPECT and of P2P.
    """
    seen = np.array([scanned for _, scanned in people]) & mni_space.template_brain()
    enough = seen.sum(axis=0) >= max(len(people) / 2, 1)
    maps = {}
    for name in IMAGES[:2]:
        differences = np.array([images[name] - images[REFERENCE] for images, _ in people])
        known = np.ma.array(differences, mask=~seen | ~enough, dtype=np.float64)
        maps[name] = ErrorMap(
            known.mean(axis=0).filled(np.nan),
            known.std(axis=0, ddof=1).filled(np.nan),
            len(people),
        )
    return maps


def typical(error: np.ndarray) -> float:
    """Root mean square of a map over the brain; NaN where nothing is known."""
    known = error[~np.isnan(error)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else np.nan


@matplotlib.rc_context(STYLE)
def draw_error_maps(maps: Mapping[str, ErrorMap]) -> Figure:
    """Mean and standard deviation of both differences, in axial slices of the template.

    Args:
        maps: what `map_errors` gave.

    Returns:
        The figure, two columns wide, in radiological convention: all four rows have one limit.
    """
    brain = mni_space.template_brain()
    x, y = (slice(at.min() - 1, at.max() + 2) for at in np.nonzero(brain.any(axis=2)))
    heights = pick_slices(brain, SLICES)
    panel = (TWO_COLUMNS - BESIDE) / SLICES * (y.stop - y.start) / (x.stop - x.start)
    figure = new_figure(TWO_COLUMNS, 2 * len(maps) * panel + ABOUT)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.02, wspace=0.0, hspace=0.01)
    cells = figure.subplots(2 * len(maps), SLICES)
    for cell, k in zip(cells[0], heights, strict=True):
        cell.set_title(f"z = {_millimetres(k)} mm", fontsize=7, pad=2)
    limit = _limit(maps)
    for part, lines in zip(PARTS, np.split(cells, len(PARTS)), strict=True):
        for line, (name, found) in zip(lines, maps.items(), strict=True):
            error = getattr(found, part)
            for cell, k in zip(line, heights, strict=True):
                image = show_slice(cell, error[x, y, k], *_look(part, limit))
                outline = binary_fill_holes(brain[x, y, k]).T
                cell.contour(outline, levels=[0.5], colors=GREY, linewidths=0.4)
            line[0].set_ylabel(_told(name, part, error), linespacing=1.3)
        mark_sides(lines[0, 0], DARK)
        label = f"{PARTS[part]} of differences, n = {found.subjects}\n{cbf_label(relative=True)}"
        bar: Any = figure.colorbar(
            image, ax=lines, label=label, extend="both" if part == "mean" else "max", aspect=22,
            shrink=0.85, pad=0.01,
        )  # fmt: skip
        bar.outline.set_linewidth(0.6)
    return figure


def _look(part: str, limit: float) -> tuple[tuple[float, float], str]:
    """Window and colours of a part."""
    if part == "mean":
        return (-limit, limit), DIFFERENCE_COLOURS
    return (0.0, limit), SPREAD_COLOURS


def _limit(maps: Mapping[str, ErrorMap]) -> float:
    """The difference that the strongest colour stands for."""
    every = np.abs([getattr(found, part) for found in maps.values() for part in PARTS])
    known = every[~np.isnan(every)]
    top = np.percentile(known, SHOWN) if len(known) else 0.0
    return float(max(np.ceil(top / STEP), 1) * STEP)


def _millimetres(k: int) -> str:
    """Height of a slice, with a true minus."""
    return f"{mni_space.GRID.affine[2, 2] * k + mni_space.GRID.affine[2, 3]:.0f}".replace("-", "−")


def _told(name: str, part: str, error: np.ndarray) -> str:
    """The name of a row, and how large its errors typically are."""
    size = typical(error)
    number = "not known" if np.isnan(size) else f"RMS {size:.1f}"
    return f"{name} − {REFERENCE}\n{PARTS[part]}, {number}"
