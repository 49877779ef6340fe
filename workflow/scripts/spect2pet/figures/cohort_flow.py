"""The flow diagram of a study: how many subjects took part, and what became of them."""

from collections import Counter
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spect2pet.evaluate.evaluation import HEADLINE_SET
from spect2pet.figures.pictures import new_figure
from spect2pet.figures.style import COLOURS, DARK, ONE_COLUMN, STYLE
from spect2pet.subjects.splitting import SETS, sets_by_fold

#: Sets as they are called in the diagram.
SET_NAMES = dict(zip(SETS, ("Training", "Validation", "Test"), strict=True))
#: Height of a line of text, and room in a box and between boxes, inches.
LINE, PAD, GAP = 0.135, 0.14, 0.24
#: Edges of the boxes in the middle and of those at the side, parts of the width.
MIDDLE, SIDE = (0.0, 0.56), (0.64, 1.0)
RESULT_COLOUR = COLOURS["P2P"]


@dataclass(frozen=True)
class Cohort:
    """How many subjects there are before the split.

    Attributes:
        listed: subjects of the table, or of the built-in cohort.
        excluded: those of them that the config leaves out.
        alone: those without PET, of whom only a P2P image is made.
        simulated: those with PET of whom it is known what is true.
        given: whether the model was trained elsewhere.
    """

    listed: int
    excluded: int
    alone: int
    simulated: int
    given: bool


@matplotlib.rc_context(STYLE)
def draw_cohort_flow(cohort: Cohort, split: pd.DataFrame, similarity: pd.DataFrame) -> Figure:
    """From the subjects table to the subjects who are evaluated.

    Args:
        cohort: the numbers before the split.
        split: the rows of ``split.tsv``.
        similarity: one row an evaluated subject and image, as ``similarity.tsv`` holds them.

    Returns:
        The figure, one column wide.
    """
    rows = _rows(cohort)
    columns = _columns(cohort, split, similarity)
    heights = [PAD + LINE * (1 + text.count("\n")) for text, _ in rows]
    heights += [PAD + LINE * (1 + max(pair[k].count("\n") for pair in columns)) for k in (0, 1)]
    total = sum(heights) + GAP * (len(heights) - 1)
    figure = new_figure(ONE_COLUMN, total + 0.3)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(total, 0))
    axes.set_axis_off()
    top = 0.0
    for number, ((text, aside), height) in enumerate(zip(rows, heights, strict=False)):
        _box(axes, MIDDLE, (top, top + height), text)
        middle = top + height / 2
        if aside:
            _box(axes, SIDE, (top, top + height), aside)
            _arrow(axes, (MIDDLE[1], middle), (SIDE[0], middle))
        if number < len(rows) - 1:
            _arrow(axes, (sum(MIDDLE) / 2, top + height), (sum(MIDDLE) / 2, top + height + GAP))
        top += height + GAP
    _draw_columns(axes, columns, top, heights[-2:])
    return figure


def _rows(cohort: Cohort) -> list[tuple[str, str]]:
    """Text of the boxes down to the split, and of those beside them; empty where there is none."""
    part = cohort.listed - cohort.excluded
    paired = part - cohort.alone
    known = ""
    if cohort.simulated:
        known = f" ({'all' if cohort.simulated == paired else cohort.simulated} simulated)"
    excluded = f"Excluded by config\nn = {cohort.excluded}"
    rows = [(f"In the subjects table\nn = {cohort.listed}", excluded)]
    if cohort.alone:
        rows.append((f"Taking part\nn = {part}", f"Without PET\nn = {cohort.alone} (P2P only)"))
    return [*rows, (f"With SPECT and PET\nn = {paired}{known}", "")]


def _columns(
    cohort: Cohort, split: pd.DataFrame, similarity: pd.DataFrame
) -> list[tuple[str, str]]:
    """Text of the boxes of every set, and of what became of it; cross-validation has one pair."""
    folds = sets_by_fold(split)
    if len(folds) > 1:
        each = [Counter(fold.values()) for fold in folds]
        sizes = {name: _range([fold[name] for fold in each]) for name in SETS}
        first = (
            f"Cross-validation, {len(folds)} folds; each\n"
            f"trains on {sizes['train']},\n"
            f"validates on {sizes['validation']},\n"
            f"tests {sizes['test']} subjects"
        )
        return [(first, _evaluated(HEADLINE_SET, similarity))]
    counts = split["set"].value_counts()
    trained = ", model trained elsewhere" if cohort.given else ""
    return [
        (f"{SET_NAMES[name]}{trained}\nn = {counts[name]}", _evaluated(name, similarity))
        for name in SETS
        if name in counts
    ]


def _evaluated(name: str, similarity: pd.DataFrame) -> str:
    """What a box says of the subjects of a set that were evaluated."""
    subjects = similarity[similarity["set"] == name].groupby("subject")["relative"].any()
    lines = [
        f"Evaluated\nn = {len(subjects)}",
        f"{subjects.sum()} only relative" if subjects.any() else "",
        "the result" if name == HEADLINE_SET else "reported apart",
    ]
    return "\n".join(filter(None, lines))


def _range(sizes: list[int]) -> str:
    """A number, or two where not all are equal."""
    return str(min(sizes)) if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"


def _draw_columns(
    axes: Axes, columns: list[tuple[str, str]], top: float, heights: list[float]
) -> None:
    """The boxes of the sets side by side, each with what became of it below."""
    gap = 0.04
    width = (1 - gap * (len(columns) - 1)) / len(columns) if len(columns) > 1 else MIDDLE[1]
    centres = [k * (width + gap) + width / 2 for k in range(len(columns))]
    crossing = top - GAP
    if len(columns) > 1:
        crossing += GAP / 2
        start = sum(MIDDLE) / 2
        axes.plot((start, start), (top - GAP, crossing), color=DARK, linewidth=0.8)
        axes.plot((min(centres), max(centres)), (crossing, crossing), color=DARK, linewidth=0.8)
    for centre, (members, result) in zip(centres, columns, strict=True):
        edges = centre - width / 2, centre + width / 2
        colour = RESULT_COLOUR if result.endswith("the result") else DARK
        _arrow(axes, (centre, crossing), (centre, top))
        _box(axes, edges, (top, top + heights[0]), members)
        below = top + heights[0] + GAP
        _arrow(axes, (centre, below - GAP), (centre, below))
        _box(axes, edges, (below, below + heights[1]), result, colour)


def _box(
    axes: Axes, x: tuple[float, float], y: tuple[float, float], text: str, colour: str = DARK
) -> None:
    """A frame with text in it, between two edges each way."""
    axes.add_patch(
        Rectangle((x[0], y[0]), x[1] - x[0], y[1] - y[0], facecolor="white", edgecolor=colour,
                  linewidth=0.8, clip_on=False)
    )  # fmt: skip
    axes.text(sum(x) / 2, sum(y) / 2, text, ha="center", va="center", color=colour,
              linespacing=1.3)  # fmt: skip


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow from one place to another."""
    look = {"arrowstyle": "-|>", "color": DARK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0,
            "mutation_scale": 7}  # fmt: skip
    axes.annotate("", end, start, arrowprops=look)
