"""From MNI space to a subject's study grid: brain mask, atlas regions, template."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spect2pet.core import grids, itk
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image, write_image
from spect2pet.register import mni


def map_regions(
    *,
    study_pet: str | Path,
    pet: str | Path,
    spect: str | Path,
    transform: str | Path,
    affine: str | Path,
    inverse_warp: str | Path,
    mask: str | Path,
    dseg: str | Path,
    made_by: Mapping[str, Any],
) -> None:
    """Bring the brain mask and the AAL atlas from MNI space to a subject's study grid.

    The mask is where the template's grey and white matter together exceed one half, and both
    scanners saw the place.  It does not depend on the subject's CBF, so that a deficit, however
    deep, stays inside.

    Args:
        study_pet: PET on the study grid, for the grid.
        pet: prepared PET, for its field of view.
        spect: prepared SPECT, likewise.
        transform: ``.mat``, fixed PET, moving SPECT.
        affine: ``.mat``, fixed MNI, moving PET.
        inverse_warp: displacements that follow the inverted affine.
        mask: image to write, 1 in the brain; ``BrainCovered`` in its sidecar is the share of
            the brain that both scanners saw.
        dseg: image to write, AAL labels within the mask.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: no part of the brain was seen by both scanners.
    """
    data, grid_affine = read_image(study_pet)
    grid = grids.Grid(grid_affine, data.shape)
    places = mni_places(grid, itk.read_linear(affine), inverse_warp)
    tissue = (grids.sample(*mni.brain_share(), places, order=1) > 0.5).reshape(grid.shape)
    labels = grids.sample(*mni.atlas(), places, order=0).reshape(grid.shape)
    brain = tissue & _seen(pet, grid, np.eye(4)) & _seen(spect, grid, itk.read_linear(transform))
    if not brain.any():
        raise InputError(
            f"{study_pet}: no part of the brain lies in both SPECT and PET; exclude the subject"
        )
    shared = {
        "Units": "1",
        "Relative": False,
        "Sources": [str(study_pet), str(affine), str(inverse_warp)],
        "GeneratedBy": made_by,
    }
    of_mask = {
        "Description": "1: grey plus white matter of MNI152 2009a above one half, brought to the "
        "subject by one linear interpolation, where both SPECT and PET were acquired",
        "BrainCovered": round(np.count_nonzero(brain) / np.count_nonzero(tissue), 4),
    }
    of_dseg = {
        "Description": "AAL2 labels of workflow/resources/aal_groups.tsv, brought to the subject "
        "by one nearest-neighbour interpolation, within the brain mask",
    }
    write_image(mask, brain, grid.affine, {**of_mask, **shared})
    write_image(dseg, np.where(brain, labels, 0), grid.affine, {**of_dseg, **shared})


def _seen(prepared: str | Path, grid: grids.Grid, to_image: np.ndarray) -> np.ndarray:
    """Which voxels of the grid a prepared image covers."""
    data, affine = read_image(prepared)
    return grids.field_of_view(data.shape, affine, grid, to_image)


def mni_places(grid: grids.Grid, affine: np.ndarray, inverse_warp: str | Path) -> np.ndarray:
    """Where in MNI space the voxels of a subject's grid are.

    Args:
        grid: a grid in the subject's PET space.
        affine: 4 × 4 point map, MNI to PET.
        inverse_warp: displacements that follow the inverted affine.

    Returns:
        MNI millimetres (n, 3) of all voxels, in C order.
    """
    back = np.linalg.inv(affine) @ grid.affine
    voxels = np.indices(grid.shape).reshape(3, -1).T
    return itk.displace(voxels @ back[:3, :3].T + back[:3, 3], inverse_warp)


def template_on(grid: grids.Grid, affine: np.ndarray, inverse_warp: str | Path) -> np.ndarray:
    """The CBF-like template on a subject's grid, mL/100 g/min."""
    places = mni_places(grid, affine, inverse_warp)
    return grids.sample(*mni.cbf_template(), places, order=1).reshape(grid.shape)
