"""The frame of a model's slices: their size, and the level that PET has beside SPECT."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """What the slices are that a model is for.

    Attributes:
        shape: size of a slice (H, W), voxels.
        voxel_mm: size of a voxel, mm.
        gain: whole-brain flow of PET over that of SPECT, geometric mean of the training subjects.
    """

    shape: tuple[int, int]
    voxel_mm: float
    gain: float = 1.0
