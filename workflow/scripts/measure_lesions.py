"""Measure what a model's images show of the deficits of simulated subjects."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.evaluate.evaluation import IMAGES
    from spect2pet.lesions import lesion_columns, lesion_maps, lesions

    inputs = snakemake.input
    people = {
        subject: lesion_maps.read_person(
            dict(zip(IMAGES, (inputs.spect[k], inputs.p2p[k], inputs.pet[k]), strict=True)),
            mask=inputs.mask[k],
            affine=inputs.affine[k],
            warp=inputs.warp[k],
            truth=inputs.truth[k],
            deficit=inputs.deficit[k],
            cbf=inputs.cbf[k],
        )
        for k, subject in enumerate(snakemake.params.subjects)
    }
    shown, scores = lesions.measure_study(people, tables.read_table(inputs.split))
    made_by = provenance.stamp(
        {}, code=snakemake.params.code, packages=["nibabel", "numpy", "pandas", "scipy"]
    )
    tables.write_table(snakemake.output.lesions, shown, lesion_columns.LESIONS, made_by)
    tables.write_table(snakemake.output.scores, scores, lesion_columns.SCORES, made_by)
