"""Placing a SPECT that has no PET on a study grid of its own."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spect2pet.core import grids
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image
from spect2pet.register import agreement, mni
from spect2pet.register.rigid_search import find_start

log = logging.getLogger(__name__)


def place_spect(
    *,
    spect: str | Path,
    study_spect: str | Path,
    subject: str,
    study_grid: Mapping[str, Any],
    max_rotation_deg: float,
    made_by: Mapping[str, Any],
) -> None:
    """Bring a SPECT to a study grid around its own brain, along its own world axes.

    Nothing is aligned: without PET there is nothing to align with, and networks are trained with
    heads turned a little.  The template of CBF in MNI space only shows whether the head lies as the
    header says.

    Args:
        spect: prepared SPECT, with its sidecar beside it.
        study_spect: image to write, SPECT on the study grid.
        subject: label, for messages.
        study_grid: the ``study_grid`` section of the config.
        max_rotation_deg: largest angle between the head and the header's axes, degrees.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: the brain does not fit the study grid, or the head is turned further than
            heads are.
    """
    data, affine = read_image(spect)
    grid = grids.study_grid(data, affine, study_grid, subject, "SPECT")
    found = find_start(*mni.cbf_template(), data, affine)
    angle = agreement.rotation_deg(found)
    log.info("subject %s: the head is turned by %.0f° from the axes of MNI space", subject, angle)
    if angle > max_rotation_deg:
        raise InputError(
            f"subject {subject}: the brain in the SPECT fits a template best when turned by "
            f"{angle:.0f}°, more than a head turns, so the orientation in its header must be "
            "wrong; export it again"
        )
    grids.bring(spect, grid, study_spect, made_by)
