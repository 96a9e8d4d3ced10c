# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad data systems."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from bad_input.case import (
    EVERYTHING,
    Case,
    both,
    edit,
    nothing,
    put,
    remove,
    replaced_by_folder,
    write,
    write_input,
)
from make_system import make_system

A, B = "data/set.000", "data/set.001"
WITHOUT_PARAMETERS = {"model/fitting_net/numb_fparam": 0, "model/fitting_net/numb_aparam": 0}


def _train(prepare, *expect, changes=None):
    """Training that reads every label and every parameter of ``data``."""

    def all_of_it(folder):
        write_input(folder, {**EVERYTHING, **(changes or {})})
        prepare(folder)

    return Case(["train", "input.json"], expect, all_of_it)


def _header(text):
    """A file whose header is this text, without numbers."""
    head = text.encode() + b"\n"
    return write(f"{A}/coord.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)


def _shape(shape):
    return _header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}")


def _cut(name, n_bytes):
    return lambda folder: os.truncate(folder / name, n_bytes)


def _append(name, content):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + content)


class Hostile:
    """An object whose unpickling would leave a trace."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


def _pickle(name):
    def change(array):
        out = np.empty(len(array), dtype=object)
        out[:] = Hostile()
        return out

    return edit(name, change)


def _to_text(folder):
    """The system as text files."""
    for path in (folder / "data").glob("set.*"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    make_system(folder / "data", sizes=(3,), text=True)


def _archive(folder):
    with open(folder / A / "coord.npy", "wb") as file:
        np.savez(file, a=np.zeros(3))


def _no_sets(folder):
    for name in ("000", "001"):
        (folder / "data" / f"set.{name}").rename(folder / "data" / name)


def _coincide(array):
    array[2, 3:6] = array[2, 0:3]


def _coincide_with_an_image(array):
    array[1, 3:6] = array[1, 0:3] + [8.0, 0.0, 0.0]


def _other_order(folder):
    (folder / "more").mkdir()
    make_system(folder / "more", names=("H", "O"))


SYSTEMS = {
    "no folder": _train(
        nothing, "none: no such folder", changes={"training/training_data/systems": ["none"]}
    ),
    "no folder to search": _train(
        nothing, "none: no such folder", changes={"training/training_data/systems": "none"}
    ),
    "a file": _train(
        nothing, "model.dp: expected a folder", changes={"training/training_data/systems": ["model.dp"]}
    ),
    "a folder without systems": _train(
        lambda folder: (folder / "none").mkdir(),
        "none: holds no data system",
        "type.raw",
        changes={"training/training_data/systems": "none"},
    ),
    "the folder above the systems": _train(
        nothing, 'give "." as text', "type.raw", changes={"training/training_data/systems": ["."]}
    ),
    "an HDF5 file": _train(
        write("d.hdf5", b"\x89HDF"),
        "d.hdf5",
        "deepmd/npy",
        changes={"training/training_data/systems": ["d.hdf5"]},
    ),
    "two orders of names": _train(
        _other_order,
        "more/type_map.raw",
        "names the types H O",
        "give model/type_map",
        changes={
            **WITHOUT_PARAMETERS,
            "training/training_data/systems": ["data", "more"],
            "model/type_map": ...,
        },
    ),
    "no type.raw": _train(remove("data/type.raw"), "data: ", "no type.raw"),
    "empty type.raw": _train(write("data/type.raw", " \n"), "data/type.raw", "holds no atoms"),
    "types by name": _train(write("data/type.raw", "O H H"), "data/type.raw", "one integer", 'got "O"'),
    "types of floats": _train(write("data/type.raw", "0 1.0 1"), "data/type.raw", "one integer", 'got "1.0"'),
    "types with an underscore": _train(write("data/type.raw", "0 1 0_1"), "data/type.raw", 'got "0_1"'),
    "types of 5000 digits": _train(
        write("data/type.raw", "0 1 " + "1" * 5000), "data/type.raw", "9 digits", "..."
    ),
    "types of bytes": _train(
        write("data/type.raw", b"\xff\x00"), "data/type.raw", "cannot be read", "byte 0xff"
    ),
    "negative type": _train(
        write("data/type.raw", "0 1 -1"), "data/type.raw", "atom 2 has type -1", "from 0"
    ),
    "type beyond the names": _train(
        write("data/type.raw", "0 1 2"), "data/type_map.raw", "names 2 types", "type 2"
    ),
    "type beyond the model": _train(
        both(remove("data/type_map.raw"), write("data/type.raw", "0 5 1")),
        "data/type.raw",
        "atom 1 has type 5",
        "types 0 to 1 (O H)",
    ),
    "type that would need a million nets": _train(
        both(remove("data/type_map.raw"), write("data/type.raw", "0 999999 1")),
        "data/type.raw",
        "atom 1 has type 999999",
        "below 1000",
        changes={"model/type_map": ...},
    ),
    "more atoms in type.raw": _train(
        write("data/type.raw", "0 1 1 1"), f"{A}/coord.npy", "[n_frames, 4*3], got [4, 9]", "type.raw"
    ),
    "unknown element": _train(write("data/type_map.raw", "O Xx"), "data/type_map.raw", '"Xx"', "model (O H)"),
    "name for two types": _train(
        write("data/type_map.raw", "O O"), "data/type_map.raw", '"O" stands for two'
    ),
    "empty type_map.raw": _train(
        write("data/type_map.raw", ""), "data/type_map.raw", "names 0 types", "type 1"
    ),
    "type_map.raw is a folder": _train(
        replaced_by_folder("data/type_map.raw"), "data/type_map.raw", "cannot be read", "directory"
    ),
    "type_map.raw leads nowhere": _train(
        both(remove("data/type_map.raw"), lambda folder: os.symlink("none", folder / "data/type_map.raw")),
        "data/type_map.raw",
        "cannot be read",
    ),
    "no sets": _train(
        _no_sets,
        "data: holds neither a folder set.* nor coord.raw",
    ),
    "another prefix": _train(
        nothing, "data: holds neither a folder part.*", changes={"training/training_data/set_prefix": "part"}
    ),
    "empty set": _train(
        lambda folder: [f.unlink() for f in (folder / B).iterdir()], f"{B}/coord.npy: no such file"
    ),
    "set is a file": _train(write("data/set.002", ""), "data/set.002", "expected the folder of a set"),
    "set leads nowhere": _train(
        lambda folder: os.symlink("none", folder / "data/set.002"), "data/set.002", "link that leads nowhere"
    ),
    "types that change from frame to frame": _train(
        lambda folder: np.save(folder / A / "real_atom_types.npy", np.zeros((4, 3), int)),
        A,
        "real_atom_types.npy",
        "not supported",
    ),
    "no labels of the loss": Case(
        ["train", "input.json"],
        ["training/training_data/systems", "none of the labels", "energy, force"],
        remove(*(f"{s}/{name}.npy" for s in (A, B) for name in ("energy", "force"))),
    ),
}

FILES = {
    "no coordinates": _train(remove(f"{A}/coord.npy"), f"{A}/coord.npy: no such file"),
    "no box": _train(remove(f"{B}/box.npy"), f"{B}/box.npy: no such file", "nopbc"),
    "no frame parameters": _train(
        remove(f"{A}/fparam.npy"), f"{A}/fparam.npy: no such file", "numb_fparam > 0"
    ),
    "no atomic parameters": _train(
        remove(f"{A}/aparam.npy"), f"{A}/aparam.npy: no such file", "numb_aparam > 0"
    ),
    "a folder as array": _train(replaced_by_folder(f"{A}/coord.npy"), f"{A}/coord.npy", "got a folder"),
    "a pipe as array": _train(
        both(remove(f"{A}/force.npy"), lambda folder: os.mkfifo(folder / A / "force.npy")),
        f"{A}/force.npy",
        "file",
    ),
    "a link that leads nowhere": _train(
        both(remove(f"{A}/coord.npy"), lambda folder: os.symlink("none", folder / A / "coord.npy")),
        f"{A}/coord.npy: cannot be read",
    ),
    "empty file": _train(
        write(f"{A}/coord.npy", b""), f"{A}/coord.npy", "is not a complete numpy", "it is empty"
    ),
    "text in an array": _train(
        write(f"{A}/coord.npy", "1 2 3\n"), f"{A}/coord.npy", "begins with", ".raw files"
    ),
    "HDF5 in an array": _train(
        write(f"{B}/force.npy", b"\x89HDF\r\n\x1a\n"), f"{B}/force.npy", "begins with"
    ),
    "an archive": _train(
        _archive,
        f"{A}/coord.npy",
        "archive of several arrays",
    ),
    "a broken archive": _train(write(f"{A}/coord.npy", b"PK\x03\x04junk"), f"{A}/coord.npy", "archive"),
    "cut off in the header": _train(
        _cut(f"{A}/coord.npy", 60), f"{A}/coord.npy", "not a complete numpy array"
    ),
    "cut off after the header": _train(
        _cut(f"{A}/coord.npy", 128), f"{A}/coord.npy", "not a complete numpy array"
    ),
    "cut off by a byte": _train(
        lambda folder: os.truncate(folder / B / "force.npy", os.path.getsize(folder / B / "force.npy") - 1),
        f"{B}/force.npy",
        "not a complete numpy array",
    ),
    "two arrays in a file": _train(
        _append(f"{A}/energy.npy", b"\0" * 24), f"{A}/energy.npy", "24 bytes follow"
    ),
    "an unknown version": _train(write(f"{A}/coord.npy", b"\x93NUMPY\x09\x00" + b" " * 80), f"{A}/coord.npy"),
    "header of brackets": _train(_header("(" * 3000), f"{A}/coord.npy", "not a complete numpy array"),
    "header of a text": _train(
        _header("'abc'"), f"{A}/coord.npy", "not a complete numpy array", "dictionary"
    ),
    "header of petabytes": _train(_shape(f"({10**12}, 9)"), f"{A}/coord.npy", "memory"),
    "header of 30 digits": _train(_shape(f"({10**30}, 9)"), f"{A}/coord.npy", "not a complete numpy array"),
    "header of negative shape": _train(_shape("(-4, 9)"), f"{A}/coord.npy", "not a complete numpy array"),
    "objects, not unpickled": _train(
        _pickle("set.000/force.npy"), f"{A}/force.npy", "objects, which are never loaded"
    ),
    "complex numbers": _train(edit("set.000/energy.npy", lambda a: a + 0j), f"{A}/energy.npy", "complex128"),
    "booleans": _train(
        edit("set.000/energy.npy", lambda a: a > 0), f"{A}/energy.npy", "real numbers", "bool"
    ),
    "words": _train(edit("set.000/energy.npy", lambda a: a.astype(str)), f"{A}/energy.npy", "real numbers"),
    "a structure": _train(
        edit("set.000/energy.npy", lambda a: a.view([("e", "f8")])), f"{A}/energy.npy", "real numbers"
    ),
    "a text system with a word": _train(
        both(_to_text, write("data/coord.raw", "1 2 x\n")),
        "data/coord.raw",
        "one frame in a line",
        changes=WITHOUT_PARAMETERS,
    ),
    "a text system with a short line": _train(
        both(_to_text, write("data/force.raw", "1 2 3\n1 2\n")),
        "data/force.raw",
        "one frame in a line",
        changes=WITHOUT_PARAMETERS,
    ),
    "an empty text system": _train(
        both(_to_text, write("data/coord.raw", "")), "data/coord.raw", "no frames", changes=WITHOUT_PARAMETERS
    ),
}


def _wrong_shape(name, change, *expect):
    return _train(edit(f"set.000/{name}.npy", change), f"{A}/{name}.npy: expected shape", *expect)


SHAPES = {
    "no frames": _train(edit("set.000/coord.npy", lambda a: a[:0]), f"{A}/coord.npy", "holds no frames"),
    "one number": _wrong_shape("coord", lambda a: np.array(3.0), "[n_frames, 3*3], got []"),
    "coordinates of an atom too few": _wrong_shape(
        "coord", lambda a: a[:, :6], "[n_frames, 3*3], got [4, 6]"
    ),
    "coordinates in columns": _wrong_shape("coord", lambda a: a.T.copy(), "got [9, 4]"),
    "a frame of coordinates lost": _train(
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
        f"{what} in {name}": _train(
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
    "overflow of float16": _train(
        edit("set.000/energy.npy", lambda a: np.full(4, np.inf, dtype=np.float16)),
        f"{A}/energy.npy",
        "infinite",
    ),
    "numbers longer than double": _train(
        edit("set.000/energy.npy", lambda a: np.full(4, np.longdouble("1e400"))),
        f"{A}/energy.npy",
        "infinite",
    ),
    "box of zeros": _train(put("set.000/box.npy", 2, 0.0), f"{A}/box.npy", "frame 2 is all zeros", "nopbc"),
    "box without volume": _train(
        edit("set.000/box.npy", lambda a: a.__setitem__((1, slice(6, 9)), a[1, :3])),
        f"{A}/box.npy",
        "frame 1",
        "volume",
    ),
    "box in the wrong unit": _train(
        edit("set.001/box.npy", lambda a: a * 1e-4), B, "frame 0", "images", "is the box in A?"
    ),
    "an atom far away": _train(
        put("set.001/coord.npy", (2, 3), 1e12), B, "frame 2", "atom 1 (counted from 0)", "at most 1e+09"
    ),
    "two atoms at one place": _train(
        edit("set.001/coord.npy", _coincide),
        B,
        "atoms 0 and 1 of frame 2 (counted from 0)",
        "on top of each other",
    ),
    "an atom on an image of another": _train(
        edit("set.001/coord.npy", _coincide_with_an_image),
        B,
        "atoms 0 and 1 of frame 1",
        "on top of each other",
    ),
    "an atom far away, without counting neighbours": Case(
        ["train", "input.json", "--skip-neighbor-stat"],
        [B, "frame 2: coord", "atom 1 (counted from 0)"],
        put("set.001/coord.npy", (2, 3), 1e12),
    ),
    "negative weight": _train(
        put("set.001/atom_pref.npy", (2, 1), -1.0),
        f"{B}/atom_pref.npy",
        "atom 1 in frame 2",
        "-1",
        "0 or above",
    ),
}


def _validation(prepare):
    def both_parts(folder: Path):
        write_input(folder, {"training/validation_data": {"systems": ["valid"], "batch_size": 2}})
        prepare(folder)

    return both_parts


def _spoil_validation(folder):
    force = np.load(folder / "valid/set.000/force.npy")
    force[1, 2] = np.nan
    np.save(folder / "valid/set.000/force.npy", force)


def _edit_validation(change):
    def prepare(folder):
        path = folder / "valid/set.000/coord.npy"
        coord = np.load(path)
        change(coord)
        np.save(path, coord)

    return prepare


_far_in_validation = _edit_validation(lambda coord: coord.__setitem__((slice(1, 2), 8), -1e12))
_coincide_in_validation = _edit_validation(
    lambda coord: coord.__setitem__((slice(None), slice(3, 6)), coord[:, :3])
)


VALIDATION = {
    "NaN in validation": Case(
        ["train", "input.json"],
        ["valid/set.000/force.npy", "NaN in frame 1, atom 0"],
        _validation(_spoil_validation),
    ),
    "an atom far away in validation": Case(
        ["train", "input.json"],
        ["valid/set.000, frame(s)", "frame 1: coord: atom 2", "no checkpoint was written yet"],
        _validation(_far_in_validation),
    ),
    "two atoms at one place in validation": Case(
        ["train", "input.json"],
        ["valid/set.000, frame(s)", "same position", "no checkpoint was written yet"],
        _validation(_coincide_in_validation),
    ),
    "validation of another element": Case(
        ["train", "input.json"],
        ["valid/type_map.raw", '"C" is not in the type map of the model (O H)'],
        _validation(write("valid/type_map.raw", "O C")),
    ),
    "NaN without counting neighbours": Case(
        ["train", "input.json", "--skip-neighbor-stat"],
        [f"{B}/force.npy", "NaN in frame 1, atom 0"],
        put("set.001/force.npy", (1, 0), np.nan),
    ),
}

CASES = {
    **{f"system: {name}": case for name, case in SYSTEMS.items()},
    **{f"array: {name}": case for name, case in FILES.items()},
    **{f"shape: {name}": case for name, case in SHAPES.items()},
    **{f"number: {name}": case for name, case in NUMBERS.items()},
    **{f"validation: {name}": case for name, case in VALIDATION.items()},
}
