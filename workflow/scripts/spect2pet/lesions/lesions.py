"""May an image be trusted with a deficit?  What is found, missed, added and erased.

Only of simulated subjects is it known where flow is lost.  Every image is compared with the same
kind of image of normal people, in MNI space, as a reader of z maps would (Minoshima et al., J Nucl
Med 36:1238, 1995); nothing here looks at the truth before the image is judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from spect2pet.evaluate.evaluation import IMAGES, SETS
from spect2pet.lesions import observers
from spect2pet.lesions.deviation import norm_of, z_scores
from spect2pet.lesions.lesion_columns import LESIONS, SCORES
from spect2pet.lesions.lesion_maps import Person, smooth
from spect2pet.register import mni
from spect2pet.register.mni_space import VOXEL_ML, VOXEL_MM, template_brain, template_regions
from spect2pet.subjects.splitting import sets_by_fold

#: A place has a deficit where at least this fraction of its flow is lost.
DEFICIT = 0.05
#: A person is normal who has lost less than this anywhere.
NORMAL = 0.01
#: An image shows a deficit where z is below this, and the pieces are at least so large.
LOW_Z = -2.0
MIN_ML = 1.0
#: A piece is one with a deficit, or with what another image shows, where they share this much
#: of the piece.  Less is chance: even in normal people z is below −2 in 2 % of the brain.
MIN_SHARED = 0.1
#: A region has a deficit that fills more of it than this; of those with less, only regions
#: without any count.
MIN_SHARE = 0.5
#: Regions that are smaller have no mean: 50 voxels of the study grid, as in `regions`.
MIN_REGION_ML = 0.4
#: No place with a deficit lies nearer to a healthy one, mm.
HEALTHY_MM = 20.0
#: Voxels that share a face or an edge belong together.
TOUCHING = ndimage.generate_binary_structure(3, 2)


@dataclass(frozen=True)
class Judged:
    """A person's images, beside those of normal people.

    Attributes:
        person: the person.
        brain: booleans (x, y, z), with flow in all images of the person and of all normal people.
        regions: AAL labels of the regions that are seen (n,).
        normals: number of normal people.
        z: smoothed deviation from them by image, 0 outside the brain; empty where there are too
            few of them.
        region_z: deviation of region means by image, in order of ``regions``.
        residual: unsmoothed deviation from their mean by image, relative CBF.
        deficits: true deficits, each a mask.
    """

    person: Person
    brain: np.ndarray
    regions: np.ndarray
    normals: int
    z: dict[str, np.ndarray]
    region_z: dict[str, np.ndarray]
    residual: dict[str, np.ndarray]
    deficits: list[np.ndarray]


def measure_study(
    people: Mapping[str, Person], split: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everything about the deficits of all simulated subjects.

    Args:
        people: subjects by label.
        split: rows of ``split.tsv``.

    Returns:
        One row a subject and image, columns as `lesion_columns.LESIONS`; and one row a case that
        an observer judges in all images, columns as `lesion_columns.SCORES`.  Subjects are
        ordered by set as in `evaluation.SETS`, then by label.
    """
    by_fold = sets_by_fold(split)
    of_fold = dict(zip(split["subject"], split["fold"], strict=True))
    sets = dict(zip(split["subject"], split["set"], strict=True))
    order = sorted(people, key=lambda label: (SETS.index(sets[label]), label))

    def others(label: str, *names: str) -> list[str]:
        """Other subjects of the named sets in the fold whose model made a subject's P2P."""
        members = by_fold[of_fold[label]]
        return [other for other in order if other != label and members[other] in names]

    smoothed = {
        label: {name: smooth(people[label].images[name], template_brain()) for name in IMAGES}
        for label in order
    }
    normal = {label for label in order if is_normal(people[label])}
    judged = {
        label: judge(
            label,
            [n for n in others(label, "train", "validation") if n in normal],
            people,
            smoothed,
        )
        for label in order
    }
    places = {
        label: places_of(judged[label], [judged[o] for o in order if sets[o] == sets[label]])
        for label in order
    }
    seen = {label: responses(judged[label], places[label]) for label in order}
    lesions, scores = [], []
    for label in order:
        about = {"subject": label, "set": sets[label]}
        lesions += [about | row for row in measure(judged[label])]
        taught = [(places[other], seen[other]) for other in others(label, "train")]
        relative = any(judged[label].person.relative.values())
        scores += [
            about | {"relative": relative} | row
            for row in (
                *region_scores(judged[label]),
                *channel_scores(places[label], seen[label], taught),
            )
        ]
    return pd.DataFrame(lesions, columns=list(LESIONS)), pd.DataFrame(scores, columns=list(SCORES))


def is_normal(person: Person) -> bool:
    """Whether a person has no deficit at all."""
    return bool(person.deficit[template_brain()].max() < NORMAL)


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    """The connected pieces of a mask that are at least `MIN_ML`, each a mask."""
    labels, count = ndimage.label(mask, TOUCHING)
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * VOXEL_ML
    return [labels == k for k in range(1, count + 1) if sizes[k] >= MIN_ML]


def judge(
    label: str,
    normals: Sequence[str],
    people: Mapping[str, Person],
    smoothed: Mapping[str, Mapping[str, np.ndarray]],
) -> Judged:
    """Compare a person's images with those of normal people.

    Args:
        label: the person.
        normals: labels of normal people, without the person.
        people: all people.
        smoothed: their smoothed images.
    """
    person = people[label]
    brain = template_brain().copy()
    for other in (label, *normals):
        brain &= people[other].scanned
        brain &= np.logical_and.reduce([smoothed[other][name] > 0 for name in IMAGES])
    regions = region_labels(brain)
    z, region_z, residual = {}, {}, {}
    for name in IMAGES:
        norm = norm_of(np.array([smoothed[other][name][brain] for other in normals]))
        means = {o: region_means(smoothed[o][name], brain, regions) for o in (label, *normals)}
        of_regions = norm_of(np.array([means[other] for other in normals]))
        if norm is None or of_regions is None:
            continue
        z[name] = _back(z_scores(smoothed[label][name][brain], norm), brain)
        region_z[name] = z_scores(means[label], of_regions)
        mean = np.mean([people[other].images[name][brain] for other in normals], axis=0)
        residual[name] = _back(person.images[name][brain] - mean, brain)
    deficits = pieces((person.deficit >= DEFICIT) & brain)
    return Judged(person, brain, regions, len(normals), z, region_z, residual, deficits)


# --- What a z map shows ---------------------------------------------------------


def measure(judged: Judged) -> list[dict[str, Any]]:
    """Deficits that each image of a person shows.

    Returns:
        One row an image, with the columns of `lesion_columns.LESIONS` but subject and set; NaN
        where there are too few normal people, or no deficit.
    """
    true = (judged.person.deficit >= DEFICIT) & judged.brain
    lost, measured = contrast(judged.person, judged.brain)
    rows = []
    for name in IMAGES:
        row: dict[str, Any] = {
            "image": name,
            "relative": judged.person.relative[name],
            "normals": judged.normals,
            "deficits": len(judged.deficits),
            "deficit_ml": np.count_nonzero(true) * VOXEL_ML,
            "true_loss": lost,
            "measured_loss": measured[name],
            "recovery": measured[name] / lost,
        }
        if judged.z:
            row |= _shown(judged, name, true)
        rows.append(row)
    return rows


def _shown(judged: Judged, name: str, true: np.ndarray) -> dict[str, Any]:
    """What the z map of one image shows, beside the truth and the other images."""
    low = {image: (z < LOW_Z) & judged.brain for image, z in judged.z.items()}
    own = pieces(low[name])
    both = np.count_nonzero(low[name] & true)
    row: dict[str, Any] = {
        "low_ml": np.count_nonzero(low[name]) * VOXEL_ML,
        "found": sum(_is_seen(deficit, low[name]) for deficit in judged.deficits),
        "false_deficits": _without(own, true),
        "false_ml": np.count_nonzero(low[name] & ~true) * VOXEL_ML,
        "dice": 2 * both / (np.count_nonzero(low[name]) + np.count_nonzero(true))
        if true.any()
        else np.nan,
    }
    if name != "PET":
        row["added"] = _without(own, true | low["PET"])
    if name == "P2P":
        row["invented"] = _without(own, true | low["PET"] | low["SPECT"])
        row["erased"] = sum(
            _is_seen(deficit, low["SPECT"])
            and _is_seen(deficit, low["PET"])
            and not _is_seen(deficit, low["P2P"])
            for deficit in judged.deficits
        )
    return row


def _is_seen(deficit: np.ndarray, low: np.ndarray) -> bool:
    """Whether an image shows at least `MIN_ML` of a deficit."""
    return bool(np.count_nonzero(deficit & low) * VOXEL_ML >= MIN_ML)


def _without(shown: Sequence[np.ndarray], anywhere: np.ndarray) -> int:
    """How many pieces have less than `MIN_SHARED` of them in a mask."""
    return sum(bool(anywhere[piece].mean() < MIN_SHARED) for piece in shown)


def contrast(person: Person, brain: np.ndarray) -> tuple[float, dict[str, float]]:
    """Fraction of flow lost where the mirrored place is healthy: true, and as images show it.

    Left and right differ in normal people too; what they would differ by without deficits is
    known of simulated people and divided out of the images.

    Args:
        person: the person.
        brain: booleans (x, y, z).

    Returns:
        True loss and measured loss by image (1); NaN where less than `MIN_ML` has a deficit on
        one side alone.
    """
    one_sided = (person.deficit >= DEFICIT) & (person.deficit[::-1] < NORMAL)
    here = one_sided & brain & brain[::-1]
    if np.count_nonzero(here) * VOXEL_ML < MIN_ML:
        return np.nan, dict.fromkeys(IMAGES, np.nan)
    there = here[::-1]
    intact = person.intact
    lost = 1 - (intact * (1 - person.deficit))[here].sum() / intact[here].sum()
    asymmetry = intact[here].mean() / intact[there].mean()
    shown = {
        name: float(1 - image[here].mean() / image[there].mean() / asymmetry)
        for name, image in person.images.items()
    }
    return float(lost), shown


# --- Cases that an observer tells apart -----------------------------------------


def region_labels(brain: np.ndarray) -> np.ndarray:
    """AAL labels of the regions that are large enough in a brain, in order."""
    labels, voxels = np.unique(template_regions()[brain], return_counts=True)
    return labels[(labels > 0) & (voxels * VOXEL_ML >= MIN_REGION_ML)]


def region_means(image: np.ndarray, brain: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Mean of an image (x, y, z) in the part of each region that lies in the brain."""
    return np.asarray(ndimage.mean(image, np.where(brain, template_regions(), 0), regions))


def region_scores(judged: Judged) -> list[dict[str, Any]]:
    """Regions with a deficit and without any, scored by −z of their mean in every image."""
    if not judged.region_z:
        return []
    true = (judged.person.deficit >= DEFICIT).astype(float)
    share = region_means(true, judged.brain, judged.regions)
    names = mni.atlas_names()
    return [
        {
            "observer": "regions",
            "place": names[int(label)],
            "positive": bool(share[i] > MIN_SHARE),
            **{image.lower(): -float(judged.region_z[image][i]) for image in IMAGES},
        }
        for i, label in enumerate(judged.regions)
        if share[i] > MIN_SHARE or share[i] == 0
    ]


@dataclass(frozen=True)
class Place:
    """A place that the channelised observer looks at.

    Attributes:
        name: what it is.
        positive: whether it is the centre of a deficit.
        voxel: its index on the grid (3,).
    """

    name: str
    positive: bool
    voxel: tuple[int, int, int]


def places_of(judged: Judged, of_set: Sequence[Judged]) -> list[Place]:
    """Centres of a person's deficits, and healthy places to tell them from.

    Args:
        judged: the person.
        of_set: all people of the person's set.

    Returns:
        Each deficit's centre, and its mirrored place where that is healthy.  In people without
        deficits the centres of all deficits of the set.
    """
    if not judged.deficits:
        centres = [_centre(deficit, other) for other in of_set for deficit in other.deficits]
        return [
            Place(f"healthy {number}", False, centre)
            for number, centre in enumerate(centres, start=1)
            if _is_healthy(judged, centre)
        ]
    found = []
    for number, deficit in enumerate(judged.deficits, start=1):
        x, y, z = _centre(deficit, judged)
        mirrored = (deficit.shape[0] - 1 - x, y, z)
        found.append(Place(f"deficit {number}", True, (x, y, z)))
        if _is_healthy(judged, mirrored):
            found.append(Place(f"mirror of deficit {number}", False, mirrored))
    return found


def responses(judged: Judged, places: Sequence[Place]) -> dict[str, np.ndarray]:
    """What the channels see at places in every image, each (places, channels)."""
    voxels = np.array([place.voxel for place in places]).reshape(-1, 3)
    return {
        image: observers.channel_responses(residual, voxels)
        for image, residual in judged.residual.items()
    }


def channel_scores(
    places: Sequence[Place],
    seen: Mapping[str, np.ndarray],
    taught: Sequence[tuple[Sequence[Place], Mapping[str, np.ndarray]]],
) -> list[dict[str, Any]]:
    """Score places by a channelised Hotelling observer that learnt from other people.

    Args:
        places: places of a person.
        seen: what the channels see there.
        taught: places of other people, and what the channels see there.

    Returns:
        One row a place; none where the others are too few to learn from.
    """
    scores = {}
    for image, channels in seen.items():
        lessons = [(group, by_image[image]) for group, by_image in taught if image in by_image]
        classes = [
            np.concatenate(
                [
                    np.empty((0, observers.CHANNELS)),
                    *(values[[p.positive is kind for p in group]] for group, values in lessons),
                ]
            )
            for kind in (True, False)
        ]
        template = observers.hotelling_template(*classes)
        if template is not None:
            scores[image] = channels @ template
    if set(scores) != set(IMAGES):
        return []
    return [
        {
            "observer": "channels",
            "place": place.name,
            "positive": place.positive,
            **{image.lower(): float(scores[image][i]) for image in IMAGES},
        }
        for i, place in enumerate(places)
    ]


def _centre(deficit: np.ndarray, judged: Judged) -> tuple[int, int, int]:
    """The voxel of a deficit that is nearest to the middle of what is lost in it."""
    voxels = np.argwhere(deficit)
    middle = np.average(voxels, axis=0, weights=judged.person.deficit[deficit])
    x, y, z = voxels[np.argmin(((voxels - middle) ** 2).sum(axis=1))].tolist()
    return x, y, z


def _is_healthy(judged: Judged, place: tuple[int, int, int]) -> bool:
    """Whether a place lies in the brain, and far from every deficit of a person."""
    voxels = np.argwhere((judged.person.deficit >= DEFICIT) & judged.brain)
    distances = np.linalg.norm(voxels - np.array(place), axis=1) * VOXEL_MM
    return bool(judged.brain[place]) and bool((distances > HEALTHY_MM).all())


def _back(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Values of the brain's voxels in their places, 0 elsewhere."""
    volume = np.zeros(brain.shape, np.float32)
    volume[brain] = values
    return volume
