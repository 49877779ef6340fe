"""A reading session: who is read in what order, and the key and seal that keep it blind."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spect2pet.core.errors import InputError
from spect2pet.evaluate.evaluation import IMAGES, REFERENCE

#: Parts of a session in the order they are read.
BLIND, REAL, OPEN = "blind", "real", "open"
PARTS = (BLIND, REAL, OPEN)
SIDES = ("left", "right")
#: Images that are read beside the reference once their names are known.
NAMED = tuple(name for name in IMAGES if name != REFERENCE)
#: Rounds of PBKDF2 that make guessing a code slow and opening it quick.
ITERATIONS = 10_000
#: Orders of the blind part that are drawn to choose from.
ORDERS = 200

KEY_COLUMNS = {
    "item": "Case as the page and the readers' files name it",
    "part": "blind (one image without a name), real (two images, one of them PET) or open (an "
    "image with its name beside the PET)",
    "place": "Place in the session, from 1",
    "subject": "Subject label, without the prefix sub-",
    "image": "Image that is scored: SPECT, P2P or PET; n/a of two images",
    "repeat_of": "Blind case that this one shows again; n/a of the first reading",
    "pet_side": "Of two images the one that is the PET, left or right; n/a of one image",
    "relative": "True: an image of the subject is known only relative (it came as counts), and "
    "all of its images were scaled to a whole-brain mean of 50",
    "session": "Session that the key belongs to",
    "model": "Model that made P2P",
    "grades": "Grades of the scale, the worst is 1",
    "open_code": "Code that opens the open part of the page",
    "salt": "Makes the key's SHA-256, which the page holds, impossible to guess",
}


@dataclass(frozen=True)
class Session:
    """What a session asks.

    Attributes:
        name: what the page and the readers' files call it.
        code: the organiser's code, which opens the open part.
        key: one row a case in the order of reading, columns as `KEY_COLUMNS`.
        images: name of every image in the page, by subject and image.
        shown: the images of every case, by its name; of two the left one first.
    """

    name: str
    code: str
    key: pd.DataFrame
    images: dict[tuple[str, str], str]
    shown: dict[str, list[str]]


def secret_of(seed: int, images: Sequence[np.ndarray]) -> bytes:
    """What the order, the names and the code are drawn from: the seed and every voxel.

    The same study makes the same session, and nobody without its images can make it again.

    Args:
        seed: seed of the session.
        images: voxels as they were before they were rounded for the page.
    """
    digest = hashlib.sha256(str(seed).encode())
    for image in images:
        digest.update(np.ascontiguousarray(image, dtype="<f4").tobytes())
    return digest.digest()


def plan_session(
    relative: Mapping[str, bool], secret: bytes, *, repeats: float, grades: int, model: str
) -> Session:
    """Draw the cases of a session and their order.

    Args:
        relative: for every subject, whether an image of it is known only relative.
        secret: what `secret_of` gave.
        repeats: share of the images that come twice in the blind part, 0 to 0.6.
        grades: how many grades the scale has.
        model: name of the model that made P2P.

    Returns:
        The session: every image blind; some of them again, at least a third of the images later;
        PET beside P2P; SPECT and P2P beside PET with their names.
    """
    draw = np.random.default_rng(list(secret))
    subjects = list(relative)
    pairs = [(subject, image) for subject in subjects for image in IMAGES]
    images = dict(zip(pairs, _names("i", len(pairs), draw), strict=True))
    rows, shown = [], {}
    for part, cases in (
        (BLIND, _blind_order(pairs, repeats, draw)),
        (REAL, _shuffled([(subject, "") for subject in subjects], draw)),
        (OPEN, _shuffled([(subject, image) for subject in subjects for image in NAMED], draw)),
    ):
        firsts: dict[tuple[str, str], str] = {}
        for item, (subject, image) in zip(_names(part[0], len(cases), draw), cases, strict=True):
            side = SIDES[draw.integers(2)] if part == REAL else None
            row = {"item": item, "part": part, "subject": subject, "image": image or None}
            rows.append({**row, "repeat_of": firsts.get((subject, image)), "pet_side": side})
            firsts.setdefault((subject, image), item)
            names = {REAL: ["PET", "P2P"], OPEN: [image, REFERENCE]}.get(part, [image])
            shown[item] = [images[subject, name] for name in names]
            if side == "right":
                shown[item].reverse()
    key = pd.DataFrame(rows)
    name = "s" + _derived(secret, "session")[:10]
    code = base64.b32encode(bytes.fromhex(_derived(secret, "code")))[:12].decode()
    key = key.assign(
        place=range(1, len(key) + 1),
        relative=key["subject"].map(dict(relative)),
        session=name,
        model=model,
        grades=grades,
        open_code="-".join(code[k : k + 4] for k in range(0, 12, 4)),
        salt="x" + _derived(secret, "salt"),
    )
    return Session(name, code, key[list(KEY_COLUMNS)], images, shown)


def page_items(session: Session) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The cases as the page takes them: those that anyone may see, and those to be sealed.

    Returns:
        The blind cases and pairs, which name no image, and the open ones, which do.
    """
    plain, secret = [], []
    for row in session.key.to_dict("records"):
        case = {"id": row["item"], "part": row["part"], "images": session.shown[row["item"]]}
        if row["part"] == OPEN:
            secret.append({**case, "names": [row["image"], REFERENCE]})
        else:
            plain.append(case)
    return plain, secret


def seal(content: Any, code: str, session: str) -> str:
    """Hide a JSON-serialisable value behind a code.

    Exclusive or with a pad as long as the text and used once, PBKDF2 with HMAC-SHA-256
    (RFC 8018), which browsers have built in.

    Returns:
        The sealed text in base64.
    """
    text = json.dumps(content, separators=(",", ":")).encode()
    pad = hashlib.pbkdf2_hmac("sha256", code.encode(), session.encode(), ITERATIONS, len(text))
    return base64.b64encode(bytes(a ^ b for a, b in zip(text, pad, strict=True))).decode()


def commitment(key: str | Path) -> str:
    """The SHA-256 of a key's bytes; the page holds it, so that no other key can take its place."""
    return hashlib.sha256(Path(key).read_bytes()).hexdigest()


def read_key(path: str | Path) -> pd.DataFrame:
    """Read the key of a session.

    Returns:
        One row a case, columns as `KEY_COLUMNS`: text, but ``place`` and ``grades`` whole
        numbers and ``relative`` boolean; None in place of n/a.

    Raises:
        InputError: it is no key.
    """
    try:
        key = pd.read_csv(path, sep="\t", dtype=str, na_values=["n/a"], keep_default_na=False)
        key = key.astype({"place": int, "grades": int})
        whole = set(key.columns) == set(KEY_COLUMNS) and len(key) > 0
    except (OSError, ValueError, KeyError):
        whole = False
    if not whole:
        raise InputError(
            f"{path}: is not the key of a reading session; give the key.tsv that was made with "
            "the page under `readers: key`"
        )
    key = key.astype(object).where(key.notna(), None)
    return key.assign(relative=key["relative"] == "True").infer_objects()


def _blind_order(
    pairs: list[tuple[str, str]], repeats: float, draw: np.random.Generator
) -> list[tuple[str, str]]:
    """All images in random order, and some of them again well after they came first.

    Of several drawn orders it is the one with the fewest neighbours of one subject, whom a
    reader would compare.
    """
    orders = [_with_repeats(_shuffled(pairs, draw), repeats, draw) for _ in range(ORDERS)]
    return min(orders, key=lambda order: sum(a[0] == b[0] for a, b in pairwise(order)))


def _with_repeats(
    order: list[tuple[str, str]], repeats: float, draw: np.random.Generator
) -> list[tuple[str, str]]:
    """The order with some of its images again, each at least a third of the order later."""
    distance = len(order) // 3 + 1
    early = order[: len(order) - distance + 1]
    longer = list(order)
    for k in draw.choice(len(early), size=round(repeats * len(order)), replace=False):
        earliest = longer.index(early[k]) + distance
        longer.insert(int(draw.integers(earliest, len(longer), endpoint=True)), early[k])
    return longer


def _shuffled(cases: list[tuple[str, str]], draw: np.random.Generator) -> list[tuple[str, str]]:
    """The cases in random order."""
    return [cases[k] for k in draw.permutation(len(cases))]


def _names(letter: str, count: int, draw: np.random.Generator) -> list[str]:
    """Different random names that tell nothing; the letter keeps them from being numbers."""
    numbers = draw.choice(16**5, size=count, replace=False)
    return [f"{letter}{number:05x}" for number in numbers]


def _derived(secret: bytes, purpose: str) -> str:
    """Hexadecimal digits for one purpose, from which the secret cannot be told."""
    return hmac.new(secret, purpose.encode(), "sha256").hexdigest()
