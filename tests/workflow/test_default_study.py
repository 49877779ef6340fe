"""The study that `make demo` runs, and the numbers it must reach."""

import json

import pandas as pd
import pytest
from scipy.stats import linregress

from conftest import Study


@pytest.fixture(scope="session")
def default_study(tmp_path_factory) -> Study:
    """The default study, run once as a user runs it."""
    study = Study(tmp_path_factory.mktemp("default"))
    study.run()
    return study


def table(study, name):
    return pd.read_csv(
        study.file("results", "evaluation", "p2p", name), sep="\t", dtype={"subject": str}
    )


def test_p2p_is_more_like_pet_than_spect_in_every_test_subject(default_study):
    similarity = table(default_study, "similarity.tsv")
    test = similarity[similarity["set"] == "test"]
    ssim = test.pivot_table(index="subject", columns="image", values="ssim_slice")
    gain = ssim["P2P"] - ssim["SPECT"]
    assert len(gain) == 5
    assert gain.min() > 0.03
    assert gain.mean() >= 0.06


def test_regions_of_p2p_are_nearer_to_pet_than_those_of_spect(default_study):
    methods = pd.read_csv(
        default_study.file("results", "evaluation", "methods.tsv"), sep="\t", na_values=["n/a"]
    )
    of_test = methods[methods["set"] == "test"].set_index("model")
    spect, p2p = of_test.loc["SPECT"], of_test.loc["p2p"]
    for scale in ("absolute", "relative"):
        assert abs(p2p[f"{scale}_slope"] - 1) < abs(spect[f"{scale}_slope"] - 1)
        assert p2p[f"{scale}_r"] > spect[f"{scale}_r"]


def test_no_method_passes_the_ceiling(default_study):
    methods = pd.read_csv(default_study.file("results", "evaluation", "methods.tsv"), sep="\t")
    of_test = methods[methods["set"] == "test"].set_index("model")
    assert list(of_test.index) == ["SPECT", "p2p", "ceiling"]
    assert of_test["ssim_mean"].is_monotonic_increasing
    assert 0.3 < of_test.loc["p2p", "share_of_ceiling"] < 1


def test_the_cohort_is_calibrated_to_the_published_study(default_study):
    similarity = table(default_study, "similarity.tsv")
    spect = similarity[similarity["image"] == "SPECT"]["ssim_slice"]
    assert len(spect) == 24
    assert spect.mean() == pytest.approx(0.79, abs=0.02)
    regions = table(default_study, "regions.tsv")
    points = regions[regions["atlas"] == "aal"]
    line = linregress(points["pet"], points["spect"])
    assert line.slope == pytest.approx(0.63, abs=0.07)
    assert line.rvalue == pytest.approx(0.77, abs=0.08)


def test_the_headline_is_about_test_subjects_and_stands_beside_the_published_numbers(default_study):
    summary = json.loads(
        default_study.file("results", "evaluation", "p2p", "summary.json").read_text()
    )
    assert summary["sets"] == {"test": 5, "validation": 5, "train": 14}
    assert summary["headline"]["set"] == "test"
    assert summary["headline"]["similarity"]["ssim_slice"]["n"] == 5
    published = table(default_study, "published.tsv").set_index("measure")["published"]
    assert published["SSIM, SPECT against PET"] == 0.79
    assert published["slope, SPECT on PET"] == 0.63


def test_registration_is_within_a_millimetre(default_study):
    checks = list(default_study.file("results", "registered").glob("*/*check_registration.json"))
    errors = [json.loads(c.read_text())["target_registration_error_mm"]["mean"] for c in checks]
    assert len(errors) == 24
    assert max(errors) < 1


def test_no_job_needs_more_than_its_memory(default_study):
    """The limit that a scheduler gets holds for the heavy jobs (peak resident memory)."""
    limits = {"simulate_subject": 2000, "register_subject": 2000, "train_gan": 4000}
    for rule, limit in limits.items():
        paths = list(default_study.file("logs", rule).glob("*.benchmark.tsv"))
        assert paths
        for path in paths:
            assert pd.read_csv(path, sep="\t")["max_rss"].iloc[0] < limit, path
