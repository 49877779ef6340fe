"""What readers' scores say: means, paired tests, agreement, and whether P2P passes for PET."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from spect2pet.evaluate.evaluation import IMAGES
from spect2pet.evaluate.statistics import CONFIDENCE, holm, mean_interval, paired_comparison
from spect2pet.readers.readers import BLIND, OPEN, PARTS, REAL

#: The row of all readers together.
ALL = "all"
#: Parts whose cases are scored.
SCORED = (BLIND, OPEN)
PAIRS = (("SPECT", "P2P"), ("SPECT", "PET"), ("P2P", "PET"))
KAPPA, ALPHA = "weighted kappa", "Krippendorff's alpha"
#: Draws of the bootstrap interval of alpha.
DRAWS = 1000

_WHO = {
    "part": "Part of the session: blind (images without names) or open (with their names, beside "
    "the PET)",
    "reader": "Initials of the reader; all: the mean of all readers",
    "relative": "True: some of the images behind the row are known only relative (they came as "
    "counts)",
}
SCORES = {
    **_WHO,
    "image": "Image that was scored: SPECT, P2P or PET",
    "subjects": "Number of test subjects",
    "answers": "Number of scores, first readings only",
    "mean": "Mean score over subjects; a subject's score is the mean of its readers'",
    "sd": "Standard deviation (n - 1) over subjects",
    "low": "Lower end of the mean's 95 % confidence interval (Student's t)",
    "high": "Upper end of it",
}
SCORE_TESTS = {
    **_WHO,
    "image": "Image that is compared",
    "other": "Image it is compared with",
    "n": "Number of test subjects in which both were scored",
    "difference": "Mean score of the other image minus that of the image",
    "difference_low": "Lower end of its 95 % confidence interval (Student's t)",
    "difference_high": "Upper end of it",
    "wilcoxon_p": "Two-sided p value of the Wilcoxon signed-rank test over subjects",
    "wilcoxon_p_holm": "The same, corrected over the pairs of images of the part and reader (Holm)",
}
AGREEMENT = {
    "part": _WHO["part"],
    "relative": _WHO["relative"],
    "measure": f"{KAPPA}: Cohen's, with quadratic weights; {ALPHA}: ordinal, of all readers",
    "reader": "Initials of the reader; all: all readers",
    "other": "The reader compared with; the same reader: first and second reading of one image",
    "n": "Number of images that were scored at least twice",
    "value": "The measure: 1 is full agreement, 0 that of chance",
    "low": "Lower end of its 95 % confidence interval (kappa: asymptotic; alpha: bootstrap over "
    "images)",
    "high": "Upper end of it",
    "identical": "Share of images with equal scores (1); n/a of alpha",
}
WHICH_IS_REAL = {
    "reader": "Initials of the reader; all: the answers of all readers",
    "relative": _WHO["relative"],
    "n": "Number of pairs of PET and P2P that were answered",
    "correct": "Pairs in which the PET was found",
    "share": "Share of them (1); 0.5 is guessing",
    "low": "Lower end of its 95 % confidence interval (Wilson)",
    "high": "Upper end of it",
    "p": "Two-sided p value of the binomial test against 0.5",
}


# --- Agreement -----------------------------------------------------------------


def weighted_kappa(first: ArrayLike, second: ArrayLike, grades: int) -> tuple[float, float, float]:
    """Agreement of two ratings of the same cases, with quadratic weights.

    Cohen, Psychol Bull 70:213 (1968); interval by the large-sample variance of Fleiss, Cohen and
    Everitt, Psychol Bull 72:323 (1969).

    Args:
        first: grades from 1, one a case.
        second: those of the other rating.
        grades: how many grades there are.

    Returns:
        Kappa, lower and upper end of its 95 % confidence interval; NaN where both ratings are
        one and the same grade throughout, or there is none.
    """
    table = np.zeros((grades, grades))
    np.add.at(table, (np.asarray(first, int) - 1, np.asarray(second, int) - 1), 1)
    if np.count_nonzero(table.sum(axis=0) + table.sum(axis=1)) < 2:
        return np.nan, np.nan, np.nan
    result = cohens_kappa(table, wt="quadratic")
    low, high = (max(float(result.kappa_low), -1), min(float(result.kappa_upp), 1))
    return float(result.kappa), low, high


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Ordinal agreement of any number of raters, of whom not all rate everything.

    Krippendorff, Computing Krippendorff's Alpha-Reliability, University of Pennsylvania (2011),
    section E: coincidences and the ordinal metric.

    Args:
        ratings: ordered values (raters, cases), NaN where there is none.

    Returns:
        Alpha; NaN where no case has two ratings or all ratings are equal.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    values = np.unique(ratings[~np.isnan(ratings)])
    return _alpha((ratings[:, :, None] == values).sum(axis=0))


def alpha_interval(ratings: ArrayLike, seed: int, draws: int = DRAWS) -> tuple[float, float]:
    """95 % confidence interval of `krippendorff_alpha`, by the percentile bootstrap over cases.

    Args:
        ratings: ordered values (raters, cases), NaN where there is none.
        seed: seed of the draws.
        draws: how many samples of the cases are drawn.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=0)
    draw = np.random.default_rng(seed)
    samples = draw.integers(len(counts), size=(draws, len(counts)))
    alphas = np.array([_alpha(counts[sample]) for sample in samples])
    if np.isnan(alphas).all():
        return np.nan, np.nan
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(alphas, (tail, 100 - tail))
    return float(low), float(high)


def _alpha(counts: np.ndarray) -> float:
    """Ordinal alpha of (cases, values): how often each value was given to each case."""
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return np.nan
    each = counts.sum(axis=1, keepdims=True)
    coincidences = (counts / (each - 1)).T @ counts - np.diag((counts / (each - 1)).sum(axis=0))
    totals = coincidences.sum(axis=1)
    # The ordinal metric: how many values lie from one grade to the other, ends counted by half.
    middles = np.cumsum(totals) - totals / 2
    distance = (middles[:, None] - middles) ** 2
    expected = (np.outer(totals, totals) * distance).sum()
    if expected == 0:
        return np.nan
    return float(1 - (totals.sum() - 1) * (coincidences * distance).sum() / expected)


# --- Tables ----------------------------------------------------------------------


def tabulate_scores(readings: pd.DataFrame) -> pd.DataFrame:
    """Mean scores of every image, by part and reader.

    Args:
        readings: what `readings.read_readings` gave.

    Returns:
        One row a part, reader and image that was scored, columns as `SCORES`.
    """
    rows = []
    for part, reader, answers in _by_part_and_reader(readings):
        for image in IMAGES:
            own = answers[answers["image"] == image]
            if own.empty:
                continue
            means = own.groupby("subject")["score"].mean()
            mean, low, high = mean_interval(means)
            rows.append(
                {
                    "part": part,
                    "reader": reader,
                    "image": image,
                    "relative": bool(own["relative"].any()),
                    "subjects": len(means),
                    "answers": len(own),
                    "mean": mean,
                    "sd": float(means.std(ddof=1)),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows, columns=list(SCORES))


def compare_scores(readings: pd.DataFrame) -> pd.DataFrame:
    """Paired tests between the images, by part and reader.

    Args:
        readings: what `readings.read_readings` gave.

    Returns:
        One row a part, reader and pair of images, columns as `SCORE_TESTS`.
    """
    tables = []
    for part, reader, answers in _by_part_and_reader(readings):
        means = answers.pivot_table(index="subject", columns="image", values="score")
        rows = []
        for image, other in PAIRS:
            if image not in means or other not in means:
                continue
            result = paired_comparison(means[image], means[other])
            rows.append(
                {
                    "part": part,
                    "reader": reader,
                    "relative": bool(answers["relative"].any()),
                    "image": image,
                    "other": other,
                    "n": result.n,
                    "difference": result.difference,
                    "difference_low": result.difference_low,
                    "difference_high": result.difference_high,
                    "wilcoxon_p": result.wilcoxon_p,
                }
            )
        table = pd.DataFrame(rows, columns=list(SCORE_TESTS))
        tables.append(table.assign(wilcoxon_p_holm=holm(table["wilcoxon_p"])))
    tables = [table for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*SCORE_TESTS])


def tabulate_agreement(readings: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Agreement between readers, and of each reader with herself or himself.

    Args:
        readings: what `readings.read_readings` gave.
        seed: seed of the bootstrap.

    Returns:
        One row a part and pair of ratings, columns as `AGREEMENT`: every two readers, both
        readings of every reader, and all readers together.
    """
    grades = int(readings["grades"].iloc[0])
    readers = sorted(readings["reader"].unique())
    rows = []
    for part in SCORED:
        of_part = readings[readings["part"] == part]
        relative = bool(of_part["relative"].any())
        about = {"part": part, "relative": relative}
        first = _by_case(of_part[of_part["repeat_of"].isna()], "item", readers)
        again = _by_case(of_part[of_part["repeat_of"].notna()], "repeat_of", readers)
        for reader, other in combinations(readers, 2):
            pair = {"reader": reader, "other": other}
            rows.append({**about, **pair, **_kappa_row(first[reader], first[other], grades)})
        for reader in readers if len(again) else []:
            pair = {"reader": reader, "other": reader}
            both = first[reader].reindex(again.index)
            rows.append({**about, **pair, **_kappa_row(both, again[reader], grades)})
        if len(readers) > 1:
            rows.append({**about, **_alpha_row(first.to_numpy().T, seed)})
    return pd.DataFrame(rows, columns=list(AGREEMENT))


def tabulate_choices(readings: pd.DataFrame) -> pd.DataFrame:
    """How often the PET was told from P2P.

    Args:
        readings: what `readings.read_readings` gave.

    Returns:
        One row a reader who answered, and one of all; columns as `WHICH_IS_REAL`. The row of
        all takes every answer as independent.
    """
    pairs = readings[(readings["part"] == REAL) & readings["choice"].notna()]
    rows = []
    for reader in [ALL, *sorted(pairs["reader"].unique())]:
        own = pairs if reader == ALL else pairs[pairs["reader"] == reader]
        if own.empty:
            continue
        n, correct = len(own), int((own["choice"] == own["pet_side"]).sum())
        low, high = proportion_confint(correct, n, alpha=1 - CONFIDENCE, method="wilson")
        rows.append(
            {
                "reader": reader,
                "relative": bool(own["relative"].any()),
                "n": n,
                "correct": correct,
                "share": correct / n,
                "low": float(low),
                "high": float(high),
                "p": float(stats.binomtest(correct, n).pvalue),
            }
        )
    return pd.DataFrame(rows, columns=list(WHICH_IS_REAL))


def summarise_readings(
    readings: pd.DataFrame,
    scores: pd.DataFrame,
    tests: pd.DataFrame,
    agreement: pd.DataFrame,
    choices: pd.DataFrame,
) -> dict[str, Any]:
    """The reading in one dictionary.

    Args:
        readings: what `readings.read_readings` gave.
        scores: what `tabulate_scores` gave.
        tests: what `compare_scores` gave.
        agreement: what `tabulate_agreement` gave.
        choices: what `tabulate_choices` gave.

    Returns:
        ``readers`` (answers, missing answers and median seconds a case of each), and of all
        readers together ``scores``, ``tests``, ``alpha`` and ``which_is_real``; None where there
        is no number.
    """
    answered = readings["score"].notna() | readings["choice"].notna()
    readers = {
        str(reader): {
            part: {
                "answered": int(answered[own.index[own["part"] == part]].sum()),
                "missing": int((~answered[own.index[own["part"] == part]]).sum()),
            }
            for part in PARTS
        }
        | {"median_seconds": float(own["seconds"][answered[own.index]].median())}
        for reader, own in readings.groupby("reader")
    }
    of_all = scores[scores["reader"] == ALL]
    return _without_nan(
        {
            "set": "test",
            "session": readings["session"].iloc[0],
            "model": readings["model"].iloc[0],
            "subjects": int(readings["subject"].nunique()),
            "relative": bool(readings["relative"].any()),
            "grades": int(readings["grades"].iloc[0]),
            "readers": readers,
            "missing": int((~answered).sum()),
            "scores": {
                part: {
                    row["image"]: {name: row[name] for name in ("mean", "low", "high", "subjects")}
                    for row in of_all[of_all["part"] == part].to_dict("records")
                }
                for part in SCORED
            },
            "tests": _records(tests[tests["reader"] == ALL], "reader"),
            "alpha": {
                row["part"]: {name: row[name] for name in ("value", "low", "high", "n")}
                for row in agreement[agreement["measure"] == ALPHA].to_dict("records")
            },
            "which_is_real": next(
                iter(_records(choices[choices["reader"] == ALL], "reader")), None
            ),
        }
    )


def _by_part_and_reader(readings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """First readings with a score, of all readers together and then of each."""
    first = readings[readings["score"].notna() & readings["repeat_of"].isna()]
    for part in SCORED:
        of_part = first[first["part"] == part]
        if len(of_part):
            yield part, ALL, of_part
        for reader, own in of_part.groupby("reader"):
            yield part, str(reader), own


def _by_case(answers: pd.DataFrame, case: str, readers: list[str]) -> pd.DataFrame:
    """Scores as a table of cases and readers, NaN where there is none."""
    table = answers.pivot_table(index=case, columns="reader", values="score", dropna=False)
    return table.reindex(columns=readers)


def _kappa_row(first: pd.Series, second: pd.Series, grades: int) -> dict[str, Any]:
    """Weighted kappa over the cases that both ratings have."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    value, low, high = weighted_kappa(a, b, grades)
    identical = float((a == b).mean()) if len(a) else np.nan
    numbers = {"n": len(a), "value": value, "low": low, "high": high, "identical": identical}
    return {"measure": KAPPA, **numbers}


def _alpha_row(ratings: np.ndarray, seed: int) -> dict[str, Any]:
    """Alpha of all readers."""
    low, high = alpha_interval(ratings, seed)
    n = int(((~np.isnan(ratings)).sum(axis=0) > 1).sum())
    numbers = {"n": n, "value": krippendorff_alpha(ratings), "low": low, "high": high}
    return {"measure": ALPHA, "reader": ALL, "other": ALL, **numbers, "identical": np.nan}


def _records(table: pd.DataFrame, *without: str) -> list[dict[str, Any]]:
    """Rows as dictionaries, without some columns."""
    records = table.drop(columns=list(without)).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]


def _without_nan(value: Any) -> Any:
    """The same nested value with None in place of NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
