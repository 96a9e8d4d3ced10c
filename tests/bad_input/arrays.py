# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad arrays of data systems: shapes, numbers, positions and boxes, in training and in validation."""

from __future__ import annotations

import numpy as np
from bad_input.case import A, B, Case, edit, put, train, write, write_input


def _coincide(array):
    array[2, 3:6] = array[2, 0:3]


def _coincide_with_an_image(array):
    array[1, 3:6] = array[1, 0:3] + [8.0, 0.0, 0.0]


def _wrong_shape(name, change, *expect):
    return train(edit(f"set.000/{name}.npy", change), f"{A}/{name}.npy: expected shape", *expect)


SHAPES = {
    "no frames": train(edit("set.000/coord.npy", lambda a: a[:0]), f"{A}/coord.npy", "holds no frames"),
    "one number": _wrong_shape("coord", lambda a: np.array(3.0), "[n_frames, 3*3], got []"),
    "coordinates of an atom too few": _wrong_shape(
        "coord", lambda a: a[:, :6], "[n_frames, 3*3], got [4, 6]"
    ),
    "coordinates in columns": _wrong_shape("coord", lambda a: a.T.copy(), "got [9, 4]"),
    "a frame of coordinates lost": train(
        edit("set.000/coord.npy", lambda a: a[:3]), f"{A}/box.npy", "[3, 9]", "3 frames as in coord", "[4, 9]"
    ),
    "box of three lengths": _wrong_shape(
        "box", lambda a: a[:, ::4], "[4, 9]", "got [4, 3]", "three cell vectors"
    ),
    "box of one frame": _wrong_shape("box", lambda a: a[:1], "[4, 9]", "got [1, 9]"),
    "an energy lost": _wrong_shape("energy", lambda a: a[:3], "[4, 1]", "got [3]"),
    "energies of atoms": _wrong_shape("energy", lambda a: np.zeros((4, 3)), "got [4, 3]", "atom_ener"),
    "forces in columns": _wrong_shape("force", lambda a: a.T.copy(), "[4, 9]", "got [9, 4]"),
    "forces of an atom too many": _wrong_shape("force", lambda a: np.zeros((4, 12)), "3 for each of 3 atoms"),
    "virial of six": _wrong_shape("virial", lambda a: a[:, :6], "got [4, 6]", "all nine components"),
    "atomic energies per frame": _wrong_shape("atom_ener", lambda a: a[:, 0], "[4, 3]", "got [4]"),
    "weights per component": _wrong_shape("atom_pref", lambda a: np.ones((4, 9)), "one weight for each atom"),
    "frame parameters of another number": _wrong_shape(
        "fparam", lambda a: a[:, :1], "got [4, 1]", "numb_fparam"
    ),
    "atomic parameters of another number": _wrong_shape(
        "aparam", lambda a: a[:, :6], "got [4, 6]", "numb_aparam"
    ),
}

NUMBERS = {
    **{
        f"{what} in {name}": train(
            put(f"set.001/{name}.npy", index, value),
            f"{B}/{name}.npy",
            word,
            f"frame {row}, {place} (counted from 0)",
        )
        for name, index, row, place in (
            ("coord", (2, 4), 2, "atom 1"),
            ("box", (1, 8), 1, "component 8"),
            ("energy", (2,), 2, "component 0"),
            ("force", (0, 8), 0, "atom 2"),
            ("virial", (1, 3), 1, "component 3"),
            ("atom_ener", (2, 1), 2, "atom 1"),
            ("atom_pref", (0, 0), 0, "atom 0"),
            ("fparam", (1, 1), 1, "component 1"),
            ("aparam", (2, 8), 2, "atom 2"),
        )
        for what, value, word in (
            ("NaN", np.nan, "NaN"),
            ("infinity", -np.inf, "an infinite value"),
            ("1e200", 1e200, "a number of size 1e+200"),
        )
    },
    "overflow of float16": train(
        edit("set.000/energy.npy", lambda a: np.full(4, np.inf, dtype=np.float16)),
        f"{A}/energy.npy",
        "infinite",
    ),
    "numbers longer than double": train(
        edit("set.000/energy.npy", lambda a: np.full(4, np.longdouble("1e400"))),
        f"{A}/energy.npy",
        "infinite",
    ),
    "box of zeros": train(put("set.000/box.npy", 2, 0.0), f"{A}/box.npy", "frame 2 is all zeros", "nopbc"),
    "box without volume": train(
        edit("set.000/box.npy", lambda a: a.__setitem__((1, slice(6, 9)), a[1, :3])),
        f"{A}/box.npy",
        "frame 1",
        "volume",
    ),
    "box in the wrong unit": train(
        edit("set.001/box.npy", lambda a: a * 1e-4), B, "frame 0", "images", "is the box in A?"
    ),
    "an atom far away": train(
        put("set.001/coord.npy", (2, 3), 1e12), B, "frame 2", "atom 1 (counted from 0)", "at most 1e+09"
    ),
    "two atoms at one place": train(
        edit("set.001/coord.npy", _coincide),
        B,
        "atoms 0 and 1 of frame 2 (counted from 0)",
        "on top of each other",
    ),
    "an atom on an image of another": train(
        edit("set.001/coord.npy", _coincide_with_an_image),
        B,
        "atoms 0 and 1 of frame 1",
        "on top of each other",
    ),
    "negative weight": train(
        put("set.001/atom_pref.npy", (2, 1), -1.0),
        f"{B}/atom_pref.npy",
        "atom 1 in frame 2",
        "-1",
        "0 or above",
    ),
}


def _validation(prepare):
    def prepare_both(folder):
        write_input(folder, {"training/validation_data": {"systems": ["valid"], "batch_size": 2}})
        prepare(folder)

    return prepare_both


def _edit_validation(name, change):
    def prepare(folder):
        path = folder / f"valid/set.000/{name}.npy"
        array = np.load(path)
        change(array)
        np.save(path, array)

    return _validation(prepare)


VALIDATION = {
    "NaN": Case(
        ["train", "input.json"],
        ["valid/set.000/force.npy", "NaN in frame 1, atom 0"],
        _edit_validation("force", lambda a: a.__setitem__((1, 2), np.nan)),
    ),
    "an atom far away": Case(
        ["train", "input.json"],
        ["valid/set.000, frame(s)", "frame 1: coord: atom 2", "no checkpoint was written yet"],
        _edit_validation("coord", lambda a: a.__setitem__((1, 8), -1e12)),
    ),
    "two atoms at one place": Case(
        ["train", "input.json"],
        [
            "valid/set.000, frame(s)",
            "atoms 0 and 1 are at the same position",
            "no checkpoint was written yet",
        ],
        _edit_validation("coord", lambda a: a.__setitem__((slice(None), slice(3, 6)), a[:, :3])),
    ),
    "another element": Case(
        ["train", "input.json"],
        ["valid/type_map.raw", '"C" is not in the type map of the model (O H)'],
        _validation(write("valid/type_map.raw", "O C")),
    ),
}

UNCOUNTED = {
    "NaN": Case(
        ["train", "input.json", "--skip-neighbor-stat"],
        [f"{B}/force.npy", "NaN in frame 1, atom 0"],
        put("set.001/force.npy", (1, 0), np.nan),
    ),
    "an atom far away": Case(
        ["train", "input.json", "--skip-neighbor-stat"],
        [B, "frame 2: coord", "atom 1 (counted from 0)"],
        put("set.001/coord.npy", (2, 3), 1e12),
    ),
    "two atoms at one place": Case(
        ["train", "input.json", "--skip-neighbor-stat"],
        [B, "frame 2: atoms 0 and 1", "same position"],
        edit("set.001/coord.npy", _coincide),
    ),
    "automatic sel": Case(
        ["train", "input.json", "--skip-neighbor-stat"],
        ["model/descriptor/sel", "--skip-neighbor-stat", "give a list of numbers"],
        lambda folder: write_input(folder, {"model/descriptor/sel": "auto"}),
    ),
}

CASES = {
    **{f"shape: {name}": case for name, case in SHAPES.items()},
    **{f"number: {name}": case for name, case in NUMBERS.items()},
    **{f"validation: {name}": case for name, case in VALIDATION.items()},
    **{f"without counting neighbours: {name}": case for name, case in UNCOUNTED.items()},
}
