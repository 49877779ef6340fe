"""Assess how well the images agree on regional flow and on its asymmetry, set by set."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate import agreement_columns, regional_agreement

    seed = snakemake.params.seed
    made_by = provenance.stamp(
        {},
        seed=seed,
        code=snakemake.params.code,
        packages=["numpy", "pandas", "scipy", "statsmodels"],
    )
    regions = tables.read_table(snakemake.input.regions)
    tables.write_table(
        snakemake.output.agreement,
        regional_agreement.agree(regions, seed),
        agreement_columns.AGREEMENT,
        made_by,
    )
    tables.write_table(
        snakemake.output.asymmetry,
        regional_agreement.compare_asymmetry(regions, seed),
        agreement_columns.ASYMMETRY,
        made_by,
    )
