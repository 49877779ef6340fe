"""Transforms as ITK writes them: the conventions, and the files.

ITK points are in LPS+ millimetres and NIfTI's in RAS+; in this library every matrix and
every point is RAS+, and only this module knows the other.  A transform that resamples
a moving image on a fixed one maps points of the *fixed* space to the *moving* space, in
ITK's files and here.
"""

from pathlib import Path

import numpy as np
from scipy import io, ndimage

from spect2pet.core import files
from spect2pet.core.light_nibabel import nib

#: Changes LPS+ points to RAS+ and back.
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_linear(path: str | Path, matrix: np.ndarray) -> None:
    """Write a 4 × 4 point map as an ITK affine transform, whole or not at all.

    Args:
        path: file to write, ending in ``.mat`` (ITK's MATLAB 4 layout, which ANTs,
            3D Slicer and SimpleITK read).
        matrix: 4 × 4, fixed to moving millimetres in RAS+.
    """
    path = Path(path)
    itk = FLIP @ matrix @ FLIP
    parameters = np.concatenate([itk[:3, :3].ravel(), itk[:3, 3]])
    with files.whole(path) as partial, partial.open("wb") as stream:
        io.savemat(
            stream,
            {"AffineTransform_double_3_3": parameters[:, None], "fixed": np.zeros((3, 1))},
            format="4",
        )


def read_linear(path: str | Path) -> np.ndarray:
    """Read an ITK ``.mat`` transform of any linear kind that has a 3 × 3 matrix.

    Returns:
        4 × 4, fixed to moving millimetres in RAS+.
    """
    content = io.loadmat(path)
    centre = content.pop("fixed").ravel()
    (parameters,) = (value.ravel() for key, value in content.items() if not key.startswith("__"))
    itk = np.eye(4)
    itk[:3, :3] = parameters[:9].reshape(3, 3)
    itk[:3, 3] = parameters[9:12] + centre - itk[:3, :3] @ centre
    return FLIP @ itk @ FLIP


def displace(points: np.ndarray, field: str | Path) -> np.ndarray:
    """Move points by a displacement field.

    Args:
        points: RAS+ millimetres, (n, 3).
        field: ITK displacement field (5-D NIfTI of intent ``vector``).

    Returns:
        The moved points (n, 3); those outside the field stay.
    """
    image = nib.Nifti1Image.from_filename(field)
    vectors = np.asarray(image.dataobj, dtype=np.float64)[:, :, :, 0, :]
    back = np.linalg.inv(image.affine)
    voxels = (points @ back[:3, :3].T + back[:3, 3]).T
    moved = [
        ndimage.map_coordinates(vectors[..., axis], voxels, order=1, mode="constant")
        for axis in range(3)
    ]
    return points + np.transpose(moved) * FLIP.diagonal()[:3]
