"""Train one model on the packed slices, or go on where a killed training was."""

from spect2pet import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    runtime.limit_torch(snakemake.params.threads)
    from pathlib import Path

    from spect2pet import provenance, slices, training

    inputs, params = snakemake.input, snakemake.params
    generator = Path(snakemake.output.generator)
    training.train(
        data=slices.read(inputs.train, inputs.validation, inputs.brain, inputs.table, inputs.scale),
        settings=params.settings,
        seed=params.seed,
        outputs=training.Outputs(
            generator=generator,
            history=Path(snakemake.output.history),
            report=Path(snakemake.output.record),
            samples=Path(snakemake.output.samples),
            # Not among the rule's outputs, which Snakemake deletes before a job and when it fails.
            checkpoint=generator.with_name(".checkpoint.safetensors"),
        ),
        made_by=provenance.stamp(
            params.settings, params.seed, params.code, ["numpy", "safetensors", "torch"]
        ),
    )
