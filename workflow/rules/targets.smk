"""Targets: what a study makes, from the people of its cohort to its last figure."""

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
