"""Infer: a model makes the P2P volume of a subject."""


rule infer_subject:
    """Send a SPECT through the networks of a model that never met the subject, or, where the
    subject taught them, that did; the mean of their outputs is P2P."""
    input:
        spect=registered("space-study_spect.nii.gz"),
        sidecar=registered("space-study_spect.json"),
        prepared=prepared("spect.nii.gz"),
        generators=generators,
    output:
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        sidecar=synthetic("space-study_desc-p2p_spect.json"),
    log:
        log_of("infer_subject", "model", "subject"),
    wildcard_constraints:
        model=one_of(name for name in MODELS if name not in ENSEMBLES),
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]["infer"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code_of("infer_subject"),
        card=CARD,
        threads=config["threads"]["infer"],
    script:
        "../scripts/infer_subject.py"


use rule infer_subject as infer_ensemble with:
    output:
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        sidecar=synthetic("space-study_desc-p2p_spect.json"),
        uncertainty=synthetic("space-study_desc-uncertainty_spect.nii.gz"),
        uncertainty_sidecar=synthetic("space-study_desc-uncertainty_spect.json"),
    wildcard_constraints:
        model=one_of(ENSEMBLES),


rule publish_model:
    """A model's networks in one file for others (`model:` of the config), with its card: who it
    learnt from, what their SPECT looked like, how it did in test subjects (Mitchell et al., FAT*
    2019, arXiv:1810.03993)."""
    input:
        generators=networks_of_fold("generator.safetensors"),
        reports=networks_of_fold("training.json"),
        prepared=of_fold(prepared("spect.nii.gz"), "train"),
        study=of_fold(registered("space-study_spect.nii.gz"), "train"),
        methods="results/evaluation/methods.tsv",
    output:
        model=published("{model}.safetensors"),
        card=published("{model}.json"),
    log:
        log_of("publish_model", "model", "fold"),
    wildcard_constraints:
        model=one_of(TRAINED),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code_of("publish_model"),
        cohort="simulated" if config["subjects"] is None else "subjects of a table",
        study_grid=config["study_grid"],
        threads=1,
    script:
        "../scripts/publish_model.py"


rule tabulate_inference:
    """What a given model has made, and which subjects differ from those it was trained on."""
    input:
        sidecars=of_everyone(synthetic("space-study_desc-p2p_spect.json")),
    output:
        table=report(
            "results/synthetic/{model}/inference.tsv",
            caption="../report/inference.rst",
            category="Tables",
            labels={"table": "Inference by a given model", "model": "{model}"},
        ),
        sidecar="results/synthetic/{model}/inference.json",
    log:
        log_of("tabulate_inference", "model"),
    wildcard_constraints:
        model=one_of(GIVEN),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("tabulate_inference"),
        subjects=list(SUBJECTS.index),
        threads=1,
    script:
        "../scripts/tabulate_inference.py"


rule place_ceiling:
    """What no method can pass, where a P2P image would be: the simulated PET without noise, with
    SPECT's error of scale, brought to the study grid as PET was."""
    input:
        ceiling=ceiling_of,
        pet=registered("space-study_pet.nii.gz"),
    output:
        p2p=ceiling("space-study_desc-p2p_spect.nii.gz"),
        sidecar=ceiling("space-study_desc-p2p_spect.json"),
    log:
        log_of("place_ceiling", "subject"),
    wildcard_constraints:
        subject=one_of(KNOWN),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["register"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("place_ceiling"),
        threads=config["threads"]["register"],
    script:
        "../scripts/place_ceiling.py"
