"""Train one network on the packed slices, or go on where a killed training was."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    runtime.limit_torch(snakemake.params.threads)
    from pathlib import Path

    from spect2pet.core import provenance
    from spect2pet.train import distributed, training

    inputs, params = snakemake.input, snakemake.params
    generator = Path(snakemake.output.generator)
    distributed.train(
        files={name: inputs[name] for name in ("train", "validation", "brain", "table", "scale")},
        settings=params.settings,
        seed=params.seed,
        outputs=training.Outputs(
            generator=generator,
            history=Path(snakemake.output.history),
            report=Path(snakemake.output.record),
            samples=Path(snakemake.output.samples),
            # Not among the rule's outputs, which Snakemake deletes before a job and when it fails.
            checkpoint=generator.with_name(".checkpoint.safetensors"),
            curves=Path(params.curves),
        ),
        made_by=provenance.stamp(
            params.settings, params.seed, params.code, ["numpy", "safetensors", "torch"]
        ),
    )
