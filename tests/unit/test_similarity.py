"""SSIM, PSNR and NRMSE against their definitions, and what the mask and slices do."""

import json

import numpy as np
import pandas as pd
import pytest

from spect2pet.core import images, tables
from spect2pet.core.errors import InputError
from spect2pet.evaluate import evaluation, similarity
from spect2pet.evaluate import evaluation_columns as columns

SETTINGS = similarity.Settings(
    sigma=1.5, k1=0.01, k2=0.03, data_range=80.0, min_coverage=0.2, voxel_mm=2.0
)
SHAPE = (30, 34, 18)


@pytest.fixture
def trio():
    """SPECT, P2P and PET of noise with a bright left side, and an ellipsoidal brain."""
    draw = np.random.default_rng(7)
    x, y, z = np.indices(SHAPE)
    pet = (30 + 20 * (x < 15) + draw.normal(0, 8, SHAPE)).astype(np.float32)
    p2p = (pet + draw.normal(0, 3, SHAPE)).astype(np.float32)
    spect = (pet + draw.normal(0, 9, SHAPE)).astype(np.float32)
    mask = ((x - 14) / 10) ** 2 + ((y - 16) / 12) ** 2 + ((z - 9) / 8) ** 2 < 1
    return {"SPECT": spect, "P2P": p2p, "PET": pet}, mask


def labels_of(mask):
    """Atlas labels of the brain's left half."""
    return np.where((mask > 0) & (np.indices(SHAPE)[0] < 15), 2001, 0)


def ssim_at(image, pet, place, settings=SETTINGS):
    """SSIM at one voxel by Wang et al. (2004), equations 12 to 16, written out."""
    reach = 5
    window = np.ones([1] * image.ndim)
    for axis in range(image.ndim):
        arm = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * settings.sigma**2))
        window = window * (arm / arm.sum()).reshape(
            [-1 if a == axis else 1 for a in range(image.ndim)]
        )
    box = tuple(slice(p - reach, p + reach + 1) for p in place)
    a, b = image[box].astype(float), pet[box].astype(float)
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
    cov = (window * (a - mean_a) * (b - mean_b)).sum()
    c1, c2 = (settings.k1 * settings.data_range) ** 2, (settings.k2 * settings.data_range) ** 2
    return ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )


def test_window_is_that_of_the_definition():
    assert SETTINGS.window == 11


def test_slice_ssim_is_the_written_out_definition(trio):
    three, _ = trio
    mask = np.zeros(SHAPE)
    places = [(14, 16, 9), (10, 20, 9), (18, 12, 9)]
    for place in places:
        mask[place] = 1
    measures, slices = similarity.compare(three["P2P"], three["PET"], mask, SETTINGS)
    expected = [
        ssim_at(three["P2P"][:, :, 9], three["PET"][:, :, 9], place[:2]) for place in places
    ]
    assert slices["slice"].tolist() == [9]
    assert measures["ssim_slice"] == pytest.approx(np.mean(expected), rel=1e-9)


def test_volume_ssim_is_the_written_out_definition(trio):
    three, _ = trio
    mask = np.zeros(SHAPE)
    mask[14, 16, 9] = mask[12, 15, 8] = 1
    measures, _ = similarity.compare(three["P2P"], three["PET"], mask, SETTINGS)
    expected = [ssim_at(three["P2P"], three["PET"], place) for place in ((14, 16, 9), (12, 15, 8))]
    assert measures["ssim_volume"] == pytest.approx(np.mean(expected), rel=1e-9)


def test_cutting_out_the_brain_changes_nothing(trio):
    three, mask = trio
    measures, _ = similarity.compare(three["P2P"], three["PET"], mask, SETTINGS)
    _, whole = similarity._ssim(three["P2P"].astype(float), three["PET"].astype(float), SETTINGS)
    assert measures["ssim_volume"] == pytest.approx(whole[mask].mean(), rel=1e-12)


def test_constant_images_have_the_closed_form():
    pet, image, mask = np.full(SHAPE, 40.0), np.full(SHAPE, 50.0), np.ones(SHAPE)
    measures, _ = similarity.compare(image, pet, mask, SETTINGS)
    c1 = 0.8**2
    expected = (2 * 40 * 50 + c1) / (40**2 + 50**2 + c1)
    assert measures["ssim_slice"] == pytest.approx(expected)
    assert measures["ssim_volume"] == pytest.approx(expected)
    # An error of 10 under a range of 80, and 10 of 40.
    assert measures["psnr_db"] == pytest.approx(10 * np.log10(80**2 / 100))
    assert measures["nrmse"] == pytest.approx(0.25)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_an_image_is_like_itself(trio):
    three, mask = trio
    measures, _ = similarity.compare(three["PET"], three["PET"], mask, SETTINGS)
    assert measures["ssim_slice"] == measures["ssim_volume"] == pytest.approx(1)
    assert measures["nrmse"] == 0


def test_background_counts_only_in_the_whole_slice(trio):
    three, mask = trio
    before, _ = similarity.compare(three["P2P"], three["PET"], mask, SETTINGS)
    spoilt = three["P2P"].copy()
    spoilt[29, :, :] = 300  # farther from the brain than the window reaches
    after, _ = similarity.compare(spoilt, three["PET"], mask, SETTINGS)
    for name in ("ssim_slice", "ssim_volume", "psnr_db", "nrmse"):
        assert after[name] == pytest.approx(before[name], rel=1e-12), name
    assert after["ssim_whole_slice"] < before["ssim_whole_slice"]


def test_slices_are_axial_and_need_enough_brain(trio):
    three, mask = trio
    _, slices = similarity.compare(three["P2P"], three["PET"], mask, SETTINGS)
    area = mask.sum(axis=(0, 1))
    assert slices["slice"].tolist() == np.flatnonzero(area >= 0.2 * area.max()).tolist()
    assert slices["coverage"].max() == 1
    spoilt = three["P2P"].copy()
    spoilt[:, :, 6] += np.random.default_rng(0).normal(0, 20, SHAPE[:2])
    _, worse = similarity.compare(spoilt, three["PET"], mask, SETTINGS)
    changed = slices["ssim"] != worse["ssim"]
    assert slices["slice"][changed].tolist() == [6]


def test_a_subjects_tables_are_described(tmp_path, trio):
    three, mask = trio
    rows, slices = similarity.compare_subject(
        "x", three, dict.fromkeys(three, False), mask, labels_of(mask), SETTINGS
    )
    assert rows["image"].tolist() == ["SPECT", "P2P"]
    assert rows["ssim_slice"][1] > rows["ssim_slice"][0]
    assert (rows["window"][0], rows["data_range"][0], rows["relative"][0]) == (11, 80, False)
    tables.write_table(tmp_path / "a.tsv", rows, columns.SUBJECT_SIMILARITY, {})
    tables.write_table(tmp_path / "b.tsv", slices, columns.SUBJECT_SLICES, {})
    again = tables.read_table(tmp_path / "a.tsv")
    assert again["ssim_slice"].tolist() == pytest.approx(rows["ssim_slice"].tolist(), rel=1e-5)


def test_further_measures_are_those_of_the_images(trio):
    three, mask = trio
    rows, _ = similarity.compare_subject(
        "x", three, dict.fromkeys(three, False), mask, labels_of(mask), SETTINGS
    )
    rows = rows.set_index("image")
    expected = (three["SPECT"][mask] - three["PET"][mask]).mean()
    assert rows.at["SPECT", "bias"] == pytest.approx(expected, abs=1e-4)
    assert rows.at["SPECT", "absolute_bias"] == pytest.approx(abs(expected), abs=1e-4)
    # P2P has a third of the noise of SPECT.
    assert rows.at["P2P", "hfen"] == pytest.approx(rows.at["SPECT", "hfen"] / 3, rel=0.1)
    assert rows.at["P2P", "fsc_resolution_mm"] <= rows.at["SPECT", "fsc_resolution_mm"]
    assert rows.at["SPECT", "ms_ssim"] < rows.at["P2P", "ms_ssim"] < 1
    contrast = rows["grey_white_contrast"]
    assert contrast.tolist() == pytest.approx([1, 1], abs=0.05)
    assert rows["contrast_error"].tolist() == pytest.approx((contrast - 1).abs().tolist())


def test_relative_images_are_compared_on_one_scale(trio):
    three, mask = trio
    counts = {**three, "SPECT": 7 * three["SPECT"]}
    known = dict.fromkeys(three, False)
    as_flow, as_counts = (
        similarity.compare_subject("x", counts, relative, mask, labels_of(mask), SETTINGS)[0]
        for relative in (known, known | {"SPECT": True})
    )
    assert as_counts["relative"].tolist() == [True, False]
    assert as_counts["ssim_slice"][0] > as_flow["ssim_slice"][0] + 0.1
    assert as_counts["ssim_slice"][1] == as_flow["ssim_slice"][1]
    # Of counts there is no bias to tell, of the other image there is.
    for name in ("bias", "absolute_bias"):
        assert as_counts[name].isna().tolist() == [True, False]
    assert as_counts["hfen"][0] < as_flow["hfen"][0]


def test_relative_images_have_a_brain_mean_of_50(trio):
    three, mask = trio
    assert evaluation.to_relative(three["PET"], mask)[mask].mean() == pytest.approx(50)


def test_what_cannot_be_compared_is_said(trio):
    three, mask = trio
    with pytest.raises(InputError, match=r"sub-x: SPECT against PET: the brain mask is empty"):
        similarity.compare_subject(
            "x", three, dict.fromkeys(three, False), np.zeros(SHAPE), labels_of(mask), SETTINGS
        )
    with pytest.raises(InputError, match="differ in size"):
        similarity.compare(three["P2P"], three["PET"], mask[1:], SETTINGS)
    with pytest.raises(InputError, match="mean over the brain is 0"):
        evaluation.to_relative(np.zeros(SHAPE), mask)


# --- A subject's files -------------------------------------------------------------


@pytest.fixture
def files(tmp_path, trio):
    three, _ = trio
    paths = {name: tmp_path / f"{name}.nii.gz" for name in three}
    for name, path in paths.items():
        images.write_image(path, three[name], np.eye(4), {"Relative": name == "SPECT"})
    return paths


def test_a_subject_is_read_with_what_is_relative(files, trio):
    read, relative = evaluation.read_subject(files["SPECT"], files["P2P"], files["PET"])
    assert relative == {"SPECT": True, "P2P": False, "PET": False}
    np.testing.assert_array_equal(read["P2P"], trio[0]["P2P"])


def test_a_sidecar_that_does_not_say_is_an_error(files):
    sidecar = images.sidecar_path(files["P2P"])
    sidecar.write_text(json.dumps({"Units": "mL/100 g/min"}))
    with pytest.raises(InputError, match=r"P2P\.json"):
        evaluation.read_subject(files["SPECT"], files["P2P"], files["PET"])


def test_grids_that_differ_are_an_error(files):
    images.write_image(files["P2P"], np.ones((4, 5, 6)), np.eye(4), {"Relative": False})
    with pytest.raises(InputError, match=r"P2P.nii.gz: \(4, 5, 6\)"):
        evaluation.read_subject(files["SPECT"], files["P2P"], files["PET"])


def test_region_means_get_the_row_of_the_whole_brain(trio):
    three, mask = trio
    lower = {name.lower(): image for name, image in three.items()}
    one = {"atlas": "lobe", "region": "frontal", "hemisphere": "L", "voxels": 3}
    table = evaluation.with_brain(pd.DataFrame([one | dict.fromkeys(lower, 1.0)]), lower, mask)
    brain = table.iloc[-1]
    assert (brain["atlas"], brain["voxels"]) == (evaluation.BRAIN, mask.sum())
    assert brain["pet"] == pytest.approx(three["PET"][mask].mean())
