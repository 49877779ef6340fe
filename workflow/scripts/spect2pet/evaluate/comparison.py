"""Every method beside every other: SPECT itself, all models, and the ceiling."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET, REFERENCE, SCALES, SETS
from spect2pet.evaluate.evaluation_columns import METHOD_PAIRS
from spect2pet.evaluate.statistics import holm, paired_comparison

#: The row of the SPECT image itself, with which every method is compared.
SPECT = "SPECT"
#: The name under which the image that no method can pass is evaluated like a model's.
CEILING = "ceiling"
#: Method of a row that is none.
NO_METHOD = "none"
#: P values of a row, each of which has a corrected one beside it.
TESTS = ("t_p", "wilcoxon_p", "deficit_p")
#: Who judges the deficits that the table of methods tells of.
OBSERVER = "regions"
#: What a regression line on PET is told by.
LINE = ("slope", "intercept", "r")


def compare_methods(
    similarity: Mapping[str, pd.DataFrame],
    regression: Mapping[str, pd.DataFrame],
    methods: Mapping[str, str],
    atlas: str,
    detection: Mapping[str, pd.DataFrame] | None = None,
    lesions: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """The table of methods: how near each comes to PET, and how much of the way that is.

    Args:
        similarity: each compared name's ``similarity.tsv``: those of models, then, where it
            is known, that of `CEILING`.
        regression: each compared name's ``regression.tsv``.
        methods: method of every model; the ceiling is none and is not among them.
        atlas: atlas whose regions' regression on PET is told.
        detection: each model's ``lesion_detection.tsv``; none where nobody's deficits are known.
        lesions: each model's ``lesions.tsv``, likewise.

    Returns:
        One row a set and name, `SPECT` first; columns as `evaluation_columns.METHODS`.  P
        values are corrected over the models of a set; NaN where there is no number.
    """
    images = images_by_name(similarity)
    lines, found, shown = map(_with_spect, (regression, detection or {}, lesions or {}))
    of_sets = []
    for name_of_set in SETS:
        members = {name: table[table["set"] == name_of_set] for name, table in images.items()}
        if members[SPECT].empty:
            continue
        rows = []
        for name, own in members.items():
            if own.empty:  # the ceiling, which is measured in test subjects alone
                continue
            image = "SPECT" if name == SPECT else "P2P"
            rows.append(
                {
                    "set": name_of_set,
                    "model": name,
                    "method": methods.get(name, NO_METHOD),
                    **_against_spect(members[SPECT], own),
                    **_lines_on_pet(lines[name], name_of_set, atlas, image),
                    **_deficits(found.get(name), shown.get(name), name_of_set, image),
                }
            )
        of_sets.append(_beside_one_another(pd.DataFrame(rows), list(methods)))
    return pd.concat(of_sets, ignore_index=True)


def compare_pairs(similarity: Mapping[str, pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    """Every pair of models by the SSIM of the test subjects.

    Args:
        similarity: ``similarity.tsv`` by name.
        models: names of the models to compare, in order.

    Returns:
        One row a pair, columns as `evaluation_columns.METHOD_PAIRS`, p values corrected over
        all pairs; no rows where there is one model.
    """
    images = images_by_name(similarity)
    of_test = {name: table[table["set"] == HEADLINE_SET] for name, table in images.items()}
    rows = []
    for first, second in combinations(models, 2):
        result = paired_comparison(*_ssim(of_test[second], of_test[first]))
        rows.append(
            {
                "set": HEADLINE_SET,
                "model": first,
                "other": second,
                "relative": bool(of_test[first]["relative"].any()),
                "n": result.n,
                "difference": result.difference,
                "difference_low": result.difference_low,
                "difference_high": result.difference_high,
                "wilcoxon_p": result.wilcoxon_p,
            }
        )
    table = pd.DataFrame(rows, columns=list(METHOD_PAIRS))
    table["wilcoxon_p_holm"] = holm(table["wilcoxon_p"])
    return table


def images_by_name(similarity: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """One row a subject for SPECT itself, then for the P2P of every compared name.

    Args:
        similarity: ``similarity.tsv`` by name.

    Returns:
        The rows by name, indexed by subject.
    """
    any_table = next(iter(similarity.values()))
    images = {SPECT: any_table[any_table["image"] == "SPECT"]}
    for name, table in similarity.items():
        images[name] = table[table["image"] == "P2P"]
    return {name: table.set_index("subject") for name, table in images.items()}


def _against_spect(spect: pd.DataFrame, own: pd.DataFrame) -> dict[str, Any]:
    """Similarity of one method, and its gain over SPECT; what needs the other rows is NaN."""
    result = paired_comparison(*_ssim(spect, own))
    return {
        "relative": bool(own["relative"].any()),
        "n": result.n,
        "ssim_mean": result.after_mean,
        "ssim_sd": result.after_sd,
        "gain": result.difference,
        "gain_low": result.difference_low,
        "gain_high": result.difference_high,
        "share_of_ceiling": np.nan,
        "t_p": result.t_p,
        "t_p_holm": np.nan,
        "wilcoxon_p": result.wilcoxon_p,
        "wilcoxon_p_holm": np.nan,
        "psnr_db_mean": float(own["psnr_db"].mean()),
        "nrmse_mean": float(own["nrmse"].mean()),
    }


def _lines_on_pet(
    regression: pd.DataFrame, name_of_set: str, atlas: str, image: str
) -> dict[str, float]:
    """Slope, intercept and r of an image on PET, on both scales."""
    of_image: Any = regression[
        (regression["set"] == name_of_set)
        & (regression["atlas"] == atlas)
        & (regression["y"] == image)
        & (regression["x"] == REFERENCE)
    ].set_index("scale")
    return {
        f"{scale}_{name}": float(of_image.at[scale, name]) if scale in of_image.index else np.nan
        for scale in SCALES
        for name in LINE
    }


def _with_spect(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables by name, with one of them for SPECT, of which all tell the same."""
    return {SPECT: next(iter(tables.values())), **tables} if tables else {}


def _deficits(
    detection: pd.DataFrame | None, lesions: pd.DataFrame | None, name_of_set: str, image: str
) -> dict[str, float]:
    """How well an image shows deficits; all NaN where nobody knows them."""
    told = dict.fromkeys(
        ("deficit_auc", "deficit_auc_low", "deficit_auc_high", "deficit_p", "deficit_p_holm",
         "deficit_recovery", "false_deficits"),
        np.nan,
    )  # fmt: skip
    if detection is None or lesions is None:
        return told
    rows: Any = detection[
        (detection["set"] == name_of_set)
        & (detection["image"] == image)
        & (detection["observer"] == OBSERVER)
    ]
    if len(rows):
        row = rows.iloc[0]
        told |= {
            "deficit_auc": row["auc"],
            "deficit_auc_low": row["bootstrap_low"],
            "deficit_auc_high": row["bootstrap_high"],
            "deficit_p": row["p"],
        }
    own = lesions[(lesions["set"] == name_of_set) & (lesions["image"] == image)]
    return told | {
        "deficit_recovery": float(own["recovery"].mean()),
        "false_deficits": float(own["false_deficits"].mean()),
    }


def _beside_one_another(rows: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """The rows of one set with what only all of them together tell."""
    by_name = rows.set_index("model", drop=False)
    for test in TESTS:
        by_name.loc[models, f"{test}_holm"] = holm(by_name.loc[models, test])
    gain: Any = by_name["gain"]
    if CEILING in gain and gain[CEILING] > 0:
        by_name["share_of_ceiling"] = gain / gain[CEILING]
    return by_name.reset_index(drop=True)


def _ssim(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """SSIM of the same subjects in the same order."""
    return first[HEADLINE_MEASURE], second.loc[first.index, HEADLINE_MEASURE]
