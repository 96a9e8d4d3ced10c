# SPDX-License-Identifier: LGPL-3.0-or-later
"""Slow numpy oracle of energy models: se_e2_a + ener, and with se_e2_r, se_e3, se_a_tpe, loc_frame or hybrid in its place, and
with type embedding.

A plain transcription of the published formulas (Zhang et al., NeurIPS 31, 2018,
"End-to-end symmetry preserving inter-atomic potential energy model") as
DeePMD-kit evaluates them: every slot of ``sel`` is computed, empty ones too, and periodic images are found by
brute force.  It shares no code with the core.

Units: A, eV, eV/A.  Virial -dE/d(strain), eV, [xx xy xz yx yy yz zx zy zz].
Indices: i centre, j slot (neighbour), c component 0..3 of an environment row,
m embedding channel.
"""

from __future__ import annotations

import numpy as np

SQRT_2_OVER_PI = 0.7978845608028654


def evaluate(config, tensors, coord, box, types, fparam=None, aparam=None):
    """Evaluate all frames.

    Parameters
    ----------
    config : dict
        The ``model`` section of a model file (type_map, descriptor, fitting_net).
    tensors : dict of ndarray
        The tensors of a model file.
    coord : [n_frames, n_atoms*3], A
    box : [n_frames, 9], A, rows are cell vectors; None: not periodic
    types : [n_atoms], indices into type_map
    fparam : [n_frames, numb_fparam] or None
    aparam : [n_frames, n_atoms*numb_aparam] or None

    Returns
    -------
    dict with energy [n_frames], force [n_frames, n_atoms, 3], virial [n_frames, 9],
    atom_energy [n_frames, n_atoms], atom_virial [n_frames, n_atoms, 9], all float64.
    """
    coord = np.asarray(coord, dtype=np.float64)
    tensors = with_types(config, tensors)
    n_frames, n_atoms = len(coord), len(types)
    out = {
        "energy": np.zeros(n_frames),
        "force": np.zeros((n_frames, n_atoms, 3)),
        "virial": np.zeros((n_frames, 9)),
        "atom_energy": np.zeros((n_frames, n_atoms)),
        "atom_virial": np.zeros((n_frames, n_atoms, 9)),
    }
    for f in range(n_frames):
        cell = None if box is None else np.asarray(box[f], dtype=np.float64).reshape(3, 3)
        frame_parameters = np.zeros(0) if fparam is None else np.asarray(fparam[f], dtype=np.float64)
        atom_parameters = np.zeros((n_atoms, 0))
        if aparam is not None:
            atom_parameters = np.asarray(aparam[f], dtype=np.float64).reshape(n_atoms, -1)
        positions = coord[f].reshape(n_atoms, 3)
        for i in range(n_atoms):
            energy, neighbours, vectors, pair_gradient = atomic_energy(
                config, tensors, positions, cell, types, i, frame_parameters, atom_parameters
            )
            if config.get("use_srtab"):
                from reference.short_range import blend  # it uses this module

                energy, pair_gradient, by_switch, by_table = blend(
                    config, tensors, positions, cell, types, i, energy, pair_gradient
                )
                for j, _, p_ij in by_switch + by_table:
                    out["force"][f, i] += p_ij
                    out["force"][f, j] -= p_ij
                # the table's part of the atomic virial belongs to both atoms, all else to the neighbour
                for share, terms in ((1.0, by_switch), (0.5, by_table)):
                    for j, r_ij, p_ij in terms:
                        out["atom_virial"][f, j] -= share * np.outer(p_ij, r_ij).reshape(9)
                        out["atom_virial"][f, i] -= (1.0 - share) * np.outer(p_ij, r_ij).reshape(9)
            out["atom_energy"][f, i] = energy
            # E_i depends on R_ij = R_j - R_i: p_j = dE_i/dR_ij
            for j, r_ij, p_ij in zip(neighbours, vectors, pair_gradient):
                out["force"][f, i] += p_ij
                out["force"][f, j] -= p_ij
                out["atom_virial"][f, j] -= np.outer(p_ij, r_ij).reshape(9)
        out["energy"][f] = out["atom_energy"][f].sum()
        out["virial"][f] = out["atom_virial"][f].sum(axis=0)
    return out


def atomic_energy(config, tensors, positions, cell, types, i, fparam, aparam):
    """E_i and its gradient by the vectors to the neighbours; aparam [n_atoms, numb_aparam].

    Returns energy (eV), neighbours [n], vectors R_ij [n, 3] (A) and
    pair_gradient dE_i/dR_ij [n, 3] (eV/A); empty slots are left out.
    """
    from reference import loc_frame, se_e2_r, se_e3  # which need this file

    neighbours, vectors, parts = [], [], []
    for settings, mine in descriptor_parts(config["descriptor"], tensors):
        slots = neighbour_slots(settings, positions, cell, types, i)
        neighbours += [j for _, j, _ in slots]
        vectors += [r_ij for _, _, r_ij in slots]
        if settings["type"] == "loc_frame":
            descriptor, jacobian = loc_frame.loc_frame(settings, mine, types[i], slots)
            parts.append((descriptor, jacobian.__matmul__))
            continue
        n_slots = sum(settings["sel"])
        rows, slopes = environment(settings, slots, n_slots)
        davg, dstd = mine["descriptor/davg"][types[i]], mine["descriptor/dstd"][types[i]]
        n_components = len(davg)  # 4, or the radial one alone
        rows = (rows[:, :n_components] - davg) / dstd
        kinds = {"se_e2_r": se_e2_r.se_e2_r, "se_e3": se_e3.se_e3}
        evaluate_one = kinds.get(settings["type"], se_e2_a)  # also se_a_tpe, with another G in `moment`
        parameters = ()
        if settings.get("numb_aparam"):  # of the atoms in the slots, 0 in empty ones
            parameters = (np.zeros((n_slots, settings["numb_aparam"])),)
            for slot, j, _ in slots:
                parameters[0][slot] = aparam[j]
        descriptor, d_rows_of = evaluate_one(settings, mine, types[i], rows, *parameters)
        filled = [slot for slot, _, _ in slots]

        def along(d_descriptor, of=d_rows_of, dstd=dstd, slopes=slopes[:, :n_components], filled=filled):
            d_rows = of(d_descriptor) / dstd  # dE_i/de, [n_slots, n_components]
            return np.einsum("jc,jca->ja", d_rows[filled], slopes[filled])

        parts.append((descriptor, along))
    energy, d_descriptor = fitting_energy(
        config["fitting_net"], tensors, types[i], np.concatenate([p[0] for p in parts]), fparam, aparam[i]
    )
    pair_gradient, at = [], 0
    for descriptor, along in parts:
        pair_gradient.append(along(d_descriptor[at : at + len(descriptor)]))
        at += len(descriptor)
    return energy, neighbours, vectors, np.concatenate(pair_gradient)


def descriptor_parts(settings, tensors):
    """(settings, tensors) of a descriptor, or of each part of a hybrid one, named as a single one."""
    if settings["type"] != "hybrid":
        return [(settings, tensors)]
    parts = []
    for n, part in enumerate(settings["list"]):
        mine = {k: v for k, v in tensors.items() if f"/part_{n}/" in k or k == "types"}
        parts.append((part, {k.replace(f"part_{n}/", ""): v for k, v in mine.items()}))
    return parts


# ---- neighbours and environment matrix -------------------------------------


def neighbour_slots(settings, positions, cell, types, i):
    """Filled slots of atom i: list of (slot, neighbour index, R_ij [3]).

    Slots are grouped by neighbour type, nearest first; what does not fit into
    ``sel`` is dropped.  The cut-off is single precision.
    """
    rcut = np.float32(settings["rcut"])
    shifts = [np.zeros(3)]
    wrapped = positions
    if cell is not None:
        fractional = positions @ np.linalg.inv(cell)
        wrapped = (fractional - np.floor(fractional)) @ cell
        heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        reach = np.ceil(float(rcut) / heights).astype(int)
        ranges = [range(-n, n + 1) for n in reach]
        shifts = [np.array([a, b, c]) @ cell for a in ranges[0] for b in ranges[1] for c in ranges[2]]
    candidates = []
    for s, shift in enumerate(shifts):
        vectors = wrapped + shift - wrapped[i]
        squares = np.sum(vectors**2, axis=1)
        for j in np.nonzero((squares < float(rcut * rcut)) & (squares <= float(rcut) ** 2))[0]:
            if j != i or np.any(shift != 0.0):
                candidates.append((types[j], np.sqrt(squares[j]), s * len(types) + j, vectors[j]))
    if settings["type"] == "loc_frame":
        from reference import loc_frame

        placed = loc_frame.place_neighbours(settings, candidates)
        return [(slot, image % len(types), r_ij) for slot, image, r_ij in placed]
    candidates.sort(key=lambda item: item[:3])
    starts = np.concatenate([[0], np.cumsum(settings["sel"])])
    used = [0] * len(settings["sel"])
    slots = []
    for neighbour_type, _, image, r_ij in candidates:
        if used[neighbour_type] < settings["sel"][neighbour_type]:
            slots.append((starts[neighbour_type] + used[neighbour_type], image % len(types), r_ij))
            used[neighbour_type] += 1
    return slots


def switch(r, rcut_smth, rcut):
    """w(r) and dw/dr; the radii are float32, and so is their difference."""
    inner, outer = np.float32(rcut_smth), np.float32(rcut)
    width = float(outer - inner)
    if r < float(inner):
        return 1.0, 0.0
    if r >= float(outer):
        return 0.0, 0.0
    u = (r - float(inner)) / width
    w = u**3 * (-6.0 * u**2 + 15.0 * u - 10.0) + 1.0
    dw = (3.0 * u**2 * (-6.0 * u**2 + 15.0 * u - 10.0) + u**3 * (-12.0 * u + 15.0)) / width
    return w, dw


def environment(settings, slots, n_slots):
    """Rows (s, s x/r, s y/r, s z/r), s = w/r, and their derivative by R_ij.

    Returns rows [n_slots, 4] and slopes [n_slots, 4, 3]; empty slots are zero.
    """
    rows = np.zeros((n_slots, 4))
    slopes = np.zeros((n_slots, 4, 3))
    for slot, _, r_ij in slots:
        r = np.sqrt(r_ij @ r_ij)
        w, dw = switch(r, settings["rcut_smth"], settings["rcut"])
        rows[slot, 0] = w / r
        rows[slot, 1:] = w * r_ij / r**2
        slopes[slot, 0] = (dw / r - w / r**2) * r_ij / r
        slopes[slot, 1:] = w / r**2 * np.eye(3) + np.outer(r_ij, (dw / r**2 - 2.0 * w / r**3) * r_ij / r)
    return rows, slopes


# ---- networks ----------------------------------------------------------------


def activation(name, x):
    """phi(x) and phi'(x), in the precision of x."""
    one = x.dtype.type(1.0)
    if name == "tanh":
        y = np.tanh(x)
        return y, one - y * y
    if name == "relu":
        return np.maximum(x, 0), (x > 0).astype(x.dtype)
    if name == "relu6":
        return np.clip(x, 0, 6), ((x > 0) & (x < 6)).astype(x.dtype)
    if name == "sigmoid":
        y = one / (one + np.exp(-x))
        return y, y * (one - y)
    if name == "softplus":
        return np.logaddexp(x, x.dtype.type(0.0)), one / (one + np.exp(-x))
    if name == "gelu":
        c, a = x.dtype.type(SQRT_2_OVER_PI), x.dtype.type(0.044715)
        half = x.dtype.type(0.5)
        t = np.tanh(c * (x + a * x * x * x))
        q = c * (one - t * t) * (one + 3 * a * x * x)
        return half * x * (one + t), half * x * q + half * (one + t)
    raise ValueError(f"unknown activation function {name!r}")


def layers_of(tensors, prefix):
    """The layers (dicts with matrix, bias, maybe idt) under a prefix, in order."""
    layers = []
    while f"{prefix}/layer_{len(layers)}/matrix" in tensors:
        name = f"{prefix}/layer_{len(layers)}"
        layers.append(
            {k: tensors[f"{name}/{k}"] for k in ("matrix", "bias", "idt") if f"{name}/{k}" in tensors}
        )
    return layers


def with_types(config, tensors):
    """The tensors and, with type embedding, "types" [n_types, width]: the net's output for each unit vector."""
    settings = config.get("type_embedding")
    if not settings:
        return tensors
    unit = np.eye(len(config["type_map"]), dtype=settings["precision"])
    layers = layers_of(tensors, "type_embedding")
    table = [embedding_net(layers, settings["activation_function"], row[:1], row[1:])[0][0] for row in unit]
    return {**tensors, "types": np.array(table)}


def embedding_net(layers, phi, s, constants=()):
    """N(s, constants) and dN/ds for a batch of scalars s [n]: two arrays [n, n_last]."""
    constants = np.tile(np.asarray(constants, dtype=s.dtype), (len(s), 1))
    x, dx = np.hstack([s[:, None], constants]), np.hstack([np.ones_like(s)[:, None], 0 * constants])
    for layer in layers:
        h, slope = activation(phi, x @ layer["matrix"] + layer.get("bias", x.dtype.type(0.0)))
        dh = slope * (dx @ layer["matrix"])
        if "idt" in layer:
            h, dh = h * layer["idt"], dh * layer["idt"]
        if h.shape[1] == x.shape[1]:
            h, dh = x + h, dx + dh
        elif h.shape[1] == 2 * x.shape[1]:
            h, dh = np.hstack([x, x]) + h, np.hstack([dx, dx]) + dh
        x, dx = h, dh
    return x, dx


def fitting_net(layers, phi, x):
    """Output of the fitting net of one output and its gradient by the input x [n_in]."""
    tape = []
    for k, layer in enumerate(layers[:-1]):
        h, slope = activation(phi, x @ layer["matrix"] + layer["bias"])
        scale = layer.get("idt", np.ones_like(h))
        skip = k > 0 and h.shape == x.shape
        tape.append((layer["matrix"], slope * scale, skip))
        x = x + h * scale if skip else h * scale
    output = x @ layers[-1]["matrix"][:, 0] + layers[-1]["bias"][0]
    gradient = layers[-1]["matrix"][:, 0]
    for matrix, slope, skip in reversed(tape):
        through = matrix @ (slope * gradient)
        gradient = gradient + through if skip else through
    return output, gradient


# ---- descriptor and fitting --------------------------------------------------


def moment(settings, tensors, centre, rows, parameters=None):
    """T = 1/n_slots sum_j row_j (x) G_j [4, M1], and what it is made of: G, dG/ds [n_slots, M1], the rows
    [n_slots, 4] and whether they count [n_slots].

    parameters: atomic parameters of the slots [n_slots, numb_aparam] for se_a_tpe with such.
    """
    from reference import se_a_tpe  # which needs this file

    dtype = np.dtype(settings["precision"])
    rows = rows.astype(dtype)
    n_slots, width = len(rows), settings["neuron"][-1]
    starts = np.concatenate([[0], np.cumsum(settings["sel"])])
    excluded = {tuple(pair) for pair in settings["exclude_types"]}
    excluded |= {(b, a) for a, b in excluded}
    g = np.zeros((n_slots, width), dtype)
    dg = np.zeros((n_slots, width), dtype)
    counted = np.zeros(n_slots, bool)
    for neighbour in range(len(settings["sel"])):
        if (centre, neighbour) in excluded:
            continue
        name = f"net_{neighbour}" if settings["type_one_side"] else f"net_{centre}_{neighbour}"
        constants = ()
        if "types" in tensors:
            name = "net"
            constants = tensors["types"][[neighbour] if settings["type_one_side"] else [neighbour, centre]]
        part = slice(starts[neighbour], starts[neighbour + 1])
        counted[part] = True
        if settings["type"] == "se_a_tpe":
            mine = None if parameters is None else parameters[part]
            g[part], dg[part] = se_a_tpe.embedding(settings, tensors, centre, neighbour, rows[part, 0], mine)
            continue
        layers, phi = layers_of(tensors, f"descriptor/{name}"), settings["activation_function"]
        g[part], dg[part] = embedding_net(layers, phi, rows[part, 0], np.ravel(constants))
    used = np.where(counted[:, None], rows, dtype.type(0.0))
    t = used.T @ g / dtype.type(n_slots)  # [4, M1]
    return t, g, dg, used, counted


def se_e2_a(settings, tensors, centre, rows, parameters=None):
    """Descriptor D [M1*M2] and a function dE/dD -> dE/drows [n_slots, 4].

    D = T^t T_<  (first axis_neuron columns).
    """
    dtype = np.dtype(settings["precision"])
    n_slots, width, m2 = len(rows), settings["neuron"][-1], settings["axis_neuron"]
    t, g, dg, used, counted = moment(settings, tensors, centre, rows, parameters)
    descriptor = (t.T @ t[:, :m2]).reshape(-1)

    def d_rows_of(d_descriptor):
        a = d_descriptor.astype(dtype).reshape(width, m2)
        d_t = t[:, :m2] @ a.T
        d_t[:, :m2] += t @ a
        d_t /= dtype.type(n_slots)
        d_rows = g @ d_t.T
        d_rows[:, 0] += np.sum(dg * (used @ d_t), axis=1)
        return np.where(counted[:, None], d_rows, dtype.type(0.0)).astype(np.float64)

    return descriptor.astype(np.float64), d_rows_of


def fitting_energy(settings, tensors, centre, descriptor, fparam, aparam):
    """E_i in eV and dE_i/dD [M1*M2].

    With atom_ener the net's value at zero descriptor is subtracted.
    """
    parts = [descriptor]
    if "types" in tensors:
        parts.append(tensors["types"][centre])
    for name, values in (("fparam", fparam), ("aparam", aparam)):
        if settings[f"numb_{name}"]:
            average, inverse = tensors[f"fitting/{name}_avg"], tensors[f"fitting/{name}_istd"]
            parts.append((values - average) * inverse)
    x = np.concatenate(parts).astype(settings["precision"])
    layers = layers_of(tensors, "fitting/net" if "types" in tensors else f"fitting/net_{centre}")
    phi = settings["activation_function"]
    output, gradient = fitting_net(layers, phi, x)
    energy = float(output) + float(tensors["fitting/bias_atom_e"][centre])
    vacuum = settings["atom_ener"]
    if any(v is not None for v in (vacuum if "types" in tensors else vacuum[centre : centre + 1])):
        alone = x.copy()
        alone[: len(descriptor)] = 0.0
        energy -= float(fitting_net(layers, phi, alone)[0])
    return energy, gradient[: len(descriptor)].astype(np.float64)
