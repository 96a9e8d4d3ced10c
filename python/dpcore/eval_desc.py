# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp eval-desc``: write the descriptors of atoms."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from dpcore.arguments import add_model, add_systems
from dpcore.errors import InputError, in_set

__all__ = ["add_arguments", "eval_desc", "run"]

log = logging.getLogger(__name__)

# numbers of the result held in memory at a time
_NUMBERS_AT_ONCE = 1 << 23


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp eval-desc``."""
    add_model(parser)
    add_systems(parser)
    parser.add_argument(
        "-o",
        "--output",
        default="desc",
        help="folder to write SYSTEM.npy to, [n_frames, n_atoms, n_desc]; made if it is not there "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--dtype",
        choices=("native", "fp64", "fp32"),
        default="native",
        help="numbers to write; native is fp64 (default: %(default)s)",
    )
    parser.add_argument("--head", help="accepted for old scripts, without effect: models have one head")


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    if args.head is not None:
        log.info("--head has no effect: models of dpcore have one head")
    eval_desc(args.model, args.system, args.datafile, args.output, args.dtype, args.set_prefix)


def eval_desc(
    model: str | Path,
    system: str | Path = ".",
    datafile: str | Path | None = None,
    output: str | Path = "desc",
    dtype: str = "native",
    set_prefix: str = "set",
) -> list[Path]:
    """Write ``output/SYSTEM.npy`` [n_frames, n_atoms, n_desc] for each system; return the files.

    Parameters
    ----------
    model
        The model file.
    system, datafile
        A folder of systems, or a file that lists them.
    output
        The folder to write to.  The files are named as the folders of the systems; where two have the same
        name, the names of the folders above stand before it (``a_data.npy``, ``b_data.npy``).
    dtype
        "fp64", "fp32", or "native" (float64).
    set_prefix
        The sets of a system are ``<set_prefix>.*``.

    Raises
    ------
    InputError
        If the model or a system cannot be used, or the output cannot be written.
    """
    from dpcore.data import list_systems
    from dpcore.infer import DeepPotential

    potential = DeepPotential(model)
    if potential.precision != "stored":
        log.info("# precision: %s", potential.precision)
    paths = list_systems(system, datafile)
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make this folder: {error.strerror}", folder) from None
    written = []
    for path, name in zip(paths, _names(paths)):
        log.info("# -------output of dp eval_desc------- ")
        log.info("# processing system : %s", path)
        target = folder / f"{name}.npy"
        shape = _write(potential, path, set_prefix, dtype, target)
        log.info("# descriptors saved to %s", target)
        log.info("# descriptor shape: %s", shape)
        log.info("# ----------------------------------- ")
        written.append(target)
    log.info("# eval_desc completed successfully")
    return written


def _names(paths: Sequence[str]) -> list[str]:
    """A name for each system: its folder's, with as many folders above as make it unique."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    if len(set(parts)) != len(parts):
        twice = next(path for path, own in zip(paths, parts) if parts.count(own) > 1)
        raise InputError("is listed twice; its descriptors would be written twice", twice)
    depth = [1] * len(parts)
    while True:
        names = ["_".join(own[-n:]).replace(os.sep, "") for own, n in zip(parts, depth)]
        again = [k for k, name in enumerate(names) if names.count(name) > 1]
        if not again:
            return names
        if all(depth[k] >= len(parts[k]) for k in again):  # a_b/c and a/b/c
            return [f"{name}_{k}" if k in again else name for k, name in enumerate(names)]
        for k in again:
            depth[k] += 1


def _write(potential, path: str, set_prefix: str, dtype: str, target: Path) -> tuple[int, ...]:  # type: ignore[no-untyped-def]
    """Write one file, under a temporary name first; return its shape."""
    import numpy as np

    from dpcore.data import DeepmdSystem
    from dpcore.infer.deep_eval import DESCRIPTOR_DTYPES

    numb_aparam = potential.get_dim_aparam() if potential.is_aparam_nall() else 0
    system = DeepmdSystem(path, potential.get_type_map(), set_prefix, [], 0, numb_aparam)
    shape = (system.n_frames, system.n_atoms, potential.get_dim_descriptor())
    step = max(1, _NUMBERS_AT_ONCE // max(1, shape[1] * shape[2]))
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    kind = np.dtype(DESCRIPTOR_DTYPES[dtype])
    try:
        with open(partial, "wb") as file:  # not a mapped one: a full disk is an error then, and no signal
            header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for index, size in enumerate(system.set_sizes):
                for begin in range(0, size, step):
                    frames = np.arange(begin, min(size, begin + step))
                    data = system.read(index, frames)
                    try:
                        arguments = (data["coord"], data["box"], system.types)
                        found = potential.eval_descriptor(*arguments, aparam=data["aparam"])
                    except ValueError as error:
                        where = f"{system.set_path(index)}, frames {frames[0]} to {frames[-1]}"
                        raise InputError(in_set(error, frames), where) from None
                    file.write(found.astype(kind).tobytes())
        os.replace(partial, target)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", target) from None
    finally:
        partial.unlink(missing_ok=True)
    return shape
