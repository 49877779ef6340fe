"""Pieces of the report's page: text, numbers, tables, figures and captions as HTML."""

import base64
import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core.provenance import RESEARCH_ONLY

#: What stands where there is no number.
NOTHING = "–"
#: Pixels of the page for one of a figure in print resolution: 980 for two columns of a journal.
FIGURE_SCALE = 980 / 2055
#: Headings of columns whose names are not words.
HEADINGS = {
    "ssim_mean": "SSIM",
    "gain": "Gain over SPECT",
    "share_of_ceiling": "Share of ceiling",
    "wilcoxon_p": "Wilcoxon p",
    "wilcoxon_p_holm": "Wilcoxon p (Holm)",
    "t_p": "t p",
    "t_p_holm": "t p (Holm)",
    "psnr_db_mean": "PSNR, dB",
    "nrmse_mean": "NRMSE",
    "spect_mean": "SPECT",
    "p2p_mean": "P2P",
    "spect_sd": "SD",
    "p2p_sd": "SD",
    "t": "t",
    "wilcoxon": "Wilcoxon W",
    "cohen_dz": "Cohen's dz",
    "hedges_gz": "Hedges' gz",
    "ccc": "CCC",
    "icc_2_1": "ICC (2,1)",
    "icc_3_1": "ICC (3,1)",
    "auc": "AUC",
    "detectability": "d′",
    "sd": "SD",
    "rmse": "RMSE",
    "absolute_slope": "Slope, absolute",
    "absolute_r": "r, absolute",
    "relative_slope": "Slope, relative",
    "relative_r": "r, relative",
    "n": "n",
    "r": "r",
    "p": "p",
    "x": "x",
    "y": "y",
}
#: Measures of similarity, as people call them.
MEASURE_NAMES = {
    "ssim_slice": "SSIM, slices",
    "ssim_volume": "SSIM, volume",
    "ssim_whole_slice": "SSIM, whole slices",
    "psnr_db": "PSNR, dB",
    "nrmse": "NRMSE",
    "ms_ssim": "Multi-scale SSIM",
    "absolute_bias": "Bias, absolute value, mL/100 g/min",
    "hfen": "High-frequency error norm",
    "fsc_resolution_mm": "Resolution (FSC), mm",
    "contrast_error": "Error of grey–white contrast",
}
_TESTED = re.compile(r"(^|_)p(_holm)?$")


def text(value: Any) -> str:
    """Text that HTML takes for nothing else."""
    return html.escape(str(value))


def known(value: Any) -> bool:
    """Whether there is a value: neither None nor NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def number(value: Any, digits: int | None = None) -> str:
    """A number for people, with a true minus; `NOTHING` where there is none.

    Args:
        value: the number.
        digits: decimals; None: three below 10, two below 100, one below 1000, else none.
    """
    if not known(value):
        return NOTHING
    size = abs(float(value))
    if digits is None:
        if float(value).is_integer() and not isinstance(value, float):
            return f"{int(value)}".replace("-", "−")
        digits = 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
    shown = f"{value:.{digits}f}"
    if float(shown) == 0:  # no negative nothing
        shown = shown.replace("-", "")
    return shown.replace("-", "−")


def p_value(value: Any) -> str:
    """A p value for people."""
    if not known(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def interval(low: Any, high: Any, digits: int | None = None) -> str:
    """The ends of an interval."""
    if not (known(low) and known(high)):
        return NOTHING
    return f"{number(low, digits)} to {number(high, digits)}"


def heading(name: str) -> str:
    """The heading of a column, from its name."""
    return HEADINGS.get(name) or (name[:1].upper() + name[1:]).replace("_", " ")


# --- Tables -------------------------------------------------------------------


def table(
    rows: pd.DataFrame,
    about: Mapping[str, Any] | None = None,
    *,
    fold_sets: bool = True,
    labels: Mapping[str, str] | None = None,
) -> str:
    """A table that the page can sort.

    Two columns ``<name>_low`` and ``<name>_high`` become one interval, beside the number that they
    belong to.  A column ``relative`` stands only where something is.

    Args:
        rows: the rows.
        about: the table's sidecar, whose descriptions become hints of the headings.
        fold_sets: hide rows of other sets than test behind a switch.
        labels: headings by column, which go before `HEADINGS`.
    """
    if "relative" in rows and not rows["relative"].astype(bool).any():
        rows = rows.drop(columns="relative")
    names = [
        name
        for name in map(str, rows.columns)
        if not (name.endswith("_high") and f"{name.removesuffix('_high')}_low" in rows)
    ]
    described = about or {}
    head = "".join(
        _head(name, described.get(name, {}), labels or {}, name.removesuffix("_low") in names)
        for name in names
    )
    body = "".join(
        f"<tr{_kind_of(row)}>{''.join(_cell(row, name) for name in names)}</tr>"
        for row in rows.to_dict("records")
    )
    drawn = (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )
    others = "set" in rows and bool((rows["set"] != "test").any())
    if not (fold_sets and others):
        return f'<div class="table">{drawn}</div>'
    return (
        '<div class="table folded"><label class="sets"><input type="checkbox"> validation and '
        f"training subjects too, which are not the result</label>{drawn}</div>"
    )


def _head(name: str, about: Mapping[str, Any], labels: Mapping[str, str], beside: bool) -> str:
    """The heading of a column, a button to sort by it; an interval stands beside its number."""
    base = name.removesuffix("_low")
    shown = labels.get(name) or heading(base)
    if base != name:
        shown = "95 % CI" if beside else f"{shown}, 95 % CI"
    hint = about.get("Description", "") if isinstance(about, Mapping) else ""
    return f'<th scope="col" title="{text(hint)}"><button type="button">{text(shown)}</button></th>'


def _kind_of(row: Mapping[Any, Any]) -> str:
    """The attribute by which rows of other sets can be hidden."""
    return ' class="other"' if row.get("set", "test") != "test" else ""


def _cell(row: Mapping[Any, Any], name: str) -> str:
    """One cell, with the number to sort by where it shows another text."""
    value = row[name]
    if name.endswith("_low") and f"{name.removesuffix('_low')}_high" in row:
        shown = interval(value, row[f"{name.removesuffix('_low')}_high"])
    elif isinstance(value, str):
        return f"<td>{text(value)}</td>"
    elif value is True or value is False:
        return f"<td>{'yes' if value else 'no'}</td>"
    else:
        shown = p_value(value) if _TESTED.search(name) else number(value)
    key = f' data-v="{value:.6g}"' if known(value) else ""
    return f'<td class="n"{key}>{text(shown)}</td>'


# --- Figures and captions --------------------------------------------------------


def caption(source: str, **words: str) -> str:
    """A caption of the workflow's own report (reStructuredText) as HTML.

    Args:
        source: the text, with places such as ``{{ ….wildcards.model }}``.
        words: what stands in these, by the last part of their names.
    """
    for name, value in words.items():
        source = re.sub(rf"\{{\{{ \w+\.\w+\.{name} \}}\}}", value, source)
    plain = " ".join(source.split()).removesuffix(RESEARCH_ONLY).strip()
    marked = re.sub(r"``(.+?)``", r"<code>\1</code>", text(plain))
    return re.sub(r"\*(.+?)\*", r"<em>\1</em>", marked)


def figure(path: Path, alternative: str, words: str) -> str:
    """A figure (PNG) in the page itself, with its caption."""
    content = path.read_bytes()
    # Of a PNG, pixels (ISO 15948, 11.2.2). With both, the page keeps its place free for it.
    width, height = (int.from_bytes(content[k : k + 4], "big") * FIGURE_SCALE for k in (16, 20))
    return (
        f'<figure><img src="data:image/png;base64,{base64.b64encode(content).decode()}" '
        f'alt="{text(alternative)}" width="{round(width)}" height="{round(height)}" '
        'loading="lazy">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def folded(title: str, content: str, opened: bool = False) -> str:
    """Content behind a title that opens it."""
    return (
        f"<details{' open' if opened else ''}><summary>{text(title)}</summary>{content}</details>"
    )


def of_model(name: str, content: str) -> str:
    """Content that is shown while the model of this name is the one that is chosen."""
    return f'<div data-model="{text(name)}">{content}</div>'


def paragraphs(lines: Iterable[tuple[str, str]]) -> str:
    """Texts as paragraphs, each after what it is about."""
    return "".join(
        f"<p>{f'<b>{text(about)}.</b> ' if about else ''}{text(line)}</p>" for about, line in lines
    )


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values, as a list of two columns."""
    return "<dl>" + "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in rows if v) + "</dl>"


# --- Charts -------------------------------------------------------------------


def similarity_chart(rows: Sequence[Mapping[str, Any]], ceiling: float | None = None) -> str:
    """SSIM of SPECT and P2P as two points on a line, a row each for who measured it (SVG).

    Args:
        rows: ``name``, ``spect``, ``p2p``, and ``subjects``: pairs of the single subjects.
        ceiling: SSIM that nothing made of SPECT can pass; None where it is not known.
    """
    ends = [row[k] for row in rows for k in ("spect", "p2p")]
    ends += [value for row in rows for pair in row["subjects"] for value in pair]
    ends += [ceiling] if known(ceiling) else []
    low, high = math.floor(min(ends) * 20) / 20, min(math.ceil(max(ends) * 20) / 20, 1)
    left, right, top, step = 112, 548, 18, 52
    bottom = top + step * len(rows)

    def x(value: float) -> str:
        return f"{left + (right - left) * (value - low) / max(high - low, 1e-9):.1f}"

    parts = []
    ticks = round((high - low) / 0.05)
    for k in range(ticks + 1):
        value = low + 0.05 * k
        parts.append(
            f'<path class="grid" d="M{x(value)} {top - 6}V{bottom}"/>'
            f'<text x="{x(value)}" y="{bottom + 16}" class="tick">{value:.2f}</text>'
        )
    if ceiling is not None and known(ceiling):
        parts.append(
            f'<path class="ceiling" d="M{x(ceiling)} {top - 6}V{bottom}"/>'
            f'<text x="{x(ceiling)}" y="{top - 9}" class="tick">ceiling {ceiling:.3f}</text>'
        )
    for k, row in enumerate(rows):
        y = top + step * k + 28
        first, second = row["spect"], row["p2p"]
        swapped = second < first
        parts.append(f'<text x="0" y="{y + 4}" class="name">{text(row["name"])}</text>')
        for spect, p2p in row["subjects"]:
            parts.append(
                f'<circle class="spect one" cx="{x(spect)}" cy="{y + 13}" r="2.2"/>'
                f'<circle class="p2p one" cx="{x(p2p)}" cy="{y + 13}" r="2.2"/>'
            )
        parts.append(
            f'<path class="way" d="M{x(first)} {y}L{x(second)} {y}"/>'
            f'<circle class="spect" cx="{x(first)}" cy="{y}" r="6"/>'
            f'<circle class="p2p" cx="{x(second)}" cy="{y}" r="6"/>'
        )
        for kind, value, other in (("spect", first, swapped), ("p2p", second, not swapped)):
            side = 10 if other else -10
            anchor = "start" if other else "end"
            parts.append(
                f'<text x="{float(x(value)) + side:.1f}" y="{y + 4}" class="value {kind}" '
                f'text-anchor="{anchor}">{value:.3f}</text>'
            )
    return (
        f'<svg class="chart" viewBox="0 0 {right + 28} {bottom + 22}" role="img" '
        f'aria-label="SSIM with PET of SPECT and P2P">{"".join(parts)}</svg>'
    )
