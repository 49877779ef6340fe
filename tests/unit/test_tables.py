"""Tables: the text of numbers, and many files read as one."""

import numpy as np
import pandas as pd
import pytest

from spect2pet.core import tables


def test_floats_have_six_significant_digits_and_missing_ones_are_told(tmp_path):
    values = [1 / 3, 2e6 / 3, 1e-9, -0.0, np.nan, np.inf]
    table = pd.DataFrame({"subject": ["01"] * 6, "flow": values, "n": range(6), "side": None})
    tables.write_table(tmp_path / "t.tsv", table, dict.fromkeys(table, "what it is"), {})
    rows = [line.split("\t") for line in (tmp_path / "t.tsv").read_text().splitlines()[1:]]
    flow = ["0.333333", "666667", "1e-09", "-0", "n/a", "inf"]
    assert rows == [["01", text, str(i), "n/a"] for i, text in enumerate(flow)]


def test_many_tables_are_read_as_one_after_the_other(tmp_path):
    paths, parts = [], []
    for i, label in enumerate(["001", "002", "010"]):
        part = pd.DataFrame({"subject": label, "flow": [i, i + 0.5], "known": [True, False]})
        if label != "002":
            part["truth"] = [1.0, np.nan]
        paths.append(tmp_path / f"{label}.tsv")
        parts.append(part)
        tables.write_table(paths[-1], part, dict.fromkeys(part, "what it is"), {})
    found = tables.read_tables(paths)
    # Those of the same columns stand together.
    expected = pd.concat([parts[0], parts[2], parts[1]], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["known"].dtype == bool
    with pytest.raises(ValueError, match="No objects"):
        tables.read_tables([])
