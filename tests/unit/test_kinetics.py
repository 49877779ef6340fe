"""Uptake of IMP and the autoradiographic method."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from spect2pet.cohort import kinetics, physics

FLOWS = np.array([5.0, 20, 40, 60, 80])


def arterial(time):
    """The input of `kinetics`: an exponential sum after a constant infusion, in closed form."""
    end = physics.INPUT_INFUSION_MIN
    return sum(
        share * decay * (np.exp(-max(time - end, 0) / decay) - np.exp(-time / decay))
        for share, decay in physics.INPUT_TERMS
    )


@pytest.mark.parametrize("flow", [10.0, 50.0, 90.0])
def test_concentration_solves_the_one_tissue_differential_equation(flow):
    volume = 45.0
    uptake = flow * (1 - np.exp(-physics.IMP_PERMEABILITY / flow)) * physics.TISSUE_DENSITY / 100

    def change(time, state):
        return [uptake * arterial(time) - uptake / volume * state[0], arterial(time)]

    end = physics.SCAN_MIDTIME_MIN
    tissue, dose = solve_ivp(change, (0, end), [0, 0], rtol=1e-8, max_step=0.5).y[:, -1]
    found = kinetics.concentration(np.array(flow), volume)
    assert found == pytest.approx(tissue / dose, rel=0.01)


def test_method_is_exact_for_complete_extraction_and_the_right_volume(monkeypatch):
    monkeypatch.setattr(physics, "IMP_PERMEABILITY", 1e6)
    measured = kinetics.measured_flow(kinetics.concentration(FLOWS, 30.0), 30.0, 150.0)
    np.testing.assert_allclose(measured, FLOWS, rtol=1e-3)


def test_too_small_a_volume_overestimates_and_incomplete_extraction_flattens(monkeypatch):
    low_volume = kinetics.measured_flow(kinetics.concentration(FLOWS, 45.0), 30.0, 150.0)
    true_volume = kinetics.measured_flow(kinetics.concentration(FLOWS, 45.0), 45.0, 150.0)
    assert (low_volume > true_volume).all()
    ratio = true_volume / FLOWS
    assert (np.diff(ratio) < 0).all()
    assert ratio[0] == pytest.approx(1, abs=0.02)
    monkeypatch.setattr(physics, "IMP_PERMEABILITY", 1e6)
    steep = kinetics.measured_flow(kinetics.concentration(FLOWS, 45.0), 30.0, 150.0)
    assert (np.diff(steep / FLOWS) > 0).all()


def test_no_flow_takes_up_nothing_and_the_table_ends():
    assert kinetics.concentration(np.zeros(2), 45.0).tolist() == [0, 0]
    measured = kinetics.measured_flow(np.array([-1.0, 0.0, 1e6]), 30.0, 150.0)
    assert measured.tolist() == [0, 0, 150]
