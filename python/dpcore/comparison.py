# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``dp test`` compares: labels and predictions by quantity, their lines in the log, and detail files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DETAILS", "LINES", "TENSORS", "Details", "energy_pairs", "tensor_pairs"]

# quantity -> the line without the word for the kind of error, and the unit
LINES = {
    "e": ("Energy {:11s} : {} eV", ""),
    "ea": ("Energy {:11s} : {} eV", "/Natoms"),
    "f": ("Force  {:11s} : {} eV/A", ""),
    "v": ("Virial {:11s} : {} eV", ""),
    "va": ("Virial {:11s} : {} eV", "/Natoms"),
    "ae": ("Atomic ener {:6s} : {} eV", ""),
    # the unit is that of the labels
    "d": ("Dipole  {:11s} : {}", ""),
    "dq": ("Dipole  {:11s} : {}", "/sqrtN"),
    "da": ("Dipole  {:11s} : {}", "/N"),
    "ad": ("Atomic dipole  {:11s} : {}", ""),
    "p": ("Polarizability  {:11s} : {}", ""),
    "pq": ("Polarizability  {:11s} : {}", "/sqrtN"),
    "pa": ("Polarizability  {:11s} : {}", "/N"),
    "ap": ("Atomic polarizability  {:11s} : {}", ""),
}

_VIRIAL = [a + b for a in "xyz" for b in "xyz"]
# quantity -> suffix of its detail file and names of its columns
DETAILS = {
    "e": (".e.out", ["e"]),
    "ea": (".e_peratom.out", ["e"]),
    "f": (".f.out", ["fx", "fy", "fz"]),
    "v": (".v.out", [f"v{c}" for c in _VIRIAL]),
    "va": (".v_peratom.out", [f"v{c}" for c in _VIRIAL]),
    "d": (".out", ["x", "y", "z"]),
    "ad": (".out", ["x", "y", "z"]),
    "p": (".out", [f"p{c}" for c in _VIRIAL]),
    "ap": (".out", [f"p{c}" for c in _VIRIAL]),
}
# kind of a model of tensors -> its quantity above, label of frames; those of atoms are a..., atomic_...
TENSORS = {"dipole": ("d", "dipole"), "polar": ("p", "polarizability")}


def energy_pairs(
    data: dict[str, Any], result: tuple[np.ndarray, ...], n_atoms: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Labels and predictions of a group of frames by quantity."""
    n_frames = len(data["coord"])
    pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if data["find_energy"]:
        pairs["e"] = (data["energy"].reshape(n_frames, 1), result[0])
    if data["find_force"]:
        pairs["f"] = (data["force"].reshape(-1, 3), result[1].reshape(-1, 3))
    if data["find_virial"]:
        pairs["v"] = (data["virial"], result[2])
    if len(result) > 3 and data["find_atom_ener"]:
        pairs["ae"] = (data["atom_ener"].reshape(-1, 1), result[3].reshape(-1, 1))
    for key, per_atom in (("e", "ea"), ("v", "va")):
        if key in pairs:
            label, prediction = pairs[key]
            pairs[per_atom] = (label / n_atoms, prediction / n_atoms)
    return pairs


def tensor_pairs(
    data: dict[str, Any], result: np.ndarray, selected: np.ndarray, tensor: tuple[str, str], atomic: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same of a model of tensors; `selected` says which atoms have them."""
    key, name = tensor
    label, n = f"atomic_{name}" if atomic else name, int(selected.sum())
    if not data[f"find_{label}"] or n == 0:
        return {}
    if atomic:
        result = result[:, selected]
        return {f"a{key}": (data[label].reshape(-1, result.shape[-1]), result.reshape(-1, result.shape[-1]))}
    by = {key: 1.0, f"{key}q": math.sqrt(n), f"{key}a": float(n)}
    return {quantity: (data[label] / divisor, result / divisor) for quantity, divisor in by.items()}


class Details:
    """The files with every label and prediction; each system has a header line of its own.

    They get their names, and those of an earlier test go away, when the block is left without an error.
    """

    def __init__(self, prefix: Path, kind: str) -> None:
        self._system = ""
        self._has_header: set[str] = set()
        if prefix.name == "" or not prefix.parent.is_dir():
            raise InputError("expected a prefix of file names in a folder that exists", prefix)
        first = TENSORS[kind][0] if kind in TENSORS else ""
        of_kind = [first, f"a{first}"] if first else ["e", "ea", "f", "v", "va"]
        self._files = {suffix: prefix.with_suffix(suffix) for suffix, _ in (DETAILS[key] for key in of_kind)}
        for path in self._files.values():
            if path.is_dir():
                raise InputError("cannot be written: there is a folder of this name", path)

    def __enter__(self) -> Details:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for path in self._files.values():
            partial = self._partial(path)
            if kind is None and partial.exists():
                os.replace(partial, path)
            elif kind is None:
                path.unlink(missing_ok=True)
            else:
                partial.unlink(missing_ok=True)

    @staticmethod
    def _partial(path: Path) -> Path:
        return path.with_name(f".{path.name}.{os.getpid()}")

    def begin(self, system: str) -> None:
        """A system begins."""
        self._system = system
        self._has_header = set()

    def add(self, key: str, label: np.ndarray, prediction: np.ndarray) -> None:
        """Append rows of labels and predictions."""
        import numpy as np

        suffix, columns = DETAILS[key]
        header = ""
        if key not in self._has_header:
            self._has_header.add(key)
            names = [f"data_{c}" for c in columns] + [f"pred_{c}" for c in columns]
            header = f"{self._system}: {' '.join(names)}"
        path = self._files[suffix]
        try:
            with open(self._partial(path), "a", encoding="utf-8") as file:
                np.savetxt(file, np.concatenate([label, prediction], axis=1), header=header)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", path) from None
