"""A simulated subject's images and true deficits in MNI space, where people can be compared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image
from spect2pet.register import mni_space

#: What evens out differences of anatomy before people are compared, full width at half maximum,
#: as usual for SPECT.
SMOOTH_MM = 12.0


@dataclass(frozen=True)
class Person:
    """A simulated subject on `mni_space.GRID`.

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
    points = mni_space.places(affine, warp)
    voxels, scanned, relative = mni_space.bring(images, mask, points)
    in_anatomy = mni_space.move(points, np.linalg.inv(_pose(truth)))
    lost = np.clip(mni_space.sample(*read_image(deficit), in_anatomy), 0, 0.999)
    intact = mni_space.sample(*read_image(cbf), in_anatomy) / (1 - lost)
    return Person(voxels, scanned, lost, intact, relative)


def smooth(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Blur an image within the brain by `SMOOTH_MM`; 0 outside.

    Args:
        image: (x, y, z) on `mni_space.GRID`.
        brain: booleans of the same shape.
    """
    sigma = SMOOTH_MM / np.sqrt(8 * np.log(2)) / mni_space.VOXEL_MM
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
