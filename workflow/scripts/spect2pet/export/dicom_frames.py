"""Frames and values of a DICOM image: where the voxels are, and what the stored numbers mean.

The section numbers are those of the DICOM standard, part 3 (PS3.3), unless another part is named.
"""

from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DSfloat, format_number_as_ds

from spect2pet.core import itk
from spect2pet.core.light_nibabel import nib

#: CBF in the Unified Code for Units of Measure, in which a bare number is a factor.
CBF_UCUM = Code("mL/(100.g.min)", "UCUM", "mL/100 g/min")
QUANTITY = Code("246205007", "SCT", "Quantity")
#: Largest stored value, which signed and unsigned 16 bits share.
LARGEST = 2**15 - 1


def store(dataset: Dataset, data: np.ndarray, affine: np.ndarray) -> None:
    """Put a volume into a reconstructed NM image: its voxels in 16 bits, and where they are.

    The modules are Image Pixel (C.7.6.3), Multi-frame (C.7.6.6), NM Detector (C.8.4.11), which has
    orientation and position of the first slice, and NM Reconstruction (C.8.4.15).

    Args:
        dataset: the image.
        data: voxels (x, y, z), finite; stored as multiples of RescaleSlope.
        affine: 4 × 4, right-angled, voxel indices to millimetres in RAS+.
    """
    frames, affine = _as_frames(data, affine)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    columns, rows = (affine[:3, :2] / sizes[:2]).T
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.FrameIncrementPointer = 0x00540080
    dataset.NumberOfSlices = len(frames)
    dataset.SliceVector = list(range(1, len(frames) + 1))
    dataset.PixelSpacing = _decimals([sizes[1], sizes[0]])
    (dataset.SpacingBetweenSlices,) = (dataset.SliceThickness,) = _decimals(sizes[2:])
    dataset.DetectorInformationSequence = [
        item(
            CollimatorType=None,
            ImageOrientationPatient=_decimals([*columns, *rows]),
            ImagePositionPatient=_decimals(affine[:3, 3]),
        )
    ]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(frames.min() < 0)
    (slope,) = _decimals([float(np.abs(frames).max()) / LARGEST or 1.0])
    stored = np.rint(frames / float(slope)).astype("<i2" if frames.min() < 0 else "<u2")
    dataset.PixelData = stored.tobytes()
    dataset.RescaleSlope = slope
    dataset.SmallestImagePixelValue = int(stored.min())
    dataset.LargestImagePixelValue = int(stored.max())


def quantify(dataset: Dataset, label: str, explanation: str, relative: bool) -> None:
    """Say that the values that `store` stored are CBF in mL/100 g/min.

    Real World Value Mapping (C.7.6.16.2.11) is what the standard has for NM; RescaleSlope, which
    it has not, is what most readers look at.  Both say the same.

    Args:
        dataset: the image.
        label: of the values, at most 16 characters.
        explanation: of the values, at most 54 characters.
        relative: whether the values are known but for a factor.
    """
    dataset.RescaleIntercept = DSfloat(0)
    flow = codes.DCM.RelativeRegionalBloodFlow if relative else codes.DCM.RegionalCerebralBloodFlow
    explanation = ("Relative: " if relative else "") + explanation
    dataset.RealWorldValueMappingSequence = [
        item(
            RealWorldValueFirstValueMapped=dataset.SmallestImagePixelValue,
            RealWorldValueLastValueMapped=dataset.LargestImagePixelValue,
            RealWorldValueIntercept=0.0,
            RealWorldValueSlope=float(dataset.RescaleSlope),
            LUTExplanation=explanation,
            LUTLabel=label,
            MeasurementUnitsCodeSequence=[coded(CBF_UCUM)],
            QuantityDefinitionSequence=[
                item(
                    ValueType="CODE",
                    ConceptNameCodeSequence=[coded(QUANTITY)],
                    ConceptCodeSequence=[coded(flow)],
                )
            ],
        )
    ]


def coded(code: Code) -> Dataset:
    """The item of a sequence that holds one code (8.8)."""
    return item(
        CodeValue=code.value,
        CodingSchemeDesignator=code.scheme_designator,
        CodeMeaning=code.meaning,
    )


def item(**attributes: Any) -> Dataset:
    """A dataset of the given attributes, by keyword."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _as_frames(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image so that rows run to the left, columns to the back and slices to the head.

    The slices then follow the normal of rows and columns, so that SpacingBetweenSlices is
    positive (C.8.4.15): readers differ on what a negative one means.

    Returns:
        Frames (slices, rows, columns) and the 4 × 4 affine, (column, row, slice) to LPS+ mm.
    """
    image = nib.Nifti1Image(data, affine)
    here = nib.orientations.io_orientation(affine)
    there = nib.orientations.axcodes2ornt("LPS")
    turned: Any = image.as_reoriented(nib.orientations.ornt_transform(here, there))
    if np.linalg.det(turned.affine) < 0:
        turned = turned.as_reoriented([[0, 1], [1, 1], [2, -1]])
    return np.asarray(turned.dataobj).transpose(2, 1, 0), itk.FLIP @ turned.affine


def _decimals(values: Any) -> list[DSfloat]:
    """Numbers in at most 16 characters, as DICOM's decimal strings have them."""
    return [DSfloat(format_number_as_ds(float(value))) for value in values]
