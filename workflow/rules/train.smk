"""Train: slices of the training subjects teach a generator to make PET of SPECT."""


rule pack_slices:
    """Stack the volumes of training and validation subjects, scaled by training PET."""
    input:
        spect=of_fold(registered("space-study_spect.nii.gz"), "train", "validation"),
        pet=of_fold(registered("space-study_pet.nii.gz"), "train", "validation"),
        mask=of_fold(registered("space-study_desc-brain_mask.nii.gz"), "train", "validation"),
    output:
        train=slices_file("train.npy"),
        validation=slices_file("validation.npy"),
        brain=slices_file("validation_brain.npy"),
        table=slices_file("slices.tsv"),
        sidecar=slices_file("slices.json"),
        scale=slices_file("scale.json"),
    log:
        log_of("pack_slices", "fold"),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        code=code_of("pack_slices"),
        settings=config["slices"],
        # Not read from split.tsv, so that one more test subject trains nothing anew.
        subjects=lambda wildcards: in_fold(wildcards, "train", "validation"),
        train=lambda wildcards: in_fold(wildcards, "train"),
        validation=lambda wildcards: in_fold(wildcards, "validation"),
        threads=1,
    script:
        "../scripts/pack_slices.py"


rule train_gan:
    """Train one network of a model, by default a conditional GAN with an L1 loss (Isola et al.,
    CVPR 2017, arXiv:1611.07004); other methods go through the same loop."""
    input:
        train=slices_file("train.npy"),
        validation=slices_file("validation.npy"),
        brain=slices_file("validation_brain.npy"),
        table=slices_file("slices.tsv"),
        scale=slices_file("scale.json"),
    output:
        generator=model_file("generator.safetensors"),
        history=model_file("history.tsv"),
        sidecar=model_file("history.json"),
        record=model_file("training.json"),
        samples=directory(model_file("samples")),
    log:
        log_of("train_gan", "model", "fold", "seed"),
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]["train"]
    resources:
        gpu=gpus_of,
        # Slurm's word: `cores` of a profile, which limits groups, would otherwise limit this too.
        cpus_per_task=config["threads"]["train"],
        mem_mb=growing(4000),
        # Not more with every attempt: it goes on where it stopped.
        runtime=1440,
    params:
        code=code_of("train_gan"),
        settings=model_settings,
        seed=lambda wildcards: int(wildcards.seed),
        curves=curves_of,
        threads=config["threads"]["train"],
    script:
        "../scripts/train_gan.py"
