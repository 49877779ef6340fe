"""Evaluate: how alike P2P and PET are, subject by subject and for the whole study."""


rule measure_similarity:
    """SSIM (Wang et al., IEEE Trans Image Process 2004), PSNR and NRMSE against PET."""
    input:
        spect=registered("space-study_spect.nii.gz"),
        spect_sidecar=registered("space-study_spect.json"),
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        p2p_sidecar=synthetic("space-study_desc-p2p_spect.json"),
        pet=registered("space-study_pet.nii.gz"),
        pet_sidecar=registered("space-study_pet.json"),
        mask=registered("space-study_desc-brain_mask.nii.gz"),
    output:
        similarity=evaluated("similarity.tsv"),
        similarity_sidecar=evaluated("similarity.json"),
        slices=evaluated("slices.tsv"),
        slices_sidecar=evaluated("slices.json"),
    log:
        log_of("measure_similarity", "model", "subject"),
    benchmark:
        benchmark_of("measure_similarity", "model", "subject")
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("measure_similarity"),
        settings=config["evaluate"]["similarity"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/measure_similarity.py"


rule measure_regions:
    """Mean CBF of SPECT, P2P and PET in the regions of every atlas, and in the brain."""
    input:
        spect=registered("space-study_spect.nii.gz"),
        spect_sidecar=registered("space-study_spect.json"),
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        p2p_sidecar=synthetic("space-study_desc-p2p_spect.json"),
        pet=registered("space-study_pet.nii.gz"),
        pet_sidecar=registered("space-study_pet.json"),
        mask=registered("space-study_desc-brain_mask.nii.gz"),
        dseg=registered("space-study_desc-aal_dseg.nii.gz"),
        groups="workflow/resources/aal_groups.tsv",
    output:
        regions=evaluated("regions.tsv"),
        sidecar=evaluated("regions.json"),
    log:
        log_of("measure_regions", "model", "subject"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("measure_regions"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/measure_regions.py"


rule tabulate_similarity:
    """All subjects' similarity; P2P against SPECT by paired t (Student, Biometrika 1908)
    and signed-rank test (Wilcoxon, Biometrics Bull 1945), each set for itself."""
    input:
        similarity=of_subjects(evaluated("similarity.tsv")),
        slices=of_subjects(evaluated("slices.tsv")),
        split="results/split/split.tsv",
    output:
        similarity=report(
            study_table("similarity.tsv"),
            caption="../report/similarity_table.rst",
            category="Tables",
            labels={"table": "Similarity of every subject", "model": "{model}"},
        ),
        similarity_sidecar=study_table("similarity.json"),
        slices=study_table("similarity_slices.tsv"),
        slices_sidecar=study_table("similarity_slices.json"),
        tests=report(
            study_table("similarity_tests.tsv"),
            caption="../report/similarity_tests.rst",
            category="Tables",
            labels={"table": "P2P against SPECT, paired tests", "model": "{model}"},
        ),
        tests_sidecar=study_table("similarity_tests.json"),
    log:
        log_of("tabulate_similarity", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("tabulate_similarity"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/tabulate_similarity.py"


rule regress_regions:
    """All subjects' region means, and ordinary least squares of the three images on one
    another with Fisher's interval of r (Metron 1921), each set for itself."""
    input:
        regions=of_subjects(evaluated("regions.tsv")),
        split="results/split/split.tsv",
    output:
        regions=report(
            study_table("regions.tsv"),
            caption="../report/regions_table.rst",
            category="Tables",
            labels={"table": "Regional CBF of every subject", "model": "{model}"},
        ),
        regions_sidecar=study_table("regions.json"),
        regression=report(
            study_table("regression.tsv"),
            caption="../report/regression_table.rst",
            category="Tables",
            labels={"table": "Regional regression", "model": "{model}"},
        ),
        regression_sidecar=study_table("regression.json"),
    log:
        log_of("regress_regions", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("regress_regions"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/regress_regions.py"


rule summarise_study:
    """The headline, of test subjects only, and the published numbers beside it."""
    input:
        tests=study_table("similarity_tests.tsv"),
        regression=study_table("regression.tsv"),
        split="results/split/split.tsv",
    output:
        summary=study_table("summary.json"),
        published=report(
            study_table("published.tsv"),
            caption="../report/published.rst",
            category="Tables",
            labels={"table": "Published numbers and this run's", "model": "{model}"},
        ),
        published_sidecar=study_table("published.json"),
    log:
        log_of("summarise_study", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("summarise_study"),
        evaluate=config["evaluate"],
        model=model_settings,
        seed=config["seed"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/summarise_study.py"
