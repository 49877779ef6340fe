"""How well two images show one brain in one place, and whether that is enough."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spect2pet.core import grids
from spect2pet.core.errors import InputError
from spect2pet.core.images import rough_brain_mask
from spect2pet.register.rigid_search import mutual_information

#: Blur before brains are outlined, full width at half maximum, mm: it brings a sharp and a
#: soft image to outlines of the same kind.
OUTLINE_FWHM_MM = 12.0


def agree(image: np.ndarray, reference: np.ndarray, grid: grids.Grid) -> dict[str, float]:
    """Compare two CBF images on one grid.

    Args:
        image: CBF on the grid.
        reference: CBF on the grid, not zero everywhere.
        grid: the grid.

    Returns:
        ``mutual_information`` in nats and Pearson ``correlation``, both within the box that
        the reference's brain fills, and ``overlap``, the Dice index of the two brains.
    """
    brain, reference_brain = outline(image, grid), outline(reference, grid)
    places = np.argwhere(reference_brain)
    corners = zip(places.min(axis=0), places.max(axis=0) + 1, strict=True)
    inside = tuple(slice(low, high) for low, high in corners)
    a, b = image[inside].ravel(), reference[inside].ravel()
    return {
        "mutual_information": mutual_information(a, b),
        "correlation": float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 else 0.0,
        "overlap": dice(brain, reference_brain),
    }


def require(
    agreement: Mapping[str, float], settings: Mapping[str, Any], section: str, what: str
) -> None:
    """Stop where two images agree too little to be one brain, aligned.

    Args:
        agreement: what `agree` gave.
        settings: the least of each measure, keys ``min_overlap`` and ``min_correlation``.
        section: where in the config the settings stand, for the message.
        what: what was aligned, for the message: subject and images.

    Raises:
        InputError: a measure is below its least.
    """
    for measure in ("overlap", "correlation"):
        least = settings[f"min_{measure}"]
        if not agreement[measure] >= least:
            raise InputError(
                f"{what} could not be aligned: {measure} {agreement[measure]:.2f}, where "
                f"{section}: min_{measure} asks for {least:g}; check that the images show one "
                "whole brain and that their orientation is right, or exclude the subject"
            )


def outline(image: np.ndarray, grid: grids.Grid) -> np.ndarray:
    """The brain in a CBF image: the rough mask of the blurred image, empty without flow."""
    blurred = np.maximum(grids.smooth(image, grid.affine, OUTLINE_FWHM_MM), 0)
    return rough_brain_mask(blurred) if blurred.any() else np.zeros(image.shape, bool)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Overlap of two masks, 1 where equal, 0 where apart (Dice, Ecology 26:297, 1945)."""
    voxels = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / voxels if voxels else 0.0


def rotation_deg(matrix: np.ndarray) -> float:
    """Angle in degrees by which a rigid 4 × 4 matrix turns."""
    return float(np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))))
