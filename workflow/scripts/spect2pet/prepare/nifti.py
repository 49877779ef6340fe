"""Reading NIfTI: one volume and where it lies, or a sentence that says why not."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spect2pet.core.errors import InputError, by, in_short
from spect2pet.core.light_nibabel import nib

#: A grid with more voxels than this is a damaged header: 0.5 mm over 32 cm each way.
MOST_VOXELS = 2**28
#: More bytes than this a volume's file does not unpack to.
MOST_BYTES = 2**32
#: Bytes that writers may add after the voxels; with more, the header's dimensions are wrong.
PADDING = 4096
#: Millimetres of each NIfTI unit of length; 0 is unknown and read as mm (nifti1.h, xyzt_units).
LENGTHS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
#: Largest distance in mm between the places that sform and qform give one voxel.
SAME_PLACE = 1.0


def read(path: Path, who: str) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of a NIfTI file as they lie there, and where they are.

    Args:
        path: a ``.nii``, ``.nii.gz``, or ``.hdr``/``.img`` pair.
        who: how a message begins: subject, modality and file.

    Returns:
        The voxels, float32 (x, y, z), scaled as the header says, and the 4 × 4 affine
        from voxel indices to millimetres in RAS+.

    Raises:
        InputError: the file cannot be read, or is not one volume with a position.
    """
    with _reading(path, who):
        image: Any = nib.load(path)
    if not isinstance(image, nib.Nifti1Pair):
        raise InputError(
            f"{who} is of another format than NIfTI ({type(image).__name__}); convert it to NIfTI"
        )
    with _reading(path, who), _header_file(image).get_prepare_fileobj("rb") as stream:
        # As it was written: what nibabel made of it has faults mended in silence.
        header = type(image.header).from_fileobj(stream, check=False)
    _check_header(image, header, who)
    with _reading(path, who):
        _check_complete(image)
        affine = _position(image, header, who)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found below
            voxels = np.asarray(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    return voxels, affine


@contextlib.contextmanager
def _reading(path: Path, who: str) -> Iterator[None]:
    """Turn whatever a reader of damaged bytes may raise into one sentence."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{who} no such file; correct the subjects table") from None
    except PermissionError:
        raise InputError(
            f"{who} may not be read by you; ask its owner for the right to read it"
        ) from None
    # nibabel raises of nearly every kind, from OverflowError to errors of its own.
    except Exception as error:
        raise InputError(
            f"{who} cannot be read as NIfTI ({in_short(error, path)}); "
            "export it again or list the subject under `exclude:`"
        ) from None


def _header_file(image: Any) -> Any:
    """The file of an image that holds its header: of a pair the ``.hdr``."""
    return image.file_map.get("header", image.file_map["image"])


def _check_header(image: Any, header: Any, who: str) -> None:
    """What can be told before the voxels are read: type, dimensions, scale and position."""
    shape, kind = image.shape, image.get_data_dtype()
    if header["sizeof_hdr"] != header.sizeof_hdr:
        raise InputError(
            f"{who} its header says to be {int(header['sizeof_hdr'])} bytes long, which no NIfTI "
            "header is; it is damaged, export it again"
        )
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise InputError(f"{who} is a single slice of {by(shape)} voxels; give the whole volume")
    volumes = int(np.prod(shape[3:]))
    if volumes != 1:
        raise InputError(
            f"{who} has {volumes} volumes; give one volume, such as the mean over time"
        )
    if np.prod(shape, dtype=np.float64) > MOST_VOXELS:
        raise InputError(
            f"{who} claims {by(shape)} voxels, more than any brain image; its header is damaged, "
            "export it again"
        )
    if kind.kind not in "iuf":
        raise InputError(
            f"{who} holds colours or complex numbers (data type {int(header['datatype'])}), "
            "not one real number a voxel; export the measured values"
        )
    slope, offset = float(header["scl_slope"]), float(header["scl_inter"])
    # Not a number means "not set" in nibabel's headers; integers without scale mean nothing.
    unset = np.isnan(slope) and kind.kind == "f"
    if not (slope == 0 or unset or np.isfinite([slope, offset]).all()):
        raise InputError(
            f"{who} scales its voxels by {slope:g} and {offset:g}, which are no numbers; "
            "export it again"
        )


def _check_complete(image: Any) -> None:
    """Read a file to its end, where a compressed one has its checksum, and compare its length.

    Raises:
        ValueError: there is less, or clearly more, than the header says.
    """
    voxels = image.dataobj
    promised = int(voxels.offset) + int(np.prod(voxels.shape)) * voxels.dtype.itemsize
    size = 0
    with image.file_map["image"].get_prepare_fileobj("rb") as stream:
        while block := stream.read(1 << 24):
            size += len(block)
            if size > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES:.3g} bytes")
    if not promised <= size <= promised + PADDING:
        raise ValueError(f"it holds {size} bytes, and its header promises {promised}")


def _position(image: Any, header: Any, who: str) -> np.ndarray:
    """Voxel indices to millimetres in RAS+, from sform or qform, where these agree.

    Source: nifti1.h, methods 2 and 3 of "3D image (volume) orientation and location in space".
    """
    sform, qform = int(image.header["sform_code"]), int(image.header["qform_code"])
    if not (sform or qform):
        raise InputError(
            f"{who} says nothing of its position in space (no sform or qform); "
            "export it again with orientation"
        )
    sizes = header["pixdim"][1:4].astype(float)
    if qform and not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise InputError(
            f"{who} its voxel sizes (pixdim) {by(sizes)} are not above zero; export it again"
        )
    if sform and qform:
        corners = np.stack(np.meshgrid(*[(0, n - 1) for n in image.shape[:3]]), -1).reshape(-1, 3)
        places = [
            nib.affines.apply_affine(a, corners) for a in (image.get_sform(), image.get_qform())
        ]
        apart = np.linalg.norm(places[0] - places[1], axis=1).max()
        if not apart <= SAME_PLACE:
            raise InputError(
                f"{who} its sform and qform contradict each other (by {apart:.3g} mm), so that "
                "left and right are unsure; make them the same, or export it again"
            )
    code = int(header["xyzt_units"]) % 8
    if code not in LENGTHS:
        raise InputError(
            f"{who} its unit of length has the unknown code {code} (xyzt_units); export it again"
        )
    affine = np.array(image.affine, dtype=float)
    affine[:3] *= LENGTHS[code]
    return affine
