"""Registration with ANTs: SPECT to PET (rigid), and PET to MNI space (affine and SyN)."""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spect2pet.core import files, grids, itk
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image
from spect2pet.register import agreement, mapping, mni
from spect2pet.register.light_ants import ants
from spect2pet.register.rigid_search import find_start, mutual_information

log = logging.getLogger(__name__)

#: Voxels of the grid on which SPECT and PET are compared, mm; finer than either resolves.
RIGID_VOXEL_MM = 4.0
#: Room around the brain that takes part in registration, mm.
MARGIN_MM = 12.0
#: Bins of Mattes' mutual information (Mattes et al., IEEE Trans Med Imaging 22:120, 2003).
BINS = 32


# --- A subject --------------------------------------------------------------


def register_subject(
    files: Mapping[str, str | Path],
    *,
    subject: str,
    study_grid: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int,
    made_by: Mapping[str, Any],
) -> None:
    """Coregister, normalise and map the atlas: all that brings a subject to the study grid.

    Each step needs the files of those before it, so that a subject's three are one job, which
    starts Python and its libraries once.

    Args:
        files: paths by the names that `coregister_spect`, `normalise_pet` and
            `mapping.map_regions` give them: ``spect`` and ``pet``, as prepared with their sidecars
            beside them, are read; ``transform``, ``study_spect``, ``study_pet``, ``affine``,
            ``warp``, ``inverse_warp``, ``mask`` and ``dseg`` are written.
        subject: label, for messages.
        study_grid: the ``study_grid`` section of the config.
        settings: the ``register`` section of the config.
        seed: seed of the study.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: a step cannot be done; the sentence says why.
    """

    def of(names: str) -> dict[str, str | Path]:
        return {name: files[name] for name in names.split()}

    coregister_spect(
        **of("spect pet transform study_spect study_pet"),
        subject=subject,
        study_grid=study_grid,
        settings=settings["coregister"],
        seed=seed,
        made_by=made_by,
    )
    normalise_pet(
        pet=files["study_pet"],
        **of("affine warp inverse_warp"),
        subject=subject,
        settings=settings["normalise"],
        seed=seed,
    )
    mapping.map_regions(
        **of("study_pet pet spect transform affine inverse_warp mask dseg"), made_by=made_by
    )


# --- SPECT to PET -----------------------------------------------------------


def coregister_spect(
    *,
    spect: str | Path,
    pet: str | Path,
    transform: str | Path,
    study_spect: str | Path,
    study_pet: str | Path,
    subject: str,
    study_grid: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int,
    made_by: Mapping[str, Any],
) -> None:
    """Align the SPECT of a subject with the PET and bring both to the study grid.

    Each image is interpolated once, from its prepared voxels.

    Args:
        spect: prepared SPECT, with its sidecar beside it.
        pet: prepared PET, likewise.
        transform: ``.mat`` file to write: ITK transform, fixed PET, moving SPECT.
        study_spect: image to write, SPECT on the study grid.
        study_pet: image to write, PET on the study grid.
        subject: label, for messages.
        study_grid: the ``study_grid`` section of the config.
        settings: keys ``min_overlap``, ``min_correlation`` and ``max_rotation_deg``.
        seed: seed of the study.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: the brain does not fit the study grid, or no plausible alignment was found.
    """
    moving, moving_affine = read_image(spect)
    fixed, fixed_affine = read_image(pet)
    grid = grids.study_grid(fixed, fixed_affine, study_grid, subject)
    found = coregister(moving, moving_affine, fixed, fixed_affine, seed, f"subject {subject}")
    check_plausible(found, (moving, moving_affine), (fixed, fixed_affine), settings, subject)
    itk.write_linear(transform, found)
    grids.bring(spect, grid, study_spect, made_by, found)
    grids.bring(pet, grid, study_pet, made_by)


def coregister(
    spect: np.ndarray,
    spect_affine: np.ndarray,
    pet: np.ndarray,
    pet_affine: np.ndarray,
    seed: int,
    who: str = "the subject",
) -> np.ndarray:
    """Find the rigid transform between two images of one head.

    A global search gives the start; ANTs refines it by Mattes' mutual information
    (Avants et al., NeuroImage 54:2033, 2011).  Of the headers' own alignment, the start
    and the refinement the one with the highest mutual information is kept.

    Args:
        spect: CBF (x, y, z), moving.
        spect_affine: its 4 × 4 affine.
        pet: CBF, fixed.
        pet_affine: its 4 × 4 affine.
        seed: seed of the sampling.
        who: how a message begins.

    Returns:
        4 × 4 rigid point map, PET to SPECT millimetres in RAS+.

    Raises:
        InputError: ANTs found no common ground at all.
    """
    grid = grids.brain_box(pet, pet_affine, RIGID_VOXEL_MM, MARGIN_MM)
    fixed = grids.resample(grids.smooth(pet, pet_affine, RIGID_VOXEL_MM), pet_affine, grid, order=1)
    start = find_start(pet, pet_affine, spect, spect_affine)
    with tempfile.TemporaryDirectory() as folder:
        itk.write_linear(Path(folder) / "start.mat", start)
        result = _register(
            fixed=_to_ants(fixed, grid.affine),
            moving=_to_ants(spect, spect_affine),
            kind="Rigid",
            start=Path(folder) / "start.mat",
            seed=seed,
            who=who,
            aff_iterations=(40, 20),
            aff_shrink_factors=(2, 1),
            aff_smoothing_sigmas=(1, 0),
            aff_random_sampling_rate=0.2,
            singleprecision=False,
        )
        refined = _rigid(itk.read_linear(result["fwdtransforms"][0]))
    candidates = {"headers": np.eye(4), "search": start, "ANTs": refined}
    scores = {
        name: mutual_information(fixed, grids.resample(spect, spect_affine, grid, matrix, order=1))
        for name, matrix in candidates.items()
    }
    best = max(scores, key=lambda name: scores[name])
    log.info(
        "%s: mutual information %s; taken: %s",
        who,
        ", ".join(f"{name} {score:.4f}" for name, score in scores.items()),
        best,
    )
    return candidates[best]


def check_plausible(
    matrix: np.ndarray,
    spect: tuple[np.ndarray, np.ndarray],
    pet: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
    subject: str,
) -> None:
    """Stop a subject whose SPECT and PET cannot be the same head, or are not aligned.

    Args:
        matrix: 4 × 4 point map, PET to SPECT.
        spect: SPECT and its affine.
        pet: PET and its affine.
        settings: keys ``min_overlap``, ``min_correlation`` and ``max_rotation_deg``.
        subject: label, for the message.

    Raises:
        InputError: overlap or correlation is too low, or the rotation too large.
    """
    grid = grids.brain_box(*pet, RIGID_VOXEL_MM, MARGIN_MM)
    found = agreement.agree(
        grids.resample(*spect, grid, matrix, order=1), grids.resample(*pet, grid, order=1), grid
    )
    log.info(
        "subject %s: SPECT and PET, aligned: %s",
        subject,
        ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in found.items()),
    )
    agreement.require(found, settings, "register: coregister", f"subject {subject}: SPECT and PET")
    angle = agreement.rotation_deg(matrix)
    if angle > settings["max_rotation_deg"]:
        raise InputError(
            f"subject {subject}: SPECT fits PET best when turned by {angle:.0f}°, more than a head "
            "turns, so the orientation in one of the headers must be wrong; export both again"
        )


# --- PET to MNI space -------------------------------------------------------


def normalise_pet(
    *,
    pet: str | Path,
    affine: str | Path,
    warp: str | Path,
    inverse_warp: str | Path,
    subject: str,
    settings: Mapping[str, Any],
    seed: int,
) -> None:
    """Find the transform between a subject's PET and MNI space.

    Affine, then symmetric diffeomorphic (SyN; Avants et al., Med Image Anal 12:26, 2008), with
    mutual information, on a template of what CBF looks like in MNI space.  The subject's own
    images are not changed by it.

    Args:
        pet: PET on the study grid.
        affine: ``.mat`` file to write, fixed MNI, moving PET.
        warp: ``.nii.gz`` file to write, displacements before the affine, on MNI.
        inverse_warp: ``.nii.gz`` file to write, displacements after the inverted affine.
        subject: label, for messages.
        settings: ``voxel_mm`` of the deformation, ``iterations`` at twice that and at that,
            ``min_overlap`` and ``min_correlation`` of template and PET.
        seed: seed of the sampling.

    Raises:
        InputError: the template does not fit the PET.
    """
    data, data_affine = read_image(pet)
    model, model_affine = mni.cbf_template()
    grid = grids.brain_box(model, model_affine, settings["voxel_mm"], MARGIN_MM)
    fixed = _to_ants(grids.resample(model, model_affine, grid, order=1), grid.affine)
    moving = _to_ants(data, data_affine)
    who = f"subject {subject}, PET to MNI space"
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.mat"
        itk.write_linear(
            start, find_start(model, model_affine, data, data_affine, half_turns=False)
        )
        linear = _register(
            fixed=fixed,
            moving=moving,
            kind="Affine",
            start=start,
            seed=seed,
            who=who,
            aff_iterations=(60, 20),
            aff_shrink_factors=(2, 1),
            aff_smoothing_sigmas=(1, 1),
            aff_random_sampling_rate=0.25,
        )
        result = _register(
            fixed=fixed,
            moving=moving,
            kind="SyNOnly",
            start=Path(linear["fwdtransforms"][0]),
            seed=seed,
            who=who,
            reg_iterations=tuple(settings["iterations"]),
        )
        itk.write_linear(affine, itk.read_linear(result["fwdtransforms"][1]))
        _keep(result["fwdtransforms"][0], warp)
        _keep(result["invtransforms"][1], inverse_warp)
    study = grids.Grid(data_affine, data.shape)
    fitted = mapping.template_on(study, itk.read_linear(affine), inverse_warp)
    agreement.require(agreement.agree(fitted, data, study), settings, "register: normalise", who)


# --- ANTs -------------------------------------------------------------------


def _register(
    *,
    fixed: ants.ANTsImage,
    moving: ants.ANTsImage,
    kind: str,
    start: Path,
    seed: int,
    who: str,
    **options: Any,
) -> dict[str, Any]:
    """Run ANTs with mutual information from a start, with a fixed seed; files beside the start."""
    # Off: "deterministic" would allow ANTs' own presets alone.  Its seed is passed on all the
    # same, and threads are limited already.  Seed 0 would mean the clock.
    ants.config.set_ants_deterministic(False, seed_value=1 + seed % (2**31 - 2))
    try:
        return ants.registration(
            fixed,
            moving,
            type_of_transform=kind,
            initial_transform=str(start),
            outprefix=str(start.with_name(kind)),
            aff_metric="mattes",
            aff_sampling=BINS,
            syn_metric="mattes",
            syn_sampling=BINS,
            **options,
        )
    except RuntimeError as error:
        raise InputError(
            f"{who}: the images could not be aligned ({error}); "
            "check that they show the whole brain of this subject"
        ) from error


def _to_ants(data: np.ndarray, affine: np.ndarray) -> ants.ANTsImage:
    """An ANTs image, in ITK's LPS+ millimetres, of voxels with a RAS+ affine."""
    itk_affine = itk.FLIP @ affine
    spacing = np.linalg.norm(itk_affine[:3, :3], axis=0)
    return ants.from_numpy(
        np.ascontiguousarray(data, dtype=np.float32),
        origin=itk_affine[:3, 3].tolist(),
        spacing=spacing.tolist(),
        direction=itk_affine[:3, :3] / spacing,
    )


def _rigid(matrix: np.ndarray) -> np.ndarray:
    """The matrix with its rounding errors taken out: the nearest proper rotation."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    result = matrix.copy()
    result[:3, :3] = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return result


def _keep(temporary: str, path: str | Path) -> None:
    """Move a file that ANTs wrote to its place, whole or not at all."""
    with files.whole(path) as partial:
        shutil.copyfile(temporary, partial)
