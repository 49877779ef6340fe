"""The card of a model file: what others must know before they use it, and what it has not seen."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spect2pet.core.errors import InputError
from spect2pet.train import headers

#: Key of the card in the record.
CARD = "card"
#: A SPECT may differ by this factor from the range that training subjects span.
SLACK = 1.25
#: What is measured of a SPECT, and how messages call it; see `appearance.describe`.
APPEARANCE = {
    "largest_voxel_mm": "the largest side of a raw voxel, mm",
    "brain_level": "the mean flow of the brain, mL/100 g/min",
    "fine_detail": "the share of detail finer than 10 mm, which resolution and noise make",
}


def read_card(path: str | Path) -> dict[str, Any]:
    """Read the card of a model file without its weights.

    Args:
        path: a file that `publishing.publish` wrote.

    Returns:
        The card.

    Raises:
        InputError: no such file, not a model file of this workflow, or one without a card.
    """
    try:
        record = headers.read_record(path)
    except OSError as error:
        raise InputError(
            f"{path}: the model file cannot be read ({error.strerror}); "
            "correct `model:` in the config"
        ) from None
    except ValueError:
        raise InputError(
            f"{path}: is damaged or no model file of this workflow; correct `model:` in the config"
        ) from None
    if CARD not in record:
        raise InputError(
            f"{path}: holds a network without a card; give `model:` in the config the file of the "
            "other study that has one, results/models/<model>/fold-<k>/<model>.safetensors"
        )
    return record[CARD]


def name_of(path: str | Path) -> str:
    """The name of a given model in paths: its file's, in small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-") or "given"


def outside(seen: Mapping[str, Any], spect: Mapping[str, Any]) -> list[str]:
    """What of a SPECT lies outside what a model saw in training.

    Args:
        seen: the card's ``seen``: by each name of `APPEARANCE` the lowest and highest of the
            training subjects, and ``relative``, whether any was known only relative.
        spect: what `appearance.describe` gave.

    Returns:
        A sentence for each; none where the model has met its like.
    """
    sentences = []
    if spect["relative"] and not seen["relative"]:
        sentences.append("flow is known only relative, which it was of no training subject")
    for name, what in APPEARANCE.items():
        low, high = seen[name]
        if spect["relative"] and name == "brain_level":
            continue
        if not low / SLACK <= spect[name] <= high * SLACK:
            sentences.append(
                f"{what}, is {spect[name]:.3g}, and {low:.3g} to {high:.3g} in training subjects"
            )
    return sentences
