"""The split: sizes, strata, repeatability, no subject in two sets, and every one tested once."""

from collections import Counter

import pandas as pd
import pytest

from spect2pet.core.errors import InputError
from spect2pet.core.tables import read_table
from spect2pet.subjects import splitting

SETTINGS = {
    "train": 43,
    "validation": 15,
    "test": 15,
    "folds": 1,
    "seed": 1,
    "stratify": ["scanner"],
}


def cohort(n, **columns):
    labels = [f"{i:03d}" for i in range(1, n + 1)]
    table = pd.DataFrame({"subject": labels, "split": None, **columns}, index=labels)
    table["split"] = table["split"].astype(object)
    return table


def members_of(table, settings=SETTINGS):
    """Set name by subject label."""
    rows = splitting.split_rows(table, settings)
    return dict(zip(rows["subject"], rows["set"], strict=True))


def test_the_published_cohort_is_split_43_15_15():
    sizes = Counter(members_of(cohort(73), SETTINGS).values())
    assert sizes == {"train": 43, "validation": 15, "test": 15}


def test_largest_remainder_on_a_worked_example():
    # 24 × (43, 15, 15)/73 = 14.14, 4.93, 4.93: the two largest remainders round up.
    assert splitting.set_sizes(24, [43, 15, 15]) == [14, 5, 5]
    # 100,000 votes for 10 seats, the textbook example of Hamilton's method.
    votes = [47000, 16000, 15800, 12000, 6100, 3100]
    assert splitting.set_sizes(10, votes) == [5, 2, 1, 1, 1, 0]


def test_every_stratum_holds_the_sets_in_their_proportions():
    scanners = ["mCT"] * 40 + ["Vision"] * 33
    table = cohort(73, scanner=scanners)
    members = members_of(table, SETTINGS)
    for scanner in ("mCT", "Vision"):
        inside = [members[s] for s in table.index[table["scanner"] == scanner]]
        for name in splitting.SETS:
            expected = len(inside) * SETTINGS[name] / 73
            assert abs(inside.count(name) - expected) <= 1


def test_the_draw_depends_on_seed_and_label_but_not_on_the_order_of_rows():
    table = cohort(30)
    first = members_of(table, SETTINGS)
    assert members_of(table.iloc[::-1], SETTINGS) == first
    assert members_of(table, {**SETTINGS, "seed": 2}) != first


def test_the_table_goes_before_the_draw_and_counts_towards_the_sizes():
    table = cohort(10)
    table.loc[["001", "002", "003"], "split"] = "test"
    rows = splitting.split_rows(table, {**SETTINGS, "train": 6, "validation": 2, "test": 2})
    assert rows["set"].tolist()[:3] == ["test"] * 3
    assert rows["source"].tolist() == ["table"] * 3 + ["drawn"] * 7
    assert Counter(rows["set"]) == {"train": 5, "validation": 2, "test": 3}


def test_an_empty_set_is_refused():
    with pytest.raises(InputError, match="the test set has no subject"):
        members_of(cohort(2), SETTINGS)
    table = cohort(4)
    table["split"] = ["train", "train", "test", "test"]
    with pytest.raises(InputError, match="validation set has no subject"):
        members_of(table, SETTINGS)


def test_a_subject_in_two_sets_is_an_error(tmp_path):
    path = tmp_path / "split.tsv"
    splitting.write_split(str(path), cohort(9), SETTINGS, splitting.SETS, {})
    assert len(splitting.read_split(str(path))) == 9
    path.write_text(path.read_text() + "001\ttest\t0\tdrawn\tall\n", encoding="utf-8")
    with pytest.raises(InputError, match="subject 001 is in more than one row"):
        splitting.read_split(str(path))


def test_rows_stand_in_the_order_of_the_table_with_one_fold():
    table = cohort(12).iloc[::-1]
    rows = splitting.split_rows(table, SETTINGS)
    assert list(rows) == list(splitting.COLUMNS)
    assert rows["subject"].tolist() == list(table.index)
    assert rows["fold"].tolist() == [0] * 12
    (sets,) = splitting.sets_by_fold(rows)
    assert sets == members_of(table)
    assert list(sets) == list(table.index)


# --- Cross-validation ------------------------------------------------------------------


def crossed(table, folds=5, **changes):
    rows = splitting.split_rows(table, {**SETTINGS, "folds": folds, **changes})
    return rows, splitting.sets_by_fold(rows)


@pytest.mark.parametrize(("subjects", "folds"), [(73, 5), (10, 10), (11, 3), (24, 4)])
def test_every_subject_is_tested_once_and_validates_once(subjects, folds):
    rows, sets = crossed(cohort(subjects), folds)
    assert len(sets) == folds
    for subject in rows["subject"]:
        roles = Counter(of_fold[subject] for of_fold in sets)
        assert roles["test"] == 1
        assert roles["validation"] == 1
        assert roles["train"] == folds - 2


@pytest.mark.parametrize(("subjects", "folds"), [(73, 5), (10, 10), (11, 3)])
def test_the_sets_of_a_fold_have_no_subject_in_common_and_are_never_empty(subjects, folds):
    rows, sets = crossed(cohort(subjects), folds)
    for of_fold in sets:
        members = {
            name: {subject for subject in of_fold if of_fold[subject] == name}
            for name in splitting.SETS
        }
        assert all(members.values())
        assert sum(map(len, members.values())) == subjects
        assert set.union(*members.values()) == set(rows["subject"])


def test_the_table_names_the_fold_whose_network_never_met_the_subject():
    rows, sets = crossed(cohort(23))
    assert set(rows["set"]) == {"test"}
    for row in rows.itertuples():
        assert sets[row.fold][row.subject] == "test"


def test_folds_differ_by_one_subject_at_most():
    sizes = Counter(crossed(cohort(73))[0]["fold"])
    assert sorted(sizes.values()) == [14, 14, 15, 15, 15]
    assert sorted(sizes) == [0, 1, 2, 3, 4]


def test_every_stratum_is_spread_over_the_folds():
    table = cohort(48, scanner=["mCT"] * 31 + ["Vision"] * 17)
    rows, _ = crossed(table)
    for scanner, count in (("mCT", 31), ("Vision", 17)):
        labels = table.index[table["scanner"] == scanner]
        sizes = Counter(rows["fold"][rows["subject"].isin(labels)])
        assert all(abs(sizes[fold] - count / 5) < 1.5 for fold in range(5))
    assert set(rows["stratum"]) == {"mCT", "Vision"}


def test_folds_depend_on_seed_and_label_but_not_on_the_order_of_rows():
    def folds(table, **changes):
        rows, _ = crossed(table, **changes)
        return dict(zip(rows["subject"], rows["fold"], strict=True))

    table = cohort(30)
    shuffled = table.sample(frac=1, random_state=3)
    assert list(shuffled.index) != list(table.index)
    assert folds(shuffled) == folds(table)
    assert folds(table, seed=2) != folds(table)


@pytest.mark.parametrize(("subjects", "folds"), [(20, 2), (4, 5), (0, 3)])
def test_too_few_folds_or_subjects_are_refused(subjects, folds):
    sentence = f"folds` is {folds} with {subjects} subjects; cross-validation needs at least 3"
    with pytest.raises(InputError, match=sentence):
        crossed(cohort(subjects), folds)


def test_a_table_that_assigns_sets_does_not_go_with_folds():
    table = cohort(12)
    table.loc["004", "split"] = "test"
    with pytest.raises(InputError, match=r"subject 004 to test.*empty the split column or set"):
        crossed(table)


def test_a_cross_validation_is_written_with_the_fold_of_every_subject(tmp_path):
    path = tmp_path / "split.tsv"
    splitting.write_split(str(path), cohort(9), {**SETTINGS, "folds": 3}, splitting.SETS, {})
    assert set(splitting.read_split(str(path)).values()) == {"test"}
    rows = read_table(path)
    assert sorted(rows["fold"].unique()) == [0, 1, 2]
    assert splitting.sets_by_fold(rows) == crossed(cohort(9), 3)[1]


def test_a_given_model_needs_no_sets_and_may_have_no_subject_with_pet():
    rows = splitting.split_rows(cohort(3).assign(split="test"), SETTINGS, needed=())
    assert rows["set"].tolist() == ["test"] * 3
    nobody = splitting.split_rows(cohort(3).iloc[:0], SETTINGS, needed=())
    assert list(nobody.columns) == list(splitting.COLUMNS)
    assert splitting.sets_by_fold(nobody) == [{}]
