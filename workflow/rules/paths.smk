"""Paths: whose a file is, and results by their BIDS entities, in one place."""

import os
from functools import partial
from pathlib import Path

# --- Files that a module's prefix does not move ------------------------------


def shipped(*parts):
    """A file that comes with the workflow; a module's `prefix:` does not move it."""
    return local(os.path.relpath(HOME.joinpath(*parts)))


def of_user(path):
    """A file that the user names; a module's `prefix:` does not move it."""
    return local(path)


def of_table(path):
    """A file that the subjects table names; that of the built-in cohort is made here."""
    return path if config["subjects"] is None else of_user(path)


# --- Results ------------------------------------------------------------------


def subject_file(stage, name, folder=""):
    """Pattern of one subject's file: results/<stage>/sub-…/[<folder>/]sub-…_<name>."""
    return str(Path("results", stage, "sub-{subject}", folder, f"sub-{{subject}}_{name}"))


# A figure is drawn in pixels and in vectors.
KINDS = ("png", "svg")

cohort = partial(subject_file, "cohort")
prepared = partial(subject_file, "prepared")
registered = partial(subject_file, "registered")
synthetic = partial(subject_file, "synthetic/{model}")
evaluated = partial(subject_file, "evaluation/{model}")
ceiling = partial(subject_file, "synthetic/ceiling")


def exported(name):
    """Pattern of one subject's DICOM file: export/dicom/<model>/sub-…/sub-…_<name>."""
    return str(Path("export", "dicom", "{model}", "sub-{subject}", f"sub-{{subject}}_{name}"))


def model_file(name):
    """Pattern of a file of one network: results/models/<model>/fold-<k>/seed-<s>/<name>."""
    return f"results/models/{{model}}/fold-{{fold}}/seed-{{seed}}/{name}"


def published(name):
    """Pattern of a file of a model for others: results/models/<model>/fold-<k>/<name>."""
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


def drawn(*names):
    """Patterns of figures of the study, each in pixels and in vectors."""
    return expand(figure_file("{name}.{kind}"), name=names, kind=KINDS, allow_missing=True)


def curves_of(wildcards, output):
    """Folder of a training's curves for TensorBoard, written where the model asks for them."""
    # Beside results/, five folders up, which as a module may lie under a prefix.
    folder = Path(output.generator).parents[5] / "logs" / "tensorboard"
    return str(folder / f"{wildcards.model}_{wildcards.fold}_{wildcards.seed}")
