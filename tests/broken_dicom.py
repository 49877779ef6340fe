"""DICOM files and folders that are wrong, and some that only look so."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate, generate_frames
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

import dicom_files
from corpus import AFFINE, BROKEN, Broken, broken, head, put, sound, with_entry


def nm(folder: Path, name="raw.dcm", *, data=None, **options) -> Path:
    """One NM file of the head."""
    data = head() if data is None else data
    return dicom_files.write_nm(folder / name, data, AFFINE, slope=0.01, **options)


def nm_changed(folder: Path, change: Callable[[pydicom.Dataset], object], **options) -> Path:
    """One NM file after a change to its dataset."""
    path = nm(folder, **options)
    image = pydicom.dcmread(path)
    change(image)
    image.save_as(path)
    return path


def pt(folder: Path, name="series", **options) -> Path:
    """A PT series of the head, small enough to be written quickly."""
    data = options.pop("data", head()[:, :, ::2])
    affine = options.pop("affine", AFFINE @ np.diag([1.0, 1, 2, 1]))
    return dicom_files.write_pt(folder / name, data, affine, **options)


def pt_changed(
    folder: Path, change: Callable[[pydicom.Dataset], object], *, slices=(7,), **options
) -> Path:
    """A PT series after a change to the datasets of some of its slices."""
    series = pt(folder, **options)
    files = sorted(series.iterdir())
    for number in slices:
        image = pydicom.dcmread(files[number])
        change(image)
        image.save_as(files[number], enforce_file_format=True)
    return series


EVERY = range(16)
SLOPE = "Rescale Slope (0028,1053)"
PLACE = "Image Position (Patient) (0020,0032)"
ORIENTATION = "Image Orientation (Patient) (0020,0037)"
SPACING = "Pixel Spacing (0028,0030)"
WHOLE_BODY = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
PROJECTIONS = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]


def set_element(holder: pydicom.Dataset, keyword: str, value) -> None:
    """Set an attribute as it is, right or wrong; None takes it out."""
    if value is None:
        del holder[keyword]
        return
    vr = "OW" if keyword == "PixelData" else pydicom.datadict.dictionary_VR(keyword)
    if vr in ("DS", "IS", "CS"):
        text = "\\".join(map(str, value if isinstance(value, list) else [value]))
        raw = text.encode() + b" " * (len(text) % 2)
        tag = pydicom.tag.Tag(keyword)
        holder[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    else:
        holder[keyword] = pydicom.DataElement(keyword, vr, value)


def of_nm(name: str, says: str, **attributes):
    """An NM file one of whose attributes is wrong; None takes it out."""

    def change(image):
        for keyword, value in attributes.items():
            located = keyword in ("ImageOrientationPatient", "ImagePositionPatient")
            holder = image.DetectorInformationSequence[0] if located else image
            set_element(holder, keyword, value)

    BROKEN.append(Broken("dicom", f"NM {name}", says, lambda folder: nm_changed(folder, change)))


def of_pt(name: str, says: str, *, slices=EVERY, **attributes):
    """A PT series in some of whose slices an attribute is wrong; None takes it out."""

    def change(image):
        for keyword, value in attributes.items():
            set_element(image, keyword, value)

    def build(folder: Path) -> Path:
        return pt_changed(folder, change, slices=slices)

    BROKEN.append(Broken("dicom", f"PT {name}", says, build, "pet"))


of_nm("without rows", "holds no image", Rows=None)
of_nm("with no rows", "holds no image", Rows=0)
of_nm("with more rows than pixels", "cut short", Rows=400)
of_nm("with two thousand million frames", "claims 2147483648 frames", NumberOfFrames=str(2**31))
of_nm("with minus one frame", "claims -1 frames", NumberOfFrames="-1")
of_nm("with a word for the number of frames", "cannot be read", NumberOfFrames="many")
of_nm("with more frames than slices", "images more than positions", SliceVector=[*range(1, 32), 31])
of_nm(
    "with fewer slices named than frames", "30 numbers for 32 frames", SliceVector=[*range(1, 31)]
)
of_nm("with slice numbers beyond the slices", "slices are missing", SliceVector=[*range(1, 32), 99])
of_nm("without pixel data", "holds no pixel data", PixelData=None)
of_nm("with less pixel data than rows", "cut short", PixelData=bytes(1000))
of_nm("with pixel data of no length", "cut short", PixelData=b"")
of_nm("without pixel spacing", f"{SPACING} is missing", PixelSpacing=None)
of_nm("with pixel spacing zero", f"{SPACING} of 0 × 0 mm", PixelSpacing=["0", "0"])
of_nm(
    "with negative pixel spacing",
    f"{SPACING} of -4 × 4 mm",
    PixelSpacing=["-4", "4"],
)
of_nm("with one pixel spacing", f"{SPACING} is not 2", PixelSpacing="4")
of_nm("with words for pixel spacing", "cannot be read as DICOM", PixelSpacing=["wide", "high"])
of_nm(
    "with endless pixel spacing",
    f"{SPACING} is not 2 finite",
    PixelSpacing=["1e400", "4"],
)
of_nm(
    "with slices no distance apart",
    "Spacing Between Slices (0018,0088) is 0 mm",
    SpacingBetweenSlices="0",
)
of_nm(
    "without orientation",
    f"{ORIENTATION} is missing",
    ImageOrientationPatient=None,
)
of_nm(
    "with half an orientation",
    f"{ORIENTATION} is not 6",
    ImageOrientationPatient=[1, 0, 0],
)
of_nm(
    "with orientation zero",
    f"{ORIENTATION} is not two",
    ImageOrientationPatient=[0] * 6,
)
of_nm(
    "with rows along columns",
    "is not two unit vectors",
    ImageOrientationPatient=["1", "0", "0", "1", "0", "0"],
)
of_nm(
    "with rows aslant to columns",
    "is not two unit vectors",
    ImageOrientationPatient=["1", "0", "0", "0.5", "0.8660254", "0"],
)
of_nm("with words for a position", "cannot be read as DICOM", ImagePositionPatient=["a", "b", "c"])
of_nm("with slope zero", f"{SLOPE} is 0", RescaleSlope="0")
of_nm("with slope not a number", f"{SLOPE} is not a finite", RescaleSlope="nan")
of_nm("with slope infinite", f"{SLOPE} is not a finite", RescaleSlope="inf")
of_nm("with slope that overflows", "values overflow", RescaleSlope="1e38")
of_nm("with a word for a slope", "cannot be read as DICOM", RescaleSlope="steep")
of_nm("with no bits", "Bits Allocated (0028,0100) is not", BitsAllocated=0)
of_nm("with 7 bits", "Bits Allocated (0028,0100) is not", BitsAllocated=7)
of_nm("with more bits stored than allocated", "cannot be decoded", BitsStored=20)
of_nm("in colours", "is a picture of a screen", SamplesPerPixel=3, PhotometricInterpretation="RGB")
of_nm("in a palette", "is in colour", PhotometricInterpretation="PALETTE COLOR")
of_nm("that is the camera's projections", "raw projections", ImageType=PROJECTIONS)
of_nm("that is gated", "gated", ImageType=["DERIVED", "PRIMARY", "RECON GATED TOMO", "EMISSION"])
of_nm("that is dynamic", "dynamic", ImageType=["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"])
of_nm("that is static", "static", ImageType=["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"])
of_nm("of the whole body", "is a whole-body planar", ImageType=WHOLE_BODY)
of_nm("that is magnetic resonance", "MR", Modality="MR")
of_nm("of no modality", "cannot be read as DICOM", Modality=None)
of_nm("that is empty inside", "every voxel is 0", PixelData=bytes(40 * 48 * 32 * 2))

of_pt("in bananas", "(0054,1001)", Units="BANANA")
of_pt("in two units", "its slices differ in unit", slices=(3, 4), Units="BQML")
of_pt("without a unit", "(0054,1001)", Units=None)
of_pt(
    "with a matrix of its own",
    "its slices differ in rows and columns",
    slices=(3,),
    Rows=24,
    PixelData=bytes(24 * 40 * 2),
)
of_pt(
    "with an orientation of its own",
    f"its slices differ in {ORIENTATION}",
    slices=(3,),
    ImageOrientationPatient=["1", "0", "0", "0", "0", "1"],
)
of_pt(
    "with a pixel spacing of its own",
    f"its slices differ in {SPACING}",
    slices=(3,),
    PixelSpacing=["2", "2"],
)
of_pt(
    "without one position",
    f"{PLACE} is missing",
    slices=(3,),
    ImagePositionPatient=None,
)
of_pt(
    "without orientation",
    f"{ORIENTATION} is missing",
    ImageOrientationPatient=None,
)
of_pt("without pixel spacing", f"{SPACING} is missing", PixelSpacing=None)
of_pt(
    "with one slope not a number",
    f"{SLOPE} is not a finite",
    slices=(3,),
    RescaleSlope="nan",
)
of_pt("with one slope zero", f"{SLOPE} is 0", slices=(3,), RescaleSlope="0")
of_pt("with one slice empty of pixels", "holds no pixel data", slices=(3,), PixelData=None)


@broken("dicom", "slice", modality="pet")
def slice_missing(folder):
    series = pt(folder)
    sorted(series.iterdir())[7].unlink()
    return series


@broken("dicom", "position", modality="pet")
def slice_twice(folder):
    series = pt(folder)
    image = pydicom.dcmread(series / "image0007.dcm")
    image.SOPInstanceUID = generate_uid(entropy_srcs=[image.SOPInstanceUID])
    image.save_as(series / "again.dcm")
    return series


@broken("dicom", "dynamic", modality="pet")
def two_times_in_one_series(folder):
    series = pt(folder)
    for path in sorted(series.iterdir()):
        image = pydicom.dcmread(path)
        image.SOPInstanceUID = generate_uid(entropy_srcs=[image.SOPInstanceUID])
        image.AcquisitionTime, image.FrameReferenceTime = "101000", "600000"
        image.save_as(series / f"late-{path.name}")
    return series


@broken("dicom", "slice", modality="pet")
def one_slice_only(folder):
    series = pt(folder)
    for path in sorted(series.iterdir())[1:]:
        path.unlink()
    return series


@broken("dicom", "tilt", modality="pet")
def gantry_tilted(folder):
    series = pt(folder)
    for number, path in enumerate(sorted(series.iterdir())):
        image = pydicom.dcmread(path)
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y + 2 * number, z]
        image.save_as(path)
    return series


@broken("dicom", "series", modality="pet")
def two_series_in_one_folder(folder):
    pt(folder, "series/a", series_description="CBF rest", series_number=3)
    return pt(folder, "series/b", series_description="CBF load", series_number=4).parent


@broken("dicom", "of 2 images and ", modality="pet")
def nine_series_in_one_folder(folder):
    for number in range(9):
        words = f"{number} {'words ' * 10}"
        pt(folder, f"series/{number}", data=head()[:, :, 14:16], series_description=words)
    return folder / "series"


@broken("dicom", "DICOM")
def named_pipe_for_dicom(folder):
    os.mkfifo(folder / "raw.dcm")
    return folder / "raw.dcm"


@broken("dicom", "PT")
def pet_given_as_spect(folder):
    return pt(folder)


@broken("dicom", "NM", modality="pet")
def spect_given_as_pet(folder):
    return nm(folder)


@broken("dicom", "holds no DICOM images")
def empty_folder(folder):
    (folder / "series").mkdir()
    return folder / "series"


@broken("dicom", "holds no DICOM images")
def folder_named_like_a_file(folder):
    (folder / "raw.nii.gz").mkdir()
    return folder / "raw.nii.gz"


@broken("dicom", "holds no DICOM images")
def folder_of_text(folder):
    (folder / "series").mkdir()
    for name in ("readme.txt", "notes", ".hidden"):
        put(folder / "series", name, b"no image here\n" * 40)
    return folder / "series"


@broken("dicom", "holds no DICOM images")
def folder_of_folders_that_go_in_a_circle(folder):
    (folder / "series" / "a").mkdir(parents=True)
    (folder / "series" / "a" / "up").symlink_to(folder / "series")
    return folder / "series"


@broken("dicom", "cannot be read")
def cut_short_in_the_header(folder):
    path = nm(folder)
    return put(folder, "raw.dcm", path.read_bytes()[:600])


@broken("dicom", "cannot be read")
def cut_short_after_the_preamble(folder):
    return put(folder, "raw.dcm", nm(folder).read_bytes()[:132])


@broken("dicom", "pixel")
def cut_short_in_the_pixels(folder):
    return put(folder, "raw.dcm", nm(folder).read_bytes()[:-5000])


@broken("dicom", "cannot be read")
def named_dcm_and_empty(folder):
    return put(folder, "raw.dcm", b"")


@broken("dicom", "cannot be read")
def text_named_dcm(folder):
    return put(folder, "raw.dcm", b"This is where the image should be.\n")


@broken("dicom", "cannot be read")
def garbage_behind_the_preamble(folder):
    return put(folder, "raw.dcm", bytes(128) + b"DICM" + b"\xff" * 4000)


@broken("dicom", "no such file")
def dicom_file_that_is_not_there(folder):
    return folder / "raw.dcm"


@broken("dicom", "holds no DICOM images")
def directory_file_only(folder):
    directory = FileSet()
    directory.add(nm(folder, attributes={"StudyID": "1"}))
    directory.write(folder / "disc")
    shutil.rmtree(folder / "disc" / "PT000000")
    return folder / "disc"


@broken("dicom", "cannot be read as DICOM")
def unknown_transfer_syntax(folder):
    path = nm(folder)
    known = pydicom.uid.ExplicitVRLittleEndian.encode() + b"\0"
    return put(folder, "raw.dcm", path.read_bytes().replace(known, b"1.2.840.10008.9.9.9\0", 1))


def of_codec(name: str, syntax: str):
    """An NM file each of whose compressed frames is rubbish of its length."""

    def rubbish(image):
        frames = generate_frames(image.PixelData, number_of_frames=32)
        image.PixelData = encapsulate([b"\xa5" * len(frame) for frame in frames])

    def build(folder: Path) -> Path:
        return nm_changed(folder, rubbish, syntax=syntax)

    BROKEN.append(Broken("dicom", f"{name} stream damaged", "cannot be decoded", build))


@broken("dicom", "cannot be decoded")
def fewer_compressed_frames_than_the_header_says(folder):
    def shorten(image):
        frames = generate_frames(image.PixelData, number_of_frames=32)
        image.PixelData = encapsulate([next(frames) for _ in range(10)])

    return nm_changed(folder, shorten, syntax=pydicom.uid.RLELossless)


of_codec("RLE", pydicom.uid.RLELossless)
of_codec("JPEG-LS", pydicom.uid.JPEGLSLossless)
of_codec("JPEG 2000", pydicom.uid.JPEG2000Lossless)


@broken("dicom", "cannot be read")
def a_number_of_three_bytes_in_the_file_meta_information(folder):
    content = nm(folder).read_bytes()
    start = content.find(b"\x02\x00\x00\x00UL\x04\x00")
    return put(folder, "raw.dcm", content[: start + 6] + b"\x06" + content[start + 7 :])


@broken("dicom", "cannot be read")
def rows_of_three_bytes(folder):
    tag = pydicom.tag.Tag("Rows")
    raw = RawDataElement(tag, "US", 3, b"\x30\0\0", 0, False, True)
    return nm_changed(folder, lambda image: image.__setitem__(tag, raw))


@broken("dicom", "cannot be read")
def sequences_nested_without_end(folder):
    path = nm(folder)
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    content = path.read_bytes()
    start = content.find(b"\x10\x00\x10\x00PN")
    return put(folder, "raw.dcm", content[:start] + 3000 * opening + content[start:])


@broken("dicom", "of DOC")
def encapsulated_document(folder):
    def change(image):
        del image.PixelData
        image.SOPClassUID = pydicom.uid.EncapsulatedPDFStorage
        image.file_meta.MediaStorageSOPClassUID = pydicom.uid.EncapsulatedPDFStorage
        image.Modality = "DOC"
        image.EncapsulatedDocument = b"%PDF-1.4"

    return nm_changed(folder, change)


@broken("dicom", "secondary capture")
def picture_of_the_screen(folder):
    def change(image):
        image.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
        image.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage

    return nm_changed(folder, change)


CBF = "mL/100g/min"


@sound("dicom", unit=CBF)
def one_nm_file(folder):
    return nm(folder)


@sound("dicom", unit=CBF)
def nm_with_an_unknown_character_set(folder):
    def change(image):
        image["SpecificCharacterSet"] = pydicom.DataElement(
            "SpecificCharacterSet", "CS", "NO SUCH SET", validation_mode=0
        )

    return nm_changed(folder, change)


@sound("dicom", unit=CBF)
def nm_beside_text_and_hidden_files(folder):
    inner = folder / "Übung 1"
    inner.mkdir()
    for name in ("readme.txt", ".DS_Store", "Thumbs.db"):
        put(inner, name, b"no image here\n" * 40)
    nm(inner)
    return inner


SPARSE = AFFINE @ np.diag([1.0, 1, 2, 1])


@sound("dicom", data=head()[:, :, ::2], affine=SPARSE, modality="pet")
def pt_numbered_the_other_way(folder):
    return pt(folder, order=list(range(16, 0, -1)), units="MLMINML", data=head()[:, :, ::2] / 100)


@sound("dicom", data=head()[:, :, ::2], affine=SPARSE, modality="pet", unit=CBF)
def pt_shown_dark_on_white(folder):
    def change(image):
        image.PhotometricInterpretation = "MONOCHROME1"

    return pt_changed(folder, change, slices=EVERY)


@sound("dicom", unit=CBF, affine=with_entry(AFFINE, (slice(3), 3), 0.0))
def nm_without_a_position(folder):
    def change(image):
        del image.DetectorInformationSequence[0].ImagePositionPatient

    return nm_changed(folder, change)
