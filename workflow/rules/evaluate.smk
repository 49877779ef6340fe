"""Evaluate: how alike P2P and PET are, subject by subject and for the whole study."""


rule evaluate_subject:
    """How alike a subject's SPECT and P2P are to its PET: SSIM (Wang et al., IEEE Trans Image
    Process 2004), PSNR and NRMSE, multi-scale SSIM, bias, detail (HFEN), resolution (Fourier shell
    correlation), contrast and noise; and the mean CBF of each in the regions of every atlas and in
    the brain, of simulated subjects the true flow's too."""
    input:
        spect=registered("space-study_spect.nii.gz"),
        spect_sidecar=registered("space-study_spect.json"),
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        p2p_sidecar=synthetic("space-study_desc-p2p_spect.json"),
        pet=registered("space-study_pet.nii.gz"),
        pet_sidecar=registered("space-study_pet.json"),
        mask=registered("space-study_desc-brain_mask.nii.gz"),
        dseg=registered("space-study_desc-aal_dseg.nii.gz"),
        groups=shipped("resources/aal_groups.tsv"),
        truth=true_flow_of,
    output:
        similarity=evaluated("similarity.tsv"),
        similarity_sidecar=evaluated("similarity.json"),
        slices=evaluated("slices.tsv"),
        slices_sidecar=evaluated("slices.json"),
        regions=evaluated("regions.tsv"),
        regions_sidecar=evaluated("regions.json"),
    log:
        log_of("evaluate_subject", "model", "subject"),
    wildcard_constraints:
        model=one_of(name for name in COMPARED if name not in ENSEMBLES),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("evaluate_subject"),
        settings=config["evaluate"]["similarity"] | {"voxel_mm": config["study_grid"]["voxel_mm"]},
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/evaluate_subject.py"


use rule evaluate_subject as evaluate_ensemble with:
    input:
        **rules.evaluate_subject.input,
        uncertainty=synthetic("space-study_desc-uncertainty_spect.nii.gz"),
        uncertainty_sidecar=synthetic("space-study_desc-uncertainty_spect.json"),
    output:
        **rules.evaluate_subject.output,
        uncertainty=evaluated("uncertainty.tsv"),
        uncertainty_sidecar=evaluated("uncertainty.json"),
    wildcard_constraints:
        model=one_of(ENSEMBLES),


rule tabulate_similarity:
    """All subjects' similarity; P2P against SPECT by paired t (Student, Biometrika 1908)
    and signed-rank test (Wilcoxon, Biometrics Bull 1945), effect size and bootstrap (Efron, J Am
    Stat Assoc 1987), each set for itself and by the subgroups of the subjects table."""
    input:
        similarity=of_evaluated(evaluated("similarity.tsv")),
        slices=of_evaluated(evaluated("slices.tsv")),
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
        subgroups=report(
            study_table("subgroups.tsv"),
            caption="../report/subgroups_table.rst",
            category="Tables",
            labels={"table": "SSIM by subgroup", "model": "{model}"},
        ),
        subgroups_sidecar=study_table("subgroups.json"),
    log:
        log_of("tabulate_similarity", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(mem_of_study(1000)),
        runtime=growing(5),
    params:
        code=code_of("tabulate_similarity"),
        subgroups=subgroups(),
        seed=config["seed"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/tabulate_similarity.py"


rule regress_regions:
    """All subjects' region means, and ordinary least squares of the three images on one
    another with Fisher's interval of r (Metron 1921), each set for itself."""
    input:
        regions=of_evaluated(evaluated("regions.tsv")),
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
        mem_mb=growing(mem_of_study(1000)),
        runtime=growing(5),
    params:
        code=code_of("regress_regions"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/regress_regions.py"


rule assess_agreement:
    """Agreement of regional CBF and of its asymmetry between images, each set for itself: Deming
    and Passing–Bablok regression (J Clin Chem Clin Biochem 1983), concordance (Lin, Biometrics
    1989), intraclass correlation (Shrout & Fleiss, Psychol Bull 1979), limits of agreement (Bland
    & Altman, J Biopharm Stat 2007), mixed model and bootstrap over subjects."""
    input:
        regions=study_table("regions.tsv"),
    output:
        agreement=report(
            study_table("agreement.tsv"),
            caption="../report/agreement_table.rst",
            category="Tables",
            labels={"table": "Agreement of regional CBF", "model": "{model}"},
        ),
        agreement_sidecar=study_table("agreement.json"),
        asymmetry=report(
            study_table("asymmetry.tsv"),
            caption="../report/asymmetry_table.rst",
            category="Tables",
            labels={"table": "Agreement of left and right", "model": "{model}"},
        ),
        asymmetry_sidecar=study_table("asymmetry.json"),
    log:
        log_of("assess_agreement", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_of("assess_agreement"),
        seed=config["seed"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/assess_agreement.py"


rule tabulate_uncertainty:
    """All subjects' calibration, and that of each set: does the error grow with the standard
    deviation (Lakshminarayanan et al., NeurIPS 2017, arXiv:1612.01474)?"""
    input:
        uncertainty=of_subjects(evaluated("uncertainty.tsv")),
        split="results/split/split.tsv",
    output:
        uncertainty=study_table("uncertainty.tsv"),
        sidecar=study_table("uncertainty.json"),
        summary=report(
            study_table("uncertainty_summary.tsv"),
            caption="../report/uncertainty_table.rst",
            category="Tables",
            labels={"table": "Uncertainty against error", "model": "{model}"},
        ),
        summary_sidecar=study_table("uncertainty_summary.json"),
    log:
        log_of("tabulate_uncertainty", "model"),
    wildcard_constraints:
        model=one_of(ENSEMBLES),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("tabulate_uncertainty"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/tabulate_uncertainty.py"


rule compare_methods:
    """SPECT itself, every model and the ceiling side by side: paired tests against SPECT and
    between models, corrected for their number (Holm, Scand J Stat 1979)."""
    input:
        similarity=expand(study_table("similarity.tsv"), model=COMPARED),
        regression=expand(study_table("regression.tsv"), model=COMPARED),
        detection=of_lesions(study_table("lesion_detection.tsv")),
        lesions=of_lesions(study_table("lesions.tsv")),
    output:
        methods=report(
            "results/evaluation/methods.tsv",
            caption="../report/methods_table.rst",
            category="Tables",
            labels={"table": "All methods", "model": "all"},
        ),
        methods_sidecar="results/evaluation/methods.json",
        pairs=report(
            "results/evaluation/method_pairs.tsv",
            caption="../report/method_pairs.rst",
            category="Tables",
            labels={"table": "Methods in pairs", "model": "all"},
        ),
        pairs_sidecar="results/evaluation/method_pairs.json",
    log:
        log_of("compare_methods"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("compare_methods"),
        atlas=config["evaluate"]["atlas"],
        compared=COMPARED,
        methods={name: MODELS[name]["method"] for name in MODELS},
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/compare_methods.py"


rule summarise_study:
    """The headline, of test subjects only, and the published numbers beside it."""
    input:
        tests=study_table("similarity_tests.tsv"),
        regression=study_table("regression.tsv"),
        agreement=study_table("agreement.tsv"),
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
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("summarise_study"),
        evaluate=config["evaluate"],
        model=model_settings,
        seed=config["seed"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/summarise_study.py"
