# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad command lines, and commands whose inputs do not fit each other or whose outputs cannot be written."""

from __future__ import annotations

import os

import numpy as np
from bad_input.case import ALL_KEYS, Case, both, edit, nothing, put, remove, replaced_by_folder, write
from make_system import make_system

USAGE = "usage: dp"


def _wrong(words, *expect):
    return Case(words, expect, code=2)


def _another(names, types=(0, 1, 1)):
    return lambda folder: make_system(folder / "other", names=names, types=types, keys=ALL_KEYS)


def _second_is_bad(folder):
    make_system(folder / "pair/a", keys=ALL_KEYS)
    make_system(folder / "pair/b", keys=ALL_KEYS)
    coord = np.load(folder / "pair/b/set.000/coord.npy")
    coord[3, 1] = np.nan
    np.save(folder / "pair/b/set.000/coord.npy", coord)
    (folder / "detail.e.out").write_text("of an earlier test\n")


def _test(*words):
    return ["test", "-m", "model.dp", *words]


WORDS = {
    "unknown verb": _wrong(["xyzzy"], 'there is no verb "xyzzy"', "There are: train, freeze"),
    "misspelt verb": _wrong(["trian", "input.json"], 'Did you mean "train"?'),
    "later verb": _wrong(["pretrained"], "pretrained is not in this version"),
    "no input": _wrong(["train"], USAGE, "required: INPUT"),
    "two inputs": _wrong(["train", "a.json", "b.json"], USAGE, "unrecognized arguments: b.json"),
    "unknown option": _wrong(["freeze", "--ouptut", "x"], USAGE, "--ouptut"),
    "option without value": _wrong(["test", "-m"], USAGE, "expected one argument"),
    "no number of frames": _wrong(_test("-s", "data", "-n", "all"), "invalid int value: 'all'"),
    "two kinds of systems": _wrong(_test("-s", "data", "-f", "list"), "not allowed with"),
    "unknown log level": _wrong(["test", "-v", "LOUD"], "invalid choice: 'LOUD'", "DEBUG"),
    "unknown format of the manual": _wrong(
        ["doc-train-input", "--out-type", "xml"], "invalid choice: 'xml'", "rst"
    ),
    "unknown source format": Case(
        ["convert-from", "pbtx", "-i", "a", "-o", "b"],
        ["'pbtx' is not a source format", 'Did you mean "pbtxt"?'],
    ),
    "negative number of frames": Case(
        _test("-s", "data", "-n", "-3"), ["--numb-test", "0 (all) or more, got -3"]
    ),
}

MISMATCHES = {
    "no system": Case(_test("-s", "none"), ["none: no such folder"]),
    "a file as system": Case(_test("-s", "input.json"), ["input.json: expected a folder, got a file"]),
    "no systems below": Case(
        _test("-s", "empty"), ["empty: holds no data system"], lambda folder: (folder / "empty").mkdir()
    ),
    "no list of systems": Case(_test("-f", "none"), ["none: no such file; expected a text file"]),
    "empty list of systems": Case(_test("-f", "list"), ["list: names no system"], write("list", "\n")),
    "list with a lost system": Case(
        _test("-f", "list"), ["list: line 2: no such folder: lost"], write("list", "data\nlost\n")
    ),
    "list with a file": Case(
        _test("-f", "list"),
        ["list: line 1: a file, and no folder of a system"],
        write("list", "input.json\n"),
    ),
    "list without end": Case(
        _test("-f", "/dev/zero"), ["/dev/zero: is longer than 64 MiB; expected a text file that names"]
    ),
    "model in place of a list": Case(
        _test("-f", "model.dp"), ["model.dp: is not UTF-8 text", "names the folder"]
    ),
    "input without end": Case(
        ["train", "z.json"],
        ["z.json: is longer than 64 MiB; expected a training input"],
        lambda folder: (folder / "z.json").symlink_to("/dev/zero"),
    ),
    "element that the model does not have": Case(
        _test("-s", "other"),
        ["other/type_map.raw", '"C" is not in the type map of the model (O H)'],
        _another(("O", "C")),
    ),
    "type that the model does not have": Case(
        _test("-s", "other"),
        ["other/type.raw", "atom 2 has type 2", "types 0 to 1"],
        _another(None, (0, 1, 2)),
    ),
    "no parameters for the model": Case(
        ["test", "-m", "parameters.dp", "-s", "data"],
        ["data/set.001/fparam.npy: no such file", "numb_fparam > 0"],
        remove("data/set.001/fparam.npy"),
    ),
    "no labels": Case(
        _test("-s", "data"),
        ["data: none of the systems has labels"],
        remove(*(f"data/set.00{i}/{name}.npy" for i in (0, 1) for name in ("energy", "force", "virial"))),
    ),
    "no such prefix of sets": Case(
        _test("-s", "data", "-S", "part"), ["data: holds neither a folder part.*"]
    ),
    "NaN in the labels": Case(
        _test("-s", "data"),
        ["data/set.001/virial.npy", "NaN in frame 2"],
        put("set.001/virial.npy", (2, 2), np.nan),
    ),
    "an atom far away": Case(
        _test("-s", "data"), ["data/set.001", "frame 1", "atom 2"], put("set.001/coord.npy", (1, 7), 1e12)
    ),
    "two atoms at one place": Case(
        _test("-s", "data"),
        ["data/set.001", "frame 2: atoms 0 and 1", "same position"],
        edit("set.001/coord.npy", lambda a: a.__setitem__((2, slice(3, 6)), a[2, :3])),
    ),
    "a bad system after a good one": Case(
        _test("-s", "pair", "-d", "detail"),
        ["pair/b/set.000/coord.npy", "NaN in frame 3, atom 0"],
        _second_is_bad,
    ),
}

OUTPUTS = {
    "details in no folder": Case(_test("-s", "data", "-d", "no/detail"), ["no/detail: expected a prefix"]),
    "details over a folder": Case(
        _test("-s", "data", "-d", "detail"),
        ["detail.f.out: cannot be written"],
        replaced_by_folder("detail.f.out"),
    ),
    "normalised input in no folder": Case(
        ["train", "input.json", "-o", "no/out.json"], ["no/out.json: cannot be written: No such file"]
    ),
    "normalised input over a folder": Case(
        ["train", "input.json", "-o", "data"], ["--output", "data is a folder"]
    ),
    "normalised input over the input": Case(
        ["train", "input.json", "-o", "input.json"], ["--output", "would overwrite the input file input.json"]
    ),
    "normalised input without a name": Case(
        ["train", "input.json", "-o", ""], ["expected the name of a file"]
    ),
    "log over a folder": Case(["train", "input.json", "-l", "data"], ["data: the log cannot be written"]),
    "log below a file": Case(
        ["train", "input.json", "-l", "model.dp/log"], ["model.dp/log: the log cannot be written"]
    ),
    "model in no folder": Case(
        ["freeze", "-o", "no/model.dp"], ["no/model.dp: the folder", "create it first"]
    ),
    "model over a folder": Case(["freeze", "-o", "data"], ["data: cannot write: this is a folder"]),
    "model over its checkpoint": Case(
        ["freeze", "-c", "model.ckpt-2", "-o", "model.ckpt-2"],
        ["model.ckpt-2", "would overwrite the checkpoint"],
    ),
    "model over a pipe": Case(
        ["freeze", "-o", "pipe"], ["pipe: cannot write", "a pipe"], lambda folder: os.mkfifo(folder / "pipe")
    ),
    "model over a protected file": Case(
        ["freeze", "-o", "/proc/version"], ["/proc/version: cannot write"], nothing
    ),
    "freeze in an empty folder": Case(
        ["freeze", "-c", "empty", "-o", "new.dp"],
        ["empty: holds no checkpoint", "dp train"],
        lambda folder: (folder / "empty").mkdir(),
    ),
    "freeze of no checkpoint": Case(["freeze", "-c", "none", "-o", "new.dp"], ["none: no such checkpoint"]),
    "freeze of a model": Case(
        ["freeze", "-c", "model.dp", "-o", "new.dp"], ["model.dp: is a frozen model already"]
    ),
    "freeze of text": Case(["freeze", "-c", "input.json", "-o", "new.dp"], ["input.json", "JSON text"]),
    "convert without input": Case(
        ["convert-from", "-i", "none", "-o", "new.dp"], ["none: cannot read the graph"]
    ),
    "convert of a model of ours": Case(
        ["convert-from", "-i", "model.dp", "-o", "new.dp"],
        ["model.dp: this is a dpcore model", "no conversion"],
    ),
    "convert over its input": Case(
        ["convert-from", "-i", "model.dp", "-o", "model.dp"],
        ["model.dp: the output would overwrite the input"],
    ),
    "convert to text": Case(
        ["convert-from", "-i", "model.dp", "-o", "new.pbtxt"], ["new.pbtxt", "no TensorFlow text graphs"]
    ),
    "full device for the curve": Case(
        ["train", "input.json"],
        ["full: cannot be written: No space left"],
        both(
            lambda folder: os.symlink("/dev/full", folder / "full"),
            lambda folder: (folder / "input.json").write_text(
                (folder / "input.json").read_text().replace('"disp_freq"', '"disp_file": "full", "disp_freq"')
            ),
        ),
    ),
}

CASES = {
    **{f"words: {name}": case for name, case in WORDS.items()},
    **{f"fit: {name}": case for name, case in MISMATCHES.items()},
    **{f"output: {name}": case for name, case in OUTPUTS.items()},
}
