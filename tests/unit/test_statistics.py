"""Regression and paired tests against certified, published and R's numbers."""

import math

import numpy as np
import pandas as pd
import pytest

from spect2pet.evaluate import evaluation, published, study
from spect2pet.evaluate.statistics import linear_regression, paired_comparison

# NIST Statistical Reference Datasets, linear regression, Norris (ozone monitors).
NORRIS_Y = [
    0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1,
    668.8, 339.3, 448.9, 10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0,
    998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2, 0.2,
]  # fmt: skip
NORRIS_X = [
    0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5,
    666.9, 338.0, 447.5, 11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2,
    999.0, 779.0, 11.1, 118.3, 229.2, 669.1, 448.9, 0.5,
]  # fmt: skip
#: Student's t, 97.5th percentile, 34 degrees of freedom (printed tables: 2.032).
T_34 = 2.0322445

# Anscombe, Am Stat 27:17 (1973).
ANSCOMBE_X = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
ANSCOMBE_X4 = [8, 8, 8, 8, 8, 8, 8, 19, 8, 8, 8]
ANSCOMBE = [
    (ANSCOMBE_X, [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]),
    (ANSCOMBE_X, [9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74]),
    (ANSCOMBE_X, [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73]),
    (ANSCOMBE_X4, [6.58, 5.76, 7.71, 8.84, 8.47, 7.04, 5.25, 12.50, 5.56, 7.91, 6.89]),
]


def test_regression_meets_the_certified_values_of_nist():
    line = linear_regression(NORRIS_X, NORRIS_Y)
    assert line.n == 36
    assert line.slope == pytest.approx(1.00211681802045, rel=1e-12)
    assert line.intercept == pytest.approx(-0.262323073774029, rel=1e-9)
    assert line.r**2 == pytest.approx(0.999993745883712, rel=1e-12)
    # Certified standard deviations of the estimates give the intervals.
    assert line.slope_high - line.slope == pytest.approx(T_34 * 0.429796848199937e-3, rel=1e-6)
    assert line.intercept - line.intercept_low == pytest.approx(T_34 * 0.232818234301152, rel=1e-6)


@pytest.mark.parametrize(("x", "y"), ANSCOMBE)
def test_anscombes_four_sets_share_one_line(x, y):
    line = linear_regression(x, y)
    assert line.slope == pytest.approx(0.500, abs=5e-4)
    assert line.intercept == pytest.approx(3.00, abs=5e-3)
    assert line.r == pytest.approx(0.816, abs=1e-3)
    assert line.p == pytest.approx(0.00217, abs=2e-5)


def test_interval_of_r_is_fishers():
    # Zar, Biostatistical Analysis, examples 19.1 and 19.2: wing and tail length of sparrows.
    wing = [10.4, 10.8, 11.1, 10.2, 10.3, 10.2, 10.7, 10.5, 10.8, 11.2, 10.6, 11.4]
    tail = [7.4, 7.6, 7.9, 7.2, 7.4, 7.1, 7.4, 7.2, 7.8, 7.7, 7.8, 8.3]
    line = linear_regression(wing, tail)
    assert line.r == pytest.approx(0.870, abs=5e-4)
    assert (line.r_low, line.r_high) == pytest.approx((0.592, 0.963), abs=1.5e-3)


@pytest.mark.parametrize(
    ("x", "y", "n"),
    [([], [], 0), ([1, 2], [3, 4], 2), ([5, 5, 5, 5], [1, 2, 3, 4], 4), ([1, 2, 3], [7, 7, 7], 3),
     ([1, 2, np.nan, 4], [1, np.nan, 3, 4], 2)],
)  # fmt: skip
def test_points_that_give_no_line_give_their_number_alone(x, y, n):
    line = linear_regression(x, y)
    assert line.n == n
    assert math.isnan(line.slope) and math.isnan(line.r) and math.isnan(line.p)


def test_three_points_have_a_line_but_no_interval_of_r():
    line = linear_regression([0, 1, 2], [0, 1, 3])
    assert line.slope == pytest.approx(1.5)
    assert math.isnan(line.r_low)


def test_paired_t_meets_students_sleep_data():
    # Student, Biometrika 6:1 (1908); numbers as R's paired t.test of its data set `sleep` prints.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    result = paired_comparison(first, second)
    assert (result.n, result.before_mean, result.after_mean) == (10, 0.75, pytest.approx(2.33))
    assert result.difference == pytest.approx(1.58)
    assert result.t == pytest.approx(4.0621, abs=5e-5)
    assert result.t_p == pytest.approx(0.002833, abs=5e-7)
    assert result.difference_low == pytest.approx(0.7001142, abs=5e-7)
    assert result.difference_high == pytest.approx(2.4598858, abs=5e-7)


def test_signed_rank_meets_hollander_and_wolfe():
    # Hollander & Wolfe (1973), depression scale factor; R's help page of wilcox.test:
    # V = 40 of 45, one-sided p = 0.01953.
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    result = paired_comparison(before, after)
    assert result.wilcoxon == 45 - 40
    assert result.wilcoxon_p == pytest.approx(2 * 0.01953, abs=1e-5)


def test_too_few_pairs_give_means_but_no_test():
    assert paired_comparison([], []).n == 0
    one = paired_comparison([0.7], [0.8])
    assert one.difference == pytest.approx(0.1)
    assert math.isnan(one.before_sd) and math.isnan(one.t_p)
    same = paired_comparison([0.7, 0.8], [0.7, 0.8])
    assert same.difference == 0 and math.isnan(same.wilcoxon_p)


# --- Tables of the study ------------------------------------------------------

SPLIT = {"a": "train", "b": "train", "c": "validation", "d": "test", "e": "test", "f": "test"}


def regions_of(subject, *, scale=1.0, relative=False):
    """A subject whose SPECT is 10 + PET / 2 and whose P2P is PET / 2, times a scale."""
    pet = scale * np.array([20.0, 40.0, 60.0, 40.0])
    return pd.DataFrame(
        {
            "subject": subject,
            "atlas": ["lobe", "lobe", "lobe", evaluation.BRAIN],
            "region": ["one", "two", "three", evaluation.BRAIN],
            "hemisphere": "L",
            "voxels": 10,
            "spect": scale * 10 + pet / 2,
            "p2p": pet / 2,
            "pet": pet,
            "relative": relative,
        }
    )


def similarity_of(subject, spect, p2p):
    rows = pd.DataFrame({"subject": subject, "image": ["SPECT", "P2P"], "relative": False})
    for measure in evaluation.MEASURES:
        rows[measure] = [spect, p2p]
    return rows


@pytest.fixture
def similarity():
    gains = {"a": 0.3, "b": 0.3, "c": 0.3, "d": 0.05, "e": 0.06, "f": -0.01}
    tables = [similarity_of(name, 0.7, 0.7 + gain) for name, gain in gains.items()]
    return study.with_sets(pd.concat(tables), SPLIT)


def lines_of(tables):
    return study.regress_regions(study.with_sets(pd.concat(tables), SPLIT))


@pytest.fixture
def regression():
    return lines_of([regions_of(name) for name in SPLIT])


def test_sets_stay_apart_and_the_test_set_comes_first(similarity):
    assert list(similarity["set"].unique()) == ["test", "validation", "train"]
    tests = study.compare_similarity(similarity).set_index(["set", "measure"])
    of_test = tests.loc[("test", "ssim_slice")]
    assert (of_test["n"], of_test["improved"]) == (3, 2)
    assert of_test["difference"] == pytest.approx(0.1 / 3)
    assert tests.loc[("train", "ssim_slice"), "difference"] == pytest.approx(0.3)
    # A lower NRMSE is the better one.
    assert tests.loc[("test", "nrmse"), "improved"] == 1


def test_tests_are_corrected_over_measures_and_say_how_large_the_difference_is(similarity):
    tests = study.compare_similarity(similarity, seed=3).set_index(["set", "measure"])
    assert len(tests.loc["test"]) == len(evaluation.MEASURES)
    of_test = tests.loc[("test", "ssim_slice")]
    # All measures have the same p value here, so that Holm multiplies it by their number.
    expected = min(1, len(evaluation.MEASURES) * of_test["t_p"])
    assert of_test["t_p_holm"] == pytest.approx(expected)
    gains = np.array([0.05, 0.06, -0.01])
    assert of_test["cohen_dz"] == pytest.approx(gains.mean() / gains.std(ddof=1))
    assert of_test["bootstrap_low"] < of_test["difference"] < of_test["bootstrap_high"]
    one = tests.loc[("validation", "ssim_slice")]
    assert math.isnan(one["cohen_dz"]) and math.isnan(one["wilcoxon_p_holm"])


def test_subgroups_share_a_value_of_the_subjects_table(similarity):
    values = {
        "scanner": {"d": "mCT", "e": "mCT", "f": "Vision", "a": "mCT", "b": None, "c": "Vision"},
        "group": dict.fromkeys(SPLIT, "patient"),
    }
    table = study.compare_subgroups(similarity, values)
    rows = table.set_index(["set", "column", "value"])
    assert rows.loc[("test", "scanner", "mCT"), "n"] == 2
    assert rows.loc[("test", "scanner", "mCT"), "gain"] == pytest.approx(0.055)
    assert rows.loc[("test", "scanner", "Vision"), "p2p_mean"] == pytest.approx(0.69)
    assert math.isnan(rows.loc[("test", "scanner", "Vision"), "gain_low"])
    assert rows.loc[("test", "group", "patient"), "n"] == 3
    # A subject of whom the table says nothing is in no group.
    assert rows.loc[("train", "scanner", "mCT"), "n"] == 1
    assert list(study.compare_subgroups(similarity, {}).columns) == list(table.columns)


def test_a_subject_outside_the_split_is_an_error():
    with pytest.raises(KeyError):
        study.with_sets(regions_of("nobody"), SPLIT)


def test_lines_of_known_regions(regression):
    line = regression.set_index(["set", "atlas", "scale", "y", "x"]).loc[
        ("test", "lobe", "absolute", "SPECT", "PET")
    ]
    assert (line["n"], line["subjects"]) == (9, 3)
    assert line["slope"] == pytest.approx(0.5) and line["intercept"] == pytest.approx(10)
    assert set(regression["atlas"]) == {"lobe"}, "the whole brain is no region"


def test_relative_scale_cancels_each_images_own_calibration():
    tables = [regions_of("d"), regions_of("e", scale=3.0), regions_of("f", scale=0.4)]
    lines = lines_of(tables).set_index(["scale", "y", "x"])
    absolute, relative = (lines.loc[(scale, "P2P", "PET")] for scale in evaluation.SCALES)
    assert relative["slope"] == pytest.approx(1) and relative["intercept"] == pytest.approx(0)
    assert absolute["slope"] == pytest.approx(0.5)


def test_subjects_known_only_relative_enter_no_absolute_line():
    tables = [regions_of("d"), regions_of("e", relative=True), regions_of("f", relative=True)]
    lines = lines_of(tables).set_index(["scale", "y", "x"])
    absolute, relative = (lines.loc[(scale, "SPECT", "PET")] for scale in evaluation.SCALES)
    assert (absolute["subjects"], absolute["relative"]) == (1, False)
    assert (relative["subjects"], relative["relative"]) == (3, True)
    none = lines_of(tables[1:]).set_index(["scale", "y", "x"])
    assert none.loc[("absolute", "SPECT", "PET"), "n"] == 0
    assert math.isnan(none.loc[("absolute", "SPECT", "PET"), "slope"])


def test_published_numbers_in_their_own_unit(similarity, regression):
    tests = study.compare_similarity(similarity)
    table = study.beside_published(tests, regression, "lobe").set_index("measure")
    intercept = table.loc["intercept, SPECT on PET"]
    assert intercept["unit"] == "mL/mL/min"
    assert intercept["published"] == 0.13
    assert intercept["this_run"] == pytest.approx(10 / 100)
    assert intercept["difference"] == pytest.approx(-0.03)
    assert table.loc["SSIM, P2P against PET", "n"] == 3
    assert len(table) == len(published.SSIM) + 3 * len(published.LINES)


def test_headline_is_of_test_subjects_only(similarity, regression):
    agreement = pd.DataFrame(
        [
            {
                "set": name,
                "atlas": "lobe",
                "scale": "absolute",
                "y": "P2P",
                "x": "PET",
                "mixed_p": p,
            }
            for name, p in (("test", 0.03), ("train", 0.001))
        ]
    )
    summary = study.summarise(
        SPLIT, study.compare_similarity(similarity), regression, agreement, "lobe"
    )
    assert summary["sets"] == {"test": 3, "validation": 1, "train": 2}
    headline = summary["headline"]
    assert headline["set"] == "test"
    assert headline["similarity"]["ssim_slice"]["n"] == 3
    assert headline["regression"]["absolute"]["P2P on PET"]["slope"] == pytest.approx(0.5)
    assert headline["agreement"]["absolute"]["P2P on PET"] == {"mixed_p": 0.03}
    # One validation subject: no spread and no test, and JSON says so with null.
    assert summary["other_sets"]["validation"]["similarity"]["ssim_slice"]["t_p"] is None


def test_a_study_without_numbers_still_has_a_table(similarity, regression):
    tests = study.compare_similarity(similarity[similarity["set"] != "test"])
    table = study.beside_published(tests, regression, "segment").set_index("measure")
    assert table["this_run"].isna().all() and (table["n"] == 0).all()
