"""Put the calibration of all subjects together and pool it, set by set."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate import evaluation_columns, pooled_uncertainty, study
    from spect2pet.subjects import splitting

    made_by = provenance.stamp(
        {}, code=snakemake.params.code, packages=["pandas", "scipy", "statsmodels"]
    )
    split = splitting.read_split(snakemake.input.split)
    table = study.with_sets(tables.read_tables(snakemake.input.uncertainty), split)
    tables.write_table(snakemake.output.uncertainty, table, evaluation_columns.UNCERTAINTY, made_by)
    tables.write_table(
        snakemake.output.summary,
        pooled_uncertainty.summarise(table),
        evaluation_columns.UNCERTAINTY_SUMMARY,
        made_by,
    )
