"""Publishing a model: its networks in one file, with the card that others need."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spect2pet.core.images import CBF_UNIT
from spect2pet.core.provenance import write_json
from spect2pet.infer import appearance, cards
from spect2pet.train import weights


def publish(
    output: str | Path,
    *,
    name: str,
    generators: Sequence[str | Path],
    reports: Sequence[str | Path],
    prepared: Sequence[str | Path],
    study: Sequence[str | Path],
    methods: Mapping[str, Any],
    cohort: str,
    study_grid: Mapping[str, Any],
    made_by: Mapping[str, Any],
) -> None:
    """Write a model's networks and card as one file.

    Args:
        output: file to write (.safetensors), and beside it the card alone (.json).
        name: name of the model.
        generators: its networks.
        reports: what the training of each wrote (training.json).
        prepared: prepared SPECT of the training subjects.
        study: the same on the study grid, in the same order.
        methods: the model's row of test subjects in methods.tsv.
        cohort: who the training subjects were: simulated, or of a table.
        study_grid: the ``study_grid`` section of the config.
        made_by: what `provenance.stamp` gave.
    """
    trained = [json.loads(Path(path).read_text(encoding="utf-8")) for path in reports]
    card = {
        "model": name,
        "method": trained[0]["settings"]["method"],
        "cohort": cohort,
        "subjects": {kind: len(labels) for kind, labels in trained[0]["subjects"].items()},
        "networks": len(trained),
        "study_grid": dict(study_grid),
        "units": CBF_UNIT,
        "intensity_scale": trained[0]["intensity_scale"],
        "seen": seen(prepared, study),
        "performance": {
            "validation": [report["validation"] for report in trained],
            "test": dict(methods),
        },
        "GeneratedBy": dict(made_by),
    }
    weights.gather(output, generators, {cards.CARD: card})
    write_json(Path(output).with_suffix(".json"), card)


def seen(prepared: Sequence[str | Path], study: Sequence[str | Path]) -> dict[str, Any]:
    """The range of what training subjects' SPECT look like.

    Args:
        prepared: prepared SPECT of every training subject.
        study: the same on the study grid.

    Returns:
        Lowest and highest of each name of `cards.APPEARANCE`, and ``relative``: whether any
        subject's flow was known only relative.
    """
    rows = [appearance.describe(*pair) for pair in zip(prepared, study, strict=True)]
    ranges = {
        name: [min(row[name] for row in rows), max(row[name] for row in rows)]
        for name in cards.APPEARANCE
    }
    return {**ranges, "relative": any(row["relative"] for row in rows)}
