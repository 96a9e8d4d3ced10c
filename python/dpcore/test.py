# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp test``: compare a model with labelled data."""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.errors import InputError, in_set

if TYPE_CHECKING:
    import numpy as np

    from dpcore.data import DeepmdSystem
    from dpcore.infer import DeepPot

__all__ = ["Errors", "add_arguments", "run", "test"]

log = logging.getLogger(__name__)

# atoms evaluated and compared at a time
_ATOMS_AT_ONCE = 1 << 16

# quantity -> the line without the word for the kind of error, and the unit
_LINES = {
    "e": ("Energy {:11s} : {} eV", ""),
    "ea": ("Energy {:11s} : {} eV", "/Natoms"),
    "f": ("Force  {:11s} : {} eV/A", ""),
    "v": ("Virial {:11s} : {} eV", ""),
    "va": ("Virial {:11s} : {} eV", "/Natoms"),
    "ae": ("Atomic ener {:6s} : {} eV", ""),
}

_VIRIAL = [a + b for a in "xyz" for b in "xyz"]
# quantity -> suffix of its detail file and names of its columns
_DETAILS = {
    "e": (".e.out", ["e"]),
    "ea": (".e_peratom.out", ["e"]),
    "f": (".f.out", ["fx", "fy", "fz"]),
    "v": (".v.out", [f"v{c}" for c in _VIRIAL]),
    "va": (".v_peratom.out", [f"v{c}" for c in _VIRIAL]),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp test``."""
    parser.add_argument(
        "-m",
        "--model",
        default="frozen_model.pb",
        help="model file, checkpoint, or frozen TensorFlow graph of DeePMD-kit (default: %(default)s)",
    )
    data = parser.add_mutually_exclusive_group()
    data.add_argument(
        "-s",
        "--system",
        default=".",
        help="folder of a system, or below which all systems are tested (default: the current folder)",
    )
    data.add_argument("-f", "--datafile", help="text file that names one system in each line")
    parser.add_argument(
        "-S", "--set-prefix", default="set", help="the sets of a system are PREFIX.* (default: %(default)s)"
    )
    parser.add_argument(
        "-n",
        "--numb-test",
        type=int,
        default=0,
        help="frames to test of each system, from the first of its first set on; 0: all frames of all sets "
        "(default: %(default)s)",
    )
    parser.add_argument("-r", "--rand-seed", type=int, help="seed of --shuffle-test")
    parser.add_argument(
        "--shuffle-test", action="store_true", help="choose the -n frames by chance instead of the first ones"
    )
    parser.add_argument(
        "-d",
        "--detail-file",
        metavar="PREFIX",
        help="write labels and predictions to PREFIX.e.out, .f.out, .v.out, and per atom to .e_peratom.out, "
        ".v_peratom.out; a suffix of PREFIX is dropped",
    )
    parser.add_argument("-a", "--atomic", action="store_true", help="compare atomic energies as well")


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    test(
        args.model,
        system=args.system,
        datafile=args.datafile,
        set_prefix=args.set_prefix,
        numb_test=args.numb_test,
        rand_seed=args.rand_seed,
        shuffle_test=args.shuffle_test,
        detail_file=args.detail_file,
        atomic=args.atomic,
    )


@dataclass
class Errors:
    """Errors of predictions, added up: by quantity the sums of |d| and d^2, and how many numbers."""

    sums: dict[str, list[float]] = field(default_factory=dict)

    def add(self, key: str, difference: np.ndarray) -> None:
        """Add differences between predictions and labels."""
        flat = difference.ravel()
        total = self.sums.setdefault(key, [0.0, 0.0, 0.0])
        total[0] += float(abs(flat).sum())
        total[1] += float(flat @ flat)
        total[2] += flat.size

    def merge(self, other: Errors) -> None:
        """Add the errors of another system; the mean then weighs every number alike."""
        for key, sums in other.sums.items():
            mine = self.sums.setdefault(key, [0.0, 0.0, 0.0])
            for index, value in enumerate(sums):
                mine[index] += value

    def mae(self, key: str) -> float:
        """Mean absolute error."""
        return self.sums[key][0] / self.sums[key][2]

    def rmse(self, key: str) -> float:
        """Root of the mean square error."""
        return math.sqrt(self.sums[key][1] / self.sums[key][2])

    def lines(self) -> list[str]:
        """The errors as text, for the quantities that have labels."""
        out = []
        for key, (line, per) in _LINES.items():
            if key in self.sums:
                out.append(line.format(f"MAE{per}", f"{self.mae(key):e}"))
                out.append(line.format(f"RMSE{per}", f"{self.rmse(key):e}"))
        return out


def test(
    model: str | Path,
    system: str | Path = ".",
    datafile: str | Path | None = None,
    set_prefix: str = "set",
    numb_test: int = 0,
    rand_seed: int | None = None,
    shuffle_test: bool = False,
    detail_file: str | Path | None = None,
    atomic: bool = False,
) -> list[Errors]:
    """Compare a model with the labels of systems; the log tells, the errors of each system are returned.

    Parameters
    ----------
    model
        The model file.
    system, datafile
        A folder of systems, or a file that lists them.
    set_prefix
        The sets of a system are ``<set_prefix>.*``.
    numb_test
        Frames to test of each system; 0 for all.
    rand_seed, shuffle_test
        Whether the frames are chosen by chance, and with which seed.  They are tested in their order.
    detail_file
        Prefix of the files with every label and prediction; those of an earlier test are replaced.
    atomic
        Whether atomic energies are compared.

    Raises
    ------
    InputError
        If the model or a system cannot be used, or no system has any label.
    """
    import numpy as np

    from dpcore.infer import DeepPot

    if numb_test < 0:
        raise InputError(f"expected 0 (all) or more, got {numb_test}", "--numb-test")
    potential = DeepPot(model)
    if potential.compressed:
        log.info("# compressed model: %s", model)
    paths = _systems(system, datafile)
    rng = np.random.RandomState(None if rand_seed is None else rand_seed % 2**32) if shuffle_test else None
    results, total = [], Errors()
    with ExitStack() as stack:
        details = None if detail_file is None else stack.enter_context(_Details(Path(detail_file)))
        for path in paths:
            results.append(_test_system(potential, path, set_prefix, numb_test, rng, details, atomic))
            total.merge(results[-1])
        if not total.sums:
            raise InputError("none of the systems has labels to compare with", datafile or system)
    log.info("# ----------weighted average of errors----------- ")
    log.info("# number of systems : %d", len(results))
    for line in total.lines():
        log.info("%s", line)
    log.info("# ----------------------------------------------- ")
    return results


def _systems(system: str | Path, datafile: str | Path | None) -> list[str]:
    from dpcore.data import expand_systems

    if datafile is None:
        return expand_systems(str(system), "--system")
    try:
        lines = Path(datafile).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", datafile) from None
    paths = [line.strip() for line in lines if line.strip()]
    if not paths:
        raise InputError("names no system", datafile)
    return paths


def _test_system(
    potential: DeepPot,
    path: str,
    set_prefix: str,
    numb_test: int,
    rng: np.random.RandomState | None,
    details: _Details | None,
    atomic: bool,
) -> Errors:
    from dpcore.data import DeepmdSystem
    from dpcore.log import progress

    log.info("# ---------------output of dp test--------------- ")
    log.info("# testing system : %s", path)
    labels = ["energy", "force", "virial"] + (["atom_ener"] if atomic else [])
    parameters = (potential.get_dim_fparam(), potential.get_dim_aparam())
    system = DeepmdSystem(path, potential.get_type_map(), set_prefix, labels, *parameters)
    chosen = _choose(system, numb_test, rng)
    log.info("# number of test data : %d ", sum(len(frames) for _, frames in chosen))
    errors = Errors()
    if details is not None:
        details.begin(path)
    for set_index, frames in progress(list(_groups(chosen, system.n_atoms)), "testing"):
        data = system.read(set_index, frames)
        try:
            result = potential.eval(
                data["coord"], data["box"], system.types, atomic, data["fparam"], data["aparam"]
            )
        except ValueError as error:
            where = f"{system.set_path(set_index)}, frames {frames[0]} to {frames[-1]}"
            raise InputError(in_set(error, frames), where) from None
        _compare(data, result, system.n_atoms, errors, details)
    for line in errors.lines():
        log.info("%s", line)
    for label in labels:
        share = system.found(label)
        if share < 1.0:
            log.info("# %s of the frames have no %s label", f"{100 * (1 - share):.0f} %", label)
    log.info("# ----------------------------------------------- ")
    return errors


def _choose(
    system: DeepmdSystem, numb_test: int, rng: np.random.RandomState | None
) -> list[tuple[int, np.ndarray]]:
    """The frames to test: (set, indices of frames in it)."""
    import numpy as np

    n_frames = system.n_frames
    count = min(numb_test or n_frames, n_frames)
    order = np.arange(n_frames) if rng is None else rng.permutation(n_frames)
    chosen = np.sort(order[:count])
    first = np.concatenate([[0], np.cumsum(system.set_sizes)])
    out = []
    for index in range(len(system.set_sizes)):
        inside = chosen[(chosen >= first[index]) & (chosen < first[index + 1])]
        if len(inside):
            out.append((index, inside - first[index]))
    return out


def _groups(chosen: list[tuple[int, np.ndarray]], n_atoms: int) -> Iterator[tuple[int, np.ndarray]]:
    step = max(1, _ATOMS_AT_ONCE // n_atoms)
    for index, frames in chosen:
        for begin in range(0, len(frames), step):
            yield index, frames[begin : begin + step]


def _compare(
    data: dict[str, Any],
    result: tuple[np.ndarray, ...],
    n_atoms: int,
    errors: Errors,
    details: _Details | None,
) -> None:
    """Add the errors of a group of frames, and write its details."""
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
    for key, (label, prediction) in pairs.items():
        errors.add(key, prediction - label)
        if details is not None and key in _DETAILS:
            details.add(key, label, prediction)


class _Details:
    """The files with every label and prediction; each system has a header line of its own.

    They get their names, and those of an earlier test go away, when the block is left without an error.
    """

    def __init__(self, prefix: Path) -> None:
        self._system = ""
        self._has_header: set[str] = set()
        if prefix.name == "" or not prefix.parent.is_dir():
            raise InputError("expected a prefix of file names in a folder that exists", prefix)
        self._files = {suffix: prefix.with_suffix(suffix) for suffix, _ in _DETAILS.values()}
        for path in self._files.values():
            if path.is_dir():
                raise InputError("cannot be written: there is a folder of this name", path)

    def __enter__(self) -> _Details:
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

        suffix, columns = _DETAILS[key]
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
