"""Reading and writing the workflow's own images, and the brain in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from spect2pet.core import files
from spect2pet.core.errors import InputError
from spect2pet.core.light_nibabel import nib
from spect2pet.core.provenance import write_json

CBF_UNIT = "mL/100 g/min"


def read_image(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an image of the workflow's own.

    Args:
        path: a NIfTI file that `write_image` wrote.

    Returns:
        The voxels, float32 (x, y, z), and the 4 × 4 affine from voxel indices
        to millimetres in RAS+.

    Raises:
        InputError: the file is damaged.
    """
    try:
        image: Any = nib.load(path)
        return np.asarray(image.dataobj, dtype=np.float32), np.asarray(image.affine)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); delete it and run the workflow again"
        ) from error


def write_image(
    path: str | Path,
    data: np.ndarray,
    affine: np.ndarray,
    sidecar: Mapping[str, Any] | None = None,
) -> None:
    """Write a NIfTI-1 image whole or not at all, the same bytes for the same input.

    Args:
        path: file to write, ending in ``.nii.gz``.
        data: voxels (x, y, z): integers and booleans become int16 labels, all
            else float32.
        affine: 4 × 4, voxel indices to millimetres in RAS+.
        sidecar: content of the JSON file beside it, none where None.

    Raises:
        InputError: the folder or the disk does not take the files.
    """
    path = Path(path)
    kind = np.int16 if data.dtype.kind in "iub" else np.float32
    image = nib.Nifti1Image(np.ascontiguousarray(data, dtype=kind), affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    with files.whole(path) as partial:
        image.to_filename(partial)
        if sidecar is not None:
            write_json(sidecar_path(path), sidecar)


def sidecar_path(image: str | Path) -> Path:
    """The JSON file that belongs to a ``.nii`` or ``.nii.gz`` image."""
    image = Path(image)
    return image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def rough_brain_mask(data: np.ndarray) -> np.ndarray:
    """The bright, connected inside of a brain-perfusion image, without any atlas.

    Voxels above 35 % of the 99th percentile of the positive ones; of these the
    largest connected piece, with its holes filled.

    Args:
        data: CBF or counts (x, y, z).

    Returns:
        Boolean mask of the same shape; never empty for an image with positive voxels.
    """
    bright = data > 0.35 * np.percentile(data[data > 0], 99)
    pieces, number = ndimage.label(bright)
    if number > 1:
        bright = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return ndimage.binary_fill_holes(bright)


def brain_level(data: np.ndarray) -> float:
    """Mean over the bright inside of a brain-perfusion image, which needs no other image.

    Args:
        data: CBF or counts (three axes in any order).
    """
    return float(data[rough_brain_mask(data)].mean(dtype=np.float64))
