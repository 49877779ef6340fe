"""SPECT and PET acquisition and reconstruction of a simulated head."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytomography.algorithms import OSEM
from pytomography.likelihoods import PoissonLogLikelihood
from scipy import ndimage

from spect2pet.cohort import kinetics, physics
from spect2pet.cohort.anatomy import BRAIN_CENTRE, smooth_field
from spect2pet.cohort.cohort import Participant
from spect2pet.cohort.phantom import Head
from spect2pet.cohort.projector import PetMatrix, SpectMatrix
from spect2pet.core.errors import InputError
from spect2pet.core.light_nibabel import nib

#: Sub-samples along each axis of a scanner voxel, which holds the mean over its volume.
SUBSAMPLES = 2


@dataclass(frozen=True)
class FieldOfView:
    """The voxels of a scanner, centred on its isocentre.

    Attributes:
        shape: matrix (x, y, z); x runs to the left, y to the back, z up.
        voxel_mm: size of a voxel.
    """

    shape: tuple[int, int, int]
    voxel_mm: float

    @property
    def affine(self) -> np.ndarray:
        """Voxel indices to scanner millimetres (RAS+)."""
        steps = np.array([-self.voxel_mm, -self.voxel_mm, self.voxel_mm])
        affine = np.diag([*steps, 1.0])
        affine[:3, 3] = -steps * (np.array(self.shape) - 1) / 2
        return affine


@dataclass(frozen=True)
class Scan:
    """A reconstructed image as its scanner stores it.

    Attributes:
        image: CBF in mL/100 g/min, float32.
        affine: voxel indices to that scanner's millimetres (RAS+).
        pose: 4 × 4, anatomy millimetres to that scanner's millimetres.
        counts: detected counts.
        description: what the scanner's own records would say, in BIDS words.
    """

    image: np.ndarray
    affine: np.ndarray
    pose: np.ndarray
    counts: int
    description: dict[str, Any]


@dataclass(frozen=True)
class PetScan(Scan):
    """A PET image, and what it would be without what chance adds to it.

    Attributes:
        noise_free: the image that projections without noise give, without the person's
            quantification error; CBF in mL/100 g/min, on the same voxels.
    """

    noise_free: np.ndarray


def scan_spect(head: Head, person: Participant, settings: Mapping[str, Any]) -> Scan:
    """Acquire and reconstruct IMP SPECT, and turn it into CBF by the autoradiographic method.

    Args:
        head: what is scanned.
        person: whose head it is.
        settings: ``cohort.spect`` section of the configuration.

    Returns:
        The image, with the person's own quantification error in it.
    """
    rng = person.stream("spect")
    fov = field_of_view(settings)
    pose = draw_pose(rng, settings)
    variation = physics.IMP_VOLUME_SPREAD * smooth_field(
        rng, head.cbf.shape, physics.IMP_VOLUME_SCALE_MM
    )
    volume = physics.IMP_VOLUME * np.clip(1 + variation, 0.4, 1.8)
    tracer = sample(kinetics.concentration(head.cbf, volume), head, pose, fov)
    matrix = SpectMatrix(
        sample(head.water, head, pose, fov) * physics.MU_WATER_SPECT,
        fov.voxel_mm / 10,
        settings["views"],
        settings["radius_mm"] / 10,
        collimator_response(settings["collimator"]),
    )
    measured, scatter, sensitivity = detect(matrix, tracer, settings, rng)
    image = osem(matrix, measured, scatter, settings)
    image = post_filter(image, settings["filter_mm"] / fov.voxel_mm)
    image /= sensitivity * cylinder_reading(settings)
    cbf = kinetics.measured_flow(image, settings["fixed_volume"], settings["highest_flow"])
    stored, affine = _stored(cbf * person.spect_scale, fov, physics.SPECT_AXES)
    return Scan(stored, affine, pose, int(measured.sum()), describe_spect(settings))


def scan_pet(head: Head, person: Participant, settings: Mapping[str, Any]) -> PetScan:
    """Acquire and reconstruct oxygen-15 PET on the person's scanner.

    Args:
        head: what is scanned.
        person: whose head it is.
        settings: ``cohort.pet`` section of the configuration.

    Returns:
        The image, with the person's own quantification error in it, and beside it what the
        same reconstruction makes without noise and without that error.
    """
    rng = person.stream("pet")
    scanner = physics.PET_SCANNERS[person.scanner]
    fov = field_of_view(settings)
    pose = draw_pose(rng, settings)
    flow = sample(head.cbf, head, pose, fov)
    attenuation = sample(head.water, head, pose, fov) * physics.MU_WATER_PET
    blurring = PetMatrix(attenuation, fov.voxel_mm / 10, settings["views"], scanner.fwhm_mm / 10)
    matrix = PetMatrix(attenuation, fov.voxel_mm / 10, settings["views"], 0.0)
    primary = blurring.forward(torch.from_numpy(flow)).numpy()
    counts_per_unit = settings["counts"] * scanner.sensitivity / primary.sum()
    expected = primary * counts_per_unit
    measured = rng.poisson(expected)
    images = []
    for counts in (measured, expected):
        image = osem(matrix, counts, np.zeros_like(primary), settings)
        images.append(post_filter(image, settings["filter_mm"] / fov.voxel_mm) / counts_per_unit)
    stored, affine = _stored(images[0] * person.pet_scale, fov, scanner.axes)
    noise_free, _ = _stored(images[1], fov, scanner.axes)
    description = describe_pet(settings, scanner)
    return PetScan(stored, affine, pose, int(measured.sum()), description, noise_free)


# --- Geometry ---------------------------------------------------------------


def field_of_view(settings: Mapping[str, Any]) -> FieldOfView:
    """The voxels that a scanner's settings ask for."""
    width = settings["matrix"]
    return FieldOfView((width, width, settings["slices"]), settings["voxel_mm"])


def draw_pose(rng: np.random.Generator, settings: Mapping[str, Any]) -> np.ndarray:
    """How a head lies in a scanner.

    Args:
        rng: source of the pose.
        settings: ``rotation_deg`` (standard deviation about each axis), ``shift_mm``
            (standard deviation along x and y; z gets half of it).

    Returns:
        4 × 4, anatomy millimetres to scanner millimetres; draws are cut at two standard
        deviations so that the head stays in the field of view.
    """
    turns = np.radians(settings["rotation_deg"]) * np.clip(rng.normal(size=3), -2, 2)
    shift = settings["shift_mm"] * np.array([1, 1, 0.5]) * np.clip(rng.normal(size=3), -2, 2)
    pose = np.eye(4)
    for axis, angle in enumerate(turns):
        i, j = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        pose[:3, :3] = turn @ pose[:3, :3]
    pose[:3, 3] = shift - pose[:3, :3] @ BRAIN_CENTRE
    return pose


def sample(values: np.ndarray, head: Head, pose: np.ndarray, fov: FieldOfView) -> np.ndarray:
    """A map of the head in a scanner's field of view, each voxel the mean over its volume.

    Args:
        values: map on the head's grid.
        head: the head.
        pose: anatomy millimetres to scanner millimetres.
        fov: the scanner's voxels.

    Returns:
        float32 of ``fov.shape``; 0 outside the head's grid.
    """
    n = SUBSAMPLES
    fine = np.diag([1 / n, 1 / n, 1 / n, 1.0])
    fine[:3, 3] = (1 / n - 1) / 2
    index = np.linalg.inv(head.affine) @ np.linalg.inv(pose) @ fov.affine @ fine
    shape = tuple(n * size for size in fov.shape)
    dense = ndimage.affine_transform(
        values.astype(np.float32), index, output_shape=shape, order=1, mode="constant"
    )
    x, y, z = fov.shape
    return dense.reshape(x, n, y, n, z, n).mean(axis=(1, 3, 5), dtype=np.float32)


def _stored(image: np.ndarray, fov: FieldOfView, axes: str) -> tuple[np.ndarray, np.ndarray]:
    """An image and its affine in the storage order of its scanner."""
    have = nib.orientations.axcodes2ornt("LPS")
    turn = nib.orientations.ornt_transform(have, nib.orientations.axcodes2ornt(tuple(axes)))
    turned = nib.orientations.apply_orientation(image.astype(np.float32), turn)
    affine = fov.affine @ nib.orientations.inv_ornt_aff(turn, fov.shape)
    return np.ascontiguousarray(turned), affine


# --- Physics ----------------------------------------------------------------


def collimator_response(collimator: str) -> Callable[[np.ndarray], np.ndarray]:
    """Full width at half maximum in cm of a collimator, for distances in cm."""
    offset, slope = physics.COLLIMATORS[collimator]

    def fwhm(distance: np.ndarray) -> np.ndarray:
        return (offset + slope * distance) / 10

    return fwhm


def detect(
    matrix: SpectMatrix, tracer: np.ndarray, settings: Mapping[str, Any], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Counts of a SPECT scan, and what its scatter windows make of the background.

    Args:
        matrix: the scanner with the head in it.
        tracer: concentration (x, y, z).
        settings: ``cohort.spect`` section of the configuration.
        rng: source of counting noise and of the estimate's error.

    Returns:
        Measured counts and estimated background, both (views, y, z), and the counts that
        a voxel of concentration 1 gives without attenuation, which a cylinder tells.
    """
    primary = matrix.forward(torch.from_numpy(tracer)).numpy()
    share = settings["scatter_fraction"]
    sensitivity = settings["counts"] * (1 - share) / primary.sum()
    scatter = background(primary, matrix.object_meta.dx * 10) * settings["counts"] * share
    measured = rng.poisson(primary * sensitivity + scatter)
    error = 1 + settings["scatter_error"] * rng.standard_normal()
    return measured, scatter * max(settings["scatter_correction"] * error, 0), sensitivity


def background(primary: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Broad background of scattered and penetrating photons, with sum 1.

    Args:
        primary: primary projections (views, y, z).
        voxel_mm: size of a projection bin.

    Returns:
        Scatter that follows the projections blurred by `physics.SCATTER_FWHM_MM`, and
        the flat `physics.PENETRATION_SHARE` of high-energy photons; shape of ``primary``.
    """
    sigma = physics.SCATTER_FWHM_MM / physics.FWHM_PER_SIGMA / voxel_mm
    broad = ndimage.gaussian_filter(primary, (0, sigma, sigma), mode="constant")
    flat = physics.PENETRATION_SHARE
    return (1 - flat) * broad / broad.sum() + flat / broad.size


def cylinder_reading(settings: Mapping[str, Any]) -> float:
    """What a uniform calibration cylinder of concentration 1 reads on the SPECT scanner.

    A cylinder scatters as a head does, but has no lungs full of tracer below it, from
    where high-energy photons reach the detector.  So scatter that the correction leaves
    over is calibrated away, and penetration is not.

    Args:
        settings: ``cohort.spect`` section of the configuration.
    """
    share = settings["scatter_fraction"]
    left_over = share * (1 - settings["scatter_correction"]) / (1 - share)
    return 1 + (1 - physics.PENETRATION_SHARE) * left_over


def osem(
    matrix: SpectMatrix | PetMatrix,
    measured: np.ndarray,
    additive: np.ndarray,
    settings: Mapping[str, Any],
) -> np.ndarray:
    """Ordered-subsets expectation maximisation (Hudson and Larkin 1994) by PyTomography.

    Args:
        matrix: system matrix, with all that the reconstruction corrects for.
        measured: counts (views, y, z).
        additive: expected background counts of the same shape.
        settings: ``iterations`` and ``subsets``.

    Returns:
        Image (x, y, z) in counts a voxel, float32.

    Raises:
        InputError: there are more subsets than views.
    """
    if settings["subsets"] > len(measured):
        raise InputError(
            f"cohort: {settings['subsets']} OSEM subsets need at least as many views, not "
            f"{len(measured)}; lower `subsets` or raise `views`"
        )
    likelihood = PoissonLogLikelihood(
        matrix,
        torch.from_numpy(measured.astype(np.float32)),
        additive_term=torch.from_numpy(additive.astype(np.float32)),
    )
    image = OSEM(likelihood)(settings["iterations"], settings["subsets"])
    return image.numpy()


def post_filter(image: np.ndarray, fwhm_voxels: float) -> np.ndarray:
    """Gaussian filter of the given full width at half maximum in voxels."""
    return ndimage.gaussian_filter(image, fwhm_voxels / physics.FWHM_PER_SIGMA)


# --- Records ----------------------------------------------------------------


def describe_spect(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a SPECT image's JSON file says about how it was made."""
    return {
        "Modality": "NM",
        "Manufacturer": "Siemens (simulated)",
        "ManufacturersModelName": "Symbia",
        "CollimatorType": settings["collimator"],
        "TracerName": "N-isopropyl-p-iodoamphetamine",
        "TracerRadionuclide": "I123",
        **_describe_reconstruction(settings),
        "QuantificationMethod": "autoradiographic, one scan and one arterial sample",
        "DistributionVolume": settings["fixed_volume"],
    }


def describe_pet(settings: Mapping[str, Any], scanner: physics.PetScanner) -> dict[str, Any]:
    """What a PET image's JSON file says about how it was made."""
    return {
        "Modality": "PT",
        "Manufacturer": "Siemens (simulated)",
        "ManufacturersModelName": scanner.manufacturer_model,
        "TracerName": "carbon dioxide",
        "TracerRadionuclide": "O15",
        **_describe_reconstruction(settings),
        "QuantificationMethod": "steady state",
    }


def _describe_reconstruction(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Reconstruction in BIDS words."""
    return {
        "ReconMethodName": "OSEM",
        "ReconMethodParameterLabels": ["iterations", "subsets"],
        "ReconMethodParameterValues": [settings["iterations"], settings["subsets"]],
        "ReconFilterType": "Gaussian",
        "ReconFilterSize": settings["filter_mm"],
    }
