# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading DeePMD-kit graphs: weights, settings, versions, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reference import se_e2_a as oracle
from reference.agreement import (
    ENERGY_MODELS,
    QUANTITIES,
    SINGLE_PRECISION,
    reference_folder,
    reference_values,
    relative_error,
)

pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore.convert import READERS, read_tensorflow_graph
from dpcore.convert.graphdef import decode_tensor, read_graph
from dpcore.convert_from import SOURCES, convert_from
from dpcore.errors import InputError
from dpcore.grammar import descriptor_parts
from reference.graph_editing import (
    assert_same_tensors,
    change_script,
    edited,
    node_of,
    remove_nodes,
    rename_ops,
    set_string,
    set_values,
    without_stored_bias,
)

# ---- what is read -----------------------------------------------------------


@pytest.mark.parametrize("name", ENERGY_MODELS)
def test_converted_model_gives_the_reference_values(name):
    metadata, tensors = read_tensorflow_graph(reference_folder(name) / "graph.pb")
    config, values = json.loads(metadata["config"]), reference_values(name)
    found = oracle.evaluate(
        config,
        tensors,
        values["coord"],
        values.get("box"),
        values["type"],
        values.get("fparam"),
        values.get("aparam"),
    )
    single = name in SINGLE_PRECISION
    for key in QUANTITIES:
        limit = 1e-5 if single else 1e-12 if key.endswith("energy") else 1e-10
        error = relative_error(found[key], values[key])
        assert error <= limit, f"{key}: {error}"
    bias = tensors["fitting/bias_atom_e"][values["type"]]
    error = relative_error(
        found["atom_energy"] - bias, values["atom_energy"].reshape(len(values["coord"]), -1) - bias
    )
    assert error <= (1e-5 if single else 1e-11), f"atomic energy without bias: {error}"


@pytest.mark.parametrize("name", ENERGY_MODELS)
def test_config_repeats_the_training_input(name):
    folder = reference_folder(name)
    metadata, tensors = read_tensorflow_graph(folder / "graph.pb")
    written = json.loads((folder / "input.json").read_text())
    config = json.loads(metadata["config"])
    assert config["type_map"] == written["model"]["type_map"]
    for section in ("descriptor", "fitting_net"):
        sections = descriptor_parts(config[section], section)
        for (where, found), (_, expected) in zip(
            sections, descriptor_parts(written["model"][section], section), strict=True
        ):
            for key, value in expected.items():
                assert found[key] == value, f"{where}/{key}"
    n_types = len(config["type_map"])
    descriptors = descriptor_parts(config["descriptor"], "descriptor")
    for where, part in descriptors:
        for statistic in ("davg", "dstd"):
            table = tensors[f"{where.replace('list/', 'part_')}/{statistic}"]
            columns = 4 * sum(part.get("sel_a", [1])) + sum(part.get("sel_r", []))  # of loc_frame
            assert table.shape == (n_types, 1 if part["type"] == "se_e2_r" else columns)
            assert table.dtype == np.float64
    assert tensors["fitting/bias_atom_e"].shape == (n_types,)
    precision = config["fitting_net"]["precision"]
    nets = {key for key in tensors if "/layer_" in key}
    assert nets and all(tensors[key].dtype == precision for key in nets)
    assert {metadata[key] for key in ("format", "format_version", "kind")} == {
        "dpcore-model",
        "1",
        "ener",
    }
    assert all(isinstance(value, str) for value in metadata.values())
    training = json.loads(metadata["training"])
    assert name == "loc_frame" or training["min_nbor_dist"] > 0.5  # nobody counts neighbours for loc_frame
    assert training["numb_steps"] == written["training"]["numb_steps"]
    assert training["source"] == "converted from graph.pb"
    assert training["notes"] == []


def test_tensor_names_follow_the_kind_of_net():
    _, one_side = read_tensorflow_graph(reference_folder("se_e2_a") / "graph.pb")
    assert one_side["descriptor/net_1/layer_2/matrix"].shape == (10, 20)
    assert one_side["fitting/net_0/layer_0/matrix"].shape == (80, 24)
    assert one_side["fitting/net_0/layer_3/matrix"].shape == (24, 1)
    assert "fitting/net_0/layer_0/idt" not in one_side
    assert one_side["fitting/net_1/layer_2/idt"].shape == (24,)
    _, two_side = read_tensorflow_graph(reference_folder("se_e2_a_two_side") / "graph.pb")
    assert "descriptor/net_0_1/layer_1/idt" in two_side  # 5 -> 10 doubles: a skip
    assert "descriptor/net_0_1/layer_0/idt" not in two_side  # 1 -> 5: none
    _, excluded = read_tensorflow_graph(reference_folder("se_e2_a_exclude") / "graph.pb")
    assert not any(key.startswith("descriptor/net_0_0/") for key in excluded)


def test_radii_of_a_hybrid_model_without_training_script(tmp_path):
    """The graph has each cut-off in single precision, and the fitting net's input tells axis_neuron."""
    source = reference_folder("hybrid") / "graph.pb"
    expected, tensors = read_tensorflow_graph(source)

    def edit(graph):
        set_string(graph, "train_attr/training_script", "")
        node_of(graph, "ProdEnvMatA").attr["rcut_r"].f = 4.1

    found, same = read_tensorflow_graph(edited(source, tmp_path, edit))
    assert_same_tensors(same, tensors)
    expected, found = (json.loads(metadata["config"])["descriptor"]["list"] for metadata in (expected, found))
    assert [part["rcut"] for part in found] == [4.1, 6.0]
    assert [part["rcut_smth"] for part in found] == [0.5, 0.5]
    for part, other in zip(found, expected):
        assert {k: v for k, v in part.items() if k not in ("rcut", "seed")} == {
            k: v for k, v in other.items() if k not in ("rcut", "seed")
        }


def test_exclusion_that_the_graph_does_not_have_is_dropped_with_a_note(tmp_path):
    """DeePMD-kit 2.0 ignores exclude_types of se_e2_r beside type_one_side."""
    source = reference_folder("se_e2_r") / "graph.pb"
    edit = change_script("model", "descriptor", "exclude_types", value=[[0, 1]])
    metadata, _ = read_tensorflow_graph(edited(source, tmp_path, edit))
    assert json.loads(metadata["config"])["descriptor"]["exclude_types"] == []
    (note,) = json.loads(metadata["training"])["notes"]
    assert "exclude_types = [(0, 1)] was dropped" in note


def test_graphs_before_and_after_training_have_one_form():
    folder = reference_folder("training/se_e2_a")
    (before, start), (after, end) = (
        read_tensorflow_graph(folder / f"{name}.pb") for name in ("start", "end")
    )
    assert before["config"] == after["config"]
    assert {key: value.shape for key, value in start.items()} == {
        key: value.shape for key, value in end.items()
    }
    fixed = {"descriptor/davg", "descriptor/dstd", "fitting/bias_atom_e"}
    for key in start:
        assert np.array_equal(start[key], end[key]) == (key in fixed), key


def test_text_graph_is_read_as_the_binary_one(tmp_path):
    from google.protobuf import text_format

    for name in ("fparam", "se_e2_a_f32"):
        source = reference_folder(name) / "graph.pb"
        message = read_graph(source)
        unknown = 'library { function { signature { name: "f" } } }\n'  # skipped fields
        text = tmp_path / "graph.txt"
        text.write_text("# a comment\n" + text_format.MessageToString(message) + unknown)
        metadata, tensors = read_tensorflow_graph(text)
        expected_metadata, expected = read_tensorflow_graph(source)
        assert metadata["config"] == expected_metadata["config"]
        assert_same_tensors(tensors, expected)
        with pytest.raises(InputError, match="the content is 'pbtxt'"):
            read_tensorflow_graph(text, "pb")
        with pytest.raises(InputError, match="the content is 'pb'"):
            read_tensorflow_graph(source, "pbtxt")


def test_values_written_one_by_one_are_read_as_packed_ones(tmp_path):
    """Old and text graphs list values in double_val, float_val, int_val."""

    def unpack(graph):
        fields = {1: "float_val", 2: "double_val", 3: "int_val"}
        for node in graph.node:
            tensor = node.attr["value"].tensor if node.op == "Const" else None
            if tensor is not None and tensor.dtype in fields and tensor.tensor_content:
                values = decode_tensor(tensor, node.name).reshape(-1)
                getattr(tensor, fields[tensor.dtype]).extend(values.tolist())
                tensor.ClearField("tensor_content")

    source = reference_folder("se_e2_a_f32") / "graph.pb"
    _, tensors = read_tensorflow_graph(edited(source, tmp_path, unpack))
    assert_same_tensors(tensors, read_tensorflow_graph(source)[1])


# ---- how the bias enters, by version ---------------------------------------


def test_stored_bias_counts_only_where_the_graph_adds_it(tmp_path):
    source = reference_folder("se_e2_a") / "graph.pb"
    _, tensors = read_tensorflow_graph(source)
    assert np.allclose(tensors["fitting/bias_atom_e"], [-93.57366923, -187.14733846], rtol=1e-9)
    _, old = read_tensorflow_graph(edited(source, tmp_path, without_stored_bias))
    assert np.array_equal(old["fitting/bias_atom_e"], [0.0, 0.0])


def test_output_bias_is_added_and_output_scale_multiplied_in(tmp_path):
    source = reference_folder("se_e2_a") / "graph.pb"
    _, tensors = read_tensorflow_graph(source)

    def scale(graph):
        set_values(graph, "model_attr/model_attr/t_out_bias", [0.5, -2.0])
        set_values(graph, "model_attr/model_attr/t_out_std", [1.0, 4.0])

    metadata, scaled = read_tensorflow_graph(edited(source, tmp_path, scale))
    expected = tensors["fitting/bias_atom_e"] * [1.0, 4.0] + [0.5, -2.0]
    assert np.array_equal(scaled["fitting/bias_atom_e"], expected)
    for part in ("matrix", "bias"):
        for centre, factor in ((0, 1.0), (1, 4.0)):
            key = f"fitting/net_{centre}/layer_3/{part}"
            assert np.array_equal(scaled[key], factor * tensors[key])
    (note,) = json.loads(metadata["training"])["notes"]
    assert "t_out_std" in note


def test_vacuum_energy_of_older_versions_is_a_constant_beside_the_difference(tmp_path):
    """2.0 and 2.1 add the constant atom_<t>_ener; the stored bias is not used."""
    source = reference_folder("se_e2_a_davg0_atomener") / "graph.pb"
    energies = {"sub": ("atom_0_ener", -90.5), "sub_1": ("atom_1_ener", -91.5)}

    def add_constants(graph):
        without_stored_bias(graph)
        for difference, (name, value) in energies.items():
            assert node_of(graph, difference).op == "Sub"
            for node in graph.node:
                for k, source_of_input in enumerate(node.input):
                    if source_of_input == difference:
                        node.input[k] = f"{name}/sum"
            constant = graph.node.add(name=name, op="Const")
            constant.attr["value"].tensor.dtype = 2
            constant.attr["value"].tensor.double_val.append(value)
            graph.node.add(name=f"{name}/sum", op="AddV2", input=[difference, name])

    metadata, tensors = read_tensorflow_graph(edited(source, tmp_path, add_constants))
    assert tensors["fitting/bias_atom_e"].tolist() == [-90.5, -91.5]
    assert json.loads(metadata["config"])["fitting_net"]["atom_ener"] == [-93.57, -93.57]


@pytest.mark.parametrize("key", ["pair_exclude_types", "atom_exclude_types"])
def test_options_without_effect_in_the_graph_are_noted(key, tmp_path):
    source = reference_folder("se_e2_a") / "graph.pb"
    path = edited(source, tmp_path, change_script("model", key, value=[1]))
    (note,) = json.loads(read_tensorflow_graph(path)[0]["training"])["notes"]
    assert key in note


def test_graph_without_script_is_read_from_its_operations(tmp_path):
    """Graphs of 1.x: no script, no version, no type names, another operation."""
    source = reference_folder("se_e2_a_gelu") / "graph.pb"

    def make_old(graph):
        rename_ops("ProdEnvMatA", "DescrptSeA")(graph)
        remove_nodes("train_attr/", "model_attr/model_version", "model_type", "model_attr/tmap")(graph)

    metadata, tensors = read_tensorflow_graph(edited(source, tmp_path, make_old))
    expected_metadata, expected = read_tensorflow_graph(source)
    assert_same_tensors(tensors, expected)
    config, complete = (json.loads(m["config"]) for m in (metadata, expected_metadata))
    assert config["type_map"] == ["Type_0", "Type_1"]
    training = json.loads(metadata["training"])
    assert training["min_nbor_dist"] is None and training["input"] is None
    assert "no type_map" in training["notes"][0]
    for section in ("descriptor", "fitting_net"):
        different = {k for k in complete[section] if config[section][k] != complete[section][k]}
        assert different <= {"seed"}, different


# ---- the command -----------------------------------------------------------


@pytest.fixture
def written(monkeypatch):
    """Stands in for the compiled core; holds what would be written."""
    import dpcore

    calls = []
    core = SimpleNamespace(write_model_file=lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(dpcore, "_core", core, raising=False)
    return calls


@pytest.mark.parametrize("source", ["auto", "pb", "1.3", "2.0"])
def test_command_writes_the_model_and_logs_its_notes(source, tmp_path, written, caplog):
    graph = reference_folder("aparam") / "graph.pb"
    output = tmp_path / "out.pb"
    with caplog.at_level("INFO", logger="dpcore"):
        convert_from(source, graph, output)
    ((path, metadata, tensors),) = written
    assert path == str(output)
    assert_same_tensors(tensors, read_tensorflow_graph(graph)[1])
    assert json.loads(metadata["config"])["fitting_net"]["numb_aparam"] == 1
    assert f"saved in {output}" in caplog.text


def test_command_refuses_what_it_cannot_do(tmp_path, written):
    graph = tmp_path / "graph.pb"
    graph.write_bytes((reference_folder("fparam") / "graph.pb").read_bytes())
    for source, output, message in (
        ("1.4", "out.pb", "not a source format; expected one of auto, pb, pbtxt, dp, yaml, 0.12"),
        ("auto", "out.pbtxt", "no TensorFlow text graphs"),
        ("auto", "graph.pb", "would overwrite the input"),
        ("pbtxt", "out.pb", "the content is 'pb'"),
        ("auto", "no/such/out.pb", "folder of the output does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            convert_from(source, graph, tmp_path / output)
    assert not written


def test_command_knows_every_reader():
    assert set(SOURCES) == set(READERS)


def test_graph_library_is_loaded_only_when_needed():
    root = Path(__file__).resolve().parents[2]
    code = (
        "import sys; import dpcore.convert_from, dpcore.convert\nassert 'google.protobuf' not in sys.modules"
    )
    import dpcore

    folder = str(Path(dpcore.__file__).resolve().parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env={"PYTHONPATH": folder})
