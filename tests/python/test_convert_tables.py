# SPDX-License-Identifier: LGPL-3.0-or-later
"""Graphs that DeePMD-kit compressed: tables are read, and what needs nets is refused.

The graphs are made of the reference's by `reference.compressed_graph`; tests/peer has those that DeePMD-kit makes.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference.agreement import QUANTITIES, reference_folder, reference_values, relative_error

pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")
pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.compress import compress, undo
from dpcore.convert import read_tensorflow_graph
from dpcore.convert.graphdef import decode_tensor, read_graph
from dpcore.convert_backend import convert_backend
from dpcore.convert_from import convert_from
from dpcore.errors import InputError
from dpcore.infer import DeepPotential
from dpcore.show import facts
from dpcore.training.initial import open_start
from reference.compressed_graph import RANGE, RANGE_OF_ANGLES, compressed
from reference.graph_editing import change_script, node_of, remove_nodes, rename_ops, set_string

MODELS = (
    "se_e2_a",
    "se_e2_a_two_side",
    "se_e2_a_exclude",
    "se_e2_a_gelu",
    "se_e2_a_f32",
    "aparam",
    "nopbc",
    "se_e2_r",
    "se_e3",
    "dipole_atomic",
)


def source_of(name):
    return reference_folder(name) / "graph.pb"


@pytest.mark.parametrize("name", MODELS)
def test_tables_give_the_values_of_the_nets(name, tmp_path):
    """Tables with a step of 0.05 are 1e-8 off; coarse ones of 0.5 hold no pair of these frames."""
    path, values = compressed(source_of(name), tmp_path), reference_values(name)
    model = DeepPotential(path)
    assert model.compressed
    given = {key: values[key] for key in ("fparam", "aparam") if key in values}
    limit = 1e-5 if name == "se_e2_a_f32" else 1e-7
    if name == "dipole_atomic":
        found = model.eval(values["coord"], values.get("box"), values["type"])
        assert relative_error(found, values["atomic"]) <= limit
        return
    results = model.eval(values["coord"], values.get("box"), values["type"], atomic=True, **given)
    for key, found in zip(("energy", "force", "virial", "atom_energy", "atom_virial"), results):
        assert key in QUANTITIES and relative_error(found, values[key]) <= limit, key
    assert np.abs(np.asarray(results[1]) - values["force"]).max() > 0, "the nets were used"


@pytest.mark.parametrize("name", ["se_e2_a", "se_e2_a_exclude", "se_e2_a_f32", "se_e2_r", "se_e3"])
def test_all_else_is_read_as_before(name, tmp_path):
    metadata, tensors = read_tensorflow_graph(compressed(source_of(name), tmp_path))
    expected_metadata, expected = read_tensorflow_graph(source_of(name))
    config, before = (json.loads(m["config"]) for m in (metadata, expected_metadata))
    assert config["descriptor"].pop("compress") == {
        "stored": True,
        "outside": "linear",
        "check_frequency": -1,
    }
    assert config == before
    assert metadata["model_type"] == "compressed_model" and "model_type" not in expected_metadata
    (note,) = json.loads(metadata["training"])["notes"]
    assert "tables in place of its embedding nets: it can be evaluated, but not trained" in note
    nets = {key.split("/layer_")[0] for key in expected if key.startswith("descriptor/net_")}
    tables = {f"{net}/{part}" for net in nets for part in ("table", "table_info")}
    rest = {key for key in expected if key.split("/layer_")[0] not in nets}
    assert set(tensors) == tables | rest
    assert all(np.array_equal(tensors[key], expected[key]) for key in rest)
    angles = name == "se_e3"
    lower, upper, last, fine, coarse = RANGE_OF_ANGLES if angles else RANGE
    first, below, inside, above = (-last, 40, 2400, 40) if angles else (lower, 0, 240, 20)
    for net in nets:
        assert tensors[f"{net}/table"].dtype == config["descriptor"]["precision"]
        assert tensors[f"{net}/table"].shape == (
            below + inside + above,
            6,
            config["descriptor"]["neuron"][-1],
        )
        assert tensors[f"{net}/table_info"].tolist() == [
            first,
            lower,
            upper,
            last,
            fine,
            coarse,
            below,
            inside,
        ]


def test_rows_are_powers_then_channels(tmp_path):
    path = compressed(source_of("se_e2_a"), tmp_path)
    _, tensors = read_tensorflow_graph(path)
    stored = decode_tensor(node_of(read_graph(path), "table_1").attr["value"].tensor, "table_1")
    assert np.array_equal(tensors["descriptor/net_1/table"][7, 3], stored[7].reshape(-1, 6)[:, 3])


def test_operation_of_2_0(tmp_path):
    path = compressed(source_of("se_e2_a"), tmp_path)
    (tmp_path / "old").mkdir()
    old = compressed(source_of("se_e2_a"), tmp_path / "old", op_name="TabulateFusion")
    one, other = (read_tensorflow_graph(p) for p in (path, old))
    assert one[0]["config"] == other[0]["config"]
    assert all(np.array_equal(other[1][key], value) for key, value in one[1].items())


def test_graph_without_script(tmp_path):
    """The last width is that of the tables; nothing tells the others."""
    path = compressed(
        source_of("se_e2_a_exclude"), tmp_path, lambda g: set_string(g, "train_attr/training_script", "")
    )
    config = json.loads(read_tensorflow_graph(path)[0]["config"])
    original = json.loads(read_tensorflow_graph(source_of("se_e2_a_exclude"))[0]["config"])["descriptor"]
    assert config["descriptor"]["neuron"] == original["neuron"][-1:]
    for key in ("sel", "axis_neuron", "exclude_types", "type_one_side"):
        assert config["descriptor"][key] == original[key]


def test_a_written_model_is_the_same(tmp_path):
    graph, values = compressed(source_of("se_e3"), tmp_path), reference_values("se_e3")
    convert_from("auto", graph, tmp_path / "model.dp")
    where = (values["coord"], values["box"], values["type"])
    for one, other in zip(
        DeepPotential(graph).eval(*where), DeepPotential(tmp_path / "model.dp").eval(*where)
    ):
        assert np.array_equal(one, other)
    found = facts(tmp_path / "model.dp")
    assert found["model"]["compressed"] and len(found["tables"]) == 3
    assert set(found["size"]) == {"fitting-net", "total"}


def test_what_needs_nets_is_refused(tmp_path):
    graph = compressed(source_of("se_e2_a"), tmp_path)
    convert_from("auto", graph, tmp_path / "model.dp")
    lost = "was compressed by DeePMD-kit, which leaves tables in place of the embedding nets: "
    for path in (graph, tmp_path / "model.dp"):
        for action, message in (
            (lambda path: open_start(None, None, path), "training cannot start from it; give the original"),
            (lambda path: compress(path, tmp_path / "new.dp"), "it cannot be compressed again"),
            (lambda path: undo(path, tmp_path / "new.dp"), "it does not contain its original"),
            (lambda path: convert_backend(path, tmp_path / "new.yaml"), "a native model needs these"),
        ):
            with pytest.raises(InputError, match=lost + message) as raised:
                action(path)
            assert str(path) in str(raised.value)
    assert not list(tmp_path.glob("new.*"))


def test_modifier_may_have_a_compressed_dipole_model(tmp_path):
    """Its tables are among the tensors of the modifier."""
    from dpcore.infer import DipoleChargeModifier

    original, values = source_of("dipole_atomic"), reference_values("dipole_atomic")
    path = compressed(original, tmp_path)
    charges = {"model_charge_map": [-8], "sys_charge_map": [6, 1], "ewald_h": 1.0, "ewald_beta": 0.4}
    where = (values["coord"], np.tile(np.eye(3).ravel() * 15, (len(values["coord"]), 1)), values["type"])
    found, expected = (DipoleChargeModifier(p, **charges).eval(*where) for p in (path, original))
    assert all(relative_error(one, other) <= 1e-6 for one, other in zip(found, expected))


# ---- damaged ones ------------------------------------------------------------


def new_values(name, change):
    """Another constant: change(values) in place, or what it returns."""

    def edit(graph):
        node = node_of(graph, name)
        values = decode_tensor(node.attr["value"].tensor, name).copy()
        changed = change(values)
        values = values if changed is None else changed
        tensor = node.attr["value"].tensor
        tensor.ClearField("tensor_shape")
        for size in values.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = values.astype("<f8").tobytes()

    return edit


def at(index, value):
    def change(values):
        values[index] = value

    return change


def use(name, k, source):
    """Another input of an operation of a table; name: the constant that it takes."""

    def edit(graph):
        (node,) = (node for node in graph.node if list(node.input[:1]) == [name])
        node.input[k] = source(graph) if callable(source) else source

    return edit


def other_rows(graph):
    (node,) = (node for node in graph.node if list(node.input[:1]) == ["table_0"])
    return node.input[-1]


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        pytest.param(
            "se_e2_a",
            rename_ops("TabulateFusionSeA", "TabulateFusionSeAtten"),
            "compressed model with the operation TabulateFusionSeAtten.*give the uncompressed model",
            id="se_atten",
        ),
        pytest.param(
            "se_e2_a",
            rename_ops("TabulateFusionSeA", "TabulateFusionSeR"),
            "an operation TabulateFusionSeR in a descriptor se_e2_a",
            id="se_e2_r in se_e2_a",
        ),
        pytest.param("se_e2_a", new_values("table_1", at((5, 7), np.nan)), "'table_1' is", id="NaN"),
        pytest.param("se_e2_a", new_values("table_1", lambda v: v[:200]), "has 200 rows", id="rows lost"),
        pytest.param("se_e2_a", new_values("table_1", lambda v: v[:, :-1]), "119 columns", id="column lost"),
        pytest.param("se_e2_a", new_values("table_1", lambda v: v[:, :-6]), "114 columns", id="channel lost"),
        pytest.param("se_e2_a", new_values("table_1", np.ravel), "shape .31200.", id="flat"),
        pytest.param("se_e2_a", new_values("table_1_info", lambda v: v[:5]), "5 numbers", id="short info"),
        pytest.param("se_e2_a", new_values("table_1_info", at(3, 0.0)), "is no table", id="no step"),
        pytest.param("se_e2_a", new_values("table_1_info", at(1, -3.0)), "is no table", id="empty"),
        pytest.param("se_e2_a", new_values("table_1_info", at(2, np.inf)), "_info' is", id="infinite"),
        pytest.param("se_e2_a", new_values("table_1_info", at(3, 0.5)), "has 260 rows", id="other step"),
        pytest.param("se_e2_a", use("table_1", -1, other_rows), "two tables net_0", id="of one type"),
        pytest.param("se_e2_a", use("table_1", -1, "table_0"), "takes the columns", id="of no slots"),
        pytest.param(
            "se_e2_a_exclude",
            change_script("model", "descriptor", "exclude_types", value=[]),
            "the graph excludes the pairs",
            id="exclusion",
        ),
        pytest.param(
            "se_e2_a",
            change_script("model", "descriptor", "neuron", value=[5, 10, 40]),
            "have 20 columns while .* neuron = .5, 10, 40.",
            id="neuron",
        ),
        pytest.param("se_e3", use("table_1", -1, other_rows), "two tables net_0_0", id="of one pair"),
        pytest.param(
            "se_e2_a", lambda g: set_string(g, "model_type", "original_model"), None, id="said otherwise"
        ),
        pytest.param("se_e2_a", remove_nodes("table_1"), "needs 'table_1'", id="table gone"),
    ],
)
def test_damaged_graphs(name, edit, message, tmp_path):
    path = compressed(source_of(name), tmp_path, edit)
    if message is None:
        assert read_tensorflow_graph(path)
        return
    with pytest.raises(InputError, match=message) as raised:
        read_tensorflow_graph(path)
    assert str(path) in str(raised.value)
