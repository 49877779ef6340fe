"""Write the study as a Workflow Run RO-Crate."""

from spect2pet.core import runtime

inputs = [*snakemake.input, *(path for some in snakemake.params.implied.values() for path in some)]
with runtime.job(snakemake.log[0], snakemake.params.threads, inputs, snakemake.output):
    from spect2pet.describe import crate, payload

    source, params = snakemake.input, snakemake.params
    crate.describe(
        snakemake.output.crate,
        crate.Study(
            kept={
                "report": [source.report],
                "tables": source.tables,
                "figures": source.figures,
                "networks": source.cards,
            },
            named={"networks": source.networks, "images": params.implied["images"]},
            others=[*source.participants, *params.implied["between"]],
            workflow=payload.workflow_files(),
            home=payload.HOME,
            given={"table": source["table"], "model": source.model},
            raw=[(*who, path) for who, path in zip(params.raw, source.raw, strict=True)],
            subjects=params.subjects,
            simulated=params.simulated,
        ),
        config=params.config,
        snakemake_version=params.engine,
    )
