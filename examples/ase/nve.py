# SPDX-License-Identifier: LGPL-3.0-or-later
"""Molecular dynamics at constant energy, and how constant it is: python nve.py MODEL"""

import numpy as np
from ase import units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from water import parse, water


def main(argv=None):
    """Run, and return the total energies in eV/atom."""
    args = parse("molecular dynamics at constant energy", 2000, argv)
    atoms = water(args.model)
    MaxwellBoltzmannDistribution(atoms, temperature_K=330, rng=np.random.RandomState(1))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, timestep=0.25 * units.fs)
    energies = []

    def note():
        energies.append(atoms.get_total_energy() / len(atoms))
        print(f"{dynamics.nsteps:6d}  {energies[-1]:14.8f} eV/atom  {atoms.get_temperature():6.1f} K")

    dynamics.attach(note, interval=max(1, args.steps // 20))
    dynamics.run(args.steps)
    print(f"the total energy stays within {1000 * np.ptp(energies):.4f} meV/atom")
    return energies


if __name__ == "__main__":
    main()
