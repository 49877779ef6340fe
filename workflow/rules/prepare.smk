"""Prepare: one raw image of one subject becomes canonical NIfTI."""


rule prepare_image:
    """Check one raw image; write it as float32, RAS+, one volume, mL/100 g/min."""
    input:
        raw=raw_image,
    output:
        image=prepared("{modality}.nii.gz"),
        sidecar=prepared("{modality}.json"),
    log:
        log_of("prepare_image", "subject", "modality"),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["prepare"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("prepare_image"),
        settings=config["prepare"],
        unit=unit_of_image,
        series=series_of_image,
        problem=problem_of_image,
        threads=config["threads"]["prepare"],
    script:
        "../scripts/prepare_image.py"
