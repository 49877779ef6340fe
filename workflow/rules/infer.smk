"""Infer: the trained generator makes the P2P volume of a subject."""


rule infer_subject:
    """Send every axial slice of a SPECT through the generator (Isola et al., CVPR 2017)."""
    input:
        spect=registered("space-study_spect.nii.gz"),
        sidecar=registered("space-study_spect.json"),
        generator=expand(model_file("generator.safetensors"), fold=FOLDS[0], allow_missing=True)[0],
    output:
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        sidecar=synthetic("space-study_desc-p2p_spect.json"),
    log:
        log_of("infer_subject", "model", "subject"),
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]["infer"]
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        code=code_of("infer_subject"),
        threads=config["threads"]["infer"],
    script:
        "../scripts/infer_subject.py"
