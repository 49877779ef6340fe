"""The table of methods, against numbers worked out by hand and by R."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate import comparison, evaluation, evaluation_columns
from spect2pet.evaluate.statistics import holm, mean_interval
from spect2pet.figures import method_figure, style

SETS = {"a": "test", "b": "test", "c": "test", "d": "test", "e": "test", "f": "test", "t": "train"}
SPECT = np.array([0.70, 0.74, 0.80, 0.78, 0.82, 0.76, 0.75])
GAINS = {
    "unet": np.array([0.05, 0.02, -0.01, 0.03, 0.01, 0.02, 0.10]),
    "p2p": np.array([0.08, 0.06, 0.03, 0.07, 0.04, 0.05, 0.15]),
    "ceiling": np.array([0.16, 0.12, 0.10, 0.14, 0.09, 0.11, 0.12]),
}
METHODS = {"unet": "unet", "p2p": "p2p"}


def similarity_of(gain, relative=False):
    """``similarity.tsv`` of a model that gains so much over SPECT."""
    tables = []
    for image, values in (("SPECT", SPECT), ("P2P", SPECT + gain)):
        rows = pd.DataFrame({"subject": list(SETS), "set": list(SETS.values()), "image": image})
        for measure in evaluation.MEASURES:
            rows[measure] = values
        tables.append(rows.assign(relative=relative, psnr_db=20 + 10 * values))
    # As in the file, where the images of a subject stand together.
    return pd.concat(tables).sort_values(["set", "subject"], kind="stable", ignore_index=True)


def regression_of(slope):
    """``regression.tsv`` with lines that tell set, image and scale."""
    rows = [
        {"set": name, "atlas": atlas, "scale": scale, "y": y, "x": x, "intercept": 3.0, "r": 0.9,
         "slope": (0.5 if y == "SPECT" else slope) + (0.25 if scale == "relative" else 0)}
        for name in ("test", "train")
        for atlas in ("aal", "lobe")
        for scale in evaluation.SCALES
        for y, x in (("SPECT", "PET"), ("P2P", "PET"), ("P2P", "SPECT"))
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(slope=table["slope"].where(table["x"] == "PET", -1))


@pytest.fixture
def similarity():
    return {name: similarity_of(gain) for name, gain in GAINS.items()}


@pytest.fixture
def regression():
    return {name: regression_of(slope) for name, slope in zip(GAINS, (0.6, 0.7, 0.95), strict=True)}


@pytest.fixture
def table(similarity, regression):
    return comparison.compare_methods(similarity, regression, METHODS, "aal")


def test_spect_comes_first_and_sets_stay_apart(table):
    assert list(table.columns) == list(evaluation_columns.METHODS)
    assert table["set"].tolist() == ["test"] * 4 + ["train"] * 4
    assert table["model"].tolist() == ["SPECT", "unet", "p2p", "ceiling"] * 2
    assert table["method"].tolist() == ["none", "unet", "p2p", "none"] * 2
    assert table["n"].tolist() == [6] * 4 + [1] * 4


def test_numbers_are_those_of_the_test_subjects(table):
    row = table.set_index(["set", "model"]).loc[("test", "p2p")]
    own, spect = (SPECT + GAINS["p2p"])[:6], SPECT[:6]
    assert row["ssim_mean"] == pytest.approx(own.mean())
    assert row["ssim_sd"] == pytest.approx(own.std(ddof=1))
    assert row["gain"] == pytest.approx(0.055)
    assert row["psnr_db_mean"] == pytest.approx(20 + 10 * own.mean())
    assert row["nrmse_mean"] == pytest.approx(own.mean())
    gain = own - spect
    half = 2.5705818 * gain.std(ddof=1) / np.sqrt(6)  # Student's t, 5 degrees of freedom
    assert (row["gain_low"], row["gain_high"]) == pytest.approx((0.055 - half, 0.055 + half))
    # Six gains of one sign: 2 of the 2⁶ orders are as extreme.
    assert row["wilcoxon_p"] == pytest.approx(2 / 2**6)
    assert row["t_p"] == pytest.approx(stats.ttest_1samp(gain, 0).pvalue)


def test_share_of_the_ceiling(table):
    test, train = (table[table["set"] == name].set_index("model") for name in ("test", "train"))
    assert test.at["p2p", "share_of_ceiling"] == pytest.approx(0.055 / 0.12)
    assert test.at["SPECT", "share_of_ceiling"] == 0
    assert test.at["ceiling", "share_of_ceiling"] == 1
    # More than all of it is told as it is: what learnt from a subject knows its noise.
    assert train.at["p2p", "share_of_ceiling"] == pytest.approx(0.15 / 0.12)


def test_p_values_are_corrected_over_the_models_of_a_set(table):
    test = table[table["set"] == "test"].set_index("model")
    first, second = sorted(["unet", "p2p"], key=lambda name: test.at[name, "t_p"])
    assert test.at[first, "t_p_holm"] == pytest.approx(2 * test.at[first, "t_p"])
    assert test.at[second, "t_p_holm"] == pytest.approx(
        max(2 * test.at[first, "t_p"], test.at[second, "t_p"])
    )
    for name in ("SPECT", "ceiling"):
        assert np.isnan(test.at[name, "t_p_holm"])
        assert np.isnan(test.at[name, "wilcoxon_p_holm"])
    # One training subject has no test, and no p value is made up.
    assert table[table["set"] == "train"]["wilcoxon_p_holm"].isna().all()


def test_lines_are_those_of_each_image_on_pet(table):
    test = table[table["set"] == "test"].set_index("model")
    assert test["absolute_slope"].tolist() == [0.5, 0.6, 0.7, 0.95]
    assert test["relative_slope"].tolist() == pytest.approx([0.75, 0.85, 0.95, 1.2])
    assert set(test["absolute_intercept"]) == {3.0}


def test_without_a_ceiling_there_is_no_share(similarity, regression):
    for tables in (similarity, regression):
        del tables["ceiling"]
    table = comparison.compare_methods(similarity, regression, METHODS, "aal")
    assert table["model"].unique().tolist() == ["SPECT", "unet", "p2p"]
    assert table["share_of_ceiling"].isna().all()
    assert method_figure.draw_methods(table, similarity)


def test_a_model_that_is_spect_gains_nothing_and_takes_no_part_in_the_correction(regression):
    similarity = {"spect": similarity_of(np.zeros(7)), "p2p": similarity_of(GAINS["p2p"])}
    regression = {"spect": regression["unet"], "p2p": regression["p2p"]}
    methods = {"spect": "spect", "p2p": "p2p"}
    table = comparison.compare_methods(similarity, regression, methods, "aal").set_index("model")
    test = table[table["set"] == "test"]
    assert test.at["spect", "gain"] == 0
    assert np.isnan(test.at["spect", "wilcoxon_p_holm"])
    assert test.at["p2p", "wilcoxon_p_holm"] == test.at["p2p", "wilcoxon_p"]
    assert test.at["spect", "method"] == "spect" and test.at["SPECT", "method"] == "none"


def test_every_pair_of_models_is_compared_once(similarity):
    similarity["wide"] = similarity_of(GAINS["p2p"] + np.linspace(0.01, 0.02, 7))
    pairs = comparison.compare_pairs(similarity, ["unet", "p2p", "wide"])
    assert list(pairs.columns) == list(evaluation_columns.METHOD_PAIRS)
    assert list(zip(pairs["model"], pairs["other"], strict=True)) == [
        ("unet", "p2p"), ("unet", "wide"), ("p2p", "wide"),
    ]  # fmt: skip
    row = pairs.iloc[0]
    assert (row["set"], row["n"]) == ("test", 6)
    assert row["difference"] == pytest.approx((GAINS["unet"] - GAINS["p2p"])[:6].mean())
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    # Three tests with the same smallest p value.
    assert pairs["wilcoxon_p_holm"].tolist() == pytest.approx([3 * 2 / 2**6] * 3)


def test_one_model_makes_no_pair_but_a_table(similarity):
    pairs = comparison.compare_pairs(similarity, ["p2p"])
    assert pairs.empty
    assert list(pairs.columns) == list(evaluation_columns.METHOD_PAIRS)


def test_holm_meets_r():
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.005, 0.5), "holm")
    found = holm([0.01, 0.02, 0.03, 0.005, np.nan, 0.5])
    assert found[[0, 1, 2, 3, 5]] == pytest.approx([0.04, 0.06, 0.06, 0.025, 0.5])
    assert np.isnan(found[4])
    assert np.isnan(holm([np.nan])).all()


def test_interval_of_a_mean_is_students():
    # R: t.test(c(1.2, 0.8, 1.5, 1.1, 0.9)), mean 1.1, interval 0.7600 to 1.4400
    mean, low, high = mean_interval([1.2, 0.8, 1.5, 1.1, 0.9, np.nan])
    half = 2.7764451 * np.std([1.2, 0.8, 1.5, 1.1, 0.9], ddof=1) / np.sqrt(5)
    assert (mean, low, high) == pytest.approx((1.1, 1.1 - half, 1.1 + half))
    assert mean_interval([0.4])[0] == 0.4 and np.isnan(mean_interval([0.4])[1])
    assert np.isnan(mean_interval([])).all()


# --- The figure ---------------------------------------------------------------


def test_figure_shows_every_test_subject_in_every_method(table, similarity):
    figure = method_figure.draw_methods(table, similarity)
    ssim = figure.axes[0]
    assert [label.get_text() for label in ssim.get_yticklabels()] == table["model"].tolist()[:4]
    lines = [line for line in ssim.lines if len(line.get_xdata()) == 4]
    assert len(lines) == 6
    first = next(line for line in lines if line.get_xdata()[0] == pytest.approx(0.70))
    assert first.get_xdata() == pytest.approx([0.70, 0.75, 0.78, 0.86])
    assert list(first.get_ydata()) == [0, 1, 2, 3]
    dashed = [line for line in ssim.lines if line.get_linestyle() == "--"]
    assert dashed[0].get_xdata()[0] == pytest.approx((SPECT + GAINS["ceiling"])[:6].mean())
    told = [text.get_text() for text in ssim.texts]
    assert "0.822 (+0.055)\n46 % of the way to the ceiling, p = 0.062" in told
    assert "0.887 (+0.120)" in told


def test_figure_marks_relative_images(similarity, regression):
    some = {name: similarity_of(gain, relative=True) for name, gain in GAINS.items()}
    table = comparison.compare_methods(some, regression, METHODS, "aal")
    assert "relative" in method_figure.draw_methods(table, some).axes[0].get_xlabel()


def test_figure_saved_twice_is_the_same_and_research_only(table, similarity, tmp_path):
    for name in ("one", "two"):
        style.save(method_figure.draw_methods(table, similarity), tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert RESEARCH_ONLY in (tmp_path / "one.svg").read_text()


# --- Deficits ---------------------------------------------------------------------


def detection_of(auc, p):
    """``lesion_detection.tsv`` with the area of P2P and its p value against SPECT."""
    rows = [
        {"set": name, "observer": observer, "image": image, "auc": area,
         "bootstrap_low": area - 0.1, "bootstrap_high": area + 0.1,
         "p": value if image == "P2P" else np.nan}
        for name in ("test", "train")
        for observer, area_of_p2p, value in (("channels", 0.51, 0.9), ("regions", auc, p))
        for image, area in (("SPECT", 0.7), ("P2P", area_of_p2p), ("PET", 0.85))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def lesions_of(recovery):
    """``lesions.tsv`` of two subjects a set, of one of whom the depth is not known."""
    rows = [
        {"set": name, "image": image, "recovery": value, "false_deficits": count}
        for name in ("test", "train")
        for image, depth in (("SPECT", 0.7), ("P2P", recovery), ("PET", 0.9))
        for value, count in ((depth, 1), (np.nan, 4))
    ]
    return pd.DataFrame(rows)


def test_every_method_tells_how_it_shows_deficits(similarity, regression):
    detection = {"unet": detection_of(0.72, 0.03), "p2p": detection_of(0.6, 0.02)}
    lesions = {"unet": lesions_of(0.8), "p2p": lesions_of(0.5)}
    table = comparison.compare_methods(similarity, regression, METHODS, "aal", detection, lesions)
    of_test = table[table["set"] == "test"].set_index("model")
    assert of_test["deficit_auc"].to_dict() == pytest.approx(
        {"SPECT": 0.7, "unet": 0.72, "p2p": 0.6, "ceiling": np.nan}, nan_ok=True
    )
    assert of_test.at["p2p", "deficit_auc_low"] == pytest.approx(0.5)
    assert of_test.at["p2p", "deficit_recovery"] == 0.5
    assert of_test.at["SPECT", "false_deficits"] == 2.5
    # Holm by hand: the smallest of two times two, the other no less.
    assert of_test.loc[["p2p", "unet"], "deficit_p_holm"].tolist() == pytest.approx([0.04, 0.04])


def test_without_known_deficits_the_table_says_nothing_of_them(table):
    assert table.filter(like="deficit").isna().all(axis=None)
