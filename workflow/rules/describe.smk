"""Describe: where the study comes from, for other programs and for an archive."""

from snakemake import __version__ as snakemake_version
from spect2pet.core import privacy
from spect2pet.describe import payload

# Every table of the study with its sidecar.
TABLES = [
    *REPORTED,
    *rules.build_report.input.sidecars,
    *expand("results/split/split.{end}", end=["tsv", "json"] if SPLIT_TABLE else []),
    *of_models(
        *expand(model_file("history.{end}"), end=["tsv", "json"], allow_missing=True),
        models=[] if GIVEN else MODELS,
    ),
    *of_lesions(study_table("lesion_scores.tsv"), study_table("lesion_scores.json")),
]
CARDS = [
    *of_models(published("{model}.json"), models=TRAINED),
    *of_models(model_file("training.json"), models=[] if GIVEN else MODELS),
]


rule describe_study:
    """The study as a Workflow Run RO-Crate (Soiland-Reyes et al., Data Science 2022; Leo et al.,
    PLoS ONE 2024): workflow, configuration, tables, figures and the report, with checksums of
    these and of all images. Without a scan or a path of the user's, to be given to an archive."""
    input:
        **implied(files_of_record),
        report="results/report.html",
        tables=TABLES,
        figures=FIGURES,
        cards=CARDS,
        networks=of_models(published("{model}.safetensors"), models=TRAINED),
        participants=PARTICIPANTS,
        table=given_files("subjects"),
        model=given_files("model"),
        raw=given_files("raw"),
    output:
        crate=report(
            directory("results/provenance"),
            patterns=["ro-crate-{file,metadata}.json", "{file,checksums}.sha256"],
            caption="../report/provenance.rst",
            category="Provenance",
            labels={"file": "{file}"},
        ),
    log:
        log_of("describe_study"),
    conda:
        "../../envs/provenance.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_of("describe_study"),
        config=privacy.nameless(config),
        simulated=config["subjects"] is None,
        raw=[image[:2] for image in raw_images()],
        implied=implied_paths(files_of_record),
        workflow=lambda wildcards: payload.workflow_fingerprint(),
        subjects=len(SUBJECTS),
        engine=snakemake_version,
        threads=1,
    script:
        "../scripts/describe_study.py"
