"""spect2pet: can a network give SPECT the quality of PET?"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/planning.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/paths.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/targets.smk"


# null, the default, runs the jobs without a container.
containerized: config["container"]


include: "workflow/rules/cohort.smk"
include: "workflow/rules/discover.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/register.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/lesions.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/readers.smk"
include: "workflow/rules/implied.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/describe.smk"
include: "workflow/rules/mend.smk"


rule all:
    """The whole study: every table and figure, the checks behind them, the report, and a record
    of where it all comes from."""
    default_target: True
    input:
        participants=PARTICIPANTS,
        checks=of_subjects(registered("desc-check_registration.json")),
        split=SPLIT_TABLE,
        results=RESULTS,
        figures=FIGURES,
        report="results/report.html",
        provenance="results/provenance",  # by name: of a rule's output Snakemake hashes all its inputs
        mended=MENDED,


rule subjects_table:
    """A subjects table proposed from the folder of scans that `--config scan=FOLDER` names."""
    input:
        table=PROPOSED,


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
        models=of_models(model_file("generator.safetensors"), models=[] if GIVEN else MODELS),


rule infer:
    """The P2P image of every subject by every model."""
    input:
        images=of_models(*of_everyone(synthetic("space-study_desc-p2p_spect.nii.gz"))),
        tables=of_models("results/synthetic/{model}/inference.tsv", models=GIVEN),


rule evaluate:
    """Every table of the study."""
    input:
        results=RESULTS,


rule figures:
    """Every figure of the study, in pixels and in vectors."""
    input:
        figures=FIGURES,


rule dicom_export:
    """P2P of every subject by every trained model, as DICOM for an image archive (PACS)."""
    input:
        images=of_models(*of_everyone(exported("desc-p2p.dcm")), models=EXPORTED),


rule bids:
    """The finished study as a BIDS derivative dataset, in export/bids/."""
    input:
        dataset=rules.export_bids.output.dataset,


rule reading_session:
    """The page on which physicians read test subjects' images, and its key."""
    input:
        page="results/readers/session.html",
        key="results/readers/key.tsv",


rule readings:
    """What the readers' files say, where `readers: scores` names them."""
    input:
        summary="results/readers/summary.json",
