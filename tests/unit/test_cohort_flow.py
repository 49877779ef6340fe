"""The flow diagram counts every subject once and keeps its words in their boxes."""

import pandas as pd
import pytest

from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.figures import cohort_flow, style


def split_of(**sizes):
    """Rows of split.tsv with as many subjects in each set."""
    names = [name for name, size in sizes.items() for _ in range(size)]
    return pd.DataFrame({"subject": [f"{k:03d}" for k in range(len(names))], "set": names,
                         "fold": 0})  # fmt: skip


def evaluated(split, relative=0):
    """Two images of every subject, the first few known only relative."""
    flags = pd.Series(range(len(split))) < relative
    one = split[["subject", "set"]].assign(relative=flags.to_numpy())
    return pd.concat([one.assign(image="SPECT"), one.assign(image="P2P", relative=False)])


def draw(cohort, split, **evaluation):
    return cohort_flow.draw_cohort_flow(cohort, split, evaluated(split, **evaluation))


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


SETS = split_of(train=14, validation=5, test=5)
SIMULATED = cohort_flow.Cohort(listed=24, excluded=0, alone=0, simulated=24, given=False)


def test_a_study_goes_from_the_table_through_the_sets_to_the_evaluation():
    assert words(draw(SIMULATED, SETS)) == [
        "In the subjects table\nn = 24", "Excluded by config\nn = 0",
        "With SPECT and PET\nn = 24 (all simulated)",
        "Training\nn = 14", "Evaluated\nn = 14\nreported apart",
        "Validation\nn = 5", "Evaluated\nn = 5\nreported apart",
        "Test\nn = 5", "Evaluated\nn = 5\nthe result",
    ]  # fmt: skip


def test_only_the_result_is_coloured():
    texts = [text for text in draw(SIMULATED, SETS).axes[0].texts if text.get_text()]
    coloured = [text.get_text() for text in texts if text.get_color() == cohort_flow.RESULT_COLOUR]
    assert coloured == ["Evaluated\nn = 5\nthe result"]


def test_excluded_subjects_and_those_without_pet_leave_at_the_side():
    cohort = cohort_flow.Cohort(listed=30, excluded=3, alone=7, simulated=2, given=True)
    assert words(draw(cohort, split_of(test=20), relative=4)) == [
        "In the subjects table\nn = 30", "Excluded by config\nn = 3",
        "Taking part\nn = 27", "Without PET\nn = 7 (P2P only)",
        "With SPECT and PET\nn = 20 (2 simulated)",
        "Test, model trained elsewhere\nn = 20",
        "Evaluated\nn = 20\n4 only relative\nthe result",
    ]  # fmt: skip


def test_in_cross_validation_everyone_is_a_test_subject():
    split = split_of(test=22).assign(fold=[k % 5 for k in range(22)])
    cohort = cohort_flow.Cohort(listed=22, excluded=0, alone=0, simulated=0, given=False)
    assert words(draw(cohort, split))[-2:] == [
        "Cross-validation, 5 folds; each\ntrains on 12 to 14,\nvalidates on 4 to 5,\n"
        "tests 4 to 5 subjects",
        "Evaluated\nn = 22\nthe result",
    ]


@pytest.mark.parametrize(
    ("cohort", "split"),
    [
        (SIMULATED, SETS),
        (cohort_flow.Cohort(3000, 500, 500, 2000, False),
         split_of(train=1200, validation=400, test=400)),
        (cohort_flow.Cohort(3000, 500, 500, 1999, True), split_of(test=2000)),
        (cohort_flow.Cohort(2000, 0, 0, 0, False),
         split_of(test=2000).assign(fold=[k % 13 for k in range(2000)])),
    ],
    ids=["small", "large", "given", "folds"],
)  # fmt: skip
def test_words_stay_within_their_boxes_and_boxes_apart(cohort, split, tmp_path):
    figure = draw(cohort, split, relative=len(split))
    style.save(figure, tmp_path / "flow.png")
    figure.draw_without_rendering()  # in the layout that was saved, at the figure's own size
    axes = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in axes.patches]
    texts = [text for text in axes.texts if text.get_text()]
    assert len(boxes) == len(texts)
    for box, text in zip(boxes, texts, strict=True):
        inside = text.get_window_extent()
        assert box.x0 < inside.x0 < inside.x1 < box.x1, text.get_text()
        assert box.y0 < inside.y0 < inside.y1 < box.y1, text.get_text()
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
    stamp = next(text for text in figure.texts if text.get_text() == RESEARCH_ONLY)
    assert stamp.get_window_extent().y1 < min(box.y0 for box in boxes)
