"""What a study found, in plain sentences made of its numbers, which claim no more than these do."""

from collections.abc import Mapping
from typing import Any

from spect2pet.evaluate.evaluation import HEADLINE_SET, SCALES
from spect2pet.report.report_html import interval, known, number
from spect2pet.report.report_study import Model, Study
from spect2pet.train.presets import UNTRAINED

#: Fewer pairs than this, and the signed-rank test cannot fall below 0.05.
FEW = 6
#: Rank correlations below this are called weak.
WEAK = 0.3


def direction(low: Any, high: Any) -> int | None:
    """1 or −1 where an interval lies above or below 0, 0 where it holds 0, None without one."""
    if not (known(low) and known(high)):
        return None
    return int(low > 0) - int(high < 0)


def verdict(model: Model) -> str:
    """One line: is P2P closer to PET than SPECT is, and does it show deficits better?"""
    row = model.headline
    found = direction(row.get("difference_low"), row.get("difference_high"))
    if found is None:
        return "Too few test subjects to tell whether P2P is closer to PET than SPECT is"
    closer = {
        1: "P2P is closer to PET than SPECT is",
        -1: "P2P is further from PET than SPECT is",
        0: "P2P is not measurably closer to PET than SPECT is",
    }[found]
    own = model.records.get("lesion_summary", {}).get("detection", {}).get("P2P", {})
    better = direction(own.get("difference_low"), own.get("difference_high"))
    if better is None:
        return closer
    finding = {1: "finds deficits better", -1: "finds deficits worse"}.get(
        better, "does not find deficits measurably better"
    )
    return f"{closer}{', but' if (found == 1) != (better == 1) else ' and'} {finding}"


def sentences(study: Study, model: Model, atlas: str) -> list[tuple[str, str]]:
    """What the test subjects tell of a model, a sentence or two for each question.

    Args:
        study: the study.
        model: the model.
        atlas: the atlas of the headline regression.

    Returns:
        What each is about, and the sentences.
    """
    of_ceiling = ceiling(study.method(model.name), study.method("ceiling"))
    said = {
        "Similarity": f"{similarity(model.headline, _how_made(study, model))} {of_ceiling}".strip(),
        "Regions": regions(model, atlas),
        "Deficits": lesions(model.records.get("lesion_summary")),
        "Uncertainty": uncertainty(model),
        "Scope": scope(study),
    }
    return [(about, sentence) for about, sentence in said.items() if sentence]


def similarity(row: Mapping[str, Any], how_made: str) -> str:
    """Is P2P more similar to PET?"""
    if not row or not known(row["difference"]):
        return "No test subject could be compared with PET."
    n, spect, p2p = row["n"], number(row["spect_mean"], 3), number(row["p2p_mean"], 3)
    who = f"In {_count(n, 'test subject')}{how_made}, SSIM with PET is {spect} for SPECT"
    found = direction(row["difference_low"], row["difference_high"])
    if found is None:
        return f"{who} and {p2p} for P2P; one subject says nothing about others."
    gain = number(row["difference"], 3)
    ends = interval(row["difference_low"], row["difference_high"], 3)
    kind = {1: "clear of 0", -1: "clear of 0, on the wrong side", 0: "which includes 0"}[found]
    said = (
        f"{who} and {p2p} for P2P: a mean gain of {gain} (95 % interval {ends}, {kind}). "
        f"{row['improved']} of {n} are improved."
    )
    if n < FEW:
        said += (
            f" With {n} subjects the signed-rank test cannot fall below p = "
            f"{0.5 ** (n - 1):.3g}, so the interval says more than p."
        )
    return said


def ceiling(row: Mapping[str, Any], highest: Mapping[str, Any]) -> str:
    """How much of what is possible is that?"""
    share = row.get("share_of_ceiling")
    if share is None or not known(share) or not highest:
        return ""
    top = number(highest["ssim_mean"], 3)
    known_by = f"the ceiling of {top}, which nothing made of these SPECT images can pass"
    if share <= 0:
        return f"It makes no way towards {known_by}."
    return f"That is {100 * share:.0f} % of the way to {known_by}."


def regions(model: Model, atlas: str) -> str:
    """Do regions have the flow that they have in PET?"""
    for scale in SCALES:
        spect, p2p = (model.line("regression", image, atlas, scale) for image in ("SPECT", "P2P"))
        if spect and p2p and known(spect["slope"]) and known(p2p["slope"]):
            break
    else:
        return ""
    nearer = abs(spect["slope"] - 1) - abs(p2p["slope"] - 1)
    if round(spect["slope"], 2) == round(p2p["slope"], 2):
        change = "the same slope"
    else:
        change = f"{'nearer to' if nearer > 0 else 'further from'} 1, the slope of PET itself"
    unit = "Regional CBF" if scale == "absolute" else "Regional CBF relative to the brain's mean"
    said = (
        f"{unit}, regressed on PET, has a slope of {number(spect['slope'], 2)} for SPECT (r "
        f"{number(spect['r'], 2)}) and of {number(p2p['slope'], 2)} for P2P (r "
        f"{number(p2p['r'], 2)}), {change}."
    )
    by_subject = [
        interval(row.get("mixed_slope_low"), row.get("mixed_slope_high"), 2)
        for row in (model.line("agreement", image, atlas, scale) for image in ("SPECT", "P2P"))
        if known(row.get("mixed_slope_low"))
    ]
    if len(by_subject) == 2:
        said += (
            f" With subjects as the unit (mixed model), the slopes' 95 % intervals are "
            f"{by_subject[0]} for SPECT and {by_subject[1]} for P2P."
        )
    return said


def lesions(summary: Mapping[str, Any] | None) -> str:
    """May P2P be trusted with a deficit?  The sentence of `detection.statement`, and its moral."""
    if not summary:
        return ""
    own, similar = summary["detection"].get("P2P"), summary["similarity"]
    said = str(summary["statement"])
    if own is None or similar is None:
        return said
    closer = direction(similar["difference_low"], similar["difference_high"])
    better = direction(own["difference_low"], own["difference_high"])
    if closer == 1 and better is not None and better < 1:
        said += " A higher similarity is here no proof that deficits are shown better."
    return said


def uncertainty(model: Model) -> str:
    """Does the model know where it is wrong?"""
    table = model.tables.get("uncertainty_summary")
    if table is None:
        return ""
    rows = table.rows[(table.rows["set"] == HEADLINE_SET) & (table.rows["scale"] == "relative")]
    if rows.empty or not known(float(rows["spearman"].iloc[0])):
        return ""
    row = rows.iloc[0]
    rho = number(row["spearman"], 2)
    if known(float(row["spearman_low"])):
        rho += f", 95 % interval {interval(row['spearman_low'], row['spearman_high'], 2)}"
    ratios = rows["ratio"].dropna()
    size = ""
    if len(ratios):
        low, high = number(ratios.min(), 1), number(ratios.max(), 1)
        times = low if low == high else f"{low} to {high}"
        size = (
            f" In tenths of the brain by the spread of the networks, the error is {times} times "
            "that spread, so the spread does not say how wrong P2P is."
            if ratios.min() > 1.5
            else f" The error is {times} times the spread of the networks."
        )
    where = "It is not shown that P2P is more wrong where the networks disagree more"
    if bool(row["grows"]):
        where = "Where the networks disagree more, P2P is more wrong"
        where += ", but weakly so" if row["spearman"] < WEAK else ""
    return f"{where} (rank correlation over the brain's voxels {rho}).{size}"


def scope(study: Study) -> str:
    """Of whom it speaks."""
    if study.simulated:
        return (
            "All subjects are simulated: this says what the method does under the physics of the "
            "simulation, not what it does in patients."
        )
    if study.relative:
        return (
            f"{_count(study.relative, 'subject')} of {len(study.subjects)} had an image that is "
            "known only relative; there, both images were scaled to one whole-brain mean first."
        )
    return ""


def without_pet(study: Study) -> list[str]:
    """What can be said where nobody has a PET."""
    outside = study.models[0].tables.get("inference")
    said = [
        f"P2P was made of {_count(len(study.subjects), 'subject')} by a model that was trained "
        "elsewhere. None has a PET, so this study says nothing about how good these images are.",
    ]
    if outside is not None:
        count = int((outside.rows["outside"] > 0).sum())
        said.append(
            f"The SPECT of {count} of {len(outside.rows)} lies outside what the model saw in "
            "training; P2P of these is an extrapolation."
            if count
            else "In voxel size, flow and fine detail no SPECT lies outside what the model saw in "
            "training."
        )
    return said


def _how_made(study: Study, model: Model) -> str:
    """Where the P2P of a test subject comes from."""
    if study.card is not None:
        return ", whose P2P was made by a model that was trained elsewhere"
    if model.settings["method"] in UNTRAINED:
        return ""
    return ", whom the networks that made their P2P had never seen"


def _count(n: Any, what: str) -> str:
    """A number of things."""
    return f"{int(n)} {what}{'' if n == 1 else 's'}"
