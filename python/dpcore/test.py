# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp test``: compare a model with labelled data."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.arguments import add_model, add_systems
from dpcore.comparison import DETAILS, LINES, TENSORS, Details, energy_pairs, tensor_pairs
from dpcore.errors import InputError, in_set

if TYPE_CHECKING:
    import numpy as np

    from dpcore.data import DeepmdSystem
    from dpcore.infer import DeepPot
    from dpcore.infer.deep_tensor import DeepTensor

__all__ = ["Errors", "add_arguments", "run", "test"]

log = logging.getLogger(__name__)

# atoms evaluated and compared at a time
_ATOMS_AT_ONCE = 1 << 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp test``."""
    add_model(parser)
    add_systems(parser)
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
        ".v_peratom.out; of tensors to .out; a suffix of PREFIX is dropped",
    )
    parser.add_argument(
        "-a",
        "--atomic",
        action="store_true",
        help="compare atomic energies as well; of a model of tensors those of atoms",
    )
    parser.add_argument(
        "--precision",
        metavar="WORD",
        help="evaluate in high, mixed or low precision (default: as DP_INTERFACE_PREC says, else as the model "
        "file has it)",
    )


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
        precision=args.precision,
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
        for key, (line, per) in LINES.items():
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
    precision: str | None = None,
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
    precision
        As for `dpcore.infer.DeepPot`.

    Raises
    ------
    InputError
        If the model or a system cannot be used, or no system has any label.
    """
    import numpy as np

    from dpcore.data import list_systems
    from dpcore.infer import DeepPotential

    if numb_test < 0:
        raise InputError(f"expected 0 (all) or more, got {numb_test}", "--numb-test")
    potential = DeepPotential(model, precision=precision)
    if potential.compressed:
        log.info("# compressed model: %s", model)
    if potential.precision != "stored":
        log.info("# precision: %s", potential.precision)
    paths = list_systems(system, datafile)
    rng = np.random.RandomState(None if rand_seed is None else rand_seed % 2**32) if shuffle_test else None
    results, total = [], Errors()
    with ExitStack() as stack:
        details = (
            None
            if detail_file is None
            else stack.enter_context(Details(Path(detail_file), potential.model_type))
        )
        for path in paths:
            results.append(_test_system(potential, path, set_prefix, numb_test, rng, details, atomic))
            total.merge(results[-1])
        if not total.sums:
            hint = " (-a compares those of atoms)" if potential.model_type in TENSORS and not atomic else ""
            raise InputError(f"none of the systems has labels to compare with{hint}", datafile or system)
    log.info("# ----------weighted average of errors----------- ")
    log.info("# number of systems : %d", len(results))
    for line in total.lines():
        log.info("%s", line)
    log.info("# ----------------------------------------------- ")
    return results


def _test_system(
    potential: DeepPot | DeepTensor,
    path: str,
    set_prefix: str,
    numb_test: int,
    rng: np.random.RandomState | None,
    details: Details | None,
    atomic: bool,
) -> Errors:
    import numpy as np

    from dpcore.data import DeepmdSystem
    from dpcore.log import progress

    log.info("# ---------------output of dp test--------------- ")
    log.info("# testing system : %s", path)
    tensor = TENSORS.get(potential.model_type)
    if tensor is None:
        labels = ["energy", "force", "virial"] + (["atom_ener"] if atomic else [])
        needs: tuple[Any, ...] = (potential.get_dim_fparam(), potential.get_dim_aparam())
    else:
        labels = [f"atomic_{tensor[1]}" if atomic else tensor[1]]
        needs = (0, 0, potential.get_sel_type())
    system = DeepmdSystem(path, potential.get_type_map(), set_prefix, labels, *needs)
    chosen = _choose(system, numb_test, rng)
    log.info("# number of test data : %d ", sum(len(frames) for _, frames in chosen))
    errors = Errors()
    if details is not None:
        details.begin(path)
    for set_index, frames in progress(list(_groups(chosen, system.n_atoms)), "testing"):
        data = system.read(set_index, frames)
        try:
            parameters = () if tensor else (data["fparam"], data["aparam"])
            result = potential.eval(data["coord"], data["box"], system.types, atomic, *parameters)
        except ValueError as error:
            where = f"{system.set_path(set_index)}, frames {frames[0]} to {frames[-1]}"
            raise InputError(in_set(error, frames), where) from None
        if tensor is None:
            pairs = energy_pairs(data, result, system.n_atoms)
        else:
            pairs = tensor_pairs(
                data, result, np.isin(system.types, potential.get_sel_type()), tensor, atomic
            )
        for key, (label, prediction) in pairs.items():
            errors.add(key, prediction - label)
            if details is not None and key in DETAILS:
                details.add(key, label, prediction)
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
