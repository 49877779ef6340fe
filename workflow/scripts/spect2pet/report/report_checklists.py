"""Two checklists for papers on artificial intelligence, filled as far as the workflow knows.

CLAIM, 2024 update (Tejani et al., Radiol Artif Intell 2024;6:e240300), and RELAINCE (Jha et al., J
Nucl Med 2022;63:1288, table 2).  Items are named in short; the papers say what belongs under each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spect2pet.evaluate.evaluation import SETS
from spect2pet.report.report_methods import composition
from spect2pet.report.report_study import Study
from spect2pet.train.presets import UNTRAINED

#: What stands where only the authors can know.
TO_FILL = "To be filled by the authors"

#: Items of CLAIM by number, with the sections of the paper that they belong to.
CLAIM = {
    "Title and abstract": {
        1: "Identification as a study of AI, with the category of technology",
        2: "Structured summary of design, methods, results and conclusions",
    },
    "Introduction": {
        3: "Scientific and clinical background; intended use and role of the AI",
        4: "Aims, objectives and hypotheses",
    },
    "Methods: design and data": {
        5: "Prospective or retrospective study",
        6: "Study goal",
        7: "Data sources",
        8: "Inclusion and exclusion criteria",
        9: "Preprocessing of data",
        10: "Selection of subsets of data",
        11: "De-identification",
        12: "How missing data were handled",
        13: "Image acquisition protocol",
    },
    "Methods: reference standard": {
        14: "How the reference standard was obtained",
        15: "Why this reference standard was chosen",
        16: "Source of its annotations",
        17: "Annotation of the test set",
        18: "Variability between and within raters",
    },
    "Methods: partitions and sample size": {
        19: "How data were assigned to partitions",
        20: "Level at which partitions are disjoint",
        21: "Intended sample size",
    },
    "Methods: model and training": {
        22: "Description of the model",
        23: "Software libraries and packages",
        24: "Initialisation of the parameters",
        25: "Training approach",
        26: "How the final model was chosen",
        27: "Ensembling",
    },
    "Methods: evaluation": {
        28: "Metrics of performance",
        29: "Measures of significance and uncertainty",
        30: "Robustness or sensitivity analysis",
        31: "Explainability or interpretability",
        32: "Evaluation on internal data",
        33: "Testing on external data",
        34: "Registration of clinical trials",
    },
    "Results": {
        35: "Numbers included and excluded",
        36: "Characteristics of cases in each partition",
        37: "Performance with its statistical uncertainty",
        38: "Diagnostic performance with its precision",
        39: "Failure analysis of incorrect results",
    },
    "Discussion": {
        40: "Limitations",
        41: "Implications for practice, intended use",
    },
    "Other information": {
        42: "Full protocol or further technical details",
        43: "Availability of software, model and data",
        44: "Funding and other support; role of funders",
    },
}


@dataclass(frozen=True)
class Item:
    """An item of a checklist.

    Attributes:
        section: what it belongs to.
        name: number and item.
        answer: what the workflow knows; `TO_FILL` where it knows nothing.
        complete: the authors need to add nothing.
    """

    section: str
    name: str
    answer: str
    complete: bool


#: An answer, and whether the authors need to add nothing.
Answer = tuple[str, bool]


def claim(study: Study) -> list[Item]:
    """The items of CLAIM."""
    answers = _claim_answers(study)
    return [
        Item(section, f"{number}. {item}", *answers.get(number, (TO_FILL, False)))
        for section, items in CLAIM.items()
        for number, item in items.items()
    ]


def relaince(study: Study) -> list[Item]:
    """The recommendations of RELAINCE that apply before an image is used in patients."""
    rows: Mapping[str, Mapping[str, Callable[[Study], Answer] | None]] = {
        "Proof of concept": {
            "No overlap between development and testing": _no_overlap,
            "Reasonable quality of the ground truth": _ground_truth,
            "Comparison with conventional and state-of-the-art methods": _comparison,
            "Figures of merit that motivate clinical evaluation": _merit,
        },
        "Technical, task-specific": {
            "Clinically relevant tasks": _tasks,
            "Type of study": _type_of_study,
            "Realism of simulation and variability of the population": _realism,
            "External testing cohort": _external,
            "Reference standard that corresponds to the task": _reference,
            "Reliable strategy to extract task-specific information": _extraction,
            "Figures of merit that quantify performance in the task": _task_merit,
        },
        "Clinical": {
            "Type of study, external and representative cohort, clinical reference standard": None
        },
        "After deployment": {"Monitoring, phantom checks, drift of data, reporting": None},
    }
    return [
        Item(section, name, *(answer(study) if answer else (TO_FILL, False)))
        for section, items in rows.items()
        for name, answer in items.items()
    ]


# --- What the workflow knows ------------------------------------------------------


def _claim_answers(study: Study) -> dict[int, Answer]:
    """Answers by number."""
    simulated = study.simulated
    found: dict[int, Answer] = {
        1: ("Deep learning: image-to-image translation by a convolutional network.", True)
        if _learns(study)
        else ("No network is trained by this study.", False),
        6: ("Feasibility: does a generated image (P2P) come closer to PET than SPECT is?", False),
        9: ("Methods text, “Preparation and registration”.", True),
        10: ("Whole brains; axial slices with too little brain are left out of training.", True),
        11: (
            "Simulated people: nothing to remove."
            if simulated
            else "Results carry labels alone, and of headers numbers and listed values. "
            "How labels were given: to be filled by the authors.",
            simulated,
        ),
        12: ("A subject without a usable image stops with a sentence; nothing is imputed.", True),
        22: ("Methods text; settings below, weights with a card beside the results.", True),
        23: ("“How it was made”, below.", True),
        42: ("The workflow itself: code, configuration and documentation.", True),
        43: ("The workflow's repository. Model and data: to be filled by the authors.", False),
    }
    if simulated:
        found |= {
            5: ("Neither: a simulation.", True),
            7: ("Simulated by the workflow; its README says how it was calibrated.", True),
            8: ("Simulated people; none was excluded by their images.", True),
            13: ("Methods text, “Subjects and images”.", True),
        }
    if _learns(study):
        found |= {
            24: ("Normal, standard deviation 0.02 (pix2pix); seeds in “How it was made”.", True),
            25: ("Methods text, “Model”; losses over epochs in the figure “Training”.", True),
            26: ("Methods text; no weights or epochs are chosen by test subjects.", True),
            27: (_ensembles(study), True),
        }
    if study.compared:
        found |= _comparison_answers(study)
    return found


def _comparison_answers(study: Study) -> dict[int, Answer]:
    """Answers that need a PET."""
    test, everyone = len(study.of_set("test")), len(study.subjects)
    out = len(study.config["exclude"])
    split = study.config["split"]
    lesions = any("lesion_detection" in model.tables for model in study.models)
    groups = " ".join(
        f"{name.capitalize()}: {'; '.join(composition(study, name).values())}."
        for name in SETS
        if composition(study, name)
    )
    drawn = (
        "A given model: every subject with PET is a test subject."
        if study.card is not None
        else f"Drawn by subject, seed {split['seed']}, stratified; table `split.tsv`."
    )
    found: dict[int, Answer] = {
        14: ("¹⁵O PET of the same subject, rigidly aligned with SPECT.", study.simulated),
        15: ("PET is the reference of regional CBF.", False),
        16: ("No annotations: the reference is an image.", True),
        17: (
            "Deficits are known from the simulation." if lesions else "None: images alone.",
            True,
        ),
        18: ("No raters, unless a reading session was held (`readers/`).", False),
        19: (drawn, True),
        20: ("Subject.", True),
        28: ("Methods text, “Evaluation”.", True),
        29: ("Methods text, “Statistics”.", True),
        30: ("Subgroups; absolute and relative flow; several measures of similarity.", False),
        31: (
            "Standard deviation over networks, and how far it tells the error."
            if any("uncertainty_summary" in model.tables for model in study.models)
            else "None.",
            True,
        ),
        32: (f"Yes: {test} test subjects, apart from all training.", True)
        if study.card is None
        else ("No: the model was trained elsewhere.", True),
        33: ("No external data.", False)
        if study.card is None
        else (f"Yes: {test} subjects of this study, with a model trained elsewhere.", False),
        35: (
            f"{everyone} included, {out} left out; see “Left out, and warnings”.",
            study.simulated,
        ),
        36: (groups or TO_FILL, bool(groups) and study.simulated),
        37: ("First screen and tables, with 95 % confidence intervals.", True),
        38: ("Areas under ROC curves for deficits, with intervals.", True)
        if lesions
        else ("No diagnostic task was evaluated.", False),
        39: (
            ("False, added, invented and erased deficits; " if lesions else "")
            + "images of every subject; example slices begin with the smallest gain.",
            False,
        ),
        40: (
            ("Simulated people. " if study.simulated else "")
            + f"{test} test subjects. Further limitations: to be filled by the authors.",
            False,
        ),
    }
    return found


def _learns(study: Study) -> bool:
    return study.card is None and any(m.settings["method"] not in UNTRAINED for m in study.models)


def _ensembles(study: Study) -> str:
    counts = [
        f"{model.name}: {model.settings['members']}"
        for model in study.models
        if model.settings["method"] not in UNTRAINED
    ]
    return f"Networks whose mean is P2P: {', '.join(counts)}."


def _no_overlap(study: Study) -> Answer:
    if study.card is not None:
        return "The model was trained elsewhere; that no subject is shared, its makers know.", False
    return "Sets are disjoint by subject; constants come from training subjects alone.", True


def _ground_truth(study: Study) -> Answer:
    if study.simulated:
        return "PET with its noise; beside it the true flow, which is known.", True
    if not study.compared:
        return TO_FILL, False
    return "PET of the same subject; its quality: to be filled by the authors.", False


def _comparison(study: Study) -> Answer:
    names = [model.name for model in study.models]
    if not study.compared:
        return TO_FILL, False
    return f"SPECT itself, and {', '.join(names)} side by side.", len(names) > 1


def _merit(study: Study) -> Answer:
    if not study.compared:
        return TO_FILL, False
    return "Similarity, regional flow and its asymmetry, with intervals.", True


def _tasks(study: Study) -> Answer:
    if not study.compared:
        return TO_FILL, False
    if any("lesion_detection" in model.tables for model in study.models):
        return "Regional quantification of CBF; detection of perfusion deficits.", True
    return "Regional quantification of CBF. Detection: to be filled by the authors.", False


def _type_of_study(study: Study) -> Answer:
    return ("Simulation.", True) if study.simulated else ("Clinical images.", False)


def _realism(study: Study) -> Answer:
    if study.simulated:
        return (
            "Physics of both scanners; variation of anatomy, flow, deficits and errors of scale; "
            "calibrated to a published study.",
            False,
        )
    return "No simulation.", True


def _external(study: Study) -> Answer:
    if study.card is not None and study.compared:
        return "The subjects of this study, for a model trained elsewhere.", False
    return "No.", False


def _reference(study: Study) -> Answer:
    if not study.compared:
        return TO_FILL, False
    return ("PET, and the true flow and deficits.", True) if study.simulated else ("PET.", False)


def _extraction(study: Study) -> Answer:
    if not study.compared:
        return TO_FILL, False
    return "Atlas regions; z maps against normal people and a model observer for deficits.", True


def _task_merit(study: Study) -> Answer:
    if not study.compared:
        return TO_FILL, False
    return (
        "Slope, bias and limits of agreement; area under the ROC curve where deficits are known.",
        True,
    )
