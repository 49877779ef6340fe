"""Anatomy, true flow and deficits."""

import numpy as np
import pytest
from scipy import ndimage

from cohort_settings import default_settings
from spect2pet.cohort import cohort, phantom, physics
from spect2pet.cohort.anatomy import load_template

SETTINGS = default_settings()


def person(deficits=(), diaschisis=None, flow=1.0, seed=11):
    return cohort.Participant(
        subject="001",
        seed=seed,
        group="patient",
        scanner="mCT",
        age=60,
        sex="F",
        flow=flow,
        deficits=tuple(deficits),
        diaschisis=diaschisis,
        spect_scale=1.0,
        pet_scale=1.0,
    )


@pytest.fixture(scope="module")
def template():
    return load_template()


@pytest.fixture(scope="module")
def x(template):
    """Left-right coordinate in mm, positive to the right, along the first axis."""
    return template.affine[0, 3] + template.affine[0, 0] * np.arange(template.grey.shape[0])


def left_share(volume, x):
    profile = volume.sum(axis=(1, 2))
    return profile[x < 0].sum() / profile.sum()


def test_left_and_right_differ_little_in_health(template):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        variation = phantom.regional_variation(template.grey.shape, rng, 0.06)
        ratio = variation / variation[::-1]
        assert 0.003 < np.abs(np.log(ratio)).max() < np.log1p(physics.NORMAL_ASYMMETRY)


def test_flow_has_the_levels_of_the_settings(template):
    flow, deficit = phantom.paint_flow(template, person(flow=1.2), SETTINGS)
    assert deficit.max() == 0
    cortex = template.labelled(["Frontal", "Parietal"]) & (template.grey > 0.97)
    white = ndimage.binary_erosion(template.white > 0.99, iterations=2)
    assert flow[cortex].mean() == pytest.approx(1.2 * SETTINGS["flow"]["grey"], rel=0.08)
    assert flow[white].mean() == pytest.approx(1.2 * SETTINGS["flow"]["white"], rel=0.08)
    assert flow.min() >= 0


@pytest.mark.parametrize("territory", list(physics.TERRITORY_SHARE))
@pytest.mark.parametrize("side", cohort.SIDES)
def test_deficit_stays_on_its_side_and_in_its_depth(template, x, territory, side):
    deficit = cohort.Deficit(territory, side, "severe", 0.4, 60.0)
    lost = phantom.deficit_map(template, person([deficit]))
    share = left_share(lost, x)
    assert (share if side == "L" else 1 - share) > 0.93
    assert 0.3 < lost.max() <= 0.4 + 1e-6
    assert lost.min() > -1e-6
    assert lost[template.labelled(["Cerebelum_Crus2", "Cerebelum_8"])].mean() < 0.01


def test_territories_lie_where_anatomy_has_them(template, x):
    shares = {
        name: phantom.territory_share(template, name, "L") for name in physics.TERRITORY_SHARE
    }
    inside = {"ACA": "Cingulate_Ant", "MCA": "Insula", "PCA": "Calcarine"}
    for name, region in inside.items():
        mask = template.labelled([region], "L") & (x < 0)[:, None, None]
        assert shares[name][mask].mean() > 0.75
        assert all(shares[other][mask].mean() < 0.3 for other in inside if other != name)
    insula = template.labelled(["Insula"], "L")
    border = (shares["ACA"] > 0.3) & (shares["MCA"] > 0.3)
    assert shares["watershed"][border].mean() > 0.5
    assert shares["watershed"][insula].mean() < 0.1


def test_diaschisis_lowers_the_opposite_cerebellum(template):
    lost = phantom.deficit_map(
        template,
        person([cohort.Deficit("MCA", "L", "severe", 0.4, 60.0)], cohort.Diaschisis("R", 0.1)),
    )
    right, left = (lost[template.labelled(["Cerebelum_Crus1"], side)].mean() for side in "RL")
    assert 0.07 < right <= 0.1
    assert left < 0.01


def test_head_fits_together_and_repeats(template, x):
    someone = person([cohort.Deficit("MCA", "R", "severe", 0.45, 60.0)])
    head = phantom.make_head(someone, SETTINGS)
    assert head.cbf.dtype == np.float32
    assert (head.water[head.brain > 0.5] > 0.99).all()
    assert left_share(head.deficit, x) < 0.07
    brain = head.brain > 0.5
    assert 30 < head.cbf[brain].mean() < 55
    outside = head.water < 0.01
    assert head.cbf[outside].max() < 0.1
    again = phantom.make_head(someone, SETTINGS)
    np.testing.assert_array_equal(head.cbf, again.cbf)
    another = phantom.make_head(person(seed=12), SETTINGS)
    assert np.abs(another.brain - head.brain).mean() > 0.005
