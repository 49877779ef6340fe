"""A reading of the small study: the page, what readers hand in, and what is made of it."""

import json

import pandas as pd

from reading_sessions import answers_of
from spect2pet.readers import readers

GRADE = {"SPECT": "2", "P2P": "3", "PET": "5"}


def test_a_reading_from_the_page_to_the_tables(copied_study):
    copied_study.run("reading_session")
    page = copied_study.file("results", "readers", "session.html")
    key = copied_study.file("results", "readers", "key.tsv")
    split = pd.read_csv(copied_study.file("results", "split", "split.tsv"), sep="\t", dtype=str)
    test = set(split.loc[split["set"] == "test", "subject"])
    assert set(readers.read_key(key)["subject"]) == test
    assert "For research, not for diagnosis" in page.read_text(encoding="utf-8")
    folder = copied_study.file("readings")
    folder.mkdir()
    for reader, grade in (("AB", GRADE), ("CD", {**GRADE, "P2P": "4"})):
        # The PET is always told from P2P, in whose rows there is no image of one name.
        table = answers_of(key, reader, lambda row, of=grade: of.get(row["image"], row["pet_side"]))
        table.to_csv(folder / f"{reader}.csv", index=False)
    copied_study.run("readings", "--config", 'readers={"scores": "readings"}')
    scores = pd.read_csv(
        copied_study.file("results", "readers", "scores.tsv"), sep="\t", na_values="n/a"
    )
    blind = scores[(scores["part"] == "blind") & (scores["reader"] == "all")]
    means = blind.set_index("image")["mean"].to_dict()
    assert means == {"SPECT": 2, "P2P": 3.5, "PET": 5}
    summary = json.loads(copied_study.file("results", "readers", "summary.json").read_text())
    assert summary["subjects"] == len(test)
    assert "Mr Secret" not in json.dumps(summary)
    assert copied_study.file("results", "figures", "reading_scores.png").stat().st_size > 10_000
