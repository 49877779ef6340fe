"""Split: who trains, who validates, who tests; by subject, never by slice."""


rule split_subjects:
    """Write the seeded, stratified split; the table's split column goes before it."""
    output:
        table=report(
            "results/split/split.tsv",
            caption="../report/split.rst",
            category="Tables",
            labels={"table": "Sets of the subjects", "model": "all"},
        ),
        sidecar="results/split/split.json",
    log:
        log_of("split_subjects"),
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        code=code_of("split_subjects"),
        settings=config["split"],
        subjects=split_columns(),
        needed=NEEDED_SETS,
        threads=1,
    script:
        "../scripts/split_subjects.py"
