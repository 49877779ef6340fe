"""Make the report of the study: the page and the folder beside it."""

from spect2pet.core import runtime

inputs = [*snakemake.input, *(path for some in snakemake.params.implied.values() for path in some)]
with runtime.job(snakemake.log[0], snakemake.params.threads, inputs, snakemake.output):
    from pathlib import Path

    from spect2pet.core import niivue, provenance
    from spect2pet.report import report, report_study

    source, params = snakemake.input, snakemake.params
    files = {**source, **params.implied}
    study = report_study.read_study(
        {name: list(files[name]) for name in report_study.SOURCES},
        models=params.models,
        first=params.first,
        subjects=params.subjects,
        config=params.config,
        subgroups=params.subgroups,
        card=params.card,
    )
    report.build(
        snakemake.output.page,
        snakemake.output.folder,
        study,
        captions={Path(path).stem: Path(path).read_text("utf-8") for path in source.captions},
        sources={name: Path(source[name]) for name in ("page", "style", "viewer", "script")},
        viewer=niivue.texts(),
        made_by=provenance.stamp(
            {"first": params.first},
            code=params.code,
            packages=["ipyniivue", "matplotlib", "nibabel", "numpy", "pandas"],
        ),
    )
