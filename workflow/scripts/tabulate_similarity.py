"""Put the similarity of all subjects together and test P2P against SPECT."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate import evaluation_columns, study
    from spect2pet.subjects import splitting

    seed = snakemake.params.seed
    made_by = provenance.stamp(
        {}, seed=seed, code=snakemake.params.code, packages=["pandas", "scipy", "statsmodels"]
    )
    split = splitting.read_split(snakemake.input.split)
    similarity = study.with_sets(tables.read_tables(snakemake.input.similarity), split)
    slices = study.with_sets(tables.read_tables(snakemake.input.slices), split)
    tests = study.compare_similarity(similarity, seed)
    subgroups = study.compare_subgroups(similarity, snakemake.params.subgroups)
    for path, table, columns in (
        (snakemake.output.similarity, similarity, evaluation_columns.SIMILARITY),
        (snakemake.output.slices, slices, evaluation_columns.SLICES),
        (snakemake.output.tests, tests, evaluation_columns.TESTS),
        (snakemake.output.subgroups, subgroups, evaluation_columns.SUBGROUPS),
    ):
        tables.write_table(path, table, columns, made_by)
