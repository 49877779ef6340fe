"""Reading, checking and writing images: the prepare stage and every stage's files."""

import gzip
import json
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from scipy import ndimage

from spect2pet.errors import InputError
from spect2pet.provenance import write_json

log = logging.getLogger(__name__)

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
    except (OSError, EOFError, ValueError, ImageFileError) as error:
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
    """
    path = Path(path)
    kind = np.int16 if data.dtype.kind in "iub" else np.float32
    image = nib.Nifti1Image(np.ascontiguousarray(data, dtype=kind), affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    partial = path.with_name(f".partial-{path.name}")
    image.to_filename(partial)
    partial.replace(path)
    if sidecar is not None:
        write_json(sidecar_path(path), sidecar)


def sidecar_path(image: str | Path) -> Path:
    """The JSON file that belongs to a ``.nii`` or ``.nii.gz`` image."""
    image = Path(image)
    return image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")


# --- Prepare: one raw image to canonical NIfTI -------------------------------

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


def prepare_image(
    raw: str | Path,
    output: str | Path,
    *,
    subject: str,
    modality: str,
    unit: str | None,
    settings: Mapping[str, Any],
    made_by: Mapping[str, Any],
) -> None:
    """Check one raw image and write it as float32, RAS+, in mL/100 g/min.

    The voxels are reordered and scaled, never interpolated.  ``counts`` become
    relative CBF: scaled to a whole-brain mean of ``settings["relative_mean"]``
    and marked in the sidecar.

    Args:
        raw: NIfTI file of one volume.
        output: the ``.nii.gz`` file to write; its JSON sidecar goes beside it.
        subject: label, for messages.
        modality: ``spect`` or ``pet``.
        unit: unit by the subjects table; None asks the image's own JSON sidecar
            (``Units``) and then ``settings["unit"]``.
        settings: the ``prepare`` section of the config.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: the image cannot be used; the sentence says why.
    """
    who = f"subject {subject}, {modality} {raw}:"
    data, affine = load_raw(Path(raw), who, settings)
    unit, said_by = _unit_of(Path(raw), unit, settings["unit"], who)
    spelled = unit.replace(" ", "").lower()
    relative = spelled == COUNTS
    if relative:
        factor = settings["relative_mean"] / brain_level(data)
    elif spelled in UNITS:
        factor = UNITS[spelled]
    else:
        raise InputError(
            f"{who} unit {unit!r} ({said_by}) is unknown; "
            f"use mL/100g/min, mL/min/g, mL/mL/min or {COUNTS}"
        )
    data = data * np.float32(factor)
    mean = brain_level(data)
    low, high = settings["plausible_mean"]
    warnings = []
    if not low <= mean <= high:
        warnings.append(
            f"{who} the brain's mean is {mean:.3g} {CBF_UNIT}, outside {low:g} to {high:g}; "
            f"is its unit really {unit} ({said_by})?"
        )
        log.warning("%s", warnings[0])
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
            "GeneratedBy": made_by,
        },
    )


def load_raw(path: Path, who: str, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Read a raw NIfTI file, check it, and turn it to RAS+.

    Args:
        path: the file.
        who: how a message begins: subject, modality and file.
        settings: keys ``voxel_mm`` and ``field_of_view_mm`` (lowest and highest
            plausible value) and ``negative_share``.

    Returns:
        The voxels, float32 (x, y, z) in RAS+ order, and the 4 × 4 affine.

    Raises:
        InputError: anything that makes the image unusable.
    """
    try:
        _check_gzip(path)
        image: Any = nib.load(path)
        _check_header(image, who)
        voxels = np.asarray(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    except FileNotFoundError:
        raise InputError(f"{who} no such file; correct the subjects table") from None
    except (OSError, EOFError, TypeError, ValueError, ImageFileError, zlib.error) as error:
        raise InputError(
            f"{who} cannot be read as NIfTI ({_first_line(error)}); "
            "export it again or list the subject under `exclude:`"
        ) from None
    _check_geometry(image.affine, voxels.shape, who, settings)
    _check_values(voxels, who, settings)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(voxels, image.affine))
    return np.asarray(canonical.dataobj, dtype=np.float32), canonical.affine


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


def _unit_of(raw: Path, table: str | None, default: str, who: str) -> tuple[str, str]:
    """The unit of an image, and who says so."""
    if table is not None:
        return table, "the subjects table"
    sidecar = sidecar_path(raw)
    if sidecar.exists():
        try:
            content = json.loads(sidecar.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{who} its sidecar {sidecar.name} is not JSON ({error}); "
                "mend it or give the unit in the subjects table"
            ) from None
        if isinstance(content, dict) and content.get("Units"):
            return str(content["Units"]), f"sidecar {sidecar.name}"
    return default, "the config"


def _check_gzip(path: Path) -> None:
    """Read a compressed file to its end, where its checksum is; NIfTI readers stop before it."""
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            while stream.read(1 << 24):
                pass


def _check_header(image: Any, who: str) -> None:
    """What can be told before the voxels are read: dimensions and position."""
    header = image.header
    if "sform_code" not in header or not (int(header["sform_code"]) or int(header["qform_code"])):
        raise InputError(
            f"{who} says nothing of its position in space (no sform or qform); "
            "export it again with orientation"
        )
    if len(image.shape) < 3 or min(image.shape[:3]) < 2:
        raise InputError(
            f"{who} is a single slice of {_by(image.shape)} voxels; give the whole volume"
        )
    volumes = int(np.prod(image.shape[3:]))
    if volumes != 1:
        raise InputError(
            f"{who} has {volumes} volumes; give one volume, such as the mean over time"
        )


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
            f"{who} voxels of {_by(sizes)} mm are implausible ({low:g} to {high:g}); "
            "check the unit of its header"
        )
    extent = sizes * shape
    low, high = settings["field_of_view_mm"]
    if extent.min() < low or extent.max() > high:
        raise InputError(
            f"{who} a field of view of {_by(extent)} mm is implausible for a brain "
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
    positive = float(voxels[voxels > 0].sum(dtype=np.float64))
    negative = float(-voxels[voxels < 0].sum(dtype=np.float64))
    if negative > settings["negative_share"] * positive:
        raise InputError(
            f"{who} negative voxels weigh {negative / max(positive, 1e-12):.0%} of the positive "
            f"ones, more than noise ({settings['negative_share']:.0%}); "
            "is it a CBF image, not a difference or a statistic?"
        )


def _by(values: np.ndarray) -> str:
    return " × ".join(f"{value:.3g}" for value in values)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
