"""One table of what a given model has made, and of what it had not seen the like of."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.infer import inference_table

    params = snakemake.params
    tables.write_table(
        snakemake.output.table,
        inference_table.tabulate(params.subjects, snakemake.input.sidecars),
        inference_table.COLUMNS,
        provenance.stamp({}, code=params.code, packages=["pandas"]),
    )
