# SPDX-License-Identifier: LGPL-3.0-or-later
"""The reciprocal Ewald sum of the core against a direct sum over waves, and against what charges must feel."""

from __future__ import annotations

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import TRICLINIC, assert_close, assert_zero, difference

COULOMB = 14.39964535475696995031
CELLS = {
    "triclinic": np.array(TRICLINIC),
    "long": np.diag([3.1, 9.4, 4.2]),
    "left-handed": np.array(TRICLINIC)[[1, 0, 2]],
}


def direct_sum(position, charge, cell, h, beta):
    """Energy, force [n, 3], virial [9]: every wave by itself, from the formula."""
    h, beta = float(np.float32(h)), float(np.float32(beta))
    energy, force, virial = 0.0, np.zeros((len(charge), 3)), np.zeros((3, 3))
    halves = []
    for row in cell:
        steps = int(np.ceil(np.linalg.norm(row) / h))
        halves.append((steps + steps % 2) // 2)
    reciprocal = np.linalg.inv(cell).T
    for m in np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in halves], indexing="ij"), -1).reshape(-1, 3):
        if not m.any():
            continue
        k = m @ reciprocal
        k2 = k @ k
        phase = np.exp(2j * np.pi * position @ k)
        factor, total = np.exp(-(np.pi**2) * k2 / beta**2) / k2, charge @ phase
        energy += factor * abs(total) ** 2
        bracket = phase.imag * total.real - phase.real * total.imag
        force += 4 * np.pi * factor * (charge * bracket)[:, None] * k
        stretch = np.eye(3) - 2 * (1 + np.pi**2 * k2 / beta**2) / k2 * np.outer(k, k)
        virial += factor * abs(total) ** 2 * stretch
    scale = COULOMB / (2 * np.pi * abs(np.linalg.det(cell)))
    return scale * energy, scale * force, scale * virial.reshape(9)


def sites(cell, n=9, seed=0, n_frames=1):
    rng = np.random.default_rng([31, seed])
    return rng.uniform(-1.0, 2.0, (n_frames, n, 3)) @ cell, rng.normal(size=(n_frames, n))


def ewald(position, charge, cell, h=0.9, beta=0.7):
    position, charge = np.atleast_3d(position), np.atleast_2d(charge)
    box = np.broadcast_to(np.asarray(cell), (len(charge), 3, 3)).reshape(-1, 9)
    return core.ewald_recp(position.reshape(len(charge), -1), charge, box, h, beta)


@pytest.mark.parametrize("h", [0.5, 1.0, 40.0])
@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_every_wave_counts(cell, h):
    position, charge = sites(cell)
    found = ewald(position, charge, cell, h)
    energy, force, virial = direct_sum(position[0], charge[0], cell, h, 0.7)
    assert energy > 1e-3
    assert_close(found["energy"], np.array([energy]), "geometry")
    assert_close(found["force"][0], force, "geometry")
    assert_close(found["virial"][0], virial, "geometry")


def test_more_sites_than_are_worked_on_together_and_several_frames():
    cell = 3.0 * np.array(TRICLINIC)
    position, charge = sites(cell, n=150, n_frames=2)
    found = ewald(position, charge, cell, 1.3)
    for frame in range(2):
        energy, force, virial = direct_sum(position[frame], charge[frame], cell, 1.3, 0.7)
        assert_close(found["energy"][frame : frame + 1], np.array([energy]), "geometry")
        assert_close(found["force"][frame], force, "geometry")
        assert_close(found["virial"][frame], virial, "geometry")


def test_forces_and_virial_are_derivatives():
    cell = CELLS["triclinic"]
    position, charge = sites(cell, n=4)
    found = ewald(position, charge, cell)

    def energy(moved, strained=cell):
        return ewald(moved, charge, strained)["energy"][0]

    def moved_by(i, a, t):
        x = position.copy()
        x[0, i, a] += t
        return x

    expected = [
        [-difference(lambda t, i=i, a=a: energy(moved_by(i, a, t))) for a in range(3)] for i in range(4)
    ]
    assert_close(found["force"][0], np.array(expected), "force")

    def strained(a, b, t):
        strain = np.eye(3)
        strain[a, b] += t
        return energy(position @ strain.T, cell @ strain.T)

    expected = [-difference(lambda t, a=a, b=b: strained(a, b, t)) for a in range(3) for b in range(3)]
    assert_close(found["virial"][0], np.array(expected), "force")


def test_images_and_shifts_do_not_matter():
    cell = CELLS["triclinic"]
    position, charge = sites(cell)
    found = ewald(position, charge, cell)
    moved = position + 0.37 + np.array([3.0, -2.0, 1.0]) @ cell
    other = ewald(moved, charge, cell)
    for key in found:
        assert_close(other[key], found[key], "geometry", key)
    assert_zero(found["force"].sum(axis=1), np.abs(found["force"]).sum(), "geometry")


def test_with_the_real_part_it_is_the_madelung_energy_of_rock_salt():
    """The whole Ewald sum, with real and self terms: -1.747565 e^2/a per ion pair."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    charge = np.where(grid.sum(axis=1) % 2 == 0, 1.0, -1.0)
    cell, beta = 4.0 * np.eye(3), 1.6
    reciprocal = ewald(grid[None], charge[None], cell, 0.25, beta)["energy"][0]
    # with this convention exp(-pi^2 k^2/beta^2) belongs to erfc(beta r)
    from math import erfc

    shifts = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    r = np.linalg.norm(grid[None, :, None] + shifts - grid[:, None, None], axis=-1)
    pairs = charge[:, None, None] * charge[None, :, None] * np.ones(len(shifts))
    apart = r > 1e-9
    real = 0.5 * sum(q * erfc(beta * d) / d for q, d in zip(pairs[apart], r[apart]))
    itself = -beta / np.sqrt(np.pi) * np.sum(charge**2)
    total = reciprocal + COULOMB * (real + itself)
    assert total / (32 * COULOMB) == pytest.approx(-1.74756459463, rel=1e-7)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"h": 0.0}, "ewald_h: expected a distance > 0"),
        ({"beta": -1.0}, "ewald_beta: expected a number > 0"),
        ({"h": 1e-4}, "frame 0: .*more than 50000000 waves; take a larger ewald_h"),
        ({"cell": np.zeros((3, 3))}, "frame 0: .*the cell has no volume"),
        ({"position": np.full((1, 2, 3), np.nan)}, "coord: frame 0, value 0 is not finite"),
        ({"charge": np.ones((1, 3))}, "coord: expected"),
    ],
)
def test_what_cannot_be_summed_is_refused(changes, text):
    given = {"position": np.zeros((1, 2, 3)), "charge": np.ones((1, 2)), "cell": np.eye(3)}
    with pytest.raises(core.Error, match=text):
        ewald(**{**given, **changes})
