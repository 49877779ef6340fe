"""Write a model's networks and card as one file that others can use."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    runtime.limit_torch(snakemake.params.threads)
    from spect2pet.core import provenance, tables
    from spect2pet.infer import publishing

    inputs, params = snakemake.input, snakemake.params
    table = tables.read_table(inputs.methods)
    row = table[(table["set"] == "test") & (table["model"] == snakemake.wildcards.model)].iloc[0]
    publishing.publish(
        snakemake.output.model,
        name=snakemake.wildcards.model,
        generators=inputs.generators,
        reports=inputs.reports,
        prepared=inputs.prepared,
        study=inputs.study,
        methods=row.where(row.notna(), None).to_dict(),
        cohort=params.cohort,
        study_grid=params.study_grid,
        made_by=provenance.stamp(
            {"study_grid": params.study_grid},
            code=params.code,
            packages=["nibabel", "numpy", "pandas", "safetensors", "torch"],
        ),
    )
