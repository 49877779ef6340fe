"""The ceiling: the image that no method can pass, where a P2P image of a model would be.

A simulated subject's PET differs from what SPECT could ever tell in two ways: by its noise, and by
its error of scale, while SPECT has an error of scale of its own that nothing in the image gives
away.  The simulation knows the PET without the one and with the other in place of its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spect2pet.core.grids import Grid, bring
from spect2pet.core.images import read_image


def place_ceiling(
    ceiling: str | Path, study_pet: str | Path, p2p: str | Path, made_by: Mapping[str, Any]
) -> None:
    """Bring a subject's ceiling to the study grid as its PET was: one interpolation, no transform.

    Args:
        ceiling: the image on the PET scanner's grid, with its sidecar.
        study_pet: the subject's PET on the study grid.
        p2p: image to write.
        made_by: what `provenance.stamp` gave.
    """
    pet, affine = read_image(study_pet)
    what = "The ceiling: PET without noise, with the error of scale of SPECT"
    x, y, z = pet.shape
    bring(ceiling, Grid(affine, (x, y, z)), p2p, made_by, description=what)
