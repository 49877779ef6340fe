"""What a SPECT looks like to a network: numbers by which two scanners or cohorts differ."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spect2pet.core.grids import smooth
from spect2pet.core.images import read_image, rough_brain_mask, sidecar_path

#: What is finer than a Gaussian of this full width at half maximum counts as detail, mm.
DETAIL_MM = 10.0


def describe(prepared: str | Path, study: str | Path) -> dict[str, Any]:
    """Measure a subject's SPECT.

    Args:
        prepared: the prepared image, whose voxels are the scanner's.
        study: the same on the study grid, where all subjects are alike in voxel size.

    Returns:
        ``largest_voxel_mm``, ``brain_level`` (mean of the rough brain mask, mL/100 g/min),
        ``fine_detail`` (standard deviation within the brain of what a Gaussian of `DETAIL_MM` takes
        away, over the brain's mean) and ``relative``.
    """
    _, raw_affine = read_image(prepared)
    data, affine = read_image(study)
    mask = rough_brain_mask(data)
    detail = data - smooth(data, affine, DETAIL_MM)
    level = float(data[mask].mean(dtype=np.float64))
    about = json.loads(sidecar_path(study).read_text(encoding="utf-8"))
    return {
        "largest_voxel_mm": round(float(np.linalg.norm(raw_affine[:3, :3], axis=0).max()), 4),
        "brain_level": round(level, 4),
        "fine_detail": round(float(detail[mask].std(dtype=np.float64)) / level, 5),
        "relative": bool(about["Relative"]),
    }
