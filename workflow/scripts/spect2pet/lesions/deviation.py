"""How far a person's flow deviates from that of normal people, when these are few."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

#: Fewer normal people than this do not tell what is normal.
MIN_NORMALS = 3


@dataclass(frozen=True)
class Norm:
    """What is normal at every place.

    Attributes:
        mean: mean relative CBF of normal people (n,).
        spread: standard deviation as a fraction of the mean (n,), moderated.
        degrees: degrees of freedom of the spread; infinite where all places share one.
        people: number of normal people.
    """

    mean: np.ndarray
    spread: np.ndarray
    degrees: float
    people: int


def norm_of(values: np.ndarray) -> Norm | None:
    """What is normal, from the images of a few normal people.

    The variance of four or five values is hardly known; it is drawn towards the variance that
    all places share, as far as the places' variances agree (`moderate`).

    Args:
        values: relative CBF (people, places), positive.

    Returns:
        The norm; None with fewer than `MIN_NORMALS` people.
    """
    people = len(values)
    if people < MIN_NORMALS:
        return None
    mean = values.mean(axis=0, dtype=np.float64)
    variance = np.var(values / mean, axis=0, ddof=1, dtype=np.float64)
    moderated, degrees = moderate(variance, people - 1)
    return Norm(mean, np.sqrt(moderated), degrees, people)


def z_scores(values: np.ndarray, norm: Norm) -> np.ndarray:
    """Deviation of a person from normal people who do not include the person.

    The single case is compared with a small sample by a t statistic (Crawford and Howell, Clin
    Neuropsychol 12:482, 1998), which then is told as the standard normal value that is as rare.

    Args:
        values: relative CBF of the person (places,).
        norm: what is normal at the same places.

    Returns:
        z (places,): below −2 in about 2.3 % of the places of a normal person, however few are
        behind the norm.
    """
    error = norm.spread * np.sqrt(1 + 1 / norm.people)
    t = (values / norm.mean - 1) / error
    if np.isinf(norm.degrees):
        return t
    # By the nearer tail, which is told exactly.
    return -np.sign(t) * stats.norm.ppf(stats.t.sf(np.abs(t), norm.degrees))


def moderate(variance: np.ndarray, degrees: int) -> tuple[np.ndarray, float]:
    """Variances of many places, each from few values, drawn towards what they share.

    Empirical Bayes: the true variances are taken as scaled inverse χ², whose two parameters
    follow from mean and variance of the logarithms (Smyth, Stat Appl Genet Mol Biol 3:3, 2004,
    section 6.2).

    Args:
        variance: sample variances (n,), positive.
        degrees: degrees of freedom of each.

    Returns:
        The moderated variances (n,), and their degrees of freedom: infinite where the sample
        variances differ no more than by chance.
    """
    logs = np.log(np.maximum(variance, 1e-12 * variance.max(initial=1e-300)))
    half = degrees / 2
    logs = logs - special.digamma(half) + np.log(half)
    excess = np.var(logs, ddof=1) - special.polygamma(1, half) if len(logs) > 1 else 0.0
    if excess <= 1e-6:
        return np.full_like(variance, np.exp(logs.mean())), np.inf
    prior = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-8, 1e8)
    shared = np.exp(logs.mean() + special.digamma(prior) - np.log(prior))
    total = degrees + 2 * prior
    return (2 * prior * shared + degrees * variance) / total, float(total)
