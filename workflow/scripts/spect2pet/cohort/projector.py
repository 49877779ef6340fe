"""System matrices of the simulated scanners, for PyTomography's reconstruction algorithms.

Both rotate the image and sum along the lines of sight, as PyTomography's own
`SPECTSystemMatrix` does, and are drop-in replacements for it.  They differ in how: each
rotation is one sparse matrix built beforehand, so that back projection is the exact
transpose of projection and an iteration takes a fraction of the time.
"""

from collections.abc import Callable

import numpy as np
import pytomography
import torch
from pytomography.metadata.SPECT import SPECTObjectMeta, SPECTProjMeta
from pytomography.projectors.SPECT import SPECTSystemMatrix
from scipy import sparse

from spect2pet.cohort import physics

# Small matrices gain nothing from a GPU, and the same bytes are wanted with and without one.
pytomography.set_device("cpu")


class SpectMatrix(SPECTSystemMatrix):
    """SPECT: attenuation towards the detector and a response that widens with distance.

    Args:
        attenuation: linear attenuation in 1/cm, (x, y, z).
        voxel_cm: size of a voxel, cm.
        views: number of views over 360°.
        radius_cm: distance of the detector from the axis, cm.
        fwhm_cm: full width at half maximum of the response for distances in cm.
    """

    def __init__(
        self,
        attenuation: np.ndarray,
        voxel_cm: float,
        views: int,
        radius_cm: float,
        fwhm_cm: Callable[[np.ndarray], np.ndarray],
    ):
        super().__init__([], [], *_metadata(attenuation.shape, voxel_cm, views))
        width, _, height = attenuation.shape
        self.rotations = [_rotation(width, angle) for angle in _angles(views)]
        self.transposed = [matrix.T.tocsr() for matrix in self.rotations]
        depth = radius_cm - (np.arange(width) - (width - 1) / 2) * voxel_cm
        sigma = fwhm_cm(np.maximum(depth, voxel_cm)) / physics.FWHM_PER_SIGMA / voxel_cm
        self.across = torch.stack([_blur_matrix(width, s) for s in sigma])
        self.along = torch.stack([_blur_matrix(height, s) for s in sigma])
        water = torch.from_numpy(np.ascontiguousarray(attenuation, dtype=np.float32))
        self.survival = [_survival(self._rotate(water, view), voxel_cm) for view in range(views)]

    def forward(self, object: torch.Tensor, subset_idx: int | None = None) -> torch.Tensor:
        """Project an image (x, y, z) to (views, y, z); all views or those of a subset."""
        return torch.stack([self._see(object, view) for view in self._views(subset_idx)])

    def backward(self, proj: torch.Tensor, subset_idx: int | None = None) -> torch.Tensor:
        """Transpose of `forward`: projections (views, y, z) to an image (x, y, z)."""
        image = torch.zeros(self.object_meta.shape)
        for view, projection in zip(self._views(subset_idx), proj, strict=True):
            spread = torch.matmul(self.across, torch.matmul(projection, self.along))
            image += self._rotate_back(spread * self.survival[view], view)
        return image

    def _see(self, image: torch.Tensor, view: int) -> torch.Tensor:
        """One projection."""
        seen = self._rotate(image, view) * self.survival[view]
        return torch.bmm(self.across, torch.bmm(seen, self.along)).sum(dim=0)

    def _rotate(self, image: torch.Tensor, view: int) -> torch.Tensor:
        """Turn an image so that the detector lies at the end of the first axis."""
        return _apply(self.rotations[view], image).reshape(image.shape)

    def _rotate_back(self, image: torch.Tensor, view: int) -> torch.Tensor:
        """Transpose of `_rotate`."""
        return _apply(self.transposed[view], image).reshape(image.shape)

    def _views(self, subset: int | None) -> list[int]:
        """Views of a subset."""
        if subset is None:
            return list(range(self.proj_meta.num_projections))
        return self.subset_indices_array[subset].tolist()


class PetMatrix(SPECTSystemMatrix):
    """PET in parallel-beam geometry: attenuation of the whole line, constant response.

    Args:
        attenuation: linear attenuation in 1/cm, (x, y, z).
        voxel_cm: size of a voxel, cm.
        views: number of views over 180°.
        fwhm_cm: full width at half maximum of the response, 0 for none.
    """

    def __init__(self, attenuation: np.ndarray, voxel_cm: float, views: int, fwhm_cm: float):
        super().__init__([], [], *_metadata(attenuation.shape, voxel_cm, views))
        width, _, height = attenuation.shape
        sums = sparse.kron(
            np.ones((1, width), np.float32), sparse.identity(width, np.float32), format="csr"
        )
        angles = _angles(views) / 2
        self.lines = [(sums @ _rotation(width, angle)).tocsr() for angle in angles]
        self.transposed = [matrix.T.tocsr() for matrix in self.lines]
        sigma = fwhm_cm / physics.FWHM_PER_SIGMA / voxel_cm
        self.across, self.along = _blur_matrix(width, sigma), _blur_matrix(height, sigma)
        water = torch.from_numpy(np.ascontiguousarray(attenuation, dtype=np.float32))
        sums_of_water = torch.stack([self._see(water, view) for view in range(views)])
        self.survival = torch.exp(-sums_of_water * voxel_cm)

    def forward(self, object: torch.Tensor, subset_idx: int | None = None) -> torch.Tensor:
        """Project an image (x, y, z) to (views, y, z); all views or those of a subset."""
        views = self._views(subset_idx)
        sharp = torch.stack([self._see(object, view) for view in views])
        return self.across @ sharp @ self.along * self.survival[views]

    def backward(self, proj: torch.Tensor, subset_idx: int | None = None) -> torch.Tensor:
        """Transpose of `forward`: projections (views, y, z) to an image (x, y, z)."""
        views = self._views(subset_idx)
        sharp = self.across @ (proj * self.survival[views]) @ self.along
        image = torch.zeros(self.object_meta.shape)
        for view, projection in zip(views, sharp, strict=True):
            image += _apply(self.transposed[view], projection).reshape(image.shape)
        return image

    def _see(self, image: torch.Tensor, view: int) -> torch.Tensor:
        """Sums along the lines of one view."""
        return _apply(self.lines[view], image)

    _views = SpectMatrix._views


def _angles(views: int) -> np.ndarray:
    """View angles in degrees, over a full turn."""
    return np.arange(views) * 360 / views


def _metadata(
    shape: tuple[int, ...], voxel_cm: float, views: int
) -> tuple[SPECTObjectMeta, SPECTProjMeta]:
    """PyTomography's description of a cubic-voxel image and its projections."""
    if shape[0] != shape[1]:
        raise ValueError(f"the transverse matrix is square, not {shape[0]} × {shape[1]}")
    image = SPECTObjectMeta([voxel_cm] * 3, list(shape))
    return image, SPECTProjMeta(shape[1:], [voxel_cm] * 2, _angles(views))


def _rotation(width: int, degrees: float) -> sparse.csr_matrix:
    """Bilinear rotation of a square slice about its centre, (width², width²).

    The detector at angle 0 is at the end of the first axis; what a turn brings from
    outside the slice is 0.
    """
    place = np.arange(width) - (width - 1) / 2
    x, y = np.meshgrid(place, place, indexing="ij")
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    source = [a.ravel() + (width - 1) / 2 for a in (cosine * x - sine * y, sine * x + cosine * y)]
    low = [np.floor(a).astype(int) for a in source]
    rows, columns, weights = [], [], []
    for dx in (0, 1):
        for dy in (0, 1):
            i, j = low[0] + dx, low[1] + dy
            weight = (1 - np.abs(source[0] - i)) * (1 - np.abs(source[1] - j))
            inside = (i >= 0) & (i < width) & (j >= 0) & (j < width) & (weight > 1e-9)
            rows.append(np.flatnonzero(inside))
            columns.append((i * width + j)[inside])
            weights.append(weight[inside].astype(np.float32))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(entries, shape=(width**2, width**2))


def _apply(matrix: sparse.csr_matrix, image: torch.Tensor) -> torch.Tensor:
    """A sparse matrix times an image whose last axis is z and whose others are rows."""
    return torch.from_numpy(matrix @ image.reshape(-1, image.shape[-1]).numpy())


def _blur_matrix(length: int, sigma: float) -> torch.Tensor:
    """Gaussian blur along one axis as a symmetric matrix; sigma in voxels."""
    if sigma < 1e-3:
        return torch.eye(length)
    # The Gaussian is integrated over each voxel's width.
    edges = np.arange(-length, length) + 0.5
    cumulative = torch.special.ndtr(torch.from_numpy(edges / sigma)).numpy()
    kernel = np.diff(cumulative)
    offsets = np.arange(length)[:, None] - np.arange(length)
    return torch.from_numpy(kernel[offsets + length - 1].astype(np.float32))


def _survival(water: torch.Tensor, voxel_cm: float) -> torch.Tensor:
    """Chance that a photon reaches the detector at the end of the first axis."""
    beyond = water.flip(0).cumsum(0).flip(0) - water / 2
    return torch.exp(-beyond * voxel_cm)
