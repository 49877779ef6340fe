"""Tell how well deficits are found, and say in one sentence whether P2P may be trusted."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.lesions import detection, lesion_columns

    inputs, params = snakemake.input, snakemake.params
    made_by = provenance.stamp({}, params.seed, params.code, ["numpy", "pandas", "scipy"])
    found = detection.detect(tables.read_table(inputs.scores), params.seed)
    tables.write_table(snakemake.output.detection, found, lesion_columns.DETECTION, made_by)
    provenance.write_json(
        snakemake.output.summary,
        {
            "model": snakemake.wildcards.model,
            **detection.summarise(
                tables.read_table(inputs.lesions), found, tables.read_table(inputs.tests)
            ),
            "GeneratedBy": made_by,
        },
    )
