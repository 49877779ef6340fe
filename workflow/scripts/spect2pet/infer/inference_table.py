"""The table of what a given model has made."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spect2pet.infer.cards import APPEARANCE, SLACK

COLUMNS = {
    "subject": "Subject label, without the prefix sub-",
    "relative": "True: flow is known only relative, scaled to a whole-brain mean",
    **{name: what[0].upper() + what[1:] for name, what in APPEARANCE.items()},
    "outside": "How many of these lie outside what the model saw in training subjects, with a "
    f"slack of a factor of {SLACK:g}",
    "warning": "In words; the model's P2P of such a subject is an extrapolation",
}


def tabulate(subjects: Sequence[str], sidecars: Sequence[str | Path]) -> pd.DataFrame:
    """One row for each P2P image that a given model has made.

    Args:
        subjects: labels.
        sidecars: the sidecar of each subject's P2P image.

    Returns:
        The rows, columns as `COLUMNS`.
    """
    rows = []
    for subject, path in zip(subjects, sidecars, strict=True):
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        sentences = about["OutsideTraining"]
        rows.append(
            {
                "subject": subject,
                **about["Appearance"],
                "outside": len(sentences),
                "warning": "; ".join(sentences) or None,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
