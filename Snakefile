"""spect2pet: can a network give SPECT the quality of PET?"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/register.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figures.smk"


rule all:
    """The whole study: every table and figure, and the checks behind them."""
    default_target: True
    input:
        participants=PARTICIPANTS,
        checks=of_subjects(registered("desc-check_registration.json")),
        split="results/split/split.tsv",
        results=RESULTS,
        figures=FIGURES,


rule cohort:
    """The simulated cohort, as a dataset like any other."""
    input:
        participants=PARTICIPANTS,
        images=SIMULATED,


rule registration:
    """Every subject on the study grid, with regions and a check."""
    input:
        checks=of_subjects(registered("desc-check_registration.json")),
        regions=of_subjects(registered("space-study_desc-aal_dseg.nii.gz")),


rule train:
    """Every model of the config, trained."""
    input:
        models=of_models(model_file("generator.safetensors")),


rule infer:
    """The P2P image of every subject by every model."""
    input:
        images=of_models(*of_subjects(synthetic("space-study_desc-p2p_spect.nii.gz"))),


rule evaluate:
    """Every table of the study."""
    input:
        results=RESULTS,


rule figures:
    """Every figure of the study, in pixels and in vectors."""
    input:
        figures=FIGURES,
