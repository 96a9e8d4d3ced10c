# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad input of the newer descriptors, the short-range table and the modifier; outputs over what is read.

The folder has dplr.dp, which is model.dp with dipole.dp as its modifier, and native.dp, which is model.dp.
"""

from __future__ import annotations

import json
import os

from bad_input.case import Case, both, nothing, write, write_input
from bad_input.models import change_bytes, rewrite
from make_model import write_dplr_model
from make_system import make_system

D, F, M = "model/descriptor", "model/fitting_net", "model/modifier"
LOCAL = {"type": "loc_frame", "sel_a": [2, 4], "sel_r": [0, 0], "rcut": 6.0}
TABLE = {"model/use_srtab": "t.txt", "model/smin_alpha": 0.1, "model/sw_rmin": 0.5, "model/sw_rmax": 3.0}
DPLR = {
    "type": "dipole_charge",
    "model_name": "dipole.dp",
    "model_charge_map": [-8],
    "sys_charge_map": [6, 1],
}


def make_folder(folder):
    """Behind that of tensors and the other one."""
    from dpcore.convert_backend import convert_backend

    write_dplr_model(folder / "dplr.dp", folder / "model.dp", folder / "dipole.dp")
    convert_backend(folder / "model.dp", folder / "native.dp")
    make_system(folder / "nopbc", sizes=(2,), types=(0, 1, 1), keys=("coord", "energy"), pbc=False)


def _key(changes, *expect):
    return Case(["train", "input.json"], expect, lambda folder: write_input(folder, changes))


def _table(text, *expect, changes=None):
    return Case(
        ["train", "input.json"],
        ["t.txt: ", *expect],
        both(lambda folder: write_input(folder, {**TABLE, **(changes or {})}), write("t.txt", text)),
    )


def _damaged(change):
    """A change of the model's section; ``...`` takes a key out."""

    def edit(text):
        config = {**json.loads(text), **change}
        return json.dumps({key: value for key, value in config.items() if value is not ...})

    return edit


def _link(name, target):
    return lambda folder: os.symlink(target, folder / name)


KEYS = {
    "key of another descriptor": _key(
        {D: {**LOCAL, "sel": [2, 4]}}, f"{D}/sel", "It is one of se_e2_a, se_e2_r, se_e3"
    ),
    "excluded types of se_e3": _key(
        {D: {"type": "se_e3", "sel": [8, 8], "exclude_types": [[0, 0]]}},
        f"{D}/exclude_types",
        "It is one of se_e2_a, se_e2_r",
    ),
    "key beside the list of hybrid": _key(
        {D: {"type": "hybrid", "list": [{"type": "se_r", "sel": [2, 2]}], "rcut": 4.0}},
        f"{D}/rcut",
        "se_e2_r",
    ),
    "atoms without a frame": _key({D: {**LOCAL, "rcut": 0.5}}, "data/set.00", "atom 0 has no local frame"),
    "table in a folder": _key({**TABLE, "model/use_srtab": "data"}, "data: is a folder", "short-range table"),
    "table of a long name": _key({**TABLE, "model/use_srtab": "x" * 5000}, "no such file"),
    "switch without width in single precision": Case(
        ["train", "input.json"],
        ["model/sw_rmax", "sw_rmin < sw_rmax"],
        both(
            lambda folder: write_input(folder, {**TABLE, "model/sw_rmin": 1.0, "model/sw_rmax": 1.0 + 1e-10}),
            write("t.txt", "0 1 1 1\n0.1 0 0 0\n"),
        ),
    ),
    "modifier whose model has energies": _key(
        {M: {**DPLR, "model_name": "dplr.dp"}}, "dplr.dp", 'kind "ener"', "wants a model of dipoles"
    ),
    "modifier in a folder": _key({M: {**DPLR, "model_name": "data"}}, "data: this is a folder"),
    "charges beyond all numbers": _key(
        {M: {**DPLR, "model_charge_map": [1e300]}}, "data/set.00", "model/modifier", "frame 0", "not finite"
    ),
    "endless waves": _key({M: {**DPLR, "ewald_h": 1e-4}}, "data/set.00", "waves; take a larger ewald_h"),
}
TABLES = {
    "table beyond the cut-off": _table("5 1 1 1\n6 1 1 1\n", "begins at 5 A", "cut-off of 4 A"),
    "table beyond its switch": _table("3.5 1 1 1\n4.5 1 1 1\n", "begins at 3.5 A", "model/sw_rmax (3 A)"),
    "table of too small steps": _table("0 1 1 1\n1e-9 1 1 1\n", "steps of 1e-09 A", "take larger ones"),
    "table of huge energies": _table("0 1e308 1 1\n1 -1e308 1 1\n2 1e308 1 1\n", "too large for a curve"),
    "table with commas": _table("0,1,1,1\n1,2,2,2\n", "line 1", "expected numbers"),
    "table with a distance twice": _table("0 1 1 1\n0 1 1 1\n", "rise from 0"),
}
FILES = {
    **{
        f"{verb[0]}, {name}": Case([*verb], ["model.dp", *expect], rewrite({"config": _damaged(change)}))
        for name, change, expect in (
            ("no descriptor", {"descriptor": ...}, ["model/descriptor", "missing"]),
            ("descriptor of text", {"descriptor": "se_a"}, ["model/descriptor"]),
            ("hybrid without its list", {"descriptor": {"type": "hybrid"}}, ["model/descriptor/list"]),
            ("modifier of text", {"modifier": "x"}, ["model/modifier", "a section"]),
        )
        for verb in (
            ("verify", "-m", "model.dp"),
            ("train", "input.json", "--init-frz-model", "model.dp"),
            ("compress", "-i", "model.dp", "-o", "new.dp"),
            ("convert-backend", "model.dp", "new.yaml"),
        )
    },
    "convert-backend, training is a list": Case(
        ["convert-backend", "model.dp", "new.yaml"],
        ["model.dp", '"training" of the file'],
        rewrite({"training": "[1]"}),
    ),
    "graph that never ends": Case(
        ["convert-from", "-i", "/dev/zero", "-o", "new.dp"], ["/dev/zero: this is a device"]
    ),
    "verify of dipoles": Case(["verify", "-m", "dipole.dp"], ["dipole.dp", "dp test", "labels"]),
    "verify of a modifier without a cell": Case(
        ["verify", "-m", "dplr.dp", "-s", "nopbc"], ["frame 0 of nopbc/set.000", "it needs a cell"]
    ),
    "test of a modifier without a cell": Case(
        ["test", "-m", "dplr.dp", "-s", "nopbc"], ["nopbc/set.000, frames 0 to 1", "it needs a cell"]
    ),
    "native file with a changed number": Case(
        ["test", "-m", "native.dp", "-s", "data"],
        ["native.dp", "cannot be read as HDF5"],
        change_bytes(lambda content: _other_number(content), "native.dp"),
    ),
}


def _other_number(content):
    """Change a weight of a native file: the first bias of the fitting net."""
    import io

    import h5py

    with h5py.File(io.BytesIO(content)) as file:
        where = min(file[name].id.get_chunk_info(0).byte_offset for name in file if file[name].shape)
    return content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :]


OUTPUTS = {
    "table of verify over the model": Case(
        ["verify", "-m", "model.dp", "--json", "./model.dp"], ["--json", "would overwrite model.dp"]
    ),
    "deviation over a model": Case(
        ["model-devi", "-m", "model.dp", "native.dp", "-s", "data", "-o", "link"],
        ["--output", "would overwrite native.dp"],
        _link("link", "native.dp"),
    ),
    "log over the model": Case(
        ["test", "-m", "model.dp", "-s", "data", "-l", "model.dp"], ["--log-path", "would overwrite model.dp"]
    ),
    "log over one of several models": Case(
        ["model-devi", "-m", "model.dp", "native.dp", "-s", "data", "-l", "native.dp"],
        ["--log-path", "would overwrite native.dp"],
    ),
    "log over the input": Case(
        ["train", "input.json", "-l", "input.json"], ["--log-path", "would overwrite input.json"]
    ),
    "descriptors below a file": Case(
        ["eval-desc", "-m", "model.dp", "-s", "data", "-o", "input.json"],
        ["input.json: cannot make this folder"],
    ),
    "descriptors over a folder": Case(
        ["eval-desc", "-m", "model.dp", "-s", "data", "-o", "."],
        ["data.npy: cannot be written: Is a directory"],
        lambda folder: (folder / "data.npy").mkdir(),
    ),
    **{
        f"{words[0]} on a full device": Case(words, ["full: cannot write"], _link("full", "/dev/full"))
        for words in (
            ["freeze", "-o", "full"],
            ["compress", "-i", "model.dp", "-o", "full"],
            ["convert-from", "-i", "native.dp", "-o", "full"],
        )
    },
    "undo over its input": Case(
        ["compress", "--undo", "-i", "dplr.dp", "-o", "dplr.dp"],
        ["dplr.dp: the output would overwrite the input"],
    ),
    "native file of a modifier": Case(
        ["convert-backend", "dplr.dp", "new.dp"], ["new.dp", "model/modifier", "native models"], nothing
    ),
}
CASES = {f"later: {name}": case for cases in (KEYS, TABLES, FILES, OUTPUTS) for name, case in cases.items()}
