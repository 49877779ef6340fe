"""Put SPECT, every model and the ceiling side by side."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate import comparison, evaluation_columns

    params = snakemake.params
    made_by = provenance.stamp(
        {"atlas": params.atlas, "methods": params.methods},
        code=params.code,
        packages=["pandas", "scipy", "statsmodels"],
    )
    similarity, regression = (
        dict(zip(params.compared, map(tables.read_table, paths), strict=True))
        for paths in (snakemake.input.similarity, snakemake.input.regression)
    )
    detection, lesions = (
        dict(zip(params.methods, map(tables.read_table, paths), strict=True)) if paths else {}
        for paths in (snakemake.input.detection, snakemake.input.lesions)
    )
    tables.write_table(
        snakemake.output.methods,
        comparison.compare_methods(
            similarity, regression, params.methods, params.atlas, detection, lesions
        ),
        evaluation_columns.METHODS,
        made_by,
    )
    tables.write_table(
        snakemake.output.pairs,
        comparison.compare_pairs(similarity, list(params.methods)),
        evaluation_columns.METHOD_PAIRS,
        made_by,
    )
