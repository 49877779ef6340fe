"""What every column of the evaluation's tables holds, with its unit."""

from spect2pet.evaluate.evaluation import DESCRIBED, IMAGES, MEASURES, RELATIVE_MEAN, SCALES, TRUTH

_SUBJECT = {"subject": "Subject label, without the prefix sub-"}
_SET = {"set": "Set of the subject: test (the study's result), validation or train"}
_IMAGE = {
    "image": "Image that is compared with PET: SPECT or P2P",
    "relative": "True: the image or its PET is known only relative (it came as counts), and both "
    f"were scaled to a whole-brain mean of {RELATIVE_MEAN:g} before they were compared",
}
_ANY_RELATIVE = {
    "relative": "True: some of the images behind the row are known only relative (they came as "
    "counts)"
}
_CONSTANTS = {
    "slices": "Axial slices that count",
    "region": "Where the measures are taken, ssim_whole_slice excepted",
    "window": "Width of the Gaussian SSIM window, voxels",
    "sigma": "Standard deviation of the Gaussian SSIM window, voxels",
    "k1": "Luminance constant of SSIM (1)",
    "k2": "Contrast constant of SSIM (1)",
    "data_range": "Range of CBF that SSIM and PSNR refer to, mL/100 g/min",
    "min_coverage": "Slices with fewer brain voxels than this fraction of the subject's largest "
    "slice do not count (1)",
    "voxel_mm": "Edge of a voxel of the study grid, mm",
}


def _sentence(text: str) -> str:
    """The text with a capital."""
    return text[:1].upper() + text[1:]


SUBJECT_SIMILARITY = {
    **_SUBJECT,
    **_IMAGE,
    **{name: _sentence(text) for name, text in {**MEASURES, **DESCRIBED}.items()},
    **_CONSTANTS,
}
SIMILARITY = {**SUBJECT_SIMILARITY, **_SET}

SUBJECT_SLICES = {
    **_SUBJECT,
    **_IMAGE,
    "slice": "Index of the axial slice on the study grid, from 0 at the feet",
    "coverage": "Brain voxels as a fraction of those of the subject's largest slice (1)",
    "ssim": "Structural similarity index (1), mean of the map over the slice's brain voxels",
    "ssim_whole_slice": "Structural similarity index (1), scikit-image's mean over the whole "
    "slice, background included",
}
SLICES = {**SUBJECT_SLICES, **_SET}

SUBJECT_REGIONS = {
    **_SUBJECT,
    "atlas": "aal, lobe, segment or territory; brain: the whole brain mask",
    "region": "Name of the region in its atlas",
    "hemisphere": "L: left, R: right, M: midline, both: both hemispheres",
    "voxels": "Voxels of the region in the brain mask",
    **{image.lower(): f"Mean CBF of {image} in the region, mL/100 g/min" for image in IMAGES},
    TRUTH: "Mean of the true flow in the region, of simulated subjects only, mL/100 g/min",
    **_ANY_RELATIVE,
}
REGIONS = {**SUBJECT_REGIONS, **_SET}

TESTS = {
    **_SET,
    "measure": "Measure of similarity to PET, a column of similarity.tsv, in its unit",
    **_ANY_RELATIVE,
    "n": "Number of subjects",
    "spect_mean": "Mean of SPECT over subjects, unit of the measure",
    "spect_sd": "Standard deviation of SPECT over subjects (n − 1), unit of the measure",
    "p2p_mean": "Mean of P2P over subjects, unit of the measure",
    "p2p_sd": "Standard deviation of P2P over subjects (n − 1), unit of the measure",
    "difference": "Mean of P2P − SPECT over subjects, unit of the measure",
    "difference_low": "Lower end of the difference's 95 % confidence interval (Student's t)",
    "difference_high": "Upper end of the difference's 95 % confidence interval (Student's t)",
    "t": "Statistic of the paired t test (1)",
    "t_p": "Two-sided p value of the paired t test (1)",
    "wilcoxon": "Statistic of the Wilcoxon signed-rank test, the smaller rank sum (1)",
    "wilcoxon_p": "Two-sided p value of the Wilcoxon signed-rank test (1)",
    "improved": "Subjects whose P2P is closer to PET than their SPECT",
    "t_p_holm": "p value of the t test, corrected over the measures of the set (Holm) (1)",
    "wilcoxon_p_holm": "p value of the signed-rank test, corrected likewise (Holm) (1)",
    "cohen_dz": "Effect size: difference / standard deviation of the differences (1)",
    "hedges_gz": "cohen_dz without its bias in small samples (Hedges 1981) (1)",
    "bootstrap_low": "Lower end of the difference's 95 % confidence interval by the bootstrap over "
    "subjects (bias-corrected and accelerated, widened for few subjects)",
    "bootstrap_high": "Upper end of that interval",
}

SUBGROUPS = {
    **_SET,
    "column": "Column of the subjects table",
    "value": "Its value that the subjects of the row share",
    **_ANY_RELATIVE,
    "n": "Number of subjects",
    "spect_mean": "Mean SSIM of SPECT over subjects (1); SSIM is ssim_slice of similarity.tsv",
    "p2p_mean": "Mean SSIM of P2P over subjects (1)",
    "gain": "Mean of P2P − SPECT over subjects (1)",
    "gain_low": "Lower end of the gain's 95 % confidence interval (Student's t) (1)",
    "gain_high": "Upper end of the gain's 95 % confidence interval (Student's t) (1)",
}

REGRESSION = {
    **_SET,
    "atlas": "Atlas whose regions are the points",
    "scale": "absolute: mL/100 g/min, without subjects known only relative; relative: each image "
    f"scaled to a whole-brain mean of {RELATIVE_MEAN:g}",
    **_ANY_RELATIVE,
    "y": "Image on the vertical axis",
    "x": "Image on the horizontal axis",
    "subjects": "Number of subjects whose regions are the points",
    "n": "Number of points: regions × subjects",
    "slope": "Slope of the ordinary least-squares line (1)",
    "slope_low": "Lower end of the slope's 95 % confidence interval (1)",
    "slope_high": "Upper end of the slope's 95 % confidence interval (1)",
    "intercept": "Intercept of the line, mL/100 g/min",
    "intercept_low": "Lower end of the intercept's 95 % confidence interval, mL/100 g/min",
    "intercept_high": "Upper end of the intercept's 95 % confidence interval, mL/100 g/min",
    "r": "Pearson's correlation coefficient (1)",
    "r_low": "Lower end of its 95 % confidence interval by Fisher's z (1)",
    "r_high": "Upper end of its 95 % confidence interval by Fisher's z (1)",
    "p": "Two-sided p value of a slope of zero (1); like the intervals it takes all points as "
    "independent, which regions of one subject are not",
}

_OF_SSIM = "SSIM is ssim_slice of similarity.tsv"
METHODS = {
    **_SET,
    "model": "Name of the model; SPECT: the SPECT image itself, with which all are compared; "
    "ceiling: PET without noise, with the error of scale of SPECT, which no method can pass "
    "(simulated subjects only)",
    "method": "Method of the model; none: SPECT itself and the ceiling",
    **_ANY_RELATIVE,
    "n": "Number of subjects",
    "ssim_mean": f"Mean SSIM over subjects (1); {_OF_SSIM}",
    "ssim_sd": "Standard deviation of SSIM over subjects (n − 1), (1)",
    "gain": "Mean of the SSIM of the row − that of SPECT over subjects (1)",
    "gain_low": "Lower end of the gain's 95 % confidence interval (Student's t) (1)",
    "gain_high": "Upper end of the gain's 95 % confidence interval (Student's t) (1)",
    "share_of_ceiling": "Gain as a fraction of the ceiling's gain (1)",
    "t_p": "Two-sided p value of the paired t test of SSIM against SPECT (1)",
    "t_p_holm": "The same, corrected over the models of the set (Holm); the ceiling is none (1)",
    "wilcoxon_p": "Two-sided p value of the Wilcoxon signed-rank test of SSIM against SPECT (1)",
    "wilcoxon_p_holm": "The same, corrected over the models of the set (Holm); the ceiling is "
    "none (1)",
    "psnr_db_mean": "Mean over subjects of the peak signal-to-noise ratio, dB",
    "nrmse_mean": "Mean over subjects of the root mean squared difference from PET, as a "
    "fraction of PET's mean (1)",
    **{
        f"{scale}_{name}": f"{_sentence(what)} of regional means on PET, {scale} CBF, {unit}"
        for scale in SCALES
        for name, what, unit in (
            ("slope", "slope of the ordinary least-squares line", "(1)"),
            ("intercept", "intercept of the ordinary least-squares line", "mL/100 g/min"),
            ("r", "Pearson's correlation", "(1)"),
        )
    },
    "deficit_auc": "Area under the ROC curve of AAL regions with and without a deficit, by their "
    "z against normal people (simulated subjects only) (1)",
    "deficit_auc_low": "Lower end of its 95 % confidence interval by a bootstrap of subjects (1)",
    "deficit_auc_high": "Upper end of the same (1)",
    "deficit_p": "Two-sided p value of its difference from SPECT's (paired DeLong test, which "
    "takes regions as independent) (1)",
    "deficit_p_holm": "The same, corrected over the models of the set (Holm) (1)",
    "deficit_recovery": "Mean over subjects of the depth of deficits that the image shows over "
    "the true depth (1)",
    "false_deficits": "Mean over subjects of the number of deficits shown where there is none",
}

METHOD_PAIRS = {
    **_SET,
    "model": "Name of a model",
    "other": "Name of the model that it is compared with",
    **_ANY_RELATIVE,
    "n": "Number of subjects",
    "difference": "Mean of the SSIM of the model − that of the other over subjects (1); "
    f"{_OF_SSIM}",
    "difference_low": "Lower end of the difference's 95 % confidence interval (Student's t) (1)",
    "difference_high": "Upper end of the difference's 95 % confidence interval (Student's t) (1)",
    "wilcoxon_p": "Two-sided p value of the Wilcoxon signed-rank test (1)",
    "wilcoxon_p_holm": "The same, corrected over all pairs (Holm) (1)",
}

SUBJECT_UNCERTAINTY = {
    **_SUBJECT,
    "relative": "True: one of the subject's images is known only relative (it came as counts)",
    "scale": "absolute: mL/100 g/min, without subjects known only relative; relative: P2P and PET "
    f"each scaled to a whole-brain mean of {RELATIVE_MEAN:g}, the standard deviation with P2P",
    "bin": "Bin of the brain's voxels by standard deviation, from 1, the smallest; all have "
    "equally many voxels",
    "voxels": "Voxels in the bin",
    "sd": "Mean of the standard deviation over networks in the bin, mL/100 g/min",
    "rmse": "Root mean squared difference of P2P and PET in the bin, mL/100 g/min",
    "spearman": "Rank correlation of standard deviation and absolute difference of P2P and PET "
    "over all voxels of the brain (1); the same in all bins",
}
UNCERTAINTY = {**SUBJECT_UNCERTAINTY, **_SET}

_IN_ALL_BINS = "; the same in all bins of a set and scale"
UNCERTAINTY_SUMMARY = {
    **_SET,
    "scale": SUBJECT_UNCERTAINTY["scale"],
    "bin": SUBJECT_UNCERTAINTY["bin"],
    "sd": "Mean over subjects of the bin's mean standard deviation over networks, mL/100 g/min",
    "rmse": "Mean over subjects of the bin's root mean squared difference of P2P and PET, "
    "mL/100 g/min",
    "ratio": "rmse / sd (1); 1: the networks differ as much as P2P is wrong",
    **_ANY_RELATIVE,
    "subjects": f"Number of subjects{_IN_ALL_BINS}",
    "slope": f"Slope of the ordinary least-squares line of rmse on sd over bins (1){_IN_ALL_BINS}",
    "slope_low": f"Lower end of its 95 % confidence interval (1){_IN_ALL_BINS}",
    "slope_high": f"Upper end of its 95 % confidence interval (1){_IN_ALL_BINS}",
    "intercept": f"Intercept of the line, mL/100 g/min{_IN_ALL_BINS}",
    "spearman": f"Mean over subjects of the rank correlation of standard deviation and absolute "
    f"difference over voxels (1){_IN_ALL_BINS}",
    "spearman_low": f"Lower end of its 95 % confidence interval (Student's t) (1){_IN_ALL_BINS}",
    "spearman_high": f"Upper end of its 95 % confidence interval (Student's t) (1){_IN_ALL_BINS}",
    "grows": "True: where the networks differ more, P2P is more wrong, as spearman_low is above "
    f"0{_IN_ALL_BINS}",
}

PUBLISHED = {
    "measure": "What is compared; this run's number is of test subjects only",
    "unit": "Unit of the numbers; 1: none",
    "published": "Published number",
    "this_run": "Number of this run",
    "low": "Lower end of the 95 % confidence interval of this run's number, of regressions only",
    "high": "Upper end of the 95 % confidence interval of this run's number, of regressions only",
    "difference": "This run − published",
    "n": "Number of subjects or points behind this run's number",
    "n_of": "What n counts",
    **_ANY_RELATIVE,
}
