"""Every number of nature that the simulated cohort stands on, with its source.

"Assumed" marks what no open source gives.  Numbers that a study may want to
change (counts, matrix, filters, spread between people) are in the ``cohort``
section of the configuration; the ones here are not choices of a user.
"""

from dataclasses import dataclass

#: Linear attenuation of water at 159 keV and 511 keV, 1/cm (NIST XCOM).
MU_WATER_SPECT = 0.148
MU_WATER_PET = 0.096

#: Density of brain tissue, g/mL (assumed; converts flow per 100 g to flow per mL).
TISSUE_DENSITY = 1.05

#: Relative CBF of grey matter by AAL region, before smoothing; 1 where no prefix fits.
#: The order of regions follows resting perfusion in health: visual, medial parietal and
#: posterior cingulate cortex high, medial temporal low (assumed sizes).
REGIONAL_FLOW = {
    "Calcarine": 1.08,
    "Cuneus": 1.08,
    "Lingual": 1.05,
    "Precuneus": 1.08,
    "Cingulate_Post": 1.12,
    "Insula": 1.06,
    "Heschl": 1.08,
    "Hippocampus": 0.85,
    "ParaHippocampal": 0.85,
    "Amygdala": 0.82,
    "Temporal_Pole": 0.86,
    "Temporal_Inf": 0.94,
    "Thalamus": 1.05,
    "Putamen": 1.05,
    "Caudate": 0.92,
    "Pallidum": 0.75,
    "Cerebelum": 0.95,
    "Vermis": 0.95,
}
#: Nuclei that the grey-matter map shows as part white matter.
DEEP_GREY = ("Caudate", "Putamen", "Pallidum", "Thalamus")
CEREBELLUM = ("Cerebelum", "Vermis")

#: Power that narrows the tissue maps of the template, a mean of 152 brains, towards those of
#: one brain (assumed).
TISSUE_SHARPNESS = 1.5

#: Flow outside the brain, mL/100 g/min: scalp and muscle, and what lies between (assumed).
FLOW_SCALP = 6.0
FLOW_SKULL = 1.5
#: Thickness in mm of skull with cerebrospinal fluid, and of skull plus scalp (assumed).
SKULL_MM = 8.0
HEAD_MM = 14.0
#: Below this height in MNI millimetres the head goes on downwards as a neck (assumed).
NECK_BELOW_MM = -50.0

#: Left and right of a territory differ by less than this in health (hydrogen-water PET).
NORMAL_ASYMMETRY = 0.045

#: AAL region prefixes of the territories of the three cerebral arteries; where two
#: fit, the earlier territory counts.
TERRITORIES = {
    "ACA": (
        "Frontal_Sup",
        "Supp_Motor",
        "Olfactory",
        "Frontal_Med_Orb",
        "Rectus",
        "OFCmed",
        "Cingulate_Ant",
        "Cingulate_Mid",
        "Paracentral",
        "Precuneus",
    ),
    "MCA": (
        "Precentral",
        "Postcentral",
        "Frontal_Mid",
        "Frontal_Inf",
        "Rolandic",
        "OFC",
        "Insula",
        "Amygdala",
        "Parietal",
        "SupraMarginal",
        "Angular",
        "Caudate",
        "Putamen",
        "Pallidum",
        "Heschl",
        "Temporal_Sup",
        "Temporal_Pole",
        "Temporal_Mid",
    ),
    "PCA": (
        "Calcarine",
        "Cuneus",
        "Lingual",
        "Occipital",
        "Fusiform",
        "Temporal_Inf",
        "Thalamus",
        "Hippocampus",
        "ParaHippocampal",
        "Cingulate_Post",
    ),
}

#: Flow lost in a deficit, as (lowest, highest) fraction.  Affected over unaffected cortex is
#: 0.76 ± 0.08 at rest in chronic occlusive disease; near-occlusion reaches about 27 of 50.
SEVERITY = {"mild": (0.10, 0.18), "moderate": (0.18, 0.32), "severe": (0.32, 0.50)}
SEVERITY_SHARE = {"mild": 0.3, "moderate": 0.5, "severe": 0.2}
#: Share of each territory among deficits (assumed: the middle cerebral artery dominates).
TERRITORY_SHARE = {"MCA": 0.5, "watershed": 0.2, "ACA": 0.15, "PCA": 0.15}
#: Crossed cerebellar diaschisis: in about a third of large deficits, 7 ± 3 % asymmetry.
DIASCHISIS_SHARE = 1 / 3
DIASCHISIS_FRACTION = (0.07, 0.03)

#: Arterial input of IMP after a one-minute infusion: amplitudes (share of the peak rate) and
#: decay times in minutes.  Assumed shape: fast mixing, then slow release from the lungs.
INPUT_INFUSION_MIN = 1.0
INPUT_TERMS = ((0.80, 0.8), (0.12, 6.0), (0.08, 60.0))
#: Mid-time of the SPECT scan after injection, minutes (assumed).
SCAN_MIDTIME_MIN = 30.0
#: Distribution volume of IMP in tissue, mL/mL: 45 ± 20 % in normal cortex (Iida et al., J Cereb
#: Blood Flow Metab 16:781, 1996).
IMP_VOLUME = 45.0
IMP_VOLUME_SPREAD = 0.20
#: Smoothness of the distribution volume within a brain, sigma in mm (assumed).
IMP_VOLUME_SCALE_MM = 20.0
#: Permeability-surface product of IMP, mL/100 g/min, with which first-pass extraction is 95 % at
#: a flow of 30 and 83 % at 50.  Assumed, and set so that the regression on PET is as published:
#: the fixed distribution volume alone would make it steeper and not flatter.
IMP_PERMEABILITY = 90.0

#: Full width at half maximum of each collimator, mm = offset + slope × distance in cm.  Lines
#: through the values at 10, 13 and 15 cm that SIMIND's collimator tables give with 3.8 mm
#: intrinsic resolution (LEHR 6.9 / 8.2 / 9.1, MELP 9.3 / 11.1 / 12.4 mm).
COLLIMATORS = {"LEHR": (2.5, 0.44), "MELP": (3.1, 0.62)}
#: Width in mm of the broad background that scatter and penetration add (assumed).
SCATTER_FWHM_MM = 120.0
#: Share of the background that is flat: penetration of high-energy photons, 28 % of all counts
#: with LEHR at the default scatter fraction of 35 %.  Much of it comes from tracer in the
#: lungs, outside the field of view, so a calibration cylinder does not show it.
PENETRATION_SHARE = 0.8

FWHM_PER_SIGMA = 2.3548200450309493


@dataclass(frozen=True)
class PetScanner:
    """What sets the two PET scanners apart.

    Attributes:
        manufacturer_model: name for the image's JSON file.
        fwhm_mm: point spread near the centre, mm (mCT 4.3 to 5.2; Vision about 3.6, from the
            Vision Quadra's 3.3 to 3.8).
        sensitivity: counts relative to the mCT (assumed: finer crystals, better timing).
        axes: storage order of its images, as nibabel axis codes.
    """

    manufacturer_model: str
    fwhm_mm: float
    sensitivity: float
    axes: str


PET_SCANNERS = {
    "mCT": PetScanner("Biograph mCT", 4.7, 1.0, "LPS"),
    "Vision": PetScanner("Biograph Vision", 3.6, 1.6, "RAS"),
}
#: SPECT images leave the scanner in this storage order.
SPECT_AXES = "LPS"
