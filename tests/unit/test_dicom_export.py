"""DICOM out: other programs read P2P where it lies and as it is, and label exports name nobody."""

import json
import logging
import re
import shutil
import subprocess
import warnings

import nibabel as nib
import numpy as np
import pydicom
import pytest

from dicom_exports import (
    FINGERPRINTS,
    LABEL,
    SPECT_AFFINE,
    SPECT_OPTIONS,
    STUDY_AFFINE,
    TO_SPECT,
    blob,
    export,
    make_subject,
)
from dicom_files import write_nm_series
from spect2pet.core.errors import InputError
from spect2pet.core.images import write_image
from spect2pet.prepare import dicom

FLIP = np.diag([-1, -1, 1])
#: Largest value of a 16-bit export is stored as 32767, so rounding is at most half a step.
STEPS = 32767


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def subject(tmp_path):
    return make_subject(tmp_path)


def dump(path):
    """All there is in a file, as one text."""
    content = path.read_bytes()
    return content.decode("latin-1") + str(pydicom.dcmread(path))


def by_the_standard(path):
    """Values and RAS+ affine, (column, row, frame), as C.7.6.3, C.8.4.11 and C.8.4.15 say."""
    image = pydicom.dcmread(path)
    (detector,) = image.DetectorInformationSequence
    row, column = np.reshape(np.array(detector.ImageOrientationPatient, float), (2, 3))
    affine = np.eye(4)
    affine[:3, 0] = FLIP @ row * image.PixelSpacing[1]
    affine[:3, 1] = FLIP @ column * image.PixelSpacing[0]
    affine[:3, 2] = FLIP @ np.cross(row, column) * image.SpacingBetweenSlices
    affine[:3, 3] = FLIP @ np.array(detector.ImagePositionPatient, float)
    assert list(image.SliceVector) == list(range(1, image.NumberOfFrames + 1))
    (mapping,) = image.RealWorldValueMappingSequence
    values = image.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    return values.transpose(2, 1, 0), affine


def at_positions(values, affine, data, data_affine):
    """Values of one image in the voxels of another whose voxels lie at the same places."""
    to_index = np.linalg.inv(affine) @ data_affine
    index = np.indices(data.shape).reshape(3, -1)
    other = to_index[:3, :3] @ index + to_index[:3, 3:]
    rounded = np.rint(other).astype(int)
    np.testing.assert_allclose(other, rounded, atol=1e-4)
    return values[tuple(rounded)].reshape(data.shape)


# --- Where voxels are, and what they hold --------------------------------------------


def test_the_study_grid_keeps_its_voxels_and_lies_oblique_in_the_spect(subject):
    values, affine = by_the_standard(export(subject, grid="study"))
    assert np.linalg.det(affine) > 0
    found = at_positions(values, affine, subject.p2p, TO_SPECT @ STUDY_AFFINE)
    np.testing.assert_allclose(found, subject.p2p, atol=0.51 * subject.p2p.max() / STEPS)


def test_the_native_grid_shows_flow_where_the_spect_has_it(subject):
    values, affine = by_the_standard(export(subject, grid="native"))
    shape = (22, 24, 14)
    found = at_positions(values, affine, np.zeros(shape), SPECT_AFFINE)
    # The same Gaussians at the places that the voxels of the SPECT have in the PET.
    to_pet = np.linalg.inv(TO_SPECT) @ SPECT_AFFINE
    expected = blob(shape, to_pet, np.zeros(3))
    i = np.tensordot(np.linalg.inv(STUDY_AFFINE) @ to_pet, _homogeneous(shape), 1)[:3]
    size = np.array(subject.p2p.shape)[:, None, None, None]
    inside = ((i >= 1) & (i <= size - 2)).all(axis=0)
    outside = ((i < -0.01) | (i > size - 0.99)).any(axis=0)
    assert inside.sum() > 1000
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.7)
    assert outside.any()
    assert not found[outside].any()


def _homogeneous(shape):
    index = np.indices(shape)
    return np.concatenate([index, np.ones((1, *shape))])


def test_without_a_transform_the_study_grid_lies_in_the_spect(subject):
    values, affine = by_the_standard(export(subject, grid="study", transform=None))
    found = at_positions(values, affine, subject.p2p, STUDY_AFFINE)
    np.testing.assert_allclose(found, subject.p2p, atol=0.51 * subject.p2p.max() / STEPS)


def test_rows_run_to_the_left_columns_to_the_back_and_slices_to_the_head(subject):
    _, affine = by_the_standard(export(subject))
    assert nib.aff2axcodes(affine) == ("L", "P", "S")
    image = pydicom.dcmread(export(subject))
    assert image.SpacingBetweenSlices == image.SliceThickness == 6


@pytest.mark.parametrize("grid", ["native", "study"])
def test_rescaling_and_real_world_values_agree(subject, grid):
    image = pydicom.dcmread(export(subject, grid=grid))
    (mapping,) = image.RealWorldValueMappingSequence
    assert mapping.RealWorldValueSlope == float(image.RescaleSlope)
    assert mapping.RealWorldValueIntercept == float(image.RescaleIntercept) == 0
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "mL/(100.g.min)"
    assert mapping.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator == "UCUM"
    stored = image.pixel_array
    assert stored.min() == mapping.RealWorldValueFirstValueMapped
    assert stored.max() == mapping.RealWorldValueLastValueMapped == STEPS


@pytest.mark.parametrize("level", [-30.0, 0.0])
def test_negative_and_empty_images_are_kept(subject, level):
    data = np.full(subject.p2p.shape, level, np.float32)
    data[3:9, 4:8, 5:7] *= 0.5
    about = {"Relative": True, "ModelFingerprints": FINGERPRINTS}
    write_image(subject.file("desc-p2p.nii.gz"), data, STUDY_AFFINE, about)
    values, affine = by_the_standard(export(subject, grid="study"))
    found = at_positions(values, affine, data, TO_SPECT @ STUDY_AFFINE)
    np.testing.assert_allclose(found, data, atol=30 / STEPS)
    image = pydicom.dcmread(export(subject, grid="study"))
    (mapping,) = image.RealWorldValueMappingSequence
    assert mapping.LUTExplanation.startswith("Relative")


# --- Other readers ---------------------------------------------------------------------


@needs("dciodvfy")
@pytest.mark.parametrize("identity", ["source", "label"])
@pytest.mark.parametrize("kind", ["p2p", "uncertainty"])
@pytest.mark.parametrize("grid", ["native", "study"])
def test_dciodvfy_finds_no_error(subject, grid, kind, identity):
    path = export(subject, grid=grid, kind=kind, identity=identity)
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert "NMImage" in done.stderr
    assert not [line for line in done.stderr.splitlines() if "Error" in line], done.stderr


@needs("dcm2niix")
@pytest.mark.parametrize("grid", ["native", "study"])
def test_dcm2niix_reads_the_same_values_at_the_same_places(subject, tmp_path, grid):
    path = export(subject, grid=grid)
    values, affine = by_the_standard(path)
    folder = tmp_path / "alone"
    folder.mkdir()
    shutil.copy(path, folder / "image.dcm")
    command = ["dcm2niix", "-f", "image", "-o", folder, folder / "image.dcm"]
    subprocess.run(command, capture_output=True, check=True)
    (made,) = folder.glob("*.nii")
    image = nib.load(made)
    data = np.asarray(image.dataobj)
    np.testing.assert_allclose(
        at_positions(values, affine, data, image.affine), data, atol=values.max() / STEPS
    )
    assert data.size == values.size


@pytest.mark.parametrize("grid", ["native", "study"])
def test_the_workflow_reads_its_own_export(subject, grid):
    path = export(subject, grid=grid)
    values, affine = by_the_standard(path)
    volume = dicom.read(path, "subject 042", "spect")
    found = at_positions(values, affine, volume.data, volume.affine)
    np.testing.assert_allclose(found, volume.data, atol=values.max() / STEPS)
    assert volume.unit.replace(" ", "").lower() == "ml/100g/min"


# --- Who it is -------------------------------------------------------------------------


def test_an_export_is_filed_under_patient_and_study_of_its_source(subject):
    source, image = pydicom.dcmread(subject.raw), pydicom.dcmread(export(subject))
    for keyword in (
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
        "StudyDate", "StudyTime", "FrameOfReferenceUID", "SeriesDate", "AcquisitionDate",
    ):  # fmt: skip
        assert image[keyword].value == source[keyword].value, keyword
    assert image.SeriesInstanceUID != source.SeriesInstanceUID
    assert image.SOPInstanceUID != source.SOPInstanceUID
    (reference,) = image.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == source.SOPClassUID
    (series,) = image.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert "PatientIdentityRemoved" not in image


def test_every_file_of_a_source_of_many_is_referred_to(subject, tmp_path):
    spect = np.rint(blob((22, 24, 14), SPECT_AFFINE, np.zeros(3)))
    folder = write_nm_series(tmp_path / "slices", spect, SPECT_AFFINE, **SPECT_OPTIONS)
    image = pydicom.dcmread(export(subject, raw=folder))
    expected = {str(pydicom.dcmread(path).SOPInstanceUID) for path in folder.iterdir()}
    assert len(expected) == 14
    found = [str(item.ReferencedSOPInstanceUID) for item in image.SourceImageSequence]
    assert set(found) == expected
    assert len(found) == 14


def test_names_in_other_scripts_are_kept_byte_for_byte(subject):
    source = pydicom.dcmread(subject.raw)
    source.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    source.PatientName = name.decode("ascii")
    source.save_as(subject.raw)
    assert name in subject.raw.read_bytes()
    assert name in export(subject).read_bytes()


@pytest.mark.filterwarnings("ignore:The value length")
def test_values_that_are_longer_than_allowed_are_kept_and_not_told(tmp_path, caplog):
    subject = make_subject(tmp_path, attributes={"StudyID": "a study id of thirty characters"})
    with warnings.catch_warnings(record=True) as told, caplog.at_level(logging.DEBUG):
        path = export(subject)
    assert not told
    assert "thirty" not in caplog.text
    assert pydicom.dcmread(path).StudyID == "a study id of thirty characters"


@pytest.mark.parametrize("kind", ["p2p", "uncertainty"])
def test_an_export_by_label_has_nothing_of_its_source(subject, kind, caplog):
    source = pydicom.dcmread(subject.raw)
    private = [str(value) for value in SPECT_OPTIONS.values()] + [
        str(element.value) for element in source.iterall() if element.VR in ("UI", "DA", "TM")
    ]
    private = [text for text in private if text and text != str(source.SOPClassUID)]
    assert all(text in dump(subject.raw) for text in private)
    with caplog.at_level(logging.DEBUG):
        path = export(subject, kind=kind, identity="label")
    text = dump(path) + path.name
    for part in [*private, "Doe", "Jane", "HOSPITAL"]:
        assert part not in text
        assert part not in caplog.text
    image = pydicom.dcmread(path)
    assert image.PatientID == image.PatientName == LABEL
    assert image.PatientIdentityRemoved == "YES"
    assert image.DeidentificationMethod
    assert not [e for e in image.iterall() if e.VR in ("DA", "TM", "DT") and e.value]


def test_the_log_of_an_export_by_source_names_nobody(subject, caplog):
    with caplog.at_level(logging.DEBUG):
        export(subject)
    assert caplog.records
    for part in (*SPECT_OPTIONS.values(), "Doe", "2.25.", "1.2."):
        assert part not in caplog.text


def test_a_spect_in_nifti_is_exported_by_its_label(subject):
    raw = subject.file("spect.nii.gz")
    first, second = (export(subject, raw=raw, identity=name) for name in ("source", "label"))
    assert pydicom.dcmread(first).PatientID == LABEL
    assert first.read_bytes() == second.read_bytes()


def test_subjects_of_one_label_in_two_studies_are_told_apart(tmp_path):
    first, second = make_subject(tmp_path / "a"), make_subject(tmp_path / "b")
    turned = blob((22, 24, 14), SPECT_AFFINE, np.array([8, 0, 0]))
    write_image(second.file("spect.nii.gz"), turned, SPECT_AFFINE)
    images = [pydicom.dcmread(export(s, identity="label")) for s in (first, second)]
    again = pydicom.dcmread(export(first, identity="label", model="unet"))
    assert images[0].StudyInstanceUID != images[1].StudyInstanceUID
    assert images[0].FrameOfReferenceUID != images[1].FrameOfReferenceUID
    assert images[0].StudyInstanceUID == again.StudyInstanceUID
    assert images[0].FrameOfReferenceUID == again.FrameOfReferenceUID


# --- What it says it is ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p2p", "uncertainty"])
def test_every_export_says_that_it_is_ai_made_and_for_research(subject, kind):
    image = pydicom.dcmread(export(subject, kind=kind))
    assert "AI-generated, research only" in image.SeriesDescription
    for text in (image.ImageComments, image.DerivationDescription):
        assert "AI-generated" in text
        assert "not for diagnosis" in text
    assert image.ContentQualification == "RESEARCH"
    assert image.BurnedInAnnotation == "NO"
    assert image.LossyImageCompression == "00"
    assert list(image.ImageType) == ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    (equipment,) = image.ContributingEquipmentSequence
    assert list(equipment.SoftwareVersions)[1:] == FINGERPRINTS
    codes = {item.CodeValue for item in image.DerivationCodeSequence}
    assert codes == {"123110", "113085"}  # artificial intelligence, spatial resampling


@pytest.mark.parametrize("kind", ["p2p", "uncertainty"])
def test_texts_fit_their_value_representations(subject, kind):
    about = {"Relative": True, "ModelFingerprints": FINGERPRINTS}
    write_image(subject.file(f"desc-{kind}.nii.gz"), subject.p2p, STUDY_AFFINE, about)
    path = export(subject, kind=kind, model="a-name-of-a-model-" * 5)
    longest = {"SH": 16, "LO": 64, "DS": 16, "CS": 16, "UI": 64}
    for element in pydicom.dcmread(path).iterall():
        values = element.value if element.VM > 1 else [element.value]
        for value in values:
            if element.VR in longest and value is not None:
                assert len(str(getattr(value, "original_string", value))) <= longest[element.VR]


# --- The same bytes, or none -----------------------------------------------------------


def test_equal_input_gives_equal_bytes(tmp_path):
    first, second = make_subject(tmp_path / "a"), make_subject(tmp_path / "b")
    for identity in ("source", "label"):
        one, other = (export(s, identity=identity) for s in (first, second))
        assert one.read_bytes() == other.read_bytes()


def test_whatever_differs_is_another_series_and_image(subject):
    versions = [
        export(subject),
        export(subject, kind="uncertainty"),
        export(subject, grid="study"),
        export(subject, model="unet"),
        export(subject, identity="label"),
    ]
    about = json.loads(subject.file("desc-p2p.json").read_text())
    about["ModelFingerprints"] = ["0" * 16]
    write_image(subject.file("desc-p2p.nii.gz"), subject.p2p, STUDY_AFFINE, about)
    versions.append(export(subject, "other weights"))
    subject.p2p[10, 10, 10] += 1
    write_image(subject.file("desc-p2p.nii.gz"), subject.p2p, STUDY_AFFINE, about)
    versions.append(export(subject, "other voxel"))
    images = [pydicom.dcmread(path) for path in versions]
    for keyword in ("SeriesInstanceUID", "SOPInstanceUID"):
        uids = [image[keyword].value for image in images]
        assert len(set(uids)) == len(versions)
        assert all(re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid) for uid in uids)
    assert images[0].file_meta.MediaStorageSOPInstanceUID == images[0].SOPInstanceUID


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"FrameOfReferenceUID": None}, r"no FrameOfReferenceUID \(0020,0052\)"),
        ({"StudyInstanceUID": None}, r"no StudyInstanceUID \(0020,000D\)"),
        ({"SeriesInstanceUID": ""}, r"no SeriesInstanceUID \(0020,000E\)"),
        ({"SOPInstanceUID": None}, r"no SOPInstanceUID \(0008,0018\)"),
    ],
)
def test_a_source_that_p2p_cannot_be_filed_with_is_named(tmp_path, attributes, words):
    subject = make_subject(tmp_path, attributes=attributes)
    with pytest.raises(InputError, match=words) as caught:
        export(subject)
    assert str(caught.value).startswith(f"subject {LABEL}, spect {subject.raw}:")
    assert "export: identity: label" in str(caught.value)
    assert not list(tmp_path.glob("*export*"))
    assert export(subject, identity="label").exists()


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ({"PatientID": "SOMEBODY-ELSE"}, "holds several series"),
        ({"FrameOfReferenceUID": "1.2.3.4"}, "several frames of reference"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(subject, tmp_path, attribute, words):
    spect = np.rint(blob((22, 24, 14), SPECT_AFFINE, np.zeros(3)))
    folder = write_nm_series(tmp_path / "slices", spect, SPECT_AFFINE, **SPECT_OPTIONS)
    path = sorted(folder.iterdir())[3]
    image = pydicom.dcmread(path)
    ((keyword, value),) = attribute.items()
    setattr(image, keyword, value)
    image.save_as(path)
    with pytest.raises(InputError, match=words) as caught:
        export(subject, raw=folder)
    assert "SOMEBODY" not in str(caught.value)


def test_words_of_its_description_choose_between_series(subject, tmp_path):
    spect = np.rint(blob((22, 24, 14), SPECT_AFFINE, np.zeros(3)))
    both = tmp_path / "both"
    for description in ("CBF corrected", "CBF plain"):
        options = {**SPECT_OPTIONS, "series_description": description}
        write_nm_series(both, spect, SPECT_AFFINE, prefix=description[4:], **options)
    with pytest.raises(InputError, match="holds several series"):
        export(subject, raw=both)
    image = pydicom.dcmread(export(subject, raw=both, series="PLAIN"))
    found = {item.ReferencedSOPInstanceUID for item in image.SourceImageSequence}
    assert found == {pydicom.dcmread(path).SOPInstanceUID for path in both.glob("plain*")}


def test_a_source_that_is_gone_is_named(subject):
    with pytest.raises(InputError, match=r"subject 042, spect .*raw.dcm: no such file; correct"):
        subject.raw.unlink()
        export(subject)


def test_an_image_with_nan_is_refused(subject):
    subject.p2p[1, 2, 3] = np.nan
    about = {"Relative": False, "ModelFingerprints": FINGERPRINTS}
    write_image(subject.file("desc-p2p.nii.gz"), subject.p2p, STUDY_AFFINE, about)
    with pytest.raises(InputError, match="NaN or infinite"):
        export(subject)


def test_an_export_that_cannot_be_written_leaves_nothing(subject):
    target = subject.folder / "taken.dcm"
    target.mkdir()
    (target / "something").touch()
    with pytest.raises(InputError, match="cannot be written"):
        export(subject, output=target)
    assert not list(subject.folder.glob(".partial*"))
