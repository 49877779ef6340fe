"""Configuration, subjects table and path helpers that every rule file uses."""

import sys
from functools import cache, partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from spect2pet import provenance, splitting, subjects  # noqa: E402
from spect2pet.errors import InputError  # noqa: E402

validate(config, "../schemas/config.schema.yaml")

try:
    SUBJECTS = subjects.load(config)
    SPLIT = splitting.assign(SUBJECTS, config["split"])
except InputError as error:
    raise WorkflowError(str(error)) from None


# A model that the config sets to null is left out.
MODELS = [name for name, settings in config["models"].items() if settings is not None]

# One split of the subjects; cross-validation would number its folds from 0.
FOLDS = [0]


wildcard_constraints:
    subject="[A-Za-z0-9]+",
    modality="spect|pet",
    model="[a-z0-9]+(-[a-z0-9]+)*",
    fold="[0-9]+",


# --- Who takes part ---------------------------------------------------------


def in_set(*names):
    """Subjects of the named sets (train, validation, test), in table order."""
    return [subject for subject in SUBJECTS.index if SPLIT[subject] in names]


def of_subjects(pattern, *names, **wildcards):
    """The files that a pattern with {subject} stands for, one for each subject.

    Without names it is every subject's, otherwise those of the named sets.
    """
    chosen = in_set(*names) if names else list(SUBJECTS.index)
    return expand(pattern, subject=chosen, allow_missing=True, **wildcards)


def of_models(*patterns):
    """The files that patterns with {model} and {fold} stand for, for every model."""
    return expand(patterns, model=MODELS, fold=FOLDS)


def raw_image(wildcards):
    """Raw image of a subject; nothing when the subjects table has a problem with it."""
    if problem_of_image(wildcards):
        return []
    return SUBJECTS.at[wildcards.subject, wildcards.modality]


def problem_of_image(wildcards):
    """What is wrong with a subject's raw image by the table alone, else None."""
    return SUBJECTS.at[wildcards.subject, f"{wildcards.modality}_problem"]


def unit_of_image(wildcards):
    """Unit of a raw image by the subjects table, else None."""
    return SUBJECTS.at[wildcards.subject, f"{wildcards.modality}_unit"]


def truth_of(wildcards):
    """The file of what is known of a simulated subject; nothing for a real one."""
    return SUBJECTS.at[wildcards.subject, "truth"] or []


def split_columns():
    """The columns of the subjects table that the split depends on."""
    named = ["subject", "split", *config["split"]["stratify"]]
    return SUBJECTS[[name for name in named if name in SUBJECTS]].to_dict("list")


def model_settings(wildcards):
    """Settings of one model of the config."""
    return config["models"][wildcards.model]


# --- Paths: BIDS entities, in one place -------------------------------------


def subject_file(stage, name, folder=""):
    """Pattern of one subject's file: results/<stage>/sub-…/[<folder>/]sub-…_<name>."""
    return str(Path("results", stage, "sub-{subject}", folder, f"sub-{{subject}}_{name}"))


cohort = partial(subject_file, "cohort")
prepared = partial(subject_file, "prepared")
registered = partial(subject_file, "registered")
synthetic = partial(subject_file, "synthetic/{model}")
evaluated = partial(subject_file, "evaluation/{model}")


def model_file(name):
    """Pattern of a file of one trained model: results/models/<model>/fold-<k>/<name>."""
    return f"results/models/{{model}}/fold-{{fold}}/{name}"


def slices_file(name):
    """Pattern of a file of packed slices: results/slices/fold-<k>/<name>."""
    return f"results/slices/fold-{{fold}}/{name}"


def study_table(name):
    """Pattern of a table of the whole study: results/evaluation/<model>/<name>."""
    return f"results/evaluation/{{model}}/{name}"


def figure_file(name):
    """Pattern of a figure of the study: results/figures/<model>/<name>."""
    return f"results/figures/{{model}}/{name}"


# The simulated people's table and images, where they take part.
PARTICIPANTS, SIMULATED = [], []
if config["subjects"] is None:
    PARTICIPANTS = ["results/cohort/participants.tsv"]
    SIMULATED = of_subjects(cohort("{modality}.nii.gz", "{modality}"), modality=["spect", "pet"])

# What a study ends with, for each model.
RESULTS = [
    study_table(name)
    for name in (
        "similarity.tsv",
        "similarity_slices.tsv",
        "similarity_tests.tsv",
        "regions.tsv",
        "regression.tsv",
        "published.tsv",
        "summary.json",
    )
]
FIGURES = [
    figure_file(f"{name}.{kind}")
    for name in ("example_slices", "similarity", "regression", "training")
    for kind in ("png", "svg")
]


# --- What every rule carries ------------------------------------------------


@cache
def code_of(rule):
    """Fingerprint of the library modules that a rule's script reaches.

    Snakemake reruns a rule when its script changes, not when a module that the
    script imports does; this value in `params` closes that gap.
    """
    return provenance.code_fingerprint(SCRIPTS / f"{rule}.py")


def log_of(rule, *wildcards):
    """Log file of a rule: logs/<rule>/<wildcards joined by _>.log."""
    job = "_".join(f"{{{name}}}" for name in wildcards) or "study"
    return f"logs/{rule}/{job}.log"


def benchmark_of(rule, *wildcards):
    """Benchmark file of a heavy rule, beside its log."""
    return log_of(rule, *wildcards).removesuffix(".log") + ".benchmark.tsv"
