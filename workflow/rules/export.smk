"""Export: a finished study's images in other programs' formats, in export/ and not in results/."""


rule export_dicom:
    """P2P as a DICOM series in the SPECT's space. It carries patient and study of the SPECT
    (export: identity: source), so it lies outside results/, which names nobody."""
    input:
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        p2p_sidecar=synthetic("space-study_desc-p2p_spect.json"),
        spect=prepared("spect.nii.gz"),
        transform=transform_of,
        raw=raw_image("spect"),
    output:
        p2p=exported("desc-p2p.dcm"),
    log:
        log_of("export_dicom", "model", "subject"),
    wildcard_constraints:
        model=one_of(name for name in EXPORTED if name not in ENSEMBLES),
    conda:
        "../../envs/registration.yaml"
    threads: config["threads"]["infer"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_of("export_dicom"),
        settings=config["export"],
        images=table_about("spect"),
        threads=config["threads"]["infer"],
    script:
        "../scripts/export_dicom.py"


use rule export_dicom as export_dicom_ensemble with:
    input:
        p2p=synthetic("space-study_desc-p2p_spect.nii.gz"),
        p2p_sidecar=synthetic("space-study_desc-p2p_spect.json"),
        uncertainty=synthetic("space-study_desc-uncertainty_spect.nii.gz"),
        uncertainty_sidecar=synthetic("space-study_desc-uncertainty_spect.json"),
        spect=prepared("spect.nii.gz"),
        transform=transform_of,
        raw=raw_image("spect"),
    output:
        p2p=exported("desc-p2p.dcm"),
        uncertainty=exported("desc-uncertainty.dcm"),
    wildcard_constraints:
        model=one_of(name for name in EXPORTED if name in ENSEMBLES),


rule export_bids:
    """Images and tables of the study as a derivative dataset in the Brain Imaging Data Structure
    (BIDS; Gorgolewski et al., Sci Data 2016), PET as in its extension (Norgaard et al., Sci Data
    2022). It names nobody."""
    input:
        spect=of_everyone(registered("space-study_spect.nii.gz")),
        pet=of_subjects(registered("space-study_pet.nii.gz")),
        masks=of_subjects(registered("space-study_desc-brain_mask.nii.gz")),
        regions=of_subjects(registered("space-study_desc-aal_dseg.nii.gz")),
        p2p=of_models(*of_everyone(synthetic("space-study_desc-p2p_spect.nii.gz"))),
        uncertainty=of_models(
            *of_everyone(synthetic("space-study_desc-uncertainty_spect.nii.gz")), models=ENSEMBLES
        ),
        spect_sidecars=of_everyone(registered("space-study_spect.json")),
        pet_sidecars=of_subjects(registered("space-study_pet.json")),
        p2p_sidecars=of_models(*of_everyone(synthetic("space-study_desc-p2p_spect.json"))),
        tables=of_models(
            study_table("similarity.tsv"), study_table("regions.tsv"), models=EVALUATED
        ),
        split=SPLIT_TABLE,
        atlas=shipped("resources/aal_groups.tsv"),
    output:
        dataset=directory("export/bids"),
    log:
        log_of("export_bids"),
    conda:
        "../../envs/registration.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        code=code_of("export_bids"),
        groups=SUBJECTS["group"].to_dict() if config["subjects"] is None else None,
        threads=1,
    script:
        "../scripts/export_bids.py"
