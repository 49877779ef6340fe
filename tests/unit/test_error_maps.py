"""Maps of error in MNI space, of people whose errors are known."""

import numpy as np
import pytest

from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate.evaluation import IMAGES
from spect2pet.figures import error_maps, style
from spect2pet.register import mni_space

SHAPE = mni_space.GRID.shape


def person(spect_error, p2p_error, scanned=None):
    """Someone whose images differ from PET by given amounts."""
    pet = np.full(SHAPE, 50.0)
    images = dict(zip(IMAGES, (pet + spect_error, pet + p2p_error, pet), strict=True))
    return images, np.ones(SHAPE, bool) if scanned is None else scanned


def lower_half():
    scanned = np.ones(SHAPE, bool)
    scanned[:, :, 20:] = False
    return scanned


def test_mean_and_spread_are_those_of_the_differences_in_the_brain():
    found = error_maps.map_errors([person(-4, 1), person(-6, 1), person(-11, 1)])
    assert list(found) == ["SPECT", "P2P"]
    brain = mni_space.template_brain()
    np.testing.assert_allclose(found["SPECT"].mean[brain], -7)
    np.testing.assert_allclose(found["SPECT"].sd[brain], np.sqrt(13))  # (9 + 1 + 16) / 2
    np.testing.assert_allclose(found["P2P"].sd[brain], 0)
    assert np.isnan(found["SPECT"].mean[~brain]).all()
    assert error_maps.typical(found["SPECT"].mean) == pytest.approx(7)
    assert found["SPECT"].subjects == 3


def test_places_that_few_were_scanned_in_are_left_out():
    brain = mni_space.template_brain()
    above, below = brain & ~lower_half(), brain & lower_half()
    part = lower_half()
    two_of_three = error_maps.map_errors([person(1, 0), person(5, 0), person(9, 0, part)])["SPECT"]
    np.testing.assert_allclose(two_of_three.mean[below], 5)
    np.testing.assert_allclose(two_of_three.mean[above], 3)
    one_of_three = error_maps.map_errors([person(1, 0), person(5, 0, part), person(9, 0, part)])
    assert np.isnan(one_of_three["SPECT"].mean[above]).all()
    np.testing.assert_allclose(one_of_three["SPECT"].mean[below], 5)


def test_the_errors_of_one_person_have_no_spread():
    found = error_maps.map_errors([person(-4, 2)])
    assert np.isnan(found["SPECT"].sd).all()
    figure = error_maps.draw_error_maps(found)
    names = [axes.get_ylabel() for axes in figure.axes if "PET\n" in axes.get_ylabel()]
    assert names == [
        "SPECT − PET\nmean, RMS 4.0", "P2P − PET\nmean, RMS 2.0",
        "SPECT − PET\nSD, not known", "P2P − PET\nSD, not known",
    ]  # fmt: skip


def test_all_rows_have_one_limit_and_zero_is_white():
    figure = error_maps.draw_error_maps(
        error_maps.map_errors([person(-4, 2), person(-12, 2), person(-5, 2)])
    )
    limits = {axes.images[0].get_clim() for axes in figure.axes if axes.images}
    assert limits == {(-8, 8), (0, 8)}  # the mean is −7
    shown = next(axes.images[0] for axes in figure.axes if axes.images)
    assert np.allclose(shown.cmap(0.5)[:3], 1, atol=0.04)
    labels = " ".join(axes.get_ylabel() for axes in figure.axes)
    assert labels.count("n = 3\nrelative CBF (whole-brain mean 50)") == 2


def test_slices_stand_at_their_height_with_the_left_on_the_right():
    """An error in the left of the head at z = 16 mm."""
    place = np.round(np.linalg.inv(mni_space.GRID.affine) @ [-40, -20, 16, 1])[:3].astype(int)
    error = np.zeros(SHAPE)
    error[tuple(place)] = 30
    figure = error_maps.draw_error_maps(error_maps.map_errors([person(error, 0)] * 2))
    figure.canvas.draw()
    first = figure.axes[: error_maps.SLICES]
    (k,) = [k for k, cell in enumerate(first) if np.nanmax(cell.images[0].get_array()) == 30]
    assert first[k].get_title() == "z = 16 mm"
    array = first[k].images[0].get_array().filled(0)
    row, column = np.unravel_index(np.argmax(array), array.shape)
    hot, middle = (
        first[k].transData.transform((x, row))[0] for x in (column, (array.shape[1] - 1) / 2)
    )
    assert hot > middle
    assert first[0].get_title().startswith("z = −")
    sides = {text.get_text(): text.get_position()[0] for text in first[0].texts}
    assert sides["R"] < 0.5 < sides["L"]


def test_saved_twice_is_the_same_and_research_only(tmp_path):
    draw = np.random.default_rng(1)
    maps = error_maps.map_errors([person(*draw.normal(0, 5, (2, *SHAPE))) for _ in range(3)])
    for name in ("one", "two"):
        style.save(error_maps.draw_error_maps(maps), tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert RESEARCH_ONLY in (tmp_path / "one.svg").read_text()
