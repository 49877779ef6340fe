"""The figure of resolution: up to which detail SPECT and P2P agree with PET."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spect2pet.evaluate.quality import FSC_THRESHOLD, resolution_of, shell_correlation
from spect2pet.figures.pictures import new_figure
from spect2pet.figures.plots import IDENTITY_LINE
from spect2pet.figures.style import COLOURS, DARK, GREY, ONE_COLUMN, STYLE

#: What no method can pass, drawn where it is known.
CEILING = "ceiling"
COLOUR_OF = {**COLOURS, CEILING: GREY}
#: Points of a curve.
POINTS = 120
#: Wavelengths that are named along the upper edge, mm.
WAVELENGTHS = (40, 20, 12, 8, 6, 5, 4)
LOWEST = -0.1


@dataclass(frozen=True)
class Detail:
    """How far an image of a subject agrees with PET, from coarse to fine.

    Attributes:
        curve: Fourier shell correlation at `frequencies`.
        resolution_mm: wavelength at which it falls below the threshold, as ``similarity.tsv``
            tells it.
    """

    curve: np.ndarray
    resolution_mm: float


def frequencies(voxel_mm: float) -> np.ndarray:
    """The spatial frequencies at which the curves of all subjects are told, 1/mm."""
    return np.linspace(0, 1 / (2 * voxel_mm), POINTS + 1)[1:]


def detail_of(image: np.ndarray, pet: np.ndarray, mask: np.ndarray, voxel_mm: float) -> Detail:
    """Fourier shell correlation of an image with PET in the brain.

    Args:
        image: the image (x, y, z).
        pet: the reference.
        mask: the brain on the same grid; anything but 0 is brain.
        voxel_mm: edge of a voxel, mm.

    Returns:
        The curve, linear between the subject's own shells, and the resolution.
    """
    shells, correlation = shell_correlation(image, pet, mask > 0, voxel_mm)
    return Detail(
        np.interp(frequencies(voxel_mm), shells, correlation),
        resolution_of(shells, correlation, voxel_mm),
    )


@matplotlib.rc_context(STYLE)
def draw_resolution(details: Mapping[str, Sequence[Detail]], voxel_mm: float) -> Figure:
    """Mean curves of the images over subjects, and where each subject passes the threshold.

    Args:
        details: of ``SPECT``, ``P2P`` and, where it is known, the `CEILING`, one a subject.
        voxel_mm: edge of a voxel, mm.

    Returns:
        The figure, one column wide.
    """
    figure = new_figure(ONE_COLUMN, 3.2)
    axes = figure.subplots()
    axes.axhline(FSC_THRESHOLD, zorder=1, **IDENTITY_LINE)
    axes.axhline(0, color=DARK, linewidth=0.6, zorder=1)
    for name, subjects in details.items():
        _draw_curve(axes, name, subjects, voxel_mm)
    axes.set(
        xlim=(0, 1 / (2 * voxel_mm)), ylim=(LOWEST, 1.02), xlabel="spatial frequency (1/mm)",
        ylabel="Fourier shell correlation with PET",
    )  # fmt: skip
    axes.legend(title=f"resolution, n = {len(details['SPECT'])}", title_fontsize=7,
                alignment="left", loc="upper right")  # fmt: skip
    named = [mm for mm in WAVELENGTHS if mm >= 2 * voxel_mm]
    top = axes.secondary_xaxis("top", functions=(np.asarray, np.asarray))
    top.set_ticks([1 / mm for mm in named], [str(mm) for mm in named])
    top.set_xlabel("wavelength (mm)")
    return figure


def _draw_curve(axes: Axes, name: str, subjects: Sequence[Detail], voxel_mm: float) -> None:
    """Mean and standard deviation of an image's curves, and a dot a subject on the threshold."""
    colour = COLOUR_OF[name]
    curves = np.array([detail.curve for detail in subjects])
    mean, own = curves.mean(axis=0), np.array([detail.resolution_mm for detail in subjects])
    label = f"{name} {own.mean():.1f}"
    x = frequencies(voxel_mm)
    if len(subjects) > 1:
        sd = curves.std(axis=0, ddof=1)
        axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0, zorder=2)
        label += f" ± {own.std(ddof=1):.1f}"
    axes.plot(x, mean, color=colour, label=f"{label} mm", zorder=3)
    axes.plot(1 / own, np.full(len(own), FSC_THRESHOLD), "o", color=colour, markersize=2.5,
              markeredgewidth=0, zorder=4)  # fmt: skip
