"""The check of a subject's registration: numbers, warnings and an overlay picture."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spect2pet.core import grids, itk
from spect2pet.core.images import read_image, sidecar_path
from spect2pet.core.provenance import write_json
from spect2pet.figures import pictures
from spect2pet.register import agreement, mapping, regions, rigid_search

log = logging.getLogger(__name__)

#: Share of the brain below which a warning says that a part was not scanned.
MIN_COVERED = 0.99
#: Slices of the overlay picture.
SLICES = 6
#: Whole-brain mean of the images in the picture.
RELATIVE_MEAN = 50.0
#: Levels of the contours, as fractions of the 99th percentile in the brain.
CONTOURS = (0.35, 0.7)
LOBE_COLOURS = {
    "frontal": "#4cc9f0",
    "parietal": "#80ed99",
    "temporal": "#ffd166",
    "occipital": "#f78fb3",
    "limbic": "#c3a6ff",
    "insula": "#ffffff",
    "subcortical": "#ff9f1c",
    "cerebellum": "#ff6b6b",
}


def check_registration(
    *,
    spect: str | Path,
    study_spect: str | Path,
    study_pet: str | Path,
    transform: str | Path,
    affine: str | Path,
    inverse_warp: str | Path,
    mask: str | Path,
    dseg: str | Path,
    groups: str | Path,
    truth: str | Path | None,
    check: str | Path,
    overlay: str | Path,
    subject: str,
    made_by: Mapping[str, Any],
) -> None:
    """Measure how well a subject is registered, and draw it.

    Args:
        spect: prepared SPECT.
        study_spect: SPECT on the study grid.
        study_pet: PET on the study grid.
        transform: ``.mat``, fixed PET, moving SPECT.
        affine: ``.mat``, fixed MNI, moving PET.
        inverse_warp: displacements that follow the inverted affine.
        mask: brain mask on the study grid, with its sidecar beside it.
        dseg: AAL labels on the study grid.
        groups: the table that groups the labels.
        truth: JSON file with the poses of a simulated subject, None for a real one.
        check: JSON file to write.
        overlay: PNG file to write.
        subject: label.
        made_by: what `provenance.stamp` gave.
    """
    raw = read_image(spect)
    aligned, _ = read_image(study_spect)
    pet, grid_affine = read_image(study_pet)
    grid = grids.Grid(grid_affine, pet.shape)
    brain = read_image(mask)[0] > 0
    labels = read_image(dseg)[0].astype(int)
    table = regions.load_groups(groups)
    matrix = itk.read_linear(transform)

    rigid = measure_coregistration(raw, aligned, pet, grid, matrix)
    mapped = measure_normalisation(pet, grid, itk.read_linear(affine), inverse_warp, brain)
    error = target_error(matrix, truth, grid, brain) if truth else None
    covered = json.loads(sidecar_path(mask).read_text(encoding="utf-8"))["BrainCovered"]
    warnings = warnings_of(rigid, brain, covered)
    content = {
        "subject": subject,
        "coregistration": rigid,
        "target_registration_error_mm": error,
        "normalisation": mapped,
        "brain_covered": covered,
        "empty_regions": empty_regions(labels, table),
        "warnings": warnings,
        "GeneratedBy": made_by,
    }
    for sentence in warnings:
        log.warning("subject %s: %s", subject, sentence)
    write_json(check, content)
    figure = draw_overlay(aligned, pet, brain, labels, table, headline(content))
    pictures.save_figure(figure, overlay)


# --- Numbers ----------------------------------------------------------------


def measure_coregistration(
    raw: tuple[np.ndarray, np.ndarray],
    aligned: np.ndarray,
    pet: np.ndarray,
    grid: grids.Grid,
    matrix: np.ndarray,
) -> dict[str, Any]:
    """What the rigid alignment did and how well SPECT and PET agree.

    Args:
        raw: prepared SPECT and its affine.
        aligned: SPECT on the study grid.
        pet: PET on the study grid.
        grid: the study grid.
        matrix: 4 × 4 point map, PET to SPECT.

    Returns:
        Rotation and shift, and what `agreement.agree` gives before (by the headers alone),
        after, and at the best alignment of the SPECT mirrored, left for right, which agrees
        less than the true one unless an image is stored mirrored.
    """
    spect, affine = raw
    mirrored = spect[::-1]
    best = rigid_search.find_start(pet, grid.affine, mirrored, affine, half_turns=False)
    centre = np.append(np.mean(grids.brain_bounds(pet, grid.affine), axis=0), 1.0)
    return {
        "rotation_deg": agreement.rotation_deg(matrix),
        "shift_mm": float(np.linalg.norm((matrix @ centre - centre)[:3])),
        "before": agreement.agree(grids.resample(spect, affine, grid), pet, grid),
        "after": agreement.agree(aligned, pet, grid),
        "mirrored": agreement.agree(grids.resample(mirrored, affine, grid, best), pet, grid),
    }


def measure_normalisation(
    pet: np.ndarray,
    grid: grids.Grid,
    affine: np.ndarray,
    inverse_warp: str | Path,
    brain: np.ndarray,
) -> dict[str, float]:
    """How well the template, brought to the subject, agrees with the PET.

    Args:
        pet: PET on the study grid.
        grid: the study grid.
        affine: 4 × 4 point map, MNI to PET.
        inverse_warp: displacements that follow the inverted affine.
        brain: brain mask on the study grid.

    Returns:
        What `agreement.agree` gives for template and PET, and the volume of the mask in mL.
    """
    model = mapping.template_on(grid, affine, inverse_warp)
    voxel_ml = abs(np.linalg.det(grid.affine[:3, :3])) / 1000
    return {
        **agreement.agree(model, pet, grid),
        "brain_volume_ml": float(np.count_nonzero(brain) * voxel_ml),
    }


def target_error(
    matrix: np.ndarray, truth: str | Path, grid: grids.Grid, brain: np.ndarray
) -> dict[str, float]:
    """Distance between where the SPECT of each place of the brain was put and where it belongs.

    The target registration error of Fitzpatrick et al. (IEEE Trans Med Imaging 17:694, 1998).

    Args:
        matrix: 4 × 4 point map found, PET to SPECT.
        truth: JSON file with ``spect_pose`` and ``pet_pose``, anatomy to scanner millimetres.
        grid: the study grid.
        brain: brain mask on it.

    Returns:
        Mean and maximum over the voxels of the brain, mm.
    """
    poses = json.loads(Path(truth).read_text(encoding="utf-8"))
    true = np.array(poses["spect_pose"]) @ np.linalg.inv(poses["pet_pose"])
    voxels = np.argwhere(brain)
    points = voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    off = matrix - true
    errors = np.linalg.norm(points @ off[:3, :3].T + off[:3, 3], axis=1)
    return {"mean": float(errors.mean()), "max": float(errors.max())}


def empty_regions(labels: np.ndarray, groups: pd.DataFrame) -> list[str]:
    """Names of the atlas regions that no voxel of the subject belongs to."""
    return groups.loc[~groups["index"].isin(np.unique(labels)), "region"].tolist()


def warnings_of(rigid: Mapping[str, Any], brain: np.ndarray, covered: float) -> list[str]:
    """What a person should look at.

    Args:
        rigid: what `measure_coregistration` gave.
        brain: brain mask on the study grid.
        covered: share of the brain that both scanners saw.

    Returns:
        Sentences; none where all is as expected.
    """
    found = []
    if rigid["mirrored"]["mutual_information"] > rigid["after"]["mutual_information"]:
        found.append(
            "SPECT agrees with PET better when mirrored; one of the two may be stored mirrored"
        )
    if covered < MIN_COVERED:
        found.append(f"only {covered:.0%} of the brain lies in both SPECT and PET")
    if brain[:, :, [0, -1]].any() or brain[:, [0, -1]].any() or brain[[0, -1]].any():
        found.append("the brain mask touches the edge of the study grid")
    return found


# --- Picture ----------------------------------------------------------------


def headline(content: Mapping[str, Any]) -> str:
    """One line of the main numbers of a check."""
    rigid, error = content["coregistration"], content["target_registration_error_mm"]
    parts = [
        f"sub-{content['subject']}",
        f"moved {rigid['shift_mm']:.0f} mm, {rigid['rotation_deg']:.0f}°",
        f"correlation {rigid['before']['correlation']:.2f} → {rigid['after']['correlation']:.2f}",
        f"overlap {rigid['before']['overlap']:.2f} → {rigid['after']['overlap']:.2f}",
    ]
    return " · ".join(parts + ([f"true error {error['mean']:.1f} mm"] if error else []))


def draw_overlay(
    spect: np.ndarray,
    pet: np.ndarray,
    brain: np.ndarray,
    labels: np.ndarray,
    groups: pd.DataFrame,
    title: str,
) -> Figure:
    """Draw SPECT contours on PET, PET contours on SPECT and the lobes on PET.

    Both images are shown relative to their mean in the brain, so that errors of quantification
    do not distract from position.

    Args:
        spect: SPECT on the study grid.
        pet: PET on the study grid.
        brain: brain mask.
        labels: AAL labels.
        groups: the table that groups them.
        title: text above.

    Returns:
        The figure.
    """
    chosen = pictures.pick_slices(brain, SLICES)
    x, y = (slice(a.min(), a.max() + 1) for a in map(np.flatnonzero, _extents(brain)))

    def cut(volume: np.ndarray) -> list[np.ndarray]:
        return [volume[x, y, k] for k in chosen]

    spect, pet = (image * (RELATIVE_MEAN / image[brain].mean()) for image in (spect, pet))
    rows = {"PET, SPECT contour": pet, "SPECT, PET contour": spect, "PET, AAL lobes": pet}
    figure, axes = pictures.draw_rows(
        {name: cut(volume) for name, volume in rows.items()},
        title=title,
        label=pictures.cbf_label(relative=True),
    )
    for volume, line in ((spect, axes[0]), (pet, axes[1])):
        levels = np.multiply(CONTOURS, np.percentile(volume[brain], 99))
        for cell, plane in zip(line, cut(volume), strict=True):
            cell.contour(plane.T, levels, colors="#4cc9f0", linewidths=0.6)
    lobes = groups.groupby("lobe")["index"].agg(list)
    for cell, plane in zip(axes[2], cut(labels), strict=True):
        for lobe, colour in LOBE_COLOURS.items():
            _outline(cell, np.isin(plane, lobes[lobe]), colour)
    figure.set_figwidth(figure.get_figwidth() + 1)  # for the legend
    figure.legend(
        handles=[Line2D([], [], color=c, label=lobe) for lobe, c in LOBE_COLOURS.items()],
        loc="outside right lower",
        title="AAL lobes",
        fontsize=7,
        title_fontsize=8,
        labelcolor="white",
        facecolor="0.25",
    ).get_title().set_color("white")
    return figure


def _extents(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which columns and rows of the axial plane hold any of a mask."""
    return np.any(mask, axis=(1, 2)), np.any(mask, axis=(0, 2))


def _outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    if mask.any() and not mask.all():
        axes.contour(mask.T, [0.5], colors=colour, linewidths=0.6)
