"""DICOM: every voxel at its place, every value in its unit, every fault in one sentence."""

import itertools
import os
import shutil
import struct
import subprocess
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from scipy.spatial.transform import Rotation

import dicom_files
from spect2pet.core.errors import InputError
from spect2pet.prepare import dicom, preparation

SHAPE, SIZES = (10, 12, 8), (3.0, 4.0, 5.0)
ORIGIN = (11.5, -7.25, 23.0)
AXIAL = np.diag([-3.0, -4.0, 5.0, 1.0])
AXIAL[:3, 3] = ORIGIN
WHO = "subject 07, pet scan:"
#: Every way of laying the three axes of an array along the three axes of the patient.
SIGNED_AXES = list(
    itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))
)
SECRETS = {
    "patient_id": "SECRET-4711",
    "patient_name": "Musterfrau^Erika",
    "patient_birth_date": "19410203",
    "manufacturer": "Hidden Works",
    "model": "Hidden 9",
}


def asymmetric(shape=SHAPE, seed=0):
    """Whole numbers without any symmetry."""
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.float64)


def laid(axes, signs):
    affine = np.zeros((4, 4))
    for column, (axis, sign, size) in enumerate(zip(axes, signs, SIZES, strict=True)):
        affine[axis, column] = sign * size
    affine[:, 3] = (*ORIGIN, 1)
    return affine


def canonical(data, affine):
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data, np.float32), affine))
    return np.asarray(image.dataobj), image.affine


def read(path, modality="pet", series=None):
    return dicom.read(path, WHO, modality, series)


def assert_same_place(found, data, affine, rtol=0.0, atol=0.0):
    wanted, place = canonical(data, affine)
    got, where = canonical(*found)
    np.testing.assert_allclose(where, place, atol=1e-4)
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol)


WRITERS = {
    "nm": (lambda f, *a, **k: dicom_files.write_nm(f / "a.dcm", *a, **k), "spect", {}),
    "nm series": (dicom_files.write_nm_series, "spect", {"slope": 1.0}),
    "pt": (dicom_files.write_pt, "pet", {"slope": 1.0}),
}


def write(kind, folder, data, affine, **options):
    writer, modality, defaults = WRITERS[kind]
    writer(folder, data, affine, **{**defaults, **options})
    return modality


def changed(path, change):
    """Change the data set of a file or of every file of a folder."""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        image = pydicom.dcmread(file)
        change(image)
        image.save_as(file)
    return path


# --- Geometry ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_every_orientation_keeps_every_voxel_at_its_place(tmp_path, kind):
    data = asymmetric()
    for number, (axes, signs) in enumerate(SIGNED_AXES):
        affine, folder = laid(axes, signs), tmp_path / str(number)
        modality = write(kind, folder, data, affine)
        volume = read(folder, modality)
        assert volume.data.dtype == np.float32
        assert_same_place((volume.data, volume.affine), data, affine)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_an_oblique_volume_keeps_every_voxel_at_its_place(tmp_path, kind, mirrored):
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("xyz", [12, -7, 25], degrees=True).as_matrix()
    affine = turned @ AXIAL @ np.diag([1, 1, -1 if mirrored else 1, 1])
    modality = write(kind, tmp_path, asymmetric(), affine)
    volume = read(tmp_path, modality)
    assert_same_place((volume.data, volume.affine), asymmetric(), affine)


@pytest.mark.parametrize(("spacing", "z"), [("6", 20 + 2 * 6), ("-6", 20 - 2 * 6)])
def test_nm_slices_follow_the_normal_by_the_sign_of_their_spacing(tmp_path, spacing, z):
    # PS3.3 C.8.4.15: rows to the left (+x), columns to the back (+y), so the normal is to the
    # head (+z); frame 2 lies two steps along it, or against it where the spacing is negative.
    data = np.zeros(SHAPE)
    data[3, 5, 2] = 700
    path = dicom_files.write_nm(tmp_path / "a.dcm", data, AXIAL)

    def place(image):
        image.PixelSpacing = ["4", "3"]
        image.SpacingBetweenSlices = spacing
        holder = image.DetectorInformationSequence[0]
        holder.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        holder.ImagePositionPatient = ["-100", "-90", "20"]

    volume = read(changed(path, place), "spect")
    where = volume.affine @ [*np.argwhere(volume.data == 700)[0], 1]
    x, y = -100 + 3 * 3, -90 + 5 * 4
    np.testing.assert_allclose(where[:3], [-x, -y, z], atol=1e-4)


def test_frames_go_where_the_slice_vector_says(tmp_path):
    order = [5, 0, 7, 2, 1, 6, 3, 4]
    for name, affine in (("a", AXIAL), ("b", AXIAL @ np.diag([1, 1, -1, 1]))):
        path = dicom_files.write_nm(tmp_path / name, asymmetric(), affine, order=order)
        volume = read(path, "spect")
        assert_same_place((volume.data, volume.affine), asymmetric(), affine)


def test_slices_are_sorted_by_position_and_not_by_number_or_name(tmp_path):
    order = [5, 1, 8, 3, 2, 7, 4, 6]
    dicom_files.write_pt(tmp_path, asymmetric(), AXIAL, slope=1.0, order=order)
    volume = read(tmp_path)
    assert_same_place((volume.data, volume.affine), asymmetric(), AXIAL)


@pytest.mark.parametrize("place", ["detector", "top", "both"])
def test_the_orientation_may_stand_with_the_detector_or_the_image(tmp_path, place):
    path = dicom_files.write_nm(tmp_path / "a.dcm", asymmetric(), AXIAL, place=place)
    volume = read(path, "spect")
    assert_same_place((volume.data, volume.affine), asymmetric(), AXIAL)


def test_the_functional_groups_of_enhanced_pet_are_read(tmp_path):
    for name, affine in (("a", AXIAL), ("b", laid((1, 2, 0), (1, -1, -1)))):
        path = dicom_files.write_enhanced_pt(tmp_path / name, asymmetric(), affine)
        volume = read(path)
        assert_same_place((volume.data, volume.affine), asymmetric(), affine)
        assert volume.unit == "mL/100g/min"


def test_slice_thickness_stands_in_for_a_missing_spacing_with_a_warning(tmp_path):
    path = dicom_files.write_nm(
        tmp_path / "a.dcm", asymmetric(), AXIAL, attributes={"SpacingBetweenSlices": None}
    )
    volume = read(path, "spect")
    assert_same_place((volume.data, volume.affine), asymmetric(), AXIAL)
    assert "Spacing Between Slices (0018,0088) is missing" in volume.warnings[0]


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_regular(tmp_path):
    affine = AXIAL @ np.diag([1, 1, 4.243 / 5, 1])

    def rounded(image):
        image.ImagePositionPatient = [f"{value:.1f}" for value in image.ImagePositionPatient]

    dicom_files.write_pt(tmp_path, asymmetric(), affine, slope=1.0)
    volume = read(changed(tmp_path, rounded))
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, 2]), 4.243, atol=0.02)


# --- Against dcm2niix -------------------------------------------------------------------


def converted(folder, out):
    program = shutil.which("dcm2niix")
    if program is None:
        pytest.skip("dcm2niix is not installed")
    out.mkdir()
    subprocess.run(
        [program, "-b", "n", "-z", "n", "-f", "x", "-o", out, folder],
        check=True,
        capture_output=True,
    )
    image = nib.load(next(out.glob("*.nii")))
    return canonical(image.get_fdata(), image.affine)


@pytest.mark.parametrize("kind", ["pt", "nm series"])
def test_series_of_single_frames_are_read_as_dcm2niix_reads_them(tmp_path, kind):
    for number, (axes, signs) in enumerate(SIGNED_AXES[::5]):
        folder = tmp_path / f"in{number}"
        modality = write(kind, folder, asymmetric(), laid(axes, signs))
        data, affine = converted(folder, tmp_path / f"out{number}")
        volume = read(folder, modality)
        assert_same_place((volume.data, volume.affine), data, affine)


def test_tomograms_are_read_as_dcm2niix_reads_them_where_it_heeds_the_stacking(tmp_path):
    # dcm2niix 1.0.20220720 stacks the frames of every NM tomogram towards +L, +P or +H, whatever
    # the normal and the sign of Spacing Between Slices say (rordenlab/dcm2niix issue 885): where
    # they run the other way, its image is mirrored along the slices.
    for number, (axes, signs) in enumerate(SIGNED_AXES[::2] + SIGNED_AXES[1::4]):
        affine, folder = laid(axes, signs), tmp_path / f"in{number}"
        modality = write("nm", folder, asymmetric(), affine)
        volume = read(folder, modality)
        ours, place = canonical(volume.data, volume.affine)
        data, where = converted(folder, tmp_path / f"out{number}")
        ascends = (dicom_files.TO_LPS @ affine[:3, 2])[axes[2]] > 0
        if ascends:
            np.testing.assert_allclose(where, place, atol=1e-3)
            np.testing.assert_array_equal(data, ours)
        else:
            mirrored = np.flip(ours, axis=axes[2])
            assert np.array_equal(data, mirrored) or np.array_equal(data, ours)


# --- Real templates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [("nm", "spm_spect_hmpao_template.nii"), ("pt", "spm_pet_h2o15_template.nii")],
)
def test_a_real_template_written_as_dicom_is_read_back_with_left_still_left(tmp_path, kind, name):
    if "SPECT2PET_REAL_DATA" not in os.environ:
        pytest.skip("SPECT2PET_REAL_DATA is not set: the real templates are not at hand")
    image = nib.load(Path(os.environ["SPECT2PET_REAL_DATA"]) / name)
    data = np.asarray(image.dataobj, dtype=np.float64).reshape(image.shape[:3])
    data[:20] *= 0.5  # a side that differs
    slope = {"slope": data.max() / 32000} if kind == "nm" else {"slope": None}
    modality = write(kind, tmp_path, data, image.affine, **slope)
    volume = read(tmp_path, modality)
    step = data.max() / 32000
    assert_same_place((volume.data, volume.affine), data, image.affine, atol=0.51 * step)
    got, where = canonical(volume.data, volume.affine)
    wanted, place = canonical(data, image.affine)
    half = got.shape[0] // 2
    assert place[0, 0] > 0
    assert where[0, 0] > 0
    left, right = got[:half].sum(dtype=float), got[half:].sum(dtype=float)
    np.testing.assert_allclose(
        left / right, wanted[:half].sum(dtype=float) / wanted[half:].sum(dtype=float), rtol=1e-4
    )


# --- Encodings --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nm", "pt"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
        JPEGLosslessSV1,
    ],
    ids=lambda syntax: syntax.name.split(",")[0],
)
def test_every_transfer_syntax_gives_the_same_values(tmp_path, kind, signed, syntax):
    data = asymmetric() - (500 if signed else 0)
    modality = write(kind, tmp_path, data, AXIAL, syntax=syntax, signed=signed)
    volume = read(tmp_path, modality)
    assert_same_place((volume.data, volume.affine), data, AXIAL)
    assert volume.header["TransferSyntax"] == syntax.name


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_file_without_preamble_is_read(tmp_path, syntax):
    whole = dicom_files.write_nm(tmp_path / "whole", asymmetric(), AXIAL, syntax=syntax)
    content = whole.read_bytes()
    (length,) = struct.unpack("<I", content[140:144])
    bare = tmp_path / "bare"
    bare.write_bytes(content[144 + length :])
    assert dicom.is_dicom(bare)
    volume = read(bare, "spect")
    assert_same_place((volume.data, volume.affine), asymmetric(), AXIAL)


def test_twelve_signed_bits_in_sixteen_are_read_with_their_sign(tmp_path):
    data = asymmetric() - 500
    path = dicom_files.write_nm(tmp_path / "a.dcm", data, AXIAL, signed=True)

    def narrow(image):
        image.BitsStored, image.HighBit = 12, 11
        stored = np.frombuffer(image.PixelData, "<u2") & 0x0FFF
        image.PixelData = stored.astype("<u2").tobytes()

    volume = read(changed(path, narrow), "spect")
    assert_same_place((volume.data, volume.affine), data, AXIAL)


def test_float_and_8_bit_pixels_are_read(tmp_path):
    data = asymmetric() / 7
    path = dicom_files.write_nm(tmp_path / "float.dcm", asymmetric(), AXIAL)

    def as_float(image):
        del image.PixelData, image.BitsStored, image.HighBit, image.PixelRepresentation
        image.BitsAllocated = 32
        image.FloatPixelData = data.transpose(2, 1, 0).astype("<f4").tobytes()

    volume = read(changed(path, as_float), "spect")
    assert_same_place((volume.data, volume.affine), data, AXIAL, rtol=1e-6)

    data = np.rint(asymmetric() / 4)
    path = dicom_files.write_nm(tmp_path / "bytes.dcm", data, AXIAL)

    def as_bytes(image):
        image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype("u1").tobytes()

    volume = read(changed(path, as_bytes), "spect")
    assert_same_place((volume.data, volume.affine), data, AXIAL)


# --- Values and units -------------------------------------------------------------------


def test_each_slice_is_scaled_by_its_own_slope(tmp_path):
    data = asymmetric() * np.geomspace(1e-3, 1e3, SHAPE[2])
    dicom_files.write_pt(tmp_path, data, AXIAL)
    volume = read(tmp_path)
    tops = data.max(axis=(0, 1))
    assert_same_place((volume.data / tops, volume.affine), data / tops, AXIAL, atol=1 / 32000)


def test_slope_and_intercept_give_real_values(tmp_path):
    data = asymmetric() * 0.25 - 30
    path = dicom_files.write_nm(tmp_path / "a.dcm", data, AXIAL, slope=0.25, intercept=-30.0)
    assert_same_place((read(path, "spect").data, AXIAL), data, AXIAL)


@pytest.mark.parametrize(
    ("units", "unit"),
    [
        ("MLMING", "mL/min/g"),
        ("MLMINML", "mL/min/mL"),
        ("BQML", "counts"),
        ("CNTS", "counts"),
        ("PROPCPS", "counts"),
        ("PROPCNTS", "counts"),
        ("CPS", "counts"),
        ("GML", "counts"),
    ],
)
def test_the_units_of_pet_are_known(tmp_path, units, unit):
    dicom_files.write_pt(tmp_path, asymmetric(), AXIAL, units=units)
    volume = read(tmp_path)
    assert (volume.unit, volume.unit_from) == (unit, f"Units (0054,1001) {units}")
    assert any("activity, not flow" in text for text in volume.warnings) == (unit == "counts")
    assert unit == "counts" or unit.replace(" ", "").lower() in preparation.UNITS


@pytest.mark.parametrize("units", ["PCNT", "BANANA", None])
def test_a_unit_that_is_not_known_is_left_to_the_table(tmp_path, units):
    dicom_files.write_pt(tmp_path, asymmetric(), AXIAL, units=units)
    volume = read(tmp_path)
    assert volume.unit is None
    assert "(0054,1001)" in volume.unit_from
    assert "BANANA" not in volume.unit_from


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("ml/min/g", "mL/min/g"),
        ("mL/(100.g.min)", "mL/100g/min"),
        ("ml/(min.100g)", "mL/100g/min"),
        ("{counts}", "counts"),
        ("Bq/ml", "counts"),
        ("g/ml{SUVbw}", "counts"),
    ],
)
def test_a_real_world_value_mapping_goes_before_the_rescale_slope(tmp_path, code, unit):
    data = asymmetric() * 0.5 + 2
    path = dicom_files.write_nm(
        tmp_path / "a.dcm",
        data,
        AXIAL,
        mapping=(0.5, 2.0, code),
        attributes={"RescaleSlope": "99", "RescaleIntercept": "5"},
    )
    volume = read(path, "spect")
    assert volume.unit == unit
    assert_same_place((volume.data, volume.affine), data, AXIAL)


def test_of_several_mappings_the_one_in_a_unit_of_flow_is_taken(tmp_path):
    def add(image):
        image.RealWorldValueMappingSequence.insert(
            0, dicom_files.real_world_mapping(9.0, 0.0, "{counts}")
        )
        image.RealWorldValueMappingSequence.insert(0, dicom_files.real_world_mapping(7.0, 0.0, "s"))

    path = dicom_files.write_nm(
        tmp_path / "a.dcm", asymmetric() / 2, AXIAL, mapping=(0.5, 0.0, "ml/min/g")
    )
    volume = read(changed(path, add), "spect")
    assert volume.unit == "mL/min/g"
    assert_same_place((volume.data, volume.affine), asymmetric() / 2, AXIAL)


def test_a_mapping_in_an_unknown_unit_gives_way_to_the_units_of_pet(tmp_path):
    dicom_files.write_pt(tmp_path, asymmetric(), AXIAL, slope=1.0)

    def add(image):
        image.RealWorldValueMappingSequence = [dicom_files.real_world_mapping(7.0, 0.0, "s")]

    volume = read(changed(tmp_path, add))
    assert volume.unit == "mL/min/g"
    assert_same_place((volume.data, volume.affine), asymmetric(), AXIAL)


def test_counts_without_decay_correction_are_warned_of(tmp_path):
    dicom_files.write_pt(tmp_path / "a", asymmetric(), AXIAL, units="CNTS", decay="NONE")
    assert any("Decay Correction" in text for text in read(tmp_path / "a").warnings)
    dicom_files.write_pt(tmp_path / "b", asymmetric(), AXIAL, decay="NONE")
    volume = read(tmp_path / "b")
    assert (volume.warnings, volume.header["DecayCorrection"]) == ((), "NONE")


SETTINGS = {
    "unit": "mL/100g/min",
    "relative_mean": 50,
    "plausible_mean": [10, 120],
    "voxel_mm": [0.5, 10],
    "field_of_view_mm": [20, 1000],
    "negative_share": 0.05,
}


def prepare(raw, folder, modality, unit=None):
    preparation.prepare_image(
        raw,
        folder / "out.nii.gz",
        subject="07",
        modality=modality,
        unit=unit,
        settings=SETTINGS,
        made_by={},
    )
    return nib.load(folder / "out.nii.gz")


def flow(shape=(20, 24, 16)):
    data = np.zeros(shape)
    data[3:15, 4:20, 3:12] = 50
    data[4:7, 5:8, 4:6] = 100
    return data


def test_prepare_converts_the_unit_of_the_header_and_never_that_of_the_config(tmp_path):
    affine = np.diag([-6.0, -6, 6, 1])
    dicom_files.write_pt(tmp_path / "known", flow() / 100, affine)
    output = prepare(tmp_path / "known", tmp_path, "pet")
    assert_same_place((output.get_fdata(), output.affine), flow(), affine, atol=0.01)

    raw = dicom_files.write_nm(tmp_path / "raw.dcm", flow(), affine)
    with pytest.raises(InputError, match=r"states no unit of CBF \(Units \(0054,1001\) is missing"):
        prepare(raw, tmp_path, "spect")
    output = prepare(raw, tmp_path, "spect", unit="mL/100g/min")
    assert_same_place((output.get_fdata(), output.affine), flow(), affine)


# --- Series -----------------------------------------------------------------------------


def test_the_series_of_the_modality_is_taken_from_a_mixed_folder(tmp_path):
    dicom_files.write_pt(tmp_path / "a", asymmetric(seed=1), AXIAL, slope=1.0)
    dicom_files.write_nm(tmp_path / "b" / "recon", asymmetric(seed=2), AXIAL)
    dicom_files.write_nm(
        tmp_path / "b" / "raw",
        asymmetric(seed=3),
        AXIAL,
        seed="raw",
        attributes={"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]},
    )
    dicom_files.write_pt(
        tmp_path / "ct", asymmetric(seed=4), AXIAL, seed="ct", attributes={"Modality": "CT"}
    )
    (tmp_path / "report.txt").write_text("not an image")
    assert_same_place((read(tmp_path).data, AXIAL), asymmetric(seed=1), AXIAL)
    assert_same_place((read(tmp_path, "spect").data, AXIAL), asymmetric(seed=2), AXIAL)


def test_of_several_series_the_one_described_is_taken(tmp_path):
    for number, words in enumerate(["CBF rest", "CBF acetazolamide", "SUV"], start=1):
        dicom_files.write_pt(
            tmp_path / str(number),
            asymmetric(seed=number),
            AXIAL,
            slope=1.0,
            series_description=words,
            series_number=number,
        )
    volume = read(tmp_path, series="ACETAZ")
    assert_same_place((volume.data, AXIAL), asymmetric(seed=2), AXIAL)
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert "1 'CBF rest' of 8 images, 2 'CBF acetazolamide' of 8 images" in str(caught.value)
    with pytest.raises(InputError, match="several series: 1 'CBF rest' of 8 images, 2"):
        read(tmp_path, series="cbf")
    with pytest.raises(InputError, match="no series is described as 'water'; there are 1 'CBF"):
        read(tmp_path, series="water")


def test_a_description_that_names_the_patient_is_withheld(tmp_path):
    for number, words in enumerate(["CBF of MUSTERFRAU", "CBF SECRET-4711"], start=1):
        dicom_files.write_pt(
            tmp_path / str(number),
            asymmetric(),
            AXIAL,
            series_description=words,
            series_number=number,
            **SECRETS,
        )
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert str(caught.value).count("(withheld)") == 2
    assert "MUSTERFRAU" not in str(caught.value)


def test_the_listing_tells_what_lies_in_a_folder(tmp_path):
    dicom_files.write_pt(
        tmp_path / "disc" / "a",
        asymmetric(),
        AXIAL,
        study_date="20210304",
        series_number=12,
        **SECRETS,
    )
    dicom_files.write_nm(tmp_path / "disc" / "b" / "IM1", asymmetric(), AXIAL, patient_id="A")
    (tmp_path / "disc" / ".hidden.dcm").write_bytes(b"x" * 200)
    (tmp_path / "disc" / "DICOMDIR").write_bytes(b"x" * 200)
    (tmp_path / "disc" / "b" / "loop").symlink_to(tmp_path / "disc")
    (tmp_path / "disc" / "again.dcm").symlink_to(tmp_path / "disc" / "b" / "IM1")
    (tmp_path / "disc" / "lost.dcm").symlink_to(tmp_path / "nowhere.dcm")
    (tmp_path / "disc" / "short.dcm").write_bytes(b"\0" * 128 + b"DICM")
    series, unreadable = dicom.list_series(tmp_path / "disc")
    nm, pt = series
    assert (nm.modality, nm.shape, nm.frames, len(nm.files)) == ("NM", SHAPE, 8, 1)
    assert (pt.modality, pt.shape, pt.frames, len(pt.files)) == ("PT", SHAPE, 1, 8)
    assert (pt.number, pt.description, pt.study_date) == (12, "CBF", "20210304")
    assert (pt.patient_id, pt.patient_name) == ("SECRET-4711", "Musterfrau^Erika")
    assert pt.model_name == "Hidden Works Hidden 9"
    assert nm.image_type == ("DERIVED", "PRIMARY", "RECON TOMO", "EMISSION")
    assert {path.name: why for path, why in unreadable} == {
        "lost.dcm": "its link leads nowhere",
        "short.dcm": "it holds no DICOM data set",
    }
    assert dicom.list_series(tmp_path / "disc") == (series, unreadable)


def test_patients_in_one_folder_are_kept_apart(tmp_path):
    for name in ("A", "B"):
        dicom_files.write_pt(
            tmp_path, asymmetric(), AXIAL, patient_id=name, prefix=name, series_uid="1.2.3"
        )
    assert [one.patient_id for one in dicom.list_series(tmp_path)[0]] == ["A", "B"]
    with pytest.raises(InputError, match="several series"):
        read(tmp_path)


def test_dicom_is_told_from_other_files(tmp_path):
    whole = dicom_files.write_nm(tmp_path / "IM0001", asymmetric(), AXIAL)
    contents = {
        "a.nii": b"\0" * 400,
        "b.nii.gz": whole.read_bytes(),
        "c.txt": b"\x08\x00" + b"plain text" * 30,
        "d": b"",
        "e.png": b"\x89PNG\r\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert not dicom.is_dicom(tmp_path / name)
    assert not dicom.is_dicom(tmp_path / "nothing")
    for path in (tmp_path, whole, tmp_path / "missing.dcm", tmp_path / "missing.IMA"):
        assert dicom.is_dicom(path)


# --- Faults -----------------------------------------------------------------------------

NM_TYPES = {
    "TOMO": "raw projections",
    "GATED TOMO": "raw projections of a gated tomogram",
    "RECON GATED TOMO": "several time slots",
    "STATIC": "static planar image",
    "DYNAMIC": "dynamic planar series",
    "GATED": "gated planar series",
    "WHOLE BODY": "whole-body planar image",
}


@pytest.mark.parametrize("kind", NM_TYPES)
def test_nm_images_that_are_no_volume_are_refused(tmp_path, kind):
    path = dicom_files.write_nm(
        tmp_path / "a.dcm",
        asymmetric(),
        AXIAL,
        attributes={"ImageType": ["ORIGINAL", "PRIMARY", kind, "EMISSION"]},
    )
    with pytest.raises(InputError, match=NM_TYPES[kind]):
        read(path, "spect")


def nm_faults():
    turn = ["0", "1", "0", "0", "0", "-1"]
    return {
        "no slice vector": (
            {"SliceVector": None, "RotationVector": [1] * 8},
            r"no Slice Vector \(0054,0080\)",
        ),
        "a number short": ({"SliceVector": [1, 2, 3]}, "3 numbers for 8 frames"),
        "two times": ({"SliceVector": [1, 2, 3, 4] * 2}, "2 images at each of 4 positions"),
        "two orientations": ({"ImageOrientationPatient": turn}, "stated twice and differs"),
        "no distance": ({"SpacingBetweenSlices": "0"}, r"\(0018,0088\) is 0 mm"),
        "no spacing": ({"PixelSpacing": None}, r"Pixel Spacing \(0028,0030\) is missing"),
        "zero spacing": ({"PixelSpacing": ["0", "3"]}, r"\(0028,0030\) of 0 × 3 mm"),
        "colour": ({"PhotometricInterpretation": "PALETTE COLOR"}, "is in colour"),
        "bits": ({"BitsStored": 8, "HighBit": 7}, r"more than the 8 bits"),
        "high bit": ({"BitsStored": 12, "HighBit": 13}, "do not fit its words of 16 bits"),
        "slope": ({"RescaleSlope": "0"}, r"\(0028,1053\) is 0"),
        "intercept": ({"RescaleIntercept": "inf"}, r"\(0028,1052\) is not a finite"),
        "overflow": ({"RescaleSlope": "1e37"}, "values overflow"),
        "cut": ({"PixelData": b"\0" * 100}, "cut short"),
        "absurd": ({"NumberOfFrames": 2**31 - 1}, "more than 2 GB"),
        "gone": ({"PixelData": None}, "holds no pixel data"),
    }


@pytest.mark.parametrize("name", nm_faults())
def test_a_contradictory_tomogram_is_refused(tmp_path, name):
    attributes, sentence = nm_faults()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = dicom_files.write_nm(tmp_path / "a.dcm", asymmetric(), AXIAL, attributes=attributes)
    with pytest.raises(InputError, match=sentence) as caught:
        read(path, "spect")
    assert str(caught.value).startswith(WHO)
    assert str(caught.value).isprintable()


def test_a_volume_without_orientation_is_refused(tmp_path):
    path = dicom_files.write_nm(tmp_path / "a.dcm", asymmetric(), AXIAL)

    def lose(image):
        del image.DetectorInformationSequence[0].ImageOrientationPatient

    with pytest.raises(InputError, match=r"Image Orientation \(Patient\) \(0020,0037\) is missing"):
        read(changed(path, lose), "spect")


def series_faults():
    def twice(folder):
        for path in sorted(folder.iterdir()):
            shutil.copy(path, folder / f"late-{path.name}")

    def edit(number, **values):
        def change(folder):
            path = sorted(folder.iterdir())[number]
            image = pydicom.dcmread(path)
            for keyword, value in values.items():
                setattr(image, keyword, value)
            image.save_as(path)

        return change

    def tilt(folder):
        for number, path in enumerate(sorted(folder.iterdir())):
            image = pydicom.dcmread(path)
            x, y, z = image.ImagePositionPatient
            image.ImagePositionPatient = [x, y + number, z]
            image.save_as(path)

    return {
        "missing inside": (lambda f: (f / "image0004.dcm").unlink(), "slices are missing"),
        "missing at the end": (lambda f: (f / "image0008.dcm").unlink(), "7 slices .* says 8"),
        "doubled": (lambda f: shutil.copy(f / "image0003.dcm", f / "x"), "1 images more than"),
        "dynamic": (twice, "2 images at each of 8 positions .dynamic or gated"),
        "tilted": (tilt, "11.3° off their normal"),
        "turned": (
            edit(3, ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"]),
            r"differ in Image Orientation \(Patient\) \(0020,0037\)",
        ),
        "sizes": (edit(3, PixelSpacing=["4", "3.5"]), r"differ in Pixel Spacing"),
        "matrix": (edit(3, Rows=6, PixelData=bytes(120)), "differ in rows and columns"),
        "units": (edit(3, Units="BQML"), "differ in unit"),
        "shifted": (edit(3, ImagePositionPatient=["-11.5", "7.25", "39"]), "apart or shifted"),
        "reprojections": (edit(0, SeriesType=["STATIC", "REPROJECTION"]), "reprojections"),
    }


@pytest.mark.parametrize("name", series_faults())
def test_a_series_that_is_no_regular_volume_is_refused(tmp_path, name):
    dicom_files.write_pt(tmp_path, asymmetric(), AXIAL)
    change, sentence = series_faults()[name]
    change(tmp_path)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path)


def test_a_wrong_modality_and_nothing_at_all_are_refused(tmp_path):
    dicom_files.write_pt(tmp_path / "pt", asymmetric(), AXIAL)
    with pytest.raises(InputError, match="no series of modality NM but of PT; is it the SPECT"):
        read(tmp_path / "pt", "spect")
    with pytest.raises(InputError, match="is a single slice; give the folder"):
        read(tmp_path / "pt" / "image0003.dcm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no DICOM images"):
        read(tmp_path / "empty")
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.dcm")
    (tmp_path / "pt" / "image0003.dcm").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"image0003\.dcm cannot be read as DICOM"):
        read(tmp_path / "pt")


def test_a_codec_that_ends_its_process_leaves_a_sentence(tmp_path):
    path = dicom_files.write_nm(
        tmp_path / "a.dcm", asymmetric((16, 20, 3)), AXIAL, syntax=JPEGLSLossless
    )
    content = bytearray(path.read_bytes())
    # the higher byte of the width in the first frame header (ISO 14495-1 C.2.2): GDCM aborts
    content[content.find(b"\xff\xf7") + 7] = 102
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"JPEG-LS Lossless .* cannot be decoded"):
        read(path, "spect")


def test_damaged_bytes_end_in_a_sentence_or_a_volume_and_never_otherwise(tmp_path):
    path = dicom_files.write_nm(tmp_path / "whole.dcm", asymmetric((4, 5, 3)), AXIAL, **SECRETS)
    whole, damaged = path.read_bytes(), tmp_path / "damaged.dcm"
    random = np.random.default_rng(1)
    outcomes = {"read": 0, "refused": 0}
    for number in range(300):
        content = bytearray(whole)
        if number % 3 == 0:
            content = content[: random.integers(132, len(whole))]
        for place in random.integers(132, len(content), 1 + number % 4):
            content[place] = random.integers(0, 256)
        damaged.write_bytes(content)
        try:
            volume = read(damaged, "spect")
            assert volume.data.ndim == 3
            outcomes["read"] += 1
        except InputError as error:
            assert "Musterfrau" not in str(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20


# --- Privacy ----------------------------------------------------------------------------


def test_nothing_that_identifies_anybody_leaves_the_header(tmp_path, caplog, capfd, recwarn):
    secret = "Zauberberg"
    path = dicom_files.write_nm(
        tmp_path / "a.dcm", asymmetric(), AXIAL, series_description=secret, **SECRETS
    )

    def more(image):
        image.InstitutionName = image.StudyDescription = secret
        image["Units"] = pydicom.DataElement(0x00541001, "CS", secret.upper())
        image.PatientAge = "12X"  # a value that pydicom warns of, quoting it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed(path, more)
    capfd.readouterr()
    recwarn.clear()
    volume = read(path, "spect")
    said = repr((volume.header, volume.warnings, volume.unit, volume.unit_from))
    said += caplog.text + str(capfd.readouterr()) + str([str(w.message) for w in recwarn])
    image = pydicom.dcmread(path)
    for word in [*SECRETS.values(), secret, "Erika", image.SeriesInstanceUID, image.StudyDate]:
        assert str(word).casefold() not in said.casefold()
    assert volume.header == {
        "Format": "DICOM",
        "Modality": "NM",
        "Storage": "Nuclear Medicine Image Storage",
        "TransferSyntax": "Explicit VR Little Endian",
        "NumberOfSlices": 8,
        "BitsStored": 16,
        "Radionuclide": "123 Iodine",
    }


# --- The writers themselves -------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_the_files_of_the_tests_are_valid_dicom(tmp_path, kind):
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed")
    write(kind, tmp_path, asymmetric(), AXIAL)
    file = sorted(tmp_path.iterdir())[0]
    result = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert not [line for line in result.stderr.splitlines() if line.startswith("Error")]
