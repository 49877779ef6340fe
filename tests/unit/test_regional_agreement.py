"""Tables and figure of regional agreement, from regions whose relation is known."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from spect2pet.cohort import truth
from spect2pet.core import tables
from spect2pet.core.errors import InputError
from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate import agreement_columns as columns
from spect2pet.evaluate import regional_agreement
from spect2pet.evaluate.evaluation import BRAIN
from spect2pet.figures import agreement_figure, style

SETS = {"a": "train", "b": "validation", "c": "test", "d": "test", "e": "test", "f": "test"}
NAMES = [f"region{number}" for number in range(12)]


def regions_of(subject, name_of_set, draw, *, relative=False, known=True):
    """A subject whose PET is its true flow with noise, and whose SPECT has half of the contrast."""
    level = draw.uniform(40, 60)
    true = level * draw.uniform(0.5, 1.5, (12, 2))
    true[0, 0] = 0.5 * true[0, 1]  # a deficit on the left
    pet = true + draw.normal(0, 1, true.shape)
    spect = 0.5 * (level + true) + draw.normal(0, 1, true.shape)
    p2p = true + 3 + draw.normal(0, 2, true.shape)
    table = pd.DataFrame(
        {
            "subject": subject, "set": name_of_set, "atlas": "aal", "region": np.repeat(NAMES, 2),
            "hemisphere": ["L", "R"] * 12, "voxels": 100, "spect": spect.ravel(),
            "p2p": p2p.ravel(), "pet": pet.ravel(), "truth": true.ravel() if known else np.nan,
            "relative": relative,
        }
    )  # fmt: skip
    lobe = table.assign(atlas="lobe").iloc[:8]
    middle = lobe.iloc[:1].assign(region="vermis", hemisphere="M")
    names = ["spect", "p2p", "pet", "truth"]
    brain = table.iloc[:1].assign(atlas=BRAIN, region=BRAIN, hemisphere="both")
    brain[names] = table[names].mean().to_numpy()
    return pd.concat([table, lobe, middle, brain], ignore_index=True)


def study_of(**more):
    draw = np.random.default_rng(3)
    return pd.concat(
        [regions_of(subject, name, draw, **more) for subject, name in SETS.items()],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def regions():
    return study_of()


@pytest.fixture(scope="module")
def agreement(regions):
    return regional_agreement.agree(regions, seed=1)


@pytest.fixture(scope="module")
def asymmetry(regions):
    return regional_agreement.compare_asymmetry(regions, seed=1)


def test_every_set_atlas_scale_and_pair_has_a_row_and_every_column_a_description(
    agreement, asymmetry, tmp_path
):
    assert len(agreement) == 3 * 2 * 2 * 6
    assert len(asymmetry) == 3 * 2 * 6
    assert list(agreement["set"].unique()) == ["test", "validation", "train"]
    assert list(zip(agreement["y"][:6], agreement["x"][:6], strict=True)) == [
        ("SPECT", "PET"), ("P2P", "PET"), ("P2P", "SPECT"),
        ("SPECT", "truth"), ("P2P", "truth"), ("PET", "truth"),
    ]  # fmt: skip
    tables.write_table(tmp_path / "agreement.tsv", agreement, columns.AGREEMENT, {})
    tables.write_table(tmp_path / "asymmetry.tsv", asymmetry, columns.ASYMMETRY, {})
    again = tables.read_table(tmp_path / "agreement.tsv")
    assert again["slope"].to_numpy() == pytest.approx(agreement["slope"].to_numpy(), rel=1e-5)


def row_of(table, **where):
    chosen = table[(table[list(where)] == pd.Series(where)).all(axis=1)]
    assert len(chosen) == 1
    return chosen.iloc[0]


HEADLINE = {"set": "test", "atlas": "aal", "scale": "absolute"}


def test_numbers_are_those_of_the_test_subjects_points(agreement, regions):
    points = regions[(regions["set"] == "test") & (regions["atlas"] == "aal")]
    row = row_of(agreement, **HEADLINE, y="P2P", x="truth")
    assert (row["subjects"], row["n"]) == (4, 4 * 24)
    assert row["slope"] == pytest.approx(np.polyfit(points["truth"], points["p2p"], 1)[0])
    assert row["r"] == pytest.approx(np.corrcoef(points["truth"], points["p2p"])[0, 1])
    assert row["bias"] == pytest.approx((points["p2p"] - points["truth"]).mean())
    assert row["bias"] == pytest.approx(3, abs=0.6)
    assert row["lower_limit"] == pytest.approx(3 - 1.96 * 2, abs=1)
    for name in ("mixed_slope", "deming_slope", "passing_bablok_slope"):
        assert row[f"{name}_low"] < 1 < row[f"{name}_high"], name


def test_every_line_finds_the_lost_contrast_of_spect(agreement):
    row = row_of(agreement, **HEADLINE, y="SPECT", x="truth")
    for name in ("slope", "mixed_slope"):
        assert row[name] < 0.75, name
    spect, p2p = (row_of(agreement, **HEADLINE, y=image, x="truth") for image in ("SPECT", "P2P"))
    assert spect["ccc"] < p2p["ccc"] and spect["icc_3_1"] < p2p["icc_3_1"]
    # SPECT is too high where flow is low, and the other way round.
    assert spect["proportional_slope"] < -0.3 and spect["proportional_p"] < 0.05


def test_an_image_is_not_judged_by_its_scale_on_the_relative_scale():
    plain, scaled = study_of(), study_of()
    scaled["p2p"] *= scaled["subject"].map(dict(zip(SETS, (0.7, 1, 1.4, 0.8, 1.2, 1), strict=True)))
    for table in (plain, scaled):
        found = regional_agreement.agree(table, seed=1)
        row = row_of(found, **HEADLINE | {"scale": "relative"}, y="P2P", x="PET")
        if table is plain:
            expected = row
    names = ["slope", "r", "ccc", "icc_2_1", "bias", "mixed_slope", "passing_bablok_slope"]
    assert row[names].tolist() == pytest.approx(expected[names].tolist())


def test_subjects_known_only_relative_take_part_on_the_relative_scale_alone():
    table = study_of(relative=True)
    found = regional_agreement.agree(table, seed=1)
    assert set(found["scale"]) == {"relative"} and found["relative"].all()


def test_without_truth_there_are_the_three_pairs_of_the_study():
    table = study_of(known=False)
    for found in (
        regional_agreement.agree(table, seed=1),
        regional_agreement.compare_asymmetry(table, seed=1),
    ):
        assert set(found["x"]) == {"PET", "SPECT"}
        assert list(found.columns) in (list(columns.AGREEMENT), list(columns.ASYMMETRY))


def test_a_single_subject_has_numbers_but_no_interval_over_subjects(agreement):
    row = row_of(agreement, **HEADLINE | {"set": "train"}, y="P2P", x="PET")
    assert row["subjects"] == 1
    assert np.isfinite(row[["slope", "deming_slope", "ccc", "bias"]].astype(float)).all()
    for name in ("mixed_slope", "cluster_r_low", "deming_slope_low", "bias_low", "upper_limit"):
        assert np.isnan(row[name]), name


def test_an_image_that_is_the_other_agrees_fully():
    table = study_of()
    table["p2p"] = table["spect"]
    row = row_of(regional_agreement.agree(table, seed=1), **HEADLINE, y="P2P", x="SPECT")
    names = ["slope", "r", "deming_slope", "passing_bablok_slope", "ccc", "icc_2_1", "icc_3_1"]
    assert row[names].tolist() == pytest.approx([1] * len(names))
    assert row["bias"] == row["upper_limit"] == 0
    assert np.isnan(row["mixed_slope"])


# --- Left and right ---------------------------------------------------------------


def test_the_asymmetry_index_is_the_difference_in_percent_of_the_mean():
    table = study_of().query("subject == 'c' and atlas == 'aal'")
    index = regional_agreement.asymmetry_index(table).set_index("region")
    left, right = (
        table[table["hemisphere"] == side].set_index("region")["truth"] for side in ("L", "R")
    )
    expected = 100 * (left - right) / ((left + right) / 2)
    assert index["truth"].tolist() == pytest.approx(expected.tolist())
    assert index.at["region0", "truth"] == pytest.approx(200 * -0.5 / 1.5)


def test_regions_of_the_midline_and_without_flow_have_no_asymmetry():
    table = study_of()
    index = regional_agreement.asymmetry_index(table[table["atlas"] != BRAIN])
    assert "vermis" not in set(index["region"])
    table["spect"] = 0.0
    found = regional_agreement.asymmetry_index(table[table["atlas"] != BRAIN])
    assert found["spect"].isna().all() and found["pet"].notna().all()


def test_asymmetry_agreement_is_that_of_the_indices(asymmetry, regions):
    index = regional_agreement.asymmetry_index(
        regions[(regions["atlas"] == "aal") & (regions["set"] == "test")]
    )
    row = row_of(asymmetry, set="test", atlas="aal", y="PET", x="truth")
    assert row["n"] == 4 * 12
    assert row["r"] == pytest.approx(np.corrcoef(index["truth"], index["pet"])[0, 1])
    assert row["bias"] == pytest.approx((index["pet"] - index["truth"]).mean())
    assert row["affected"] == (index["truth"].abs() > 10).sum()


def test_the_affected_side_is_found_where_signs_agree():
    side = regional_agreement._affected_side(
        np.array([30.0, -20, 15, -12, 5, -50, 11, 12, -30, 40]),
        np.array([10.5, -11, -3, 4, -9, -9, 12, 2, -30, 40]),
    )
    assert side["affected"] == 9
    assert side["same_side"] == pytest.approx(7 / 9)
    assert side["detected"] == pytest.approx(5 / 9)
    # Wilson's interval of 7 of 9 by hand: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).
    n, p, z = 9, 7 / 9, 1.959964
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = [(middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
    assert [side["same_side_low"], side["same_side_high"]] == pytest.approx(ends, abs=1e-6)
    none = regional_agreement._affected_side(np.array([3.0]), np.array([2.0]))
    assert none["affected"] == 0 and np.isnan(none["same_side"])


def test_spect_with_half_of_the_contrast_underestimates_asymmetry(asymmetry):
    row = row_of(asymmetry, set="test", atlas="aal", y="SPECT", x="truth")
    assert row["same_side"] > 0.9 > row["ccc"]


# --- The true flow -----------------------------------------------------------------


def test_the_true_flow_is_where_the_pose_of_the_pet_puts_it(tmp_path):
    flow = np.zeros((20, 24, 16), np.float32)
    flow[3:6, 8:12, 4:9] = 60  # left
    nib.save(nib.Nifti1Image(flow, np.diag([2, 2, 2, 1.0])), tmp_path / "cbf.nii.gz")
    nib.save(
        nib.Nifti1Image(np.zeros((24, 28, 20), np.float32), np.diag([2, 2, 2, 1.0])),
        tmp_path / "pet.nii.gz",
    )
    pose = np.eye(4)
    pose[:3, 3] = 4, 6, 2  # two, three and one voxel
    (tmp_path / "truth.json").write_text(json.dumps({"pet_pose": pose.tolist()}))
    paths = [tmp_path / name for name in ("truth.json", "cbf.nii.gz", "pet.nii.gz")]
    found = truth.true_flow(*paths)
    expected = np.zeros((24, 28, 20))
    expected[5:8, 11:15, 5:10] = 60
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_truth_without_the_pose_is_an_error(tmp_path):
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(InputError, match=r"truth\.json: does not tell"):
        truth.true_flow(tmp_path / "truth.json", tmp_path / "cbf", tmp_path / "pet")


# --- The figure -------------------------------------------------------------------


def test_figure_shows_bias_and_limits_of_the_test_points(agreement, regions):
    figure = agreement_figure.draw_bland_altman(regions, agreement, "aal")
    assert len(figure.axes) == 6
    row = row_of(agreement, **HEADLINE, y="P2P", x="PET")
    cell = figure.axes[1]
    cloud = next(line for line in cell.lines if line.get_marker() == "o")
    assert len(cloud.get_xdata()) == row["n"]
    assert np.mean(cloud.get_ydata()) == pytest.approx(row["bias"])
    heights = [line.get_ydata()[0] for line in cell.lines if line.get_marker() != "o"]
    assert heights == pytest.approx([0, row["bias"], row["lower_limit"], row["upper_limit"]])
    assert f"limits −{abs(row['lower_limit']):.1f}" in cell.texts[0].get_text()


def test_figure_of_relative_images_says_so():
    table = study_of(relative=True)
    figure = agreement_figure.draw_bland_altman(
        table, regional_agreement.agree(table, seed=1), "aal"
    )
    assert figure.axes[0].texts[0].get_text() == "known only relative"
    assert "bias" in figure.axes[3].texts[0].get_text()


def test_figure_saved_twice_is_the_same_and_research_only(agreement, regions, tmp_path):
    for name in ("one", "two"):
        figure = agreement_figure.draw_bland_altman(regions, agreement, "aal")
        style.save(figure, tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert RESEARCH_ONLY in (tmp_path / "one.svg").read_text()
