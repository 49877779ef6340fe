"""From the measurements of single subjects to the tables of the whole study."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from spect2pet.evaluate import evaluation_columns, published
from spect2pet.evaluate.effects import effect_of
from spect2pet.evaluate.evaluation import (
    BRAIN,
    HEADLINE_MEASURE,
    HEADLINE_SET,
    LOWER_IS_BETTER,
    MEASURES,
    SCALES,
    SETS,
    on_scale,
)
from spect2pet.evaluate.statistics import holm, linear_regression, paired_comparison


def with_sets(table: pd.DataFrame, split: Mapping[str, str]) -> pd.DataFrame:
    """Say in a table of subjects which set each subject is in.

    Args:
        table: of any number of subjects, with a first column ``subject``; left as it is.
        split: set by subject.

    Returns:
        All rows, with ``set`` after ``subject``, ordered by set as in `SETS`, then
        by subject; within a subject the order stays.

    Raises:
        KeyError: a subject is not in the split.
    """
    table = table.copy()
    table.insert(1, "set", [split[subject] for subject in table["subject"]])
    table["rank"] = [SETS.index(name) for name in table["set"]]
    table = table.sort_values(["rank", "subject"], kind="stable", ignore_index=True)
    return table.drop(columns="rank")


def compare_similarity(similarity: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Compare P2P with SPECT over the subjects of each set, by paired tests.

    Args:
        similarity: one row a subject and image, with the columns ``subject``,
            ``set``, ``image``, ``relative`` and those of `MEASURES`.
        seed: of the bootstrap over subjects.

    Returns:
        One row a set and measure, columns as `evaluation_columns.TESTS`; p values are corrected
        over the measures of a set.
    """
    rows = []
    for name, members in _by_set(similarity):
        all_spect, all_p2p = _both_images(members)
        for measure in MEASURES:
            spect, p2p = all_spect[measure], all_p2p[measure]
            better = p2p < spect if measure in LOWER_IS_BETTER else p2p > spect
            rows.append(
                {
                    "set": name,
                    "measure": measure,
                    "relative": bool(members["relative"].any()),
                    **asdict(paired_comparison(spect, p2p)),
                    "improved": int(better.sum()),
                    **asdict(effect_of(spect, p2p, seed)),
                }
            )
    table = pd.DataFrame(rows)
    for test in ("t_p", "wilcoxon_p"):
        table[f"{test}_holm"] = table.groupby("set")[test].transform(holm)
    return table.rename(
        columns={
            "before_mean": "spect_mean",
            "before_sd": "spect_sd",
            "after_mean": "p2p_mean",
            "after_sd": "p2p_sd",
        }
    )


def compare_subgroups(
    similarity: pd.DataFrame, values: Mapping[str, Mapping[str, str | None]]
) -> pd.DataFrame:
    """SSIM of SPECT and P2P among the subjects that share a value of the subjects table.

    Args:
        similarity: as for `compare_similarity`.
        values: by column of the subjects table, the value of every subject; None where the table
            says nothing.

    Returns:
        One row a set, column and value, columns as `evaluation_columns.SUBGROUPS`.
    """
    rows = []
    for name, members in _by_set(similarity):
        for column, of_subjects in values.items():
            value_of = members["subject"].map(of_subjects)
            for value, group in members.groupby(value_of):
                result = paired_comparison(
                    *(image[HEADLINE_MEASURE] for image in _both_images(group))
                )
                rows.append(
                    {
                        "set": name,
                        "column": column,
                        "value": value,
                        "relative": bool(group["relative"].any()),
                        "n": result.n,
                        "spect_mean": result.before_mean,
                        "p2p_mean": result.after_mean,
                        "gain": result.difference,
                        "gain_low": result.difference_low,
                        "gain_high": result.difference_high,
                    }
                )
    return pd.DataFrame(rows, columns=list(evaluation_columns.SUBGROUPS))


def _both_images(members: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of SPECT and those of P2P, of the same subjects in the same order."""
    by_subject = members.set_index("subject")
    spect = by_subject[by_subject["image"] == "SPECT"]
    return spect, by_subject[by_subject["image"] == "P2P"].loc[spect.index]


def regress_regions(regions: pd.DataFrame) -> pd.DataFrame:
    """Regress the region means of the images on one another, for each set.

    Args:
        regions: region means of all subjects, as `on_scale` takes them, with ``set``.

    Returns:
        One row a set, atlas, scale and pair of images, columns as
        `REGRESSION_COLUMNS`; NaN in place of a line that the points do not determine.
    """
    scaled = {scale: on_scale(regions, scale) for scale in SCALES}
    rows = []
    for name, members in _by_set(regions):
        for atlas in members["atlas"].unique():
            if atlas == BRAIN:
                continue
            for scale in SCALES:
                points = scaled[scale].query("set == @name and atlas == @atlas")
                rows += [
                    {
                        "set": name,
                        "atlas": atlas,
                        "scale": scale,
                        "relative": bool(points["relative"].any()),
                        "y": line.y,
                        "x": line.x,
                        "subjects": points["subject"].nunique(),
                        **asdict(linear_regression(points[line.x.lower()], points[line.y.lower()])),
                    }
                    for line in published.LINES
                ]
    return pd.DataFrame(rows)


def beside_published(tests: pd.DataFrame, regression: pd.DataFrame, atlas: str) -> pd.DataFrame:
    """Set the published numbers beside those of this run's test set.

    Args:
        tests: what `compare_similarity` gave.
        regression: what `regress_regions` gave.
        atlas: the atlas whose regions are compared.

    Returns:
        One row a published number, columns as `PUBLISHED_COLUMNS`; NaN where this
        run has no such number.
    """
    row = _one(tests, set=HEADLINE_SET, measure=HEADLINE_MEASURE)
    rows = [
        {
            "measure": f"SSIM, {image} against PET",
            "unit": "1",
            "published": value,
            "this_run": row.get(f"{image.lower()}_mean", math.nan),
            "low": math.nan,
            "high": math.nan,
            "n": row.get("n", 0),
            "n_of": "subjects",
            "relative": row.get("relative", False),
        }
        for image, value in published.SSIM.items()
    ]
    for line in published.LINES:
        row = _one(regression, set=HEADLINE_SET, atlas=atlas, scale="absolute", y=line.y, x=line.x)
        for name, unit, per in (
            ("slope", "1", 1.0),
            ("intercept", "mL/mL/min", published.PER_ML),
            ("r", "1", 1.0),
        ):
            rows.append(
                {
                    "measure": f"{name}, {line.y} on {line.x}",
                    "unit": unit,
                    "published": getattr(line, name),
                    "this_run": row.get(name, math.nan) / per,
                    "low": row.get(f"{name}_low", math.nan) / per,
                    "high": row.get(f"{name}_high", math.nan) / per,
                    "n": row.get("n", 0),
                    "n_of": f"regions ({atlas})",
                    "relative": False,
                }
            )
    table = pd.DataFrame(rows)
    table.insert(6, "difference", table["this_run"] - table["published"])
    return table


def summarise(
    split: Mapping[str, str],
    tests: pd.DataFrame,
    regression: pd.DataFrame,
    agreement: pd.DataFrame,
    atlas: str,
) -> dict[str, Any]:
    """The study in one dictionary, its headline from test subjects only.

    Args:
        split: set by subject.
        tests: what `compare_similarity` gave.
        regression: what `regress_regions` gave.
        agreement: what `regional_agreement.agree` gave.
        atlas: the atlas of the headline.

    Returns:
        ``sets`` (number of subjects), ``headline`` (the test set's similarity, regression and
        agreement) and ``other_sets`` (the same of the others, for comparison);
        None where there is no number.
    """
    members = list(split.values())
    results = {name: _of_set(name, tests, regression, agreement, atlas) for name in SETS}
    return {
        "sets": {name: members.count(name) for name in SETS},
        "headline": {
            "set": HEADLINE_SET,
            "measure": HEADLINE_MEASURE,
            **results.pop(HEADLINE_SET),
        },
        "other_sets": results,
    }


def _of_set(
    name: str, tests: pd.DataFrame, regression: pd.DataFrame, agreement: pd.DataFrame, atlas: str
) -> dict[str, Any]:
    """Similarity, regression and agreement of one set, ready for JSON."""

    def of_pairs(table: pd.DataFrame) -> dict[str, Any]:
        by_scale = {
            scale: {
                f"{row.pop('y')} on {row.pop('x')}": row
                for row in _rows(table, set=name, atlas=atlas, scale=scale)
            }
            for scale in SCALES
        }
        return {"atlas": atlas, **by_scale}

    return _without_nan(
        {
            "similarity": {row.pop("measure"): row for row in _rows(tests, set=name)},
            "regression": of_pairs(regression),
            "agreement": of_pairs(agreement),
        }
    )


def _rows(table: pd.DataFrame, **where: Any) -> list[dict[str, Any]]:
    """The rows with the given values, without the columns that hold these."""
    chosen = table[(table[list(where)] == pd.Series(where)).all(axis=1)]
    records = chosen.drop(columns=list(where)).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]


def _one(table: pd.DataFrame, **where: Any) -> dict[str, Any]:
    """The row with the given values, nothing where there is none."""
    return next(iter(_rows(table, **where)), {})


def _without_nan(value: Any) -> Any:
    """The same nested dictionary with None in place of NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _by_set(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The sets that have rows, in the order of `SETS`."""
    for name in SETS:
        members = table[table["set"] == name]
        if len(members):
            yield name, members
