"""Voxel grids in millimetres, and the one interpolation that brings an image to one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image, rough_brain_mask, sidecar_path, write_image

#: Room left between the brain and the edge of the study grid, mm.
MARGIN_MM = 4.0
#: Proposed matrices are multiples of this, which networks can halve three times.
MATRIX_STEP = 8


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an image are.

    Attributes:
        affine: 4 × 4, voxel indices to millimetres in RAS+.
        shape: voxels along x, y and z.
    """

    affine: np.ndarray
    shape: tuple[int, int, int]


def box(centre: np.ndarray, voxel_mm: float, shape: tuple[int, int, int]) -> Grid:
    """An isotropic grid along the world axes (RAS+), around a point.

    Args:
        centre: middle of the grid, mm.
        voxel_mm: edge of a voxel, mm.
        shape: voxels along x, y and z.

    Returns:
        The grid; its origin is rounded to 0.1 mm, so that files state it exactly enough.
    """
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = np.round(centre - voxel_mm * (np.array(shape) - 1) / 2, 1)
    return Grid(affine, shape)


def brain_bounds(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest millimetres of the brain along the world axes.

    Args:
        data: CBF (x, y, z).
        affine: its 4 × 4 affine.

    Returns:
        Two points (3,), from the voxels of `rough_brain_mask` but for the outermost
        0.1 % on each side, which are noise.
    """
    voxels = np.argwhere(rough_brain_mask(data))
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    return np.percentile(points, 0.1, axis=0), np.percentile(points, 99.9, axis=0)


def brain_box(data: np.ndarray, affine: np.ndarray, voxel_mm: float, margin_mm: float) -> Grid:
    """A grid like `box` around the brain of an image, with a margin on every side."""
    low, high = brain_bounds(data, affine)
    shape = np.ceil((high - low + 2 * margin_mm) / voxel_mm).astype(int)
    return box((low + high) / 2, voxel_mm, tuple(shape.tolist()))


def study_grid(
    data: np.ndarray,
    affine: np.ndarray,
    settings: Mapping[str, Any],
    subject: str,
    name: str = "PET",
) -> Grid:
    """The study grid of a subject: along the image's world axes, around the brain.

    Args:
        data: prepared PET, or SPECT where there is no PET (x, y, z).
        affine: its 4 × 4 affine.
        settings: the ``study_grid`` section of the config, ``voxel_mm`` and ``matrix``.
        subject: label, for messages.
        name: what the image is called in messages.

    Returns:
        The grid.

    Raises:
        InputError: the brain does not fit; the sentence proposes a matrix that holds it.
    """
    low, high = brain_bounds(data, affine)
    voxel = settings["voxel_mm"]
    needed = np.ceil((high - low + 2 * MARGIN_MM) / voxel).astype(int)
    if (needed > settings["matrix"]).any():
        larger = np.maximum(-(-needed // MATRIX_STEP) * MATRIX_STEP, settings["matrix"])
        raise InputError(
            f"subject {subject}: the brain in the {name} needs {_by(needed)} voxels of "
            f"{voxel:g} mm and the study grid has {_by(settings['matrix'])}; set "
            f"study_grid: matrix: {larger.tolist()} in the config"
        )
    return box((low + high) / 2, voxel, tuple(settings["matrix"]))


def resample(
    data: np.ndarray,
    affine: np.ndarray,
    grid: Grid,
    to_image: np.ndarray | None = None,
    order: int = 3,
) -> np.ndarray:
    """Bring an image to a grid by one interpolation.

    A cubic B-spline keeps the resolution that a linear interpolation would cost
    (Unser, IEEE Signal Process Mag 16(6):22, 1999); its overshoot beside sharp edges
    is cut at the smallest and largest value of the image, so flow does not turn negative.

    Args:
        data: voxels (x, y, z).
        affine: 4 × 4 affine of ``data``.
        grid: where the result is wanted.
        to_image: 4 × 4, millimetres of the grid to millimetres of the image; identity
            where None.
        order: order of the spline: 3 cubic, 1 linear, 0 nearest neighbour.

    Returns:
        Voxels of the grid, of the type of ``data``; 0 outside the image.
    """
    step = np.linalg.inv(affine) @ (np.eye(4) if to_image is None else to_image) @ grid.affine
    result = ndimage.affine_transform(
        data, step, output_shape=grid.shape, order=order, mode="constant", cval=0.0
    )
    return np.clip(result, min(data.min(), 0), data.max()) if order > 1 else result


def bring(
    source: str | Path,
    grid: Grid,
    output: str | Path,
    made_by: Mapping[str, Any],
    to_image: np.ndarray | None = None,
    description: str | None = None,
) -> None:
    """Bring an image file to a grid by one cubic interpolation.

    Args:
        source: image of the workflow's own, with its sidecar beside it.
        grid: where the result is wanted.
        output: image to write; its sidecar keeps what the source's says of the values.
        made_by: what `provenance.stamp` gave.
        to_image: as in `resample`.
        description: what the sidecar says that the image is, nothing where None.
    """
    data, affine = read_image(source)
    told = json.loads(sidecar_path(source).read_text(encoding="utf-8"))
    write_image(
        output,
        resample(data, affine, grid, to_image),
        grid.affine,
        {
            **({} if description is None else {"Description": description}),
            "Units": told["Units"],
            "Relative": told["Relative"],
            "Sources": [str(source)],
            "Interpolation": "cubic B-spline, once, from the voxels of the source",
            "GeneratedBy": made_by,
        },
    )


def sample(data: np.ndarray, affine: np.ndarray, points: np.ndarray, order: int) -> np.ndarray:
    """Values of an image at points.

    Args:
        data: voxels (x, y, z).
        affine: 4 × 4 affine of ``data``.
        points: millimetres in RAS+ (n, 3).
        order: 1 linear, 0 nearest neighbour.

    Returns:
        Values (n,) of the type of ``data``; 0 outside the image.
    """
    back = np.linalg.inv(affine)
    voxels = points @ back[:3, :3].T + back[:3, 3]
    return ndimage.map_coordinates(data, voxels.T, order=order, mode="constant")


def field_of_view(
    shape: tuple[int, ...], affine: np.ndarray, grid: Grid, to_image: np.ndarray | None = None
) -> np.ndarray:
    """Which voxels of a grid an image covers.

    Args:
        shape: voxels of the image.
        affine: its 4 × 4 affine.
        grid: the grid.
        to_image: as in `resample`.

    Returns:
        Booleans in the shape of the grid.
    """
    return resample(np.ones(shape, np.float32), affine, grid, to_image, order=1) > 0.999


def smooth(data: np.ndarray, affine: np.ndarray, fwhm_mm: float) -> np.ndarray:
    """Blur an image with an isotropic Gaussian of the given full width at half maximum."""
    voxel = np.linalg.norm(affine[:3, :3], axis=0)
    return ndimage.gaussian_filter(data, fwhm_mm / np.sqrt(8 * np.log(2)) / voxel)


def _by(values: np.ndarray) -> str:
    return " × ".join(f"{value:g}" for value in values)
