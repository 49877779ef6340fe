"""Write the table of the simulated people."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.cohort import cohort
    from spect2pet.core import provenance, tables

    tables.write_table(
        snakemake.output.table,
        cohort.participants_table(snakemake.params.settings),
        cohort.COLUMNS,
        provenance.stamp(
            snakemake.params.settings,
            snakemake.params.settings["seed"],
            snakemake.params.code,
            ["numpy", "pandas"],
        ),
    )
