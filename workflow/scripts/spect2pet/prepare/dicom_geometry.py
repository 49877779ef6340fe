"""Where the frames of DICOM images lie in the patient."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag

from spect2pet.core.errors import InputError, by

#: Largest cosine between directions that should be at right angles, as in `images`.
RIGHT_ANGLE = 0.01
#: How far a slice may lie from its regular place: positions are often rounded to 0.1 mm.
ROUNDING_MM, SHARE_OF_STEP = 0.1, 0.01
#: From LPS+ (DICOM, PS3.3 C.7.6.2.1.1) to RAS+ (NIfTI).
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Plane:
    """One frame in the patient, millimetres in LPS+ (PS3.3 C.7.6.2).

    Attributes:
        origin: centre of the first voxel.
        row: unit vector along a row, towards higher columns.
        column: unit vector along a column, towards higher rows.
        spacing: distance between columns, and between rows.
    """

    origin: np.ndarray
    row: np.ndarray
    column: np.ndarray
    spacing: tuple[float, float]

    @property
    def normal(self) -> np.ndarray:
        """Row × column."""
        return np.cross(self.row, self.column)


def named(keyword: str) -> str:
    """An attribute as messages write it: ``Pixel Spacing (0028,0030)``."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.elem:04X})"


def find(image: Dataset, keyword: str, frame: int = 0) -> Any:
    """Look an attribute up for one frame.

    In order: the functional groups of the frame, the shared ones (PS3.3 C.7.6.16.2), the
    detector of the frame (PS3.3 C.8.4.11), and the image itself.

    Returns:
        Its value, None where it is missing or empty everywhere.
    """
    for place in _places(image, frame):
        value = place.get(keyword)
        if value is not None and value != "" and not (hasattr(value, "__len__") and not len(value)):
            return value
    return None


def numbers(image: Dataset, keyword: str, count: int, frame: int = 0) -> np.ndarray:
    """Finite numbers of an attribute that must be there.

    Raises:
        InputError: it is missing, has another count, or is not finite.
    """
    value = find(image, keyword, frame)
    if value is None:
        raise InputError(
            f"{named(keyword)} is missing; export the image again from the camera's own workstation"
        )
    found = np.asarray(np.atleast_1d(value), dtype=float)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise InputError(f"{named(keyword)} is not {count} finite numbers; export the image again")
    return found


def planes_of(image: Dataset, frames: int) -> tuple[list[Plane], list[str]]:
    """Place the frames of one file.

    Args:
        image: the data set.
        frames: number of frames in it.

    Returns:
        A plane for each frame in the order of the pixel data, and warnings.

    Raises:
        InputError: geometry is missing or contradicts itself.
    """
    _check_agreement(image)
    if frames == 1 or "PerFrameFunctionalGroupsSequence" in image:
        return [_plane(image, frame) for frame in range(frames)], []
    return _nm_planes(image, frames)


def stack(planes: Sequence[Plane]) -> tuple[list[int], np.ndarray]:
    """Sort planes along their normal, never by instance number, and check that they are regular.

    Args:
        planes: one for each slice, in any order.

    Returns:
        The order of the slices, and the 4 × 4 affine from (column, row, slice) to millimetres
        in RAS+.

    Raises:
        InputError: one slice only, slices that are missing, doubled, tilted or turned.
    """
    first = planes[0]
    if len(planes) < 2:
        raise InputError("is a single slice; give the folder of the whole series")
    for plane in planes:
        turned = np.abs([plane.row - first.row, plane.column - first.column]).max()
        if turned > RIGHT_ANGLE / 10:
            raise InputError(
                f"its slices differ in {named('ImageOrientationPatient')}; "
                "give one series of parallel slices"
            )
        if not np.allclose(plane.spacing, first.spacing, rtol=1e-3):
            raise InputError(
                f"its slices differ in {named('PixelSpacing')}; give one series of equal slices"
            )
    origins = np.array([plane.origin for plane in planes])
    along = origins @ first.normal
    order = np.argsort(along, kind="stable")
    origins, along = origins[order], along[order]
    _check_doubled(along)
    step = (origins[-1] - origins[0]) / (len(planes) - 1)
    size = float(np.linalg.norm(step))
    tilt = float(np.linalg.norm(step - first.normal * (step @ first.normal))) / size
    if tilt > RIGHT_ANGLE:
        raise InputError(
            f"its slices are stacked {np.degrees(np.arcsin(min(tilt, 1.0))):.1f}° off their normal "
            "(gantry tilt); resample it to a right-angled grid"
        )
    _check_regular(origins, step, size, along)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = first.row * first.spacing[0], first.column * first.spacing[1]
    affine[:3, 2], affine[:3, 3] = step, origins[0]
    return [int(index) for index in order], TO_RAS @ affine


def _places(image: Dataset, frame: int) -> Iterator[Dataset]:
    """Where an attribute of a frame may stand, nearest first."""
    groups = _items(image, "PerFrameFunctionalGroupsSequence")[frame : frame + 1]
    for group in [*groups, *_items(image, "SharedFunctionalGroupsSequence")[:1]]:
        yield group
        for element in group:
            if isinstance(element.value, DicomSequence) and len(element.value):
                yield element.value[0]
    detectors = _items(image, "DetectorInformationSequence")
    vector = np.atleast_1d(image.get("DetectorVector") or 1)
    number = int(vector[min(frame, len(vector) - 1)])
    if detectors:
        yield detectors[number - 1 if 1 <= number <= len(detectors) else 0]
    yield image


def _items(image: Dataset, keyword: str) -> Sequence[Dataset]:
    value = image.get(keyword)
    return value if isinstance(value, DicomSequence) else []


def _check_agreement(image: Dataset) -> None:
    """An orientation that stands twice must be the same twice."""
    detectors = _items(image, "DetectorInformationSequence")
    used = set(np.atleast_1d(image.get("DetectorVector") or range(1, len(detectors) + 1)))
    stated = [
        np.asarray(holder.ImageOrientationPatient, dtype=float)
        for holder in (image, *(item for n, item in enumerate(detectors, start=1) if n in used))
        if holder.get("ImageOrientationPatient")
    ]
    for other in stated[1:]:
        if other.shape != stated[0].shape or not np.allclose(other, stated[0], atol=RIGHT_ANGLE):
            raise InputError(
                f"{named('ImageOrientationPatient')} is stated twice and differs; "
                "left and right are not sure, export the image again"
            )


def _plane(image: Dataset, frame: int, *, origin: np.ndarray | None = None) -> Plane:
    """One frame; `origin` stands in for a position of its own."""
    cosines = numbers(image, "ImageOrientationPatient", 6, frame)
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > RIGHT_ANGLE or abs(row @ column) > RIGHT_ANGLE:
        raise InputError(
            f"{named('ImageOrientationPatient')} is not two unit vectors at right angles; "
            "export the image again"
        )
    rows, columns = numbers(image, "PixelSpacing", 2, frame)
    if min(rows, columns) <= 0:
        raise InputError(
            f"{named('PixelSpacing')} of {by((rows, columns))} mm is not positive; "
            "export the image again"
        )
    if origin is None:
        origin = numbers(image, "ImagePositionPatient", 3, frame)
    return Plane(origin, row / lengths[0], column / lengths[1], (columns, rows))


def _nm_planes(image: Dataset, frames: int) -> tuple[list[Plane], list[str]]:
    """Frames of a classic NM tomogram (PS3.3 C.8.4.8, C.8.4.11 and C.8.4.15).

    The position is that of the first frame.  From there slices follow one another by Spacing
    Between Slices along the normal, row × column; where it is negative, against the normal.
    """
    warnings = []
    origin = np.zeros(3)
    if find(image, "ImagePositionPatient") is not None:
        origin = numbers(image, "ImagePositionPatient", 3)
    else:
        warnings.append(
            f"{named('ImagePositionPatient')} is missing: where the volume lies is not known, "
            "its directions are"
        )
    first = _plane(image, 0, origin=origin)
    keyword = "SpacingBetweenSlices"
    if find(image, keyword) is None:
        keyword = "SliceThickness"
        warnings.append(
            f"{named('SpacingBetweenSlices')} is missing; {named(keyword)} is taken for the "
            "distance of slices, stacked along their normal"
        )
    step = float(numbers(image, keyword, 1)[0])
    if step == 0:
        raise InputError(f"{named(keyword)} is 0 mm; export the image again")
    number = np.arange(1, frames + 1)
    if find(image, "SliceVector") is not None:
        number = np.atleast_1d(image.SliceVector).astype(int)
    elif any(vector in image for vector in _VECTORS_OF_OTHERS):
        raise InputError(
            f"has no {named('SliceVector')}: its frames are projections, times or gates, not "
            "slices; give the reconstructed volume"
        )
    else:
        warnings.append(f"{named('SliceVector')} is missing; frames are taken in their order")
    if number.shape != (frames,):
        raise InputError(
            f"{named('SliceVector')} has {number.size} numbers for {frames} frames; "
            "export the image again"
        )
    offsets = (number - number[0]) * step
    return [
        Plane(origin + offset * first.normal, first.row, first.column, first.spacing)
        for offset in offsets
    ], warnings


#: Vectors by which frames of other NM images than tomograms follow one another (PS3.3 C.8.4.8).
_VECTORS_OF_OTHERS = ("RotationVector", "AngularViewVector", "PhaseVector", "RRIntervalVector")


def _check_doubled(along: np.ndarray) -> None:
    """No two slices at one position."""
    apart = np.diff(along)
    doubled = int(np.count_nonzero(apart < 1e-3))
    if not doubled:
        return
    places = len(along) - doubled
    if len(along) % places == 0 and doubled >= places:
        raise InputError(
            f"holds {len(along) // places} images at each of {places} positions (dynamic or "
            "gated); give one volume, such as the mean over time"
        )
    raise InputError(
        f"holds {doubled} images more than positions (copies, or a dynamic series that is not "
        "whole); give one image for each position"
    )


def _check_regular(origins: np.ndarray, step: np.ndarray, size: float, along: np.ndarray) -> None:
    """All slices on one line, one step apart."""
    regular = origins[0] + np.arange(len(origins))[:, None] * step
    largest = float(np.abs(origins - regular).max())
    if largest <= max(ROUNDING_MM, SHARE_OF_STEP * size) + 1e-6:
        return
    apart = np.diff(along)
    usual, widest = float(np.median(apart)), int(np.argmax(apart))
    if apart[widest] > 1.5 * usual:
        raise InputError(
            f"slices are missing: between slices {widest + 1} and {widest + 2} along the stack are "
            f"{apart[widest]:.4g} mm, elsewhere {usual:.4g} mm; export the whole series again"
        )
    raise InputError(
        f"its slices are {apart.min():.4g} to {apart.max():.4g} mm apart or shifted sideways; "
        "resample it to a regular grid"
    )
