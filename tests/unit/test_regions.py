"""Regions lie on their side, group as the table says, and their means are right."""

import csv
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from spect2pet.core import grids, images, itk
from spect2pet.register import mapping, mni, regions

GROUPS = Path(__file__).parents[2] / "workflow" / "resources" / "aal_groups.tsv"


@pytest.fixture(scope="module")
def groups():
    return regions.load_groups(GROUPS)


# --- The table ----------------------------------------------------------------


def test_every_label_of_the_atlas_is_in_the_table_once(groups):
    labels, _ = mni.atlas()
    assert groups["index"].is_unique
    assert set(groups["index"]) == set(np.unique(labels)) - {0}
    assert dict(zip(groups["index"], groups["region"], strict=True)) == mni.atlas_names()


def test_left_and_right_of_a_region_have_the_same_groups(groups):
    paired = groups[groups["hemisphere"] != "M"]
    for name, pair in paired.groupby(regions.base_names(paired)):
        assert sorted(pair["hemisphere"]) == ["L", "R"], name
        left, right = pair[list(regions.GROUPS)].fillna("").to_numpy()
        assert (left == right).all(), name
        for _, row in pair.iterrows():
            assert row["region"] == f"{name}_{row['hemisphere']}"
    middle = groups[groups["hemisphere"] == "M"]
    assert middle["region"].str.match("Vermis").all()
    assert len(paired) == 2 * 56
    assert len(middle) == 8


def test_groups_are_the_ones_that_are_documented(groups):
    assert set(groups["lobe"]) == {
        "frontal", "parietal", "temporal", "occipital", "limbic", "insula", "subcortical",
        "cerebellum",
    }  # fmt: skip
    assert set(groups["segment"].dropna()) == {
        "callosomarginal", "precentral", "central", "parietal", "angular", "temporal",
        "posterior cerebral", "pericallosal", "lenticular nucleus", "thalamus", "hippocampus",
        "cerebellum",
    }  # fmt: skip
    assert set(groups["territory"]) == {"ACA", "MCA", "PCA", "lenticulostriate", "cerebellum"}
    by_name = groups.set_index("region")
    assert by_name.at["Precuneus_L", "territory"] == "ACA"
    assert by_name.at["Angular_R", "territory"] == "MCA"
    assert by_name.at["Calcarine_L", "territory"] == "PCA"
    assert by_name.at["Putamen_R", "segment"] == "lenticular nucleus"


def test_table_has_a_sidecar_that_describes_every_column(groups):
    sidecar = images.sidecar_path(GROUPS.with_suffix(".nii")).read_text(encoding="utf-8")
    for column in groups.columns:
        assert f'"{column}"' in sidecar
    with GROUPS.open(encoding="utf-8") as stream:
        assert len({len(row) for row in csv.reader(stream, delimiter="\t")}) == 1


# --- The atlas ----------------------------------------------------------------


def test_left_regions_lie_left_although_the_atlas_is_stored_from_right_to_left():
    labels, affine = mni.atlas()
    assert nib.aff2axcodes(affine) == ("R", "A", "S")
    for label, name in mni.atlas_names().items():
        x = (affine @ np.append(np.argwhere(labels == label).mean(axis=0), 1))[0]
        if re.search("_[LR]$", name):
            assert (x < 0) == name.endswith("_L"), name
        else:
            assert abs(x) < 4, name


def test_atlas_fits_the_tissue_maps():
    labels, affine = mni.atlas()
    grey, white, tissue_affine = mni.tissue()
    grid = grids.Grid(affine, labels.shape)
    inside = grids.resample(np.minimum(grey + white, 1), tissue_affine, grid, order=1)
    assert (inside[labels > 0] > 0.5).mean() > 0.9


# --- Mapping ------------------------------------------------------------------


def zero_field(path):
    """A displacement field of ITK that moves nothing."""
    image = nib.Nifti1Image(
        np.zeros((20, 24, 20, 1, 3), np.float32), mni.tissue()[2] @ np.diag([5, 5, 5, 1.0])
    )
    image.header.set_intent("vector")
    image.to_filename(path)


def test_atlas_and_mask_follow_the_transform_by_one_interpolation(tmp_path):
    labels, affine = mni.atlas()
    shift = np.eye(4)
    shift[:3, 3] = [20, -14, 6]  # the subject's PET lies so much right, back and up of MNI
    grid = grids.Grid(shift @ affine, labels.shape)
    images.write_image(tmp_path / "pet.nii.gz", labels.astype(np.float32), grid.affine)
    # A SPECT that ends 40 mm above the lowest slice of the PET.
    spect_affine = grid.affine.copy()
    spect_affine[2, 3] += 40
    images.write_image(tmp_path / "spect.nii.gz", np.ones(labels.shape, np.float32), spect_affine)
    itk.write_linear(tmp_path / "rigid.mat", np.eye(4))
    itk.write_linear(tmp_path / "affine.mat", shift)
    zero_field(tmp_path / "inverse.nii.gz")
    mapping.map_regions(
        study_pet=tmp_path / "pet.nii.gz",
        pet=tmp_path / "pet.nii.gz",
        spect=tmp_path / "spect.nii.gz",
        transform=tmp_path / "rigid.mat",
        affine=tmp_path / "affine.mat",
        inverse_warp=tmp_path / "inverse.nii.gz",
        mask=tmp_path / "mask.nii.gz",
        dseg=tmp_path / "dseg.nii.gz",
        made_by={},
    )
    mask = images.read_image(tmp_path / "mask.nii.gz")[0] > 0
    dseg = images.read_image(tmp_path / "dseg.nii.gz")[0]
    assert not mask[:, :, :20].any()
    assert mask[:, :, 21:].any(axis=(0, 1)).any()
    assert np.array_equal(dseg, np.where(mask, labels, 0))
    assert (dseg > 0).sum() > 50_000
    covered = json.loads((tmp_path / "mask.json").read_text())["BrainCovered"]
    whole = grids.resample(*mni.brain_share(), grids.Grid(affine, labels.shape), order=1) > 0.5
    assert covered == pytest.approx(mask.sum() / whole.sum(), abs=0.001)
    assert 0.6 < covered < 0.97


def test_displacements_are_read_as_itk_means_them(tmp_path):
    field = np.zeros((4, 5, 6, 1, 3), np.float32)
    field[..., 0], field[..., 1], field[..., 2] = 3, 5, 7  # LPS
    image = nib.Nifti1Image(field, np.diag([10.0, 10, 10, 1]))
    image.header.set_intent("vector")
    image.to_filename(tmp_path / "field.nii.gz")
    points = np.array([[15.0, 15, 15], [1000, 0, 0]])
    moved = itk.displace(points, tmp_path / "field.nii.gz")
    assert np.allclose(moved, [[12, 10, 22], [1000, 0, 0]])


# --- Means --------------------------------------------------------------------


def small_case():
    groups = pd.DataFrame(
        {
            "index": [11, 12, 21, 22, 90],
            "region": ["Front_L", "Front_R", "Deep_L", "Deep_R", "Vermis_3"],
            "hemisphere": ["L", "R", "L", "R", "M"],
            "lobe": ["frontal", "frontal", "frontal", "frontal", "cerebellum"],
            "segment": ["central", "central", None, None, "cerebellum"],
            "territory": ["ACA", "ACA", "MCA", "MCA", "cerebellum"],
        }
    )
    dseg = np.zeros((4, 4, 4), np.float32)
    dseg[0, :, 0], dseg[1, :2, 0], dseg[2, :, 1], dseg[3, 0, 2] = 11, 21, 12, 90
    mask = np.ones(dseg.shape)
    mask[0, 3, 0] = 0  # one voxel of Front_L is outside the brain
    image = np.zeros(dseg.shape, np.float32)
    image[0, :, 0] = [10, 20, 30, 1000]
    image[1, :2, 0] = [40, 60]
    image[2, :, 1] = 7
    image[3, 0, 2] = 5
    return groups, dseg, mask, image


def value(table, atlas, region, hemisphere, column):
    row = table[
        (table["atlas"] == atlas)
        & (table["region"] == region)
        & (table["hemisphere"] == hemisphere)
    ]
    assert len(row) == 1
    return row[column].item()


def test_means_of_regions_and_groups():
    groups, dseg, mask, image = small_case()
    table = regions.region_table({"pet": image, "spect": 2 * image}, dseg, mask, groups, 1)
    assert list(table.columns) == ["atlas", "region", "hemisphere", "voxels", "pet", "spect"]
    assert value(table, "aal", "Front", "L", "pet") == pytest.approx(20)
    assert value(table, "aal", "Front", "L", "voxels") == 3
    assert value(table, "aal", "Front", "R", "pet") == pytest.approx(7)
    # A group's mean weighs voxels, not regions: (10 + 20 + 30 + 40 + 60) / 5.
    assert value(table, "lobe", "frontal", "L", "pet") == pytest.approx(32)
    assert value(table, "lobe", "frontal", "L", "spect") == pytest.approx(64)
    assert value(table, "territory", "MCA", "L", "pet") == pytest.approx(50)
    # Regions without a segment stay out of that atlas.
    assert value(table, "segment", "central", "L", "voxels") == 3
    assert not ((table["atlas"] == "segment") & (table["voxels"] == 5)).any()
    # Absent ones have no row.
    assert table[table["region"] == "Deep"]["hemisphere"].tolist() == ["L"]


def test_small_regions_are_left_out():
    groups, dseg, mask, image = small_case()
    table = regions.region_table({"pet": image}, dseg, mask, groups, min_voxels=3)
    aal = table[table["atlas"] == "aal"]
    assert sorted(zip(aal["region"], aal["hemisphere"], strict=True)) == [
        ("Front", "L"),
        ("Front", "R"),
    ]
    assert value(table, "lobe", "frontal", "L", "voxels") == 5


def test_float_sums_are_exact_enough_in_large_regions(groups):
    labels, _ = mni.atlas()
    image = np.full(labels.shape, 50.1, np.float32)
    table = regions.region_table({"pet": image}, labels, labels > 0, groups)
    assert np.abs(table["pet"] - np.float32(50.1)).max() < 1e-4
    assert set(table["atlas"]) == {"aal", "lobe", "segment", "territory"}
    assert len(table[table["atlas"] == "lobe"]) == 2 * 8 + 1
    voxels = table.groupby("atlas")["voxels"].sum()
    assert voxels["lobe"] == voxels["territory"] == (labels > 0).sum()
