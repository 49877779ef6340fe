"""Pictures show left and right as they say, and are the same bytes every time."""

import numpy as np
import pytest
from matplotlib.image import imread

from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.figures import pictures


def left_spot():
    """A slice with a bright spot on the patient's left (low x in RAS+), in front."""
    plane = np.zeros((40, 50), np.float32)
    plane[4:10, 40:46] = 80
    return plane


def one_slice():
    figure = pictures.new_figure(4, 5)
    axes = figure.subplots()
    pictures.show_slice(axes, left_spot(), colours="gray")
    return figure, axes


def test_patients_left_is_on_the_right_and_front_is_up(tmp_path):
    figure, _ = one_slice()
    pictures.save_figure(figure, tmp_path / "one.png")
    shown = imread(tmp_path / "one.png")[..., :3].mean(axis=2)
    inside = np.argwhere(shown < 0.01)
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0)
    picture = shown[top : bottom + 1, left : right + 1]
    rows, columns = np.nonzero(picture > 0.99)
    assert rows.mean() < 0.3 * picture.shape[0]
    assert columns.mean() > 0.7 * picture.shape[1]


def test_side_letters_stand_on_their_sides():
    _figure, axes = one_slice()
    pictures.mark_sides(axes)
    at = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert at["R"] < 0.5 < at["L"]
    # Axes coordinate 1 (right edge) is voxel 0, the patient's left.
    assert axes.get_xlim() == (39.5, -0.5)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_same_figure_same_bytes_without_dates(tmp_path, suffix):
    rng = np.random.default_rng(1)
    kept, seen = [], set()
    for _ in range(6):
        kept.append([object() for _ in range(rng.integers(10_000))])  # other memory addresses
        figure, axes = pictures.draw_rows(
            {"SPECT": [left_spot()] * 3, "PET": [left_spot()] * 3}, title="Title"
        )
        axes[0, 0].contour(left_spot().T, [40])
        pictures.save_figure(figure, tmp_path / f"one.{suffix}")
        seen.add((tmp_path / f"one.{suffix}").read_bytes())
    assert len(seen) == 1
    assert b"dc:date" not in seen.pop()
    assert not list(tmp_path.glob(".partial*"))


def test_every_picture_says_research_only_once(tmp_path):
    figure, _ = one_slice()
    pictures.save_figure(figure, tmp_path / "one.svg", tmp_path / "one.png")
    pictures.save_figure(figure, tmp_path / "again.svg")
    assert (tmp_path / "one.svg").read_text().count(RESEARCH_ONLY) == 1
    assert (tmp_path / "again.svg").read_text().count(RESEARCH_ONLY) == 1
    assert (tmp_path / "one.png").exists()


def test_slices_are_picked_inside_the_mask():
    mask = np.zeros((5, 5, 60), bool)
    mask[2, 2, 10:51] = True
    assert pictures.pick_slices(mask, 5) == [14, 22, 30, 38, 46]


def test_rows_share_one_window():
    figure, axes = pictures.draw_rows({"a": [left_spot()], "b": [left_spot() * 2]}, window=(0, 50))
    assert all(cell.images[0].get_clim() == (0, 50) for cell in axes.ravel())
    assert "CBF (mL/100 g/min)" in [axis.get_ylabel() for axis in figure.axes]


def test_relative_images_say_so():
    assert "relative" in pictures.cbf_label(relative=True)
    assert "relative" not in pictures.cbf_label()
