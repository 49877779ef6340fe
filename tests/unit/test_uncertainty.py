"""Calibration of uncertainty, where it is known to be calibrated and where it is noise."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spect2pet.core.errors import InputError
from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate import evaluation_columns, pooled_uncertainty, study, uncertainty
from spect2pet.figures import style, uncertainty_figure

SHAPE = (30, 32, 24)
ABSOLUTE = {"SPECT": False, "P2P": False, "PET": False}
SPLIT = {"a": "train", "b": "validation", "d": "test", "e": "test", "f": "test"}


def subject_of(seed, calibrated=True, scale=1.0):
    """A subject whose error has a known standard deviation; all of P2P times a scale.

    The uncertainty is that standard deviation, or its values in places drawn by chance.
    """
    draw = np.random.default_rng(seed)
    mask = np.zeros(SHAPE)
    mask[4:26, 4:28, 3:21] = 1
    pet = draw.uniform(20, 60, SHAPE)
    sd = draw.uniform(1, 5, SHAPE)
    of_error = sd if calibrated else draw.permutation(sd.ravel()).reshape(SHAPE)
    p2p = pet + of_error * draw.standard_normal(SHAPE)
    return {"P2P": scale * p2p, "uncertainty": scale * sd, "PET": pet}, mask


def measure_images(label, images, relative, mask):
    return uncertainty.measure_subject(label, images, images["uncertainty"], relative, mask)


def measure(label, seed, **how):
    return measure_images(label, *_with_flags(subject_of(seed, **how)))


def _with_flags(subject, **relative):
    images, mask = subject
    return images, {**ABSOLUTE, **relative}, mask


def study_of(**how):
    tables = [measure(label, seed, **how) for seed, label in enumerate(SPLIT)]
    return study.with_sets(pd.concat(tables), SPLIT)


# --- One subject ----------------------------------------------------------------


def test_bins_have_equally_many_voxels_in_order_of_the_standard_deviation():
    images, mask = subject_of(1)
    table = measure_images("a", images, ABSOLUTE, mask)
    assert list(table.columns) == list(evaluation_columns.SUBJECT_UNCERTAINTY)
    absolute = table[table["scale"] == "absolute"]
    assert absolute["bin"].tolist() == list(range(1, 11))
    assert absolute["voxels"].sum() == mask.sum()
    assert np.ptp(absolute["voxels"]) <= 1
    assert absolute["sd"].is_monotonic_increasing


def test_bins_are_those_of_pandas_quantiles():
    images, mask = subject_of(2)
    brain = mask > 0
    voxels = pd.DataFrame(
        {"sd": images["uncertainty"][brain], "error": (images["P2P"] - images["PET"])[brain]}
    )
    voxels["bin"] = pd.qcut(voxels["sd"].rank(method="first"), 10, labels=False) + 1
    expected = voxels.groupby("bin").agg(
        sd=("sd", "mean"), rmse=("error", lambda e: np.sqrt((e**2).mean()))
    )
    table = measure_images("a", images, ABSOLUTE, mask)
    found = table[table["scale"] == "absolute"].set_index("bin")
    np.testing.assert_allclose(found["sd"], expected["sd"], rtol=1e-3)
    np.testing.assert_allclose(found["rmse"], expected["rmse"], rtol=0.02)
    ranks = stats.rankdata(voxels["sd"]), stats.rankdata(voxels["error"].abs())
    assert found["spearman"].iloc[0] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert np.ptp(found["spearman"]) == 0


def test_calibrated_standard_deviation_is_the_error():
    table = measure("a", 3).query("scale == 'absolute'")
    np.testing.assert_allclose(table["rmse"] / table["sd"], 1, atol=0.1)
    assert table["spearman"].iloc[0] > 0.25


def test_noise_foretells_nothing():
    table = measure("a", 4, calibrated=False).query("scale == 'absolute'")
    assert abs(table["spearman"].iloc[0]) < 0.03
    # All bins have the error of the whole, the root of the mean of sd² from 1 to 5.
    np.testing.assert_allclose(table["rmse"], np.sqrt(31 / 3), rtol=0.1)


def test_relative_scale_cancels_an_error_of_quantification():
    images, mask = subject_of(5, scale=1.3)
    table = measure_images("a", images, ABSOLUTE, mask)
    by_scale = table.set_index(["scale", "bin"])
    right, wrong = (by_scale.loc[scale] for scale in ("relative", "absolute"))
    np.testing.assert_allclose(right["rmse"] / right["sd"], 1, atol=0.1)
    assert (wrong["rmse"] > right["rmse"]).all()
    assert wrong["rmse"].iloc[0] > 3 * right["rmse"].iloc[0]
    assert right["spearman"].iloc[0] > wrong["spearman"].iloc[0] + 0.1
    # Both images to a mean of 50: an image of mean 40 and its standard deviation grow by 5/4.
    unscaled, _ = subject_of(5)
    plain = measure_images("a", unscaled, ABSOLUTE, mask)
    factor = 50 / unscaled["P2P"][mask > 0].mean()
    np.testing.assert_allclose(right["sd"], factor * plain["sd"][:10], rtol=1e-6)


def test_a_subject_known_only_relative_has_no_absolute_scale():
    table = measure_images("a", *_with_flags(subject_of(6), PET=True))
    assert set(table["scale"]) == {"relative"}
    assert table["relative"].all()


def test_networks_that_agree_everywhere_have_no_rank_correlation():
    images, mask = subject_of(7)
    images["uncertainty"] = np.zeros(SHAPE)
    table = measure_images("a", images, ABSOLUTE, mask)
    assert table["spearman"].isna().all()
    assert np.isnan(
        pooled_uncertainty.summarise(study.with_sets(table, {"a": "test"}))["ratio"]
    ).all()


def test_an_empty_brain_names_the_subject():
    images, mask = subject_of(8)
    with pytest.raises(InputError, match="sub-a: the brain mask has 0 voxels"):
        measure_images("a", images, ABSOLUTE, 0 * mask)


def test_an_uncertainty_of_another_grid_names_the_subject():
    images, mask = subject_of(8)
    with pytest.raises(InputError, match=r"sub-a: the uncertainty map has .2, 3, 4. voxels"):
        uncertainty.measure_subject("a", images, np.ones((2, 3, 4)), ABSOLUTE, mask)


# --- The study --------------------------------------------------------------------


def test_calibrated_networks_have_a_slope_of_one_and_grow():
    summary = pooled_uncertainty.summarise(study_of())
    assert set(summary.columns) == set(evaluation_columns.UNCERTAINTY_SUMMARY)
    assert len(summary) == 3 * 2 * 10
    for scale in ("absolute", "relative"):
        test = summary[(summary["set"] == "test") & (summary["scale"] == scale)]
        assert test["subjects"].tolist() == [3] * 10
        np.testing.assert_allclose(test["ratio"], 1, atol=0.06)
        assert test["slope"].iloc[0] == pytest.approx(1, abs=0.06)
        assert test["slope_low"].iloc[0] < 1.02 and test["slope_high"].iloc[0] > 0.98
        assert test["intercept"].iloc[0] == pytest.approx(0, abs=0.2)
        assert test["grows"].all()


def test_noise_does_not_grow():
    summary = pooled_uncertainty.summarise(study_of(calibrated=False))
    test = summary[(summary["set"] == "test") & (summary["scale"] == "relative")].iloc[0]
    assert test["slope"] == pytest.approx(0, abs=0.06)
    assert test["spearman_low"] < 0.02
    assert not summary["grows"].any()


def test_pooled_bins_are_means_over_subjects_and_the_interval_is_students():
    table = study_of()
    members = table[(table["set"] == "test") & (table["scale"] == "absolute")]
    summary = pooled_uncertainty.summarise(table)
    pooled = summary[(summary["set"] == "test") & (summary["scale"] == "absolute")]
    third = members[members["bin"] == 3]
    assert pooled["rmse"].iloc[2] == pytest.approx(third["rmse"].mean())
    expected = stats.linregress(pooled["sd"], pooled["rmse"])
    assert pooled["slope"].iloc[0] == pytest.approx(expected.slope)
    values = third["spearman"]
    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert pooled["spearman"].iloc[0] == pytest.approx(values.mean())
    assert pooled["spearman_low"].iloc[0] == pytest.approx(interval.low)
    assert pooled["spearman_high"].iloc[0] == pytest.approx(interval.high)


def test_one_subject_shows_no_growth():
    summary = pooled_uncertainty.summarise(study_of())
    assert summary[summary["set"] == "train"]["spearman_low"].isna().all()
    assert not summary[summary["set"] == "train"]["grows"].any()


# --- The figure -------------------------------------------------------------------


@pytest.fixture
def example():
    images, mask = subject_of(9, scale=1.2)
    mask[2:28, 2:30, 10] = 1
    return uncertainty_figure.example_of("d", images, mask)


def test_example_is_scaled_and_in_the_slice_with_most_brain(example):
    assert example.brain.sum() == 26 * 28
    assert example.planes["P2P"][example.brain].mean() == pytest.approx(50, abs=1)
    error = example.planes["|P2P − PET|"][example.brain]
    assert error.min() >= 0
    assert np.corrcoef(example.planes["standard deviation"][example.brain], error)[0, 1] > 0.2


def test_figure_shows_test_subjects_only(example):
    table = study_of()
    figure = uncertainty_figure.draw_uncertainty(
        table, pooled_uncertainty.summarise(table), example
    )
    absolute, relative = (part for part in figure.subfigs[0].axes)
    for cell in (absolute, relative):
        # Three subjects, their mean and the identity.
        assert [len(line.get_xdata()) for line in cell.lines] == [10, 10, 10, 10, 2]
        assert "n = 3 subjects" in cell.texts[0].get_text()
    titles = [cell.get_title() for cell in figure.subfigs[1].axes if cell.images]
    assert titles == ["P2P", "standard deviation", "|P2P − PET|"]


def test_a_study_known_only_relative_has_no_absolute_panel(example):
    tables = [
        measure_images(label, *_with_flags(subject_of(seed), P2P=True))
        for seed, label in enumerate(SPLIT)
    ]
    table = study.with_sets(pd.concat(tables), SPLIT)
    figure = uncertainty_figure.draw_uncertainty(
        table, pooled_uncertainty.summarise(table), example
    )
    assert figure.subfigs[0].axes[0].texts[0].get_text() == "known only relative"


def test_figure_saved_twice_is_the_same_and_research_only(example, tmp_path):
    table = study_of()
    summary = pooled_uncertainty.summarise(table)
    for name in ("one", "two"):
        figure = uncertainty_figure.draw_uncertainty(table, summary, example)
        style.save(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for kind in ("png", "svg"):
        one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert RESEARCH_ONLY in (tmp_path / "one.svg").read_text()
