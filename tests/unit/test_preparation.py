"""Prepare: geometry and values kept, units converted, wrong images refused."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from spect2pet.core.errors import InputError
from spect2pet.prepare import preparation

SETTINGS = {
    "unit": "mL/100g/min",
    "relative_mean": 50,
    "plausible_mean": [10, 120],
    "voxel_mm": [0.5, 10],
    "field_of_view_mm": [100, 1000],
    "negative_share": 0.05,
}
AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
AFFINE[:3, 3] = [-60, -70, -50]


def head(shape=(40, 48, 32), level=50.0):
    """A head-sized block of uniform flow with one bright corner, on no flow."""
    data = np.zeros(shape, dtype=np.float32)
    data[8:30, 10:38, 6:26] = level
    data[9:13, 11:15, 7:10] = 2 * level
    return data


def save(path, data, affine=AFFINE, code=1):
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code=code)
    image.set_qform(affine if code else None, code=code)
    nib.save(image, path)
    return path


def prepare(raw, folder, **changes):
    arguments = {"subject": "01", "modality": "spect", "unit": None, **changes}
    settings = {**SETTINGS, **arguments.pop("settings", {})}
    output = Path(folder) / "out.nii.gz"
    preparation.prepare_image(raw, output, settings=settings, made_by={}, **arguments)
    return output


def test_all_that_is_wrong_with_a_subject_is_said_at_once_and_the_rest_is_written(tmp_path):
    save(tmp_path / "spect.nii.gz", head(level=np.nan))
    told = {"problem": None, "unit": "mL/100g/min", "series": None}
    images = {
        "spect": (tmp_path / "spect.nii.gz", tmp_path / "out_spect.nii.gz", told),
        "pet": ([], tmp_path / "out_pet.nii.gz", told | {"problem": "subject 01, pet: gone"}),
    }
    with pytest.raises(InputError, match=r"NaN or infinite.*\nsubject 01, pet: gone$"):
        preparation.prepare_subject(images, subject="01", settings=SETTINGS, made_by={})
    assert not list(tmp_path.glob("out*"))
    images["pet"] = (save(tmp_path / "pet.nii.gz", head(level=50)), images["pet"][1], told)
    with pytest.raises(InputError, match=r"^subject 01, spect .*NaN or infinite.*$"):
        preparation.prepare_subject(images, subject="01", settings=SETTINGS, made_by={})
    assert [path.name for path in tmp_path.glob("out*.gz")] == ["out_pet.nii.gz"]


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "PIR", "SAL"])
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "<u1"])
def test_every_orientation_and_type_keeps_each_voxel_at_its_place(tmp_path, codes, dtype):
    data = np.rint(head(level=60))
    start = nib.Nifti1Image(data, AFFINE)
    target = nib.orientations.axcodes2ornt(codes)
    turned = start.as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), target)
    )
    stored = nib.Nifti1Image(np.asarray(turned.dataobj).astype(dtype), turned.affine)
    stored.header.set_data_dtype(np.dtype(dtype))
    nib.save(stored, tmp_path / "raw.nii")
    output = nib.load(prepare(tmp_path / "raw.nii", tmp_path))
    assert nib.aff2axcodes(output.affine) == ("R", "A", "S")
    assert output.get_data_dtype() == np.float32
    np.testing.assert_array_equal(output.get_fdata(), data)
    bright = np.argwhere(output.get_fdata() > 100).mean(axis=0)
    expected = apply_affine(AFFINE, np.argwhere(data > 100).mean(axis=0))
    np.testing.assert_allclose(apply_affine(output.affine, bright), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("mL/100g/min", 1),
        ("mL/100 g/min", 1),
        ("ml/min/100g", 1),
        ("mL/min/g", 100),
        ("mL/mL/min", 100),
    ],
)
def test_units_become_ml_per_100_g_per_min(tmp_path, unit, factor):
    save(tmp_path / "raw.nii.gz", head() / factor)
    output = prepare(tmp_path / "raw.nii.gz", tmp_path, unit=unit)
    np.testing.assert_allclose(nib.load(output).get_fdata(), head(), rtol=1e-6)
    sidecar = json.loads((tmp_path / "out.json").read_text())
    assert sidecar["Units"] == "mL/100 g/min"
    assert sidecar["Relative"] is False


def test_counts_become_relative_with_a_brain_mean_of_50_and_are_marked(tmp_path):
    save(tmp_path / "raw.nii", head(level=7.3e4))
    output = prepare(tmp_path / "raw.nii", tmp_path, unit="counts")
    data = nib.load(output).get_fdata()
    assert data[head() > 0].mean() == pytest.approx(50, rel=1e-5)
    assert json.loads((tmp_path / "out.json").read_text())["Relative"] is True


def test_the_table_goes_before_the_sidecar_and_that_before_the_config(tmp_path):
    save(tmp_path / "raw.nii.gz", head() / 100)
    settings = {"unit": "mL/mL/min"}
    prepare(tmp_path / "raw.nii.gz", tmp_path, settings=settings)
    assert json.loads((tmp_path / "out.json").read_text())["SourceUnitsFrom"] == "the config"
    (tmp_path / "raw.json").write_text('{"Units": "mL/min/g"}')
    prepare(tmp_path / "raw.nii.gz", tmp_path)
    assert json.loads((tmp_path / "out.json").read_text())["SourceUnits"] == "mL/min/g"
    prepare(tmp_path / "raw.nii.gz", tmp_path, unit="counts")
    assert json.loads((tmp_path / "out.json").read_text())["SourceUnits"] == "counts"


def test_values_that_contradict_their_unit_are_warned_of(tmp_path, caplog):
    save(tmp_path / "raw.nii", head(level=0.5))
    prepare(tmp_path / "raw.nii", tmp_path)
    assert "is its unit really mL/100g/min" in caplog.text


def broken_images():
    nan = head()
    nan[20, 20, 20] = np.nan
    negative = head()
    negative[8:30, 10:38, 6:16] *= -1
    singular = AFFINE.copy()
    singular[:, 1] = singular[:, 0]
    sheared = AFFINE.copy()
    sheared[0, 1] = 1.0
    return {
        "NaN": (nan, AFFINE, 1, "1 voxels are NaN or infinite"),
        "zero": (head() * 0, AFFINE, 1, "every voxel is 0"),
        "constant": (head() * 0 + 3, AFFINE, 1, "every voxel is 3"),
        "negative": (negative, AFFINE, 1, "negative voxels weigh"),
        "two volumes": (np.stack([head(), head()], -1), AFFINE, 1, "has 2 volumes"),
        "one slice": (head()[:, :, 0], AFFINE, 1, "single slice"),
        "no position": (head(), AFFINE, 0, "no sform or qform"),
        "tiny voxels": (head(), np.diag([0.1, 0.1, 0.1, 1]), 1, "voxels of 0.1 .* implausible"),
        "small field": (head(), np.diag([1.0, 1, 1, 1]), 1, "field of view of 40 × 48 × 32 mm"),
        "singular": (head(), singular, 1, "affine is singular"),
        "sheared": (head(), sheared, 1, "axes are sheared"),
    }


@pytest.mark.parametrize("name", broken_images())
def test_a_broken_image_is_refused_in_one_sentence(tmp_path, name):
    data, affine, code, sentence = broken_images()[name]
    image = nib.Nifti1Image(data, None)
    image.header["sform_code"] = code
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    image.header["qform_code"] = 0
    image.header.set_data_offset(352)
    raw = tmp_path / "raw.nii"
    raw.write_bytes(image.header.binaryblock + b"\0" * 4 + np.asfortranarray(data).tobytes("F"))
    with pytest.raises(InputError, match=sentence) as caught:
        prepare(raw, tmp_path)
    assert str(caught.value).startswith(f"subject 01, spect {raw}:")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.nii.gz").exists()


def test_unreadable_files_are_refused(tmp_path):
    whole = gzip.compress(save(tmp_path / "a.nii", head()).read_bytes())
    cases = {
        "truncated.nii.gz": whole[: len(whole) // 2],
        "flipped.nii.gz": whole[:400] + bytes([whole[400] ^ 0xFF]) + whole[401:],
        "text.nii": b"not an image",
        "empty.nii.gz": b"",
        "short.nii": (tmp_path / "a.nii").read_bytes()[:5000],
        "picture.png": b"\x89PNG\r\n",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as NIfTI"):
            prepare(tmp_path / name, tmp_path)
    with pytest.raises(InputError, match="no such file"):
        prepare(tmp_path / "none.nii", tmp_path)


def test_an_unknown_unit_and_a_broken_sidecar_are_refused(tmp_path):
    raw = save(tmp_path / "raw.nii", head())
    with pytest.raises(InputError, match=r"unit 'SUV' .* is unknown"):
        prepare(raw, tmp_path, unit="SUV")
    (tmp_path / "raw.json").write_text("{")
    with pytest.raises(InputError, match=r"raw\.json is not JSON"):
        prepare(raw, tmp_path)
