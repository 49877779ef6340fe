"""Put the readers' files together with the key: scores, tests, agreement and the figure."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance, tables
    from spect2pet.figures import reader_figure, style
    from spect2pet.readers import reader_statistics, readers, readings

    output, params = snakemake.output, snakemake.params
    made_by = provenance.stamp(
        {"seed": params.seed}, params.seed, params.code, ["pandas", "scipy", "statsmodels"]
    )
    answers = readings.read_readings(
        list(snakemake.input.scores),
        readers.read_key(snakemake.input.key),
        readers.commitment(snakemake.input.key),
    )
    scores = reader_statistics.tabulate_scores(answers)
    tests = reader_statistics.compare_scores(answers)
    agreement = reader_statistics.tabulate_agreement(answers, params.seed)
    choices = reader_statistics.tabulate_choices(answers)
    for path, table, columns in (
        (output.scores, scores, reader_statistics.SCORES),
        (output.tests, tests, reader_statistics.SCORE_TESTS),
        (output.agreement, agreement, reader_statistics.AGREEMENT),
        (output.choices, choices, reader_statistics.WHICH_IS_REAL),
    ):
        tables.write_table(path, table, columns, made_by)
    summary = reader_statistics.summarise_readings(answers, scores, tests, agreement, choices)
    provenance.write_json(output.summary, {**summary, "GeneratedBy": made_by})
    figure = reader_figure.draw_scores(answers, scores, tests, choices)
    style.save(figure, output.png, output.svg)
