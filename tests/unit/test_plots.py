"""What the figures show, drawn from small tables and images."""

import numpy as np
import pandas as pd
import pytest

from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate import evaluation, study
from spect2pet.figures import examples, plots, style

SPLIT = {"a": "train", "b": "train", "c": "validation", "d": "test", "e": "test", "f": "test"}
GAINS = {"a": 0.03, "b": 0.04, "c": 0.05, "d": 0.09, "e": 0.02, "f": 0.06}


@pytest.fixture
def similarity():
    tables = []
    for subject, gain in GAINS.items():
        rows = pd.DataFrame({"subject": subject, "image": ["SPECT", "P2P"], "relative": False})
        for measure in evaluation.MEASURES:
            rows[measure] = [0.8, 0.8 + gain]
        tables.append(rows)
    return study.with_sets(pd.concat(tables), SPLIT)


def regions(relative=False):
    draw = np.random.default_rng(3)
    tables = []
    for subject in SPLIT:
        pet = draw.uniform(20, 60, 13)
        tables.append(
            pd.DataFrame(
                {
                    "subject": subject,
                    "atlas": ["lobe"] * 12 + [evaluation.BRAIN],
                    "spect": 10 + pet / 2 + draw.normal(0, 2, 13),
                    "p2p": 5 + 0.8 * pet,
                    "pet": pet,
                    "relative": relative,
                }
            )
        )
    return study.with_sets(pd.concat(tables), SPLIT)


def texts(axes):
    return "\n".join(text.get_text() for text in axes.texts)


# --- Example slices -------------------------------------------------------------


def test_examples_run_from_the_smallest_to_the_largest_gain(similarity):
    assert examples.pick_examples(similarity, 3) == ["e", "f", "d"]
    assert examples.pick_examples(similarity, 2) == ["e", "d"]
    assert examples.pick_examples(similarity, 1) == ["f"]
    assert examples.pick_examples(similarity, 8) == ["e", "f", "d"], "no more than there are"


@pytest.fixture
def example(similarity):
    """A subject whose PET has a hot spot in the patient's left, in the slice with most brain."""
    mask = np.zeros((40, 44, 12))
    mask[8:32, 6:38, 3:9] = 1
    mask[4:36, 6:38, 5] = 1
    pet = 40 * mask
    pet[8, 20, 5] = 79  # low x is left in RAS+
    images = {"SPECT": pet - 10 * mask, "P2P": pet + 5 * mask, "PET": pet}
    return examples.example_of("e", images, mask, similarity)


def test_the_slice_with_most_brain_is_shown(example):
    assert example.planes["PET"][8, 20] == 79
    assert example.ssim == {"SPECT": 0.8, "P2P": pytest.approx(0.82)}


def test_left_is_on_the_right_and_says_so(example):
    figure = examples.draw_examples([example], 30)
    figure.canvas.draw()
    axes = figure.axes[2]
    array = axes.images[0].get_array()
    row, column = np.unravel_index(np.argmax(array), array.shape)
    hot, middle = (axes.transData.transform((x, row))[0] for x in (column, array.shape[1] / 2))
    assert hot > middle
    sides = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert sides["R"] < 0.5 < sides["L"]


def test_differences_are_from_pet(example):
    figure = examples.draw_examples([example], 30)
    spect_difference, p2p_difference = (figure.axes[k].images[0] for k in (3, 4))
    inside = example.brain[examples.boxes_around([example.brain])[0]].T
    np.testing.assert_allclose(spect_difference.get_array()[inside], -10)
    np.testing.assert_allclose(p2p_difference.get_array()[inside], 5)
    assert spect_difference.get_clim() == p2p_difference.get_clim() == (-30, 30)


def test_all_images_share_one_window(example):
    figure = examples.draw_examples([example, example], 30)
    windows = {figure.axes[k].images[0].get_clim() for k in (0, 1, 2, 5, 6, 7)}
    assert len(windows) == 1


def test_relative_images_are_marked(example, similarity):
    mask = np.ones((20, 20, 3))
    images = {name: 10 * mask for name in ("SPECT", "P2P", "PET")}
    relative = examples.example_of("d", images, mask, similarity, relative=True)
    assert relative.planes["PET"].mean() == pytest.approx(50)
    figure = examples.draw_examples([relative], 30, relative=True)
    assert any("relative CBF" in axes.get_xlabel() for axes in figure.axes)


def test_boxes_have_one_size_and_hold_the_brains():
    brains = [np.zeros((60, 70), bool) for _ in range(2)]
    brains[0][2:30, 20:60] = True
    brains[1][30:58, 10:30] = True
    boxes = examples.boxes_around(brains)
    assert {brain[box].shape for brain, box in zip(brains, boxes, strict=True)} == {(36, 48)}
    assert [brain[box].sum() for brain, box in zip(brains, boxes, strict=True)] == [
        brain.sum() for brain in brains
    ]


# --- Similarity -----------------------------------------------------------------


def test_every_set_has_its_own_panel_with_its_number(similarity):
    figure = plots.draw_similarity(similarity, study.compare_similarity(similarity))
    assert [axes.get_title() for axes in figure.axes] == [
        "test\nn = 3", "validation\nn = 1", "train\nn = 2",
    ]  # fmt: skip
    test = figure.axes[0]
    pairs = [line.get_ydata() for line in test.lines if list(line.get_xdata()) == [0, 1]]
    gains = sorted(pair[1] - pair[0] for pair in pairs if pair[0] != pair[1])
    assert gains == pytest.approx([0.02, 0.06, 0.09])
    assert "gain +0.057" in test.get_xlabel()
    # One subject has no test, and no p value is made up for it.
    assert "p" not in figure.axes[1].get_xlabel()


def test_relative_similarity_is_marked(similarity):
    tests = study.compare_similarity(similarity)
    assert "relative" not in plots.draw_similarity(similarity, tests).axes[0].get_ylabel()
    some = similarity.assign(relative=similarity["subject"] == "a")
    assert "partly relative" in plots.draw_similarity(some, tests).axes[0].get_ylabel()


# --- Regression -----------------------------------------------------------------


def test_panels_state_the_lines_of_the_table():
    table = study.regress_regions(regions())
    figure = plots.draw_regression(regions(), table, "lobe")
    axes = [axes for part in figure.subfigs for axes in part.axes]
    line = table.set_index(["set", "scale", "y", "x"]).loc[("test", "absolute", "SPECT", "PET")]
    assert f"{line['slope']:.2f} x" in texts(axes[0])
    assert "n = 36 (3 subjects)" in texts(axes[0])
    assert "y = 5.0 + 0.80 x\nr = 1.00, p < 0.001" in texts(axes[1])
    points = axes[0].lines[1]
    assert len(points.get_xdata()) == 36, "points of test subjects only, without the whole brain"
    assert [(a.get_ylabel(), a.get_xlabel()) for a in axes[:3]] == [
        ("SPECT", "PET"), ("P2P", "PET"), ("P2P", "SPECT"),
    ]  # fmt: skip
    assert [part.get_suptitle() for part in figure.subfigs] == [
        "absolute CBF (mL/100 g/min)", "relative CBF (whole-brain mean 50)",
    ]  # fmt: skip


def test_images_known_only_relative_have_no_absolute_panel_line():
    only = regions(relative=True)
    figure = plots.draw_regression(only, study.regress_regions(only), "lobe")
    axes = [axes for part in figure.subfigs for axes in part.axes]
    assert "n = 0: no line" in texts(axes[0])
    assert "n = 36" in texts(axes[3])


# --- Training -------------------------------------------------------------------


def history(epochs, gan=True):
    epoch = np.arange(1, epochs + 1)
    loss = 1 / epoch if gan else np.zeros(epochs)
    return pd.DataFrame(
        {
            "epoch": epoch, "learning_rate": 2e-4, "discriminator_loss": loss, "gan_loss": loss,
            "l1": 5 / epoch, "generator_loss": 6 / epoch, "validation_l1": 6 / epoch,
            "validation_ssim": 1 - 0.2 / epoch,
        }
    )  # fmt: skip


def test_training_shows_every_curve():
    figure = plots.draw_training([history(20)])
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 1]


def test_training_has_a_line_a_network_and_each_name_once():
    figure = plots.draw_training([history(20), history(12), history(20)])
    assert [len(axes.lines) for axes in figure.axes] == [6, 6, 3]
    assert {axes.get_xlim() for axes in figure.axes} == {(0, 20)}
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "training, whole slices", "validation, brain",
    ]  # fmt: skip
    assert legend.get_title().get_text() == "3 networks"
    one = plots.draw_training([history(20)]).axes[0]
    assert one.get_legend().get_title().get_text() == ""
    assert one.lines[0].get_linewidth() > figure.axes[0].lines[0].get_linewidth()


def test_training_without_a_discriminator_shows_the_loss_of_the_generator():
    figure = plots.draw_training([history(20, gan=False)])
    assert figure.axes[1].get_ylabel() == "loss, no adversarial part"
    (line,) = figure.axes[1].lines
    assert line.get_ydata()[0] == 6


def test_one_epoch_is_seen_as_a_point():
    figure = plots.draw_training([history(1)])
    assert figure.axes[2].lines[0].get_marker() == "o"


# --- All ------------------------------------------------------------------------


def test_saved_twice_is_the_same_and_research_only(tmp_path):
    for name in ("one", "two"):
        style.save(
            plots.draw_training([history(5)]), *(tmp_path / f"{name}.{k}" for k in ("png", "svg"))
        )
    for kind in ("png", "svg"):
        one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert RESEARCH_ONLY in (tmp_path / "one.svg").read_text()


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "p < 0.001"), (0.0625, "p = 0.062"), (0.03, "p = 0.03")]
)
def test_p_values_as_papers_state_them(p, text):
    assert style.p_value(p) == text


def test_signs_are_true_minus_signs():
    assert style.signed(-0.5, 1, spaced=True) == "− 0.5"
    assert style.signed(0.057, 3) == "+0.057"


@pytest.mark.parametrize("value", [0.0, 0.0004, -0.0004])
def test_what_rounds_to_nothing_has_no_sign_but_as_a_term_of_a_sum(value):
    assert style.signed(value, 3) == "0.000"
    assert style.signed(value, 3, spaced=True) == "+ 0.000"
