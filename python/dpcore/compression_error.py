# SPDX-License-Identifier: LGPL-3.0-or-later
"""How far a compressed model is from its original, on atoms that are made up from the model alone."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpcore.grammar import descriptor_parts
from dpcore.random_atoms import random_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dpcore import _core
    from dpcore.modelfile import ModelFile

__all__ = [
    "Deviation",
    "Probe",
    "advice",
    "as_it_is",
    "deviations",
    "make_probes",
    "report",
    "worst_force",
]

log = logging.getLogger(__name__)

_SEED = 20240301
_SIDE = 4  # of the grid of atoms
_CLOSEST = 0.8  # of the shortest distance of the training data: that of the random atoms


@dataclass
class Probe:
    """Frames of the same atoms: coord [n_frames, 3n] A, box [n_frames, 9] A or None, types [n]."""

    kind: str
    coord: np.ndarray
    box: np.ndarray | None
    types: np.ndarray
    fparam: np.ndarray | None
    aparam: np.ndarray | None

    def evaluate(self, model: _core.Model) -> dict[str, np.ndarray]:
        """Energy, force and virial of each frame."""
        return model.evaluate(self.coord, self.box, self.types, self.fparam, self.aparam)


@dataclass
class Deviation:
    """The largest differences on the frames of one kind, NaN if anything is not finite.

    Attributes
    ----------
    energy
        eV per atom.
    force
        eV/A, of one component.
    virial
        eV, of one component.
    largest_force
        eV/A, of the original model.
    outside
        Pairs for which the tables do not reach.
    """

    kind: str
    frames: int = 0
    energy: float = 0.0
    force: float = 0.0
    virial: float = 0.0
    largest_force: float = 0.0
    outside: int = 0


def make_probes(file: ModelFile, model: _core.Model, min_nbor_dist: float) -> list[Probe]:
    """Frames to compare on, always the same for the same model.

    - "like training": all types on a disturbed grid, some pairs at the shortest distance of the training
      data and up to half as much again;
    - "random": atoms at random, down to 0.8 of that distance;
    - "pairs": two atoms of each pair of types, from 0.8 of it to the cut-off.

    Parameters
    ----------
    model
        Counts neighbours: the grid is widened until they fit into `sel`.
    min_nbor_dist
        In A.
    """
    rng = np.random.RandomState(_SEED)
    n_types = model.ntypes
    types = rng.permutation(np.arange(_SIDE**3) % n_types).astype(np.int32)

    def probe(kind: str, coord: np.ndarray, box: np.ndarray | None, types: np.ndarray) -> Probe:
        given = random_parameters(file, rng, len(types))
        fparam, aparam = (None if p is None else np.tile(p.ravel(), (len(coord), 1)) for p in given)
        return Probe(kind, coord.reshape(len(coord), -1), box, types, fparam, aparam)

    def fitting_sel(kind: str, make: Callable[[float], tuple[np.ndarray, np.ndarray]]) -> Probe:
        spacing = max(2.0, 1.4 * min_nbor_dist)
        for _ in range(10):
            frames = [make(spacing) for _ in range(3)]
            coord, box = (np.stack(arrays) for arrays in zip(*frames))
            out = probe(kind, coord, box.reshape(len(box), 9), types)
            out.evaluate(model)
            if not model.sel_overflow()["atoms"]:
                break
            spacing *= 1.1
        return out

    probes = [
        fitting_sel("like training", lambda spacing: _like_training(rng, spacing, min_nbor_dist)),
        fitting_sel("random", lambda spacing: _random(rng, spacing, _CLOSEST * min_nbor_dist)),
    ]
    distances = np.linspace(_CLOSEST * min_nbor_dist, model.rcut, 200)
    coord = np.zeros((len(distances), 2, 3))
    coord[:, 1] = distances[:, None] * np.array([0.36, 0.48, 0.8])
    for a in range(n_types):
        for b in range(a, n_types):
            probes.append(probe("pairs", coord, None, np.array([a, b], dtype=np.int32)))
    return probes


def as_it_is(model: _core.Model) -> _core.Model:
    """The model, whose embedding nets, or of a compressed one whose tables, are from now on evaluated themselves."""
    before = os.environ.get("DP_EXACT_NETS")
    os.environ["DP_EXACT_NETS"] = "1"
    try:  # the first evaluation decides
        fparam, aparam = (np.zeros((1, n)) if n else None for n in (model.dim_fparam, model.dim_aparam))
        model.evaluate(np.zeros((1, 3)), None, np.zeros(1, dtype=np.int32), fparam, aparam)
    finally:
        if before is None:
            del os.environ["DP_EXACT_NETS"]
        else:
            os.environ["DP_EXACT_NETS"] = before
    return model


def deviations(original: _core.Model, compressed: _core.Model, probes: list[Probe]) -> list[Deviation]:
    """The largest differences by kind of frames."""
    found: dict[str, Deviation] = {}
    for probe in probes:
        d = found.setdefault(probe.kind, Deviation(probe.kind))
        one, other = probe.evaluate(original), probe.evaluate(compressed)
        d.outside += compressed.outside_tables()["pairs"]
        d.frames += len(probe.coord)
        worst = {key: float(np.abs(one[key] - other[key]).max()) for key in ("energy", "force", "virial")}
        d.energy = float(np.fmax(d.energy, worst["energy"] / len(probe.types)) + 0 * worst["energy"])
        d.force = float(np.fmax(d.force, worst["force"]) + 0 * worst["force"])
        d.virial = float(np.fmax(d.virial, worst["virial"]) + 0 * worst["virial"])
        d.largest_force = max(d.largest_force, float(np.abs(one["force"]).max()))
    return list(found.values())


def worst_force(found: list[Deviation]) -> float:
    """The largest force error; NaN if one is."""
    return math.nan if any(math.isnan(d.force) for d in found) else max(d.force for d in found)


def advice(file: ModelFile, found: list[Deviation], outside: str, tried: Sequence[float]) -> str:
    """What to do about an error above the tolerance, up to "allow"; `tried` are the steps, if several were."""
    parts = [part for _, part in descriptor_parts(file.config["descriptor"])]
    if any(part.get("activation_function") in ("relu", "relu6") for part in parts):
        return "no table follows the kinks of relu; allow"
    pairs = sum(d.outside for d in found)
    if outside == "linear" and pairs:
        return (
            f"{pairs} pair(s) of these frames are nearer than the tables reach, where they go on as straight "
            "lines: take a larger --extrapolate or --outside net, or allow"
        )
    if tried:
        return f"no step from {tried[0]:g} to {tried[-1]:g} keeps it; try a smaller one with --step, or allow"
    return "take a smaller --step, or allow"


def report(
    file: ModelFile,
    recipe: dict[str, Any],
    tables: list[dict[str, Any]],
    found: list[Deviation],
    evaluated: list[Deviation],
) -> None:
    """Log the tables, a table of their errors, and the largest one of what evaluation takes for them."""
    size, parts = 0.0, [part for _, part in descriptor_parts(file.config["descriptor"])]
    for t in tables:  # made in float64 here
        part = parts[int(t["net"].split("/")[0].split("_")[1]) if "/" in t["net"] else 0]
        size += t["bytes"] / 2**20 / (2 if part.get("precision") == "float32" else 1)
    log.info("%d table(s), step %g, %.1f MiB:", len(tables), recipe["step"], size)
    for t in tables:
        log.info(
            "  %-8s from %g to %g, coarse steps to %g, %d intervals",
            t["net"],
            t["lower"],
            t["upper"],
            t["last"],
            t["intervals"],
        )
    log.info("largest difference from the original model (float64):")
    if file.kind != "ener":
        log.info("(those of the %s in place of the energy, in the unit of its labels for eV)", file.kind)
    log.info("  %-14s %16s %14s %14s %8s", "", "energy/atom (eV)", "force (eV/A)", "virial (eV)", "frames")
    for d in found:
        log.info("  %-14s %16.1e %14.1e %14.1e %8d", d.kind, d.energy, d.force, d.virial, d.frames)
    if evaluated != found:
        text = "evaluation here takes polynomials on pieces for the fine steps: force error %.1e eV/A"
        log.info(text, worst_force(evaluated))


def _cell(rng: np.random.RandomState, spacing: float) -> np.ndarray:
    return _SIDE * spacing * (np.eye(3) + rng.uniform(-0.08, 0.08, (3, 3)))


def _like_training(
    rng: np.random.RandomState, spacing: float, closest: float
) -> tuple[np.ndarray, np.ndarray]:
    """A disturbed grid in which every third atom has moved near to another one."""
    cell = _cell(rng, spacing)
    grid = np.stack(np.meshgrid(*[np.arange(_SIDE)] * 3, indexing="ij"), -1).reshape(-1, 3) / _SIDE
    coord = (grid + rng.uniform(-0.06, 0.06, grid.shape) / _SIDE) @ cell
    order = rng.permutation(len(coord))
    for index, (i, j) in enumerate(order[: len(coord) // 3 * 2].reshape(-1, 2)):
        length = closest * (1.0 if index == 0 else rng.uniform(1.0, 1.5))
        directions = rng.normal(size=(30, 3))
        places = coord[i] + length * directions / np.linalg.norm(directions, axis=1)[:, None]
        fits = np.flatnonzero(_nearest(np.delete(coord, [i, j], axis=0), places, cell) >= closest)
        if len(fits):
            coord[j] = places[fits[0]]
    return coord, cell


def _random(rng: np.random.RandomState, spacing: float, closest: float) -> tuple[np.ndarray, np.ndarray]:
    """Atoms at random places, none nearer to another than `closest` if that can be had."""
    cell = _cell(rng, spacing)
    coord = np.zeros((0, 3))
    for _ in range(_SIDE**3):
        places = rng.uniform(size=(60, 3)) @ cell
        far = _nearest(coord, places, cell)
        fits = np.flatnonzero(far >= closest)
        coord = np.vstack([coord, places[fits[0] if len(fits) else int(np.argmax(far))]])
    return coord, cell


def _nearest(coord: np.ndarray, places: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Distance of each place from its nearest atom or image, for cells that are not very skew."""
    if not len(coord):
        return np.full(len(places), np.inf)
    delta = (places[:, None] - coord) @ np.linalg.inv(cell)
    delta -= np.round(delta)
    return np.linalg.norm(delta @ cell, axis=-1).min(axis=1)
