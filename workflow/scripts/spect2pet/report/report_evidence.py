"""The report's evidence: figures and tables of all methods, and of one model."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from spect2pet.report import report_html as h
from spect2pet.report.report_study import Model, Study, Table

#: Columns of the agreement of regions that the page shows; the table has more.
AGREEMENT = [
    "set", "scale", "relative", "y", "x", "subjects", "n", "mixed_slope", "mixed_slope_low",
    "mixed_slope_high", "deming_slope", "deming_slope_low", "deming_slope_high", "bias",
    "bias_low", "bias_high", "lower_limit", "upper_limit", "ccc", "ccc_low", "ccc_high",
    "icc_2_1", "icc_2_1_low", "icc_2_1_high",
]  # fmt: skip
#: The same of all methods.
METHODS = [
    "set", "model", "method", "relative", "n", "ssim_mean", "gain", "gain_low", "gain_high",
    "share_of_ceiling", "absolute_slope", "absolute_r", "relative_slope", "relative_r",
    "wilcoxon_p", "wilcoxon_p_holm", "psnr_db_mean", "nrmse_mean",
]  # fmt: skip

#: What is shown of a model, in this order: a title, its figure, and its tables with the names of
#: their captions and whether they are open from the start.
Part = tuple[str, str | None, Sequence[tuple[str, str, str, bool]]]
PARTS: Sequence[Part] = (
    ("Example slices", "example_slices", ()),
    (
        "Similarity to PET",
        "similarity",
        (
            ("similarity_tests", "P2P against SPECT, paired tests", "similarity_tests", True),
            ("subgroups", "SSIM by subgroup", "subgroups_table", False),
        ),
    ),
    (
        "Regional flow",
        "regression",
        (("regression", "Regression of regional CBF", "regression_table", False),),
    ),
    (
        "Agreement",
        "bland_altman",
        (
            ("agreement", "Agreement of regional CBF", "agreement_table", False),
            ("asymmetry", "Agreement of left and right", "asymmetry_table", False),
        ),
    ),
    (
        "Deficits",
        "lesions",
        (
            ("lesion_detection", "Detection of deficits", "lesion_detection", True),
            ("lesions", "Deficits of every subject", "lesions_table", False),
        ),
    ),
    (
        "Uncertainty",
        "uncertainty",
        (("uncertainty_summary", "Uncertainty against error", "uncertainty_table", False),),
    ),
    ("Resolution", "resolution", ()),
    ("Where the error lies", "error_maps", ()),
    ("Training", "training", ()),
    (
        "Beside the published study",
        None,
        (("published", "Published numbers and this run's", "published", True),),
    ),
    (
        "A given model",
        None,
        (("inference", "Inference by a given model", "inference", True),),
    ),
)


def methods(study: Study, captions: Mapping[str, str], atlas: str) -> str:
    """All methods side by side, as HTML; captions by name, regions of an atlas."""
    table = study.methods["methods"]
    parts = [
        '<section id="methods"><h2>All methods</h2><p class="lead">SPECT itself, every model, and '
        "what no method can pass, side by side. A heading sorts its table.</p>",
        h.table(table.rows[METHODS], table.about),
        f"<p class=note>{h.caption(captions['methods_table'], atlas=atlas)}</p>",
    ]
    if "methods" in study.figures:
        words = h.caption(captions["methods"], atlas=atlas)
        parts.append(h.figure(study.figures["methods"], "All methods side by side", words))
    pairs = study.methods.get("method_pairs")
    if pairs is not None and len(pairs.rows):
        parts.append(
            h.folded(
                "Every model against every other",
                h.table(pairs.rows, pairs.about)
                + f"<p class=note>{h.caption(captions['method_pairs'])}</p>",
            )
        )
    placed = ("methods", "cohort_flow")
    parts += _other_figures(study.figures, placed, captions, {"atlas": atlas})
    return "".join([*parts, "</section>"])


def evidence(model: Model, captions: Mapping[str, str], atlas: str) -> str:
    """Figures and tables of one model, as HTML; captions by name, regions of an atlas."""
    words = {"model": model.name, "atlas": atlas}
    parts = []
    for title, name, listed in PARTS:
        drawn = ""
        if name and name in model.figures:
            drawn = h.figure(model.figures[name], title, h.caption(captions[name], **words))
        for stem, headline, explained, opened in listed:
            if stem in model.tables and len(model.tables[stem].rows):
                content = h.table(_shown(stem, model.tables[stem], atlas), model.tables[stem].about)
                content += f"<p class=note>{h.caption(captions[explained], **words)}</p>"
                drawn += h.folded(headline, content, opened)
        if drawn:
            parts.append(f"<article><h3>{h.text(title)}</h3>{drawn}</article>")
    parts += _other_figures(model.figures, {name for _, name, _ in PARTS}, captions, words)
    heading = f"<h2 class=of>Model {h.text(model.name)}</h2>"
    return h.of_model(model.name, heading + "".join(parts))


def _other_figures(
    figures: Mapping[str, Path],
    placed: Collection[str | None],
    captions: Mapping[str, str],
    words: Mapping[str, str],
) -> list[str]:
    """Figures that have no place of their own in the page."""
    return [
        f"<article><h3>{h.text(h.heading(name))}</h3>"
        + h.figure(path, h.heading(name), h.caption(captions.get(name, ""), **words))
        + "</article>"
        for name, path in figures.items()
        if name not in placed
    ]


def _shown(stem: str, table: Table, atlas: str) -> pd.DataFrame:
    """The rows and columns of a table that the page shows."""
    rows = table.rows
    if "atlas" in rows:
        rows = rows[rows["atlas"] == atlas].drop(columns="atlas")
    if stem == "similarity_tests":
        rows = rows.assign(measure=[h.MEASURE_NAMES.get(m, m) for m in rows["measure"]])
    return rows[AGREEMENT] if stem == "agreement" else rows
