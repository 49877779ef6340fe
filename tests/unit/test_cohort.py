"""Who the simulated people are."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cohort_settings import default_settings
from spect2pet.cohort import cohort, physics

SETTINGS = default_settings()


def people(count, **changes):
    settings = {**SETTINGS, **changes}
    return [cohort.draw_participant(7, label, settings) for label in cohort.labels(count)]


@pytest.fixture(scope="module")
def crowd():
    return people(2000)


def test_person_depends_on_seed_and_label_alone():
    few = cohort.participants_table({**SETTINGS, "subjects": 3})
    many = cohort.participants_table({**SETTINGS, "subjects": 40})
    assert many.head(3).equals(few)
    again = cohort.draw_participant(SETTINGS["seed"], "002", SETTINGS)
    assert again == cohort.draw_participant(SETTINGS["seed"], "002", SETTINGS)
    other = cohort.draw_participant(SETTINGS["seed"] + 1, "002", SETTINGS)
    assert again.seed != other.seed
    assert again.spect_scale != other.spect_scale


def test_streams_are_independent_of_each_other_and_repeat():
    person = cohort.draw_participant(1, "001", SETTINGS)
    first = person.stream("spect").random(4)
    np.testing.assert_array_equal(first, person.stream("spect").random(4))
    assert not np.allclose(first, person.stream("pet").random(4))


def test_table_has_described_columns_and_bids_paths():
    table = cohort.participants_table({**SETTINGS, "subjects": 12})
    assert list(table.columns) == list(cohort.COLUMNS)
    assert table["subject"].tolist() == [f"{n:03d}" for n in range(1, 13)]
    row = table.iloc[10]
    assert row["spect"] == "results/cohort/sub-011/spect/sub-011_spect.nii.gz"
    assert row["pet"] == "results/cohort/sub-011/pet/sub-011_pet.nii.gz"
    assert row["truth"] == "results/cohort/sub-011/truth/sub-011_truth.json"
    assert row["ceiling"] == "results/cohort/sub-011/truth/sub-011_desc-ceiling_map.nii.gz"
    assert not table.isna().any().any()


def test_scale_errors_have_the_spread_of_the_settings(crowd):
    for name in ("spect", "pet"):
        scales = np.array([getattr(person, f"{name}_scale") for person in crowd])
        assert scales.mean() == pytest.approx(1, abs=0.01)
        assert scales.std() == pytest.approx(SETTINGS[name]["scale_spread"], rel=0.08)
        assert scales.min() > 0


def test_flow_varies_more_between_patients_than_between_controls(crowd):
    for group, spread in (("control", "control_spread"), ("patient", "patient_spread")):
        flows = [person.flow for person in crowd if person.group == group]
        assert np.std(flows) / np.mean(flows) == pytest.approx(SETTINGS["flow"][spread], rel=0.1)


def test_shares_of_groups_scanners_and_spared_patients(crowd):
    patients = [person for person in crowd if person.group == "patient"]
    assert len(patients) / len(crowd) == pytest.approx(SETTINGS["patient_share"], abs=0.03)
    spared = sum(not person.deficits for person in patients)
    assert spared / len(patients) == pytest.approx(SETTINGS["spared_share"], abs=0.03)
    vision = sum(person.scanner == "Vision" for person in crowd)
    assert vision / len(crowd) == pytest.approx(0.5, abs=0.04)
    assert not any(person.deficits for person in crowd if person.group == "control")


def test_deficits_are_worst_first_and_within_their_grade(crowd):
    seen = set()
    for person in crowd:
        severities = [deficit.severity for deficit in person.deficits]
        assert severities == sorted(severities, reverse=True)
        for deficit in person.deficits:
            low, high = physics.SEVERITY[deficit.grade]
            assert low <= deficit.severity <= high
            seen.add((deficit.territory, deficit.side))
    assert len(seen) == 2 * len(physics.TERRITORY_SHARE)


def test_diaschisis_is_crossed_and_follows_a_third_of_large_deficits(crowd):
    large = [
        person
        for person in crowd
        if any(d.grade != "mild" and d.territory in ("ACA", "MCA") for d in person.deficits)
    ]
    with_it = [person for person in crowd if person.diaschisis]
    assert len(with_it) / len(large) == pytest.approx(1 / 3, abs=0.04)
    for person in with_it:
        sides = {
            d.side for d in person.deficits if d.grade != "mild" and d.territory in ("ACA", "MCA")
        }
        assert {"L": "R", "R": "L"}[person.diaschisis.side] in sides


def test_changing_a_scan_setting_changes_nobody():
    changed = {**SETTINGS, "spect": {**SETTINGS["spect"], "counts": 1e6}}
    assert cohort.draw_participant(3, "005", changed) == cohort.draw_participant(3, "005", SETTINGS)


def test_reading_the_cohort_is_fast_and_needs_no_heavy_library():
    scripts = Path(cohort.__file__).parents[2]
    code = "import sys, spect2pet.cohort.cohort; print([n for n in HEAVY if n in sys.modules])"
    heavy = ("torch", "nibabel", "scipy", "pytomography")
    before = os.times()
    run = subprocess.run(
        [sys.executable, "-c", code.replace("HEAVY", repr(heavy))],
        cwd=scripts,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user
    assert spent - before.children_system < 3
