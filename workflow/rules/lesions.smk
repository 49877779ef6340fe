"""Lesions: may an image be trusted with a deficit?  Of simulated subjects, whose truth is known."""


rule measure_lesions:
    """Every image against normal people in MNI space (z maps; Minoshima et al., J Nucl Med 1995):
    deficits found, missed, added, erased and how deep they are; and what observers are to judge."""
    input:
        spect=of_known(registered("space-study_spect.nii.gz")),
        spect_sidecar=of_known(registered("space-study_spect.json")),
        p2p=of_known(synthetic("space-study_desc-p2p_spect.nii.gz")),
        p2p_sidecar=of_known(synthetic("space-study_desc-p2p_spect.json")),
        pet=of_known(registered("space-study_pet.nii.gz")),
        pet_sidecar=of_known(registered("space-study_pet.json")),
        mask=of_known(registered("space-study_desc-brain_mask.nii.gz")),
        affine=of_known(registered("from-pet_to-mni_xfm.mat")),
        warp=of_known(registered("from-pet_to-mni_xfm.nii.gz")),
        truth=[of_table(ROW_OF[subject]["truth"]) for subject in DEFICITS_KNOWN],
        deficit=[truth_map(subject, "deficit") for subject in DEFICITS_KNOWN],
        cbf=[truth_map(subject, "cbf") for subject in DEFICITS_KNOWN],
        split="results/split/split.tsv",
    output:
        lesions=report(
            study_table("lesions.tsv"),
            caption="../report/lesions_table.rst",
            category="Tables",
            labels={"table": "Deficits of every subject", "model": "{model}"},
        ),
        lesions_sidecar=study_table("lesions.json"),
        scores=study_table("lesion_scores.tsv"),
        scores_sidecar=study_table("lesion_scores.json"),
    log:
        log_of("measure_lesions", "model"),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_of("measure_lesions"),
        subjects=DEFICITS_KNOWN,
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/measure_lesions.py"


rule tabulate_lesions:
    """Areas under ROC curves of regions and of a channelised Hotelling observer, P2P against
    SPECT (DeLong et al., Biometrics 1988), and one sentence of what test subjects tell."""
    input:
        lesions=study_table("lesions.tsv"),
        scores=study_table("lesion_scores.tsv"),
        tests=study_table("similarity_tests.tsv"),
    output:
        detection=report(
            study_table("lesion_detection.tsv"),
            caption="../report/lesion_detection.rst",
            category="Tables",
            labels={"table": "Detection of deficits", "model": "{model}"},
        ),
        detection_sidecar=study_table("lesion_detection.json"),
        summary=study_table("lesion_summary.json"),
    log:
        log_of("tabulate_lesions", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("tabulate_lesions"),
        seed=config["seed"],
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/tabulate_lesions.py"


rule plot_lesions:
    """ROC curves, depth of deficits and false deficits of SPECT, P2P and PET, in test subjects."""
    input:
        lesions=study_table("lesions.tsv"),
        scores=study_table("lesion_scores.tsv"),
        detection=study_table("lesion_detection.tsv"),
    output:
        png=report(
            figure_file("lesions.png"),
            caption="../report/lesions.rst",
            category="Figures",
            labels={"figure": "Deficits found and made up", "model": "{model}"},
        ),
        svg=figure_file("lesions.svg"),
    log:
        log_of("plot_lesions", "model"),
    conda:
        "../../envs/statistics.yaml"
    threads: config["threads"]["evaluate"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("plot_lesions"),
        threads=config["threads"]["evaluate"],
    script:
        "../scripts/plot_lesions.py"
