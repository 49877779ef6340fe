"""What a folder of scans holds that may be somebody's SPECT or PET, from headers alone."""

import csv
import datetime
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom

from spect2pet.core.errors import by
from spect2pet.core.images import sidecar_path
from spect2pet.core.light_nibabel import nib
from spect2pet.prepare import dicom
from spect2pet.prepare.dicom_listing import FAULTS, quiet
from spect2pet.prepare.dicom_values import COUNTS, PET_UNITS, UCUM_UNITS

#: Fewer slices are a scout or a picture for the report, not a brain.
FEWEST_SLICES = 10
#: DICOM Modality (PS3.3 C.7.3.1.1.1) and BIDS suffix or folder of either modality.
OF_DICOM = {"NM": "spect", "PT": "pet"}
OF_BIDS = {"spect": "spect", "nm": "spect", "pet": "pet"}
#: BIDS suffixes of images that are made from a scan.
NO_SCANS = ("mask", "dseg", "probseg", "xfm")


@dataclass(frozen=True)
class Candidate:
    """One volume that may be somebody's SPECT or PET.

    All text is free and may identify the person: none of it may be logged.

    Attributes:
        modality: ``spect`` or ``pet``.
        files: the DICOM files of a series, or one NIfTI file.
        person: what is one and the same for all scans of a person.
        session: what is one and the same for all scans of one visit.
        label: label of the BIDS subject, None for DICOM.
        date: day of the scan, None where unknown.
        number: number of the DICOM series.
        description: description of the DICOM series, or name of the file.
        shape: voxels, or columns × rows × files.
        model: manufacturer and model of the scanner.
        patient_id: DICOM Patient ID.
        patient_name: DICOM Patient's Name.
        has_flow_unit: whether the header states a unit of flow.
        fault: why it cannot be used as it is, None where it can.
    """

    modality: str
    files: tuple[Path, ...]
    person: str
    session: str = ""
    label: str | None = None
    date: datetime.date | None = None
    number: int | None = None
    description: str = ""
    shape: str = ""
    model: str = ""
    patient_id: str = ""
    patient_name: str = ""
    has_flow_unit: bool = False
    fault: str | None = None


def find(folder: Path) -> tuple[list[Candidate], list[tuple[Path, str]]]:
    """Look through a folder and all below it.

    A BIDS dataset (it has a ``dataset_description.json``) is searched for NIfTI alone, as
    what its ``sourcedata`` holds is there twice; any other folder for DICOM too.

    Args:
        folder: an existing folder.

    Returns:
        The candidates, usable or not, in an order that depends on their content and paths
        alone; and the files that cannot be read or belong to nobody, each with the reason.
    """
    found, unreadable = _of_nifti(folder)
    if not (folder / "dataset_description.json").exists():
        series, damaged = dicom.list_series(folder)
        series = _without_copies([one for one in series if _may_be_volume(one)])
        found += [_of_series(one) for one in series]
        unreadable += damaged
    return found, unreadable


def groups_of_participants(folder: Path) -> dict[str, str | None]:
    """The subjects that a BIDS ``participants.tsv`` lists, each with its ``group`` or None."""
    rows = _rows(folder / "participants.tsv")
    return {
        row["participant_id"].removeprefix("sub-"): row.get("group") or None
        for row in rows
        if row.get("participant_id")
    }


# --- DICOM -------------------------------------------------------------------


def _may_be_volume(series: dicom.Series) -> bool:
    """Whether a series is of a kind that is worth a word: tomograms of SPECT or PET."""
    if series.modality == "PT":
        return series.shape[2] >= FEWEST_SLICES and "REPROJECTION" not in series.series_type
    tomogram = any("TOMO" in kind for kind in series.image_type) or series.fault() is None
    return series.modality == "NM" and series.shape[2] >= FEWEST_SLICES and tomogram


def _of_series(series: dicom.Series) -> Candidate:
    # Without a Patient ID, DICOM says of one study alone that it is one person's.
    person = f"id {series.patient_id}" if series.patient_id else f"study {series.study_uid}"
    return Candidate(
        modality=OF_DICOM[series.modality],
        files=series.files,
        person=person,
        session=series.study_uid,
        date=_date(series.study_date),
        number=series.number,
        description=series.description,
        shape=by(series.shape),
        model=series.model_name,
        patient_id=series.patient_id,
        patient_name=series.patient_name,
        has_flow_unit=series.modality == "PT" and _has_flow_unit(series.files[0]),
        fault=series.fault() or _fault_of_kind(series),
    )


def _without_copies(found: list[dicom.Series]) -> list[dicom.Series]:
    """The same series without files of equal content, as of folders exported twice."""
    met: set[bytes] = set()
    kept = []
    for series in found:
        files = []
        for path in series.files:
            digest = _digest(path)
            if digest not in met:
                met.add(digest)
                files.append(path)
        if len(files) == len(series.files):
            kept.append(series)
        elif files:
            shape = (*series.shape[:2], len(files))
            kept.append(replace(series, files=tuple(files), shape=shape))
    return kept


def _digest(path: Path) -> bytes:
    """What files of equal content have in common; their own path where they cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return os.fsencode(path)


def _fault_of_kind(series: dicom.Series) -> str | None:
    """What the kind of a series leaves in doubt."""
    if series.modality == "NM" and "RECON TOMO" not in series.image_type:
        return "does not say that it is a reconstructed tomogram (Image Type)"
    # PS3.3 C.8.9.1.1.4: the first value of Series Type.
    if series.series_type[:1] in (("DYNAMIC",), ("GATED",)):
        return f"is a {series.series_type[0].lower()} series, not one volume"
    return None


def _has_flow_unit(path: Path) -> bool:
    """Whether the header of one file states a unit of flow (Units or a real-world value)."""
    tags: list[Any] = ["Units", "RealWorldValueMappingSequence", "SharedFunctionalGroupsSequence"]
    try:
        with quiet():
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags, force=True)
            codes = [str(e.value) for e in header.iterall() if e.keyword == "CodeValue"]
    except FAULTS:
        return False
    units = [UCUM_UNITS.get(code.lower(), COUNTS) for code in codes]
    units.append(PET_UNITS.get(str(header.get("Units", "")), COUNTS))
    return any(unit != COUNTS for unit in units)


def _date(text: str) -> datetime.date | None:
    """A day as DICOM (YYYYMMDD) or BIDS (YYYY-MM-DD…) writes it."""
    try:
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        return None


# --- NIfTI -------------------------------------------------------------------


def _of_nifti(folder: Path) -> tuple[list[Candidate], list[tuple[Path, str]]]:
    found, unreadable = [], []
    days: dict[Path, datetime.date] = {}
    images = []
    for path in _files_below(folder):
        if path.name.endswith("_scans.tsv"):
            for row in _rows(path):
                day = _date(row.get("acq_time") or "")
                if day is not None and row.get("filename"):
                    days[path.parent / row["filename"]] = day
        elif path.name.endswith((".nii", ".nii.gz")) and _bids_modality(path):
            images.append(path)
    for path in images:
        label = _entity(path.relative_to(folder), "sub")
        if label is None:
            unreadable.append((path, "no folder or name on its path says sub-<label>"))
            continue
        try:
            image: Any = nib.load(path)
            shape = image.shape
        except (
            OSError,
            EOFError,
            ValueError,
            nib.spatialimages.HeaderDataError,
            nib.filebasedimages.ImageFileError,
            zlib.error,
        ) as error:
            unreadable.append((path, f"cannot be read as NIfTI ({type(error).__name__})"))
            continue
        found.append(_of_image(path, folder, label, shape, days.get(path)))
    return found, unreadable


def _of_image(
    path: Path, folder: Path, label: str, shape: tuple[int, ...], day: datetime.date | None
) -> Candidate:
    volumes = math.prod(shape[3:])
    fault = None
    if len(shape) < 3 or min(shape[:3]) < FEWEST_SLICES:
        fault = "is not a volume"
    elif volumes != 1:
        fault = f"has {volumes} volumes, not one such as their mean"
    return Candidate(
        modality=_bids_modality(path) or "",
        files=(path,),
        person=f"sub {label}",
        session=_entity(path.relative_to(folder), "ses") or "",
        label=label,
        date=day,
        description=path.name,
        shape=by(shape),
        model=_model_of_sidecar(sidecar_path(path)),
        fault=fault,
    )


def _files_below(folder: Path) -> Iterator[Path]:
    """Every visible file, links followed once, without what BIDS calls derivatives."""
    seen: set[str] = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name != "derivatives"
        )
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def _bids_modality(path: Path) -> str | None:
    """Modality by the suffix of a name, else by its folder."""
    suffix = path.name.split(".")[0].split("_")[-1].lower()
    if suffix in NO_SCANS:
        return None
    return OF_BIDS.get(suffix) or OF_BIDS.get(path.parent.name.lower())


def _entity(path: Path, key: str) -> str | None:
    """The value of a BIDS entity on a path, such as ``01`` of ``sub-01/pet/sub-01_pet.nii``."""
    for part in "_".join(path.parts).split("_"):
        value = part.removeprefix(f"{key}-").split(".")[0]
        if part.startswith(f"{key}-") and value.isascii() and value.isalnum():
            return value
    return None


def _model_of_sidecar(path: Path) -> str:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = [content.get(key) for key in ("Manufacturer", "ManufacturersModelName")]
    except (OSError, ValueError, AttributeError):
        return ""
    return " ".join(str(name) for name in names if name)


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a BIDS table without its empty cells; none where there is no such table."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    except (OSError, ValueError, csv.Error):
        return []
    return [
        {key: value for key, value in row.items() if key and value and value != "n/a"}
        for row in rows
    ]
