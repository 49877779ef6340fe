"""A simulated person's head: anatomy, true CBF, perfusion deficits and attenuation.

Everything is painted on the MNI template and then carried to the person's own
anatomy by one affine and deformable transform, so that grey matter, flow, deficits and
head outline always fit each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import ndimage

from spect2pet.cohort import physics
from spect2pet.cohort.anatomy import (
    VOXEL_MM,
    Template,
    carry,
    distance_from_brain,
    load_template,
    smooth_field,
    warp_coordinates,
)
from spect2pet.cohort.cohort import Participant


@dataclass(frozen=True)
class Head:
    """A person's head on one grid, what no scanner sees directly.

    Attributes:
        cbf: true CBF in mL/100 g/min.
        deficit: fraction of flow lost to deficits and diaschisis, 0 to 1.
        brain: share of grey and white matter, 0 to 1.
        water: share of water-like tissue, 0 to 1, for attenuation.
        affine: voxel indices to anatomy millimetres (RAS+).
        coordinates: template millimetres of every voxel, (x, y, z, 3).
    """

    cbf: np.ndarray
    deficit: np.ndarray
    brain: np.ndarray
    water: np.ndarray
    affine: np.ndarray
    coordinates: np.ndarray


def make_head(person: Participant, settings: Mapping[str, Any]) -> Head:
    """Build a person's head.

    Args:
        person: who it is.
        settings: ``cohort`` section of the configuration.

    Returns:
        The head, on the template's grid in the person's own anatomy.
    """
    template = load_template()
    coordinates = warp_coordinates(template, person.stream("anatomy"), settings["anatomy"])
    flow, deficit, brain, depth = (
        carry(values, template.affine, coordinates)
        for values in (
            *paint_flow(template, person, settings),
            np.minimum(template.grey + template.white, 1),
            distance_from_brain(template),
        )
    )
    water = np.clip((physics.HEAD_MM - depth) / VOXEL_MM + 0.5, 0, 1)
    scalp = np.clip((depth - physics.SKULL_MM) / VOXEL_MM + 0.5, 0, 1) * water
    around = (1 - brain) * (physics.FLOW_SKULL * (water - scalp) + physics.FLOW_SCALP * scalp)
    return Head(flow + around, deficit, brain, water, template.affine, coordinates)


def paint_flow(
    template: Template, person: Participant, settings: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """True CBF and deficits of a person, on the template.

    Args:
        template: the template.
        person: who it is.
        settings: ``cohort`` section of the configuration.

    Returns:
        CBF in mL/100 g/min and the fraction of flow lost, both (x, y, z).
    """
    levels = settings["flow"]
    grey, white = sharpen(template)
    relative = ndimage.gaussian_filter(regional_level(template), 3 / VOXEL_MM)
    flow = person.flow * (levels["grey"] * grey * relative + levels["white"] * white)
    flow *= regional_variation(grey.shape, person.stream("flow"), levels["regional_spread"])
    deficit = deficit_map(template, person)
    return (flow * (1 - deficit)).astype(np.float32), deficit


def regional_level(template: Template) -> np.ndarray:
    """Relative flow of grey matter by region (`physics.REGIONAL_FLOW`), 1 elsewhere."""
    levels = np.ones(max(template.names) + 1, np.float32)
    for index, name in template.names.items():
        for prefix, level in physics.REGIONAL_FLOW.items():
            if name.startswith(prefix):
                levels[index] = level
    return levels[template.regions]


def sharpen(template: Template) -> tuple[np.ndarray, np.ndarray]:
    """Tissue shares as in one person rather than in the mean of many.

    The shares of grey matter, white matter and the rest, raised to the power
    `physics.TISSUE_SHARPNESS` and normalised, narrow the blur that averaging over people
    left; deep nuclei count as grey.

    Returns:
        Grey and white share, 0 to 1.
    """
    nuclei = ndimage.gaussian_filter(template.labelled(physics.DEEP_GREY).astype(np.float32), 0.7)
    total = np.minimum(template.grey + template.white, 1)
    grey = np.maximum(template.grey, nuclei * total)
    white = total - grey
    grey, white, rest = (
        np.maximum(share, 0) ** physics.TISSUE_SHARPNESS for share in (grey, white, 1 - total)
    )
    norm = grey + white + rest
    return grey / norm, white / norm


def regional_variation(
    shape: tuple[int, ...], rng: np.random.Generator, spread: float
) -> np.ndarray:
    """Smooth factor, mean 1, by which a person's flow differs from place to place.

    Args:
        shape: grid, symmetric about the middle of its first axis.
        rng: source of the variation.
        spread: standard deviation of the part that left and right share.

    Returns:
        Factor (x, y, z); mirrored places differ by less than `physics.NORMAL_ASYMMETRY`.
    """
    field = smooth_field(rng, shape, scale_mm=16.0)
    shared = (field + field[::-1]) / np.sqrt(2)
    own = smooth_field(rng, shape, scale_mm=16.0)
    own = own - own[::-1]
    own *= rng.uniform(0.3, 0.95) * physics.NORMAL_ASYMMETRY / (2 * np.abs(own).max())
    return np.exp(spread * np.clip(shared, -2.5, 2.5)) * (1 + own)


def deficit_map(template: Template, person: Participant) -> np.ndarray:
    """Fraction of flow that a person has lost at each place of the template.

    A deficit fills the part of its territory around a centre drawn in the territory's
    grey matter and fades over its extent.  Overlapping deficits multiply.
    """
    kept = np.ones(template.grey.shape, np.float32)
    rng = person.stream("deficits")
    for deficit in person.deficits:
        share = territory_share(template, deficit.territory, deficit.side)
        inside = np.argwhere((share > 0.5 * share.max()) & (template.grey > 0.5))
        centre = inside[rng.integers(len(inside))]
        fade = 1 / (1 + np.exp((_distance(share.shape, centre) - deficit.extent_mm) / 6))
        kept *= 1 - deficit.severity * share * fade
    if person.diaschisis is not None:
        half = template.labelled(["Cerebelum"], person.diaschisis.side).astype(np.float32)
        kept *= 1 - person.diaschisis.severity * ndimage.gaussian_filter(half, 2)
    return 1 - kept


def _distance(shape: tuple[int, ...], centre: np.ndarray) -> np.ndarray:
    """Distance in mm of every voxel from one voxel."""
    squares = (
        ((np.arange(size) - middle) * VOXEL_MM) ** 2
        for size, middle in zip(shape, centre, strict=True)
    )
    return np.sqrt(sum(np.ix_(*squares)))


def territory_share(template: Template, territory: str, side: str) -> np.ndarray:
    """Share of each place that a vascular territory of one side supplies, 0 to 1.

    Each place of the cerebrum belongs to the territory of the nearest labelled region
    of its side, with borders blurred; the watershed is the zone where the middle
    cerebral artery's border with its neighbours is blurred widely.
    """
    if territory == "watershed":
        middle, front, back = (
            _membership(template, name, side, blur_mm=8.0) for name in ("MCA", "ACA", "PCA")
        )
        # 1 where two territories share equally, 0 where one has more than 95 %.
        return np.clip(5 * middle * (front + back) - 0.24, 0, 1)
    return _membership(template, territory, side, blur_mm=4.0)


def _membership(template: Template, territory: str, side: str, blur_mm: float) -> np.ndarray:
    """Mask of one territory, blurred within its own side of the head."""
    owner = nearest_territory(side)
    mask = (owner == list(physics.TERRITORIES).index(territory) + 1).astype(np.float32)
    half = _half(load_template(), side)
    sigma = blur_mm / VOXEL_MM
    own_weight = ndimage.gaussian_filter1d(half, sigma, axis=0)
    return half * ndimage.gaussian_filter(mask, sigma) / np.maximum(own_weight, 0.1)


@cache
def nearest_territory(side: str) -> np.ndarray:
    """Territory of every place of one side of the cerebrum.

    Returns:
        int8 (x, y, z): position in `physics.TERRITORIES` from 1; 0 for the other side, cerebellum,
        brain stem and everything further than 14 mm from a labelled region.
    """
    template = load_template()
    owner = np.zeros(template.regions.shape, np.int8)
    for number, prefixes in reversed(list(enumerate(physics.TERRITORIES.values(), start=1))):
        owner[template.labelled(prefixes, side)] = number
    below = template.labelled(physics.CEREBELLUM)
    labelled = (owner > 0) | below
    distance, nearest = ndimage.distance_transform_edt(
        ~labelled, sampling=VOXEL_MM, return_indices=True
    )
    spread = np.where(distance < 14, owner[tuple(nearest)], 0)
    return spread * _half(template, side).astype(np.int8)


def _half(template: Template, side: str) -> np.ndarray:
    """1 on one side of the midline, the falx, and 0 on the other; (x, 1, 1)."""
    x = template.affine[0, 3] + VOXEL_MM * np.arange(template.grey.shape[0])
    return ((x < 0) if side == "L" else (x > 0)).astype(np.float32)[:, None, None]
