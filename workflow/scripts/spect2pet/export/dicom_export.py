"""DICOM out: P2P as a nuclear medicine series that an image archive (PACS) files with its SPECT.

The section numbers are those of the DICOM standard, part 3 (PS3.3), unless another part is named.
"""

import hashlib
import io
import json
import logging
import uuid
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, NuclearMedicineImageStorage

from spect2pet.core import files, itk
from spect2pet.core.errors import InputError
from spect2pet.core.grids import Grid, resample
from spect2pet.core.images import read_image, sidecar_path
from spect2pet.core.provenance import RESEARCH_ONLY, VERSION
from spect2pet.export.dicom_frames import coded, item, quantify, store
from spect2pet.prepare import dicom
from spect2pet.prepare.dicom_listing import FAULTS, reason

log = logging.getLogger(__name__)

#: What the UIDs of this project are derived in (RFC 9562; written as PS3.5 B.2 says).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "spect2pet")
NOTICE = f"AI-generated. {RESEARCH_ONLY}"
#: Empty where the source has none (type 2 of C.7.1.1, C.7.2.1 and C.7.3.1).
REQUIRED_OF_SOURCE = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
#: What makes an archive file the series under its patient and study, and gives it its time.
KEPT_OF_SOURCE = (
    "SpecificCharacterSet", *REQUIRED_OF_SOURCE, "IssuerOfPatientID", "PatientAge",
    "StudyInstanceUID", "StudyDescription", "SeriesDate", "SeriesTime",
    "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime", "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)  # fmt: skip
WANTED = [*KEPT_OF_SOURCE, "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"]


@dataclass(frozen=True)
class Kind:
    """What a series shows.

    Attributes:
        number: of the series; above those that scanners give.
        description: of the series, at most 64 characters.
        label: of its values, at most 16 characters.
        explanation: of its values, at most 54 characters.
    """

    number: int
    description: str
    label: str
    explanation: str


KINDS = {
    "p2p": Kind(9001, "P2P CBF (AI-generated, research only)", "CBF", "Cerebral blood flow"),
    "uncertainty": Kind(
        9002,
        "P2P CBF uncertainty (AI-generated, research only)",
        "CBF SD",
        "Standard deviation of CBF over networks",
    ),
}


def export_image(
    *,
    image: str | Path,
    kind: str,
    output: str | Path,
    spect: str | Path,
    transform: str | Path | None,
    raw: str | Path,
    series: str | None,
    subject: str,
    model: str,
    grid: str,
    identity: str,
) -> None:
    """Write an image that a model made as one multi-frame NM file (A.5), in the SPECT's space.

    Equal input gives equal bytes; the UIDs of series and image are derived from all that the
    file holds, and so change when any of it does.

    Args:
        image: P2P or its uncertainty on the study grid, mL/100 g/min, with its sidecar.
        kind: ``p2p`` or ``uncertainty``.
        output: the ``.dcm`` file to write.
        spect: prepared SPECT.
        transform: ITK ``.mat`` file, PET to SPECT millimetres; None where the study grid lies
            in the SPECT's space already.
        raw: raw SPECT, NIfTI or DICOM.
        series: words of the description of the raw SPECT's DICOM series, None for the only one.
        subject: label.
        model: name of the model.
        grid: ``native`` resamples to the voxels of the prepared SPECT, ``study`` keeps the voxels
            of the study grid, which may then lie oblique.
        identity: ``source`` takes patient, study and frame of reference from a DICOM source;
            ``label`` names the patient by the subject's label and refers to no other object,
            which is also what becomes of a source that is no DICOM.

    Raises:
        InputError: an image, the source or the output cannot be used; the sentence says why.
    """
    raw, who = Path(raw), f"subject {subject}, spect {raw}:"
    if not raw.exists():
        raise InputError(f"{who} no such file; correct the subjects table")
    data, affine = place(image, spect, transform, grid)
    about = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    dataset = Dataset()
    with dicom.quiet():
        if identity == "source" and dicom.is_dicom(raw):
            _identify_by_source(dataset, _headers(raw, series, who), who)
        else:
            _identify_by_label(dataset, subject, spect)
        _describe(dataset, KINDS[kind], model, about["ModelFingerprints"], grid)
        store(dataset, data, affine)
        quantify(dataset, KINDS[kind].label, KINDS[kind].explanation, about["Relative"])
        _name(dataset)
        with files.whole(output) as partial:
            dataset.save_as(partial, enforce_file_format=True)
    log.info("subject %s: %s by %s, %d slices", subject, kind, model, dataset.NumberOfFrames)


def place(
    image: str | Path, spect: str | Path, transform: str | Path | None, grid: str
) -> tuple[np.ndarray, np.ndarray]:
    """Bring an image from the study grid to the space of the SPECT.

    Args:
        image: as in `export_image`, like the others.
        spect: prepared SPECT.
        transform: PET to SPECT millimetres, None for the identity.
        grid: ``native`` or ``study``.

    Returns:
        Voxels (x, y, z) and their 4 × 4 affine to millimetres in RAS+ of the SPECT.
    """
    data, affine = read_image(image)
    to_spect = np.eye(4) if transform is None else itk.read_linear(transform)
    if not np.isfinite(data).all():
        raise InputError(f"{image}: has voxels that are NaN or infinite; make it again")
    if grid == "study":
        return data, to_spect @ affine
    voxels, native = read_image(spect)
    target = Grid(native, voxels.shape)
    return resample(data, affine, target, np.linalg.inv(to_spect)), native


# --- Who and where: patient, study and frame of reference ---------------------------


def _headers(raw: Path, series: str | None, who: str) -> list[Dataset]:
    """What is kept or referred to of each file of the raw SPECT's series, in order of path."""
    paths = dicom.choose(raw, who, "spect", series).files
    try:
        headers = [
            dcmread(p, stop_before_pixels=True, force=True, specific_tags=WANTED) for p in paths
        ]
        return [Dataset({entry.tag: entry for entry in header}) for header in headers]
    except FAULTS as error:
        raise InputError(
            f"{who} cannot be read again ({reason(error)}); "
            "export the scan again or set `export: identity: label`"
        ) from None


def _identify_by_source(dataset: Dataset, headers: Sequence[Dataset], who: str) -> None:
    """File the series with its source: C.7.1.1, C.7.2.1, C.7.4.1; references by C.12.1, C.7.6.1."""
    source = headers[0]
    for keyword, tag in (
        ("StudyInstanceUID", "(0020,000D)"),
        ("SeriesInstanceUID", "(0020,000E)"),
        ("SOPInstanceUID", "(0008,0018)"),
        ("FrameOfReferenceUID", "(0020,0052)"),
    ):
        if not all(header.get(keyword) for header in headers):
            raise InputError(
                f"{who} has no {keyword} {tag}, without which P2P cannot be filed beside it; "
                "export the scan again or set `export: identity: label`"
            )
    if len({header.get("FrameOfReferenceUID") for header in headers}) > 1:
        raise InputError(
            f"{who} its files have several frames of reference (0020,0052); "
            "export the scan again or set `export: identity: label`"
        )
    for keyword in REQUIRED_OF_SOURCE:
        setattr(dataset, keyword, None)
    for keyword in KEPT_OF_SOURCE:
        if keyword in source:
            dataset[keyword] = deepcopy(source[keyword])
    references = [_reference(header) for header in headers]
    dataset.ReferencedSeriesSequence = [
        item(
            SeriesInstanceUID=source.SeriesInstanceUID,
            ReferencedInstanceSequence=deepcopy(references),
        )
    ]
    purpose = coded(codes.DCM.SourceImageForImageProcessingOperation)
    for reference in references:
        reference.PurposeOfReferenceCodeSequence = [purpose]
    dataset.SourceImageSequence = references


def _reference(header: Dataset) -> Dataset:
    """The item that refers to a file (10.8)."""
    return item(
        ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID
    )


def _identify_by_label(dataset: Dataset, subject: str, spect: str | Path) -> None:
    """Name the patient by the label alone.

    The UIDs come from the voxels, since two studies may well have a subject 001, and are the
    same for all models' images of the subject.
    """
    for keyword in REQUIRED_OF_SOURCE:
        setattr(dataset, keyword, None)
    dataset.PatientName = dataset.PatientID = subject
    voxels = hashlib.sha256(read_image(spect)[0].tobytes()).hexdigest()
    dataset.StudyInstanceUID = _uid("study", subject, voxels)
    dataset.FrameOfReferenceUID = _uid("frame of reference", subject, voxels)
    dataset.PositionReferenceIndicator = None
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Made anew; the subject's label is all that is kept"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"


# --- What: series, equipment and how it was made ---------------------------------


def _describe(
    dataset: Dataset, kind: Kind, model: str, fingerprints: Sequence[str], grid: str
) -> None:
    """Say what the series is and how it came about (C.7.3.1, C.7.5, C.7.6.1, C.8.4.9, C.12.1)."""
    dataset.Modality = "NM"
    dataset.SeriesNumber = kind.number
    dataset.SeriesDescription = kind.description
    dataset.BodyPartExamined = "BRAIN"
    dataset.InstanceNumber = 1
    dataset.ImageType = ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    dataset.ImageComments = NOTICE
    dataset.DerivationDescription = (
        f"{kind.explanation}, made from SPECT by the neural networks of model {model} "
        f"({', '.join(fingerprints)}). {NOTICE}"
    )
    steps = [codes.DCM.ArtificialIntelligence]
    if grid == "native":
        steps.append(codes.DCM.SpatialResampling)
    dataset.DerivationCodeSequence = [coded(step) for step in steps]
    dataset.ContentQualification = "RESEARCH"
    dataset.QualityControlImage = "NO"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    equipment = item(
        Manufacturer="spect2pet",
        ManufacturerModelName=model[:64],
        SoftwareVersions=[VERSION, *fingerprints],
    )
    dataset.update(equipment)
    dataset.ContributingEquipmentSequence = [
        item(
            **{entry.keyword: entry.value for entry in equipment},
            PurposeOfReferenceCodeSequence=[coded(codes.DCM.ProcessingEquipment)],
            ContributionDescription=NOTICE,
        )
    ]
    # What an acquisition has and a derived image has not (types 1 and 2 of C.8.4).
    dataset.PatientOrientationCodeSequence = []
    dataset.PatientGantryRelationshipCodeSequence = []
    dataset.EnergyWindowInformationSequence = []
    dataset.RadiopharmaceuticalInformationSequence = []
    dataset.RotationInformationSequence = []
    dataset.CountsAccumulated = None
    dataset.NumberOfEnergyWindows = 1
    dataset.NumberOfDetectors = 1
    dataset.NumberOfRotations = 1


# --- DICOM itself -------------------------------------------------------------------


def _name(dataset: Dataset) -> None:
    """Give series and image UIDs that stand for exactly this content, and the file its head."""
    dataset.SOPClassUID = NuclearMedicineImageStorage
    content = io.BytesIO()
    dataset.save_as(content, implicit_vr=False, little_endian=True)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    dataset.SeriesInstanceUID = _uid("series", digest)
    dataset.SOPInstanceUID = _uid("image", digest)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = _uid("implementation")
    dataset.file_meta.ImplementationVersionName = f"SPECT2PET_{VERSION}"[:16]


def _uid(*parts: str) -> UID:
    """A UID that is the same for the same parts (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(parts)).int}")
