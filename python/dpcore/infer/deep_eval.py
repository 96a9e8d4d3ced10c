# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the classes of `dpcore.infer` have in common: opening a model, and the frames it is evaluated on."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dpcore import _core
from dpcore.errors import InputError, show, suggest
from dpcore.grammar import descriptor_parts, slots
from dpcore.modelfile import ModelFile, read_model

__all__ = ["CLASSES", "DESCRIPTOR_DTYPES", "DeepEval", "FrameArguments", "known_precision", "numbers"]

log = logging.getLogger(__name__)

# keywords of the reference's constructor that choose between backends or memory sizes: nothing to choose here
_WITHOUT_EFFECT = (
    "auto_batch_size",
    "default_tf_graph",
    "input_map",
    "load_prefix",
    "neighbor_list",
    "no_jit",
)
DESCRIPTOR_DTYPES = {"native": np.float64, "fp64": np.float64, "fp32": np.float32}
# kind of a model -> the class that evaluates it
CLASSES = {"ener": "DeepPot", "dipole": "DeepDipole", "polar": "DeepPolar"}


class FrameArguments(NamedTuple):
    """Checked arguments of an evaluation: coords [nf, n*3], cells [nf, 9] or None, types [n], pbc."""

    coords: np.ndarray
    cells: np.ndarray | None
    types: np.ndarray
    pbc: list[bool] | None


class DeepEval:
    """A trained model; see the classes derived from it.

    Parameters
    ----------
    model_file
        A model file or checkpoint of dpcore, or a frozen TensorFlow graph of DeePMD-kit, under any name.
    load_prefix, default_tf_graph, **kwargs
        Accepted for scripts written for the reference (auto_batch_size, input_map, neighbor_list, no_jit);
        without effect.
    precision
        ``"high"`` (float64), ``"mixed"`` (fitting net and tables in float32) or ``"low"`` (float32), by
        keyword only; None: as the environment variable DP_INTERFACE_PREC says, without it as the file has
        it.

    Attributes
    ----------
    precision
        The one that is used, ``"stored"`` for that of the file.
    model_type
        What the model predicts: ``"ener"``, ``"dipole"`` or ``"polar"``.
    model_version
        Version of the file format.
    has_efield, has_fparam, has_aparam
        Whether the model takes an electric field (never), frame parameters, atomic parameters.
    modifier_type
        ``"dipole_charge"`` for a model with that modifier, else None.
    compressed
        Whether it is a model of ``dp compress``.

    Raises
    ------
    InputError
        A ValueError; if the file cannot be read or is no such model.
    """

    model_type = ""
    has_efield = False
    modifier_type: str | None = None

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        load_prefix: str = "load",
        default_tf_graph: bool = False,
        *,
        precision: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_keywords(kwargs)
        precision = known_precision(precision)
        self._open(read_model(model_file), precision)

    @classmethod
    def _check_keywords(cls, kwargs: dict[str, Any]) -> None:
        for key, value in kwargs.items():
            if key == "head" and value is None:
                continue
            if key not in _WITHOUT_EFFECT:
                hint = suggest(key, _WITHOUT_EFFECT)
                raise TypeError(f'{cls.__name__} got an unexpected keyword "{key}".{hint}')

    def _open(self, file: ModelFile, precision: str) -> None:
        if file.kind in CLASSES and file.kind != self.model_type:
            raise InputError(
                f'holds a model of kind "{file.kind}", not "{self.model_type}"; open it with '
                f"{CLASSES[file.kind]} or DeepPotential",
                file.path,
            )
        self._load(file._replace(tensors=file.model_tensors()), precision)

    def _load(self, file: ModelFile, precision: str) -> None:
        self._file = file
        self._model = file.model(None if precision == "stored" else precision)
        self.precision = precision
        self._warned = False
        self.model_version = file.metadata.get("format_version", "1")
        self.compressed = bool(self._model.tables())
        modifier = file.config.get("modifier")
        self.modifier_type = modifier["type"] if modifier else None
        self.has_fparam = self._model.dim_fparam > 0
        self.has_aparam = self._model.dim_aparam > 0

    def __getstate__(self) -> tuple[ModelFile, str]:
        return self._file, self.precision

    def __setstate__(self, state: tuple[ModelFile, str]) -> None:
        self._load(*state)

    def __deepcopy__(self, memo: dict[int, Any]) -> DeepEval:
        return self  # nothing of it changes, so that copies of what holds it can share it

    def __repr__(self) -> str:
        kind = ", compressed" if self.compressed else ""
        kind += "" if self.precision == "stored" else f", precision {self.precision}"
        return f"{type(self).__name__}({str(self._file.path)!r}{kind}, types {' '.join(self.get_type_map())})"

    @property
    def path(self) -> Path:
        """The file that the model was read from."""
        return self._file.path

    def get_ntypes(self) -> int:
        """Number of atom types."""
        return self._model.ntypes

    def get_rcut(self) -> float:
        """Cut-off radius in A."""
        return self._model.rcut

    def get_type_map(self) -> list[str]:
        """Names of the types; type t is the name at position t."""
        return list(self._model.type_map)

    def get_dim_fparam(self) -> int:
        """Number of frame parameters."""
        return self._model.dim_fparam

    def get_dim_aparam(self) -> int:
        """Number of atomic parameters."""
        return self._model.dim_aparam

    def is_aparam_nall(self) -> bool:
        """Whether the atomic parameters of neighbours enter the descriptor (se_a_tpe with numb_aparam)."""
        return self._model.is_aparam_nall

    def get_dim_descriptor(self) -> int:
        """How many numbers the descriptor of an atom has."""
        return self._model.dim_descriptor

    def eval_descriptor(
        self,
        coords: Any,
        cells: Any,
        atom_types: Any,
        fparam: Any = None,
        aparam: Any = None,
        mixed_type: bool = False,
        dtype: str = "native",
        *,
        pbc: Any = None,
    ) -> np.ndarray:
        """The descriptors of atoms: what the fitting net is given of their surroundings.

        Parameters
        ----------
        coords, cells, atom_types, pbc
            As for ``eval``.
        fparam
            Accepted, without effect: the descriptor does not depend on them.
        aparam
            As for ``eval`` where the descriptor takes atomic parameters of neighbours, else without effect.
        mixed_type
            Not supported: leave it out.
        dtype
            Numbers of the result: "fp64", "fp32", or "native" (float64, whatever the model computes in).

        Returns
        -------
        ndarray
            [nframes, natoms, numbers of the descriptor], zeros for atoms that the model does not see.

        Raises
        ------
        ValueError
            For arguments of the wrong size, or numbers that are not finite, naming frame and atom.
        """
        if mixed_type:
            raise InputError(
                "frames with different types of atoms in one call are not supported", "mixed_type"
            )
        if dtype not in DESCRIPTOR_DTYPES:
            raise InputError(f"expected one of {', '.join(DESCRIPTOR_DTYPES)}, got {show(dtype)}", "dtype")
        frames = self._frames(coords, cells, atom_types, pbc)
        if self.is_aparam_nall():
            shape = (len(frames.coords), len(frames.types))
            aparam = parameters(aparam, *shape, self.get_dim_aparam(), "aparam")
        result = self._model.descriptors(frames.coords, frames.cells, frames.types, frames.pbc, aparam)
        self._warn_of_overflow()
        return result.astype(DESCRIPTOR_DTYPES[dtype], copy=False)

    def _frames(self, coords: Any, cells: Any, atom_types: Any, pbc: Any) -> FrameArguments:
        types = _types(atom_types)
        n_atoms = len(types)
        coords = numbers(coords, "coords")
        n_frames = _count_frames(coords, n_atoms)
        coords = coords.reshape(n_frames, 3 * n_atoms)
        if cells is not None:
            cells = numbers(cells, "cells")
            if cells.size != 9 * n_frames or not _has_rows_of(cells, 3, 9):
                raise InputError(
                    f"expected shape [{n_frames}, 9] for the {n_frames} frames of coords, got "
                    f"{list(cells.shape)}; None means not periodic",
                    "cells",
                )
            cells = cells.reshape(n_frames, 9)
        pbc = _flags(pbc, cells is not None)
        return FrameArguments(coords, cells, types, pbc)

    def _warn_of_overflow(self) -> None:
        if not self._model.has_warnings:
            return
        notice = self._model.outside_tables()["notice"]
        if notice:
            log.warning("%s: %s", self._file.path, notice)
        overflow = self._model.sel_overflow()
        if overflow["atoms"] and not self._warned:
            self._warned = True
            log.warning(
                "%d atom(s) have more neighbours of a type than the model's %s, by up to %d: the "
                "farthest are left out, as in training with this sel, and energies are not smooth there. "
                "A model with a larger sel avoids this; DP_STRICT_SEL=1 makes it an error. (Said once for "
                "each model.)",
                overflow["atoms"],
                " and ".join(slots(part) for _, part in descriptor_parts(self._file.config["descriptor"])),
                overflow["worst_excess"],
            )


def known_precision(word: str | None) -> str:
    """The precision that a model is opened in: ``"high"``, ``"mixed"``, ``"low"`` or ``"stored"``.

    Raises
    ------
    InputError
        For another word, here or in DP_INTERFACE_PREC.
    """
    if word is not None and (not isinstance(word, str) or word == ""):
        raise InputError(f"expected high, mixed or low, got {show(word)}", "precision")
    try:
        return _core.precision(word or "")
    except _core.Error as error:
        raise InputError(str(error)) from None


def numbers(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiuO":
            raise TypeError(f"got {array.dtype}")
        return np.ascontiguousarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected an array of numbers: {error}", name) from None


def parameters(values: Any, n_frames: int, n_atoms: int, width: int, name: str) -> np.ndarray | None:
    """Parameters as [n_frames, n_atoms*width], from any of the sizes that `DeepPot.eval` takes."""
    kind = "frame" if name == "fparam" else "atomic"
    if values is None:
        if width > 0:
            raise InputError(f"the model needs {width} {kind} parameter(s), none were given", name)
        return None
    array = numbers(values, name)
    if width == 0:
        if array.size == 0:
            return None
        raise InputError(f"the model takes no {kind} parameters, got {array.size} numbers", name)
    shape = (n_frames, n_atoms * width)
    if array.size in (n_frames * n_atoms * width, n_atoms * width, width):
        array = np.ascontiguousarray(np.resize(array, shape))
        if not np.isfinite(array).all():
            frame, column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
            atom = f", atom {column // width}" if name == "aparam" else ""
            value = array[frame, column]
            raise InputError(
                f"{value} in frame {frame}{atom} (counted from 0); expected finite numbers", name
            )
        return array
    if name == "fparam":
        sizes = f"{n_frames}*{width} numbers (nframes*d) or {width} for all frames"
    else:
        sizes = (
            f"{n_frames}*{n_atoms}*{width} numbers (nframes*natoms*d), {n_atoms}*{width} for all frames, or "
            f"{width} for all atoms"
        )
    raise InputError(f"expected {sizes}; got shape {list(array.shape)}", name)


def _types(values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"expected natoms integers: {error}", "atom_types") from None
    if array.ndim == 2 and len(array) == 1:
        array = array[0]
    if array.ndim != 1:
        raise InputError(
            f"expected natoms integers, the same for all frames, got shape {list(array.shape)}", "atom_types"
        )
    try:
        if array.size == 0 or array.dtype.kind in "iu":  # apart, as errstate takes longer than all else here
            types = array.astype(np.int32)
        elif array.dtype.kind == "f":
            with np.errstate(invalid="ignore"):  # of NaN
                types = array.astype(np.int32)
        else:
            raise TypeError
        whole = array.dtype == np.int32 or np.count_nonzero(types != array) == 0
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InputError(f"expected integers, got {show(array.tolist())}", "atom_types")
    return types


def _flags(values: Any, has_cells: bool) -> list[bool] | None:
    if values is None:
        return None
    flags = np.asarray(values)
    if flags.shape != (3,) or not np.isin(flags, (0, 1)).all():
        raise InputError(f"expected three booleans, got {show(flags.tolist())}", "pbc")
    if flags.any() and not has_cells:
        raise InputError(f"got {flags.tolist()} without cells", "pbc")
    return [bool(flag) for flag in flags]


def _has_rows_of(array: np.ndarray, *widths: int) -> bool:
    """Whether an array is flat or its last axis has one of the lengths; else its axes are in wrong order."""
    return array.size == max(array.shape, default=0) or array.shape[-1] in widths


def _count_frames(coords: np.ndarray, n_atoms: int) -> int:
    if n_atoms == 0 and coords.size == 0:
        return coords.shape[0] if coords.ndim > 1 else 1
    if n_atoms == 0 or coords.size % (3 * n_atoms) or not _has_rows_of(coords, 3, 3 * n_atoms):
        raise InputError(
            f"expected shape [nframes, {n_atoms}*3], got {list(coords.shape)}; the number of atoms comes "
            "from atom_types, and the x, y, z of an atom follow each other",
            "coords",
        )
    return coords.size // (3 * n_atoms)
