# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad model files and checkpoints, each met by ``dp test``, and by the command that is about such files."""

from __future__ import annotations

import json
import os
import shutil
import struct

import numpy as np
from bad_input.case import Case, nothing, write, write_input
from make_system import SHARED

GRAPH = SHARED / "reference" / "se_e2_a" / "graph.pb"


def _test(prepare, *expect, model="model.dp"):
    return Case(["test", "-m", model, "-s", "data"], [model, *expect], prepare)


def change_bytes(change, name="model.dp"):
    def prepare(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return prepare


def _flip(part):
    """Change a byte at this part of the file."""

    def change(content):
        at = int(part * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 0x20]) + content[at + 1 :]

    return change_bytes(change)


def rewrite(metadata=None, tensors=None, name="model.dp"):
    """Write a model again with other metadata and tensors; ``...`` takes one out."""

    def prepare(folder):
        from dpcore import _core

        meta, arrays = _core.read_model_file(str(folder / name))
        for old, new in ((meta, metadata or {}), (arrays, tensors or {})):
            for key, value in new.items():
                if value is ...:
                    del old[key]
                else:
                    old[key] = value(old[key]) if callable(value) else value
        _core.write_model_file(str(folder / name), meta, arrays)

    return prepare


def set_config(path, value):
    """Another value in the configuration of the model."""

    def change(text):
        config = json.loads(text)
        *sections, key = path.split("/")
        where = config
        for section in sections:
            where = where[section]
        where[key] = value
        return json.dumps(config)

    return rewrite({"config": change})


def _newer(content):
    """The header says version 2; the length of the header stays."""
    return content.replace(b'"format_version":"1"', b'"format_version":"2"')


def _safetensors(tensors):
    """A safetensors file of another program."""
    header, data = {}, b""
    for name, array in tensors.items():
        header[name] = {
            "dtype": "F64",
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


CONTAINERS = {
    "no such file": _test(nothing, "no such model file", model="none.dp"),
    "a folder": _test(nothing, "this is a folder", model="data"),
    "empty": _test(write("model.dp", b""), "the file is empty"),
    **{
        f"cut off at {part:.0%}": _test(
            change_bytes(lambda content, part=part: content[: int(part * len(content))]),
            "the file is truncated",
        )
        for part in (0.1, 0.3, 0.5, 0.9)
    },
    "cut off by a byte": _test(change_bytes(lambda content: content[:-1]), "truncated"),
    "cut off to a byte": _test(change_bytes(lambda content: content[:1]), "truncated"),
    "bytes added": _test(change_bytes(lambda content: content + b"\0"), "damaged"),
    "byte changed in the tensors": _test(_flip(0.97), "damaged"),
    "byte changed in the header": _test(_flip(0.2), "damaged"),
    "a pipe": _test(lambda folder: os.mkfifo(folder / "p"), "not a regular file", model="p"),
    "newer version": _test(
        change_bytes(_newer), "a newer dpcore", "format 2", "reads format 1", "update dpcore"
    ),
    "safetensors of another program": _test(write("model.dp", _safetensors({"w": np.zeros(3)})), "dpcore"),
    "no config": _test(rewrite({"config": ...}), '"config"', "not written by dpcore"),
    "config is no JSON": _test(rewrite({"config": "{"}), "not valid JSON"),
    "config is a list": _test(rewrite({"config": "[]"}), "expected a section"),
    "another kind of model": _test(rewrite({"kind": "dos"}), 'kind "dos"', "does not know"),
    "a kind that is not the config's": _test(
        rewrite({"kind": "dipole"}), 'kind "dipole"', 'kind "ener"', "damaged"
    ),
    "another descriptor": _test(set_config("descriptor/type", "dpa1"), "'dpa1' is not known", "se_e2_a"),
    "hybrid without a list": _test(
        set_config("descriptor", {"type": "hybrid"}), "model/descriptor/list", "missing"
    ),
    "hybrid of numbers": _test(
        set_config("descriptor", {"type": "hybrid", "list": [1]}), "list[0]", "section"
    ),
    "hybrid of nothing": _test(
        set_config("descriptor", {"type": "hybrid", "list": []}), "at least one descriptor"
    ),
    "descriptor of other statistics": _test(
        set_config("descriptor/type", "se_e2_r"), "descriptor/dstd", "[2, 4]", "[2, 1]"
    ),
    "se_e3 with a mean of angles": _test(
        rewrite(
            {"config": lambda text: text.replace('"se_e2_a"', '"se_e3"')},
            {"descriptor/davg": np.full((2, 4), 0.1)},
        ),
        "davg of se_e3",
        "expected 0",
    ),
    "sel of one type": _test(set_config("descriptor/sel", [10]), "model/descriptor/sel", "(2), got 1"),
    "negative rcut": _test(set_config("descriptor/rcut", -1.0), "model/descriptor", "rcut"),
    "axis_neuron too large": _test(
        set_config("descriptor/axis_neuron", 7), "model/descriptor/axis_neuron", "1 to 6"
    ),
    "unknown activation": _test(set_config("descriptor/activation_function", "sin"), "sin"),
    "text instead of a number": _test(
        set_config("descriptor/rcut", "x"), "model/descriptor/rcut", "wrong kind"
    ),
    "no types": _test(set_config("type_map", []), "model/type_map", "at least one"),
}

TENSORS = {
    "tensor missing": _test(rewrite(tensors={"descriptor/davg": ...}), "'descriptor/davg' is missing"),
    "tensor too many": _test(
        rewrite(tensors={"descriptor/more": np.zeros(3)}), "'descriptor/more'", "does not belong"
    ),
    "tensor transposed": _test(
        rewrite(tensors={"descriptor/net_0_0/layer_1/matrix": lambda a: a.T.copy()}),
        "'descriptor/net_0_0/layer_1/matrix' has shape [6, 3]",
        "[3, 6]",
    ),
    "NaN in a tensor": _test(
        rewrite(tensors={"fitting/bias_atom_e": lambda a: a * np.nan}), "'fitting/bias_atom_e'", "not finite"
    ),
    "spread of zero": _test(
        rewrite(tensors={"descriptor/dstd": lambda a: a * 0}), "'descriptor/dstd'", "positive"
    ),
    "energies beyond all numbers": Case(
        ["test", "-m", "model.dp", "-s", "data"],
        ["data/set.000", "frame 0", "not finite"],
        rewrite(tensors={"fitting/bias_atom_e": lambda a: np.full_like(a, 1.7e308)}),
    ),
}

FOREIGN = {
    name: _test(write("foreign", content), expect, model="foreign")
    for name, content, expect in (
        ("JSON", b'{"model": {"type_map": ["O", "H"]}}', "JSON text"),
        ("YAML", b"model:\n  type_map: [O, H]\n", "a text file"),
        ("a page of the web", b"<!DOCTYPE html><html>404 not found</html>", "HTML"),
        ("gzip", b"\x1f\x8b\x08" + bytes(range(100)), "gzip"),
        ("a zip archive", b"PK\x03\x04" + bytes(100), "zip archive"),
        ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (
            "a pointer of Git LFS",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n",
            "git lfs pull",
        ),
        ("an array of numpy", b"\x93NUMPY\x01\x00" + bytes(100), "NumPy"),
        ("zeros", bytes(1000), "not a TensorFlow graph"),
        ("a program", b"\x7fELF" + bytes(range(200)), "not a TensorFlow graph"),
        ("text graph of garbage", b'node {\n  name: "a"\n  op: 3\n}\n', "truncated or corrupt (3:"),
        ("text graph, cut off", b'node {\n  name: "a"\n  op: "Const"\n', "truncated or corrupt"),
        ("text graph nested deeply", b"node {" * 5000, "truncated or corrupt"),
        ("text graph of bytes", b'node { name: "\xff" }\n' * 4, "cannot be decoded"),
        (
            "text graph of another model",
            b'node {\n  name: "x"\n  op: "Placeholder"\n}\n',
            "not a DeePMD-kit model",
        ),
    )
}


def _graph(change):
    def prepare(folder):
        shutil.copy(GRAPH, folder / "graph.pb")
        change_bytes(change, "graph.pb")(folder)

    return prepare


# these need the shared reference models
GRAPHS = {
    **{
        f"graph cut off at {part:.0%}": _test(
            _graph(lambda content, part=part: content[: int(part * len(content))]),
            "truncated or corrupt",
            model="graph.pb",
        )
        for part in (0.01, 0.5, 0.99)
    },
    "graph with a changed length": _test(
        _graph(lambda content: content[:1] + bytes([content[1] ^ 0x7F]) + content[2:]),
        "corrupt",
        model="graph.pb",
    ),
    "graph given as text": Case(
        ["convert-from", "pbtxt", "-i", "graph.pb", "-o", "new.dp"],
        ["graph.pb", "expected a graph in the form 'pbtxt'", "'pb'"],
        _graph(lambda content: content),
    ),
}


def _restart(prepare, *expect, option="--restart", name="model.ckpt", changes=None):
    def input_and_more(folder):
        write_input(folder, {"training/numb_steps": 4, **(changes or {})})
        prepare(folder)

    return Case(["train", "input.json", option, name], expect, input_and_more)


CHECKPOINTS = {
    "no checkpoint": _restart(nothing, "none: no such checkpoint", "save_ckpt", name="none"),
    "folder without checkpoints": _restart(nothing, "data: holds no checkpoint", '"checkpoint"', name="data"),
    "list of a lost checkpoint": _restart(
        write("checkpoint", 'model_checkpoint_path: "lost-9"\n'), "lost-9, which is not there", name="."
    ),
    "list of bytes": _restart(write("checkpoint", b"\xff\xfe"), "checkpoint: is not a list", name="."),
    "checkpoint of TensorFlow": _restart(
        write("tf.ckpt.index", b"x"),
        "tf.ckpt",
        "checkpoint of TensorFlow",
        "--init-frz-model",
        name="tf.ckpt",
    ),
    "model as checkpoint": _restart(
        nothing, "model.dp: is a frozen model", "--init-frz-model", name="model.dp"
    ),
    "model to begin with": _restart(
        nothing, "model.dp: is a frozen model", "--init-model", option="--init-model", name="model.dp"
    ),
    "checkpoint cut off": _restart(
        change_bytes(lambda content: content[:-9], "model.ckpt-2"),
        "model.ckpt-2",
        "truncated",
        name="model.ckpt-2",
    ),
    "state of training lost": _restart(
        rewrite({"trainer": "{}"}, name="model.ckpt-2"),
        "model.ckpt-2",
        "state of training",
        name="model.ckpt-2",
    ),
    "state of training is no JSON": _restart(
        rewrite({"trainer": "?"}, name="model.ckpt-2"),
        '"trainer" of the file is not JSON',
        name="model.ckpt-2",
    ),
    "moments lost": _restart(
        rewrite(tensors={"trainer/fitting/moment1": ...}, name="model.ckpt-2"),
        "model.ckpt-2",
        "'trainer/fitting/moment1' is missing",
        name="model.ckpt-2",
    ),
    "other precision": _restart(
        nothing,
        "model.ckpt",
        "optimiser does not fit",
        "precision",
        changes={"model/descriptor/precision": "float32"},
    ),
    "other nets": _restart(
        nothing,
        "descriptor/neuron: the input has [3, 7], the model [3, 6]",
        changes={"model/descriptor/neuron": [3, 7]},
    ),
    "other types": _restart(
        nothing,
        'type_map: the input has ["H", "O"], the model ["O", "H"]',
        changes={"model/type_map": ["H", "O"]},
    ),
    "restart and begin": Case(
        ["train", "input.json", "--restart", "model.ckpt", "--init-model", "model.ckpt"],
        ["--init-model and --restart", "choose one"],
    ),
    "no frozen model": _restart(
        nothing, "none.dp: no such model file", option="--init-frz-model", name="none.dp"
    ),
    "frozen model of other nets": _restart(
        nothing,
        "fitting_net/neuron: the input has [8], the model [5, 5]",
        "model.dp",
        option="--init-frz-model",
        name="model.dp",
        changes={"model/fitting_net/neuron": [8]},
    ),
    "frozen model of other types": _restart(
        nothing,
        'type_map: the input has ["O", "H", "C"]',
        option="--init-frz-model",
        name="model.dp",
        changes={"model/type_map": ["O", "H", "C"], "model/descriptor/sel": [10, 20, 1]},
    ),
    "frozen model of other parameters": _restart(
        nothing,
        "fitting_net/numb_fparam: the input has 0, the model 2",
        option="--init-frz-model",
        name="parameters.dp",
    ),
    "frozen model without a time step": _restart(
        nothing,
        "model.dp: does not fit the input",
        "idt' is missing",
        option="--init-frz-model",
        name="model.dp",
        changes={"model/descriptor/resnet_dt": True},
    ),
    "frozen model of huge energies": _restart(
        rewrite(tensors={"fitting/bias_atom_e": lambda a: np.full_like(a, 1e200)}),
        "data/set.00",
        "frame(s)",
        "training stopped after 0 steps",
        "not finite",
        "no checkpoint was written yet",
        "start_lr",
        option="--init-frz-model",
        name="model.dp",
    ),
    "frozen model cut off": _restart(
        change_bytes(lambda content: content[:200]),
        "model.dp",
        "truncated",
        option="--init-frz-model",
        name="model.dp",
    ),
}

CASES = {
    **{f"model: {name}": case for name, case in CONTAINERS.items()},
    **{f"tensor: {name}": case for name, case in TENSORS.items()},
    **{f"foreign: {name}": case for name, case in FOREIGN.items()},
    **{f"graph: {name}": case for name, case in GRAPHS.items()},
    **{f"start: {name}": case for name, case in CHECKPOINTS.items()},
}
