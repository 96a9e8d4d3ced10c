# SPDX-License-Identifier: LGPL-3.0-or-later
"""Graphs of other kinds, damaged graphs and foreign files are errors that name them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from reference.agreement import reference_folder

pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore.convert import read_tensorflow_graph
from dpcore.convert.graphdef import read_graph
from dpcore.errors import InputError
from reference.graph_editing import (
    add_node,
    cast_weights,
    change_script,
    duplicate_first_node,
    edited,
    node_of,
    remove_nodes,
    rename_ops,
    set_attribute,
    set_one_value,
    set_string,
    set_values,
)

# ---- what is refused -------------------------------------------------------


@pytest.mark.parametrize("script", [True, False])
def test_other_models_are_refused_by_name(script, tmp_path):
    """Also where the graph alone shows the kind (graphs of 1.x hold no script)."""

    def edit(graph):
        rename_ops("Descrpt", "DescrptSeAMask")(graph)
        if not script:
            set_string(graph, "train_attr/training_script", "")

    path = edited(reference_folder("loc_frame") / "graph.pb", tmp_path, edit)
    with pytest.raises(InputError, match="cannot convert a model with the descriptor se_a_mask") as raised:
        read_tensorflow_graph(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["se_e2_r", "loc_frame", "hybrid"])
@pytest.mark.parametrize("kind", ["dipole", "polar"])
def test_tensors_without_rotation_matrix_are_refused(name, kind, tmp_path):
    """No such graph is known: an energy model that is said to be one of tensors."""
    source = reference_folder(name) / "graph.pb"
    path = edited(source, tmp_path, lambda graph: set_string(graph, "model_attr/model_type", kind))
    with pytest.raises(InputError, match=f"cannot convert a {kind} model with the descriptor {name}"):
        read_tensorflow_graph(path)


def neighbours_of_2_0_0(graph):
    """DeePMD-kit 2.0.0 takes the second neighbour of the net 1_1 from the slots of type 0."""
    tensor = node_of(graph, "filter_type_all/Slice_8/begin").attr["value"].tensor
    tensor.ClearField("tensor_content")
    tensor.int_val[:] = [0, 0]


def scale_of_se_e2_r(name):
    return lambda graph: set_values(graph, name, [0.25])


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        pytest.param("se_e3", neighbours_of_2_0_0, "2.0.0 had this mistake", id="se_e3 of 2.0.0"),
        pytest.param(
            "se_e3", lambda g: set_values(g, "filter_type_all/mul/y", [0.5]), "not those of se_e3", id="scale"
        ),
        pytest.param(
            "se_e3", set_one_value("descrpt_attr/t_avg", 0.5), "t_avg differs between", id="davg of slots"
        ),
        pytest.param(
            "se_e3",
            change_script("model", "descriptor", "type", value="se_e2_a"),
            "computes the descriptors se_e3 while .* says se_e2_a",
            id="script of se_e2_a",
        ),
        pytest.param(
            "hybrid", rename_ops("ProdEnvMatR", "DescrptSeAMask"), "one of which is se_a_mask", id="se_a_mask"
        ),
        pytest.param(
            "hybrid",
            change_script("model", "descriptor", "list", value=[]),
            "the file is corrupt",
            id="no list",
        ),
        pytest.param(
            "hybrid",
            change_script("model", "descriptor", value={"type": "hybrid", "list": [{"type": "se_e2_r"}] * 2}),
            "computes the descriptors se_e2_a, se_e2_r while .* says se_e2_r, se_e2_r",
            id="other parts",
        ),
        pytest.param(
            "hybrid",
            change_script(
                "model", "descriptor", value={"type": "hybrid", "list": [{}, {"type": "se_r", "rcut": 5.0}]}
            ),
            "stored rcut is 5.0 A",
            id="rcut of a part",
        ),
        pytest.param(
            "hybrid", scale_of_se_e2_r("filter_type_all_1/mul/y"), "not scaled with 0.2", id="scale"
        ),
        pytest.param(
            "se_e2_r", scale_of_se_e2_r("filter_type_all/mul/y"), "not scaled with 0.2", id="factor"
        ),
        pytest.param(
            "se_e2_r",
            change_script("model", "descriptor", "type", value="se_e2_a"),
            "computes the descriptors se_e2_r while .* says se_e2_a",
            id="other kind",
        ),
        pytest.param(
            "se_e2_r", set_one_value("descrpt_attr/t_avg", 0.5), "t_avg differs between", id="davg per slot"
        ),
        pytest.param("se_e2_r", rename_ops("Mean", "Sum"), "takes no mean", id="sum instead of mean"),
    ],
)
def test_damaged_models_of_other_descriptors(name, edit, message, tmp_path):
    path = edited(reference_folder(name) / "graph.pb", tmp_path, edit)
    with pytest.raises(InputError, match=message):
        read_tensorflow_graph(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(
            lambda graph: set_string(graph, "model_type", "compressed_model"),
            "says that it is compressed but has no tables",
            id="compressed",
        ),
        pytest.param(
            lambda graph: set_string(graph, "model_attr/model_version", "2.0"),
            "format version '2.0'.*update dpcore",
            id="newer version",
        ),
        pytest.param(
            lambda graph: set_string(graph, "model_attr/model_type", "dos"),
            "density-of-states",
            id="dos",
        ),
        pytest.param(lambda graph: set_string(graph, "model_attr/model_type", "wfc"), "Wannier", id="wfc"),
        pytest.param(add_node("spin_attr/ntypes_spin"), "spin model", id="spin"),
        pytest.param(rename_ops("ProdEnvMatA", "ProdEnvMatAMix"), "se_atten", id="se_atten"),
        pytest.param(rename_ops("ProdEnvMatA", "DescrptSeAMask"), "se_a_mask", id="se_a_mask"),
        pytest.param(change_script("model", "type", value="linear_ener"), "'linear_ener'", id="linear"),
        pytest.param(change_script("model", "model_dict", value={"a": {}}), "multi-task", id="multi-task"),
        pytest.param(
            change_script("model", "descriptor", "env_protection", value=0.1),
            "env_protection = 0.1",
            id="env_protection",
        ),
        pytest.param(
            change_script("model", "fitting_net", "use_aparam_as_mask", value=True),
            "use_aparam_as_mask",
            id="aparam mask",
        ),
        pytest.param(
            change_script("model", "fitting_net", "type", value="property"),
            "fitting net 'property'",
            id="property",
        ),
        pytest.param(rename_ops("Sum", "Mean"), r"does not know \(Mean\)", id="unknown operation"),
        pytest.param(
            rename_ops("Tanh", "Identity"), "an activation function that dpcore does not", id="linear net"
        ),
        pytest.param(cast_weights, "mixed-precision", id="mixed precision"),
        pytest.param(set_one_value("descrpt_attr/t_avg", 0.5), "t_avg differs between", id="davg per slot"),
        pytest.param(set_one_value("descrpt_attr/t_std", np.nan), "not finite", id="dstd NaN"),
        pytest.param(set_one_value("layer_1_type_0/matrix", np.inf), "NaN or infinite", id="weights"),
        pytest.param(set_attribute("rcut_r", 5.0), "stored rcut is 6.0 A", id="rcut"),
        pytest.param(
            change_script("model", "descriptor", "axis_neuron", value=8),
            "axis_neuron = 4, the training script says 8",
            id="axis_neuron",
        ),
        pytest.param(
            change_script("model", "descriptor", "rcut_smth", value="0.5 A"),
            r"rcut_smth = '0\.5 A', expected a number",
            id="rcut_smth of a script",
        ),
        pytest.param(
            change_script("model", "descriptor", "exclude_types", value=[[0, 1]]),
            r"exclude_types = \[\(0, 1\)\]",
            id="exclude_types",
        ),
        pytest.param(
            lambda graph: set_string(graph, "model_attr/tmap", "O H C"),
            "does not name the 2 types",
            id="type_map",
        ),
        pytest.param(
            lambda graph: set_string(graph, "train_attr/training_script", "{not json"),
            "training_script is not JSON",
            id="script",
        ),
        pytest.param(set_attribute("rcut_r_smth", float("nan")), "rcut_r_smth = nan A", id="rcut_smth NaN"),
        pytest.param(duplicate_first_node, "two nodes of one name", id="duplicate"),
        pytest.param(
            remove_nodes("layer_1_type_0/matrix"), "needs 'layer_1_type_0/matrix", id="weights gone"
        ),
        pytest.param(
            remove_nodes("o_virial", "o_atom_virial"), "no energy or no virial output", id="outputs gone"
        ),
    ],
)
def test_unsupported_and_damaged_graphs_are_named(edit, message, tmp_path):
    path = edited(reference_folder("se_e2_a") / "graph.pb", tmp_path, edit)
    with pytest.raises(InputError, match=message) as raised:
        read_tensorflow_graph(path)
    assert str(path) in str(raised.value)


# ---- damaged and foreign files ---------------------------------------------


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_graph_is_an_error(part, tmp_path):
    content = (reference_folder("se_e2_a") / "graph.pb").read_bytes()
    path = tmp_path / "cut.pb"
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"cut\.pb: .*(truncated|corrupt|empty)"):
        read_tensorflow_graph(path)


def test_graph_cut_between_nodes_is_an_error(tmp_path):
    def cut(graph):
        kept = [type(node).FromString(node.SerializeToString()) for node in graph.node]
        graph.ClearField("node")
        graph.node.extend(kept[: int(0.6 * len(kept))])

    path = edited(reference_folder("se_e2_a") / "graph.pb", tmp_path, cut)
    with pytest.raises(InputError, match="truncated"):
        read_tensorflow_graph(path)


def test_truncated_text_graph_is_an_error(tmp_path):
    from google.protobuf import text_format

    text = text_format.MessageToString(read_graph(reference_folder("fparam") / "graph.pb"))
    path = tmp_path / "cut.pbtxt"
    for part in (0.1, 0.7):
        path.write_text(text[: int(part * len(text))])
        with pytest.raises(InputError, match="truncated or corrupt"):
            read_tensorflow_graph(path)


def test_damaged_bytes_never_cause_another_exception(tmp_path):
    content = (reference_folder("se_e2_a_davg0_atomener") / "graph.pb").read_bytes()
    draw = random.Random(7)
    path = tmp_path / "damaged.pb"
    n_errors = 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(draw.choice([1, 4, 30])):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            read_tensorflow_graph(path)  # a flipped bit of a weight cannot be noticed
        except InputError as error:
            n_errors += 1
            assert str(path) in str(error)
    assert n_errors > 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5", id="hdf5"),
        pytest.param(b"PK\x03\x04" + bytes(64), "zip archive", id="zip"),
        pytest.param(b"\x1f\x8b\x08" + bytes(64), "gzip", id="gzip"),
        pytest.param(b"\x08\x01\x12\x10" + bytes(64), "SavedModel", id="saved model"),
        pytest.param(b'{"model": {}}', "JSON", id="json"),
        pytest.param(
            (64).to_bytes(8, "little") + b'{"__metadata__":{"format":"dpcore-model"}}',
            "a dpcore model",
            id="dpcore",
        ),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "LFS", id="lfs"),
        pytest.param(b'model_checkpoint_path: "m"\n', "checkpoint", id="checkpoint"),
        pytest.param(b"backend: TensorFlow\nmodel: {}\n", "not a TensorFlow graph", id="yaml"),
        pytest.param(bytes(range(1, 255)), "not a TensorFlow graph", id="binary"),
        pytest.param(b"\x0a\x03\x0a\x01a", "no energy|not a DeePMD-kit model", id="other graph"),
        pytest.param(b"versions { producer: 1 }\n", "has no nodes", id="no nodes"),
    ],
)
def test_foreign_files_are_named(content, message, tmp_path):
    path = tmp_path / "graph.pb"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        read_tensorflow_graph(path)
    assert str(path) in str(raised.value)


def test_unreadable_paths_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"missing\.pb: cannot read the graph: No such file"):
        read_tensorflow_graph(tmp_path / "missing.pb")
    with pytest.raises(InputError, match="cannot read the graph: Is a directory"):
        read_tensorflow_graph(tmp_path)
