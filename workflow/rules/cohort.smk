"""Cohort: simulated people with true flow, SPECT and PET, as a dataset like any other."""


rule simulate_subject:
    """One person: anatomy, flow and both scans, reconstructed by PyTomography (Polson et al., 2025).

    Depends on the cohort seed and the label alone, not on how many people there are.
    """
    output:
        spect=cohort("spect.nii.gz", "spect"),
        spect_json=cohort("spect.json", "spect"),
        pet=cohort("pet.nii.gz", "pet"),
        pet_json=cohort("pet.json", "pet"),
        cbf=cohort("desc-cbf_map.nii.gz", "truth"),
        cbf_json=cohort("desc-cbf_map.json", "truth"),
        deficit=cohort("desc-deficit_map.nii.gz", "truth"),
        deficit_json=cohort("desc-deficit_map.json", "truth"),
        ceiling=cohort("desc-ceiling_map.nii.gz", "truth"),
        ceiling_json=cohort("desc-ceiling_map.json", "truth"),
        truth=cohort("truth.json", "truth"),
    log:
        log_of("simulate_subject", "subject"),
    conda:
        "../../envs/simulation.yaml"
    threads: config["threads"]["simulate"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_of("simulate_subject"),
        settings={key: config["cohort"][key] for key in config["cohort"] if key != "subjects"},
        threads=config["threads"]["simulate"],
    script:
        "../scripts/simulate_subject.py"


rule write_participants:
    """The table of the simulated people, in the form users write for their own scans."""
    output:
        table="results/cohort/participants.tsv",
        sidecar="results/cohort/participants.json",
    log:
        log_of("write_participants"),
    conda:
        "../../envs/simulation.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        code=code_of("write_participants"),
        settings=config["cohort"],
        threads=1,
    script:
        "../scripts/write_participants.py"
