"""Write which subject is in which set."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    import pandas as pd

    from spect2pet.core import provenance
    from spect2pet.subjects import splitting

    settings = snakemake.params.settings
    splitting.write_split(
        snakemake.output.table,
        pd.DataFrame(snakemake.params.subjects).set_index("subject", drop=False),
        settings,
        snakemake.params.needed,
        provenance.stamp(settings, settings["seed"], snakemake.params.code, ["pandas"]),
    )
