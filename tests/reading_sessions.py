"""A small reading session of images that tell left from right, for several test files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spect2pet.core import niivue, tables
from spect2pet.readers import readers, reading_page

RESOURCES = Path(__file__).parents[1] / "workflow" / "resources" / "reading"
SCALE = ["bad", "poor", "fair", "good", "</script><b>best</b>"]
SUBJECTS = ("001", "002")
SHAPE = (20, 24, 18)
AFFINE = np.array([[2, 0, 0, -20], [0, 2, 0, -30], [0, 0, 2, -10], [0, 0, 0, 1.0]])


def case_of(number: int, relative: bool = False) -> reading_page.Case:
    """A box of flow with a bright cube on the patient's right, in front and above."""
    images = {}
    for k, name in enumerate(("SPECT", "P2P", "PET")):
        image = np.zeros(SHAPE)
        image[3:17, 3:21, 3:15] = 20 + 5 * k + number
        image[13:17, 16:21, 11:15] = 70
        images[name] = image
    return reading_page.Case(images, AFFINE, relative)


def make_session(folder: Path, repeats: float = 0.2) -> readers.Session:
    """Write ``session.html`` and ``key.tsv`` into a folder."""
    cases = {subject: case_of(k) for k, subject in enumerate(SUBJECTS)}
    secret = readers.secret_of(1, [i for case in cases.values() for i in case.images.values()])
    session = readers.plan_session(
        dict.fromkeys(cases, False), secret, repeats=repeats, grades=len(SCALE), model="p2p"
    )
    tables.write_table(folder / "key.tsv", session.key, readers.KEY_COLUMNS, {})
    reading_page.write_page(
        folder / "session.html",
        reading_page.page_content(session, folder / "key.tsv", cases, SCALE),
        sources(),
        viewer(),
    )
    return session


@cache
def viewer() -> dict[str, str]:
    """What the page shows images with."""
    return niivue.texts()


def sources() -> dict[str, Path]:
    """The files that a page is made of."""
    names = {"page": "session.html", "style": "session.css", "script": "session.js"}
    return {key: RESOURCES / name for key, name in {**names, "viewer": "viewer.js"}.items()}


def answers_of(
    key: Path, reader: str = "AB", value: Callable[[dict[str, Any]], str] | None = None
) -> pd.DataFrame:
    """A reader's file as the page exports it; value says what is answered to a row of the key."""
    value = value or (lambda row: row["pet_side"] if row["part"] == "real" else "3")
    rows = readers.read_key(key).to_dict("records")
    about = {"commitment": readers.commitment(key), "reader": reader}
    return pd.DataFrame(
        {
            "session": row["session"],
            **about,
            "part": row["part"],
            "item": row["item"],
            "value": value(row),
            "seconds": "7",
            "comment": "Mr Secret, sharp",
        }
        for row in rows
    )
