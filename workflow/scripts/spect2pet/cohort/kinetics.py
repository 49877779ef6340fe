"""Uptake of IMP in brain tissue, and the autoradiographic method that turns it into CBF.

One-tissue compartment model (Iida 1994, Eur J Nucl Med 21:1072):

    C(T) = K1 ∫ Ca(t) exp(-K1/Vd (T - t)) dt,   K1 = F (1 - exp(-PS/F))

with arterial input Ca, flow F, distribution volume Vd and permeability-surface product PS
(Renkin-Crone).  The autoradiographic method inverts it with one fixed Vd and complete
extraction, so what it reports bends away from the truth as flow rises.
"""

from functools import cache

import numpy as np

from spect2pet.cohort import physics

#: Time step of the integrals, minutes.
STEP_MIN = 0.05


def concentration(flow: np.ndarray, volume: np.ndarray | float) -> np.ndarray:
    """Tissue concentration of IMP at the mid-time of the scan.

    Args:
        flow: CBF in mL/100 g/min, any shape, not negative.
        volume: distribution volume in mL/mL, of a shape that broadcasts with ``flow``.

    Returns:
        Concentration relative to the integral of the arterial input, in mL/mL, shape of
        the broadcast.
    """
    extracted = flow * -np.expm1(-physics.IMP_PERMEABILITY / np.maximum(flow, 1e-6))
    uptake = extracted * physics.TISSUE_DENSITY / 100
    return uptake * _retained(uptake / volume)


def measured_flow(tissue: np.ndarray, fixed_volume: float, highest: float) -> np.ndarray:
    """CBF by the autoradiographic method: a table of concentration against flow, inverted.

    Args:
        tissue: concentration as `concentration` gives it, any shape.
        fixed_volume: distribution volume that the method takes for granted, mL/mL.
        highest: last flow of the table, mL/100 g/min; higher concentrations get it.

    Returns:
        CBF in mL/100 g/min, shape of ``tissue``; 0 for concentrations not above 0.
    """
    flow = np.linspace(0, highest, 1001)
    uptake = flow * physics.TISSUE_DENSITY / 100
    return np.interp(tissue, uptake * _retained(uptake / fixed_volume), flow)


def _retained(rate: np.ndarray) -> np.ndarray:
    """∫ Ca(t) exp(-rate (T - t)) dt / ∫ Ca(t) dt for washout rates in 1/min."""
    grid, values = _retention_table()
    return np.interp(rate, grid, values)


@cache
def _retention_table() -> tuple[np.ndarray, np.ndarray]:
    """The integral of `_retained` on a grid of rates."""
    time = np.arange(0, physics.SCAN_MIDTIME_MIN, STEP_MIN)
    response = sum(share * np.exp(-time / decay) for share, decay in physics.INPUT_TERMS)
    infusion = (time < physics.INPUT_INFUSION_MIN).astype(float)
    arterial = np.convolve(response, infusion)[: time.size]
    rates = np.linspace(0, 0.2, 401)
    washout = np.exp(-rates[:, None] * (physics.SCAN_MIDTIME_MIN - time))
    return rates, washout @ arterial / arterial.sum()
