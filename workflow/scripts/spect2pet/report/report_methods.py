"""The methods of a study as text for a paper, made of its configuration and its numbers."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from spect2pet.core.provenance import VERSION
from spect2pet.evaluate.evaluation import RELATIVE_MEAN
from spect2pet.report.report_references import REFERENCES
from spect2pet.report.report_study import Model, Study
from spect2pet.train.presets import UNTRAINED

_CITED = re.compile(r"\[@([\w,]+)\]")


def methods_text(study: Study, atlas: str) -> list[tuple[str, str]]:
    """Sections of the text, with citations as ``[@key,key]``.

    Args:
        study: the study.
        atlas: the atlas of the headline regression.

    Returns:
        Titles and texts, in the order of the text.
    """
    sections = [
        ("Subjects and images", subjects_text(study)),
        ("Preparation and registration", registration_text(study)),
        *((f"Model {model.name}", model_text(study, model)) for model in study.models),
    ]
    if study.compared:
        sections += [
            ("Evaluation", evaluation_text(study, atlas)),
            ("Statistics", statistics_text(study)),
        ]
    return [*sections, ("Software", software_text(study))]


def number_citations(
    sections: Sequence[tuple[str, str]],
) -> tuple[list[tuple[str, str]], list[str]]:
    """Replace citations by numbers in the order of their first use.

    Returns:
        The sections with ``[1, 2]`` in place of ``[@key,key]``, and the references in order.

    Raises:
        KeyError: a key is none of `REFERENCES`.
    """
    order: dict[str, int] = {}

    def numbers(found: re.Match[str]) -> str:
        keys = found.group(1).split(",")
        return f"[{', '.join(str(order.setdefault(key, len(order) + 1)) for key in keys)}]"

    numbered = [(title, _CITED.sub(numbers, words)) for title, words in sections]
    return numbered, [REFERENCES[key] for key in order]


# --- Sections -----------------------------------------------------------------


def subjects_text(study: Study) -> str:
    """Who took part, and which images there are of them."""
    n = len(study.subjects)
    said = [_simulation(study) if study.simulated else _own_subjects(study)]
    groups = [f"{column}: {counts}" for column, counts in composition(study).items()]
    if groups:
        said.append(f"They were, by {'; by '.join(groups)}.")
    if not study.compared:
        return " ".join(said)
    sizes = {name: len(study.of_set(name)) for name in ("train", "validation", "test")}
    split = study.config["split"]
    if study.card is not None:
        said.append(f"Nothing was trained: all {sizes['test']} with PET served as test subjects.")
    elif split["folds"] > 1:
        said.append(
            f"In {split['folds']}-fold cross-validation by subject (stratified by "
            f"{_and(split['stratify'])} where known; seed {split['seed']}) every one of the {n} "
            "was a test subject once; its P2P came from networks that had met it neither in "
            "training nor in validation."
        )
    else:
        said.append(
            f"They were divided by subject, never by slice, into {sizes['train']} training, "
            f"{sizes['validation']} validation and {sizes['test']} test subjects (stratified by "
            f"{_and(split['stratify'])} where known; seed {split['seed']}). Only test subjects "
            "enter the results."
        )
    if study.relative:
        said.append(
            f"Images of {study.relative} came as counts and are known only relative; both "
            f"images of a pair were then scaled to a whole-brain mean of {RELATIVE_MEAN:g} before "
            "they were compared."
        )
    return " ".join(said)


def _own_subjects(study: Study) -> str:
    """Subjects of the user's table."""
    n, excluded = len(study.subjects), len(study.config["exclude"])
    paired = sum(subject.files.pet is not None for subject in study.subjects)
    images = "¹²³I-IMP SPECT and ¹⁵O PET of cerebral blood flow (CBF)"
    if paired < n:
        also = f"and of {paired} ¹⁵O PET too" if paired else "without PET"
        images = f"¹²³I-IMP SPECT of cerebral blood flow (CBF), {also}"
    left_out = f"; {excluded} of the table were left out" if excluded else ""
    return (
        f"The study has {n} subjects with {images}{left_out}. [To be filled by the authors: "
        "recruitment, ethics approval, scanners, acquisition, reconstruction and quantification.]"
    )


def _simulation(study: Study) -> str:
    """The built-in cohort."""
    cohort = study.config["cohort"]
    spect, pet = cohort["spect"], cohort["pet"]
    return (
        f"{len(study.subjects)} people were simulated (seed {cohort['seed']}; each a patient "
        f"with a chance of {100 * cohort['patient_share']:g} %): anatomy from the MNI152 template "
        "[@mni], deformed from person to person; regional flow with perfusion deficits of vascular "
        "territories in patients. ¹²³I-IMP SPECT "
        f"({spect['matrix']} × {spect['matrix']} × {spect['slices']} voxels of "
        f"{spect['voxel_mm']:g} mm, {spect['views']} views, {spect['collimator']} collimator, "
        f"{spect['counts'] / 1e6:g} million counts, background {spect['scatter_fraction']:g}) "
        f"and ¹⁵O PET ({pet['matrix']} × {pet['matrix']} × {pet['slices']} voxels of "
        f"{pet['voxel_mm']:g} mm, {pet['counts'] / 1e6:g} million pairs) were projected with "
        "attenuation, resolution and Poisson noise and reconstructed by OSEM [@osem] "
        f"({spect['iterations']} iterations of {spect['subsets']} subsets, filter of "
        f"{spect['filter_mm']:g} mm; {pet['iterations']} of {pet['subsets']}, "
        f"{pet['filter_mm']:g} mm). SPECT was quantified by the autoradiographic method of a "
        f"one-tissue compartment model [@iida] with a distribution volume of "
        f"{spect['fixed_volume']:g} mL/mL. Errors of scale of a whole image have a coefficient of "
        f"variation of {100 * spect['scale_spread']:g} % (SPECT) and "
        f"{100 * pet['scale_spread']:g} % (PET)."
    )


def composition(study: Study, name: str | None = None) -> dict[str, str]:
    """By column of the subjects table, how many subjects have each value (of a set)."""
    labels = [subject.label for subject in study.subjects if name in (None, subject.set)]
    found = {}
    for column, values in study.subgroups.items():
        counts = Counter(str(values[label]) for label in labels if values.get(label) is not None)
        if counts:
            found[column] = ", ".join(f"{n} {value}" for value, n in sorted(counts.items()))
    return found


def registration_text(study: Study) -> str:
    """From raw images to the study grid."""
    grid, register = study.config["study_grid"], study.config["register"]
    said = "Images were checked, brought to mL/100 g/min and never interpolated more than once. "
    paired = any(subject.files.pet is not None for subject in study.subjects)
    if paired:
        low = register["coregister"]
        said += (
            "SPECT was aligned to PET of the same subject by a rigid transform that maximises "
            "Mattes' mutual information [@mattes] (ANTs [@ants]); PET was brought to MNI space by "
            "an affine and a symmetric diffeomorphic transform [@syn]. A subject whose brains in "
            f"SPECT and PET overlapped by less than {low['min_overlap']:g} (Dice) or correlated by "
            f"less than {low['min_correlation']:g} after alignment did not enter. "
        )
    said += (
        f"Everything took place on a grid of {grid['voxel_mm']:g} mm "
        f"({' × '.join(map(str, grid['matrix']))} voxels) in each subject's own space."
    )
    if paired:
        said += " Brain mask and regions of the AAL atlas [@aal] came from MNI space."
    return said


def model_text(study: Study, model: Model) -> str:
    """How P2P was made by one model."""
    if study.card is not None:
        return _given_model(study.card)
    settings = model.settings
    if settings["method"] == "spect":
        return "SPECT itself took the place of P2P, as a check: its gain is 0 by construction."
    if settings["method"] == "richardson_lucy":
        return (
            "SPECT was deconvolved by the Richardson–Lucy algorithm [@richardson,lucy] with a "
            f"Gaussian point spread of {settings['point_spread_mm']:g} mm (full width at half "
            f"maximum); of up to {settings['epochs']} iterations the one with the highest SSIM in "
            "validation subjects was taken."
        )
    return f"{_network(settings)} {_training(study, model)}"


def _given_model(card: Mapping[str, Any]) -> str:
    """A model that was trained elsewhere."""
    taught = card["subjects"]
    return (
        f"P2P was made by a model that had been trained elsewhere (method {card['method']}, "
        f"{card['networks']} network{'s' if card['networks'] > 1 else ''}, "
        f"{taught.get('train', 0)} training and {taught.get('validation', 0)} validation subjects; "
        f"cohort: {card['cohort']}); it was used as it was."
    )


def _network(settings: Mapping[str, Any]) -> str:
    """The networks and their losses."""
    depth = "as often as the slice allows" if settings["depth"] is None else settings["depth"]
    slices = (
        "one axial slice" if settings["context"] == 1 else f"{settings['context']} adjacent slices"
    )
    norm = {"none": "no normalisation"}.get(settings["norm"], f"{settings['norm']} normalisation")
    times = "" if settings["depth"] is None else " times"
    said = (
        f"A U-Net [@unet] that halves a slice {depth}{times} ({settings['width']} channels at the "
        f"first level, {norm}, {settings['output']} output) made each axial slice of P2P from "
        f"{slices} of SPECT"
    )
    said += ", as a difference from SPECT." if settings["residual"] else "."
    losses = [f"{settings['l1_weight']:g} × mean absolute difference from PET"]
    if settings["ssim_weight"]:
        losses.append(f"{settings['ssim_weight']:g} × (1 − SSIM)")
    if settings["gradient_weight"]:
        losses.append(f"{settings['gradient_weight']:g} × difference of gradients")
    if settings["gan_weight"]:
        kind = {"cross_entropy": "cross-entropy"}.get(settings["gan_loss"], settings["gan_loss"])
        losses.append(
            f"{settings['gan_weight']:g} × adversarial loss ({kind}) of a patch discriminator "
            f"({settings['discriminator_width']} channels), as in pix2pix [@isola]"
        )
    if settings["feature_weight"] and settings["gan_weight"]:
        losses.append(f"{settings['feature_weight']:g} × feature matching")
    return f"{said} The loss was {_and(losses)}."


def _training(study: Study, model: Model) -> str:
    """How they were trained, with the numbers of the trainings themselves."""
    settings, trainings = model.settings, model.trainings
    augmented = [
        f"{name} ±{value:g}{unit}"
        for name, unit in (
            ("rotation", "°"),
            ("shift", " voxels"),
            ("scale", ""),
            ("intensity", ""),
        )
        if (value := settings["augmentation"][name])
    ]
    if settings["augmentation"]["left_right_flip"]:
        augmented.append("mirroring")
    said = (
        f"Adam [@adam] (learning rate {settings['learning_rate']:g}, β₁ {settings['beta1']:g}, "
        f"batches of {settings['batch_size']}) ran for {settings['epochs']} passes over the "
        f"training slices at the full rate and {settings['decay_epochs']} in which it fell to zero"
    )
    if settings["ema"]:
        said += f"; a running average of the weights (decay {settings['ema']:g} a step) made P2P"
    said += f". Slices were augmented ({_and(augmented)})." if augmented else "."
    said += {
        "last": " The weights of the last pass were taken.",
        "best": " The weights of the pass with the highest SSIM in validation subjects were taken.",
    }[settings["choose"]]
    if trainings:
        slices, parameters = trainings[0]["slices"], trainings[0]["parameters"]
        said += (
            f" {slices['train']} training slices taught {parameters['generator']:,} parameters of "
            f"the generator on {trainings[0]['device'].upper()}."
        ).replace(",", "\u2009")
    members = settings["members"]
    if members > 1:
        first = study.config["seed"]
        said += (
            f" P2P is the mean of {members} networks from seeds {first} to {first + members - 1}, "
            "and their standard deviation its uncertainty [@ensembles]."
        )
    else:
        said += f" The seed was {study.config['seed']}."
    return said


def evaluation_text(study: Study, atlas: str) -> str:
    """What was measured."""
    ssim = study.config["evaluate"]["similarity"]
    said = (
        "The primary measure, chosen beforehand, is the structural similarity index (SSIM) [@ssim] "
        "with PET, over brain voxels of axial slices, mean over slices (Gaussian window of "
        f"{ssim['sigma']:g} voxels, K₁ {ssim['k1']:g}, K₂ {ssim['k2']:g}, data range "
        f"{ssim['data_range']:g} mL/100 g/min; slices with less than "
        f"{100 * ssim['min_coverage']:g} % of the brain area of the largest do not count). "
        "Secondary: SSIM of volumes and of whole slices, multi-scale SSIM [@msssim], peak "
        "signal-to-noise ratio, normalised root mean squared error, bias, high-frequency error "
        "norm [@hfen], resolution by Fourier shell correlation [@fsc], and grey–white contrast. "
        f"Mean CBF of regions ({atlas.upper() if atlas == 'aal' else atlas}) in SPECT and P2P was "
        "compared with PET in absolute units and relative to each image's whole-brain mean."
    )
    if study.method("ceiling"):
        said += (
            " The ceiling is what nothing made of SPECT can pass: PET without noise, with the "
            "error of scale of SPECT in place of its own, which the simulation knows."
        )
    if any("lesion_detection" in model.tables for model in study.models):
        said += (
            " Deficits: each image was compared with the same kind of image of people without "
            "deficits in MNI space (z maps of relative CBF [@minoshima], one case against few "
            "[@crawford]); regions scored by −z, and a channelised Hotelling observer [@abbey], "
            "told deficits from healthy places."
        )
    if any("uncertainty_summary" in model.tables for model in study.models):
        said += (
            " Uncertainty was compared with the error of P2P in ten bins of voxels and by rank "
            "correlation [@spearman]."
        )
    return said


def statistics_text(study: Study) -> str:
    """How it was tested."""
    said = (
        "Of similarity, subjects are the unit: P2P and SPECT were compared by the mean paired "
        "difference with its 95 % confidence interval (Student's t), the paired t test, the "
        "Wilcoxon signed-rank test [@wilcoxon], effect sizes, and a bias-corrected and accelerated "
        "bootstrap [@bca]; p values of secondary measures and of several models were corrected by "
        "Holm [@holm]. Agreement of regions: least squares, which takes all regions as "
        "independent, Deming and Passing–Bablok [@passing] regression, mixed model with random "
        "intercepts and slopes of subjects [@mixed], concordance [@lin] and intraclass correlation "
        "[@icc], limits of agreement with several regions a subject [@bland]."
    )
    if any("lesion_detection" in model.tables for model in study.models):
        said += (
            " Areas under ROC curves were compared by DeLong's test [@delong] and by a bootstrap "
            "of whole subjects."
        )
    return said + " All tests are two-sided."


def software_text(study: Study) -> str:
    """What it ran on."""
    learnt = any(model.settings["method"] not in UNTRAINED for model in study.models)
    torch = "PyTorch, " if learnt else ""
    return (
        f"spect2pet {VERSION}, a Snakemake workflow [@snakemake] that reproduces a published study "
        f"[@study], with ANTs, {torch}NiBabel, SciPy, statsmodels and scikit-image; all versions, "
        "seeds and the fingerprints of the code stand in the report and beside each result. Equal "
        "seeds and threads give equal bytes on a CPU."
    )


def _and(words: Sequence[str]) -> str:
    """Words as a list in a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
