"""Atlas regions: how they group, and the mean CBF in them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from spect2pet.core import tables

#: Columns of the table of groups that regions are pooled by, next to the single regions.
GROUPS = ("lobe", "segment", "territory")
#: Regions with fewer voxels than this in the brain mask have no mean: at 2 mm these are
#: 0.4 mL, less than three times what a PET of 5 mm resolves.
MIN_VOXELS = 50


def load_groups(path: str | Path) -> pd.DataFrame:
    """Read the table that groups the atlas regions.

    Returns:
        Columns ``index`` (atlas label), ``region``, ``hemisphere`` (L, R or M), ``lobe``,
        ``segment`` and ``territory``; missing where a region belongs to no such group.
    """
    return tables.read_table(path)


def region_table(
    images: Mapping[str, np.ndarray],
    dseg: np.ndarray,
    mask: np.ndarray,
    groups: pd.DataFrame,
    min_voxels: int = MIN_VOXELS,
) -> pd.DataFrame:
    """Mean of images in every region of every atlas.

    Args:
        images: images by the name of their column, all of one shape (x, y, z).
        dseg: atlas labels on the same grid, 0 outside.
        mask: brain on the same grid; anything but 0 is brain.
        groups: what `load_groups` gave.
        min_voxels: regions with fewer voxels in the mask are left out.

    Returns:
        One row a region: ``atlas`` (aal, lobe, segment or territory), ``region`` (without its
        side), ``hemisphere`` (L, R or M), ``voxels``, and the mean of each image over them.
    """
    inside = (mask > 0) & (dseg > 0)
    labels, position = np.unique(dseg[inside].astype(np.int64), return_inverse=True)
    sums = pd.DataFrame(
        {
            "index": labels,
            "voxels": np.bincount(position, minlength=len(labels)),
            **{
                name: np.bincount(
                    position, weights=image[inside].astype(np.float64), minlength=len(labels)
                )
                for name, image in images.items()
            },
        }
    )
    known = groups.merge(sums, on="index", validate="one_to_one")
    atlases = {"aal": base_names(known), **{group: known[group] for group in GROUPS}}
    parts = {
        atlas: known.assign(region=names)
        .groupby(["region", "hemisphere"], sort=False)
        .sum(numeric_only=True)
        for atlas, names in atlases.items()
    }
    table = pd.concat(parts, names=["atlas"]).reset_index()
    table = table[table["voxels"] >= min_voxels].drop(columns="index")
    table[list(images)] = table[list(images)].div(table["voxels"], axis=0)
    return table.reset_index(drop=True)


def base_names(groups: pd.DataFrame) -> pd.Series:
    """Region names without the side at their end."""
    return groups["region"].str.replace(r"_[LR]$", "", regex=True)
