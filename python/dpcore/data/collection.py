# SPDX-License-Identifier: LGPL-3.0-or-later
"""All systems of a data section, and the batches drawn from them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.data.batch import FrameSampler, batch_sizes, n_batches, system_probabilities
from dpcore.data.labels import LABELS
from dpcore.data.system import DeepmdSystem
from dpcore.errors import InputError
from dpcore.log import progress
from dpcore.text_file import read_text

__all__ = ["DataCollection", "Drawn", "expand_systems"]

log = logging.getLogger(__name__)

Drawn = tuple[int, int, np.ndarray]  # system, set, frames

_NAME_WIDTH = 42
_MAX_LINES = 200


def expand_systems(systems: str | Sequence[str], where: str = "systems") -> list[str]:
    """The folders of the systems: a list as it is, or every folder with type.raw below one folder.

    A folder is searched at any depth, links followed, in the order of the names; itself comes last.
    """
    if not isinstance(systems, str):
        if not systems:
            raise InputError("expected at least one system, got an empty list", where)
        return [str(system) for system in systems]
    root = Path(systems)
    if not root.is_dir():
        raise InputError("no such folder" if not root.exists() else "expected a folder, got a file", systems)
    found, seen = [], set()
    for folder, below, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back
            below.clear()
            continue
        seen.add(real)
        below.sort()
        if "type.raw" in files and Path(folder) != root:
            found.append(folder)
    if (root / "type.raw").is_file():
        found.append(str(root))
    if not found:
        raise InputError("holds no data system: there is no type.raw at any depth", systems)
    return found


def list_systems(system: str | Path, datafile: str | Path | None = None) -> list[str]:
    """The folders that a command means: those below ``--system``, or the lines of ``--datafile``."""
    if datafile is None:
        return expand_systems(str(system), "--system")
    expected = "a text file that names the folder of one system in each line"
    try:
        lines = read_text(datafile, expected).splitlines()
    except FileNotFoundError:
        raise InputError(f"no such file; expected {expected}", datafile) from None
    paths = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not os.path.isdir(line):
            name = line if len(line) <= 80 else line[:77] + "..."
            what = "no such folder" if not os.path.exists(line) else "a file, and no folder of a system"
            hint = "" if os.path.isabs(line) else f" (looked for in {Path.cwd()})"
            raise InputError(f"line {number}: {what}: {name}{hint}; expected {expected}", datafile)
        paths += [line] if line else []
    if not paths:
        raise InputError(f"names no system; expected {expected}", datafile)
    return paths


class DataCollection:
    """The systems of ``training/training_data`` or ``training/validation_data``.

    Parameters
    ----------
    section
        The normalised section of the input file (systems, set_prefix, batch_size, auto_prob, sys_probs).
    rng
        From `make_rng`; shared between the collections of one training, as the reference does.
    type_map
        The model's names of types; None takes them from the data.
    labels
        Which labels to read (`labels_of_loss`).
    numb_fparam, numb_aparam
        Parameters per frame and per atom that the model has.
    name
        ``training`` or ``validation``, for the log and for errors.
    sel_type
        Types that atomic tensors are of; None: all.
    modifier
        What is subtracted from the labels, see `DeepmdSystem`.

    Attributes
    ----------
    systems
        The `DeepmdSystem` objects.
    type_map
        Names of the types, the given ones or those of the data; None if nobody names them.
    n_types
        Number of types.
    batch_size, n_batches
        Frames in a batch and batches in a pass, for each system.
    probabilities
        How often each system is drawn, float64 [n_systems].
    """

    def __init__(
        self,
        section: dict[str, Any],
        rng: np.random.RandomState,
        type_map: Sequence[str] | None = None,
        labels: Sequence[str] = LABELS,
        numb_fparam: int = 0,
        numb_aparam: int = 0,
        name: str = "training",
        sel_type: Sequence[int] | None = None,
        modifier: Any = None,
    ) -> None:
        self.name = name
        self.labels = tuple(labels)
        self._rng = rng
        where = f"training/{name}_data"
        prefix = section.get("set_prefix", "set")
        paths = expand_systems(section["systems"], f"{where}/systems")
        self.systems = [
            DeepmdSystem(path, type_map, prefix, labels, numb_fparam, numb_aparam, sel_type, modifier)
            for path in progress(paths, f"opening {name} systems")
        ]
        self.type_map = list(type_map) if type_map is not None else _common_type_map(self.systems)
        self.n_types = max(s.n_types for s in self.systems) if self.type_map is None else len(self.type_map)
        spec = section.get("batch_size", "auto")
        self.batch_size = batch_sizes(spec, [s.n_atoms for s in self.systems], f"{where}/batch_size")
        self.n_batches = [n_batches(s.set_sizes, b) for s, b in zip(self.systems, self.batch_size)]
        self.probabilities = system_probabilities(
            self.n_batches, section.get("auto_prob", "prob_sys_size"), section.get("sys_probs"), where
        )
        self._cumulative = np.cumsum(self.probabilities)
        self._cumulative /= self._cumulative[-1]
        self._samplers = [FrameSampler(s.set_sizes, b, rng) for s, b in zip(self.systems, self.batch_size)]
        if not isinstance(spec, str):
            self._warn_large_batches()

    def __len__(self) -> int:
        return len(self.systems)

    @property
    def n_frames(self) -> int:
        """Number of frames in all systems."""
        return sum(s.n_frames for s in self.systems)

    def draw(self, system: int | None = None) -> Drawn:
        """Draw the frames of a batch, and do not read them yet.

        Parameters
        ----------
        system
            Index of the system to take the frames from; None draws one by `probabilities`.

        Returns
        -------
        tuple
            Index of the system, index of the set, indices of the frames in it (int64 [nf]).
        """
        if system is None:
            # the draw that RandomState.choice(n, p=probabilities) makes
            system = int(self._cumulative.searchsorted(self._rng.random_sample(), side="right"))
        return (system, *self._samplers[system].next())

    def read(self, drawn: Drawn) -> dict[str, Any]:
        """Read what was drawn.

        Returns
        -------
        dict
            What `DeepmdSystem.read` returns, and ``system``, ``set`` (indices), ``frames`` (indices in
            the set, int64 [nf]) and ``natoms`` to say where the batch comes from.
        """
        system, set_index, frames = drawn
        batch = self.systems[system].read(set_index, frames)
        batch.update(system=system, set=set_index, frames=frames, natoms=self.systems[system].n_atoms)
        return batch

    def get_batch(self, system: int | None = None) -> dict[str, Any]:
        """Draw a batch and read it, see `draw` and `read`."""
        return self.read(self.draw(system))

    def check(self) -> None:
        """Check every array of every system now, rather than when its frames are first drawn."""
        for system in progress(self.systems, f"checking {self.name} data"):
            system.check()

    def origin(self, batch: dict[str, Any]) -> str:
        """Where a batch comes from, for messages: the set's folder and the frames."""
        folder = self.systems[batch["system"]].set_path(batch["set"])
        return f"{folder}, frame(s) {', '.join(str(i) for i in batch['frames'])}"

    def found(self, label: str) -> float:
        """The share of all frames that have `label`, 0 to 1."""
        return sum(s.found(label) * s.n_frames for s in self.systems) / self.n_frames

    def check_labels(self, labels: Sequence[str] | None = None) -> None:
        """Warn of labels which the loss asks for and the data have not, or not everywhere.

        Raises
        ------
        InputError
            If none of the labels is there at all.
        """
        labels = self.labels if labels is None else labels
        share = {label: self.found(label) for label in labels}
        if not any(share.values()):
            raise InputError(
                f"none of the labels that the loss asks for ({', '.join(labels)}) is in any system",
                f"training/{self.name}_data/systems",
            )
        for label, part in share.items():
            if part == 0.0:
                log.warning("no %s system has %s labels: their part of the loss is 0", self.name, label)
            elif part < 1.0:
                log.warning("%.1f %% of the %s frames have %s labels", 100.0 * part, self.name, label)

    def summary(self) -> list[str]:
        """The lines of a table of the systems."""
        rows = [f"---Summary of DataSystem: {self.name:13s}" + "-" * 47, f"found {len(self)} system(s):"]
        rows.append(
            f"{'system':>{_NAME_WIDTH}s}  {'natoms':>6s}  {'frames':>7s}  {'bch_sz':>6s}  {'n_bch':>6s}"
            f"  {'prob':>9s}  pbc  labels"
        )
        shown = range(len(self)) if len(self) <= _MAX_LINES else range(_MAX_LINES)
        rows += [self._row(i) for i in shown]
        if len(self) > len(shown):
            rows.append(f"... and {len(self) - len(shown)} more systems, not listed here")
        rows.append("-" * 86)
        return rows

    def log_summary(self) -> None:
        """Write the table to the log."""
        for line in self.summary():
            log.info("%s", line)

    def get_state(self) -> dict[str, Any]:
        """Where the order of frames stands, as values that JSON can hold; the generator is not in it."""
        return {
            "layout": self._layout(),
            "samplers": [sampler.get_state() for sampler in self._samplers],
        }

    def set_state(self, state: dict[str, Any]) -> bool:
        """Go where the collection stood; False, with a warning, if it has other data or batches now."""
        if state["layout"] != self._layout():
            log.warning(
                "the %s data or batch sizes changed since the checkpoint: the order of frames starts anew",
                self.name,
            )
            return False
        for sampler, one in zip(self._samplers, state["samplers"]):
            sampler.set_state(one)
        return True

    def _layout(self) -> list[list[Any]]:
        return [[s.name, list(s.set_sizes), b] for s, b in zip(self.systems, self.batch_size)]

    def _row(self, index: int) -> str:
        system = self.systems[index]
        name = system.name
        if len(name) > _NAME_WIDTH:
            name = "-- " + name[-(_NAME_WIDTH - 3) :]
        marks = []
        for label in self.labels:
            part = system.found(label)
            if part > 0.0:
                marks.append(label if part == 1.0 else f"{label}({100.0 * part:.0f}%)")
        return (
            f"{name:>{_NAME_WIDTH}s}  {system.n_atoms:6d}  {system.n_frames:7d}  {self.batch_size[index]:6d}"
            f"  {self.n_batches[index]:6d}  {self.probabilities[index]:9.3e}  {'FT'[system.pbc]:>3s}"
            f"  {' '.join(marks) or '-'}"
        )

    def _warn_large_batches(self) -> None:
        for system, size in zip(self.systems, self.batch_size):
            smallest = min(system.set_sizes)
            if size > smallest:
                folder = system.set_path(system.set_sizes.index(smallest))
                log.warning(
                    "system %s required batch size is larger than the size of the dataset %s (%d > %d)",
                    system.name,
                    folder,
                    size,
                    smallest,
                )


def _common_type_map(systems: Sequence[DeepmdSystem]) -> list[str] | None:
    """The names of types the systems agree on: the longest list, of which the others are beginnings."""
    longest: list[str] = []
    owner = ""
    for system in systems:
        names = system.type_map
        if names is None:
            continue
        n = min(len(names), len(longest))
        if names[:n] != longest[:n]:
            raise InputError(
                f"names the types {' '.join(names)}, but {owner} names them {' '.join(longest)}; give "
                "model/type_map to have all systems renumbered",
                system.path / "type_map.raw",
            )
        if len(names) > len(longest):
            longest, owner = names, system.name
    highest = max(int(s.types.max()) for s in systems)
    if longest and highest >= len(longest):
        raise InputError(
            f"type {highest} occurs in the data, but only {len(longest)} types have names", owner
        )
    return longest or None
