"""What lies in a folder of DICOM files: its series, from their headers alone."""

import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    MediaStorageDirectoryStorage,
)

#: What pydicom and its decoders raise on files that are damaged.
FAULTS = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
#: How much of a text of a header, or of a file's name, stands in a message.
LONGEST = 30
_NOT_DICOM = (".nii", ".nii.gz", ".img", ".hdr", ".img.gz", ".hdr.gz")
_OF_CODECS = (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes)
_SUFFIXES = (".dcm", ".ima")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame forms, PS3.4 B.5
_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "ImageType",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SeriesDescription",
    "PatientID",
    "PatientName",
    "StudyDate",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "SeriesType",
]


@dataclass(frozen=True)
class Series:
    """The files of one series; a multi-frame file stands alone.

    The names and numbers are those of the patient, for matching images and for nothing
    that is written.

    Attributes:
        files: its files, sorted by path.
        modality: DICOM Modality (0008,0060): NM, PT, CT, ….
        uid: Series Instance UID.
        number: Series Number, None where there is none.
        description: Series Description.
        patient_id: Patient ID.
        patient_name: Patient's Name, as stored.
        study_uid: Study Instance UID.
        study_date: YYYYMMDD, empty where unknown.
        model_name: manufacturer and model.
        image_type: Image Type (0008,0008).
        shape: columns, rows, and frames of the file or number of files.
        frames: frames in each file.
        storage: SOP Class UID.
        series_type: Series Type (0054,1000).
        colour: whether a voxel has more than one sample.
        compressed: whether a codec is needed to read it.
    """

    files: tuple[Path, ...]
    modality: str
    uid: str
    number: int | None
    description: str
    patient_id: str
    patient_name: str
    study_uid: str
    study_date: str
    model_name: str
    image_type: tuple[str, ...]
    shape: tuple[int, int, int]
    frames: int
    storage: str
    series_type: tuple[str, ...]
    colour: bool
    compressed: bool

    def fault(self) -> str | None:
        """Why this cannot be one reconstructed volume, as far as its headers tell; else None."""
        kind = self.image_type[2] if len(self.image_type) > 2 else ""
        if self.storage.startswith(_SECONDARY_CAPTURE) or self.colour:
            return "is a picture of a screen (secondary capture), not measured values"
        if 0 in self.shape:
            return "holds no image"
        if self.modality == "NM" and kind in _NM_KINDS:
            return _NM_KINDS[kind]
        if self.modality == "PT" and "REPROJECTION" in self.series_type:
            return "is a set of reprojections (0054,1000), not slices"
        return None


#: NM Image Type value 3 (PS3.3 C.8.4.9.1.1.3) of what is no reconstructed volume.
_NM_KINDS = {
    "STATIC": "is a static planar image, not a tomogram",
    "DYNAMIC": "is a dynamic planar series, not a tomogram",
    "GATED": "is a gated planar series, not a tomogram",
    "WHOLE BODY": "is a whole-body planar image, not a tomogram",
    "TOMO": "holds the raw projections of a tomogram, not a reconstruction",
    "GATED TOMO": "holds the raw projections of a gated tomogram, not a reconstruction",
    "RECON GATED TOMO": "is a gated tomogram of several time slots, not one volume",
}


def is_dicom(path: Path) -> bool:
    """Whether a path of the subjects table is to be read as DICOM.

    Args:
        path: any path, existing or not.

    Returns:
        True for a folder, a file with ``DICM`` at byte 128 (PS3.10 7.1), a name ending in
        ``.dcm`` or ``.ima``, and a file that begins with a DICOM data set without its
        preamble; never for ``.nii``, ``.nii.gz``, ``.img`` and ``.hdr``.
    """
    if path.is_dir():
        return True
    name = path.name.lower()
    if name.endswith(_NOT_DICOM):
        return False
    return name.endswith(_SUFFIXES) or (path.is_file() and _looks_like_dicom(path))


def list_series(folder: Path) -> tuple[list[Series], list[tuple[Path, str]]]:
    """Sort the DICOM files in a folder and its subfolders, or one file, into series.

    Only headers are read.  Hidden files, DICOMDIR and files that are not DICOM are passed
    over; a file or folder that several links lead to is met once.

    Returns:
        The series, sorted by patient, study date and series number; and the files that
        should be DICOM but cannot be read, each with the reason.
    """
    groups: dict[tuple[str, ...], list[Series]] = {}
    unreadable: list[tuple[Path, str]] = []
    for path in _files_below(folder, unreadable):
        if not is_dicom(path):
            continue
        try:
            with quiet():
                header = pydicom.dcmread(
                    path, stop_before_pixels=True, specific_tags=_TAGS, force=True
                )
                if header.get("SOPClassUID") == MediaStorageDirectoryStorage:
                    continue
                found = _series_of(path, header)
        except FAULTS as error:
            unreadable.append((path, reason(error)))
            continue
        if not (found.storage and found.modality):
            unreadable.append((path, "it holds no DICOM data set"))
            continue
        alone = str(path) if found.frames > 1 else ""
        key = (found.patient_id, found.study_uid, found.uid or str(path.parent))
        groups.setdefault((*key, found.modality, found.storage, alone), []).append(found)
    return sorted(map(_joined, groups.values()), key=_order), unreadable


def reason(error: BaseException) -> str:
    """What went wrong, without the error's own words, which may quote the header."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return {"EOFError": "it is cut short", "MemoryError": "it asks for too much memory"}.get(
        type(error).__name__, f"its header is damaged ({type(error).__name__})"
    )


def shown(text: str) -> str:
    """Text of a file or its name as a message may have it: printable and short."""
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings, which quote header values, out of every log."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _files_below(folder: Path, closed: list[tuple[Path, str]]) -> Iterator[Path]:
    """Every visible file below a folder, in order of path; a file itself.

    Folders that may not be looked into are added to `closed`.
    """
    if folder.is_file():
        yield folder
        return
    seen: set[Path] = set()
    for where, folders, names in os.walk(
        folder, followlinks=True, onerror=lambda e: closed.append((Path(e.filename), reason(e)))
    ):
        real = Path(where).resolve()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(names):
            path = Path(where, name)
            if name.startswith(".") or name.upper() == "DICOMDIR":
                continue
            if not path.is_file():
                why = "its link leads nowhere" if path.is_symlink() else "it is no plain file"
                closed.extend([(path, why)] * is_dicom(path))
            elif path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _looks_like_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM, with or without the preamble of PS3.10."""
    try:
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    if start[128:] == b"DICM":
        return True
    if len(start) < 16 or start[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    try:
        with quiet():
            return bool(
                pydicom.dcmread(
                    path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True
                ).get("SOPClassUID")
            )
    except FAULTS:
        return False


def _series_of(path: Path, header: FileDataset) -> Series:
    """The series of one file alone."""

    def text(keyword: str) -> str:
        return " ".join(str(header.get(keyword) or "").split())

    def values(keyword: str) -> tuple[str, ...]:
        value = header.get(keyword) or ()
        return (value,) if isinstance(value, str) else tuple(map(str, value))

    def count(keyword: str, default: int) -> int:
        value = header.get(keyword)
        return default if value is None or value == "" else int(value)

    frames = count("NumberOfFrames", 1)
    return Series(
        files=(path,),
        modality=text("Modality"),
        uid=text("SeriesInstanceUID"),
        number=count("SeriesNumber", -1) if text("SeriesNumber") else None,
        description=text("SeriesDescription"),
        patient_id=text("PatientID"),
        patient_name=text("PatientName"),
        study_uid=text("StudyInstanceUID"),
        study_date=text("StudyDate").replace(".", ""),  # the form of ACR-NEMA: YYYY.MM.DD
        model_name=f"{text('Manufacturer')} {text('ManufacturerModelName')}".strip(),
        image_type=values("ImageType"),
        shape=(count("Columns", 0), count("Rows", 0), frames),
        frames=frames,
        storage=text("SOPClassUID"),
        series_type=values("SeriesType"),
        colour=count("SamplesPerPixel", 1) != 1,
        compressed=header.file_meta.get("TransferSyntaxUID") in _OF_CODECS,
    )


def _joined(parts: list[Series]) -> Series:
    """The series of several single-frame files, described as the first of them is."""
    if len(parts) == 1:
        return parts[0]
    files = tuple(sorted(file for part in parts for file in part.files))
    compressed = any(part.compressed for part in parts)
    shape = (*parts[0].shape[:2], len(files))
    return replace(parts[0], files=files, shape=shape, compressed=compressed)


def _order(series: Series) -> tuple[str, str, str, int, str, str]:
    number = -1 if series.number is None else series.number
    return (
        series.patient_id,
        series.study_date,
        series.study_uid,
        number,
        series.uid,
        str(series.files[0]),
    )
