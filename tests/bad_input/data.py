# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad data systems: folders, types and files."""

from __future__ import annotations

import os
import struct

import numpy as np
from bad_input.case import A, B, Case, both, edit, nothing, remove, replaced_by_folder, train, write
from make_system import make_system

WITHOUT_PARAMETERS = {"model/fitting_net/numb_fparam": 0, "model/fitting_net/numb_aparam": 0}


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


def _other_order(folder):
    (folder / "more").mkdir()
    make_system(folder / "more", names=("H", "O"))


SYSTEMS = {
    "no folder": train(nothing, "none: no such folder", changes={"training/training_data/systems": ["none"]}),
    "no folder to search": train(
        nothing, "none: no such folder", changes={"training/training_data/systems": "none"}
    ),
    "a file": train(
        nothing, "model.dp: expected a folder", changes={"training/training_data/systems": ["model.dp"]}
    ),
    "a folder without systems": train(
        lambda folder: (folder / "none").mkdir(),
        "none: holds no data system",
        "type.raw",
        changes={"training/training_data/systems": "none"},
    ),
    "the folder above the systems": train(
        nothing, 'give "." as text', "type.raw", changes={"training/training_data/systems": ["."]}
    ),
    "an HDF5 file": train(
        write("d.hdf5", b"\x89HDF"),
        "d.hdf5",
        "deepmd/npy",
        changes={"training/training_data/systems": ["d.hdf5"]},
    ),
    "two orders of names": train(
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
    "no type.raw": train(remove("data/type.raw"), "data: ", "no type.raw"),
    "empty type.raw": train(write("data/type.raw", " \n"), "data/type.raw", "holds no atoms"),
    "types by name": train(write("data/type.raw", "O H H"), "data/type.raw", "one integer", 'got "O"'),
    "types of floats": train(write("data/type.raw", "0 1.0 1"), "data/type.raw", "one integer", 'got "1.0"'),
    "types with an underscore": train(write("data/type.raw", "0 1 0_1"), "data/type.raw", 'got "0_1"'),
    "types of 5000 digits": train(
        write("data/type.raw", "0 1 " + "1" * 5000), "data/type.raw", "9 digits", "..."
    ),
    "types of bytes": train(
        write("data/type.raw", b"\xff\x00"), "data/type.raw", "cannot be read", "byte 0xff"
    ),
    "negative type": train(write("data/type.raw", "0 1 -1"), "data/type.raw", "atom 2 has type -1", "from 0"),
    "type beyond the names": train(
        write("data/type.raw", "0 1 2"), "data/type_map.raw", "names 2 types", "type 2"
    ),
    "type beyond the model": train(
        both(remove("data/type_map.raw"), write("data/type.raw", "0 5 1")),
        "data/type.raw",
        "atom 1 has type 5",
        "types 0 to 1 (O H)",
    ),
    "type that would need a million nets": train(
        both(remove("data/type_map.raw"), write("data/type.raw", "0 999999 1")),
        "data/type.raw",
        "atom 1 has type 999999",
        "below 1000",
        changes={"model/type_map": ...},
    ),
    "more atoms in type.raw": train(
        write("data/type.raw", "0 1 1 1"), f"{A}/coord.npy", "[n_frames, 4*3], got [4, 9]", "type.raw"
    ),
    "unknown element": train(write("data/type_map.raw", "O Xx"), "data/type_map.raw", '"Xx"', "model (O H)"),
    "name for two types": train(write("data/type_map.raw", "O O"), "data/type_map.raw", '"O" stands for two'),
    "empty type_map.raw": train(
        write("data/type_map.raw", ""), "data/type_map.raw", "names 0 types", "type 1"
    ),
    "type_map.raw is a folder": train(
        replaced_by_folder("data/type_map.raw"), "data/type_map.raw", "cannot be read", "directory"
    ),
    "type_map.raw leads nowhere": train(
        both(remove("data/type_map.raw"), lambda folder: os.symlink("none", folder / "data/type_map.raw")),
        "data/type_map.raw",
        "cannot be read",
    ),
    "no sets": train(
        _no_sets,
        "data: holds neither a folder set.* nor coord.raw",
    ),
    "another prefix": train(
        nothing, "data: holds neither a folder part.*", changes={"training/training_data/set_prefix": "part"}
    ),
    "empty set": train(
        lambda folder: [f.unlink() for f in (folder / B).iterdir()], f"{B}/coord.npy: no such file"
    ),
    "set is a file": train(write("data/set.002", ""), "data/set.002", "expected the folder of a set"),
    "set leads nowhere": train(
        lambda folder: os.symlink("none", folder / "data/set.002"), "data/set.002", "link that leads nowhere"
    ),
    "types that change from frame to frame": train(
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
    "no coordinates": train(remove(f"{A}/coord.npy"), f"{A}/coord.npy: no such file"),
    "no box": train(remove(f"{B}/box.npy"), f"{B}/box.npy: no such file", "nopbc"),
    "no frame parameters": train(
        remove(f"{A}/fparam.npy"), f"{A}/fparam.npy: no such file", "numb_fparam > 0"
    ),
    "no atomic parameters": train(
        remove(f"{A}/aparam.npy"), f"{A}/aparam.npy: no such file", "numb_aparam > 0"
    ),
    "a folder as array": train(replaced_by_folder(f"{A}/coord.npy"), f"{A}/coord.npy", "got a folder"),
    "a pipe as array": train(
        both(remove(f"{A}/force.npy"), lambda folder: os.mkfifo(folder / A / "force.npy")),
        f"{A}/force.npy",
        "file",
    ),
    "a link that leads nowhere": train(
        both(remove(f"{A}/coord.npy"), lambda folder: os.symlink("none", folder / A / "coord.npy")),
        f"{A}/coord.npy: cannot be read",
    ),
    "empty file": train(
        write(f"{A}/coord.npy", b""), f"{A}/coord.npy", "is not a complete numpy", "it is empty"
    ),
    "text in an array": train(
        write(f"{A}/coord.npy", "1 2 3\n"), f"{A}/coord.npy", "begins with", ".raw files"
    ),
    "HDF5 in an array": train(write(f"{B}/force.npy", b"\x89HDF\r\n\x1a\n"), f"{B}/force.npy", "begins with"),
    "an archive": train(
        _archive,
        f"{A}/coord.npy",
        "archive of several arrays",
    ),
    "a broken archive": train(write(f"{A}/coord.npy", b"PK\x03\x04junk"), f"{A}/coord.npy", "archive"),
    "cut off in the header": train(
        _cut(f"{A}/coord.npy", 60), f"{A}/coord.npy", "not a complete numpy array"
    ),
    "cut off after the header": train(
        _cut(f"{A}/coord.npy", 128), f"{A}/coord.npy", "not a complete numpy array"
    ),
    "cut off by a byte": train(
        lambda folder: os.truncate(folder / B / "force.npy", os.path.getsize(folder / B / "force.npy") - 1),
        f"{B}/force.npy",
        "not a complete numpy array",
    ),
    "two arrays in a file": train(
        _append(f"{A}/energy.npy", b"\0" * 24), f"{A}/energy.npy", "24 bytes follow"
    ),
    "an unknown version": train(write(f"{A}/coord.npy", b"\x93NUMPY\x09\x00" + b" " * 80), f"{A}/coord.npy"),
    "header of brackets": train(_header("(" * 3000), f"{A}/coord.npy", "not a complete numpy array"),
    "header of a text": train(_header("'abc'"), f"{A}/coord.npy", "not a complete numpy array", "dictionary"),
    "header of petabytes": train(_shape(f"({10**12}, 9)"), f"{A}/coord.npy", "memory"),
    "header of 30 digits": train(_shape(f"({10**30}, 9)"), f"{A}/coord.npy", "not a complete numpy array"),
    "header of negative shape": train(_shape("(-4, 9)"), f"{A}/coord.npy", "not a complete numpy array"),
    "objects, not unpickled": train(
        _pickle("set.000/force.npy"), f"{A}/force.npy", "objects, which are never loaded"
    ),
    "complex numbers": train(edit("set.000/energy.npy", lambda a: a + 0j), f"{A}/energy.npy", "complex128"),
    "booleans": train(edit("set.000/energy.npy", lambda a: a > 0), f"{A}/energy.npy", "real numbers", "bool"),
    "words": train(edit("set.000/energy.npy", lambda a: a.astype(str)), f"{A}/energy.npy", "real numbers"),
    "a structure": train(
        edit("set.000/energy.npy", lambda a: a.view([("e", "f8")])), f"{A}/energy.npy", "real numbers"
    ),
    "a text system with a word": train(
        both(_to_text, write("data/coord.raw", "1 2 x\n")),
        "data/coord.raw",
        "one frame in a line",
        changes=WITHOUT_PARAMETERS,
    ),
    "a text system with a short line": train(
        both(_to_text, write("data/force.raw", "1 2 3\n1 2\n")),
        "data/force.raw",
        "one frame in a line",
        changes=WITHOUT_PARAMETERS,
    ),
    "an empty text system": train(
        both(_to_text, write("data/coord.raw", "")), "data/coord.raw", "no frames", changes=WITHOUT_PARAMETERS
    ),
}

CASES = {
    **{f"system: {name}": case for name, case in SYSTEMS.items()},
    **{f"array: {name}": case for name, case in FILES.items()},
}
