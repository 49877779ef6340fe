"""Inputs: what a job reads of its subject or model, and what it is told of them."""

from pathlib import Path

from snakemake.exceptions import WorkflowError


def raw_image(modality):
    """An input function: a subject's raw image."""
    return lambda wildcards: raw_path(wildcards.subject, modality)


def raw_path(subject, modality):
    """Path of a raw image; nothing when the subjects table has a problem with it."""
    row = ROW_OF[subject]
    return [] if row[f"{modality}_problem"] else of_table(row[modality])


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


def truth_map(subject, name):
    """A map of what is known of a simulated subject: deficit, or cbf."""
    truth = ROW_OF[subject]["truth"]
    return of_table(f"{truth.removesuffix('_truth.json')}_desc-{name}_map.nii.gz")


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


def ceiling_of(wildcards):
    """The image of a simulated subject that no method can pass, and its sidecar."""
    image = ROW_OF[wildcards.subject]["ceiling"]
    return [of_table(image), of_table(image.removesuffix(".nii.gz") + ".json")]


def transform_of(wildcards):
    """Transform between a subject's PET and SPECT; nothing where the study grid lies in SPECT."""
    if wildcards.subject in ALONE:
        return []
    return registered("from-spect_to-pet_xfm.mat").format(subject=wildcards.subject)


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


def histories(wildcards):
    """The histories of all networks of a model."""
    return of_models(model_file("history.tsv"), models=[wildcards.model])


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
