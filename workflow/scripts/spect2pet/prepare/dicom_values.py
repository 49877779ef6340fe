"""What the pixels of DICOM images mean: decoding, real-world values, units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID, UID_dictionary

from spect2pet.core.errors import InputError
from spect2pet.prepare.dicom_geometry import find, named
from spect2pet.prepare.dicom_listing import FAULTS, shown

#: Most that the voxels of one file may take up.
LARGEST_BYTES = 2 << 30
COUNTS = "counts"
#: Units (0054,1001) (PS3.3 C.8.9.1.1.3) as `preparation.UNITS` spells them; what measures activity
#: is relative to flow.
PET_UNITS = {
    "MLMING": "mL/min/g",
    "MLMINML": "mL/min/mL",
    **dict.fromkeys(["CNTS", "CPS", "BQML", "PROPCNTS", "PROPCPS", "GML"], COUNTS),
}
#: UCUM codes of Measurement Units Code Sequence (PS3.16 CID 84, and CBF as maps have it),
#: in lower case.
UCUM_UNITS = {
    "ml/min/g": "mL/min/g",
    "ml/g/min": "mL/min/g",
    "ml/(g.min)": "mL/min/g",
    "ml/(min.g)": "mL/min/g",
    "ml/min/ml": "mL/min/mL",
    "ml/ml/min": "mL/min/mL",
    "ml/(ml.min)": "mL/min/mL",
    "ml/(min.ml)": "mL/min/mL",
    "ml/min/100g": "mL/100g/min",
    "ml/100g/min": "mL/100g/min",
    "ml/(100.g.min)": "mL/100g/min",
    "ml/(100g.min)": "mL/100g/min",
    "ml/(min.100.g)": "mL/100g/min",
    "ml/(min.100g)": "mL/100g/min",
    "ml/min/(100.g)": "mL/100g/min",
    "ml/(100.ml.min)": "mL/100mL/min",
    "ml/(min.100.ml)": "mL/100mL/min",
    "ml/min/(100.ml)": "mL/100mL/min",
    **dict.fromkeys(
        ["{counts}", "{counts}/s", "{propcounts}", "{propcounts}/s", "bq/ml", "kbq/ml", "g/ml"],
        COUNTS,
    ),
    **dict.fromkeys(["g/ml{suvbw}", "g/ml{suvlbm}", "g/ml{suvibw}", "{suvbw}g/ml"], COUNTS),
}
_GREY = ("MONOCHROME1", "MONOCHROME2")  # the first is shown inverted, not measured so
_DECAY = ("NONE", "START", "ADMIN")  # PS3.3 C.8.9.1
_PIXELS = {"PixelData": "", "FloatPixelData": "float", "DoubleFloatPixelData": "double"}


@dataclass(frozen=True)
class Line:
    """A straight line from stored to real values, and the unit it leads to."""

    slope: float
    intercept: float
    unit: str | None
    unit_from: str


def pixels_of(
    image: FileDataset, frames: int, path: Path, decode: Callable[[FileDataset], np.ndarray]
) -> np.ndarray:
    """The stored values of one file, if its header bears them out.

    Args:
        image: the whole data set.
        frames: number of frames.
        path: the file, for messages.
        decode: gives them as they come of the codec; `decode_here` or another.

    Returns:
        Stored values (frame, row, column).

    Raises:
        InputError: there are none, they are in colour, contradict the header, or cannot be
            decoded.
    """
    keyword = next((name for name in _PIXELS if name in image), None)
    if keyword is None:
        raise InputError("holds no pixel data (7FE0,0010); export the image again")
    rows, columns = int(image.get("Rows") or 0), int(image.get("Columns") or 0)
    _check_pixel_header(image, rows, columns, frames)
    syntax = UID(image.file_meta.get("TransferSyntaxUID", ""))
    wanted = rows * columns * frames * int(image.BitsAllocated) // 8
    stored = len(image[keyword].value or b"")
    if wanted > LARGEST_BYTES:
        raise InputError(
            f"claims {frames} frames of {columns} × {rows} voxels, more than 2 GB; "
            "export the image again"
        )
    if not syntax.is_encapsulated and stored < wanted:
        raise InputError(
            f"its pixel data are cut short in {shown(path.name)} ({stored} of {wanted} bytes); "
            "export or copy the file again"
        )
    try:
        decoded = decode(image)
    except FAULTS:
        raise InputError(
            f"its pixel data ({transfer_syntax(image)}) cannot be decoded; "
            "export the image again, uncompressed"
        ) from None
    if decoded.size != frames * rows * columns:
        raise InputError(
            f"its pixel data hold {decoded.size} values, not {frames} frames of "
            f"{columns} × {rows}; export the image again"
        )
    values = decoded.reshape(frames, rows, columns)
    return values if values.dtype.kind == "f" else _within_bits_stored(values, image)


def decode_here(image: FileDataset) -> np.ndarray:
    """Decode in this process; unused bits are left, for `pixels_of` to check."""
    encapsulated = UID(image.file_meta.TransferSyntaxUID).is_encapsulated
    return pixel_array(image, correct_unused_bits=encapsulated)


def line_of(image: Dataset, frame: int) -> Line:
    """How one frame's stored values become real ones.

    A Real World Value Mapping in a unit that is known goes before Rescale Slope and Intercept
    (PS3.3 C.7.6.16.2.11): it alone says in its own words what it leads to.

    Raises:
        InputError: the numbers are missing, zero or not finite, or a table is used instead.
    """
    mappings = find(image, "RealWorldValueMappingSequence", frame) or []
    measured = [(item, _ucum_unit(item)) for item in mappings]
    term = str(find(image, "Units", frame) or "").strip().upper()
    known = [pair for pair in measured if pair[1] not in (None, COUNTS)]
    known = known or [pair for pair in measured if pair[1]]
    if known or (measured and term not in PET_UNITS):
        item, unit = (known or measured)[0]
        source = named("MeasurementUnitsCodeSequence")
        slope, intercept = item.get("RealWorldValueSlope"), item.get("RealWorldValueIntercept")
        if slope is None or intercept is None:
            raise InputError(
                f"{named('RealWorldValueMappingSequence')} has no slope and intercept; "
                "export the image again, or as NIfTI"
            )
        return Line(
            *_checked(slope, intercept, "RealWorldValueSlope", "RealWorldValueIntercept"),
            unit,
            source if unit else f"{source} holds no unit of CBF or counts",
        )
    if find(image, "ModalityLUTSequence", frame):
        raise InputError(
            f"its values go through a table, {named('ModalityLUTSequence')}; "
            "export it with a rescale slope, or as NIfTI"
        )
    slope, intercept = find(image, "RescaleSlope", frame), find(image, "RescaleIntercept", frame)
    line = _checked(
        1.0 if slope is None else slope,
        0.0 if intercept is None else intercept,
        "RescaleSlope",
        "RescaleIntercept",
    )
    if term in PET_UNITS:
        return Line(*line, PET_UNITS[term], f"{named('Units')} {term}")
    if term:
        return Line(*line, None, f"{named('Units')} is none of {', '.join(PET_UNITS)}")
    return Line(*line, None, f"{named('Units')} is missing")


def real_values(stored: np.ndarray, line: Line) -> np.ndarray:
    """Stored values on their line, float32 of the same shape.

    Raises:
        InputError: they are too large for float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = stored.astype(np.float64) * line.slope + line.intercept
        narrow = values.astype(np.float32)
    if (np.isfinite(stored) & ~np.isfinite(narrow)).any():
        raise InputError(
            f"its values overflow with a slope of {line.slope:.3g} and an intercept of "
            f"{line.intercept:.3g}; export the image again"
        )
    return narrow


def facts_of(image: Dataset, slices: int) -> Mapping[str, Any]:
    """Facts of a header that identify nobody: numbers, and words of closed lists only."""
    decay = str(find(image, "DecayCorrection") or "").strip().upper()
    facts = {
        "Format": "DICOM",
        "Modality": str(image.Modality),
        "Storage": _uid_name(image.get("SOPClassUID")),
        "TransferSyntax": transfer_syntax(image),
        "NumberOfSlices": slices,
        "BitsStored": int(image.get("BitsStored") or image.get("BitsAllocated") or 0),
        "DecayCorrection": decay if decay in _DECAY else None,
        "Radionuclide": _radionuclide(image),
    }
    return {name: value for name, value in facts.items() if value is not None}


def transfer_syntax(image: Dataset) -> str:
    """The name of its transfer syntax in PS3.6; what is not there is ``private``."""
    return _uid_name(image.file_meta.get("TransferSyntaxUID"))


def _uid_name(uid: str | None) -> str:
    return UID(uid).name if uid in UID_dictionary else "private"


def _check_pixel_header(image: Dataset, rows: int, columns: int, frames: int) -> None:
    """What of the header must hold before the pixels are looked at."""
    colour = str(image.get("PhotometricInterpretation", _GREY[1])).strip()
    if int(image.get("SamplesPerPixel") or 1) != 1 or colour not in _GREY:
        raise InputError(
            "is in colour, a picture rather than measured values; export the original image"
        )
    if min(rows, columns, frames) < 1:
        raise InputError(
            f"claims {frames} frames of {columns} × {rows} voxels; export the image again"
        )
    if image.get("BitsAllocated") not in (8, 16, 32, 64):
        raise InputError(f"{named('BitsAllocated')} is not 8, 16, 32 or 64; export the image again")


def _within_bits_stored(values: np.ndarray, image: Dataset) -> np.ndarray:
    """Values of fewer bits than their words, whose upper bits must be empty or the sign's."""
    word, bits = values.dtype.itemsize * 8, int(image.get("BitsStored") or 0)
    if not 0 < bits <= word or int(image.get("HighBit", bits - 1)) != bits - 1:
        raise InputError(
            f"{named('BitsStored')} and {named('HighBit')} do not fit its words of {word} bits; "
            "export the image again"
        )
    if bits == word:
        return values
    signed = values.dtype.kind == "i"
    upper = values >> (bits - signed)  # of a sign bit: -1 where it is extended, 1 where not
    if not np.isin(upper, [-1, 0, 1] if signed else [0]).all():
        raise InputError(
            f"its values need more than the {bits} bits of {named('BitsStored')}; "
            "export the image again"
        )
    return np.where(upper == 1, values.astype(np.int64) - (1 << bits), values)


def _checked(slope: Any, intercept: Any, *keywords: str) -> tuple[float, float]:
    """Slope and intercept as numbers that can be used."""
    slope, intercept = float(slope), float(intercept)
    for value, keyword in zip((slope, intercept), keywords, strict=True):
        if not np.isfinite(value):
            raise InputError(f"{named(keyword)} is not a finite number; export the image again")
    if slope == 0:
        raise InputError(f"{named(keywords[0])} is 0, which makes all values equal; export again")
    return slope, intercept


def _ucum_unit(mapping: Dataset) -> str | None:
    """The unit of a Real World Value Mapping item, None where it is not known."""
    unit = (mapping.get("MeasurementUnitsCodeSequence") or [Dataset()])[0]
    return UCUM_UNITS.get("".join(str(unit.get("CodeValue", "")).split()).lower())


def _radionuclide(image: Dataset) -> str | None:
    """The radionuclide by its code in PS3.16 CID 18 (NM) and CID 4020 (PET)."""
    # A tenth of a second, which every job that prepares NIfTI would pay.
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    tracer = (find(image, "RadiopharmaceuticalInformationSequence") or [Dataset()])[0]
    item = (tracer.get("RadionuclideCodeSequence") or [Dataset()])[0]
    found = Code(str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", "")), "")
    for group in (codes.cid18, codes.cid4020):
        for keyword in group.dir():
            code = getattr(group, keyword)
            if code == found:
                return str(code.meaning).replace("^", " ").strip()
    return None
