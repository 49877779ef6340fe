"""Synthetic DICOM files for tests: what cameras write, from an array and its RAS+ affine."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    EnhancedPETImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
    generate_uid,
)

#: From RAS+ (NIfTI) to LPS+ (DICOM), both in millimetres.
TO_LPS = np.diag([-1.0, -1.0, 1.0])
LARGEST = 32000
#: What a codec must know of an image.
IMAGE_PIXEL = (
    "SOPInstanceUID",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
)


def write_nm(
    path: Path,
    data: np.ndarray,
    affine: np.ndarray,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    mapping: tuple[float, float, str] | None = None,
    order: Sequence[int] | None = None,
    place: str = "detector",
    signed: bool = False,
    syntax: str = ExplicitVRLittleEndian,
    **options: Any,
) -> Path:
    """Write one multi-frame NM RECON TOMO file.

    SpacingBetweenSlices is positive where the slices of `affine` follow the normal
    (rows × columns), and negative where they run against it.

    Args:
        path: file to write.
        data: voxels (x, y, z); x runs along a row, y along a column.
        affine: 4 × 4, right-angled, voxel indices to millimetres in RAS+.
        slope: value of one stored step; written where it is not 1.
        intercept: value of a stored zero.
        mapping: slope, intercept and UCUM code of a Real World Value Mapping; the stored
            values are then those that it maps to `data`.
        order: the slice that each frame holds, from 0; in order where None.
        place: where orientation and position are: ``detector``, ``top`` or ``both``.
        signed: store signed numbers.
        syntax: transfer syntax.
        options: see `new_dataset`.
    """
    placement = _placement(affine)
    order = list(range(data.shape[2])) if order is None else list(order)
    image = new_dataset(NuclearMedicineImageStorage, "NM", **{"seed": "nm", **options})
    image.ImageType = ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    _describe_nm(image)
    image.NumberOfFrames = len(order)
    image.FrameIncrementPointer = [0x00540080]
    image.SliceVector = [k + 1 for k in order]
    image.NumberOfSlices = data.shape[2]
    image.SpacingBetweenSlices = _number(placement["step"])
    image.SliceThickness = _number(abs(placement["step"]))
    image.PixelSpacing = placement["spacing"]
    detector = image.DetectorInformationSequence[0]
    holders = {"detector": [detector], "top": [image], "both": [detector, image]}[place]
    for holder in holders:
        holder.ImageOrientationPatient = placement["orientation"]
        holder.ImagePositionPatient = _numbers(
            placement["origin"] + order[0] * (TO_LPS @ np.asarray(affine)[:3, 2])
        )
    if mapping is not None:
        slope, intercept, code = mapping
        image.RealWorldValueMappingSequence = [real_world_mapping(slope, intercept, code)]
    elif (slope, intercept) != (1.0, 0.0):
        image.RescaleSlope, image.RescaleIntercept = _number(slope), _number(intercept)
    stored = (data - intercept) / slope
    _set_pixels(image, np.stack([stored[:, :, k].T for k in order]), signed)
    return save(image, path, syntax, options.get("attributes"))


def write_nm_series(folder: Path, data: np.ndarray, affine: np.ndarray, **options: Any) -> Path:
    """Write an NM tomogram as one file a slice; arguments as for `write_pt`."""
    return _write_series(folder, data, affine, NuclearMedicineImageStorage, "NM", **options)


def write_pt(folder: Path, data: np.ndarray, affine: np.ndarray, **options: Any) -> Path:
    """Write a PT series, one file a slice, each with a rescale slope of its own.

    Args:
        folder: folder to write into; made where it does not exist.
        data: voxels (x, y, z).
        affine: 4 × 4, voxel indices to millimetres in RAS+.
        options: ``units`` (0054,1001), ``decay`` (0054,1102), ``slope`` (None scales each
            slice to its own maximum), ``signed``, ``syntax``, ``order`` (instance number of
            each slice), ``prefix`` of the file names, ``mapping`` (slope, intercept, UCUM
            code), and what `new_dataset` takes.
    """
    return _write_series(
        folder, data, affine, PositronEmissionTomographyImageStorage, "PT", **options
    )


def _write_series(
    folder: Path,
    data: np.ndarray,
    affine: np.ndarray,
    storage: str,
    modality: str,
    *,
    units: str | None = "MLMING",
    decay: str | None = "START",
    slope: float | None = None,
    signed: bool = True,
    syntax: str = ExplicitVRLittleEndian,
    order: Sequence[int] | None = None,
    prefix: str = "image",
    mapping: tuple[float, float, str] | None = None,
    **options: Any,
) -> Path:
    """One file a slice, of either modality."""
    folder.mkdir(parents=True, exist_ok=True)
    placement = _placement(affine)
    options = {"seed": modality.lower(), **options}
    count = data.shape[2]
    order = list(range(1, count + 1)) if order is None else order
    for k in range(count):
        image = new_dataset(storage, modality, instance=order[k], **options)
        if modality == "PT":
            image.ImageType = ["ORIGINAL", "PRIMARY"]
            _describe_pt(image, units, decay, count, order[k])
        else:
            image.ImageType = ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
            _describe_nm(image)
            image.NumberOfFrames, image.SliceVector, image.NumberOfSlices = 1, [1], 1
            image.FrameIncrementPointer = [0x00540080]
            image.SpacingBetweenSlices = _number(abs(placement["step"]))
        image.SliceThickness = _number(abs(placement["step"]))
        image.PixelSpacing = placement["spacing"]
        place = image if modality == "PT" else image.DetectorInformationSequence[0]
        place.ImageOrientationPatient = placement["orientation"]
        place.ImagePositionPatient = _numbers(
            placement["origin"] + k * (TO_LPS @ np.asarray(affine)[:3, 2])
        )
        values = data[:, :, k].T
        if mapping is not None:
            image.RealWorldValueMappingSequence = [real_world_mapping(*mapping)]
            image.RescaleSlope, image.RescaleIntercept = "1", "0"
            stored = (values - mapping[1]) / mapping[0]
        else:
            step = slope or max(float(np.abs(values).max()), 1e-6) / LARGEST
            image.RescaleSlope, image.RescaleIntercept = _number(step), "0"
            stored = values / float(image.RescaleSlope)
        _set_pixels(image, stored, signed)
        save(image, folder / f"{prefix}{order[k]:04d}.dcm", syntax, options.get("attributes"))
    return folder


def write_enhanced_pt(
    path: Path,
    data: np.ndarray,
    affine: np.ndarray,
    *,
    mapping: tuple[float, float, str] = (1.0, 0.0, "mL/(100.g.min)"),
    **options: Any,
) -> Path:
    """Write one Enhanced PET file, whose geometry is in functional groups."""
    placement = _placement(affine)
    image = new_dataset(EnhancedPETImageStorage, "PT", **{"seed": "enhanced", **options})
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.NumberOfFrames = data.shape[2]
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = placement["spacing"]
    measures.SliceThickness = _number(abs(placement["step"]))
    plane.ImageOrientationPatient = placement["orientation"]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.RealWorldValueMappingSequence = [real_world_mapping(*mapping)]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = []
    for k in range(data.shape[2]):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = _numbers(
            placement["origin"] + k * (TO_LPS @ np.asarray(affine)[:3, 2])
        )
        frame.PlanePositionSequence = [position]
        image.PerFrameFunctionalGroupsSequence.append(frame)
    slope, intercept, _ = mapping
    _set_pixels(image, np.moveaxis((data - intercept) / slope, (2, 1, 0), (0, 1, 2)), False)
    return save(image, path, ExplicitVRLittleEndian, options.get("attributes"))


def new_dataset(
    storage: str,
    modality: str,
    *,
    seed: str,
    instance: int = 1,
    patient_id: str = "PHANTOM-01",
    patient_name: str = "Phantom^Asymmetric",
    patient_birth_date: str = "19500101",
    study_date: str = "20200102",
    series_description: str = "CBF",
    series_number: int = 1,
    series_uid: str | None = None,
    study_uid: str | None = None,
    manufacturer: str = "Example Makers",
    model: str = "Camera 1",
    attributes: dict[str, Any] | None = None,
) -> Dataset:
    """A dataset with patient, study, series and equipment, all identifiers from `seed`.

    Args:
        storage: SOP class.
        modality: NM, PT, ….
        seed: two datasets of one seed belong to one series.
        instance: instance number.
        attributes: what to set last, by keyword; None takes the attribute out.  `save`
            applies it, after everything else is written.
        patient_id, patient_name, patient_birth_date, study_date, series_description,
            series_number, series_uid, study_uid, manufacturer, model: as in DICOM.
    """
    del attributes
    image = Dataset()
    image.file_meta = FileMetaDataset()
    study = study_uid or generate_uid(entropy_srcs=[patient_id, study_date])
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = storage
    image.SOPInstanceUID = generate_uid(
        entropy_srcs=["image", seed, patient_id, study_date, series_description, str(instance)]
    )
    image.StudyInstanceUID = study
    image.SeriesInstanceUID = series_uid or generate_uid(
        entropy_srcs=[seed, patient_id, study_date, series_description, str(series_number)]
    )
    image.FrameOfReferenceUID = generate_uid(entropy_srcs=[study, modality])
    image.PositionReferenceIndicator = ""
    image.Modality = modality
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = study_date
    image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = "100000"
    image.AccessionNumber = image.StudyID = ""
    image.ReferringPhysicianName = ""
    image.PatientName, image.PatientID = patient_name, patient_id
    image.PatientBirthDate, image.PatientSex = patient_birth_date, "O"
    image.Manufacturer, image.ManufacturerModelName = manufacturer, model
    image.SeriesDescription, image.SeriesNumber = series_description, series_number
    image.BodyPartExamined = "BRAIN"
    image.InstanceNumber = instance
    return image


def real_world_mapping(slope: float, intercept: float, code: str) -> Dataset:
    """One item of a Real World Value Mapping Sequence (PS3.3 C.7.6.16.2.11), in a UCUM unit."""
    item, unit = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = code, "UCUM", code
    item.MeasurementUnitsCodeSequence = [unit]
    item.LUTExplanation, item.LUTLabel = "values", "VALUES"
    item.add_new(0x00409216, "SS", -32768)
    item.add_new(0x00409211, "SS", 32767)
    item.RealWorldValueSlope, item.RealWorldValueIntercept = float(slope), float(intercept)
    return item


def save(
    image: Dataset,
    path: Path,
    syntax: str = ExplicitVRLittleEndian,
    attributes: dict[str, Any] | None = None,
) -> Path:
    """Write a dataset whose pixels are little-endian, in any transfer syntax.

    Args:
        image: the dataset.
        path: file to write.
        syntax: RLE, JPEG-LS, JPEG 2000 and JPEG lossless are written by GDCM.
        attributes: what to set last, by keyword; None takes the attribute out.
    """
    syntax = UID(syntax)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.TransferSyntaxUID = syntax
    if syntax.is_compressed and not syntax.is_deflated:
        image["PixelData"].VR = "OB"
        image.PixelData = _compressed(image, syntax)
        image["PixelData"].is_undefined_length = True
    elif syntax == ExplicitVRBigEndian and image.BitsAllocated == 16:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    for keyword, value in (attributes or {}).items():
        if value is not None:
            setattr(image, keyword, value)
        elif keyword in image:
            delattr(image, keyword)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def _compressed(image: Dataset, syntax: str) -> bytes:
    """The pixel data as GDCM compresses them."""
    import gdcm

    targets = {
        RLELossless: gdcm.TransferSyntax.RLELossless,
        JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
        JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
        JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    }
    frames = np.frombuffer(image.PixelData, "<u2").reshape(-1, image.Rows * image.Columns)
    fragments = []
    with tempfile.TemporaryDirectory() as folder:
        for values in frames:
            plain = Dataset()
            plain.file_meta = FileMetaDataset()
            for keyword in IMAGE_PIXEL:
                setattr(plain, keyword, getattr(image, keyword))
            plain.SOPClassUID = PositronEmissionTomographyImageStorage  # one frame, plain grey
            plain.Modality, plain.PixelData = "PT", values.tobytes()
            raw, packed = Path(folder) / "raw.dcm", Path(folder) / "packed.dcm"
            save(plain, raw)
            reader = gdcm.ImageReader()
            reader.SetFileName(str(raw))
            assert reader.Read()
            change = gdcm.ImageChangeTransferSyntax()
            change.SetTransferSyntax(gdcm.TransferSyntax(targets[syntax]))
            change.SetInput(reader.GetImage())
            assert change.Change()
            writer = gdcm.ImageWriter()
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            writer.SetFileName(str(packed))
            assert writer.Write()
            fragments.append(_only_frame(packed))
    return encapsulate(fragments)


def _only_frame(path: Path) -> bytes:
    from pydicom import dcmread
    from pydicom.encaps import get_frame

    return get_frame(dcmread(path).PixelData, 0, number_of_frames=1)


def _set_pixels(image: Dataset, stored: np.ndarray, signed: bool) -> None:
    """16-bit grey pixels, rows × columns or frames × rows × columns, rounded."""
    kind = np.dtype("<i2" if signed else "<u2")
    rounded = np.rint(stored)
    assert rounded.min() >= np.iinfo(kind).min, "too low for its type"
    assert rounded.max() <= np.iinfo(kind).max, "too high for its type"
    image.Rows, image.Columns = stored.shape[-2:]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = int(signed)
    image.add_new(0x7FE00010, "OW", np.ascontiguousarray(rounded, dtype=kind).tobytes())


def _describe_nm(image: Dataset) -> None:
    """What NM images must hold beside geometry and pixels (PS3.3 C.8.4)."""
    window, tracer, code, detector = Dataset(), Dataset(), Dataset(), Dataset()
    window.EnergyWindowName = "I123"
    image.EnergyWindowInformationSequence, image.NumberOfEnergyWindows = [window], 1
    code.CodeValue, code.CodingSchemeDesignator = "C-114A4", "SRT"
    code.CodeMeaning = "^123^Iodine"
    tracer.RadionuclideCodeSequence, tracer.Radiopharmaceutical = [code], "IMP"
    image.RadiopharmaceuticalInformationSequence = [tracer]
    detector.CollimatorType, detector.FocalDistance = "PARA", "0"
    image.DetectorInformationSequence, image.NumberOfDetectors = [detector], 1
    for name in ("PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence"):
        setattr(image, name, [])
    rotation = Dataset()
    rotation.TableHeight = rotation.TableTraverse = "0"
    rotation.RotationDirection, rotation.ScanArc, rotation.StartAngle = "CW", "360", "0"
    rotation.AngularStep, rotation.NumberOfFramesInRotation = "3", 120
    rotation.RadialPosition, rotation.ActualFrameDuration = "150", 20000
    image.RotationInformationSequence, image.NumberOfRotations = [rotation], 1
    image.AcquisitionTerminationCondition = "TIME"
    image.CountsAccumulated = 0


def _describe_pt(
    image: Dataset, units: str | None, decay: str | None, slices: int, index: int
) -> None:
    """What PT images must hold beside geometry and pixels (PS3.3 C.8.9)."""
    tracer, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "C-B1038", "SRT"
    code.CodeMeaning = "^15^Oxygen"
    tracer.RadionuclideCodeSequence, tracer.RadionuclideTotalDose = [code], "500000000"
    tracer.RadionuclideHalfLife, tracer.RadiopharmaceuticalStartTime = "122.24", "095500"
    image.RadiopharmaceuticalInformationSequence = [tracer]
    for name in ("PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence"):
        setattr(image, name, [])
    if units is not None:
        image.Units = units
    if decay is not None:
        image.DecayCorrection = decay
    image.CountsSource, image.SeriesType = "EMISSION", ["STATIC", "IMAGE"]
    image.CorrectedImage = ["DECY", "ATTN", "SCAT", "RAN", "NORM"]
    image.NumberOfSlices, image.ImageIndex = slices, index
    image.CollimatorType, image.DecayFactor = "NONE", "1"
    image.FrameReferenceTime, image.ActualFrameDuration = "0", 90000


def _placement(affine: np.ndarray) -> dict[str, Any]:
    """DICOM's words for an affine: orientation, spacing, signed step along the normal, origin."""
    axes = TO_LPS @ np.asarray(affine, dtype=float)[:3, :3]
    sizes = np.linalg.norm(axes, axis=0)
    directions = axes / sizes
    normal = np.cross(directions[:, 0], directions[:, 1])
    return {
        "orientation": _numbers([*directions[:, 0], *directions[:, 1]]),
        "spacing": _numbers([sizes[1], sizes[0]]),  # rows first: PS3.3 10.7.1.3
        "step": float(np.dot(axes[:, 2], normal)),
        "origin": TO_LPS @ np.asarray(affine, dtype=float)[:3, 3],
    }


def _number(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2)."""
    for digits in range(12, 5, -1):
        text = f"{float(value) + 0.0:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(f"{value} does not fit a decimal string")


def _numbers(values: Sequence[float] | np.ndarray) -> list[str]:
    return [_number(value if abs(value) > 1e-12 else 0.0) for value in values]
