"""Reading DICOM: the SPECT and PET series of a file or folder.

Listing the series is in `dicom_listing`, where slices lie in `dicom_geometry`, and what their
pixels mean in `dicom_values`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from spect2pet.core.errors import InputError
from spect2pet.prepare import dicom_geometry, dicom_values
from spect2pet.prepare.dicom_decoding import decode_apart
from spect2pet.prepare.dicom_geometry import Plane, named
from spect2pet.prepare.dicom_listing import (
    FAULTS,
    Series,
    is_dicom,
    list_series,
    quiet,
    reason,
    shown,
)
from spect2pet.prepare.dicom_values import COUNTS, Line, decode_here

__all__ = ["Series", "Volume", "choose", "is_dicom", "list_series", "quiet", "read"]

#: DICOM Modality (0008,0060) of each column of the subjects table.
MODALITIES = {"spect": "NM", "pet": "PT"}
#: How many of several series stand in a message.
LISTED = 4


@dataclass(frozen=True)
class Volume:
    """One volume as its DICOM files hold it (`preparation.Scan` before the checks).

    Attributes:
        data: float32 real-world values (columns, rows, slices); slices ascend along the normal.
        affine: 4 × 4, voxel indices to millimetres in RAS+.
        unit: as `preparation.UNITS` or ``counts``; None where the header states none that is known.
        unit_from: what of the header states it, or why it states none.
        warnings: what is doubtful, in words.
        header: facts that identify nobody: numbers and words of closed lists.
    """

    data: np.ndarray
    affine: np.ndarray
    unit: str | None
    unit_from: str
    warnings: tuple[str, ...]
    header: Mapping[str, Any]


@dataclass(frozen=True)
class _Part:
    """The frames of one file."""

    planes: list[Plane]
    values: np.ndarray
    lines: list[Line]
    warnings: list[str]
    header: FileDataset


def read(path: Path, who: str, modality: str, series: str | None = None) -> Volume:
    """Read the one volume that is meant.

    Args:
        path: a multi-frame file, or a folder, searched with its subfolders.
        who: how a message begins: subject, modality and file.
        modality: ``spect`` (DICOM Modality NM) or ``pet`` (PT).
        series: words of the description of the series that is meant, in any case of letters;
            None where the folder has one series of the modality only.

    Returns:
        The volume, its slices sorted by where they are, its values in their own unit.

    Raises:
        InputError: there is no such series or more than one, or it is not one whole
            reconstructed volume that the header describes without contradiction.
    """
    chosen = choose(path, who, modality, series)
    file = chosen.files[0]
    try:
        with quiet():
            decoded = decode_apart(chosen.files) if chosen.compressed else None
            parts = []
            for file in chosen.files:
                parts.append(_read_file(file, decoded))
            return _joined(parts)
    except InputError as error:
        raise InputError(f"{who} {error}") from None
    except FAULTS as error:
        raise InputError(
            f"{who} {shown(file.name)} cannot be read as DICOM ({reason(error)}); "
            "copy or export it again"
        ) from None


def choose(path: Path, who: str, modality: str, series: str | None = None) -> Series:
    """Choose the one series that is meant, by its headers; arguments as for `read`.

    Of several series those that cannot be a reconstructed volume, such as the raw projections
    beside it, are passed over.

    Raises:
        InputError: there is none or more than one.
    """
    if not path.exists():
        raise InputError(f"{who} no such file; correct the subjects table")
    found, unreadable = list_series(path)
    if unreadable:
        file, why = unreadable[0]
        name = "" if file == path else f"{shown(file.name)} "
        raise InputError(
            f"{who} {name}cannot be read as DICOM ({why}); copy or export it again, or remove it"
        )
    if not found:
        raise InputError(f"{who} holds no DICOM images; correct the subjects table")
    wanted = [one for one in found if one.modality == MODALITIES[modality]]
    if not wanted:
        others = sorted({one.modality for one in found if one.modality in _KNOWN_MODALITIES})
        raise InputError(
            f"{who} holds no series of modality {MODALITIES[modality]} but of "
            f"{', '.join(others) or 'others'}; is it the {modality.upper()}?"
        )
    return _one_of(wanted, series, who, f"{modality}_series")


#: Modalities (PS3.3 C.7.3.1.1.1) that a message may name.
_KNOWN_MODALITIES = frozenset(
    (
        "CR",
        "CT",
        "DOC",
        "DX",
        "KO",
        "MR",
        "NM",
        "OT",
        "PR",
        "PT",
        "REG",
        "RTDOSE",
        "RTSTRUCT",
        "SC",
        "SEG",
        "SR",
        "US",
    )
)


def _one_of(wanted: list[Series], series: str | None, who: str, column: str) -> Series:
    """The series whose description holds the words, if it is one."""
    if series:
        named_so = [one for one in wanted if series.casefold() in one.description.casefold()]
        if not named_so:
            raise InputError(
                f"{who} no series is described as {shown(series)!r}; there are "
                f"{_list_of(wanted)}; correct `{column}` in the subjects table"
            )
        wanted = named_so
    usable = [one for one in wanted if one.fault() is None]
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise InputError(f"{who} {wanted[0].fault()}; give the reconstructed volume")
    raise InputError(
        f"{who} holds several series: {_list_of(usable)}; "
        f"say which in the column `{column}` of the subjects table"
    )


def _list_of(series: list[Series]) -> str:
    """Number, description and number of images of each; never words of the patient's name."""
    lines = []
    for one in series[:LISTED]:
        words = one.description
        private = [*one.patient_name.replace("^", " ").replace("=", " ").split(), one.patient_id]
        if any(len(word) > 1 and word.casefold() in words.casefold() for word in private):
            words = "(withheld)"
        number = "none" if one.number is None else one.number
        lines.append(f"{number} {shown(words)!r} of {one.shape[2]} images")
    left = len(series) - len(lines)
    return ", ".join(lines) + (f" and {left} more" if left else "")


def _read_file(path: Path, decoded: Mapping[Path, np.ndarray] | None) -> _Part:
    """Read one file whole: where its frames are and what they hold."""
    image = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in image.file_meta:  # no preamble: as it was found to be written
        implicit, little = image.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    given = image.get("NumberOfFrames")
    frames = 1 if given is None else int(given)
    decode = decode_here if decoded is None else lambda _: decoded[path]
    values = dicom_values.pixels_of(image, frames, path, decode)
    planes, warnings = dicom_geometry.planes_of(image, frames)
    lines = [dicom_values.line_of(image, frame) for frame in range(frames)]
    real = np.stack(
        [dicom_values.real_values(stored, line) for stored, line in zip(values, lines, strict=True)]
    )
    return _Part(planes, real, lines, warnings, image)


def _joined(parts: list[_Part]) -> Volume:
    """The volume of all files of a series."""
    first = parts[0]
    if len({part.values.shape[1:] for part in parts}) > 1:
        raise InputError("its slices differ in rows and columns; give one series of equal slices")
    lines = [line for part in parts for line in part.lines]
    if len({line.unit for line in lines}) > 1:
        raise InputError("its slices differ in unit; give one series in one unit")
    planes = [plane for part in parts for plane in part.planes]
    order, affine = dicom_geometry.stack(planes)
    _check_whole(first.header, len(planes))
    values = np.concatenate([part.values for part in parts])[order]
    unit, unit_from = lines[0].unit, lines[0].unit_from
    facts = dicom_values.facts_of(first.header, len(planes))
    return Volume(
        data=np.ascontiguousarray(values.transpose(2, 1, 0)),
        affine=affine,
        unit=unit,
        unit_from=unit_from,
        warnings=(*first.warnings, *_warnings_of(unit, unit_from, facts)),
        header=facts,
    )


def _check_whole(header: FileDataset, slices: int) -> None:
    """PT says how many slices its volume has (PS3.3 C.8.9.1)."""
    stated = int(header.get("NumberOfSlices") or 0) if header.Modality == "PT" else 0
    if slices < stated:
        raise InputError(
            f"{slices} slices are there, {named('NumberOfSlices')} says {stated}; "
            "export the whole series again, or as NIfTI if it is whole"
        )


def _warnings_of(unit: str | None, unit_from: str, facts: Mapping[str, Any]) -> list[str]:
    """What is doubtful of values that are no flow."""
    if unit != COUNTS:
        return []
    warnings = [f"by {unit_from} the values are activity, not flow: taken as relative counts"]
    if facts["Modality"] == "PT" and facts.get("DecayCorrection") == "NONE":
        warnings.append(f"{named('DecayCorrection')} is NONE: slices may differ by decay")
    return warnings
