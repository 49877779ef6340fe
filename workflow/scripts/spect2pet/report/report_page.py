"""The report's page: its sections, made of the study, in one file that fetches nothing."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core import files, pages, privacy
from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate import published
from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET, MEASURES
from spect2pet.report import report_html as h
from spect2pet.report import report_words
from spect2pet.report.report_checklists import TO_FILL, Item, claim, relaince
from spect2pet.report.report_methods import methods_text, number_citations
from spect2pet.report.report_study import (
    Model,
    Study,
    Subject,
    Table,
    outside_training,
    warnings_of,
)

#: What stands above the table of subjects where networks were trained.
SEEN = (
    "Networks have seen training subjects, and settings may have been chosen on validation "
    "subjects; only test subjects count."
)
#: Columns of the agreement of regions that the page shows; the table has more.
AGREEMENT = [
    "set", "scale", "relative", "y", "x", "subjects", "n", "mixed_slope", "mixed_slope_low",
    "mixed_slope_high", "deming_slope", "deming_slope_low", "deming_slope_high", "bias",
    "bias_low", "bias_high", "lower_limit", "upper_limit", "ccc", "ccc_low", "ccc_high",
    "icc_2_1", "icc_2_1_low", "icc_2_1_high",
]  # fmt: skip
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


def write_page(
    path: Path,
    study: Study,
    *,
    captions: Mapping[str, str],
    sources: Mapping[str, Path],
    viewer: Mapping[str, str],
    colours: Mapping[str, Any],
    made_by: Mapping[str, Any],
) -> None:
    """Write the page whole or not at all.

    Args:
        path: file to write; its pictures and subjects lie in a folder beside it, of its name.
        study: what it tells.
        captions: captions of tables and figures (reStructuredText), by name.
        sources: the files ``page``, ``style``, ``viewer``, ``script``.
        viewer: what `niivue.texts` gave.
        colours: what `report_images.colour_tables` gave.
        made_by: what `provenance.stamp` gave.
    """
    folder, atlas = path.stem, study.config["evaluate"]["atlas"]
    sections = {
        "title": "Study report" if study.compared else "Report of inference",
        "cohort": h.text(_cohort_line(study)),
        "models": _model_switch(study.models),
        "result": "".join(_result(study, model, atlas) for model in study.models)
        if study.compared
        else _without_pet(study),
        "methods": _methods(study, captions, atlas) if study.compared else "",
        "evidence": "".join(_evidence(model, captions, atlas) for model in study.models),
        "subjects": _subjects(study),
        "seen": SEEN if study.compared and study.card is None else "",
        "warnings": _left_out(study, captions),
        "made": _how_made(study, made_by),
        "text": _methods_text(study, atlas),
        "claim": _checklist(claim(study)),
        "relaince": _checklist(relaince(study)),
        "notice": h.text(RESEARCH_ONLY),
    }
    data = {
        "folder": folder,
        "models": [model.name for model in study.models],
        "subjects": [
            {"label": subject.label, "set": subject.set, "overlay": subject.overlay is not None}
            for subject in study.subjects
        ],
        "colours": colours,
        "differenceLimit": study.config["figures"]["difference_limit"],
    }
    page = pages.fill(sources, viewer)
    # "<" would let a text end the script that holds it.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = page.replace("/*{data}*/", text)
    for name, content in sections.items():
        page = page.replace(f"<!--{{{name}}}-->", content)
    with files.whole(path) as partial:
        partial.write_text(page, encoding="utf-8")


# --- First screen -----------------------------------------------------------------


def _cohort_line(study: Study) -> str:
    """Who it is about, in one line."""
    kind = "simulated subjects" if study.simulated else "subjects"
    sizes = [
        f"{len(study.of_set(name))} {name}"
        for name in ("train", "validation", "test")
        if study.of_set(name)
    ]
    alone = sum(subject.files.pet is None for subject in study.subjects)
    if alone:
        sizes.append(f"{alone} without PET")
    return f"{len(study.subjects)} {kind}: {', '.join(sizes)}"


def _model_switch(models: Sequence[Model]) -> str:
    """Buttons that choose the model that the page speaks of; none where there is one."""
    if len(models) == 1:
        return ""
    buttons = "".join(
        f'<button type="button" data-choose="{h.text(m.name)}">{h.text(m.name)}</button>'
        for m in models
    )
    return f'<div class="switch" role="group" aria-label="Model">{buttons}</div>'


def _of_model(model: Model, content: str) -> str:
    """Content that is shown while its model is the one that is chosen."""
    return f'<div data-model="{h.text(model.name)}">{content}</div>'


def _result(study: Study, model: Model, atlas: str) -> str:
    """The headline of one model."""
    name = f" <span>model {h.text(model.name)}</span>" if len(study.models) > 1 else ""
    row = model.headline
    chart = ""
    if row and h.known(row["difference"]):
        chart = _similarity_chart(study, model)
    return _of_model(
        model,
        f"<h1>{h.text(report_words.verdict(model))}{name}</h1>{_key_numbers(study, model, atlas)}"
        f'<div class="halves"><div class="words">'
        f"{h.paragraphs(report_words.sentences(study, model, atlas))}</div>"
        f'<div class="beside">{chart}{_beside_published(model)}</div></div>',
    )


def _without_pet(study: Study) -> str:
    """The first screen where nothing can be compared."""
    said = h.paragraphs(("", line) for line in report_words.without_pet(study))
    return f"<h1>P2P was made; there is no PET to compare it with</h1><div class=words>{said}</div>"


def _key_numbers(study: Study, model: Model, atlas: str) -> str:
    """The few numbers that everybody asks for first."""
    row, method = model.headline, study.method(model.name)
    if not row:
        return ""
    scale = "absolute" if model.line("regression", "P2P", atlas, "absolute") else "relative"
    spect, p2p = (model.line("regression", image, atlas, scale) for image in ("SPECT", "P2P"))
    was = published.SSIM
    cells = [
        (
            h.number(row["difference"], 3),
            "gain in SSIM",
            f"95 % CI {h.interval(row['difference_low'], row['difference_high'], 3)}; "
            f"published {was['P2P'] - was['SPECT']:.2f}",
        ),
        (
            f"{row['improved']} of {row['n']}",
            "test subjects improved",
            "the published study tested 15",
        ),
    ]
    share = method.get("share_of_ceiling")
    if share is not None and h.known(share):
        highest = h.number(study.method("ceiling")["ssim_mean"], 3)
        cells.append(
            (f"{100 * share:.0f} %", "of the way to the ceiling", f"which is an SSIM of {highest}")
        )
    lines = {line.y: line for line in published.LINES if line.x == "PET"}
    for key, what, digits in (
        ("slope", "regional slope on PET", 2),
        ("r", "regional r with PET", 3),
    ):
        if spect and p2p:
            cells.append(
                (
                    f"{h.number(spect[key], digits)} → {h.number(p2p[key], digits)}",
                    what,
                    f"published {getattr(lines['SPECT'], key)} → {getattr(lines['P2P'], key)}",
                )
            )
    return (
        '<ul class="keys">'
        + "".join(
            f"<li><b>{h.text(value)}</b><span>{h.text(what)}</span>"
            f"<small>{h.text(more)}</small></li>"
            for value, what, more in cells
        )
        + "</ul>"
    )


def _similarity_chart(study: Study, model: Model) -> str:
    """SSIM of the published study and of this run, and the ceiling."""
    row = model.headline
    of_test = _ssim_by_subject(model)
    highest = study.method("ceiling").get("ssim_mean")
    chart = h.similarity_chart(
        [
            {
                "name": "Published",
                "spect": published.SSIM["SPECT"],
                "p2p": published.SSIM["P2P"],
                "subjects": [],
            },
            {
                "name": f"This run (n = {row['n']})",
                "spect": row["spect_mean"],
                "p2p": row["p2p_mean"],
                "subjects": [(s, p) for s, p, name in of_test.values() if name == HEADLINE_SET],
            },
        ],
        highest if h.known(highest) else None,
    )
    return (
        f'<figure class="plain"><figcaption><b>SSIM with PET</b> of <span class="spect">SPECT'
        f'</span> and <span class="p2p">P2P</span>, means; small: single test subjects'
        f"</figcaption>{chart}</figure>"
    )


def _beside_published(model: Model) -> str:
    """The published regional numbers beside this run's."""
    table = model.tables.get("published")
    if table is None:
        return ""
    rows = table.rows[table.rows["measure"].str.contains(r"^(?:SSIM|slope|r),.*PET$")]
    digits = [2 if name.startswith("slope") else 3 for name in rows["measure"]]
    shown = pd.DataFrame(
        {
            "measure": rows["measure"].str.replace(r" (?:against|on) PET", "", regex=True),
            "published": [h.number(v, 2) for v in rows["published"]],
            "this_run": [*map(h.number, rows["this_run"], digits)],
            "ci": [*map(h.interval, rows["low"], rows["high"], digits)],
        }
    )
    labels = {"measure": "With PET", "this_run": "This run", "ci": "95 % CI"}
    return h.table(shown, labels=labels)


# --- Methods and evidence ------------------------------------------------------------


def _methods(study: Study, captions: Mapping[str, str], atlas: str) -> str:
    """All methods side by side."""
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


def _evidence(model: Model, captions: Mapping[str, str], atlas: str) -> str:
    """Figures and tables of one model."""
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
    return _of_model(model, heading + "".join(parts))


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


# --- Subjects -------------------------------------------------------------------


def _ssim_by_subject(model: Model) -> dict[str, tuple[float, float, str]]:
    """SSIM of SPECT and of P2P and the set, by subject."""
    table = model.tables.get("similarity")
    if table is None:
        return {}
    wide = table.rows.pivot_table(
        index=["subject", "set"], columns="image", values=HEADLINE_MEASURE
    ).reset_index()
    return {
        str(row["subject"]): (row["SPECT"], row["P2P"], str(row["set"]))
        for row in wide.to_dict("records")
    }


def _subjects(study: Study) -> str:
    """The table of all subjects, from which each can be opened."""
    ssim = {model.name: _ssim_by_subject(model) for model in study.models}
    outside = outside_training(study)
    compared = study.compared
    columns = [("Subject", ""), ("Set", "")]
    if compared:
        columns += [("SSIM, SPECT", "n"), ("SSIM, P2P", "n"), ("Gain", "n")]
        columns += [("Overlap", "n"), ("Correlation", "n")]
    columns += [("Relative", ""), ("Warnings", "n")]
    if study.card is not None:
        columns.append(("Outside training", "n"))
    head = "".join(
        f'<th scope="col"><button type="button">{name}</button></th>' for name, _ in columns
    )
    body = "".join(
        _subject_row(study, subject, ssim, len(outside.get(subject.label, ())))
        for subject in study.subjects
    )
    return (
        f'<div class="table"><div class="scroll"><table id="subject-table"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div></div>"
    )


def _subject_row(
    study: Study,
    subject: Subject,
    ssim: Mapping[str, Mapping[str, tuple[float, float, str]]],
    outside: int,
) -> str:
    """One subject; what depends on the model stands once for each."""
    label = h.text(subject.label)
    cells = [
        f'<td><a href="#subject={label}">{label}</a></td>',
        f"<td>{subject.set or h.NOTHING}</td>",
    ]
    if study.compared:
        for k in range(3):
            kinds = []
            for model in study.models:
                spect, p2p, _ = ssim[model.name].get(subject.label, (None, None, ""))
                gain = p2p - spect if p2p is not None and spect is not None else None
                value = (spect, p2p, gain)[k]
                key = f' data-v="{value:.6g}"' if h.known(value) else ""
                kinds.append(
                    f'<span data-model="{h.text(model.name)}"{key}>{h.number(value, 3)}</span>'
                )
            cells.append(f'<td class="n">{"".join(kinds)}</td>')
        after = subject.check["coregistration"]["after"] if subject.check else {}
        cells += [
            f'<td class="n">{h.number(after.get(name), 3)}</td>'
            for name in ("overlap", "correlation")
        ]
    relative = any(about["Relative"] for about in subject.sidecars.values())
    cells.append(f"<td>{'yes' if relative else 'no'}</td>")
    cells.append(f'<td class="n">{len(warnings_of(subject)) or h.NOTHING}</td>')
    if study.card is not None:
        cells.append(f'<td class="n">{outside or h.NOTHING}</td>')
    kind = "" if subject.set in (None, HEADLINE_SET) else ' class="other"'
    return f"<tr{kind}>{''.join(cells)}</tr>"


def subject_details(study: Study, subject: Subject) -> str:
    """What the view of a subject says below the images."""
    parts = []
    if subject.check is not None:
        parts.append(f"<section><h3>Registration</h3>{_registration(subject.check)}</section>")
    warned = warnings_of(subject, outside_training(study).get(subject.label, ()))
    said = "".join(f"<li><b>{h.text(a)}</b> {h.text(b)}</li>" for a, b in warned)
    parts.append(
        f"<section><h3>Warnings</h3>{f'<ul>{said}</ul>' if said else '<p>None.</p>'}</section>"
    )
    return "".join(parts)


def _registration(check: Mapping[str, Any]) -> str:
    """The numbers of a registration."""
    moved, before, after = (check["coregistration"][k] for k in ("rotation_deg", "before", "after"))
    error = check["target_registration_error_mm"]
    rows = [
        ("SPECT was moved", f"{check['coregistration']['shift_mm']:.1f} mm, {moved:.1f}°"),
        ("Overlap of brains", f"{before['overlap']:.3f} → {after['overlap']:.3f}"),
        ("Correlation", f"{before['correlation']:.3f} → {after['correlation']:.3f}"),
        ("True error, mean", f"{error['mean']:.2f} mm" if error else ""),
        ("PET to template: overlap", f"{check['normalisation']['overlap']:.3f}"),
        ("Brain volume", f"{check['normalisation']['brain_volume_ml']:.0f} mL"),
        ("Empty regions", f"{len(check['empty_regions'])}"),
    ]
    return h.pairs(rows)


def model_details(model: Model, subject: Subject) -> str:
    """What the view of a subject says of one model: similarity and the brain's mean flow."""
    table = model.tables.get("similarity")
    if table is None:
        return ""
    rows = table.rows[table.rows["subject"] == subject.label].set_index("image")
    if rows.empty:  # there is no PET of this subject
        return ""
    names = [name for name in MEASURES if name in rows]
    shown = pd.DataFrame(
        {
            "measure": [h.MEASURE_NAMES.get(name, name) for name in names],
            **{image: [rows.at[image, name] for name in names] for image in ("SPECT", "P2P")},
        }
    )
    regions = model.one("regions", subject=subject.label, atlas="brain")
    flow = ""
    if regions:
        means = (f"{n} {h.number(regions[n.lower()], 1)}" for n in ("SPECT", "P2P", "PET"))
        flow = f"<p>Mean CBF of the brain: {', '.join(means)} mL/100 g/min.</p>"
    title = f"<h3>Similarity to PET, model {h.text(model.name)}</h3>"
    return f"<section>{title}{h.table(shown)}{flow}</section>"


# --- Left out, and warnings ---------------------------------------------------------


def _left_out(study: Study, captions: Mapping[str, str]) -> str:
    """Who was left out, and every warning of those who were not."""
    excluded = study.config["exclude"]
    flow = ""
    if "cohort_flow" in study.figures:
        words = h.caption(captions["cohort_flow"])
        flow = h.figure(study.figures["cohort_flow"], "Subjects of the study", words)
    said = (
        f"Left out by the configuration (<code>exclude</code>): {', '.join(map(h.text, excluded))}."
        if excluded
        else "Nobody was left out by the configuration (<code>exclude</code>)."
    )
    outside = outside_training(study)
    rows = [
        {"subject": one.label, "set": one.set or h.NOTHING, "stage": stage, "warning": sentence}
        for one in study.subjects
        for stage, sentence in warnings_of(one, outside.get(one.label, ()))
    ]
    if not rows:
        return f"<p>{said}</p><p>No stage had a warning.</p>{flow}"
    return f"<p>{said}</p>{flow}" + h.table(pd.DataFrame(rows), fold_sets=False)


# --- How it was made ------------------------------------------------------------------


def _how_made(study: Study, made_by: Mapping[str, Any]) -> str:
    """Configuration, seeds, versions and fingerprints."""
    config = study.config
    drawn = "Registration and training" if study.card is None else "Registration"
    seeds = [(drawn, str(config["seed"]))]
    if study.card is None:
        seeds.append(("Split", str(config["split"]["seed"])))
    if study.simulated:
        seeds.append(("Simulated people", str(config["cohort"]["seed"])))
    seeds += [
        (f"Networks of {model.name}", ", ".join(str(one["seed"]) for one in model.trainings))
        for model in study.models
        if model.trainings
    ]
    stamps = _stamps(study, made_by)
    versions: dict[str, set[str]] = {}
    for _, stamp in stamps:
        for name, version in stamp["Libraries"].items():
            versions.setdefault(name, set()).add(version)
    code = pd.DataFrame(
        [
            {
                "result": name,
                "code": stamp["CodeFingerprint"],
                "settings": stamp["SettingsFingerprint"],
                "seed": str(stamp["Seed"]) if stamp["Seed"] is not None else h.NOTHING,
            }
            for name, stamp in stamps
        ]
    )
    libraries = [(name, ", ".join(sorted(found))) for name, found in sorted(versions.items())]
    settings = pd.DataFrame(config_rows(config), columns=["key", "value"])
    return (
        f'<div class="halves"><div><h3>Seeds</h3>{h.pairs(seeds)}'
        f"<h3>spect2pet</h3>{h.pairs([('version', made_by['Version'])])}</div>"
        f"<div><h3>Versions</h3>{h.pairs(libraries)}</div></div>"
        + h.folded("Fingerprints of code and settings, by result", h.table(code))
        + h.folded(
            "Configuration, every key (paths and words of headers are not shown)",
            h.table(settings),
        )
    )


def _stamps(study: Study, made_by: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Where the results come from: the record of each, once for all subjects that share it."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}

    def add(name: str, about: Mapping[str, Any] | None) -> None:
        if about and "GeneratedBy" in about:
            stamp = about["GeneratedBy"]
            found.setdefault((name, stamp["CodeFingerprint"]), stamp)

    for subject in study.subjects:
        for modality, about in subject.sidecars.items():
            add(f"prepared {modality.upper()}", about)
        add("registration check", subject.check)
    for model in study.models:
        for training in model.trainings:
            add(f"{model.name}: networks", training)
        for name, table in model.tables.items():
            add(f"{model.name}: {name}.tsv", table.about)
        for name, record in model.records.items():
            add(f"{model.name}: {name}.json", record)
    for name, table in study.methods.items():
        add(f"{name}.tsv", table.about)
    found["this report", made_by["CodeFingerprint"]] = made_by
    return [(name, stamp) for (name, _), stamp in found.items()]


def config_rows(config: Mapping[str, Any], where: str = "") -> list[tuple[str, str]]:
    """Every key of the configuration with its value, without what may name somebody."""
    rows = []
    for key, value in config.items():
        if key == "cohort" and not where and config["subjects"] is not None:
            continue
        if isinstance(value, Mapping):
            rows += config_rows(value, f"{where}{key}: ")
        elif privacy.names_somebody(key, value) and not where.startswith("models:"):
            rows.append((f"{where}{key}", "given"))
        else:
            rows.append((f"{where}{key}", json.dumps(value, ensure_ascii=False)))
    return rows


# --- Text and checklists ------------------------------------------------------------


def _methods_text(study: Study, atlas: str) -> str:
    """The methods for a paper, with references."""
    sections, references = number_citations(methods_text(study, atlas))
    words = "".join(
        f"<p><b>{h.text(title)}.</b> {_marked(content)}</p>" for title, content in sections
    )
    listed = "".join(f"<li>{h.text(reference)}</li>" for reference in references)
    return f'<div id="methods-text" class="paper">{words}<ol>{listed}</ol></div>'


def _marked(words: str) -> str:
    """Text in which what is left to the authors stands out."""
    marked = h.text(words)
    return marked.replace("[To be filled", "<mark>[To be filled").replace(
        "quantification.]", "quantification.]</mark>"
    )


def _checklist(items: Sequence[Item]) -> str:
    """A checklist as a table by section."""
    rows: list[str] = []
    section = ""
    for item in items:
        if item.section != section:
            section = item.section
            rows.append(f'<tr class="section"><th colspan="2">{h.text(section)}</th></tr>')
        answer = h.text(item.answer)
        if not item.complete and TO_FILL.lower() not in item.answer.lower():
            answer += f" <mark>The rest: {TO_FILL.lower()}</mark>"
        elif not item.complete:
            answer = f"<mark>{answer}</mark>" if item.answer == TO_FILL else answer
        rows.append(f"<tr><td>{h.text(item.name)}</td><td>{answer}</td></tr>")
    known = sum(item.complete for item in items)
    return (
        f"<p>{known} of {len(items)} items are known to the workflow in full.</p>"
        f'<div class="scroll"><table class="checklist">{"".join(rows)}</table></div>'
    )
