"""A start for rigid registration that survives large offsets.

Compares points 10 mm apart, which takes about a millisecond: centres of mass first, then
rotations on a grid, then the best of them refined.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from spect2pet.core import grids
from spect2pet.core.images import rough_brain_mask

#: Distance of the points that are compared, mm.
VOXEL_MM = 10.0
#: Blur before the images are sampled, full width at half maximum, mm.
FWHM_MM = 10.0
#: Room around the brain of the fixed image that is compared too, mm.
MARGIN_MM = 16.0
#: Rotations about each world axis that are tried, degrees.  Further than that from
#: what the headers say, an orientation is wrong rather than a head turned.
ANGLES_DEG = (-40, -20, 0, 20, 40)
#: How many of the rotations are refined.
REFINED = 2
BINS = 24
#: One step of the refinement: 10 mm, or the angle that moves the cortex about as far.
STEP_MM, STEP_RAD = 10.0, 0.15
#: Comparisons that a refinement may take.
COMPARISONS = 250


def mutual_information(a: np.ndarray, b: np.ndarray, bins: int = BINS) -> float:
    """Mutual information of two images (Maes et al., IEEE Trans Med Imaging 16:187, 1997).

    Args:
        a: values, of any shape.
        b: values at the same places.
        bins: bins of the joint histogram, from 0 to the 99.5th percentile of each.

    Returns:
        Mutual information in nats.
    """
    return _information(_binned(a, _top(a), bins), _binned(b, _top(b), bins), bins)


def centre_of_mass(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Millimetres (3,) of the middle of the brain's rough mask."""
    return affine[:3, :3] @ np.array(ndimage.center_of_mass(rough_brain_mask(data))) + affine[:3, 3]


def find_start(
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    moving: np.ndarray,
    moving_affine: np.ndarray,
    half_turns: bool = True,
) -> np.ndarray:
    """Find a rigid transform from which a local search will succeed.

    With half turns about each axis tried as well, headers whose orientations contradict
    each other show as a large rotation and not as a poor alignment.

    Args:
        fixed: CBF (x, y, z).
        fixed_affine: its 4 × 4 affine.
        moving: CBF of the same head, on any grid.
        moving_affine: its 4 × 4 affine.
        half_turns: whether the moving image may be turned by 180°.

    Returns:
        The point map, fixed to moving millimetres in RAS+ (4 × 4).
    """
    pivot = centre_of_mass(fixed, fixed_affine)
    target = centre_of_mass(moving, moving_affine)
    similarity = _comparison(fixed, fixed_affine, moving, moving_affine)

    def map_of(rotation: Rotation, shift: np.ndarray) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = rotation.as_matrix()
        matrix[:3, 3] = target + shift - matrix[:3, :3] @ pivot
        return matrix

    def refine(rotation: Rotation) -> tuple[float, np.ndarray]:
        def moved(step: np.ndarray) -> np.ndarray:
            turn = Rotation.from_rotvec(step[:3] * STEP_RAD)
            return map_of(turn * rotation, step[3:] * STEP_MM)

        best = optimize.minimize(
            lambda step: -similarity(moved(step)),
            np.zeros(6),
            method="Powell",
            options={"xtol": 0.05, "ftol": 1e-4, "maxfev": COMPARISONS},
        )
        return -best.fun, moved(best.x)

    turns = [Rotation.from_euler("xyz", a, degrees=True) for a in product(ANGLES_DEG, repeat=3)]
    scores = [similarity(map_of(turn, np.zeros(3))) for turn in turns]
    likely = [turns[index] for index in np.argsort(scores)[::-1][:REFINED]]
    if half_turns:
        likely += [Rotation.from_rotvec(np.pi * axis) * likely[0] for axis in np.eye(3)]
    return max((refine(turn) for turn in likely), key=lambda pair: pair[0])[1]


def _comparison(
    fixed: np.ndarray, fixed_affine: np.ndarray, moving: np.ndarray, moving_affine: np.ndarray
) -> Callable[[np.ndarray], float]:
    """The mutual information of two images as a function of the point map, fixed to moving."""
    grid = grids.brain_box(fixed, fixed_affine, VOXEL_MM, MARGIN_MM)
    soft = grids.smooth(fixed, fixed_affine, FWHM_MM)
    still = grids.resample(soft, fixed_affine, grid, order=1)
    blurred = grids.smooth(moving, moving_affine, FWHM_MM)
    top = float(np.percentile(blurred[rough_brain_mask(moving)], 99))
    bins = _binned(still, _top(still), BINS)

    def similarity(matrix: np.ndarray) -> float:
        values = grids.resample(blurred, moving_affine, grid, matrix, order=1)
        return _information(bins, _binned(values, top, BINS), BINS)

    return similarity


def _top(values: np.ndarray) -> float:
    return float(np.percentile(values, 99.5))


def _binned(values: np.ndarray, top: float, bins: int) -> np.ndarray:
    return np.clip(values.ravel() * (bins / max(top, 1e-12)), 0, bins - 1).astype(np.intp)


def _information(a: np.ndarray, b: np.ndarray, bins: int) -> float:
    """Mutual information, nats, of two arrays of bin numbers."""
    joint = np.bincount(a * bins + b, minlength=bins**2).reshape(bins, bins) / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    return float((joint[filled] * np.log(joint[filled] / independent[filled])).sum())
