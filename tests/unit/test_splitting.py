"""The split: sizes, strata, repeatability, and no subject in two sets."""

from collections import Counter

import pandas as pd
import pytest

from spect2pet import splitting
from spect2pet.errors import InputError

SETTINGS = {"train": 43, "validation": 15, "test": 15, "seed": 1, "stratify": ["scanner"]}


def cohort(n, **columns):
    labels = [f"{i:03d}" for i in range(1, n + 1)]
    table = pd.DataFrame({"subject": labels, "split": None, **columns}, index=labels)
    table["split"] = table["split"].astype(object)
    return table


def test_the_published_cohort_is_split_43_15_15():
    sizes = Counter(splitting.assign(cohort(73), SETTINGS).values())
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
    members = splitting.assign(table, SETTINGS)
    for scanner in ("mCT", "Vision"):
        inside = [members[s] for s in table.index[table["scanner"] == scanner]]
        for name in splitting.SETS:
            expected = len(inside) * SETTINGS[name] / 73
            assert abs(inside.count(name) - expected) <= 1


def test_the_draw_depends_on_seed_and_label_but_not_on_the_order_of_rows():
    table = cohort(30)
    first = splitting.assign(table, SETTINGS)
    assert splitting.assign(table.iloc[::-1], SETTINGS) == first
    assert splitting.assign(table, {**SETTINGS, "seed": 2}) != first


def test_the_table_goes_before_the_draw_and_counts_towards_the_sizes():
    table = cohort(10)
    table.loc[["001", "002", "003"], "split"] = "test"
    rows = splitting.split_rows(table, {**SETTINGS, "train": 6, "validation": 2, "test": 2})
    assert rows["set"].tolist()[:3] == ["test"] * 3
    assert rows["source"].tolist() == ["table"] * 3 + ["drawn"] * 7
    assert Counter(rows["set"]) == {"train": 5, "validation": 2, "test": 3}


def test_an_empty_set_is_refused():
    with pytest.raises(InputError, match="the test set has no subject"):
        splitting.assign(cohort(2), SETTINGS)
    table = cohort(4)
    table["split"] = ["train", "train", "test", "test"]
    with pytest.raises(InputError, match="validation set has no subject"):
        splitting.assign(table, SETTINGS)


def test_a_subject_in_two_sets_is_an_error(tmp_path):
    path = tmp_path / "split.tsv"
    splitting.write_split(str(path), cohort(9), SETTINGS, {})
    assert len(splitting.read_split(str(path))) == 9
    path.write_text(path.read_text() + "001\ttest\tdrawn\tall\n", encoding="utf-8")
    with pytest.raises(InputError, match="subject 001 is in more than one row"):
        splitting.read_split(str(path))
