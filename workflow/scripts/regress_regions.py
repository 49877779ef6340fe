"""Put the region means of all subjects together and regress the images on one another."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate import evaluation_columns, study
    from spect2pet.subjects import splitting

    made_by = provenance.stamp({}, code=snakemake.params.code, packages=["pandas", "scipy"])
    split = splitting.read_split(snakemake.input.split)
    regions = study.with_sets(tables.read_tables(snakemake.input.regions), split)
    tables.write_table(snakemake.output.regions, regions, evaluation_columns.REGIONS, made_by)
    tables.write_table(
        snakemake.output.regression,
        study.regress_regions(regions),
        evaluation_columns.REGRESSION,
        made_by,
    )
