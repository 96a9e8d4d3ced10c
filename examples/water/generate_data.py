#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Make the liquid-water data set of this example with GFN1-xTB (tblite + ASE).

What it does
    Six independent periodic boxes of 16 H2O at 0.997 g/cm3 are prepared (random
    orientations on a grid), run by Langevin dynamics at 400 K until the energy has
    settled, then sampled at 400, 350 and 300 K. Snapshots are modified (a third kept as
    they are, a third strained, a third strained and rattled) so that forces far from
    the minimum and the virial are learnable, then labelled. Whole trajectories, never
    single frames of one trajectory, are given to the training (4), validation (1) and
    test (1) system: the three have no ancestor in common.

Output: systems in deepmd/npy layout, `train`, `valid` and `test` below --out, each with
    type.raw, type_map.raw   atoms in the order O H H, O H H, ...; names O H
    set.000/coord.npy        [n_frames, 48*3] float32, A, wrapped into the cell
    set.000/box.npy          [n_frames, 9]    float32, A, rows are the cell vectors
    set.000/energy.npy       [n_frames]       float64, eV (total xTB energy)
    set.000/force.npy        [n_frames, 48*3] float32, eV/A
    set.000/virial.npy       [n_frames, 9]    float32, eV, row-major, -dE/d(strain),
                                              that is -volume * stress with ASE's sign
Coordinates and cell are rounded to float32 *before* the labels are computed, so labels
belong exactly to the stored numbers.

The dynamics gives hydrogen a mass of 8 u, which allows a 2 fs step. Averages of positions
in classical statistics do not depend on the masses; velocities are not stored.

Cost: about 15 minutes of one core. Seeds are fixed; a trajectory is chaotic, so another
machine gives other frames of the same distribution.

    pip install ase tblite
    python generate_data.py --out my_data      # make a new data set
    python generate_data.py --check            # finite differences on the committed data
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # 48 atoms: more threads do not help

import numpy as np

HERE = Path(__file__).resolve().parent

N_MOLECULES = 16
DENSITY = 0.99707  # g/cm3, water at 298 K
WATER_MASS = 18.015  # u
GRAM_PER_CM3 = 0.602214  # u/A^3
HYDROGEN_MASS = 8.0  # u, dynamics only
TIME_STEP = 2.0  # fs
FRICTION = 0.02  # 1/fs
EQUILIBRATION_STEPS = 200  # at the first temperature
TEMPERATURES = (400.0, 350.0, 300.0)  # K, visited in this order
SAMPLING_STEPS = 92  # per temperature
SAMPLE_EVERY = 4  # steps
STRAIN_SIGMA = 0.015  # of every independent strain component, and of the isotropic part
RATTLE_SIGMA = 0.04  # A
MAX_FORCE = 15.0  # eV/A, frames beyond are left out (and counted)
ACCURACY_DYNAMICS = 1.0  # tblite's `accuracy`
ACCURACY_LABELS = 0.1
SPLIT = {"train": (0, 1, 2, 3), "valid": (4,), "test": (5,)}  # trajectory numbers
SEED = 20240229
SYMBOLS = ["O", "H", "H"] * N_MOLECULES
TYPE_MAP = ["O", "H"]


def calculator(accuracy):
    """GFN1-xTB calculator; needs the PyPI packages ase and tblite."""
    try:
        from tblite.ase import TBLite
    except ImportError:
        sys.exit("generate_data.py needs two packages: pip install ase tblite")
    return TBLite(method="GFN1-xTB", accuracy=accuracy, verbosity=0)


def starting_box(rng):
    """Periodic box with N_MOLECULES randomly oriented H2O on a 3 x 3 x 3 grid."""
    from ase import Atoms
    from ase.build import molecule

    length = (N_MOLECULES * WATER_MASS / (DENSITY * GRAM_PER_CM3)) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = grid[rng.permutation(len(grid))[:N_MOLECULES]] * length / 3
    atoms = Atoms(cell=[length] * 3, pbc=True)
    for site in sites:
        water = molecule("H2O")
        water.rotate(rng.uniform(0, 360), rng.normal(size=3))
        water.positions += site
        atoms += water
    assert atoms.get_chemical_symbols() == SYMBOLS
    return atoms


def snapshots(rng, report):
    """Run one trajectory; return its sampled Atoms (positions and cell only)."""
    from ase import units
    from ase.md.langevin import Langevin

    atoms = starting_box(rng)
    atoms.calc = calculator(ACCURACY_DYNAMICS)
    masses = atoms.get_masses()
    masses[np.array(SYMBOLS) == "H"] = HYDROGEN_MASS
    atoms.set_masses(masses)
    width = np.sqrt(masses * units.kB * TEMPERATURES[0])
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * width[:, None])
    dynamics = Langevin(
        atoms,
        TIME_STEP * units.fs,
        temperature_K=TEMPERATURES[0],
        friction=FRICTION / units.fs,
        fixcm=False,
        rng=rng,
    )
    dynamics.run(EQUILIBRATION_STEPS)
    taken = []
    for temperature in TEMPERATURES:
        dynamics.set_temperature(temperature_K=temperature)
        for _ in range(SAMPLING_STEPS // SAMPLE_EVERY):
            dynamics.run(SAMPLE_EVERY)
            taken.append(bare_copy(atoms))
        report(f"{temperature:.0f} K done, E = {atoms.get_potential_energy():.2f} eV")
    return taken


def bare_copy(atoms):
    from ase import Atoms

    return Atoms(SYMBOLS, positions=atoms.positions, cell=atoms.cell, pbc=True)


def modify(atoms, kind, rng):
    """Kind 0: unchanged; 1: random symmetric strain; 2: the same and a random rattle."""
    if kind >= 1:
        noise = rng.normal(scale=STRAIN_SIGMA, size=(3, 3))
        strain = np.triu(noise) + np.triu(noise, 1).T
        strain += np.eye(3) * rng.normal(scale=STRAIN_SIGMA)
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
    if kind == 2:
        atoms.positions += rng.normal(scale=RATTLE_SIGMA, size=(len(atoms), 3))


def round_to_float32(atoms):
    """Wrap into the cell and keep only what float32 can hold."""
    atoms.set_cell(atoms.cell[:].astype(np.float32).astype(np.float64))
    atoms.wrap()
    atoms.positions = atoms.positions.astype(np.float32).astype(np.float64)


def label(atoms):
    """Energy (eV), forces [n, 3] (eV/A) and virial [3, 3] (eV, -dE/d(strain))."""
    atoms.calc = calculator(ACCURACY_LABELS)
    energy = atoms.get_potential_energy()
    virial = -atoms.get_volume() * atoms.get_stress(voigt=False)
    return energy, atoms.get_forces(), virial


def labelled_frames(number, report):
    """All frames of trajectory `number` as a dict of lists, and how many were left out."""
    rng = np.random.default_rng([SEED, number])
    frames = {"coord": [], "box": [], "energy": [], "force": [], "virial": []}
    left_out = 0
    for index, atoms in enumerate(snapshots(rng, report)):
        modify(atoms, index % 3, rng)
        round_to_float32(atoms)
        energy, forces, virial = label(atoms)
        if not np.abs(forces).max() < MAX_FORCE:  # also true for NaN
            left_out += 1
            continue
        frames["coord"].append(atoms.positions.ravel())
        frames["box"].append(atoms.cell[:].ravel())
        frames["energy"].append(energy)
        frames["force"].append(forces.ravel())
        frames["virial"].append(virial.ravel())
    return frames, left_out


def write_system(folder, frames):
    """Write one deepmd/npy system; the folder appears only when it is complete."""
    building = folder.with_name(folder.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    (building / "set.000").mkdir(parents=True)
    types = " ".join(str(TYPE_MAP.index(s)) for s in SYMBOLS)
    (building / "type.raw").write_text(types + "\n")
    (building / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    for name, values in frames.items():
        dtype = np.float64 if name == "energy" else np.float32
        np.save(building / "set.000" / f"{name}.npy", np.array(values, dtype=dtype))
    building.rename(folder)


def statistics_line(name, frames, left_out):
    energy = np.array(frames["energy"]) / len(SYMBOLS)
    force, virial = np.array(frames["force"]), np.array(frames["virial"])
    return (
        f"| `{name}` | {len(energy)} | {left_out} | {1e3 * energy.std():.1f} "
        f"| {force.std():.3f} | {np.abs(force).max():.1f} | {virial.std():.2f} |"
    )


def write_readme(path, lines):
    """data/README.md: how these very files were made."""
    from importlib.metadata import version

    temperatures = ", ".join(f"{t:.0f}" for t in TEMPERATURES)
    packages = ", ".join(f"{p} {version(p)}" for p in ("tblite", "ase", "numpy"))
    path.write_text(
        f"""# Liquid water, 16 H2O, GFN1-xTB

Made by `../generate_data.py` (seed {SEED}), which documents every choice.

- **Method**: GFN1-xTB, periodic, Gamma point; {packages}, Python {sys.version.split()[0]}.
- **Sampling**: six independent boxes at {DENSITY} g/cm3, Langevin dynamics, {EQUILIBRATION_STEPS} steps of
  equilibration, then {SAMPLING_STEPS} steps each at {temperatures} K, one frame every
  {SAMPLE_EVERY} steps of {TIME_STEP:g} fs (hydrogen mass {HYDROGEN_MASS:g} u in the dynamics). In turn a
  frame is kept, strained (sigma {STRAIN_SIGMA}) or strained and rattled (sigma {RATTLE_SIGMA} A).
- **Split** by trajectory: train {SPLIT["train"]}, valid {SPLIT["valid"]}, test {SPLIT["test"]}.
- **Units**: A, eV, eV/A; virial in eV, row-major, -dE/d(strain). `energy.npy` is float64,
  all else float32; labels were computed at the rounded coordinates.
- **Licence**: LGPL-3.0-or-later, as the rest of this project.

Left out were frames with a force component above {MAX_FORCE:g} eV/A.

| system | frames | left out | energy std (meV/atom) | force std (eV/A) | largest force | virial std (eV) |
|---|---|---|---|---|---|---|
"""
        + "\n".join(lines)
        + """

This is a small teaching set with a fast approximate method in a small box. It shows that
training works; it is not a water model for production.
"""
    )


def generate(out):
    existing = [str(out / name) for name in SPLIT if (out / name).exists()]
    if existing:
        sys.exit(f"{', '.join(existing)}: already there; remove them or choose another --out")
    calculator(ACCURACY_LABELS)
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    lines = []
    for name, numbers in SPLIT.items():
        merged, left_out = None, 0
        for number in numbers:

            def report(message, number=number):
                elapsed = time.perf_counter() - start
                print(f"[{elapsed:6.0f} s] trajectory {number}: {message}", flush=True)

            frames, skipped = labelled_frames(number, report)
            left_out += skipped
            merged = frames if merged is None else {k: merged[k] + frames[k] for k in merged}
        write_system(out / name, merged)
        lines.append(statistics_line(name, merged, left_out))
        print(lines[-1], flush=True)
    write_readme(out / "README.md", lines)
    print(f"wrote {out} in {time.perf_counter() - start:.0f} s")


def check(out, n_frames=3, n_forces=6):
    """Compare stored labels with a fresh calculation and with finite differences.

    Central differences with 1e-3 A and a strain of 1e-4; raises SystemExit when a force
    differs by more than 2e-3 eV/A or a virial component by more than 2e-2 eV (xTB's own
    self-consistency and lattice-sum noise is of the order of a tenth of that).
    """
    from ase import Atoms

    rng = np.random.default_rng(0)
    worst = {"energy": 0.0, "force": 0.0, "virial": 0.0}

    def energy_of(positions, cell):
        atoms = Atoms(SYMBOLS, positions=positions, cell=cell, pbc=True)
        atoms.calc = calculator(0.01)
        return atoms.get_potential_energy()

    for name in SPLIT:
        data = {p.stem: np.load(p) for p in (out / name / "set.000").glob("*.npy")}
        data = {k: v.astype(np.float64) for k, v in data.items()}
        for frame in rng.choice(len(data["energy"]), size=n_frames, replace=False):
            x, cell = data["coord"][frame].reshape(-1, 3), data["box"][frame].reshape(3, 3)
            diff = {"energy": energy_of(x, cell) - data["energy"][frame], "force": 0, "virial": 0}
            for atom, axis in zip(rng.integers(len(x), size=n_forces), rng.integers(3, size=n_forces)):
                step = np.zeros_like(x)
                step[atom, axis] = 1e-3
                slope = -(energy_of(x + step, cell) - energy_of(x - step, cell)) / 2e-3
                error = abs(slope - data["force"][frame].reshape(-1, 3)[atom, axis])
                diff["force"] = max(diff["force"], error)
            for a in range(3):
                for b in range(3):
                    strain = np.zeros((3, 3))
                    strain[a, b] = 1e-4
                    up, down = np.eye(3) + strain, np.eye(3) - strain
                    slope = -(energy_of(x @ up, cell @ up) - energy_of(x @ down, cell @ down)) / 2e-4
                    error = abs(slope - data["virial"][frame].reshape(3, 3)[a, b])
                    diff["virial"] = max(diff["virial"], error)
            print(
                f"{name:5s} frame {frame:3d}: "
                + ", ".join(f"{k} off by {abs(v):.1e}" for k, v in diff.items()),
                flush=True,
            )
            worst = {k: max(worst[k], abs(diff[k])) for k in worst}
    for key, limit in {"energy": 1e-4, "force": 2e-3, "virial": 2e-2}.items():
        if not worst[key] <= limit:
            sys.exit(f"check failed: {key} label off by {worst[key]:.2e}, allowed {limit:.0e}")
    print("check passed: labels agree with finite differences of the energy")


def main():
    parser = argparse.ArgumentParser(
        description="Make (or check) the xTB water data set.",
    )
    parser.add_argument("--out", type=Path, default=HERE / "data", help="data folder (default: data)")
    parser.add_argument("--check", action="store_true", help="finite differences on existing data")
    arguments = parser.parse_args()
    (check if arguments.check else generate)(arguments.out)


if __name__ == "__main__":
    main()
