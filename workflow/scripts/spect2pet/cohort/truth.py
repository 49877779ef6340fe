"""What is true of a simulated subject, where its images are."""

import json
from pathlib import Path

import numpy as np

from spect2pet.core.errors import InputError
from spect2pet.core.grids import Grid, resample
from spect2pet.core.images import read_image


def true_flow(truth: str | Path, cbf: str | Path, study_pet: str | Path) -> np.ndarray:
    """The true flow of a simulated subject on the study grid, in the place of its PET.

    Args:
        truth: JSON file with ``pet_pose``: 4 × 4, millimetres of the anatomy to those of the PET.
        cbf: map of true CBF on the grid of the anatomy.
        study_pet: the subject's PET on the study grid.

    Returns:
        Voxels (x, y, z), mL/100 g/min, by one linear interpolation, which keeps the means of
        regions.

    Raises:
        InputError: the JSON file does not tell the pose.
    """
    try:
        pose = np.array(json.loads(Path(truth).read_text(encoding="utf-8"))["pet_pose"], float)
        to_anatomy = np.linalg.inv(pose)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{truth}: does not tell where the anatomy lies in the PET ({error!r}); "
            "simulate the subject again or take `truth` out of the subjects table"
        ) from error
    flow, affine = read_image(cbf)
    pet, grid_affine = read_image(study_pet)
    x, y, z = pet.shape
    return resample(flow, affine, Grid(grid_affine, (x, y, z)), to_anatomy, order=1)
