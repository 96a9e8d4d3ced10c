# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of loc_frame; derivatives by complex steps, exact to rounding.

With f analytic, Im f(x + i h)/h = f'(x) for h so small that h^2 vanishes beside 1: no difference is taken.
Indices: slots of sel_a, then those of sel_r.
"""

from __future__ import annotations

import numpy as np

STEP = 1e-30


def place_neighbours(settings, candidates):
    """Slots of (type, distance, image, R_ij) sorted by type, distance and image: list of (slot, image, R_ij)."""
    sel_a, sel_r = settings["sel_a"], settings["sel_r"]
    start_a = np.concatenate([[0], np.cumsum(sel_a)])
    start_r = start_a[-1] + np.concatenate([[0], np.cumsum(sel_r)])
    used, slots = [0] * len(sel_a), []
    for kind, _, image, vector in sorted(candidates, key=lambda item: item[:3]):
        place = used[kind]
        used[kind] += 1
        if place < sel_a[kind]:
            slots.append((start_a[kind] + place, image, vector))
        elif place < sel_a[kind] + sel_r[kind]:
            slots.append((start_r[kind] + place - sel_a[kind], image, vector))
    return slots


def find_axis(settings, rule, vectors):
    """The slot that (class, type, index) names; vectors: {slot: R_ij}."""
    kind, named, index = rule
    sel = settings["sel_r"] if kind else settings["sel_a"]
    first = sum(settings["sel_a"]) if kind else 0
    starts = first + np.concatenate([[0], np.cumsum(sel)])
    if named >= 0:
        return starts[named] + index
    left_out = -named if kind else -(named + 1)
    others = [
        slot
        for b in range(len(sel))
        if b != left_out
        for slot in range(starts[b], min(starts[b] + 3, starts[b + 1]))
        if slot in vectors
    ]
    return sorted(others, key=lambda slot: np.linalg.norm(vectors[slot]))[index]


def axes(settings, centre, vectors):
    """The slots of the two axes of a centre of this type."""
    rules = settings["axis_rule"][6 * centre : 6 * centre + 6]
    if not settings["axis_rule"]:
        kind = 0 if sum(settings["sel_a"]) > 1 else 1
        rules = [kind, 0, 0, kind, 0, 1]
    one, rule = find_axis(settings, rules[:3], vectors), rules[3:]
    other = find_axis(settings, rule, vectors)
    a, b = vectors[one], vectors[other]
    if abs(a @ b / np.sqrt((a @ a) * (b @ b)) + 1.0) < 1e-4:
        other = find_axis(settings, [*rule[:2], rule[2] + 1], vectors)
    return one, other


def numbers(settings, vectors, one, other, wanted):
    """{column: number of D before normalisation} of the wanted slots; vectors: {slot: R_ij}, may be complex."""
    n_a = sum(settings["sel_a"])
    x = vectors[one] / np.sqrt(vectors[one] @ vectors[one])
    y = vectors[other] - (vectors[other] @ x) * x
    y = y / np.sqrt(y @ y)
    z = np.cross(x, y)
    out = {}
    for slot in wanted:
        r = vectors[slot]
        square = r @ r
        if slot < n_a:
            row = [1.0 / np.sqrt(square), z @ r / square, x @ r / square, y @ r / square]
            out.update({4 * slot + c: number for c, number in enumerate(row)})
        else:
            out[4 * n_a + slot - n_a] = 1.0 / np.sqrt(square)
    return out


def value(settings, tensors, centre, vectors):
    """The descriptor; vectors: {slot: R_ij}."""
    davg, dstd = tensors["descriptor/davg"][centre], tensors["descriptor/dstd"][centre]
    out = np.zeros(len(davg))
    for column, number in numbers(settings, vectors, *axes(settings, centre, vectors), vectors).items():
        out[column] = number
    return (out - davg) / dstd


def loc_frame(settings, tensors, centre, slots):
    """Descriptor and its Jacobian [n_slots filled, 3, n_out] by the vectors of the filled slots."""
    dstd = tensors["descriptor/dstd"][centre]
    vectors = {slot: r for slot, _, r in slots}
    one, other = axes(settings, centre, vectors)
    jacobian = np.zeros((len(slots), 3, len(dstd)))
    for k, slot in enumerate(vectors):
        wanted = vectors if slot in (one, other) else [slot]  # no other number depends on it
        for c in range(3):
            moved = {**vectors, slot: vectors[slot] + STEP * 1j * (np.arange(3) == c)}
            for column, number in numbers(settings, moved, one, other, wanted).items():
                jacobian[k, c, column] = number.imag / STEP / dstd[column]
    return value(settings, tensors, centre, vectors), jacobian


def strays(config, tensors, coord, box, types):
    """What DeePMD-kit adds to forces [nf, n, 3] and atomic virials [nf, n, 9] of a loc_frame model by mistake.

    It keeps the derivatives of 1/r of a slot of sel_r by that neighbour and, in case it is an axis, by the axes. An
    axis is known by its number in its own list, sel_a or sel_r; of which list it is was not looked at. So where an axis
    is slot k of sel_a and slot k of sel_r is filled, the axis gets the force of that neighbour as well, and nothing
    balances it.
    """
    from reference import se_e2_a

    settings = config["descriptor"]
    n_a, n_r = sum(settings["sel_a"]), sum(settings["sel_r"])
    force = np.zeros((len(coord), len(types), 3))
    virial = np.zeros((len(coord), len(types), 9))
    for f, row in enumerate(np.asarray(coord, dtype=np.float64)):
        cell = None if box is None else np.asarray(box[f]).reshape(3, 3)
        for i, centre in enumerate(types):
            slots = se_e2_a.neighbour_slots(settings, row.reshape(-1, 3), cell, types, i)
            vectors = {slot: r for slot, _, r in slots}
            parents = {slot: j for slot, j, _ in slots}
            descriptor, none = value(settings, tensors, centre, vectors), np.zeros(0)
            _, slopes = se_e2_a.fitting_energy(config["fitting_net"], tensors, centre, descriptor, none, none)
            slopes = slopes / tensors["descriptor/dstd"][centre]
            for axis in axes(settings, centre, vectors):
                if axis < n_r and n_a + axis in vectors and axis < n_a:
                    r = vectors[n_a + axis]
                    gradient = -slopes[4 * n_a + axis] * r / np.linalg.norm(r) ** 3
                    force[f, parents[axis]] -= gradient
                    virial[f, parents[axis]] -= np.outer(gradient, vectors[axis]).reshape(9)
    return force, virial
