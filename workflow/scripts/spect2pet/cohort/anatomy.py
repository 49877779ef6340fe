"""Anatomy of a simulated person: the MNI template, and the transform that makes it theirs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import ndimage

from spect2pet.cohort import physics
from spect2pet.register import mni

VOXEL_MM = 2.0
#: Centre of the brain in template millimetres; rotations and scalings turn about it.
BRAIN_CENTRE = np.array([0.0, -18.0, 6.0])


@dataclass(frozen=True)
class Template:
    """The MNI template; all arrays share shape and affine.

    Attributes:
        grey: grey-matter share, 0 to 1.
        white: white-matter share, 0 to 1.
        regions: AAL indices, int16, 0 outside.
        names: AAL index → region name.
        affine: voxel indices to MNI millimetres (RAS+).
    """

    grey: np.ndarray
    white: np.ndarray
    regions: np.ndarray
    names: Mapping[int, str]
    affine: np.ndarray

    def labelled(self, prefixes: Iterable[str], side: str = "") -> np.ndarray:
        """Mask of the regions whose names begin with a prefix and end with the side."""
        chosen = np.zeros(max(self.names) + 1, bool)
        for index, name in self.names.items():
            chosen[index] = name.startswith(tuple(prefixes)) and name.endswith(
                f"_{side}" if side else ""
            )
        return chosen[self.regions]


@cache
def load_template() -> Template:
    """Tissue maps and AAL regions of MNI space on one grid of 2 mm."""
    grey, white, affine = mni.tissue()
    labels, labels_affine = mni.atlas()
    regions = ndimage.affine_transform(
        labels, np.linalg.inv(labels_affine) @ affine, output_shape=grey.shape, order=0
    )
    return Template(grey, white, regions, mni.atlas_names(), affine)


def distance_from_brain(template: Template) -> np.ndarray:
    """Distance in mm from the filled brain, 0 inside; the neck is the lowest slice continued."""
    brain = ndimage.binary_closing(template.grey + template.white > 0.5, iterations=5)
    filled = ndimage.binary_fill_holes(brain)
    base = round((physics.NECK_BELOW_MM - template.affine[2, 3]) / VOXEL_MM)
    filled[:, :, :base] |= filled[:, :, base : base + 1]
    return ndimage.distance_transform_edt(~filled, sampling=VOXEL_MM).astype(np.float32)


def carry(values: np.ndarray, affine: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """A template map in a person's anatomy, by linear interpolation.

    Args:
        values: map on the template's grid.
        affine: voxel indices to millimetres of that grid.
        coordinates: template millimetres of every voxel of the anatomy, (x, y, z, 3).
    """
    inverse = np.linalg.inv(affine)
    index = coordinates @ inverse[:3, :3].T + inverse[:3, 3]
    return ndimage.map_coordinates(values, np.moveaxis(index, -1, 0), order=1, mode="nearest")


# --- Shape ------------------------------------------------------------------


def warp_coordinates(
    template: Template, rng: np.random.Generator, settings: Mapping[str, Any]
) -> np.ndarray:
    """Template position of every place of a person's anatomy.

    A random affine (scale, shear) followed by a diffeomorphism: the exponential of a
    stationary velocity field by scaling and squaring (Arsigny 2006, MICCAI).

    Args:
        template: the template, whose grid the person shares.
        rng: source of the shape.
        settings: ``cohort.anatomy`` section of the configuration.

    Returns:
        Template millimetres (x, y, z, 3), float32.
    """
    shape = template.grey.shape
    scale = 1 + settings["scale_spread"] * np.clip(rng.normal(size=3), -2, 2)
    shear = settings["shear_spread"] * np.clip(rng.normal(size=(3, 3)), -2, 2)
    linear = np.diag(1 / scale) + np.triu(shear, 1)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    position = (grid * VOXEL_MM + template.affine[:3, 3]).astype(np.float32)
    moved = (position - BRAIN_CENTRE) @ linear.T + BRAIN_CENTRE
    return (moved + displacement(shape, rng, settings)).astype(np.float32)


def displacement(
    shape: tuple[int, ...], rng: np.random.Generator, settings: Mapping[str, Any]
) -> np.ndarray:
    """Displacement in mm of a random diffeomorphism, (x, y, z, 3)."""
    coarse = tuple(n // 2 + 1 for n in shape)
    step_mm = 2 * VOXEL_MM
    velocity = sum(
        size * np.stack([smooth_field(rng, coarse, scale, step_mm) for _ in range(3)], axis=-1)
        for scale, size in settings["deformation"]
    )
    return np.stack(
        [
            ndimage.zoom(part, [n / c for n, c in zip(shape, coarse, strict=True)], order=1)
            for part in np.moveaxis(exponential(velocity, step_mm), -1, 0)
        ],
        axis=-1,
    )


def exponential(velocity: np.ndarray, voxel_mm: float, squarings: int = 5) -> np.ndarray:
    """Displacement in mm that a stationary velocity field (x, y, z, 3) in mm leads to."""
    moved = velocity / 2**squarings
    grid = np.stack(np.meshgrid(*map(np.arange, velocity.shape[:3]), indexing="ij"))
    for _ in range(squarings):
        there = grid + np.moveaxis(moved, -1, 0) / voxel_mm
        moved = moved + np.stack(
            [
                ndimage.map_coordinates(moved[..., axis], there, order=1, mode="nearest")
                for axis in range(3)
            ],
            axis=-1,
        )
    return moved


def jacobian(coordinates: np.ndarray) -> np.ndarray:
    """Volume ratio template : anatomy at every voxel of `warp_coordinates`' result."""
    slopes = [np.stack(np.gradient(coordinates[..., axis], VOXEL_MM), axis=-1) for axis in range(3)]
    return np.linalg.det(np.stack(slopes, axis=-2))


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], scale_mm: float, voxel_mm: float = VOXEL_MM
) -> np.ndarray:
    """Gaussian random field of mean 0 and standard deviation 1.

    Args:
        rng: source of the noise.
        shape: grid.
        scale_mm: sigma of the Gaussian that smooths it, mm.
        voxel_mm: voxel size of the grid.

    Returns:
        The field, float32.
    """
    spacing = scale_mm / 2
    coarse = [int(np.ceil(n * voxel_mm / spacing)) + 12 for n in shape]
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse), 2.0, mode="wrap")
    noise /= noise.std()
    step = np.diag([voxel_mm / spacing] * 3)
    return ndimage.affine_transform(
        noise.astype(np.float32), step, offset=4.0, output_shape=shape, order=1
    )
