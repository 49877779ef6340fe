"""Figures: the pictures of the study, from its tables and images alone."""


rule plot_examples:
    """SPECT, P2P and PET of test subjects, spread from the smallest to the largest gain."""
    input:
        similarity=study_table("similarity.tsv"),
        spect=of_subjects(registered("space-study_spect.nii.gz"), "test"),
        spect_sidecar=of_subjects(registered("space-study_spect.json"), "test"),
        p2p=of_subjects(synthetic("space-study_desc-p2p_spect.nii.gz"), "test"),
        p2p_sidecar=of_subjects(synthetic("space-study_desc-p2p_spect.json"), "test"),
        pet=of_subjects(registered("space-study_pet.nii.gz"), "test"),
        pet_sidecar=of_subjects(registered("space-study_pet.json"), "test"),
        mask=of_subjects(registered("space-study_desc-brain_mask.nii.gz"), "test"),
    output:
        png=report(
            figure_file("example_slices.png"),
            caption="../report/example_slices.rst",
            category="Figures",
            labels={"figure": "Example slices", "model": "{model}"},
        ),
        svg=figure_file("example_slices.svg"),
    log:
        log_of("plot_examples", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_examples"),
        settings=config["figures"],
        subjects=in_set("test"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_examples.py"


rule plot_similarity:
    """SSIM boxes with a line a subject, each set for itself."""
    input:
        similarity=study_table("similarity.tsv"),
        tests=study_table("similarity_tests.tsv"),
    output:
        png=report(
            figure_file("similarity.png"),
            caption="../report/similarity.rst",
            category="Figures",
            labels={"figure": "Similarity to PET", "model": "{model}"},
        ),
        svg=figure_file("similarity.svg"),
    log:
        log_of("plot_similarity", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_similarity"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_similarity.py"


rule plot_regression:
    """Regional means of the three images on one another, absolute and relative."""
    input:
        regions=study_table("regions.tsv"),
        regression=study_table("regression.tsv"),
    output:
        png=report(
            figure_file("regression.png"),
            caption="../report/regression.rst",
            category="Figures",
            labels={"figure": "Regional regression", "model": "{model}"},
        ),
        svg=figure_file("regression.svg"),
    log:
        log_of("plot_regression", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(mem_of_study(1000)),
        runtime=growing(5),
    params:
        code=code_of("plot_regression"),
        atlas=config["evaluate"]["atlas"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_regression.py"


rule plot_bland_altman:
    """Differences of regional means between images against their mean, absolute and relative."""
    input:
        regions=study_table("regions.tsv"),
        agreement=study_table("agreement.tsv"),
    output:
        png=report(
            figure_file("bland_altman.png"),
            caption="../report/bland_altman.rst",
            category="Figures",
            labels={"figure": "Limits of agreement", "model": "{model}"},
        ),
        svg=figure_file("bland_altman.svg"),
    log:
        log_of("plot_bland_altman", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(mem_of_study(1000)),
        runtime=growing(5),
    params:
        code=code_of("plot_bland_altman"),
        atlas=config["evaluate"]["atlas"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_bland_altman.py"


rule plot_training:
    """Losses and validation over the epochs of every network of a model."""
    input:
        history=histories,
    output:
        png=report(
            figure_file("training.png"),
            caption="../report/training.rst",
            category="Figures",
            labels={"figure": "Training", "model": "{model}"},
        ),
        svg=figure_file("training.svg"),
    log:
        log_of("plot_training", "model"),
    wildcard_constraints:
        model=one_of(TRAINED),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_training"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_training.py"


rule plot_uncertainty:
    """Where the networks of a model disagree, and where their mean is wrong, in test subjects."""
    input:
        similarity=study_table("similarity.tsv"),
        uncertainty=study_table("uncertainty.tsv"),
        summary=study_table("uncertainty_summary.tsv"),
        p2p=of_subjects(synthetic("space-study_desc-p2p_spect.nii.gz"), "test"),
        p2p_sidecar=of_subjects(synthetic("space-study_desc-p2p_spect.json"), "test"),
        sd=of_subjects(synthetic("space-study_desc-uncertainty_spect.nii.gz"), "test"),
        sd_sidecar=of_subjects(synthetic("space-study_desc-uncertainty_spect.json"), "test"),
        pet=of_subjects(registered("space-study_pet.nii.gz"), "test"),
        pet_sidecar=of_subjects(registered("space-study_pet.json"), "test"),
        mask=of_subjects(registered("space-study_desc-brain_mask.nii.gz"), "test"),
    output:
        png=report(
            figure_file("uncertainty.png"),
            caption="../report/uncertainty.rst",
            category="Figures",
            labels={"figure": "Uncertainty against error", "model": "{model}"},
        ),
        svg=figure_file("uncertainty.svg"),
    log:
        log_of("plot_uncertainty", "model"),
    wildcard_constraints:
        model=one_of(ENSEMBLES),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_uncertainty"),
        subjects=in_set("test"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_uncertainty.py"


rule plot_methods:
    """Every method beside SPECT and the ceiling: SSIM of each test subject, regional regression."""
    input:
        methods="results/evaluation/methods.tsv",
        similarity=expand(study_table("similarity.tsv"), model=COMPARED),
    output:
        png=report(
            "results/figures/methods.png",
            caption="../report/methods.rst",
            category="Figures",
            labels={"figure": "All methods", "model": "all"},
        ),
        svg="results/figures/methods.svg",
    log:
        log_of("plot_methods"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_methods"),
        compared=COMPARED,
        atlas=config["evaluate"]["atlas"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_methods.py"


rule plot_cohort_flow:
    """From the subjects table to those who are evaluated, as reports of studies show it (Bossuyt et
    al., STARD 2015, BMJ)."""
    input:
        split="results/split/split.tsv",
        similarity=expand(study_table("similarity.tsv"), model=EVALUATED[:1]),
    output:
        png=report(
            "results/figures/cohort_flow.png",
            caption="../report/cohort_flow.rst",
            category="Figures",
            labels={"figure": "Subjects", "model": "all"},
        ),
        svg="results/figures/cohort_flow.svg",
    log:
        log_of("plot_cohort_flow"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_cohort_flow"),
        cohort=counts_of_subjects(),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_cohort_flow.py"


rule plot_resolution:
    """Fourier shell correlation (Harauz & van Heel, Optik 1986) of SPECT, P2P and the ceiling with
    PET, in test subjects."""
    input:
        spect=of_subjects(registered("space-study_spect.nii.gz"), "test"),
        spect_sidecar=of_subjects(registered("space-study_spect.json"), "test"),
        p2p=of_subjects(synthetic("space-study_desc-p2p_spect.nii.gz"), "test"),
        p2p_sidecar=of_subjects(synthetic("space-study_desc-p2p_spect.json"), "test"),
        ceiling=of_ceiling("space-study_desc-p2p_spect.nii.gz"),
        ceiling_sidecar=of_ceiling("space-study_desc-p2p_spect.json"),
        pet=of_subjects(registered("space-study_pet.nii.gz"), "test"),
        pet_sidecar=of_subjects(registered("space-study_pet.json"), "test"),
        mask=of_subjects(registered("space-study_desc-brain_mask.nii.gz"), "test"),
    output:
        png=report(
            figure_file("resolution.png"),
            caption="../report/resolution.rst",
            category="Figures",
            labels={"figure": "Resolution", "model": "{model}"},
        ),
        svg=figure_file("resolution.svg"),
    log:
        log_of("plot_resolution", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_resolution"),
        voxel_mm=config["study_grid"]["voxel_mm"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_resolution.py"


rule plot_error_maps:
    """Mean and standard deviation over test subjects of SPECT − PET and P2P − PET, in MNI space."""
    input:
        spect=of_subjects(registered("space-study_spect.nii.gz"), "test"),
        spect_sidecar=of_subjects(registered("space-study_spect.json"), "test"),
        p2p=of_subjects(synthetic("space-study_desc-p2p_spect.nii.gz"), "test"),
        p2p_sidecar=of_subjects(synthetic("space-study_desc-p2p_spect.json"), "test"),
        pet=of_subjects(registered("space-study_pet.nii.gz"), "test"),
        pet_sidecar=of_subjects(registered("space-study_pet.json"), "test"),
        mask=of_subjects(registered("space-study_desc-brain_mask.nii.gz"), "test"),
        affine=of_subjects(registered("from-pet_to-mni_xfm.mat"), "test"),
        warp=of_subjects(registered("from-pet_to-mni_xfm.nii.gz"), "test"),
    output:
        png=report(
            figure_file("error_maps.png"),
            caption="../report/error_maps.rst",
            category="Figures",
            labels={"figure": "Maps of error", "model": "{model}"},
        ),
        svg=figure_file("error_maps.svg"),
    log:
        log_of("plot_error_maps", "model"),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_error_maps"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_error_maps.py"
