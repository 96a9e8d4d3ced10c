# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pictures and numbers from the files that training and testing leave behind.

    from dpcore.plot import plot_learning_curve, plot_parity
    plot_learning_curve("lcurve.out", "learning_curve.png")
    plot_parity("detail", "parity.png")              # after: dp test ... -d detail

`read_learning_curve` and `read_detail` need numpy alone; the two plot functions need
matplotlib (``pip install 'dpcore[plot]'``). The format of a picture follows the suffix
of its name (png, pdf, svg, ...).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np

from dpcore.errors import InputError

__all__ = ["plot_learning_curve", "plot_parity", "read_detail", "read_learning_curve"]

_INK, _MUTED, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_COLOURS = ("#1f6fb4", "#d9622b", "#2f8f5b", "#8a4fa3", "#b8860b", "#c0396b")

# Stem of a learning-curve column -> title, axis label, factor that turns the file's unit into the label's.
_CURVES = OrderedDict(
    rmse=("Loss", "square root of the loss", 1.0),
    rmse_e=("Energy", "RMSE (meV/atom)", 1e3),
    rmse_ae=("Atomic energy", "RMSE (meV)", 1e3),
    rmse_f=("Force", "RMSE (meV/Å)", 1e3),
    rmse_pf=("Weighted force", "RMSE (meV/Å)", 1e3),
    rmse_v=("Virial", "RMSE (meV/atom)", 1e3),
    rmse_lc=("Atomic tensor", "RMSE (unit of the label)", 1.0),
    rmse_gl=("Global tensor", "RMSE per atom (unit of the label)", 1.0),
)


# ------------------------------------------------------------------------------------ learning curve
def read_learning_curve(path):
    """Read an `lcurve.out`, also one that was continued by a restart.

    Returns a dict of float64 arrays of one length: "step", the columns of the file
    (for example "rmse_f_val", "rmse_f_trn") and "lr"; "nan" and "-" (no such label) read
    as nan. Where a restarted run repeats steps, the later rows replace the earlier ones.
    A last line that a killed run left unfinished is passed over.

    Raises InputError naming file and line.
    """
    text = _read_text(path, "learning curve", "dp train writes it as training/disp_file")
    lines = text.splitlines()
    names, rows = None, OrderedDict()
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        if fields[0].startswith("#"):
            title = line.lstrip("# ").split()
            names = title if title[:1] == ["step"] else names
            continue
        if names is None:
            raise InputError(
                "numbers before the header line '# step ...'; is this an lcurve.out?",
                f"{path}, line {number}",
            )
        try:
            if len(fields) != len(names):
                raise ValueError(f"expected {len(names)} columns ({' '.join(names)}), got {len(fields)}")
            values = [np.nan if field == "-" else float(field) for field in fields]
        except ValueError as error:
            if number == len(lines) and not text.endswith("\n"):
                break
            raise InputError(str(error), f"{path}, line {number}") from None
        row = dict(zip(names, values))
        while rows and next(reversed(rows)) >= row["step"]:
            rows.popitem()
        rows[row["step"]] = row
    if not rows:
        raise InputError("no rows yet; dp train writes one every training/disp_freq steps", path)
    columns = list(OrderedDict.fromkeys(name for row in rows.values() for name in row))
    return {c: np.array([row.get(c, np.nan) for row in rows.values()]) for c in columns}


def plot_learning_curve(paths, out, labels=None):
    """Draw learning curves: one panel per quantity, training thin, validation bold.

    paths: one `lcurve.out` or a list of them (drawn in one picture, one colour each).
    out: the picture to write. labels: names for the legend, one per path (default: the
    paths). Every panel has a logarithmic error axis; the first also shows the learning rate.

    Returns `out` as a Path. Raises ImportError without matplotlib and InputError
    as `read_learning_curve`.
    """
    Figure = _figure_class()
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    labels = [str(p) for p in paths] if labels is None else list(labels)
    if not paths or len(labels) != len(paths):
        raise InputError(
            f"expected one for each of 1 or more files, got {len(labels)} for {len(paths)} files",
            "labels",
        )
    runs = [read_learning_curve(path) for path in paths]
    present = {_stem(c) for run in runs for c in run if np.isfinite(run[c]).any()}
    stems = [stem for stem in _CURVES if stem in present]
    stems += sorted(present - set(_CURVES) - {"step", "lr"})
    if not stems:
        raise InputError("no finite error in any column", paths[0])

    figure, axes = _panels(Figure, len(stems))
    for axis, stem in zip(axes, stems):
        title, unit, factor = _CURVES.get(stem, (stem, "RMSE", 1.0))
        for index, (run, label) in enumerate(zip(runs, labels)):
            _draw_curve(
                axis, run, stem, factor, _COLOURS[index % len(_COLOURS)], label if len(runs) > 1 else None
            )
        axis.set_yscale("log")
        axis.set_title(title, loc="left", color=_INK, fontsize=11, fontweight="bold")
        axis.set_ylabel(unit)
        axis.set_xlabel("training step")
    _draw_learning_rate(axes[0], runs[0])
    axes[0].legend(frameon=False, fontsize=8, loc="best")
    return _save(figure, out)


def _draw_curve(axis, run, stem, factor, colour, label):
    prefix = f"{label}, " if label else ""
    training = run.get(f"{stem}_trn")
    validation = run.get(f"{stem}_val", run.get(stem))
    few = len(run["step"]) < 3  # a line needs points
    if training is not None and np.isfinite(training).any():
        only = validation is None
        axis.plot(
            run["step"],
            _positive(training * factor),
            color=colour,
            linewidth=1.8 if only else 0.8,
            alpha=1.0 if only else 0.45,
            marker="o" if few else None,
            label=f"{prefix}training batch",
        )
    if validation is not None and np.isfinite(validation).any():
        axis.plot(
            run["step"],
            _positive(validation * factor),
            color=colour,
            linewidth=1.8,
            marker="o" if few else None,
            label=f"{prefix}validation batch",
        )


def _draw_learning_rate(axis, run):
    if "lr" not in run or not (run["lr"] > 0).all():
        return
    twin = axis.twinx()
    twin.plot(run["step"], run["lr"], color=_MUTED, linewidth=0.8, linestyle=":")
    twin.set_yscale("log")
    twin.set_ylabel("learning rate (dotted)", color=_MUTED, fontsize=8)
    twin.set_zorder(axis.get_zorder() - 1)
    axis.patch.set_visible(False)
    twin.tick_params(colors=_MUTED, labelsize=7, which="both", length=2)
    for side in twin.spines.values():
        side.set_visible(False)


def _stem(column):
    return column[:-4] if column.endswith(("_val", "_trn")) else column


def _positive(values):
    """Zeros and negatives cannot stand on a logarithmic axis: leave a gap."""
    return np.where(values > 0, values, np.nan)


# -------------------------------------------------------------------------------------------- parity
def read_detail(prefix):
    """Read the files that ``dp test -d PREFIX`` wrote.

    Returns a dict with, where the file exists, "energy" -> (data, prediction), each
    [n_frames] in eV; "force" -> each [n_all_atoms, 3] in eV/A; "virial" -> each
    [n_frames, 9] in eV; "tensor" -> each [n_rows, n_components] in the label's unit
    (dipole and polar models); and "natoms" -> int array [n_frames], the atoms of each
    frame, where energies and forces of every system allow to count them.

    Raises InputError if there is none of the files, or if one is malformed.
    """
    prefix = str(prefix)
    stem = str(Path(prefix).with_suffix("")) if prefix.endswith(".out") else prefix
    found, blocks = {}, {}
    for key, name in (("energy", "e"), ("force", "f"), ("virial", "v"), ("tensor", "")):
        for base in OrderedDict.fromkeys([stem, str(Path(stem).with_suffix(""))]):  # dp test drops a suffix
            path = Path(f"{base}.{name}.out" if name else f"{base}.out")
            if path.is_file():
                blocks[key] = _read_blocks(path)
                table = np.concatenate(blocks[key])
                half = table.shape[1] // 2
                data, prediction = table[:, :half], table[:, half:]
                found[key] = (data[:, 0], prediction[:, 0]) if key == "energy" else (data, prediction)
                break
    if not found:
        raise InputError(
            f"none of them exists; dp test -d {stem} writes them",
            f"{stem}.e.out, {stem}.f.out, {stem}.v.out, {stem}.out",
        )
    natoms = _count_atoms(blocks.get("energy"), blocks.get("force"))
    if natoms is not None:
        found["natoms"] = natoms
    return found


def _read_blocks(path):
    """Rows of a detail file as one array [n_rows, n_columns] per tested system."""
    blocks, fresh = [], True
    for number, line in enumerate(
        _read_text(path, "detail file", "dp test -d writes it").splitlines(), start=1
    ):
        if line.startswith("#"):
            fresh = True
            continue
        if not line.strip():
            continue
        try:
            row = [float(field) for field in line.split()]
            if len(row) % 2 or (blocks and len(row) != len(blocks[0][0])):
                raise ValueError(
                    f"expected as many columns of data as of predictions in every row, got {len(row)} numbers"
                )
        except ValueError as error:
            raise InputError(str(error), f"{path}, line {number}") from None
        if fresh:
            blocks.append([])
            fresh = False
        blocks[-1].append(row)
    if not blocks:
        raise InputError("no rows; was anything tested?", path)
    return [np.array(block) for block in blocks]


def _count_atoms(energy, force):
    """Atoms of every frame from the row counts of each system, or None if they do not fit."""
    if energy is None or force is None or len(energy) != len(force):
        return None
    if any(len(f) % len(e) for e, f in zip(energy, force)):
        return None
    return np.concatenate([np.full(len(e), len(f) // len(e)) for e, f in zip(energy, force)])


def plot_parity(detail_prefix, out, title=None):
    """Draw prediction against reference for everything ``dp test -d PREFIX`` wrote.

    Energies are shown per atom and relative to the mean of the reference (total energies
    if the atoms cannot be counted), virials per atom likewise. Each panel carries its
    RMSE and the standard deviation of the reference (for forces and virials about the mean of
    each component): the error of a model that always predicts the mean.

    out: the picture to write. Returns `out` as a Path. Raises ImportError without
    matplotlib and InputError as `read_detail`.
    """
    Figure = _figure_class()
    panels = _parity_panels(read_detail(detail_prefix))
    figure, axes = _panels(Figure, len(panels), panel=(3.9, 3.9))
    for axis, (name, unit, data, prediction), colour in zip(axes, panels, _COLOURS):
        _draw_parity(axis, name, unit, data, prediction, colour)
    if title:
        figure.suptitle(title, color=_INK, fontsize=12)
    return _save(figure, out)


def _parity_panels(found):
    """(name, unit, data, prediction) for every quantity, scaled for reading."""
    natoms, panels = found.get("natoms"), []
    per_atom = 1e3 / natoms if natoms is not None else 1.0
    if "energy" in found:
        data, prediction = (value * per_atom for value in found["energy"])
        unit = "meV/atom, relative to the mean" if natoms is not None else "eV, relative to the mean"
        panels.append(("Energy", unit, data - data.mean(), prediction - data.mean()))
    if "force" in found:
        panels.append(("Force components", "eV/Å", *found["force"]))
    if "virial" in found:
        data, prediction = found["virial"]
        if natoms is not None and len(natoms) == len(data):
            panels.append(
                ("Virial components", "meV/atom", data * per_atom[:, None], prediction * per_atom[:, None])
            )
        else:
            panels.append(("Virial components", "eV", data, prediction))
    if "tensor" in found:
        panels.append(("Tensor components", "unit of the label", *found["tensor"]))
    return panels


def _draw_parity(axis, name, unit, data, prediction, colour):
    good = np.isfinite(data) & np.isfinite(prediction)
    spread = np.where(good, data, np.nan)
    spread = np.sqrt(np.nanmean((spread - np.nanmean(spread, axis=0)) ** 2)) if good.any() else np.nan
    if not good.any():
        raise InputError("no finite pair of data and prediction in the detail file", name)
    rmse = np.sqrt(np.mean((prediction[good] - data[good]) ** 2))
    both = np.concatenate([data[good], prediction[good]])
    middle, half = (both.max() + both.min()) / 2, (both.max() - both.min()) / 2
    limits = (middle - 1.06 * (half or 1.0), middle + 1.06 * (half or 1.0))
    many = good.sum() > 2000
    axis.plot(limits, limits, color=_MUTED, linewidth=1.0, zorder=1)
    axis.plot(
        data[good],
        prediction[good],
        linestyle="none",
        marker="o",
        markersize=2.2 if many else 4.0,
        alpha=0.25 if many else 0.7,
        color=colour,
        markeredgewidth=0,
        rasterized=many,
        zorder=2,
    )
    axis.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"reference ({unit})", ylabel=f"model ({unit})")
    axis.set_title(name, loc="left", color=_INK, fontsize=11, fontweight="bold")
    note = f"RMSE {rmse:.3g} {unit.split(',')[0]}\nspread of the reference {spread:.3g}"
    if not good.all():
        note += f"\n{(~good).sum()} values are not finite and not drawn"
    axis.text(0.04, 0.96, note, transform=axis.transAxes, va="top", fontsize=8.5, color=_INK)


# -------------------------------------------------------------------------------------------- shared
def _figure_class():
    try:
        from matplotlib.figure import Figure  # no pyplot: no window, no global state
    except ImportError as error:
        raise ImportError(
            "drawing needs matplotlib: pip install 'dpcore[plot]' (or: pip install matplotlib)"
        ) from error
    return Figure


def _panels(Figure, count, panel=(4.4, 3.7)):
    """A figure with `count` axes of `panel` inches in rows of at most three (2 x 2 for four)."""
    columns = 2 if count == 4 else min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axis in axes[count:]:
        axis.set_visible(False)
    for axis in axes[:count]:
        axis.grid(True, color=_GRID, linewidth=0.7)
        axis.set_axisbelow(True)
        axis.tick_params(colors=_INK, labelsize=8)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    return figure, axes[:count]


def _save(figure, out):
    """Write the picture completely or not at all."""
    out = Path(out)
    if not out.parent.is_dir():
        raise InputError(f"no such folder for the picture {out.name}; create it first", out.parent)
    partial = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        figure.savefig(partial, dpi=150)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def _read_text(path, what, hint):
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        raise InputError(f"no such {what}; {hint}", path) from None
