"""Curves of agreement from coarse to fine, of images whose curves are known."""

import numpy as np
import pytest

from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.figures import resolution_figure, style
from spect2pet.figures.resolution_figure import (
    CEILING,
    Detail,
    detail_of,
    draw_resolution,
    frequencies,
)

VOXEL = 2.0


@pytest.fixture(scope="module")
def noisy():
    """A smooth image, the same with white noise, and what their correlation must be."""
    draw = np.random.default_rng(4)
    spectrum = np.fft.fftn(draw.normal(size=(64, 64, 64)))
    along = np.fft.fftfreq(64, VOXEL)
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(along, along, along)))
    pet = np.fft.ifftn(spectrum * np.exp(-((radius / 0.06) ** 2))).real
    image = pet + 0.2 * draw.normal(size=pet.shape)
    signal = np.exp(-((frequencies(VOXEL) / 0.06) ** 2))
    return image, pet, signal / np.sqrt(signal**2 + 0.2**2)


def test_the_curve_is_that_of_a_known_signal_in_known_noise(noisy):
    image, pet, expected = noisy
    found = detail_of(image, pet, np.ones(pet.shape), VOXEL)
    middle = (frequencies(VOXEL) > 0.02) & (frequencies(VOXEL) < 0.12)
    np.testing.assert_allclose(found.curve[middle], expected[middle], atol=0.06)
    # It is 1/2 where the signal is noise / √3.
    resolution = 1 / (0.06 * np.sqrt(np.log(np.sqrt(3) / 0.2)))
    assert found.resolution_mm == pytest.approx(resolution, rel=0.06)


def test_frequencies_end_at_a_wavelength_of_two_voxels():
    assert frequencies(VOXEL)[-1] == pytest.approx(1 / 4)
    assert frequencies(3.0)[-1] == pytest.approx(1 / 6)


def details(levels, resolutions):
    flat = np.ones(resolution_figure.POINTS)
    return [Detail(level * flat, mm) for level, mm in zip(levels, resolutions, strict=True)]


def test_means_bands_and_dots_are_those_of_the_subjects():
    figure = draw_resolution(
        {"SPECT": details([0.2, 0.4, 0.6], [10, 12, 14]), "P2P": details([0.9] * 3, [8] * 3)}, VOXEL
    )
    axes = figure.axes[0]
    curves = {line.get_label(): line for line in axes.lines if "mm" in line.get_label()}
    assert list(curves) == ["SPECT 12.0 ± 2.0 mm", "P2P 8.0 ± 0.0 mm"]
    assert curves["SPECT 12.0 ± 2.0 mm"].get_ydata() == pytest.approx(0.4)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.2, 0.6))
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert dots[0].get_xdata() == pytest.approx([1 / 10, 1 / 12, 1 / 14])
    assert dots[0].get_ydata() == pytest.approx(0.5)
    assert axes.get_legend().get_title().get_text() == "resolution, n = 3"


def test_the_upper_edge_tells_wavelengths():
    figure = draw_resolution({"SPECT": details([0.5], [9]), "P2P": details([0.5], [9])}, VOXEL)
    (top,) = figure.axes[0].child_axes
    wavelengths = [40, 20, 12, 8, 6, 5, 4]
    assert top.get_xticks() == pytest.approx([1 / mm for mm in wavelengths])
    assert [int(text.get_text()) for text in top.get_xticklabels()] == wavelengths


def test_one_subject_has_no_band_and_no_spread():
    figure = draw_resolution({"SPECT": details([0.5], [9]), "P2P": details([0.6], [8])}, VOXEL)
    assert not figure.axes[0].collections
    assert "SPECT 9.0 mm" in [line.get_label() for line in figure.axes[0].lines]


def test_the_ceiling_is_drawn_where_it_is_known(tmp_path):
    own = {name: details([0.5, 0.7], [9, 10]) for name in ("SPECT", "P2P", CEILING)}
    figure = draw_resolution(own, VOXEL)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert [label.split()[0] for label in labels] == ["SPECT", "P2P", "ceiling"]
    for name in ("one", "two"):
        style.save(draw_resolution(own, VOXEL), tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert RESEARCH_ONLY in (tmp_path / "one.svg").read_text()
