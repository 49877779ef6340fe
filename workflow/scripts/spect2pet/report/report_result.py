"""The report's first screen: the result in words and numbers, beside the published one."""

import pandas as pd

from spect2pet.evaluate import published
from spect2pet.evaluate.evaluation import HEADLINE_SET
from spect2pet.report import report_html as h
from spect2pet.report import report_words
from spect2pet.report.report_study import Model, Study
from spect2pet.report.report_subjects import ssim_by_subject


def result(study: Study, model: Model, atlas: str) -> str:
    """The first screen for one model, as HTML: verdict, key numbers and words."""
    name = f" <span>model {h.text(model.name)}</span>" if len(study.models) > 1 else ""
    row = model.headline
    chart = ""
    if row and h.known(row["difference"]):
        chart = _similarity_chart(study, model)
    return h.of_model(
        model.name,
        f"<h1>{h.text(report_words.verdict(model))}{name}</h1>{_key_numbers(study, model, atlas)}"
        f'<div class="halves"><div class="words">'
        f"{h.paragraphs(report_words.sentences(study, model, atlas))}</div>"
        f'<div class="beside">{chart}{_beside_published(model)}</div></div>',
    )


def without_pet(study: Study) -> str:
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
    of_test = ssim_by_subject(model)
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
