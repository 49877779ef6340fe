"""Report: the page that people look at, and the folder that belongs to it."""

# The tables that it tells of, and those words that explain them.
REPORTED = [path for path in RESULTS if not path.endswith(".safetensors")]
CAPTIONS = [shipped("report", path.name) for path in sorted((HOME / "report").glob("*.rst"))]


# The folder and not its files is an output: whenever a job ends, Snakemake spells out the outputs of
# all that wait for it, which grows with the square of the number of subjects.
rule build_report:
    """Headline in plain words, every figure and the tables, all subjects with a viewer of their
    images, warnings, provenance, methods text, and the checklists CLAIM (Tejani et al., Radiol
    Artif Intell 2024) and RELAINCE (Jha et al., J Nucl Med 2022). Opens from disk."""
    input:
        **implied(files_of_report),
        tables=REPORTED,
        sidecars=[path[:-4] + ".json" for path in REPORTED if path.endswith(".tsv")],
        figures=[path for path in FIGURES if path.endswith(".png")],
        trainings=of_models(model_file("training.json"), models=[] if GIVEN else MODELS),
        split=SPLIT_TABLE,
        checks=of_subjects(registered("desc-check_registration.json")),
        p2p=of_models(*of_everyone(synthetic("space-study_desc-p2p_spect.nii.gz"))),
        captions=CAPTIONS,
        page=shipped("resources/report/report.html"),
        style=shipped("resources/report/report.css"),
        viewer=shipped("resources/reading/viewer.js"),
        script=shipped("resources/report/report.js"),
    output:
        page="results/report.html",
        folder=directory("results/report"),
    log:
        log_of("build_report"),
    conda:
        "../../envs/pages.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code_of("build_report"),
        models=MODELS,
        first=next(iter(TRAINED or MODELS)),
        subjects=list(SUBJECTS.index),
        # What is said of the study to an archive changes no page.
        config={key: config[key] for key in config if key != "publication"},
        subgroups=subgroups(),
        card=CARD,
        implied=implied_paths(files_of_report),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/build_report.py"
