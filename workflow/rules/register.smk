"""Register: SPECT to PET, both to the study grid, and the atlas to the subject."""


rule register_subject:
    """Bring a subject to the study grid. Coregister: rigid SPECT → PET by mutual information (Maes
    et al., IEEE Trans Med Imaging 1997; ANTs: Avants et al., NeuroImage 2011), and the one
    resampling. Normalise: PET ↔ MNI by affine and symmetric diffeomorphic registration (SyN;
    Avants et al., Med Image Anal 2008) with a CBF-like template made from the MNI152 tissue maps.
    Map: brain mask and AAL2 regions (Rolls et al., NeuroImage 2015), each by one interpolation."""
    input:
        spect=prepared("spect.nii.gz"),
        spect_sidecar=prepared("spect.json"),
        pet=prepared("pet.nii.gz"),
        pet_sidecar=prepared("pet.json"),
    output:
        transform=registered("from-spect_to-pet_xfm.mat"),
        study_spect=registered("space-study_spect.nii.gz"),
        study_spect_sidecar=registered("space-study_spect.json"),
        study_pet=registered("space-study_pet.nii.gz"),
        study_pet_sidecar=registered("space-study_pet.json"),
        affine=registered("from-pet_to-mni_xfm.mat"),
        warp=registered("from-pet_to-mni_xfm.nii.gz"),
        inverse_warp=registered("from-mni_to-pet_xfm.nii.gz"),
        mask=registered("space-study_desc-brain_mask.nii.gz"),
        mask_sidecar=registered("space-study_desc-brain_mask.json"),
        dseg=registered("space-study_desc-aal_dseg.nii.gz"),
        dseg_sidecar=registered("space-study_desc-aal_dseg.json"),
    log:
        log_of("register_subject", "subject"),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["register"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code_of("register_subject"),
        study_grid=config["study_grid"],
        settings=config["register"],
        seed=config["seed"],
        threads=config["threads"]["register"],
    script:
        "../scripts/register_subject.py"


rule place_spect:
    """SPECT of a subject without PET on a study grid around its own brain; only a given model
    is ever applied to it."""
    input:
        spect=prepared("spect.nii.gz"),
        spect_sidecar=prepared("spect.json"),
    output:
        spect=registered("space-study_spect.nii.gz"),
        spect_sidecar=registered("space-study_spect.json"),
    log:
        log_of("place_spect", "subject"),
    wildcard_constraints:
        subject=one_of(ALONE),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["register"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code_of("place_spect"),
        study_grid=config["study_grid"],
        max_rotation_deg=config["register"]["coregister"]["max_rotation_deg"],
        threads=config["threads"]["register"],
    script:
        "../scripts/place_spect.py"


# Both make SPECT on the study grid; the first takes only subjects without PET.
ruleorder: place_spect > register_subject


rule check_registration:
    """Agreement of the images before and after, overlay picture and, for simulated subjects,
    the target registration error (Fitzpatrick et al., IEEE Trans Med Imaging 1998)."""
    input:
        spect=prepared("spect.nii.gz"),
        study_spect=registered("space-study_spect.nii.gz"),
        study_pet=registered("space-study_pet.nii.gz"),
        transform=registered("from-spect_to-pet_xfm.mat"),
        affine=registered("from-pet_to-mni_xfm.mat"),
        inverse_warp=registered("from-mni_to-pet_xfm.nii.gz"),
        mask=registered("space-study_desc-brain_mask.nii.gz"),
        mask_sidecar=registered("space-study_desc-brain_mask.json"),
        dseg=registered("space-study_desc-aal_dseg.nii.gz"),
        groups=shipped("resources/aal_groups.tsv"),
        truth=truth_of,
    output:
        check=registered("desc-check_registration.json"),
        overlay=report(
            registered("desc-check_overlay.png"),
            caption="../report/registration_overlay.rst",
            category="Registration",
            labels={"subject": "{subject}"},
        ),
    log:
        log_of("check_registration", "subject"),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["register"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code_of("check_registration"),
        threads=config["threads"]["register"],
    script:
        "../scripts/check_registration.py"
