"""A simulated subject's images and true deficits in MNI space, where people can be compared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from spect2pet import grids, itk, mni
from spect2pet.errors import InputError
from spect2pet.evaluation import read_images, relative_factor
from spect2pet.images import read_image

VOXEL_MM = 4.0
VOXEL_ML = VOXEL_MM**3 / 1000
#: The brain in MNI space, symmetrical about x = 0: reversing the first axis mirrors a person.
GRID = grids.Grid(
    np.array([[4.0, 0, 0, -72], [0, 4, 0, -108], [0, 0, 4, -72], [0, 0, 0, 1]]), (37, 47, 40)
)
#: What evens out differences of anatomy before people are compared, full width at half maximum,
#: as usual for SPECT.
SMOOTH_MM = 12.0


@dataclass(frozen=True)
class Person:
    """A simulated subject on `GRID`.

    Attributes:
        images: relative CBF by the names of `evaluation.IMAGES`, (x, y, z).
        scanned: the brain as far as both scanners saw it.
        deficit: true fraction of flow lost, 0 to 1.
        intact: true CBF without deficits, mL/100 g/min.
        relative: whether an image is known only relative, by name.
    """

    images: dict[str, np.ndarray]
    scanned: np.ndarray
    deficit: np.ndarray
    intact: np.ndarray
    relative: dict[str, bool]


def read_person(
    images: Mapping[str, str | Path],
    *,
    mask: str | Path,
    affine: str | Path,
    warp: str | Path,
    truth: str | Path,
    deficit: str | Path,
    cbf: str | Path,
) -> Person:
    """Bring a simulated subject to MNI space, each image by one linear interpolation.

    Args:
        images: images on the study grid by the names of `evaluation.IMAGES`.
        mask: brain mask on the study grid.
        affine: ``.mat``, fixed MNI, moving PET.
        warp: displacements before the affine.
        truth: JSON file with ``pet_pose``, anatomy to PET millimetres.
        deficit: map of the fraction of flow lost, on the anatomy's grid.
        cbf: map of true CBF, on the anatomy's grid.

    Raises:
        InputError: a file is damaged, or the truth does not say where the anatomy lies.
    """
    voxels, relative = read_images(images)
    brain, study = read_image(mask)
    points = _move(itk.displace(_points(), warp), itk.read_linear(affine))
    in_anatomy = _move(points, np.linalg.inv(_pose(truth)))
    lost = np.clip(_sample(*read_image(deficit), in_anatomy), 0, 0.999)
    return Person(
        {
            name: _sample(image * np.float32(relative_factor(image, brain)), study, points)
            for name, image in voxels.items()
        },
        _sample(brain, study, points) > 0.5,
        lost,
        _sample(*read_image(cbf), in_anatomy) / (1 - lost),
        relative,
    )


@cache
def template_brain() -> np.ndarray:
    """Booleans on `GRID`: more than half grey or white matter."""
    return _sample(*mni.brain_share(), _points()) > 0.5


@cache
def template_regions() -> np.ndarray:
    """AAL labels on `GRID`, 0 outside."""
    labels, affine = mni.atlas()
    return grids.sample(labels, affine, _points(), order=0).reshape(GRID.shape)


def smooth(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Blur an image within the brain by `SMOOTH_MM`; 0 outside.

    Args:
        image: (x, y, z) on `GRID`.
        brain: booleans of the same shape.
    """
    sigma = SMOOTH_MM / np.sqrt(8 * np.log(2)) / VOXEL_MM
    inside = brain.astype(np.float32)
    blurred, weight = (ndimage.gaussian_filter(part, sigma) for part in (image * inside, inside))
    return np.where(brain, blurred / np.maximum(weight, 1e-3), 0)


def _pose(truth: str | Path) -> np.ndarray:
    """Millimetres of the anatomy to millimetres of the PET, 4 × 4."""
    try:
        pose = json.loads(Path(truth).read_text(encoding="utf-8"))["pet_pose"]
        return np.array(pose, dtype=float).reshape(4, 4)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{truth}: does not say where the anatomy lies in the PET, as `pet_pose` ({error}); "
            "correct the file or the subjects table"
        ) from error


def _points() -> np.ndarray:
    """MNI millimetres of all voxels of `GRID`, (n, 3) in C order."""
    return _move(np.indices(GRID.shape).reshape(3, -1).T, GRID.affine)


def _move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (n, 3) through a 4 × 4 matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _sample(data: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of an image at the points of `GRID`, (x, y, z)."""
    return grids.sample(data, affine, points, order=1).reshape(GRID.shape)
