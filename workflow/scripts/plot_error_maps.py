"""Draw where in the brain SPECT and P2P differ from PET."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.evaluate.evaluation import IMAGES
    from spect2pet.figures import error_maps, style
    from spect2pet.register import mni_space

    inputs = snakemake.input
    people = []
    for k, trio in enumerate(zip(inputs.spect, inputs.p2p, inputs.pet, strict=True)):
        points = mni_space.places(inputs.affine[k], inputs.warp[k])
        voxels, scanned, _ = mni_space.bring(
            dict(zip(IMAGES, trio, strict=True)), inputs.mask[k], points
        )
        people.append((voxels, scanned))
    figure = error_maps.draw_error_maps(error_maps.map_errors(people))
    style.save(figure, snakemake.output.png, snakemake.output.svg)
