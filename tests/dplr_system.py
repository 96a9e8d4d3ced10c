# SPDX-License-Identifier: LGPL-3.0-or-later
"""DPLR models and LAMMPS data files with Wannier centroids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dpcore import _core
from dpcore.infer import DeepDipole, DeepPot
from make_model import write_dplr_model, write_model, write_tensor_model
from run_lammps import NKTV2P, VOIGT, lammps, make_box, read_dump

CHARGES = (6.0, 1.0, -8.0)  # O, H, centroid
BETA = float(np.float32(0.4))  # as models have it


def write_models(folder, size=0.3, **keys):
    """Write plain.dp, dipole.dp with displacements up to some `size` A, and dplr.dp of both; return the last."""
    plain = write_model(folder / "plain.dp", sel=(40, 40))
    dipole = write_tensor_model(folder / "dipole.dp", sel=(40, 40))
    box = make_box()
    metadata, tensors = _core.read_model_file(str(dipole))
    largest = np.abs(displacements(dipole, box)).max()
    for name in tensors:
        if name.startswith("fitting/") and "layer_2" in name:
            tensors[name] = tensors[name] * (size / largest)
    _core.write_model_file(str(dipole), metadata, tensors)
    return write_dplr_model(folder / "dplr.dp", plain, dipole, ewald_h=0.4, **keys)


def displacements(dipole, box):
    """[n_O, 3] A"""
    mu = DeepDipole(dipole).eval(box.coord[None], box.cell[None], box.types, atomic=True)[0]
    return mu[box.types == 0]


def predict(model, box):
    """(energy, force [n, 3], virial [6] in LAMMPS' order) of a model with its modifier."""
    e, f, v = DeepPot(model).eval(box.coord[None], box.cell[None], box.types)
    v = v[0].reshape(3, 3)
    return e.item(), f[0], np.array([v[a, b] for a, b in VOIGT])


def write_data(path, box, centroids=None, length=1.0):
    """A data file of atom style full: atoms, then a centroid for each O, where it is (or, without `centroids`
    [n_O, 3], on it), and the bonds. `length`: 1 A in LAMMPS' unit."""
    cell, n = box.cell * length, len(box.types)
    hosts = np.flatnonzero(box.types == 0)
    x = np.concatenate([box.coord, box.coord[hosts] if centroids is None else centroids]) * length
    types = np.concatenate([box.types, np.full(len(hosts), 2)])
    lines = ["water", "", f"{len(x)} atoms", "3 atom types", f"{len(hosts)} bonds", "1 bond types"]
    lines += [f"0 {cell[i, i]:.17g} {c}lo {c}hi" for i, c in enumerate("xyz")]
    if np.any(cell != np.diag(np.diag(cell))):
        lines.append(f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", "", "1 15.999", "2 1.008", "3 15.999", "", "Atoms # full", ""]
    for i, (t, r) in enumerate(zip(types, x), 1):
        lines.append(f"{i} 1 {t + 1} {CHARGES[t]} " + " ".join(f"{c:.17g}" for c in r))
    lines += ["", "Bonds", ""] + [f"{k} 1 {h + 1} {n + k}" for k, h in enumerate(hosts, 1)]
    Path(path).write_text("\n".join(lines) + "\n")


def script(model, kspace="diff ik", fix="", newton="", pair=None, units="metal", beta=BETA):
    """Input up to the measurements."""
    styles = pair or f"pair_style deepmd {model}\npair_coeff * *\n"
    solver = ""
    if kspace is not None:
        solver = (
            f"kspace_style pppm/dplr 1e-5\nkspace_modify gewald {beta:.17g} mesh 40 40 40 order 7 {kspace}\n"
        )
    return (
        f"units {units}\nboundary p p p\n{newton}\natom_style full\n"
        "neigh_modify every 1 delay 0 check yes exclude type 1 3\nread_data box.data\n"
        f"{styles}bond_style zero\nbond_coeff *\nspecial_bonds lj/coul 1 1 1 angle no\n{solver}"
        f"fix 0 all dplr model {model} type_associate 1 3 bond_type 1 {fix}\nfix_modify 0 virial yes\n"
    )


MEASURE = """
compute p all pressure NULL virial
thermo_style custom step pe elong c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6] vol
thermo_modify format float %.17g
dump d all custom 1 atoms.dump id type x y z fx fy fz
dump_modify d sort id format float %.17g
"""


def measure(folder, text, ranks=1, **keywords):
    """(energy, force [n, 3], virial [6], atoms of the dump, output) of `text` and one evaluation, in LAMMPS' units
    but for the virial, which is that of units metal."""
    out = lammps(folder, text + MEASURE + "run 0\n", ranks, **keywords)
    row = {name: values[-1] for name, values in out.thermo().items()}
    atoms = read_dump(folder / "atoms.dump")
    virial = np.array([row[f"c_p[{k}]"] for k in range(1, 7)]) * row["Volume"] / NKTV2P
    return row["PotEng"], atoms[:, 5:8], virial, atoms, out
