"""From cases that an observer judged to what it finds, and the one sentence that says so."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET, IMAGES, SETS
from spect2pet.figures.style import signed
from spect2pet.lesions import roc
from spect2pet.lesions.deviation import MIN_NORMALS
from spect2pet.lesions.lesion_columns import DETECTION
from spect2pet.lesions.observers import detectability

#: Observers in the order they are reported; the first is the headline.
OBSERVERS = ("regions", "channels")
#: The image that the others are compared with.
BASE = "SPECT"


def detect(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """How well deficits are told from healthy places, in each set and image.

    Args:
        scores: one row a case, as ``lesion_scores.tsv`` holds them.
        seed: of the bootstrap over subjects.

    Returns:
        One row a set, observer and image, columns as `lesion_columns.DETECTION`; NaN where the
        cases do not tell.
    """
    rows = []
    for name in SETS:
        for observer in OBSERVERS:
            cases = scores[(scores["set"] == name) & (scores["observer"] == observer)]
            if len(cases):
                rows += [{"set": name, "observer": observer} | r for r in _areas(cases, seed)]
    return pd.DataFrame(rows, columns=list(DETECTION))


def _areas(cases: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """The rows of one set and observer."""
    positive = cases["positive"].to_numpy(dtype=bool)
    values = cases[[image.lower() for image in IMAGES]].to_numpy(dtype=float).T
    areas = roc.delong(positive, values)
    drawn = roc.bootstrap(positive, values, cases["subject"], seed)
    base = IMAGES.index(BASE)
    known = positive.any() and not positive.all()
    rows = []
    for i, image in enumerate(IMAGES):
        auc = float(areas.auc[i])
        low, high = roc.interval(auc, areas.covariance[i, i])
        own_low, own_high = roc.percentile_interval(drawn[:, i])
        gain_low, gain_high = roc.percentile_interval(drawn[:, i] - drawn[:, base])
        rows.append(
            {
                "image": image,
                "relative": bool(cases["relative"].any()),
                "subjects": cases["subject"].nunique(),
                "positives": int(positive.sum()),
                "negatives": int((~positive).sum()),
                "auc": auc,
                "auc_low": low,
                "auc_high": high,
                "bootstrap_low": own_low,
                "bootstrap_high": own_high,
                "sensitivity": roc.sensitivity_at(positive, values[i]) if known else np.nan,
                "detectability": detectability(values[i][positive], values[i][~positive]),
                "difference": np.nan if i == base else auc - float(areas.auc[base]),
                "difference_low": np.nan if i == base else gain_low,
                "difference_high": np.nan if i == base else gain_high,
                "p": np.nan if i == base else roc.difference_p(areas, i, base),
            }
        )
    return rows


# --- Summary ------------------------------------------------------------------


def summarise(
    lesions: pd.DataFrame, detection: pd.DataFrame, tests: pd.DataFrame
) -> dict[str, Any]:
    """What the test subjects tell, with one sentence that a reader can quote.

    Args:
        lesions: one row a subject and image, as ``lesions.tsv`` holds them.
        detection: what `detect` gave.
        tests: one row a set and measure, as ``similarity_tests.tsv`` holds them.

    Returns:
        ``statement`` and the numbers behind it, of test subjects only; None where there is none.
    """
    of_test = lesions[lesions["set"] == HEADLINE_SET]
    counts = {image: _counts(of_test[of_test["image"] == image]) for image in IMAGES}
    found = detection[
        (detection["set"] == HEADLINE_SET) & (detection["observer"] == OBSERVERS[0])
    ].set_index("image")
    similar = tests[(tests["set"] == HEADLINE_SET) & (tests["measure"] == HEADLINE_MEASURE)]
    numbers = {
        "set": HEADLINE_SET,
        "subjects": int(of_test["subject"].nunique()),
        "normals": int(of_test["normals"].max()) if len(of_test) else 0,
        "relative": bool(of_test["relative"].any()),
        "similarity": _plain(
            similar.iloc[0][
                ["spect_mean", "p2p_mean", "difference", "difference_low", "difference_high"]
            ].to_dict()
        )
        if len(similar)
        else None,
        "detection": {
            str(image): _plain(row.drop(["set", "observer", "relative"]).to_dict())
            for image, row in found.iterrows()
        },
        "images": {image: _plain(own) for image, own in counts.items()},
    }
    return {"statement": statement(numbers), **numbers}


def statement(numbers: Mapping[str, Any]) -> str:
    """One sentence on whether P2P may be trusted with deficits, from `summarise`'s numbers."""
    known = numbers["detection"]
    if not known or known["P2P"]["auc"] is None:
        return (
            f"Whether deficits are found could not be told: simulated subjects in the "
            f"{numbers['set']} set: {numbers['subjects']}, normal people to compare them with: "
            f"{numbers['normals']} (at least {MIN_NORMALS} are needed, and a deficit)."
        )
    closer, closeness = _closeness(numbers["similarity"])
    better, finding = _finding(known)
    joined = "but" if (closer > 0) != (better > 0) else "and"
    return (
        f"In {numbers['subjects']} {numbers['set']} subjects P2P {closeness} {joined} {finding}; "
        f"{_errors(numbers['images'])}."
    )


def _closeness(similarity: Mapping[str, Any] | None) -> tuple[int, str]:
    """1, 0 or −1 for a P2P that is closer to PET than SPECT, no closer or further; in words."""
    if similarity is None:
        return 0, "was not compared with PET"
    sign = _sign(similarity["difference_low"], similarity["difference_high"])
    words = {1: "is closer to PET than SPECT is", -1: "is further from PET than SPECT is"}
    means = f"(SSIM {similarity['p2p_mean']:.3f} against {similarity['spect_mean']:.3f})"
    return sign, f"{words.get(sign, 'is not measurably closer to PET than SPECT is')} {means}"


def _finding(known: Mapping[str, Mapping[str, Any]]) -> tuple[int, str]:
    """1, 0 or −1 for a P2P that finds deficits better than SPECT, no better or worse; in words."""
    own = known["P2P"]
    sign = _sign(own["difference_low"], own["difference_high"])
    words = {1: "finds deficits better", -1: "finds deficits worse"}
    areas = ", ".join(f"{image} {known[image]['auc']:.3f}" for image in ("P2P", "SPECT", "PET"))
    by = f"difference {signed(own['difference'], 3)}"
    if own["difference_low"] is not None:
        ends = (signed(own[f"difference_{end}"], 3) for end in ("low", "high"))
        by += f", 95 % interval {' to '.join(ends)}"
    finding = words.get(sign, "does not find deficits measurably better")
    return sign, f"{finding} (area under the ROC curve of regions: {areas}; {by})"


def _errors(images: Mapping[str, Mapping[str, Any]]) -> str:
    """Depth, false, added and erased deficits in words."""
    own = images["P2P"]
    said = []
    if own["recovery"] is not None:
        depths = (f"{image} {100 * images[image]['recovery']:.0f} %" for image in IMAGES)
        said.append(f"of the depth of deficits is shown: {', '.join(depths)}")
    rates = (f"{image} {images[image]['false_deficits_per_brain']:.1f}" for image in IMAGES)
    said.append(f"false deficits a brain: {', '.join(rates)}")
    return "; ".join(said) + (
        f"; P2P invents {own['invented']} (in neither SPECT, PET nor the truth) and erases "
        f"{own['erased']} of {own['deficits']} true deficits (SPECT and PET show them)"
    )


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    """What an image shows in all subjects together."""
    total = rows[["deficits", "found", "added", "invented", "erased"]].sum(min_count=1)
    return {
        **{str(name): None if np.isnan(value) else int(value) for name, value in total.items()},
        "false_deficits_per_brain": float(rows["false_deficits"].mean()),
        "dice": float(rows["dice"].mean()),
        "recovery": float(rows["recovery"].mean()),
    }


def _sign(low: float | None, high: float | None) -> int:
    """1 or −1 where an interval lies above or below 0, else 0."""
    if low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)


def _plain(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Values ready for JSON, None in place of NaN."""
    plain = {}
    for name, value in values.items():
        number = value.item() if hasattr(value, "item") else value
        missing = isinstance(number, float) and np.isnan(number)
        plain[str(name)] = None if missing else number
    return plain
