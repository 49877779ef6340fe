"""Dates in the future are brought back, others stay."""

import os
import time

from spect2pet.core import dates


def test_dates_in_the_future_are_brought_back_in_their_order(tmp_path):
    ages = {"old": -86_400, "now": 0, "tomorrow": 86_400, "a minute later": 86_460}
    begin = time.time()
    for name, age in ages.items():
        path = tmp_path / "results" / name / "file"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (begin + age, begin + age))
    (tmp_path / "results" / "dangling").symlink_to("nowhere")
    assert dates.bring_back(tmp_path / "results") == 2
    found = {name: (tmp_path / "results" / name / "file").stat().st_mtime for name in ages}
    assert abs(found["old"] - begin + 86_400) < 1
    assert begin - 1 <= found["a minute later"] <= time.time() + 1
    assert abs(found["a minute later"] - found["tomorrow"] - 60) < 0.01
    assert dates.bring_back(tmp_path / "results") == 0
