# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is measured on the training data before training starts.

- Neighbours, over all frames: the shortest distance and the largest numbers of neighbours, from which
  an automatic ``sel`` is made.
- Statistics, over a few batches of each system: mean and spread of the environment matrix and of the
  frame and atomic parameters, and the energy of an atom of each type by least squares.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpcore.data import DataCollection
from dpcore.errors import InputError, in_set
from dpcore.grammar import auto_sel_factor
from dpcore.log import progress

__all__ = [
    "NeighborStatistics",
    "Statistics",
    "compute_statistics",
    "energy_bias",
    "neighbor_statistics",
    "resolve_sel",
]

log = logging.getLogger(__name__)

# two atoms closer than this (A) are one atom given twice
_OVERLAP = 1e-6


@dataclass
class NeighborStatistics:
    """The surroundings of atoms in a data set.

    Attributes
    ----------
    min_nbor_dist
        Shortest distance between two atoms in A; None if no two atoms are within the cut-off.
    max_nbor_size
        Largest number of neighbours of each type that an atom has within the cut-off.
    """

    min_nbor_dist: float | None
    max_nbor_size: list[int]


@dataclass
class Statistics:
    """Constants of a model that come from its training data.

    Attributes
    ----------
    environment
        Mean and spread of the environment matrix per centre type under their names in a model file:
        ``descriptor/davg`` and ``descriptor/dstd``, [n_types, 4]: radial, x, y, z; [n_types, 1] for a
        descriptor of distances; of a hybrid descriptor a pair for each part, ``descriptor/part_0/davg`` ...
    bias_atom_e
        Energy of an atom of each type in eV, [n_types]; None of a model of tensors.
    constant_matrix
        Mean diagonal of the polarizability of an atom of each type, [n_types]; None but of polarizabilities.
    fparam_avg, fparam_istd, aparam_avg, aparam_istd
        Mean and inverse spread of the frame and atomic parameters; None if the model has none.
    """

    environment: dict[str, np.ndarray]
    bias_atom_e: np.ndarray | None = None
    constant_matrix: np.ndarray | None = None
    fparam_avg: np.ndarray | None = None
    fparam_istd: np.ndarray | None = None
    aparam_avg: np.ndarray | None = None
    aparam_istd: np.ndarray | None = None

    def tensors(self) -> dict[str, np.ndarray]:
        """The constants under their names in a model file."""
        out = dict(self.environment)
        for name in (
            "bias_atom_e",
            "constant_matrix",
            "fparam_avg",
            "fparam_istd",
            "aparam_avg",
            "aparam_istd",
        ):
            value = getattr(self, name)
            if value is not None:
                out[f"fitting/{name}"] = value
        return out


def neighbor_statistics(data: DataCollection, rcut: float, n_types: int) -> NeighborStatistics:
    """Count neighbours in all frames of `data`, checking all of its arrays on the way.

    Parameters
    ----------
    data
        The training systems.
    rcut
        Cut-off radius in A; rounded to single precision, as the model does.
    n_types
        Number of types of the model.

    Raises
    ------
    InputError
        If two atoms lie on top of each other, naming the set, the frame and the atoms.
    """
    from dpcore import _core

    rcut = float(np.float32(rcut))
    log.info("counting neighbours within %g A in %d frames of %d system(s)", rcut, data.n_frames, len(data))
    shortest = np.inf
    largest = np.zeros(n_types, dtype=np.int64)
    for system in progress(data.systems, "counting neighbours"):
        for set_index, begin, coord, box in system.chunks():
            try:
                distance, size, (frame, i, j) = _core.neighbor_stat(coord, box, system.types, rcut, n_types)
            except _core.Error as error:
                frames = range(begin, begin + len(coord))
                raise InputError(in_set(error, frames), system.set_path(set_index)) from None
            if distance < _OVERLAP:
                raise InputError(
                    f"atoms {min(i, j)} and {max(i, j)} of frame {begin + frame} (counted from 0) lie on top "
                    f"of each other, {distance:.1e} A apart",
                    system.set_path(set_index),
                )
            shortest = min(shortest, float(distance))
            largest = np.maximum(largest, np.asarray(size, dtype=np.int64))
    if np.isinf(shortest):
        log.warning("no atom of the training data has a neighbour within %g A", rcut)
    log.info("training data with min nbor dist: %s", shortest)
    log.info("training data with max nbor size: %s", largest.tolist())
    return NeighborStatistics(None if np.isinf(shortest) else shortest, largest.tolist())


def resolve_sel(
    sel: Sequence[int] | str, max_nbor_size: Sequence[int], where: str = "model/descriptor/sel"
) -> list[int]:
    """Neighbour slots per type: the given list, or for ``auto`` from the numbers counted in the data.

    ``auto:f`` gives each type f times its largest number of neighbours, cut to an integer and rounded
    up to a multiple of 4.  A list that is too short for the data is kept, with a warning.
    """
    factor = auto_sel_factor(sel)
    if factor is None:
        for index, (have, want) in enumerate(zip(sel, max_nbor_size)):
            if 0 < have < want:  # 0 leaves a type out on purpose
                log.warning(
                    "sel of type %d is not enough! The expected value is not less than %d, but you set it "
                    "to %d. The accuracy of your model may get worse.",
                    index,
                    want,
                    have,
                )
        return [int(n) for n in sel]
    slots = [4 * ((int(n * factor) + 3) // 4) if n * factor < 2**31 else 2**31 for n in max_nbor_size]
    if sum(slots) >= 2**31:
        raise InputError(
            f"{sel} gives more slots than 32 bits can count, for {list(max_nbor_size)} neighbours in the "
            "data; expected a factor near 1",
            where,
        )
    if sum(slots) == 0:
        raise InputError(
            "no atom of the training data has a neighbour within rcut, so that auto gives no slots; "
            "give a list of numbers",
            where,
        )
    log.info("sel from the training data: %s", slots)
    return slots


def energy_bias(
    energies: np.ndarray,
    counts: np.ndarray,
    rcond: float | None = 1e-3,
    atom_ener: Sequence[float | None] = (),
) -> np.ndarray:
    """The energies of single atoms whose sums come closest to the energies of systems.

    Parameters
    ----------
    energies
        Mean energy of each system in eV, [n_systems].
    counts
        Number of atoms of each type in each system, [n_systems, n_types].
    rcond
        Singular values below this times the largest are taken as 0; None for numpy's default.
    atom_ener
        Energies that are given, None where free; empty if none is.

    Returns
    -------
    ndarray
        [n_types] eV: the solution of least norm for the free types, the given energies for the others.
    """
    counts = np.array(counts, dtype=np.float64)
    rest = np.array(energies, dtype=np.float64)
    given = np.array([e is not None for e in atom_ener], dtype=bool)
    values = np.array([0.0 if e is None else e for e in atom_ener], dtype=np.float64)
    if given.any():
        with np.errstate(over="ignore", invalid="ignore"):  # the fit refuses what is not finite
            rest -= counts @ values
        counts[:, given] = 0.0
    if len(rest) == 0:
        bias = np.zeros(counts.shape[1])
    else:
        from dpcore import _core

        if rcond is None:  # numpy's convention
            rcond = np.finfo(np.float64).eps * max(counts.shape)
        try:
            bias = _core.energy_bias(rest, counts, rcond)
        except _core.Error as error:
            raise InputError(
                f"the energies of the systems cannot be split over the types ({error}); are atom_ener and "
                "the energy labels in eV?",
                "model/fitting_net/atom_ener",
            ) from None
    if given.any():
        bias[given] = values[given]
    return bias


@dataclass
class _Parameters:
    """Mean and spread of frame or atomic parameters, gathered batch by batch."""

    width: int
    rows: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        self.rows.append(values.reshape(-1, self.width))

    def result(self, protect: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean, and inverse of the population standard deviation, which is at least `protect`."""
        rows = np.concatenate(self.rows)
        return rows.mean(axis=0), 1.0 / np.maximum(rows.std(axis=0), protect)


class _MeanPolarizability:
    """The diagonal that polarizabilities of single atoms have in the mean, by least squares.

    An equation for each batch: the labels of atoms, summed for each selected type, else those of frames.
    """

    def __init__(self, n_types: int, fitting: dict[str, Any]) -> None:
        self._n_types = n_types
        self._selected = fitting["sel_type"]
        self._wanted = fitting["shift_diag"]
        self._counts: list[np.ndarray] = []
        self._sums: list[np.ndarray] = []

    def add(self, batch: dict[str, Any]) -> None:
        """Take the labels of a batch."""
        n_frames = len(batch["coord"])
        counts = np.bincount(batch["type"], minlength=self._n_types)[self._selected].astype(np.float64)
        if batch.get("find_atomic_polarizability"):
            types = batch["type"][np.isin(batch["type"], self._selected)]
            alpha = batch["atomic_polarizability"].reshape(n_frames, len(types), 9).mean(axis=0)
            for index, kind in enumerate(self._selected):
                self._counts.append(counts * (np.arange(len(counts)) == index))
                self._sums.append(alpha[types == kind].sum(axis=0))
        elif batch.get("find_polarizability"):
            self._counts.append(counts)
            self._sums.append(batch["polarizability"].mean(axis=0))

    def result(self) -> np.ndarray:
        """The mean of the three diagonal elements, [n_types]; 0 for types that are not selected."""
        out = np.zeros(self._n_types)
        if self._wanted and self._counts:
            alpha, *_ = np.linalg.lstsq(np.array(self._counts), np.array(self._sums), rcond=None)
            out[self._selected] = alpha[:, [0, 4, 8]].mean(axis=1)
        return out


def compute_statistics(model: dict[str, Any], core: dict[str, Any], data: DataCollection) -> Statistics:
    """Take the statistics of a model from batches of its training data.

    Draws ``data_stat_nbatch`` batches from each system in turn, through the same shuffled order of
    frames that training goes on with.

    Parameters
    ----------
    model
        The normalised ``model`` section.
    core
        The configuration as the core has it (`dpcore.config.core_config`), with `sel` as numbers.
    data
        The training systems.
    """
    from dpcore import _core

    fitting = model["fitting_net"]
    n_types = len(core["type_map"])
    env = _core.EnvStatistics(json.dumps(core["descriptor"]), n_types)
    fparam = _Parameters(fitting["numb_fparam"])
    aparam = _Parameters(fitting["numb_aparam"])
    polar = _MeanPolarizability(n_types, fitting) if fitting["type"] == "polar" else None
    energies, counts = [], []
    for index, system in enumerate(progress(data.systems, "taking statistics")):
        found = []
        for _ in range(model["data_stat_nbatch"]):
            batch = data.get_batch(index)
            try:
                env.add(batch["coord"], batch["box"], batch["type"])
            except _core.Error as error:
                raise InputError(in_set(error, batch["frames"]), system.set_path(batch["set"])) from None
            if fitting["type"] == "ener" and batch["find_energy"]:
                found.append(batch["energy"])
            if polar is not None:
                polar.add(batch)
            if fparam.width:
                fparam.add(batch["fparam"])
            if aparam.width:
                aparam.add(batch["aparam"])
        if found:  # a system without energies says nothing about their bias
            energies.append(np.concatenate(found).mean())
            counts.append(system.type_counts(n_types))
    out = Statistics(env.tensors())
    if fitting["type"] == "ener":
        table = np.array(counts).reshape(len(energies), n_types)
        out.bias_atom_e = energy_bias(np.array(energies), table, fitting["rcond"], fitting["atom_ener"])
    elif polar is not None:
        out.constant_matrix = polar.result()
    protect = model["data_stat_protect"]
    if fparam.width:
        out.fparam_avg, out.fparam_istd = fparam.result(protect)
    if aparam.width:
        out.aparam_avg, out.aparam_istd = aparam.result(protect)
    return out
