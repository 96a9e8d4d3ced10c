# SPDX-License-Identifier: LGPL-3.0-or-later
"""A calculator for ASE, the Atomic Simulation Environment.

from dpcore.calculator import DP
atoms.calc = DP(model="water.dp")
atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

try:
    from ase import Atoms
    from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
except ImportError as error:
    raise ImportError("dpcore.calculator needs ASE; install it with: pip install 'dpcore[ase]'") from error

from dpcore.errors import InputError, suggest
from dpcore.infer import DeepPot

__all__ = ["DP"]

# Voigt order of ASE: xx yy zz yz xz xy
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
_PARAMETERS = ("model", "type_dict", "fparam", "aparam", "precision")
_OF_ASE = ("restart", "ignore_bad_restart_file", "atoms", "directory")
# keywords of the reference's calculator that choose what there is no choice of here
_WITHOUT_EFFECT = ("neighbor_list", "head")


class DP(Calculator):
    """Energies, forces and stresses of a model, for ASE.

    energy and free_energy (the same, eV), forces [n, 3] (eV/A), stress (xx yy zz yz xz xy, eV/A^3, positive
    under tension; of systems that are periodic along all three vectors), energies [n] and stresses [n, 6]
    (shares of the atoms, which sum to energy and stress; computed only when asked for), virial [3, 3] (eV,
    also in `results`).  A system is periodic along the cell vectors that ``atoms.pbc`` names and no others.

    Nothing is computed again for atoms whose positions, elements, cell, pbc and parameters have not changed.
    One calculator may be used from several threads, one evaluation at a time; it can be pickled, and copies
    share the model.

    Parameters
    ----------
    model
        A model file, as for `dpcore.infer.DeepPot`, or a DeepPot.
    label
        Name of the calculator, as ASE has it; no files are written.
    type_dict
        Type of each chemical symbol; None: the model's type map.
    fparam, aparam
        Frame and atomic parameters as for ``DeepPot.eval``; ``atoms.info["fparam"]`` and
        ``atoms.arrays["aparam"]`` (or ``atoms.info["aparam"]``) go before them, if the model has such
        parameters.
    precision
        ``"high"``, ``"mixed"`` or ``"low"``, as for `dpcore.infer.DeepPot`; not with a DeepPot, which has
        its own.
    **kwargs
        Those of ASE's Calculator.

    Raises
    ------
    InputError
        A ValueError; for a file that is no model, elements that it does not have, cells without volume.
    PropertyNotImplementedError
        Where a stress is asked for that is not defined.
    """

    name = "DP"
    implemented_properties = [  # noqa: RUF012
        "energy", "free_energy", "forces", "stress", "energies", "stresses", "virial",
    ]  # fmt: skip
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012
    discard_results_on_any_change = True

    def __init__(
        self,
        model: str | os.PathLike[str] | DeepPot,
        label: str | None = "DP",
        type_dict: Mapping[str, int] | None = None,
        *,
        fparam: Any = None,
        aparam: Any = None,
        precision: str | None = None,
        **kwargs: Any,
    ) -> None:
        for key in _WITHOUT_EFFECT:
            if kwargs.pop(key, None) is not None:
                raise InputError("not supported by this version; leave it out", key)
        for key in kwargs:
            if key not in _OF_ASE:
                hint = suggest(key, (*_PARAMETERS, *_OF_ASE))
                raise TypeError(f'DP got an unexpected keyword "{key}".{hint}')
        self._lock = threading.RLock()
        self._used: tuple[Any, Any] = (None, None)
        if isinstance(model, DeepPot) and precision is not None:
            raise InputError("the model is open already; give it to DeepPot", "precision")
        self.dp = model if isinstance(model, DeepPot) else DeepPot(model, precision=precision)
        self.type_dict = _checked(type_dict, self.dp.get_type_map())
        given = {"type_dict": type_dict, "fparam": fparam, "aparam": aparam, "precision": precision}
        given = {key: value for key, value in given.items() if value is not None}
        super().__init__(label=label, model=str(self.dp.path), **given, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def set(self, **kwargs: Any) -> dict[str, Any]:
        """Change fparam or aparam; the results of other values are forgotten."""
        for key in kwargs:
            if key not in _PARAMETERS:
                raise TypeError(f'DP has no parameter "{key}".{suggest(key, _PARAMETERS)}')
            if key in ("model", "type_dict", "precision") and "model" in self.parameters:
                raise InputError("cannot be changed; make a new calculator", key)
        return super().set(**kwargs)

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """One of `implemented_properties`, computed if it has to be."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last calculation, the model's parameters included."""
        changes = super().check_state(atoms, tol)
        pairs = zip(("fparam", "aparam"), self._used, self._given(atoms))
        return changes + [name for name, old, new in pairs if not _equal(old, new)]

    def export_properties(self) -> Any:
        """The results that ASE knows of: without the virial."""
        from ase.outputs import Properties

        return Properties({key: value for key, value in self.results.items() if key != "virial"})

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute everything but atomic quantities, and those if they are among `properties`."""
        atoms = self.atoms if atoms is None else atoms
        bulk = bool(atoms.pbc.all())
        if not bulk and ("stress" in properties or "stresses" in properties):
            raise PropertyNotImplementedError(
                "only a system that is periodic along all three cell vectors has a stress; atoms.pbc is "
                f"{atoms.pbc.tolist()}. results['virial'] is defined for any system"
            )
        types = self._types(atoms)
        cell = np.asarray(atoms.cell).reshape(1, 9) if bulk or atoms.pbc.any() else None
        fparam, aparam = self._given(atoms)
        super().calculate(atoms, properties, system_changes)
        atomic = "energies" in properties or "stresses" in properties
        out = self.dp.eval(
            atoms.positions.reshape(1, -1), cell, types, atomic, fparam, aparam, pbc=atoms.pbc.tolist()
        )
        self._used = (_copy(fparam), _copy(aparam))
        energy, virial = float(out[0][0, 0]), out[2].reshape(3, 3)
        self.results = {"energy": energy, "free_energy": energy, "forces": out[1][0], "virial": virial}
        if bulk:
            self.results["stress"] = _stress(virial, atoms.get_volume())
        if atomic:
            self.results["energies"] = out[3].reshape(-1)
            if bulk:
                self.results["stresses"] = _stress(out[4].reshape(-1, 3, 3), atoms.get_volume())

    def _types(self, atoms: Atoms) -> np.ndarray:
        symbols = atoms.get_chemical_symbols()
        unknown = sorted(set(symbols) - set(self.type_dict))
        if unknown:
            raise InputError(
                f"{', '.join(unknown)} in {atoms.get_chemical_formula()}: the model has "
                f"{' '.join(self.type_dict)} only; type_dict gives other names to its types",
                self.dp.path,
            )
        return np.array([self.type_dict[symbol] for symbol in symbols], dtype=np.int32)

    def _given(self, atoms: Atoms) -> tuple[Any, Any]:
        """Frame and atomic parameters: those of the atoms if there are any, else the calculator's."""
        fparam, aparam = (self.parameters.get(name) for name in ("fparam", "aparam"))
        if self.dp.has_fparam:
            fparam = atoms.info.get("fparam", fparam)
        if self.dp.has_aparam:
            aparam = atoms.arrays.get("aparam", atoms.info.get("aparam", aparam))
        return fparam, aparam


def _checked(type_dict: Mapping[str, int] | None, type_map: list[str]) -> dict[str, int]:
    if type_dict is None:
        return {name: index for index, name in enumerate(type_map)}
    if not isinstance(type_dict, Mapping):
        raise InputError(f"expected types by symbol, as {{'O': 0, 'H': 1}}, got {type_dict!r}", "type_dict")
    for symbol, index in type_dict.items():
        if not isinstance(index, (int, np.integer)) or not 0 <= index < len(type_map):
            names = ", ".join(f"{i} ({name})" for i, name in enumerate(type_map))
            raise InputError(f"{symbol} has type {index}; the model has types {names}", "type_dict")
    return {symbol: int(index) for symbol, index in type_dict.items()}


def _stress(virial: np.ndarray, volume: float) -> np.ndarray:
    """From virials [..., 3, 3] eV and a volume in A^3."""
    return -0.5 * (virial + np.swapaxes(virial, -1, -2))[(..., *_VOIGT)] / volume


def _copy(values: Any) -> np.ndarray | None:
    return None if values is None else np.array(values)


def _equal(old: np.ndarray | None, new: Any) -> bool:
    if old is None or new is None:
        return old is new
    return np.array_equal(old, np.asarray(new))
