"""Selection: who takes part, in which fold and set, who is read, and the files of those."""

import random
from pathlib import Path

from snakemake.exceptions import WorkflowError

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

# Columns of the subjects table whose values make subgroups of subjects.
SUBGROUPS = ("group", "scanner", "severity")
# The set of every subject in every fold; folds are numbered from 0.
SETS_BY_FOLD = splitting.sets_by_fold(SPLIT.reset_index())
FOLDS = list(range(len(SETS_BY_FOLD)))


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


def networks_of_fold(name):
    """An input function: a file of every network of a job's model and fold."""
    return lambda wildcards: expand(
        model_file(name), seed=seeds_of(wildcards.model), allow_missing=True
    )


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


def split_columns():
    """The columns of the subjects table that the split depends on."""
    named = ["subject", "split", *config["split"]["stratify"]]
    return SUBJECTS.loc[PAIRED, [name for name in named if name in SUBJECTS]].to_dict("list")


# --- Who is read -----------------------------------------------------------------


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


def of_read(pattern, **wildcards):
    """The files that a pattern with {subject} stands for, one for each subject that is read."""
    return expand(pattern, subject=SUBJECTS_READ, **wildcards)


MODEL_READ = model_read()
SUBJECTS_READ = subjects_read()
