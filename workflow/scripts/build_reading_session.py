"""Make the page of a reading session and the key that belongs to it."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from pathlib import Path

    from spect2pet.core import niivue, provenance, tables
    from spect2pet.core.errors import InputError
    from spect2pet.readers import readers, reading_page

    source, params = snakemake.input, snakemake.params
    if not params.subjects:
        raise InputError("there is no test subject to read; give `split: test` a larger share")
    files = zip(source.spect, source.p2p, source.pet, source.mask, strict=True)
    cases = {
        subject: reading_page.read_case(*paths)
        for subject, paths in zip(params.subjects, files, strict=True)
    }
    session = readers.plan_session(
        {subject: case.relative for subject, case in cases.items()},
        readers.secret_of(
            params.settings["seed"],
            [image for case in cases.values() for image in case.images.values()],
        ),
        repeats=params.settings["repeats"],
        grades=len(params.settings["scale"]),
        model=params.model,
    )
    made_by = provenance.stamp(
        params.settings,
        params.settings["seed"],
        params.code,
        ["ipyniivue", "nibabel", "numpy", "pandas"],
    )
    tables.write_table(snakemake.output.key, session.key, readers.KEY_COLUMNS, made_by)
    reading_page.write_page(
        snakemake.output.page,
        reading_page.page_content(session, snakemake.output.key, cases, params.settings["scale"]),
        {name: Path(source[name]) for name in ("page", "style", "viewer", "script")},
        niivue.texts(),
    )
