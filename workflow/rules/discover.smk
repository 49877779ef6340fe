"""Discover: a folder of scans becomes a proposed subjects table, which the user then owns."""

# The table is the user's once it is there: a rule that could make it would delete what they wrote
# in it, whenever its code or params differ. Nor has it inputs, whose dates change.
PROPOSED = of_user("dataset/subjects.tsv")
TO_PROPOSE = [] if Path(PROPOSED).exists() else ["dataset"]


localrules:
    propose_table,


rule propose_table:
    """Find each patient's SPECT and PET in a folder; list what is doubtful instead of guessing."""
    output:
        table=of_user("{dataset}/subjects.tsv"),
    log:
        log_of("propose_table", "dataset"),
    wildcard_constraints:
        dataset=one_of(TO_PROPOSE),
    conda:
        "../../envs/registration.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=code_of("propose_table"),
        scan=config["scan"],
        needs_pet=config["model"] is None,
        threads=1,
    script:
        "../scripts/propose_table.py"
