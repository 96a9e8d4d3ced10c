# SPDX-License-Identifier: LGPL-3.0-or-later
"""``dp model-devi`` and `calc_model_devi`: how far several models differ on the same frames."""

from __future__ import annotations

import argparse
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpcore.errors import InputError, in_set, refuse_inputs

if TYPE_CHECKING:
    import numpy as np

    from dpcore.infer import DeepPot

__all__ = [
    "add_arguments",
    "calc_model_devi",
    "calc_model_devi_f",
    "calc_model_devi_v",
    "make_model_devi",
    "run",
    "write_model_devi_out",
]

log = logging.getLogger(__name__)

# atoms evaluated at a time
_ATOMS_AT_ONCE = 1 << 16
_OPTIONS = "models system set_prefix output frequency real_error atomic relative relative_v".split()
_COLUMNS = [f"{kind}_devi_{what}" for what in "vf" for kind in ("max", "min", "avg")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``dp model-devi``."""
    parser.add_argument(
        "-m",
        "--models",
        nargs="+",
        metavar="MODEL",
        default=[f"graph.{k:03d}.pb" for k in range(4)],
        help="two or more model files, checkpoints, or frozen TensorFlow graphs of DeePMD-kit (default: "
        "graph.000.pb to graph.003.pb)",
    )
    parser.add_argument(
        "-s",
        "--system",
        default=".",
        help="folder of a system, or below which all systems are used (default: the current folder)",
    )
    parser.add_argument(
        "-S", "--set-prefix", default="set", help="the sets of a system are PREFIX.* (default: %(default)s)"
    )
    parser.add_argument(
        "-o", "--output", default="model_devi.out", help="table to write (default: %(default)s)"
    )
    parser.add_argument(
        "-f",
        "--frequency",
        type=int,
        default=1,
        help="steps from one frame to the next, for the first column (default: %(default)s)",
    )
    parser.add_argument(
        "--real_error",
        action="store_true",
        help="errors against the labels of the systems instead of deviations from the mean of the models",
    )
    parser.add_argument(
        "--atomic", action="store_true", help="more columns: the force deviation of each atom"
    )
    parser.add_argument(
        "--relative",
        type=float,
        metavar="LEVEL",
        help="divide the deviation of each force by its magnitude plus LEVEL (eV/A)",
    )
    parser.add_argument(
        "--relative_v",
        type=float,
        metavar="LEVEL",
        help="divide the deviations of the virial per atom by its magnitude plus LEVEL (eV)",
    )


def run(args: argparse.Namespace) -> None:
    """Entry point of the command line."""
    make_model_devi(**{name: value for name, value in vars(args).items() if name in _OPTIONS})


def calc_model_devi_f(
    fs: np.ndarray, real_f: np.ndarray | None = None, relative: float | None = None, atomic: bool = False
) -> tuple[np.ndarray, ...]:
    """Deviation of forces.

    Parameters
    ----------
    fs
        Forces of each model, [n_models, n_frames, n_atoms, 3].
    real_f
        [n_frames, n_atoms, 3] to compare with instead of the mean of the models.
    relative
        Divide the deviation of an atom by the norm of its mean (or real) force plus this, eV/A.
    atomic
        Whether to return the deviation of each atom too.

    Returns
    -------
    max, min, avg : ndarray [n_frames]
        Over the atoms, of sqrt(mean over models of |f - mean f|^2), eV/A.
    atoms : ndarray [n_frames, n_atoms]
        Only if `atomic`.
    """
    import numpy as np

    center = fs.mean(axis=0) if real_f is None else real_f
    deviation = np.sqrt(((fs - center) ** 2).mean(axis=0).sum(axis=-1))
    if relative is not None:
        deviation = deviation / (np.linalg.norm(center, axis=-1) + relative)
    out = (deviation.max(axis=-1), deviation.min(axis=-1), deviation.mean(axis=-1))
    return (*out, deviation) if atomic else out


def calc_model_devi_v(
    vs: np.ndarray, real_v: np.ndarray | None = None, relative: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deviation of virials.

    Parameters
    ----------
    vs
        Virials per atom of each model, [n_models, n_frames, 9].
    real_v
        [n_frames, 9] to compare with instead of the mean of the models.
    relative
        Divide by the norm of the nine numbers of the mean (or real) virial plus this, eV.

    Returns
    -------
    max, min, avg : ndarray [n_frames]
        Over the nine components, of the standard deviation over models, eV; avg is the root mean square.
    """
    import numpy as np

    center = vs.mean(axis=0) if real_v is None else real_v
    deviation = np.sqrt(((vs - center) ** 2).mean(axis=0))
    if relative is not None:
        deviation = deviation / (np.linalg.norm(center, axis=-1, keepdims=True) + relative)
    return deviation.max(axis=-1), deviation.min(axis=-1), np.linalg.norm(deviation, axis=-1) / 3.0


def write_model_devi_out(
    devi: np.ndarray, fname: str | Path, header: str = "", atomic: bool = False
) -> np.ndarray:
    """Write a table of deviations as text and return it; a file of this name is replaced.

    Parameters
    ----------
    devi
        [n_frames, 7], or more columns if `atomic`.
    fname
        The file.
    header
        A comment line to put on top.
    atomic
        Whether there are columns of atoms.
    """
    from dpcore.atomic_write import write_text

    write_text(fname, _table(devi, header, atomic))
    return devi


def _table(devi: np.ndarray, header: str, atomic: bool) -> str:
    import numpy as np

    if devi.ndim != 2 or devi.shape[1] < 7 or (devi.shape[1] > 7 and not atomic):
        raise InputError(f"expected 7 columns{' or more' if atomic else ''}, got {list(devi.shape)}", "devi")
    titles = "".join(f"{title:>19s}" for title in _COLUMNS + ["atm_devi_f(N)"] * atomic)
    text = io.StringIO()
    np.savetxt(
        text,
        devi,
        fmt=["%12d"] + ["%19.6e"] * (devi.shape[1] - 1),
        delimiter="",
        header=(f"{header}\n" if header else "") + f"{'step':>10s}{titles}",
    )
    return text.getvalue()


def calc_model_devi(
    coord: Any,
    box: Any,
    atype: Any,
    models: Sequence[DeepPot],
    fname: str | Path | None = None,
    frequency: int = 1,
    *,
    nopbc: bool = False,
    fparam: Any = None,
    aparam: Any = None,
    real_data: dict[str, Any] | None = None,
    atomic: bool = False,
    relative: float | None = None,
    relative_v: float | None = None,
) -> np.ndarray:
    """How far models differ on frames of the same atoms.

    Parameters
    ----------
    coord, box, atype, fparam, aparam
        As in `DeepPot.eval`; box None: not periodic.
    models
        Two or more (with `real_data` one or more) with the same types and numbers of parameters.
    fname
        A file to write the table to.
    frequency
        Steps from one frame to the next.
    nopbc
        Take the frames as not periodic although there is a box.
    real_data
        ``force`` [n_frames, n_atoms, 3] and ``virial`` [n_frames, 9] per atom, to compare with instead of the
        mean of the models.
    atomic
        Whether to append the force deviation of each atom.
    relative, relative_v
        Levels of relative deviations, see `calc_model_devi_f` and `calc_model_devi_v`.

    Returns
    -------
    ndarray [n_frames, 7] or [n_frames, 7 + n_atoms]
        Step, max, min and avg deviation of the virial per atom (eV), max, min and avg of the forces (eV/A).

    Raises
    ------
    InputError
        If the models do not fit each other; and as `DeepPot.eval`.
    """
    import numpy as np

    _check_alike(models, [f"model {k}" for k in range(len(models))], real_data is not None)
    forces, virials = [], []
    for model in models:
        _, force, virial = model.eval(coord, None if nopbc else box, atype, fparam=fparam, aparam=aparam)
        forces.append(force)
        virials.append(virial / max(1, force.shape[1]))
    real_f = real_v = None
    if real_data is not None:
        real_f = np.reshape(np.asarray(real_data["force"], dtype=np.float64), forces[0].shape)
        real_v = np.reshape(np.asarray(real_data["virial"], dtype=np.float64), virials[0].shape)
    steps = np.arange(len(forces[0])) * frequency
    of_forces = calc_model_devi_f(np.array(forces), real_f, relative, atomic)
    devi = np.stack(
        [steps, *calc_model_devi_v(np.array(virials), real_v, relative_v), *of_forces[:3]], axis=1
    )
    if atomic:
        devi = np.concatenate([devi, of_forces[3]], axis=1)
    if fname is not None:
        write_model_devi_out(devi, fname, atomic=atomic)
    return devi


def _check_alike(models: Sequence[DeepPot], names: Sequence[str], real: bool) -> None:
    if len(models) < (1 if real else 2):
        raise InputError(f"expected two or more models, got {len(models)}: one does not deviate", "models")
    for what, get in (
        ("types", lambda m: m.get_type_map()),
        ("frame parameters", lambda m: m.get_dim_fparam()),
        ("atomic parameters", lambda m: m.get_dim_aparam()),
    ):
        for name, model in zip(names[1:], models[1:]):
            if get(model) != get(models[0]):
                both = f"{names[0]} has {get(models[0])}, {name} has {get(model)}"
                raise InputError(f"the models differ in their {what}: {both}", "models")


def make_model_devi(
    *,
    models: Sequence[str | Path],
    system: str | Path = ".",
    set_prefix: str = "set",
    output: str | Path = "model_devi.out",
    frequency: int = 1,
    real_error: bool = False,
    atomic: bool = False,
    relative: float | None = None,
    relative_v: float | None = None,
) -> list[np.ndarray]:
    """Write the deviations on all frames of systems; return the table of each system.

    Parameters
    ----------
    models
        Model files.
    system, set_prefix
        A folder of systems; their sets are ``<set_prefix>.*``.
    output
        The file.  For several systems, a comment line with the system's name stands over each part.
    frequency, atomic, relative, relative_v
        As in `calc_model_devi`.
    real_error
        Compare with the systems' force and virial labels; nan stands where a virial has none.

    Raises
    ------
    InputError
        If a model or a system cannot be used, or the output cannot be written; there is no file then.
    """
    from dpcore.atomic_write import write_text
    from dpcore.data import expand_systems
    from dpcore.infer import DeepPot

    for value, option in ((relative, "--relative"), (relative_v, "--relative_v")):
        if value is not None and not value >= 0.0:
            raise InputError(f"expected 0 or more, got {value}", option)
    refuse_inputs(output, models, "--output")
    potentials = [DeepPot(path) for path in models]
    if potentials[0].precision != "stored":
        log.info("# precision: %s", potentials[0].precision)
    _check_alike(potentials, [str(path) for path in models], real_error)
    options = {"atomic": atomic, "relative": relative, "relative_v": relative_v}
    paths = expand_systems(str(system), "--system")
    tables, text = [], ""
    for path in paths:
        devi = _of_system(potentials, path, set_prefix, frequency, real_error, options)
        log.info(
            "%s: %d frames, force deviation at most %.6e, virial %.6e",
            path,
            len(devi),
            devi[:, 4].max(),
            devi[:, 1].max(),
        )
        text += _table(devi, path if len(paths) > 1 else "", atomic)
        tables.append(devi)
    write_text(output, text)
    return tables


def _of_system(
    potentials: Sequence[DeepPot],
    path: str,
    set_prefix: str,
    frequency: int,
    real_error: bool,
    options: dict[str, Any],
) -> np.ndarray:
    import numpy as np

    from dpcore.data import DeepmdSystem
    from dpcore.log import progress

    first = potentials[0]
    labels = ["force", "virial"] if real_error else []
    data = DeepmdSystem(
        path, first.get_type_map(), set_prefix, labels, first.get_dim_fparam(), first.get_dim_aparam()
    )
    if real_error and data.found("force") < 1.0:
        raise InputError("--real_error needs force labels of all frames", path)
    if real_error and data.found("virial") < 1.0:
        log.warning("%s: frames without a virial label have nan in the columns of the virial", path)
    step = max(1, _ATOMS_AT_ONCE // data.n_atoms)
    groups = [
        (index, np.arange(begin, min(begin + step, size)))
        for index, size in enumerate(data.set_sizes)
        for begin in range(0, size, step)
    ]
    parts = []
    for index, frames in progress(groups, "model deviation"):
        values = data.read(index, frames)
        real = None
        if real_error:
            virial = (
                values["virial"] / data.n_atoms
                if values["find_virial"]
                else np.full((len(frames), 9), np.nan)
            )
            real = {"force": values["force"], "virial": virial}
        try:
            given = {name: values[name] for name in ("fparam", "aparam")}
            arrays = (values["coord"], values["box"], data.types)
            parts.append(calc_model_devi(*arrays, potentials, real_data=real, **given, **options))
        except ValueError as error:
            where = f"{data.set_path(index)}, frames {frames[0]} to {frames[-1]}"
            raise InputError(in_set(error, frames), where) from None
    devi = np.concatenate(parts)
    devi[:, 0] = np.arange(len(devi)) * frequency
    return devi
