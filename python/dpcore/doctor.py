# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp doctor``: what is installed, and whether each part of it gives the right numbers for six atoms."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore import __version__
from dpcore.clients import CLIENTS, Frame, NotInstalled
from dpcore.errors import InputError

if TYPE_CHECKING:
    from dpcore.clients.compare import Row

__all__ = ["EXPECTED", "add_arguments", "examine", "make_model", "run", "six_atoms"]

LIMIT = 1e-10  # eV, eV/A
# energy, root of the sum of the squares of the forces, trace of the virial; a test compares them with numpy
EXPECTED = (-15.224302312261536, 0.6059793383501321, -2.5016042546239174)
_RANKS = (0, 1, 2)  # of LAMMPS: four processes tell nothing more here

_CONFIG = {
    "type_map": ["O", "H"],
    "descriptor": {
        "type": "se_e2_a",
        "sel": [60, 120],
        "rcut": 6.0,
        "rcut_smth": 1.0,
        "neuron": [5, 10, 20],
        "axis_neuron": 4,
        "resnet_dt": False,
    },
    "fitting_net": {"type": "ener", "neuron": [16, 16], "resnet_dt": True},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp doctor``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(args: argparse.Namespace) -> int:
    """Entry point of the command line."""
    facts, rows = examine()
    if args.json:
        from dpcore.modelfile import without_nan

        content = {"facts": facts, "clients": [{**vars(row), "state": row.state} for row in rows]}
        print(json.dumps(without_nan(content), indent=2))
    else:
        width = max(map(len, facts)) + 2
        for name, value in facts.items():
            print(f"{name:{width}s}{value}")
        print(f"\n{'six atoms':16s}{'result':8s}  largest difference (allowed {LIMIT:g} eV, eV/A)")
        for row in rows:
            worst = f"{max(row.worst.values()):.1e}" if row.worst else ""
            print(f"{row.client:16s}{row.state:8s}  {worst:9s}{row.note.removeprefix('not run: ')}".rstrip())
    return 1 if any(row.failed for row in rows) else 0


def examine() -> tuple[dict[str, str], list[Row]]:
    """What is where, and a row for each client, of the six-atom test."""
    try:
        from dpcore import _core  # noqa: F401
        from dpcore.clients.compare import Row, differences
    except ImportError as error:
        raise InputError(f"cannot be loaded, so that nothing works: {error}", "dpcore._core") from None

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="dp_doctor_") as scratch:
        facts = _facts(Path(scratch))
        model = make_model(Path(scratch) / "six_atoms.dp")
        frame, reference = six_atoms(), None
        for client in CLIENTS:
            if client.ranks not in _RANKS:
                continue
            row = Row(client.name)
            rows.append(row)
            folder = Path(scratch, client.module)
            folder.mkdir(exist_ok=True)
            result = row.evaluate(client, model, frame, folder)
            if client is CLIENTS[0]:
                reference = result
                if result is not None:
                    row.add(_from_expected(result), LIMIT, "the six atoms")
            elif result is not None and reference is not None:
                row.add(differences(result, reference), LIMIT, "the six atoms")
    return facts, rows


def six_atoms() -> Frame:
    """Two water molecules in a skewed periodic cell that is smaller than the cut-off."""
    import numpy as np

    coord = [
        [0.10, 0.20, 0.15], [1.05, 0.32, 0.21], [-0.16, 1.10, 0.34],
        [2.70, 2.45, 2.90], [3.52, 2.10, 2.49], [2.43, 3.35, 2.61],
    ]  # fmt: skip
    cell = [[5.1, 0.2, -0.1], [0.6, 4.9, 0.3], [-0.4, 0.5, 5.3]]
    types = np.array([0, 1, 1, 0, 1, 1], dtype=np.int32)
    return Frame(_CONFIG["type_map"], np.array(coord), np.array(cell), types)


def make_model(path: Path) -> Path:
    """Write a model whose numbers are the same everywhere: they come from numpy's RandomState."""
    import numpy as np

    from dpcore import _core
    from dpcore.config import core_config, normalize
    from dpcore.modelfile import FROZEN, make_metadata

    training = {"training_data": {"systems": ["none"]}, "numb_steps": 1}
    full = normalize({"model": _CONFIG, "learning_rate": {}, "loss": {}, "training": training})
    config = core_config(full["model"], _CONFIG["descriptor"]["sel"])
    statistics = {
        "descriptor/davg": np.tile([0.03, 0.0, 0.0, 0.0], (2, 1)),
        "descriptor/dstd": np.tile([0.06, 0.04, 0.04, 0.04], (2, 1)),
        "fitting/bias_atom_e": np.array([-3.0, -1.0]),
    }
    tensors = _core.Model.create(json.dumps(config), statistics).tensors()
    rng = np.random.RandomState(6)
    for name in sorted(set(tensors) - set(statistics)):
        shape = tensors[name].shape
        tensors[name] = rng.standard_normal(shape) / np.sqrt(shape[0] if len(shape) > 1 else 4.0)
    _core.write_model_file(str(path), make_metadata(FROZEN, config, {}), tensors)
    return path


def _from_expected(result: Any) -> dict[str, float]:
    import numpy as np

    found = (result.energy, np.linalg.norm(result.force), result.virial[[0, 4, 8]].sum())
    names = ("energy/atom", "force", "virial")
    return {name: float(abs(a - b)) for name, a, b in zip(names, found, EXPECTED)}


def _facts(folder: Path) -> dict[str, str]:
    """Versions and places, by name."""
    import numpy as np

    from dpcore import _core
    from dpcore.clients import ase_calculator, cpp, ipi, lammps, places

    threads = os.environ.get("OMP_NUM_THREADS")
    said = "not set" if threads is None else threads

    def found(find: Callable[[], Any]) -> str:
        try:
            return str(find() or "none")
        except NotInstalled as reason:
            return f"not installed: {reason}"

    return {
        "dpcore": f"{__version__} (core {_core.__version__}), {Path(__file__).parent}",
        "engine": f"{_core.backend()}, {_core.num_threads()} threads (OMP_NUM_THREADS {said})",
        "machine": f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores",
        "Python": f"{platform.python_version()}, {platform.python_compiler()}; numpy {np.__version__}",
        "library": found(places.core_library),
        "headers": found(cpp.find),
        "ASE": found(ase_calculator.find),
        "LAMMPS": found(lambda: f"{lammps.find()} ({lammps.version(folder)})"),
        "LAMMPS plugin": found(lammps.plugin),
        "mpiexec": found(lambda: places.program("mpiexec", "mpirun")),
        "dp_ipi": found(ipi.find),
    }
