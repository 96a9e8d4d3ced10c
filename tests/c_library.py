# SPDX-License-Identifier: LGPL-3.0-or-later
"""libdpcore's C interface through ctypes, and a small periodic system with a neighbour list of its own."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path

import numpy as np
from dpcore import _core
from dpcore.infer import DeepPot

PREFIX = Path(_core.__file__).parent
LIBRARY = PREFIX / "lib/libdpcore.so"

COORD = np.array([0.1, 0.2, 0.3, 1.05, 0.2, 0.4, -0.1, 1.1, 0.3, 2.6, 2.7, 2.5, 3.5, 2.8, 2.4, 2.3, 3.6, 2.6])
BOX = np.array([5.0, 0, 0, 0.3, 5.2, 0, 0, 0, 5.5])
TYPE = np.array([0, 1, 1, 0, 1, 1], dtype=np.intc)
N = len(TYPE)
RESULTS = ("energy", "force", "virial", "atom_energy", "atom_virial")


class Library:
    """libdpcore through ctypes; texts and handles are pointers."""

    def __init__(self):
        self.lib = ctypes.CDLL(str(LIBRARY))

    def __getattr__(self, name):
        function = getattr(self.lib, f"DP_{name}")
        if name.startswith("New") or name.endswith(("CheckOK", "TypeMap")) or name.startswith("ReadFile"):
            function.restype = ctypes.c_void_p
        elif name.endswith("Cutoff"):
            function.restype = ctypes.c_double
        elif name.endswith(("NAll", "DefaultFParam")):
            function.restype = ctypes.c_bool
        return lambda *args: function(*(convert(a) for a in args))

    def text(self, pointer):
        """What a char* says; it is freed."""
        value = ctypes.string_at(pointer).decode()
        self.DeleteChar(pointer)
        return value

    def open(self, *paths):
        """A handle of one model or, for several, of their deviation."""
        if len(paths) == 1:
            handle, kind = self.NewDeepPot(paths[0]), "DeepPot"
        else:
            handle, kind = self.NewDeepPotModelDevi(strings(paths), len(paths)), "DeepPotModelDevi"
        return Handle(self, kind, handle)


def convert(value):
    """Arrays and handles as pointers, paths as bytes."""
    if isinstance(value, np.ndarray):
        return value.ctypes.data_as(ctypes.c_void_p)
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int) and value > 2**31:
        return ctypes.c_void_p(value)
    return value


def strings(values):
    return (ctypes.c_char_p * len(values))(*(v.encode() for v in values))


class Handle:
    """A DP_DeepPot, DP_DeepTensor ..., deleted with this object."""

    def __init__(self, dp, kind, pointer):
        self.dp, self.kind, self.pointer = dp, kind, pointer

    def __del__(self):
        getattr(self.dp, f"Delete{self.kind}")(self.pointer)

    def __getattr__(self, name):
        function = getattr(self.dp, self.kind + name)
        return lambda *args: function(self.pointer, *args)

    def message(self):
        return self.dp.text(self.CheckOK())

    def run(self, name, args, n, frames=1, models=1, dtype=np.float64):
        """Call Compute...; the results by name, [models, frames, ...]."""
        shapes = {"energy": (), "force": (n, 3), "virial": (9,), "atom_energy": (n,), "atom_virial": (n, 9)}
        out = {k: np.full((models, frames, *s), np.nan, dtype) for k, s in shapes.items()}
        out["energy"] = out["energy"].astype(np.float64)
        code = getattr(self, name)(*args, *(out[k] for k in RESULTS))
        assert code == 0 and self.message() == "", self.message()
        return out


def expected(path, coord=COORD, box=BOX, types=TYPE, **parameters):
    """What Python gives, [frames, ...]."""
    values = DeepPot(path).eval(coord, box, types, atomic=True, **parameters)
    return dict(zip(RESULTS, (values[0][:, 0], values[1], values[2], values[3][..., 0], values[4])))


def assert_same(found, wanted, tolerance=1e-12):
    for key in RESULTS:
        assert np.shape(found[key]) == np.shape(wanted[key]), key
        worst = np.abs(found[key] - wanted[key]).max()
        assert worst <= tolerance, f"{key}: {worst}"
    assert np.abs(wanted["force"]).max() > 1e-4, "forces vanish: the comparison says nothing"


class Ghosts:
    """COORD in BOX with all images within reach, a full list of them, and the owner of each."""

    def __init__(self, dp, shift=0.0, mark=0):
        x, cell = COORD.reshape(-1, 3) + shift, BOX.reshape(3, 3)
        images = [i for i in itertools.product((-1, 0, 1), repeat=3) if any(i)]
        self.coord = np.concatenate([x] + [x + np.array(i) @ cell for i in images])
        self.owner = np.tile(np.arange(N), len(images) + 1)
        self.type = TYPE[self.owner]
        self.n = len(self.owner)
        distance = np.linalg.norm(self.coord[:N, None] - self.coord[None], axis=-1)
        rows = [np.flatnonzero((d < 4.3) & (np.arange(self.n) != i)) for i, d in enumerate(distance)]
        self.rows = [np.ascontiguousarray(r | mark, dtype=np.intc) for r in rows]
        self.ilist = np.arange(N, dtype=np.intc)[::-1].copy()
        self.numneigh = np.array([len(self.rows[i]) for i in self.ilist], dtype=np.intc)
        self.first = (ctypes.c_void_p * N)(*(self.rows[i].ctypes.data for i in self.ilist))
        self.dp, self.list = dp, dp.NewNlist(N, self.ilist, self.numneigh, self.first)

    def __del__(self):
        self.dp.DeleteNlist(self.list)

    def folded(self, found):
        """Results [1, n_all, ...] as those of the periodic frame."""
        out = {k: found[k] for k in ("energy", "virial")}
        for k in ("force", "atom_virial", "atom_energy"):
            out[k] = np.zeros((1, N, *found[k].shape[2:]))
            np.add.at(out[k][0], self.owner, found[k][0])
        assert not found["atom_energy"][0, N:].any()
        return out
