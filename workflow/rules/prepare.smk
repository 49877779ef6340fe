"""Prepare: the raw images of one subject become canonical NIfTI."""


rule prepare_subject:
    """Check a subject's raw SPECT and PET; write each as float32, RAS+, one volume, mL/100 g/min."""
    input:
        spect=raw_image("spect"),
        pet=raw_image("pet"),
    output:
        spect=prepared("spect.nii.gz"),
        spect_sidecar=prepared("spect.json"),
        pet=prepared("pet.nii.gz"),
        pet_sidecar=prepared("pet.json"),
    log:
        log_of("prepare_subject", "subject"),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["prepare"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("prepare_subject"),
        settings=config["prepare"],
        images=table_about("spect", "pet"),
        threads=config["threads"]["prepare"],
    script:
        "../scripts/prepare_subject.py"


use rule prepare_subject as prepare_spect with:
    input:
        spect=raw_image("spect"),
    output:
        spect=prepared("spect.nii.gz"),
        spect_sidecar=prepared("spect.json"),
    log:
        log_of("prepare_spect", "subject"),
    wildcard_constraints:
        subject=one_of(ALONE),
    params:
        images=table_about("spect"),


# Both prepare SPECT; the first takes only subjects without PET.
ruleorder: prepare_spect > prepare_subject
