"""Write the study's headline and set it beside the published numbers."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate import evaluation_columns, study
    from spect2pet.subjects import splitting

    settings = {"evaluate": snakemake.params.evaluate, "model": snakemake.params.model}
    atlas = snakemake.params.evaluate["atlas"]
    made_by = provenance.stamp(settings, snakemake.params.seed, snakemake.params.code, ["pandas"])
    tests = tables.read_table(snakemake.input.tests)
    regression = tables.read_table(snakemake.input.regression)
    agreement = tables.read_table(snakemake.input.agreement)
    split = splitting.read_split(snakemake.input.split)
    provenance.write_json(
        snakemake.output.summary,
        {
            "model": snakemake.wildcards.model,
            **study.summarise(split, tests, regression, agreement, atlas),
            "GeneratedBy": made_by,
        },
    )
    tables.write_table(
        snakemake.output.published,
        study.beside_published(tests, regression, atlas),
        evaluation_columns.PUBLISHED,
        made_by,
    )
