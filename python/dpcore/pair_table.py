# SPDX-License-Identifier: LGPL-3.0-or-later
"""The file of a short-range table (``model/use_srtab``): pair energies by distance, made into cubic pieces."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.errors import InputError

__all__ = ["TENSORS", "check_start", "read_pair_table"]

log = logging.getLogger(__name__)

TENSORS = ("short_range/tab_info", "short_range/tab_data")

# distances are often written with a few digits: as a share of the spacing
_UNEVEN = 1e-3
# intervals to the cut-off: far more is a mistake in the distances, and no memory would hold it
_MOST = 1_000_000


def read_pair_table(path: str | Path, type_map: list[str], rcut: float) -> dict[str, np.ndarray]:
    """Read a table and return it as tensors of a model file.

    Parameters
    ----------
    path
        Text, one distance a line, ``#`` begins a comment: r in A, then the energies in eV of a pair of types
        (0,0), (0,1), ..., (0,n-1), (1,1), ...  Distances are evenly spaced and rise.
    type_map
        Names of the types of the model.
    rcut
        Cut-off of its neighbours in A, to which a shorter table is continued: with zeros where it ends with
        zeros, else by a curve that comes to zero, with a warning.

    Returns
    -------
    dict
        ``short_range/tab_info`` [first distance, spacing, intervals, types] and ``short_range/tab_data``
        [types * types * intervals * 4]: the cubic spline through the points whose slope is zero at both ends, as
        coefficients of u^3, u^2, u, 1 for u = 0..1 along each interval.

    Raises
    ------
    InputError
        Naming the file, and the line where there is one.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rows = _extend(_read(path, type_map), rcut, path)
    n_types, n = len(type_map), len(rows) - 1
    r, v = rows[:, 0], rows[:, 1:]
    d = _slopes(v)
    with np.errstate(over="ignore", invalid="ignore"):
        pieces = np.stack(
            [
                2 * v[:-1] - 2 * v[1:] + d[:-1] + d[1:],
                -3 * v[:-1] + 3 * v[1:] - 2 * d[:-1] - d[1:],
                d[:-1],
                v[:-1],
            ],
            axis=-1,
        )  # [intervals, pairs of types, 4]
    if not np.isfinite(pieces).all():
        raise InputError("the energies are too large for a curve through them; expected values in eV", path)
    data = np.empty((n_types, n_types, n, 4))
    for column, (a, b) in enumerate(_pairs(n_types)):
        data[a, b] = data[b, a] = pieces[:, column]
    info = np.array([r[0], r[1] - r[0], n, n_types], dtype=np.float64)
    return dict(zip(TENSORS, (info, data.reshape(-1))))


def check_start(model: dict[str, Any], rcut: float, tensors: dict[str, np.ndarray], start: Path) -> None:
    """Warn where the table of the model that training starts from is not that of the input's file.

    Parameters
    ----------
    model
        The normalised ``model`` section, with its type map.
    rcut
        As for `read_pair_table`.
    tensors, start
        The model's arrays, whose table stays, and its file.
    """
    try:
        table = read_pair_table(model["use_srtab"], model["type_map"], rcut)
        same = all(np.allclose(table[name], tensors[name], rtol=1e-9, atol=1e-12) for name in TENSORS)
    except (InputError, ValueError) as error:  # no such file, or another number of points
        log.warning("model/use_srtab: the table is that of %s (%s)", start, error)
        return
    if not same:
        log.warning("model/use_srtab: the table is that of %s, and %s differs", start, model["use_srtab"])


def _pairs(n_types: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(n_types) for b in range(a, n_types)]


def _read(path: str | Path, type_map: list[str]) -> np.ndarray:
    """The numbers of the file, checked: [distances, 1 + pairs of types]."""
    if os.path.isdir(path):
        raise InputError("is a folder; model/use_srtab names the file of the short-range table", path)
    if not os.path.isfile(path):
        hint = "" if Path(path).is_absolute() else f" (looked for in {Path.cwd()})"
        raise InputError(f"no such file{hint}; model/use_srtab names the short-range table", path)
    lines: list[tuple[int, list[float]]] = []
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", path) from None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            lines.append((number, [float(word) for word in words]))
        except ValueError:
            raise InputError(f"line {number}: expected numbers, got {line.strip()[:60]!r}", path) from None
    pairs = _pairs(len(type_map))
    for number, values in lines:
        if len(values) != 1 + len(pairs):
            names = ", ".join(f"{type_map[a]}-{type_map[b]}" for a, b in pairs[:6])
            raise InputError(
                f"line {number}: expected {1 + len(pairs)} columns, the distance and the energies of the "
                f"{len(pairs)} pair(s) of the model's types ({names}{', ...' if len(pairs) > 6 else ''}), got "
                f"{len(values)}",
                path,
            )
    if len(lines) < 2:
        raise InputError(f"expected at least two distances, got {len(lines)}", path)
    rows = np.array([values for _, values in lines])
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(f"line {lines[bad[0]][0]}: holds a number that is not finite", path)
    spacing = rows[1, 0] - rows[0, 0]
    if rows[0, 0] < 0 or spacing <= 0:
        raise InputError(
            f"the distances begin with {rows[0, 0]:g} and {rows[1, 0]:g} A; expected them to rise from 0 or above",
            path,
        )
    away = np.abs(rows[:, 0] - (rows[0, 0] + spacing * np.arange(len(rows))))
    uneven = np.flatnonzero(away > _UNEVEN * spacing)
    if len(uneven):
        k = uneven[0]
        raise InputError(
            f"line {lines[k][0]}: the distance {rows[k, 0]:g} A is not the one expected after steps of "
            f"{spacing:g} A, {rows[0, 0] + spacing * k:g} A; the distances must be evenly spaced",
            path,
        )
    return rows


def _extend(rows: np.ndarray, rcut: float, path: Any) -> np.ndarray:
    """Continue a table to the cut-off, point by point as the reference does since its version 3."""
    first, last, spacing = rows[0, 0], rows[-1, 0], rows[1, 0] - rows[0, 0]
    if first >= rcut:
        raise InputError(
            f"begins at {first:g} A, and the model sees no pair beyond its cut-off of {rcut:g} A; expected distances "
            "from those of the closest atoms on",
            path,
        )
    if (rcut - first) / spacing > _MOST:
        raise InputError(
            f"the steps of {spacing:g} A would be more than {_MOST} up to the cut-off of {rcut:g} A; take larger ones",
            path,
        )
    missing = int(np.ceil(rcut / spacing - first / spacing)) - (len(rows) - 1)
    ends_with_zeros = not rows[-1, 1:].any()
    if rcut <= last or missing <= 0:
        if rows[max(0, len(rows) - 2 + min(missing, 0)) if ends_with_zeros else -1, 1:].any():
            log.warning("%s: the energies are not zero at the cut-off of %g A, where they stop", path, rcut)
        return rows
    more = np.zeros((missing, rows.shape[1]))
    more[:, 0] = np.linspace(last + spacing, last + spacing * missing, missing)
    if not ends_with_zeros:
        log.warning(
            "%s: ends at %g A with energies that are not zero, before the cut-off of %g A; it is continued to "
            "zero there. Let the table end with zeros",
            path,
            last,
            rcut,
        )
        # a cubic from the last point to zero; its first slope is the last difference, as in the reference
        end = -2 if more[-1, 0] / spacing - last / spacing >= 2 else -1
        width = more[end, 0] - last
        u = (more[:, :1] - last) / width
        value, slope = rows[-1, 1:], (rows[-1, 1:] - rows[-2, 1:]) * width
        more[:, 1:] = value * (1 + u * u * (2 * u - 3)) + slope * u * (1 - u) ** 2
        more = more if end == -1 else more[:-1]
    return np.concatenate([rows, more])


def _slopes(values: np.ndarray) -> np.ndarray:
    """Slopes per interval at evenly spaced points of the spline that is flat at both ends; along axis 0.

    d[k-1] + 4 d[k] + d[k+1] = 3 (v[k+1] - v[k-1]), from the continuity of second derivatives.
    """
    d = np.zeros_like(values)
    n = len(values) - 2  # inner points
    if n < 1:
        return d
    right = 3 * (values[2:] - values[:-2])
    diagonal = np.empty(n)
    diagonal[0] = 4.0
    for k in range(1, n):
        diagonal[k] = 4.0 - 1.0 / diagonal[k - 1]
        right[k] -= right[k - 1] / diagonal[k - 1]
    d[n] = right[n - 1] / diagonal[n - 1]
    for k in range(n - 1, 0, -1):
        d[k] = (right[k - 1] - d[k + 1]) / diagonal[k - 1]
    return d
