"""The published numbers of the study that the workflow reproduces.

Source of all: the abstract of "Resolution and quality enhancement of SPECT cerebral
blood flow images using Pix2pix deep learning", Annals of Nuclear Medicine, 13 November
2025 (43 training, 15 validation and 15 test patients).  It gives no unit of the
regression; mL/mL/min is the one that fits its intercepts.
"""

from dataclasses import dataclass

#: mL/100 g/min in one mL/mL/min, tissue counted as 1 g/mL.
PER_ML = 100.0


@dataclass(frozen=True)
class Line:
    """One published regression line of ROI means.

    Attributes:
        y: image on the vertical axis.
        x: image on the horizontal axis.
        slope: of the line.
        intercept: of the line, mL/mL/min.
        r: correlation coefficient.
    """

    y: str
    x: str
    slope: float
    intercept: float
    r: float


#: Structural similarity index against PET, mean over patients.
SSIM = {"SPECT": 0.79, "P2P": 0.86}

LINES = (
    Line("SPECT", "PET", slope=0.63, intercept=0.13, r=0.77),
    Line("P2P", "PET", slope=0.65, intercept=0.10, r=0.78),
    Line("P2P", "SPECT", slope=0.89, intercept=0.01, r=0.86),
)
