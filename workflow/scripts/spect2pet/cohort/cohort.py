"""The simulated people: what is decided about each before anything is simulated.

Nothing here needs more than NumPy and pandas, because the workflow asks for the
list of people each time it is read.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from spect2pet.cohort import physics

UNIT = "mL/100g/min"
SIDES = ("L", "R")

#: Descriptions of the columns of `participants_table`.
COLUMNS = {
    "subject": "subject label, as in sub-<label>",
    "spect": "SPECT image, path from the working directory",
    "pet": "PET image, path from the working directory",
    "unit": "unit of both images",
    "truth": "JSON file with what was simulated, path from the working directory",
    "ceiling": "image that no method can pass (PET without noise, with the error of scale of "
    "SPECT), path from the working directory",
    "group": "patient or control",
    "scanner": "PET scanner",
    "age": "age in years",
    "sex": "F or M",
    "severity": "worst perfusion deficit: none, mild, moderate or severe",
    "side": "side of the deficits: none, L, R or both",
    "territory": "territory of the worst deficit: none, ACA, MCA, PCA or watershed",
}


@dataclass(frozen=True)
class Deficit:
    """A region of reduced flow.

    Attributes:
        territory: ACA, MCA, PCA or watershed.
        side: L or R.
        grade: mild, moderate or severe.
        severity: fraction of flow lost at its centre.
        extent_mm: radius over which it fades to half within its territory.
    """

    territory: str
    side: str
    grade: str
    severity: float
    extent_mm: float


@dataclass(frozen=True)
class Diaschisis:
    """Reduced flow in one cerebellar hemisphere, opposite a large deficit.

    Attributes:
        side: cerebellar side, L or R.
        severity: fraction of flow lost.
    """

    side: str
    severity: float


@dataclass(frozen=True)
class Participant:
    """One simulated person.

    Attributes:
        subject: label.
        seed: the person's own seed; `stream` derives every random stream from it.
        group: patient or control.
        scanner: PET scanner, a key of `physics.PET_SCANNERS`.
        age: years.
        sex: F or M.
        flow: whole-brain flow relative to the mean of healthy people.
        deficits: perfusion deficits, worst first.
        diaschisis: crossed cerebellar diaschisis, None where there is none.
        spect_scale: factor by which all SPECT values are wrong (arterial sampling,
            cross calibration).
        pet_scale: the same for PET.
    """

    subject: str
    seed: int
    group: str
    scanner: str
    age: int
    sex: str
    flow: float
    deficits: tuple[Deficit, ...]
    diaschisis: Diaschisis | None
    spect_scale: float
    pet_scale: float

    def stream(self, purpose: str) -> np.random.Generator:
        """A random generator for one purpose, independent of every other purpose."""
        return _generator(f"{self.seed}:{purpose}")

    def facts(self) -> dict[str, Any]:
        """All attributes as plain values, ready for JSON."""
        return asdict(self)


def draw_participant(cohort_seed: int, subject: str, settings: Mapping[str, Any]) -> Participant:
    """Decide who a simulated person is.

    The draw depends on the cohort seed and the label alone, so people stay the
    same when others join or leave.

    Args:
        cohort_seed: seed of the cohort.
        subject: label of the person.
        settings: ``cohort`` section of the configuration.

    Returns:
        The person.
    """
    seed = int.from_bytes(hashlib.sha256(f"{cohort_seed}:{subject}".encode()).digest()[:4], "big")
    rng = _generator(f"{seed}:person")
    patient = bool(rng.random() < settings["patient_share"])
    scanner = str(rng.choice(list(physics.PET_SCANNERS)))
    age, sex = int(rng.integers(45, 86)), str(rng.choice(["F", "M"]))
    flow = _lognormal(rng, settings["flow"]["patient_spread" if patient else "control_spread"])
    spect_scale = _lognormal(rng, settings["spect"]["scale_spread"])
    pet_scale = _lognormal(rng, settings["pet"]["scale_spread"])
    deficits = _draw_deficits(rng, settings["spared_share"]) if patient else ()
    return Participant(
        subject=subject,
        seed=seed,
        group="patient" if patient else "control",
        scanner=scanner,
        age=age,
        sex=sex,
        flow=flow,
        deficits=deficits,
        diaschisis=_draw_diaschisis(rng, deficits),
        spect_scale=spect_scale,
        pet_scale=pet_scale,
    )


def labels(count: int) -> list[str]:
    """Labels of a cohort's people, 001 onwards."""
    return [f"{number:03d}" for number in range(1, count + 1)]


def participants_table(settings: Mapping[str, Any]) -> pd.DataFrame:
    """The table of the simulated cohort, in the form users write for their own data.

    Args:
        settings: ``cohort`` section of the configuration.

    Returns:
        One row a person, with the columns of `COLUMNS`.
    """
    people = [
        draw_participant(settings["seed"], subject, settings)
        for subject in labels(settings["subjects"])
    ]
    return pd.DataFrame([_row(person) for person in people], columns=list(COLUMNS))


def _row(person: Participant) -> dict[str, Any]:
    """One line of the participants table."""
    name = f"sub-{person.subject}"
    home = f"results/cohort/{name}"
    sides = {deficit.side for deficit in person.deficits}
    worst = person.deficits[0] if person.deficits else None
    return {
        "subject": person.subject,
        "spect": f"{home}/spect/{name}_spect.nii.gz",
        "pet": f"{home}/pet/{name}_pet.nii.gz",
        "unit": UNIT,
        "truth": f"{home}/truth/{name}_truth.json",
        "ceiling": f"{home}/truth/{name}_desc-ceiling_map.nii.gz",
        "group": person.group,
        "scanner": person.scanner,
        "age": person.age,
        "sex": person.sex,
        "severity": worst.grade if worst else "none",
        "side": "both" if len(sides) == 2 else next(iter(sides), "none"),
        "territory": worst.territory if worst else "none",
    }


def _draw_deficits(rng: np.random.Generator, spared_share: float) -> tuple[Deficit, ...]:
    """None, one or two deficits of a patient; the second more often on the same side."""
    if rng.random() < spared_share:
        return ()
    first_side = str(rng.choice(SIDES))
    territories = rng.choice(
        list(physics.TERRITORY_SHARE),
        size=1 + int(rng.random() < 0.4),
        replace=False,
        p=list(physics.TERRITORY_SHARE.values()),
    )
    drawn = []
    for number, territory in enumerate(territories):
        side = first_side if number == 0 or rng.random() < 0.6 else _opposite(first_side)
        grade = str(
            rng.choice(list(physics.SEVERITY_SHARE), p=list(physics.SEVERITY_SHARE.values()))
        )
        severity = float(rng.uniform(*physics.SEVERITY[grade]))
        drawn.append(Deficit(str(territory), side, grade, severity, float(rng.uniform(30, 70))))
    return tuple(sorted(drawn, key=lambda deficit: -deficit.severity))


def _draw_diaschisis(rng: np.random.Generator, deficits: tuple[Deficit, ...]) -> Diaschisis | None:
    """Diaschisis opposite the worst deficit, in a share of people with a large one."""
    happens = rng.random() < physics.DIASCHISIS_SHARE
    severity = float(np.clip(rng.normal(*physics.DIASCHISIS_FRACTION), 0.02, 0.15))
    large = [d for d in deficits if d.grade != "mild" and d.territory in ("MCA", "ACA")]
    return Diaschisis(_opposite(large[0].side), severity) if large and happens else None


def _opposite(side: str) -> str:
    """The other side."""
    return "R" if side == "L" else "L"


def _lognormal(rng: np.random.Generator, spread: float) -> float:
    """A positive factor with mean 1 and coefficient of variation ``spread``."""
    sigma = np.sqrt(np.log1p(spread**2))
    return float(np.exp(rng.normal(-(sigma**2) / 2, sigma)))


def _generator(text: str) -> np.random.Generator:
    """A generator seeded by the SHA-256 of a text."""
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
