# SPDX-License-Identifier: LGPL-3.0-or-later
"""One data system: a folder of frames of the same atoms, in the deepmd/npy or the deepmd/raw layout.

<system>/type.raw         type of each atom
<system>/type_map.raw     names of the types (optional)
<system>/nopbc            present: not periodic
<system>/set.*/coord.npy  [n_frames, n_atoms*3] A, and box.npy, energy.npy, force.npy, ...
<system>/coord.raw ...    the same as text, one frame a line, read if there is no set.*
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.data.files import (
    CHUNK,
    check_boxes,
    check_finite,
    check_forces,
    check_weights,
    count_frames,
    open_array,
    to_frames,
)
from dpcore.data.labels import FIELDS, LABELS, TENSOR_LABELS, Field
from dpcore.errors import InputError, show, suggest

__all__ = ["DeepmdSystem"]

log = logging.getLogger(__name__)

# types without names beyond this are a mistake, not a model
_MOST_NAMELESS_TYPES = 1000


class DeepmdSystem:
    """Frames of one system, read when asked for.

    Opening a system reads its types and the shapes of its coordinates.  A set's arrays are checked as
    a whole (shape, NaN, boxes) the first time one of its frames is read; one set at a time stays open.

    Parameters
    ----------
    path
        The folder.
    type_map
        The model's names of types; atoms are renumbered to it where the system has names itself.
    set_prefix
        The sets are the folders ``<set_prefix>.*``, in the order of their names.
    labels
        Which of `LABELS` and `TENSOR_LABELS` to read; the other ones of `LABELS` count as not found.
    numb_fparam, numb_aparam
        Parameters per frame and per atom; their files are required if above 0.
    sel_type
        Types whose atoms have the atomic tensors; None: all.
    modifier
        What is subtracted from energies, forces and virials: an object with ``evaluate(coord, box, types)``; None:
        nothing.

    Attributes
    ----------
    types
        Type of each atom, int32 [n_atoms], in the order of the files.
    type_map
        Names of the types: the model's, else the system's own, else None.
    pbc
        Whether the system is periodic.
    set_sizes
        Frames of each set.

    Raises
    ------
    InputError
        Naming the file, and the frame and atom where there is one.
    """

    def __init__(
        self,
        path: str | Path,
        type_map: Sequence[str] | None = None,
        set_prefix: str = "set",
        labels: Sequence[str] = LABELS,
        numb_fparam: int = 0,
        numb_aparam: int = 0,
        sel_type: Sequence[int] | None = None,
        modifier: Any = None,
    ) -> None:
        self.name = str(path)
        self.path = Path(path)
        _refuse_other_formats(self.path)
        self.types, self.type_map = _read_types(self.path, type_map)
        self.pbc = not (self.path / "nopbc").exists()
        self._fields = _wanted(labels, numb_fparam, numb_aparam)
        self._labels = LABELS + tuple(label for label in TENSOR_LABELS if label in labels)
        is_selected = np.ones(self.n_atoms, bool) if sel_type is None else np.isin(self.types, sel_type)
        self._selected = np.flatnonzero(is_selected)
        if not self.pbc:
            del self._fields["box"]
        self._required = [n for n in ("coord", "box", "fparam", "aparam") if n in self._fields]
        self._sets = _find_sets(self.path, set_prefix)
        self._text = self._sets == [self.path]
        self._files = [_list_files(folder, self._text) for folder in self._sets]
        self._modifier = modifier
        self._modified: dict[int, dict[str, np.ndarray]] = {}  # set -> what is subtracted
        if modifier is not None and not self.pbc:
            raise InputError(
                "is not periodic (nopbc), and model/modifier is a sum over periodic images; give the system a cell or "
                "leave it out",
                self.path,
            )
        self._open: tuple[int, dict[str, np.ndarray]] | None = None
        self._checked: set[int] = set()
        self.set_sizes = [self._count(index) for index in range(len(self._sets))]

    @property
    def n_atoms(self) -> int:
        """Number of atoms in each frame."""
        return len(self.types)

    @property
    def n_frames(self) -> int:
        """Number of frames in all sets."""
        return sum(self.set_sizes)

    @property
    def n_types(self) -> int:
        """Number of types the system needs: the length of its type map, or the highest type plus one."""
        return int(self.types.max()) + 1 if self.type_map is None else len(self.type_map)

    def set_path(self, set_index: int) -> Path:
        """Folder of a set."""
        return self._sets[set_index]

    def found(self, label: str) -> float:
        """The share of the frames that have `label`, 0 to 1."""
        have = sum(n for n, files in zip(self.set_sizes, self._files) if label in files)
        return have / self.n_frames

    def type_counts(self, n_types: int) -> np.ndarray:
        """Number of atoms of each type, int64 [n_types]."""
        return np.bincount(self.types, minlength=n_types)

    def read(self, set_index: int, frames: Any = None) -> dict[str, Any]:
        """Return frames of one set as float64 arrays.

        Parameters
        ----------
        set_index
            Which set.
        frames
            Index array or slice; None for all.

        Returns
        -------
        dict
            ``type`` [n_atoms] int32; ``coord`` [nf, n_atoms*3]; ``box`` [nf, 9], None if not periodic;
            ``energy`` [nf], ``force`` [nf, n_atoms*3], ``virial`` [nf, 9], ``atom_ener`` and
            ``atom_pref`` [nf, n_atoms]; for each of these labels ``find_<label>``, 1.0 or 0.0 (then the
            array is zeros); of tensors, if asked for, ``dipole`` [nf, 3], ``polarizability`` [nf, 9], and
            ``atomic_dipole`` and ``atomic_polarizability`` of the selected atoms, [nf, n_selected*3 or 9];
            ``fparam`` [nf, numb_fparam] and ``aparam`` [nf, n_atoms*numb_aparam], None
            if the model has none.  Atoms keep the order of the files.
        """
        arrays = self._arrays(set_index)
        pick = slice(None) if frames is None else frames
        out: dict[str, Any] = {"type": self.types, "box": None, "fparam": None, "aparam": None}
        for name, array in arrays.items():
            out[name] = np.array(array[pick], dtype=np.float64, order="C")
        n_frames = len(out["coord"])
        for label in self._labels:
            out[f"find_{label}"] = float(label in arrays)
            if label not in arrays:
                field = FIELDS[label]
                out[label] = np.zeros(
                    (n_frames, field.width(len(self._selected) if field.selected else self.n_atoms))
                )
        out["energy"] = out["energy"].reshape(n_frames)
        if self._modifier is not None:
            for label, values in self._modification(set_index, arrays).items():
                if out[f"find_{label}"]:
                    out[label] -= values[pick].reshape(out[label].shape)
        return out

    def check(self) -> None:
        """Check every array of every set now, rather than when its frames are first read."""
        for index in range(len(self._sets)):
            self._arrays(index)

    def chunks(self, max_numbers: int = CHUNK) -> Iterator[tuple[int, int, np.ndarray, np.ndarray | None]]:
        """Go through all frames of all sets in order.

        Yields (set index, first frame, coord [nf, n_atoms*3], box [nf, 9] or None) in pieces of at most
        about `max_numbers` coordinates.  Every array of every set is checked on the way.
        """
        step = max(1, max_numbers // (3 * self.n_atoms))
        for index, size in enumerate(self.set_sizes):
            arrays = self._arrays(index)
            for begin in range(0, size, step):
                part = slice(begin, begin + step)
                coord = np.array(arrays["coord"][part], dtype=np.float64)
                box = np.array(arrays["box"][part], dtype=np.float64) if self.pbc else None
                yield index, begin, coord, box

    def _modification(self, index: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Energy, force and virial of the modifier for all frames of a set, computed once."""
        if index not in self._modified:
            coord, box = (np.array(arrays[name], dtype=np.float64) for name in ("coord", "box"))
            try:
                self._modified[index] = self._modifier.evaluate(coord, box, self.types)
            except ValueError as error:
                raise InputError(f"model/modifier: {error}", self._sets[index]) from None
        return self._modified[index]

    # what is below opens files

    def _count(self, index: int) -> int:
        files = self._files[index]
        if "real_atom_types" in files:
            raise InputError(
                "systems with atom types that differ from frame to frame (real_atom_types.npy) are not "
                "supported by this version",
                self._sets[index],
            )
        for name in [n for n in self._required if n not in files]:
            hint = "; if the system is not periodic, put an empty file named nopbc beside type.raw"
            why = {
                "box": hint,
                "fparam": "; the model has numb_fparam > 0",
                "aparam": "; the model has numb_aparam > 0",
            }
            file = self._sets[index] / f"{name}{'.raw' if self._text else '.npy'}"
            raise InputError(f"no such file{why.get(name, '')}", file)
        return count_frames(open_array(files["coord"]), self.n_atoms, files["coord"])

    def _arrays(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of a set, each [n_frames, width] in the type of its file; the last set is kept."""
        if self._open is not None and self._open[0] == index:
            return self._open[1]
        files = self._files[index]
        arrays = {}
        for name, field in self._fields.items():
            if name in files:
                array = open_array(files[name])
                arrays[name] = self._to_frames(array, field, self.set_sizes[index], files[name])
        if index not in self._checked:
            self._check(index, arrays)
            self._checked.add(index)
        self._open = (index, arrays)
        return arrays

    def _to_frames(self, array: np.ndarray, field: Field, n_frames: int, path: Path) -> np.ndarray:
        """The array as [n_frames, width]; of selected atoms alone where the field is of them."""
        if not field.selected:
            return to_frames(array, field, n_frames, self.n_atoms, path)
        if array.size != n_frames * field.width(self.n_atoms):
            return to_frames(array, field, n_frames, len(self._selected), path)
        whole = to_frames(array, field, n_frames, self.n_atoms, path)
        if len(self._selected) == self.n_atoms:
            return whole
        return whole.reshape(n_frames, self.n_atoms, field.n_dof)[:, self._selected].reshape(n_frames, -1)

    def _check(self, index: int, arrays: dict[str, np.ndarray]) -> None:
        files = self._files[index]
        for name, array in arrays.items():
            check_finite(array, self._fields[name], files[name])
        if "box" in arrays:
            check_boxes(arrays["box"], files["box"])
        if "atom_pref" in arrays:
            check_weights(arrays["atom_pref"], files["atom_pref"])
        if "force" in arrays:
            warning = check_forces(arrays["force"], files["force"])
            if warning:
                log.warning("%s", warning)


def _wanted(labels: Sequence[str], numb_fparam: int, numb_aparam: int) -> dict[str, Field]:
    for label in labels:
        known = (*LABELS, *TENSOR_LABELS)
        if label not in known:
            raise InputError(f'unknown label "{label}"; known: {", ".join(known)}.{suggest(label, known)}')
    fields = {name: FIELDS[name] for name in ("coord", "box", *labels)}
    if numb_fparam > 0:
        fields["fparam"] = Field(
            "fparam", numb_fparam, False, hint="model/fitting_net/numb_fparam says how many"
        )
    if numb_aparam > 0:
        fields["aparam"] = Field(
            "aparam",
            numb_aparam,
            True,
            hint="numb_aparam of model/fitting_net or model/descriptor says how many",
        )
    return fields


def _refuse_other_formats(path: Path) -> None:
    other = path.suffix.lower() in (".h5", ".hdf5", ".lmdb", ".xyz", ".extxyz") or "#" in str(path)
    if other and not (path / "type.raw").is_file():
        raise InputError("expected a folder in the deepmd/npy layout; this version reads no other", path)
    if not path.exists():
        hint = "" if path.is_absolute() else f" (looked for in {Path.cwd()})"
        raise InputError(f"no such folder{hint}", path)
    if not path.is_dir():
        raise InputError("expected a folder that holds type.raw, got a file", path)
    if not (path / "type.raw").is_file():
        below = next(path.glob("*/type.raw"), None)
        hint = f'; to take all systems below it give "{path}" as text, not in a list' if below else ""
        raise InputError(f"this folder holds no type.raw, so it is not a data system{hint}", path)


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", path) from None


def _read_types(path: Path, type_map: Sequence[str] | None) -> tuple[np.ndarray, list[str] | None]:
    """Return the types of the atoms, numbered as in `type_map` where there are names, and the names."""
    file = path / "type.raw"
    words = _read_words(file)
    bad = next((word for word in words if not re.fullmatch(r"[+-]?[0-9]{1,9}", word)), None)
    if bad is not None:
        raise InputError(f"expected one integer of at most 9 digits for each atom, got {show(bad)}", file)
    types = np.array([int(word) for word in words], dtype=np.int32)
    if len(types) == 0:
        raise InputError("holds no atoms", file)
    if types.min() < 0:
        raise InputError(f"atom {int(types.argmin())} has type {types.min()}; types count from 0", file)
    highest = int(types.max())
    names = _read_words(path / "type_map.raw") if os.path.lexists(path / "type_map.raw") else None
    if names is None:
        if type_map is None and highest >= _MOST_NAMELESS_TYPES:
            raise InputError(
                f"atom {int(types.argmax())} has type {highest}; expected a type below "
                f"{_MOST_NAMELESS_TYPES}, as neither a type_map.raw nor model/type_map names the types",
                file,
            )
        if type_map is not None and highest >= len(type_map):
            raise InputError(
                f"atom {int(types.argmax())} has type {highest}, but the model has types 0 to "
                f"{len(type_map) - 1} ({' '.join(type_map)}) and the system has no type_map.raw",
                file,
            )
        return types, None if type_map is None else list(type_map)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        message = f'the name "{twice}" stands for two types; expected different names'
        raise InputError(message, path / "type_map.raw")
    if highest >= len(names):
        raise InputError(f"names {len(names)} types, but type.raw has type {highest}", path / "type_map.raw")
    if type_map is None:
        return types, names
    new = np.full(len(names), -1, dtype=np.int32)
    for old in np.unique(types):
        if names[old] not in type_map:
            raise InputError(
                f'type "{names[old]}" is not in the type map of the model ({" ".join(type_map)})',
                path / "type_map.raw",
            )
        new[old] = list(type_map).index(names[old])
    return new[types], list(type_map)


def _find_sets(path: Path, prefix: str) -> list[Path]:
    """The folders of the sets in the order of their names, or the system itself if it is text."""
    with os.scandir(path) as entries:
        sets = [e for e in entries if e.name.startswith(f"{prefix}.")]
        names = sorted(e.name for e in sets if e.is_dir())
        lost = sorted(e.name for e in sets if e.name not in names and e.name[len(prefix) + 1 :].isdigit())
    if lost:
        message = "expected the folder of a set, got a file or a link that leads nowhere"
        raise InputError(message, path / lost[0])
    if names:
        return [path / name for name in names]
    if (path / "coord.raw").is_file():
        return [path]
    raise InputError(f"holds neither a folder {prefix}.* nor coord.raw", path)


def _list_files(folder: Path, text: bool) -> dict[str, Path]:
    """Name -> file, of the arrays in a folder."""
    suffix = ".raw" if text else ".npy"
    with os.scandir(folder) as entries:
        return {e.name[: -len(suffix)]: folder / e.name for e in entries if e.name.endswith(suffix)}
