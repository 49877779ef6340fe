"""Readers: a blinded reading session for physicians, and what their scores say."""


rule build_reading_session:
    """One page for readers, which needs no network: test subjects' images without names, in
    random order; pairs of PET and P2P; then the images with their names, sealed by a code. The
    key stays with the organiser."""
    input:
        spect=of_read(registered("space-study_spect.nii.gz")),
        spect_sidecar=of_read(registered("space-study_spect.json")),
        p2p=of_read(synthetic("space-study_desc-p2p_spect.nii.gz"), model=MODEL_READ),
        p2p_sidecar=of_read(synthetic("space-study_desc-p2p_spect.json"), model=MODEL_READ),
        pet=of_read(registered("space-study_pet.nii.gz")),
        pet_sidecar=of_read(registered("space-study_pet.json")),
        mask=of_read(registered("space-study_desc-brain_mask.nii.gz")),
        page=shipped("resources/reading/session.html"),
        style=shipped("resources/reading/session.css"),
        viewer=shipped("resources/reading/viewer.js"),
        script=shipped("resources/reading/session.js"),
    output:
        page="results/readers/session.html",
        key="results/readers/key.tsv",
        key_sidecar="results/readers/key.json",
    log:
        log_of("build_reading_session"),
    conda:
        "../../envs/pages.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_of("build_reading_session"),
        settings={name: config["readers"][name] for name in ("seed", "repeats", "scale")},
        subjects=SUBJECTS_READ,
        model=MODEL_READ,
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/build_reading_session.py"


rule score_readings:
    """Mean scores and signed-rank tests (Wilcoxon, Biometrics Bull 1945; Holm, Scand J Stat 1979),
    weighted kappa (Cohen, Psychol Bull 1968), Krippendorff's alpha (2011), and how often the PET
    was told from P2P (Wilson, J Am Stat Assoc 1927)."""
    input:
        scores=readers_files,
        key=key_of_readings(),
    output:
        scores=report(
            "results/readers/scores.tsv",
            caption="../report/reading_scores_table.rst",
            category="Tables",
            labels={"table": "Readers' scores", "model": MODEL_READ},
        ),
        scores_sidecar="results/readers/scores.json",
        tests=report(
            "results/readers/score_tests.tsv",
            caption="../report/reading_scores_table.rst",
            category="Tables",
            labels={"table": "Readers' scores, paired tests", "model": MODEL_READ},
        ),
        tests_sidecar="results/readers/score_tests.json",
        agreement=report(
            "results/readers/reader_agreement.tsv",
            caption="../report/reader_agreement.rst",
            category="Tables",
            labels={"table": "Agreement of readers", "model": MODEL_READ},
        ),
        agreement_sidecar="results/readers/reader_agreement.json",
        choices=report(
            "results/readers/which_is_real.tsv",
            caption="../report/which_is_real.rst",
            category="Tables",
            labels={"table": "PET told from P2P", "model": MODEL_READ},
        ),
        choices_sidecar="results/readers/which_is_real.json",
        summary="results/readers/summary.json",
        png=report(
            "results/figures/reading_scores.png",
            caption="../report/reading_scores.rst",
            category="Figures",
            labels={"figure": "Readers' scores", "model": MODEL_READ},
        ),
        svg="results/figures/reading_scores.svg",
    log:
        log_of("score_readings"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("score_readings"),
        seed=config["readers"]["seed"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/score_readings.py"
