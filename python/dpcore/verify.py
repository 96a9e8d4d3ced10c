# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp verify``: does every way to evaluate a model give the same numbers?"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dpcore.arguments import add_model
from dpcore.clients import CLIENTS, Frame, choose
from dpcore.errors import InputError, refuse_inputs
from dpcore.grammar import descriptor_parts
from dpcore.random_atoms import random_parameters

if TYPE_CHECKING:
    from dpcore.clients.compare import Row
    from dpcore.modelfile import ModelFile

__all__ = ["add_arguments", "random_frame", "run", "verify"]

log = logging.getLogger(__name__)

DOUBLE = 1e-10  # sums in another order and the rotation of a cell change less than 1e-12 of usual systems
SINGLE = 1e-4  # a rounding error of float32, 6e-8, in numbers of the nets of the order of 10 to 100
_SEED = 20240229
_SPACING = 2.2  # A


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp verify``."""
    add_model(parser)
    parser.add_argument(
        "-s", "--system", help="folder of a system, or below which there are systems (default: random atoms)"
    )
    parser.add_argument(
        "-n", "--frames", type=int, default=1, help="frames of each system (default: %(default)s)"
    )
    parser.add_argument(
        "-S", "--set-prefix", default="set", help="the sets of a system are PREFIX.* (default: %(default)s)"
    )
    parser.add_argument(
        "-c",
        "--client",
        action="append",
        help="only these, such as lammps or 'LAMMPS 2 ranks'; may be given several times (default: all of "
        + ", ".join(client.name for client in CLIENTS)
        + ")",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        help=f"largest difference, in eV and eV/A (default: {DOUBLE:g}; with float32 nets: {SINGLE:g})",
    )
    parser.add_argument(
        "--precision",
        metavar="WORD",
        help="all evaluate in high, mixed or low precision (default: as DP_INTERFACE_PREC says, else as the "
        "model file has it)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the table to a file as well")


def run(args: argparse.Namespace) -> int:
    """Entry point of the command line."""
    if args.json is not None:
        refuse_inputs(args.json, [args.model], "--json")
    rows, limit, why = verify(
        args.model, args.system, args.frames, args.set_prefix, args.client, args.tolerance, args.precision
    )
    print(_table(rows))
    print(f"limit: {limit:g} eV, eV/A ({why})")
    if args.json is not None:
        from dpcore.atomic_write import write_text
        from dpcore.modelfile import without_nan

        content = without_nan({"limit": limit, "clients": [vars(row) for row in rows]})
        write_text(args.json, json.dumps(content, indent=2) + "\n")
    bad = [row.client for row in rows if row.failed]
    if bad:
        log.error("failed, or not the same numbers: %s", ", ".join(bad))
        return 1
    return 0


def verify(
    model: str | Path,
    system: str | Path | None = None,
    frames: int = 1,
    set_prefix: str = "set",
    clients: Sequence[str] | None = None,
    tolerance: float | None = None,
    precision: str | None = None,
) -> tuple[list[Row], float, str]:
    """Evaluate frames through all clients and compare them with the first.

    Parameters
    ----------
    model
        Any file that `DeepPot` takes.
    system
        A system, or a folder of systems; None: one random frame.
    frames
        Number of frames of each system.
    set_prefix
        The sets of a system are ``<set_prefix>.*``.
    clients
        Names of clients; None: all.
    tolerance
        Largest difference allowed, in eV and eV/A.
    precision
        As for `DeepPot`; the clients get it by the environment variable DP_INTERFACE_PREC.

    Returns
    -------
    rows, limit, why
        A row for each client, the limit that they were held to, and why that.

    Raises
    ------
    InputError
        If model or system cannot be used.
    """
    from dpcore.clients.compare import Row, differences
    from dpcore.infer.deep_eval import known_precision
    from dpcore.log import progress
    from dpcore.modelfile import read_model

    if frames < 1:
        raise InputError(f"expected 1 or more, got {frames}", "--frames")
    if tolerance is not None and not tolerance >= 0:
        raise InputError(f"expected a number from 0 on, got {tolerance}", "--tolerance")
    chosen = choose(clients)
    file = read_model(model)
    file.model()  # refuses what could not be used
    if file.kind != "ener":
        raise InputError(
            f'holds a model of kind "{file.kind}", and energies, forces and virials are what is compared here; '
            "dp test compares such a model with labels",
            file.path,
        )
    precision = known_precision(precision)
    limit, why = _limit(file, tolerance, precision)
    rows = [Row(client.name) for client in chosen]
    with tempfile.TemporaryDirectory(prefix="dp_verify_") as scratch, _in_environment(precision):
        path = _readable_by_all(file, Path(scratch))
        all_frames = _frames(file, system, frames, set_prefix)
        for name, frame in progress(all_frames, "verifying"):
            reference = None
            for client, row in zip(chosen, rows):
                folder = Path(scratch, client.module)
                folder.mkdir(exist_ok=True)
                if reference is None:
                    try:
                        reference = result = client.evaluate(path, frame, folder)
                    except ValueError as error:  # what it refuses is wrong
                        raise InputError(str(error), name) from None
                    row.frames += 1
                else:
                    result = row.evaluate(client, path, frame, folder)
                if result is not None:
                    row.add(differences(result, reference), limit, name)
    if not rows[0].frames:
        raise InputError("holds no frames", system)
    return rows, limit, why


def random_frame(file: ModelFile) -> Frame:
    """64 atoms of all types on a distorted grid in a skewed cell, the same for the same model.

    No two are closer than 1.6 A, and farther apart where the model's `sel` is small.  Frame and atomic
    parameters lie about the averages of the training.
    """
    import numpy as np

    rng = np.random.RandomState(_SEED)
    names = file.config["type_map"]
    n = 4
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    grid = grid + rng.uniform(-0.07, 0.07, (n**3, 3))
    shear = np.eye(3) + rng.uniform(-0.08, 0.08, (3, 3))
    types = rng.permutation(np.arange(n**3) % len(names)).astype(np.int32)
    parameters = random_parameters(file, rng, n**3)
    modifier = bool(file.config.get("modifier"))
    model, spacing = file.model(), _SPACING
    # loc_frame takes the nearest ones on purpose, and needs neighbours for its frames
    local = any(part["type"] == "loc_frame" for _, part in descriptor_parts(file.config["descriptor"]))
    for _ in range(10):
        frame = Frame(names, spacing * grid @ shear, spacing * n * shear, types, *parameters, modifier)
        given = [None if p is None else p.reshape(1, -1) for p in parameters]
        model.evaluate(frame.coord.reshape(1, -1), frame.cell.reshape(1, 9), types, *given)
        if local or not model.sel_overflow()["atoms"]:
            break
        spacing *= 1.1
    return frame


def _frames(
    file: ModelFile, system: str | Path | None, count: int, set_prefix: str
) -> Iterator[tuple[str, Frame]]:
    """What to evaluate, and what to call it."""
    if system is None:
        yield "the random atoms", random_frame(file)
        return
    from dpcore.data import DeepmdSystem, expand_systems

    model, modifier = file.model(), bool(file.config.get("modifier"))
    names = list(model.type_map)
    for path in expand_systems(str(system), "--system"):
        data = DeepmdSystem(path, names, set_prefix, [], model.dim_fparam, model.dim_aparam)
        left = count
        for index, size in enumerate(data.set_sizes):
            values = data.read(index, slice(0, min(left, size)))
            left -= len(values["coord"])
            for k, coord in enumerate(values["coord"]):
                cell, fparam, aparam = (
                    None if values[key] is None else values[key][k] for key in ("box", "fparam", "aparam")
                )
                cell = None if cell is None else cell.reshape(3, 3)
                aparam = None if aparam is None else aparam.reshape(data.n_atoms, -1)
                frame = Frame(names, coord.reshape(-1, 3), cell, data.types, fparam, aparam, modifier)
                yield f"frame {k} of {data.set_path(index)}", frame
            if left == 0:
                break


@contextmanager
def _in_environment(precision: str) -> Iterator[None]:
    """Programs that are started inside evaluate in this precision."""
    before = os.environ.get("DP_INTERFACE_PREC", "")
    os.environ["DP_INTERFACE_PREC"] = "" if precision == "stored" else precision
    try:
        yield
    finally:
        os.environ["DP_INTERFACE_PREC"] = before


def _limit(file: ModelFile, tolerance: float | None, precision: str) -> tuple[float, str]:
    parts = [*(part for _, part in descriptor_parts(file.config["descriptor"])), file.config["fitting_net"]]
    single = any(part.get("precision") in ("float32", "float16", "bfloat16") for part in parts)
    if tolerance is not None:
        return tolerance, "as given"
    if precision in ("mixed", "low"):
        return SINGLE, f"precision {precision}: sums in another order differ by the rounding of float32"
    if single and precision == "stored":
        return SINGLE, "the model has float32 nets: sums in another order differ by their rounding"
    return DOUBLE, "float64"


def _readable_by_all(file: ModelFile, scratch: Path) -> Path:
    """The model as a file that clients without Python can read."""
    from dpcore import _core

    try:
        _core.Model.read(str(file.path))
        return file.path.resolve()
    except _core.Error:
        path = scratch / "model.dp"
        _core.write_model_file(str(path), file.metadata, file.model_tensors())
        log.info("%s is converted, as only Python reads it itself", file.path)
        return path


def _table(rows: Sequence[Row]) -> str:
    """A line for each client, under a header."""
    from dpcore.clients.compare import QUANTITIES

    lines = [f"{'largest difference':18s}" + "".join(f"{name:>13s}" for name in QUANTITIES) + "  frames"]
    for row in rows:
        cells = [f"{row.worst[name]:13.1e}" if name in row.worst else f"{'-':>13s}" for name in QUANTITIES]
        note = f"FAILED: {row.note}" if row.failed else row.note
        lines.append(f"{row.client:18s}{''.join(cells)}{row.frames:8d}  {note}".rstrip())
    return "\n".join(lines)
