"""Prepare: check the raw images of a subject, NIfTI or DICOM; bring them to canonical NIfTI."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spect2pet.core.errors import InputError, by, in_short
from spect2pet.core.images import CBF_UNIT, brain_level, sidecar_path, write_image
from spect2pet.core.light_nibabel import nib
from spect2pet.prepare import dicom, nifti

log = logging.getLogger(__name__)

#: Factor from each known unit to mL/100 g/min, spelled without spaces in lower case.
#: Volumes of tissue count as 1 g/mL, as in the published comparison.
UNITS = {
    "ml/100g/min": 1.0,
    "ml/min/100g": 1.0,
    "ml/g/min": 100.0,
    "ml/min/g": 100.0,
    "ml/ml/min": 100.0,
    "ml/min/ml": 100.0,
    "ml/100ml/min": 1.0,
    "ml/min/100ml": 1.0,
}
COUNTS = "counts"


def prepare_subject(
    images: Mapping[str, tuple[str | Path, str | Path, Mapping[str, Any]]],
    *,
    subject: str,
    settings: Mapping[str, Any],
    made_by: Mapping[str, Any],
) -> None:
    """Check the raw images of a subject and write each, as `prepare_image` does.

    Args:
        images: by modality, ``spect`` or ``pet``, the raw image, the file to write and what the
            subjects table says of it: ``problem``, ``unit`` and ``series``, None where nothing.
        subject: label, for messages.
        settings: the ``prepare`` section of the config.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: images cannot be used; a line for each of them says why.
    """
    wrong = []
    for modality, (raw, output, told) in images.items():
        try:
            if told["problem"]:
                raise InputError(told["problem"])
            prepare_image(
                raw,
                output,
                subject=subject,
                modality=modality,
                unit=told["unit"],
                series=told["series"],
                settings=settings,
                made_by=made_by,
            )
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise InputError("\n".join(wrong))


def prepare_image(
    raw: str | Path,
    output: str | Path,
    *,
    subject: str,
    modality: str,
    unit: str | None,
    settings: Mapping[str, Any],
    made_by: Mapping[str, Any],
    series: str | None = None,
) -> None:
    """Check one raw image and write it as float32, RAS+, in mL/100 g/min.

    The voxels are reordered and scaled, never interpolated.  ``counts`` become
    relative CBF: scaled to a whole-brain mean of ``settings["relative_mean"]``
    and marked in the sidecar.

    Args:
        raw: NIfTI file of one volume, DICOM file, or folder of DICOM files.
        output: the ``.nii.gz`` file to write; its JSON sidecar goes beside it.
        subject: label, for messages.
        modality: ``spect`` or ``pet``.
        unit: unit by the subjects table; None asks the image's own JSON sidecar
            (``Units``) and then ``settings["unit"]``.
        settings: the ``prepare`` section of the config.
        made_by: what `provenance.stamp` gave.
        series: words of the description of the DICOM series that is meant; None where
            there is one series only.

    Raises:
        InputError: the image cannot be used; the sentence says why.
    """
    who = f"subject {subject}, {modality} {raw}:"
    scan = load_raw(Path(raw), who, settings, modality, series)
    data, affine = scan.data, scan.affine
    unit, said_by = _unit_of(Path(raw), unit, scan, settings["unit"], who)
    spelled = unit.replace(" ", "").lower()
    relative = spelled == COUNTS
    if relative:
        factor = settings["relative_mean"] / brain_level(data)
    elif spelled in UNITS:
        factor = UNITS[spelled]
    else:
        raise InputError(
            f"{who} unit {unit[:40]!r} ({said_by}) is unknown; "
            f"use mL/100g/min, mL/min/g, mL/mL/min or {COUNTS}"
        )
    data = _scaled(data, factor, unit, who)
    mean = brain_level(data)
    low, high = settings["plausible_mean"]
    warnings = list(scan.warnings)
    if not low <= mean <= high:
        warnings.append(
            f"the brain's mean is {mean:.3g} {CBF_UNIT}, outside {low:g} to {high:g}; "
            f"is its unit really {unit} ({said_by})?"
        )
    for warning in warnings:
        log.warning("%s %s", who, warning)
    log.info("%s %s voxels, unit %s, brain mean %.1f", who, data.shape, unit, mean)
    write_image(
        output,
        data,
        affine,
        {
            "Units": CBF_UNIT,
            "Relative": relative,
            "SourceUnits": unit,
            "SourceUnitsFrom": said_by,
            "ScaleFactor": factor,
            "RoughBrainMean": round(mean, 4),
            "Warnings": warnings,
            "Header": dict(scan.header),
            "GeneratedBy": made_by,
        },
    )


@dataclass(frozen=True)
class Scan:
    """A raw image as it was read and checked.

    Attributes:
        data: float32 voxels (x, y, z) in RAS+ order, in the unit of the file.
        affine: 4 × 4, voxel indices to millimetres in RAS+.
        unit: unit that the header states, None where it states none.
        unit_from: what of the header states it, or why it states none; empty for NIfTI,
            which has no place for it.
        warnings: what is doubtful, in words.
        header: facts of the header that identify nobody, ready for JSON.
    """

    data: np.ndarray
    affine: np.ndarray
    unit: str | None = None
    unit_from: str = ""
    warnings: tuple[str, ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)


def load_raw(
    path: Path,
    who: str,
    settings: Mapping[str, Any],
    modality: str = "spect",
    series: str | None = None,
) -> Scan:
    """Read a raw image, check it, and turn it to RAS+.

    Args:
        path: a NIfTI file, a DICOM file, or a folder of DICOM files.
        who: how a message begins: subject, modality and file.
        settings: keys ``voxel_mm`` and ``field_of_view_mm`` (lowest and highest
            plausible value) and ``negative_share``.
        modality: ``spect`` or ``pet``.
        series: words of the description of the DICOM series that is meant.

    Returns:
        The image.

    Raises:
        InputError: anything that makes the image unusable.
    """
    if dicom.is_dicom(path):
        found = dicom.read(path, who, modality, series)
        scan = Scan(
            found.data, found.affine, found.unit, found.unit_from, found.warnings, found.header
        )
    else:
        scan = Scan(*nifti.read(path, who))
    _check_geometry(scan.affine, scan.data.shape, who, settings)
    _check_values(scan.data, who, settings)
    canonical: Any = nib.as_closest_canonical(nib.Nifti1Image(scan.data, scan.affine))
    return replace(
        scan, data=np.asarray(canonical.dataobj, dtype=np.float32), affine=canonical.affine
    )


def _unit_of(raw: Path, table: str | None, scan: Scan, default: str, who: str) -> tuple[str, str]:
    """The unit of an image, and who says so: the table, a sidecar, the header, the config."""
    if table is not None:
        return table, "the subjects table"
    sidecar = sidecar_path(raw)
    told = _sidecar_unit(sidecar, who)
    if told:
        return told, f"sidecar {sidecar.name}"
    if scan.unit is not None:
        return scan.unit, scan.unit_from
    if scan.unit_from:
        raise InputError(
            f"{who} its header states no unit of CBF ({scan.unit_from}); "
            "give `unit` in the subjects table"
        )
    return default, "the config"


def _sidecar_unit(sidecar: Path, who: str) -> str | None:
    """What a JSON sidecar says of the unit; None where there is no sidecar or no word."""
    if not sidecar.exists():
        return None
    remedy = "mend it or give the unit in the subjects table"
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{who} its sidecar {sidecar.name} is not JSON ({in_short(error, sidecar)}); {remedy}"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{who} its sidecar {sidecar.name} is no JSON object; {remedy}")
    unit = content.get("Units")
    if unit is not None and not isinstance(unit, str):
        raise InputError(f"{who} `Units` in its sidecar {sidecar.name} is no text; {remedy}")
    return unit


def _scaled(data: np.ndarray, factor: float, unit: str, who: str) -> np.ndarray:
    """The voxels times the factor of their unit, which numbers near float32's end do not bear."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = data * np.float32(factor)
    if not np.isfinite(scaled).all():
        raise InputError(
            f"{who} values up to {data.max():.3g} in {unit} are too large or too small to convert; "
            "correct the unit or export the image again"
        )
    return scaled


#: A largest value above this, or below one over this, comes of bytes read wrongly.
EXTREME = 1e20
#: A volume that begins farther from the scanner's centre than this, in mm, is nowhere.
FARTHEST = 1e4


def _check_geometry(
    affine: np.ndarray, shape: tuple[int, ...], who: str, settings: Mapping[str, Any]
) -> None:
    axes = affine[:3, :3]
    sizes = np.linalg.norm(axes, axis=0)
    if not np.isfinite(affine).all() or (sizes == 0).any():
        raise InputError(f"{who} its affine is not a valid one; export the image again")
    directions = axes / sizes
    if abs(np.linalg.det(directions)) < 1e-3:
        raise InputError(f"{who} its affine is singular; export the image again")
    if np.abs(directions.T @ directions - np.eye(3)).max() > 0.01:
        raise InputError(f"{who} its axes are sheared; resample it to a right-angled grid")
    low, high = settings["voxel_mm"]
    if sizes.min() < low or sizes.max() > high:
        raise InputError(
            f"{who} voxels of {by(sizes)} mm are implausible ({low:g} to {high:g}); "
            "check the unit of its header"
        )
    if np.abs(affine[:3, 3]).max() > FARTHEST:
        raise InputError(
            f"{who} it lies {np.abs(affine[:3, 3]).max():.3g} mm from the scanner's centre; "
            "its header is damaged, export it again"
        )
    extent = sizes * shape
    low, high = settings["field_of_view_mm"]
    if extent.min() < low or extent.max() > high:
        raise InputError(
            f"{who} a field of view of {by(extent)} mm is implausible for a brain "
            f"({low:g} to {high:g}); check that the volume is whole"
        )


def _check_values(voxels: np.ndarray, who: str, settings: Mapping[str, Any]) -> None:
    broken = np.count_nonzero(~np.isfinite(voxels))
    if broken:
        raise InputError(f"{who} {broken} voxels are NaN or infinite; reconstruct it again")
    if voxels.min() == voxels.max():
        raise InputError(
            f"{who} every voxel is {voxels.flat[0]:g}; the image is empty, export it again"
        )
    largest = float(np.abs(voxels).max())
    if not 1 / EXTREME < largest < EXTREME:
        raise InputError(
            f"{who} its largest value is {largest:.3g}, which nothing measures; "
            "its bytes may be in the wrong order, export it again"
        )
    positive = float(voxels[voxels > 0].sum(dtype=np.float64))
    negative = float(-voxels[voxels < 0].sum(dtype=np.float64))
    if negative > settings["negative_share"] * positive:
        raise InputError(
            f"{who} negative voxels weigh {100 * negative / max(positive, 1e-12):.3g} % of the "
            f"positive ones, more than noise ({settings['negative_share']:.0%}); "
            "is it a CBF image, not a difference or a statistic?"
        )
