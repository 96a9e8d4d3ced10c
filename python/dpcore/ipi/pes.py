# SPDX-License-Identifier: LGPL-3.0-or-later
"""A Deep Potential model as a potential of i-PI's own Python processes, without a socket client in between.

i-PI loads this file by its path, which ``python -m dpcore.ipi`` prints:

    i-pi-py_driver -m custom -P PATH -o template=conf.xyz,model=water.dp -u -a water

    <ffdirect name='dp' pbc='false'>
      <pes> custom </pes>
      <pes_path> PATH </pes_path>
      <parameters> {template: conf.xyz, model: water.dp} </parameters>
    </ffdirect>

With ``<batch_size> N </batch_size>`` N beads are evaluated in one call.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.errors import InputError, suggest
from dpcore.infer import DeepPot
from dpcore.text_file import read_text

__DRIVER_NAME__ = "dpcore"
__DRIVER_CLASS__ = "DPDriver"

# the numbers of ipi.utils.units, as in ipi_driver/units.hpp: A and eV in files of i-PI are those of the model
BOHR_PER_ANGSTROM = 1.8897261
HARTREE_PER_EV = 0.036749326

EXTRAS = "{}"  # JSON of further properties: none


class DPDriver:
    """The potential; called as ``driver(cell, pos)``.

    Parameters
    ----------
    template
        An xyz file of the same atoms in the same order; only the names are used.
    model
        A model file or checkpoint of dpcore, or a frozen TensorFlow graph of DeePMD-kit.
    type_map
        Names in the template of type 0, 1, ... of the model, with spaces between (commas separate parameters
        in i-PI); the model's own names are known without.
    precision
        ``high``, ``mixed`` or ``low``, as for `dpcore.infer.DeepPot`.
    verbose, verbosity
        Accepted from i-PI, without effect.

    Raises
    ------
    InputError
        A ValueError: a file that cannot be read, a name that is not known, an unknown parameter.
    """

    def __init__(
        self,
        template: str | None = None,
        model: str | None = None,
        type_map: str | None = None,
        verbose: Any = False,
        verbosity: Any = None,
        precision: str | None = None,
        **unknown: Any,
    ) -> None:
        for key in unknown:
            known = ("template", "model", "type_map", "precision")
            hint = suggest(key, known) or f" There are: {', '.join(known)}."
            raise InputError(f'unknown parameter "{key}".{hint}', "dpcore.ipi")
        for key, value in (("template", template), ("model", model)):
            if value is None:
                raise InputError(
                    f"the parameter is missing, as in template=conf.xyz,model=water.dp ({key})", key
                )
        self.model = DeepPot(str(model), precision=precision)
        for kind, width in (("frame", self.model.get_dim_fparam()), ("atomic", self.model.get_dim_aparam())):
            if width:
                raise InputError(
                    f"the model needs {width} {kind} parameter(s); i-PI has none to send", str(model)
                )
        self.types = _types(Path(str(template)), self.model.get_type_map(), type_map)

    def __call__(self, cell: Any, pos: Any) -> Any:
        """One structure, or lists of several: see `compute_structure` and `compute`."""
        return self.compute(cell, pos)

    def compute(self, cell: Any, pos: Any) -> Any:
        """Arrays as `compute_structure`; lists of them give a list of its results, in one evaluation."""
        if isinstance(cell, list):
            return self._evaluate(cell, pos)
        return self.compute_structure(cell, pos)

    def compute_structure(self, cell: Any, pos: Any) -> tuple[float, np.ndarray, np.ndarray, str]:
        """Evaluate one structure.

        Parameters
        ----------
        cell
            [3, 3] bohr; columns are the cell vectors.
        pos
            [natoms, 3] bohr.

        Returns
        -------
        pot : float
            Ha.
        force : ndarray [natoms, 3]
            Ha/bohr.
        vir : ndarray [3, 3]
            Ha, minus the derivative of the energy by the strain, transposed as the cell.
        extras : str
            JSON, ``"{}"``.
        """
        return self._evaluate([cell], [pos])[0]

    def _evaluate(self, cells: list[Any], positions: list[Any]) -> list[tuple]:
        n_atoms = len(self.types)
        if len(cells) != len(positions):
            raise InputError(f"{len(cells)} cells and {len(positions)} sets of positions", "dpcore.ipi")
        for pos in positions:
            if np.size(pos) != 3 * n_atoms:
                raise InputError(
                    f"i-PI gives {np.size(pos) / 3:g} atoms, the template has {n_atoms}; both must describe "
                    "the same atoms in the same order",
                    "dpcore.ipi",
                )
        box = np.stack([np.reshape(cell, (3, 3)).T for cell in cells]) / BOHR_PER_ANGSTROM
        coord = np.stack([np.reshape(pos, (n_atoms, 3)) for pos in positions]) / BOHR_PER_ANGSTROM
        energy, force, virial = self.model.eval(coord, box, self.types)
        energy = energy * HARTREE_PER_EV
        force = force * (HARTREE_PER_EV / BOHR_PER_ANGSTROM)
        virial = virial.reshape(-1, 3, 3).transpose(0, 2, 1) * HARTREE_PER_EV
        return [(float(energy[f, 0]), force[f], virial[f].copy(), EXTRAS) for f in range(len(cells))]


def _types(template: Path, model_names: list[str], type_map: str | None) -> np.ndarray:
    """The type of each atom in the first frame of an xyz file."""
    known = {name: t for t, name in enumerate(model_names)}
    given = str(type_map).replace(",", " ").split() if type_map is not None else []
    if len(given) > len(model_names):
        raise InputError(f"expected {len(model_names)} names at most, as the model, got {given}", "type_map")
    for t, name in enumerate(given):
        if known.get(name, t) != t:
            warnings.warn(
                f"type_map gives {name} the type {t}, which is {model_names[t]} in the model", stacklevel=3
            )
    known.update({name: t for t, name in enumerate(given)})
    try:
        lines = read_text(template, "an xyz file", 256).splitlines()
    except FileNotFoundError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(template)) from None
    try:
        n_atoms = int(lines[0])
    except (IndexError, ValueError):
        raise InputError("line 1: expected the number of atoms; is it an xyz file?", str(template)) from None
    names = [line.split()[0] if line.strip() else "" for line in lines[2 : 2 + max(n_atoms, 0)]]
    if n_atoms < 1 or len(names) != n_atoms:
        raise InputError(f"expected {n_atoms} atoms as line 1 says, got {len(names)}", str(template))
    for i, name in enumerate(names):
        if name not in known:
            raise InputError(
                f'line {i + 3}: atom {i} (counted from 0) has the name "{name}"; known are '
                f"{', '.join(sorted(known))}. The parameter type_map gives names to the types",
                str(template),
            )
    return np.array([known[name] for name in names], dtype=np.int32)
