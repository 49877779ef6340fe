"""Configuration, subjects table and path helpers that every rule file uses."""

import os
import random
import sys
from functools import cache, partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

# Not of `workflow.basedir`, where the Snakefile lies that may import this one as a module.
HOME = Path(workflow.current_basedir).parent
SCRIPTS = HOME / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"{HOME}: spect2pet as a module must lie in a folder of this machine; clone the repository "
        "and give the path of its Snakefile"
    )
sys.path.insert(0, str(SCRIPTS))

from spect2pet.core import provenance, runtime  # noqa: E402
from spect2pet.infer import cards  # noqa: E402
from spect2pet.subjects import splitting, subjects  # noqa: E402
from spect2pet.train import presets  # noqa: E402
from spect2pet.core.errors import InputError  # noqa: E402

config["models"] = presets.fill(config.get("models", {presets.DEFAULT_MODEL: {}}))
validate(config, "../schemas/config.schema.yaml")

# A model that was trained elsewhere: nothing is trained, and every subject with PET is a test subject.
CARD, GIVEN = None, []

try:
    SUBJECTS = subjects.load(config)
    if config["model"] is not None:
        CARD, GIVEN = cards.read_card(config["model"]), [cards.name_of(config["model"])]
        config["study_grid"] = CARD["study_grid"]
        config["split"]["folds"] = 1
        SUBJECTS["split"] = "test"
    # Subjects with PET, and those without, whom only a given model can serve.
    has_pet = SUBJECTS["pet"].notna() | SUBJECTS["pet_problem"].notna()
    PAIRED, ALONE = list(SUBJECTS.index[has_pet]), list(SUBJECTS.index[~has_pet])
    NEEDED_SETS = [] if GIVEN else list(splitting.SETS)
    SPLIT = splitting.split_rows(SUBJECTS.loc[PAIRED], config["split"], NEEDED_SETS)
    SPLIT = SPLIT.set_index("subject")
except InputError as error:
    raise WorkflowError(str(error)) from None
# What the table says of each subject; every job asks, and a dictionary answers at once.
ROW_OF = SUBJECTS.to_dict("index")
FOLD_OF = SPLIT["fold"].to_dict()


def shipped(*parts):
    """A file that comes with the workflow; a module's `prefix:` does not move it."""
    return local(os.path.relpath(HOME.joinpath(*parts)))


def of_user(path):
    """A file that the user names; a module's `prefix:` does not move it."""
    return local(path)


def of_table(path):
    """A file that the subjects table names; that of the built-in cohort is made here."""
    return path if config["subjects"] is None else of_user(path)


def truth_map(subject, name):
    """A map of what is known of a simulated subject: deficit, or cbf."""
    truth = ROW_OF[subject]["truth"]
    return of_table(f"{truth.removesuffix('_truth.json')}_desc-{name}_map.nii.gz")


# Columns of the subjects table whose values make subgroups of subjects.
SUBGROUPS = ("group", "scanner", "severity")
# Models that the config does not set to null, or the one that is given.
MODELS = {name: settings for name, settings in config["models"].items() if settings is not None}
if GIVEN:
    MODELS = {GIVEN[0]: {"method": CARD["method"], "members": CARD["networks"]}}
# Models whose P2P is the mean of several networks, and those with something to learn.
ENSEMBLES = [name for name, settings in MODELS.items() if settings["members"] > 1]
TRAINED = [n for n in MODELS if MODELS[n]["method"] not in presets.UNTRAINED and not GIVEN]
# Models whose images are exported as DICOM, which calls them AI-generated.
EXPORTED = [*TRAINED, *GIVEN]
# Models that can be evaluated: none where nobody has a PET.
EVALUATED = list(MODELS) if PAIRED else []
# Subjects of whom it is known what no method can pass. Where all are, it is compared like a model.
KNOWN = list(SUBJECTS.index[SUBJECTS["ceiling"].notna()])
# Subjects of whom it is known where flow is lost.
DEFICITS_KNOWN = [
    subject
    for subject in PAIRED
    if ROW_OF[subject]["truth"]
    # The built-in cohort's maps are still to be made; a table may name subjects without.
    and (config["subjects"] is None or Path(truth_map(subject, "deficit")).exists())
]
COMPARED = [*EVALUATED, "ceiling"] if len(KNOWN) == len(SUBJECTS) else EVALUATED

# The set of every subject in every fold; folds are numbered from 0.
SETS_BY_FOLD = splitting.sets_by_fold(SPLIT.reset_index())
FOLDS = list(range(len(SETS_BY_FOLD)))


wildcard_constraints:
    subject="[A-Za-z0-9]+",
    model="[a-z0-9]+([-_][a-z0-9]+)*",
    fold="[0-9]+",
    seed="[0-9]+",


# --- Who takes part ---------------------------------------------------------


def in_set(*names):
    """Subjects whose results count for the named sets (train, validation, test)."""
    return list(SPLIT.index[SPLIT["set"].isin(names)])


def in_fold(wildcards, *names):
    """Subjects of the named sets of one fold, in table order."""
    sets = SETS_BY_FOLD[int(wildcards.fold)]
    return [subject for subject in sets if sets[subject] in names]


def of_subjects(pattern, *names, **wildcards):
    """The files that a pattern with {subject} stands for, one for each subject.

    Without names it is every subject's with PET, otherwise those of the named sets.
    """
    chosen = in_set(*names) if names else PAIRED
    return expand(pattern, subject=chosen, allow_missing=True, **wildcards)


def of_everyone(pattern, **wildcards):
    """The files that a pattern with {subject} stands for, of subjects without PET too."""
    return expand(pattern, subject=list(SUBJECTS.index), allow_missing=True, **wildcards)


def of_fold(pattern, *names):
    """An input function: the files of the subjects in the named sets of a job's fold."""
    return lambda wildcards: expand(pattern, subject=in_fold(wildcards, *names))


def of_evaluated(pattern):
    """An input function: the files of the subjects in whom a job's model is evaluated.

    These are all; of the ceiling, which only stands beside the study's result, the test subjects.
    """

    def files(wildcards):
        sets = ["test"] if wildcards.model == "ceiling" else []
        return of_subjects(pattern, *sets, model=wildcards.model)

    return files


def of_known(pattern):
    """The files of the subjects whose true deficits are known."""
    return expand(pattern, subject=DEFICITS_KNOWN, allow_missing=True)


def of_lesions(*patterns):
    """Files about deficits of every model; nothing where nobody's deficits are known."""
    return of_models(*patterns, models=EVALUATED if DEFICITS_KNOWN else [])


def of_ceiling(name):
    """The images that no method can pass, of test subjects; nothing where they are not known."""
    return of_subjects(ceiling(name), "test") if "ceiling" in COMPARED else []


def of_models(*patterns, models=None):
    """The files that patterns with {model}, {fold} and {seed} stand for, for every model.

    Args:
        patterns: patterns of paths.
        models: names of models, all of them where None.
    """
    return [
        path
        for model in (MODELS if models is None else models)
        for path in expand(patterns, model=model, fold=FOLDS, seed=seeds_of(model))
    ]


def seeds_of(model):
    """Seeds of the networks that make a model's P2P together."""
    return [config["seed"] + member for member in range(MODELS[model]["members"])]


def generators(wildcards):
    """The networks that make a subject's P2P: those of the fold that never met the subject, or
    those in the file of the given model."""
    if GIVEN:
        return [of_user(config["model"])]
    return expand(
        model_file("generator.safetensors"),
        model=wildcards.model,
        fold=FOLD_OF[wildcards.subject],
        seed=seeds_of(wildcards.model),
    )


def networks_of_fold(name):
    """An input function: a file of every network of a job's model and fold."""
    return lambda wildcards: expand(
        model_file(name), seed=seeds_of(wildcards.model), allow_missing=True
    )


def histories(wildcards):
    """The histories of all networks of a model."""
    return of_models(model_file("history.tsv"), models=[wildcards.model])


def raw_image(modality):
    """An input function: a subject's raw image."""
    return lambda wildcards: raw_path(wildcards.subject, modality)


def raw_path(subject, modality):
    """Path of a raw image; nothing when the subjects table has a problem with it."""
    row = ROW_OF[subject]
    return [] if row[f"{modality}_problem"] else of_table(row[modality])


def table_about(*modalities):
    """A params function: what the subjects table and the config say of a subject's raw images.

    By modality, what is wrong with it by the table alone, its unit and the words of the
    description of its DICOM series, each None where nothing is said.
    """

    def told(wildcards):
        row = ROW_OF[wildcards.subject]
        return {
            modality: {
                "problem": row[f"{modality}_problem"],
                "unit": row[f"{modality}_unit"],
                "series": row[f"{modality}_series"] or config["prepare"][f"{modality}_series"],
            }
            for modality in modalities
        }

    return told


def raw_images():
    """Label, modality and path of every raw image of the user's; the cohort's are results."""
    if config["subjects"] is None:
        return []
    wanted = [(s, "spect") for s in SUBJECTS.index] + [(s, "pet") for s in PAIRED]
    found = [(*who, raw_path(*who)) for who in wanted]
    return [image for image in found if image[2]]


def given_files(kind):
    """An input function: what the user gave. The report of Snakemake shows no function's paths."""
    paths = {"raw": [path for *_, path in raw_images()]} | {
        name: [config[name]] if config[name] else [] for name in ("subjects", "model")
    }
    return lambda wildcards: [of_user(path) for path in paths[kind]]


def transform_of(wildcards):
    """Transform between a subject's PET and SPECT; nothing where the study grid lies in SPECT."""
    if wildcards.subject in ALONE:
        return []
    return registered("from-spect_to-pet_xfm.mat").format(subject=wildcards.subject)


def truth_of(wildcards):
    """The file of what is known of a simulated subject; nothing for a real one."""
    truth = ROW_OF[wildcards.subject]["truth"]
    return [] if truth is None else of_table(truth)


def true_flow_of(wildcards):
    """What is known of a simulated subject and the map of its true flow; nothing for a real one."""
    truth = ROW_OF[wildcards.subject]["truth"]
    if truth is None:
        return []
    flow = truth_map(wildcards.subject, "cbf")
    # The built-in cohort's is still to be made; a table's may name subjects without.
    return [of_table(truth), flow] if config["subjects"] is None or Path(flow).exists() else []


def counts_of_subjects():
    """How many subjects there are before the split, by the names of `cohort_flow.Cohort`."""
    excluded = {str(label).removeprefix("sub-") for label in config["exclude"]}
    return {
        "listed": len(SUBJECTS) + len(excluded),
        "excluded": len(excluded),
        "alone": len(ALONE),
        "simulated": int(SUBJECTS.loc[PAIRED, "truth"].notna().sum()),
        "given": bool(GIVEN),
    }


def subgroups():
    """By column of the subjects table that makes subgroups, the value of every subject."""
    return {name: SUBJECTS[name].to_dict() for name in SUBGROUPS if name in SUBJECTS}


def ceiling_of(wildcards):
    """The image of a simulated subject that no method can pass, and its sidecar."""
    image = ROW_OF[wildcards.subject]["ceiling"]
    return [of_table(image), of_table(image.removesuffix(".nii.gz") + ".json")]


def split_columns():
    """The columns of the subjects table that the split depends on."""
    named = ["subject", "split", *config["split"]["stratify"]]
    return SUBJECTS.loc[PAIRED, [name for name in named if name in SUBJECTS]].to_dict("list")


def model_settings(wildcards):
    """Settings of one model of the config."""
    return MODELS[wildcards.model]


def gpus_of(wildcards):
    """GPUs that a training holds: one a process; none where it cannot use any.

    On a machine without GPU trainings then run side by side, as far as there are cores, which is
    faster than one after the other on more threads.
    """
    settings = model_settings(wildcards)
    # A cluster's machines have what this one may lack.
    here = workflow.local_exec and not runtime.has_gpu()
    idle = settings["device"] == "cpu" or (settings["device"] == "auto" and here)
    return 0 if idle or wildcards.model not in TRAINED else settings["processes"]


def one_of(models):
    """A wildcard constraint: one of some models; matches nothing where there are none."""
    return "|".join(models) or "(?!)"


# --- Who is read, and by whom --------------------------------------------------


def model_read():
    """The model whose P2P is read: the one of the config, or the first that is trained."""
    model = config["readers"]["model"] or next(iter(TRAINED or MODELS))
    if model not in MODELS:
        raise WorkflowError(
            f"readers: model: {model!r} is none of the models of the study "
            f"({', '.join(MODELS)}); name one of these"
        )
    return model


def subjects_read():
    """The test subjects that are read, in table order: all, or as many drawn as the config says."""
    everyone = in_set("test")
    count = min(config["readers"]["subjects"], len(everyone))
    chosen = set(random.Random(config["readers"]["seed"]).sample(everyone, count))
    return [subject for subject in everyone if subject in chosen]


def readers_files(wildcards):
    """The files that readers handed in: those of a folder, or those of a list."""
    scores = config["readers"]["scores"]
    if scores is None:
        raise WorkflowError(
            "`readers: scores` of the config is not set; name the folder with the readers' files"
        )
    if isinstance(scores, str):
        folder = Path(scores)
        if not folder.is_dir():
            raise WorkflowError(
                f"readers: scores: {scores} is not a folder; name the one with the readers' files"
            )
        return [of_user(str(path)) for path in sorted(folder.glob("*.csv"))]
    return [of_user(path) for path in scores]


def key_of_readings():
    """The key of the reading session: the organiser's, or the one made here."""
    key = config["readers"]["key"]
    return "results/readers/key.tsv" if key is None else of_user(key)


def of_read(pattern, **wildcards):
    """The files that a pattern with {subject} stands for, one for each subject that is read."""
    return expand(pattern, subject=SUBJECTS_READ, **wildcards)


MODEL_READ = model_read()
SUBJECTS_READ = subjects_read()


# --- Paths: BIDS entities, in one place -------------------------------------


def subject_file(stage, name, folder=""):
    """Pattern of one subject's file: results/<stage>/sub-…/[<folder>/]sub-…_<name>."""
    return str(Path("results", stage, "sub-{subject}", folder, f"sub-{{subject}}_{name}"))


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


# The simulated people's table and images, where they take part.
PARTICIPANTS, SIMULATED = [], []
if config["subjects"] is None:
    PARTICIPANTS = ["results/cohort/participants.tsv"]
    SIMULATED = of_subjects(cohort("{modality}.nii.gz", "{modality}"), modality=["spect", "pet"])

# What a study ends with: of each model, of those with several networks, of those for others, and
# of all together.
RESULTS = [
    *of_models(
        study_table("similarity.tsv"),
        study_table("similarity_slices.tsv"),
        study_table("similarity_tests.tsv"),
        study_table("subgroups.tsv"),
        study_table("regions.tsv"),
        study_table("regression.tsv"),
        study_table("agreement.tsv"),
        study_table("asymmetry.tsv"),
        study_table("published.tsv"),
        study_table("summary.json"),
        models=EVALUATED,
    ),
    *of_models(
        study_table("uncertainty.tsv"),
        study_table("uncertainty_summary.tsv"),
        models=[name for name in EVALUATED if name in ENSEMBLES],
    ),
    *of_lesions(
        study_table("lesions.tsv"),
        study_table("lesion_detection.tsv"),
        study_table("lesion_summary.json"),
    ),
    *of_models(published("{model}.safetensors"), models=TRAINED),
    *of_models("results/synthetic/{model}/inference.tsv", models=GIVEN),
]
KINDS = ("png", "svg")
FIGURES = [
    *of_models(
        *drawn(
            "example_slices",
            "similarity",
            "regression",
            "bland_altman",
            "resolution",
            "error_maps",
        ),
        models=EVALUATED,
    ),
    *of_models(*drawn("training"), models=TRAINED),
    *of_models(*drawn("uncertainty"), models=[name for name in EVALUATED if name in ENSEMBLES]),
    *of_lesions(*drawn("lesions")),
]
SPLIT_TABLE = []
if PAIRED:
    SPLIT_TABLE = ["results/split/split.tsv"]
    RESULTS += ["results/evaluation/methods.tsv", "results/evaluation/method_pairs.tsv"]
    FIGURES += expand("results/figures/{name}.{kind}", name=["cohort_flow", "methods"], kind=KINDS)


# --- What every rule carries ------------------------------------------------


@cache
def code_of(rule):
    """Fingerprint of the library modules that a rule's script reaches.

    Snakemake reruns a rule when its script changes, not when a module that the
    script imports does; this value in `params` closes that gap.
    """
    return provenance.code_fingerprint(SCRIPTS / f"{rule}.py")


def growing(least):
    """A resource of which every further attempt of a job asks for as much again."""
    return lambda wildcards, attempt: least * attempt


def mem_of_study(least):
    """MB of a job that holds a table of all subjects; benchmarks/scale.txt has what they take."""
    return least + len(SUBJECTS) // 10


def log_of(rule, *wildcards):
    """Log file of a rule: logs/<rule>/<wildcards joined by _>.log."""
    job = "_".join(f"{{{name}}}" for name in wildcards) or "study"
    return f"logs/{rule}/{job}.log"


def curves_of(wildcards, output):
    """Folder of a training's curves for TensorBoard, written where the model asks for them."""
    # Beside results/, five folders up, which as a module may lie under a prefix.
    folder = Path(output.generator).parents[5] / "logs" / "tensorboard"
    return str(folder / f"{wildcards.model}_{wildcards.fold}_{wildcards.seed}")
