"""Subjects' images in MNI space, where people can be compared place by place."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from spect2pet.core import grids, itk
from spect2pet.core.images import read_image
from spect2pet.evaluate.evaluation import read_images, relative_factor
from spect2pet.register import mni

VOXEL_MM = 4.0
VOXEL_ML = VOXEL_MM**3 / 1000
#: The brain in MNI space, symmetrical about x = 0: reversing the first axis mirrors a person.
GRID = grids.Grid(
    np.array([[4.0, 0, 0, -72], [0, 4, 0, -108], [0, 0, 4, -72], [0, 0, 0, 1]]), (37, 47, 40)
)


@cache
def template_brain() -> np.ndarray:
    """Booleans on `GRID`: more than half grey or white matter."""
    return sample(*mni.brain_share(), _points()) > 0.5


@cache
def template_regions() -> np.ndarray:
    """AAL labels on `GRID`, 0 outside."""
    labels, affine = mni.atlas()
    return grids.sample(labels, affine, _points(), order=0).reshape(GRID.shape)


def places(affine: str | Path, warp: str | Path) -> np.ndarray:
    """Where the voxels of `GRID` lie in a subject.

    Args:
        affine: ``.mat``, fixed MNI, moving PET.
        warp: displacements before the affine.

    Returns:
        Millimetres in the subject's PET space (n, 3), in C order.
    """
    return move(itk.displace(_points(), warp), itk.read_linear(affine))


def bring(
    images: Mapping[str, str | Path], mask: str | Path, points: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, bool]]:
    """Bring a subject's images to MNI space, each by one linear interpolation.

    Args:
        images: images on the study grid by the names of `evaluation.IMAGES`.
        mask: brain mask on the study grid.
        points: what `places` gave.

    Returns:
        Relative CBF (whole-brain mean 50) by name, (x, y, z) on `GRID`; the brain as far as both
        scanners saw it; and whether an image is known only relative, by name.

    Raises:
        InputError: a file is damaged.
    """
    voxels, relative = read_images(images)
    brain, study = read_image(mask)
    return (
        {
            name: sample(image * np.float32(relative_factor(image, brain)), study, points)
            for name, image in voxels.items()
        },
        sample(brain, study, points) > 0.5,
        relative,
    )


def move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (n, 3) through a 4 × 4 matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def sample(data: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of an image at the points of `GRID`, linear between its voxels, (x, y, z)."""
    return grids.sample(data, affine, points, order=1).reshape(GRID.shape)


def _points() -> np.ndarray:
    """MNI millimetres of all voxels of `GRID`, (n, 3) in C order."""
    return move(np.indices(GRID.shape).reshape(3, -1).T, GRID.affine)
