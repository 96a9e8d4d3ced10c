# SPDX-License-Identifier: LGPL-3.0-or-later
"""The modifier dipole_charge (DPLR) from the input file to dp test, its Python classes, and its import."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_input import changed
from make_system import make_system
from reference.agreement import reference_folder, reference_values
from training_case import INPUT, dp, make_case, read_curve, same_tensors, write_input

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore.config import InputError, normalize
from dpcore.convert import read_tensorflow_graph
from dpcore.convert.graphdef import graph_def_class, read_graph
from dpcore.data import DeepmdSystem
from dpcore.infer import DeepDipole, DeepPot, DipoleChargeModifier, EwaldRecp
from dpcore.infer.dipole_charge import read_modifier
from dpcore.modelfile import read_model
from dpcore.test import test as run_test

M = "model/modifier"
SECTION = {
    "type": "dipole_charge",
    "model_name": "dipole.dp",
    "model_charge_map": [-8],
    "sys_charge_map": [6, 1],
    "ewald_beta": 0.5,
    "ewald_h": 1.1,
}
DIPOLE = {
    "model/fitting_net": {"type": "dipole", "sel_type": [0], "neuron": [5], "seed": 1},
    "loss": {"type": "tensor", "pref": 0.0, "pref_atomic": 1.0},
    "training/training_data/systems": ["dipoles"],
    "training/validation_data": None,
    "training/save_ckpt": "dipole.ckpt",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Data, a model of dipoles, an input with the modifier."""
    folder = tmp_path_factory.mktemp("dplr")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_system(
            folder / "dipoles", sizes=(4,), types=(0, 1, 1, 0), keys=("coord", "box", "atomic_dipole")
        )
        write_input(folder / "dipole.json", DIPOLE)
        assert dp("train", "dipole.json") == 0 and dp("freeze", "-c", "dipole.ckpt", "-o", "dipole.dp") == 0
        make_case(folder, {M: SECTION})
    return folder


@pytest.fixture
def folder(template, tmp_path, monkeypatch):
    """A copy of it, as the current folder."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arrays():
    return {p.stem: np.load(p) for p in Path("valid/set.000").glob("*.npy")}


def types_of():
    return np.loadtxt("valid/type.raw", dtype=int)


# ---- labels, training, freezing, testing --------------------------------------------------------------


def test_labels_have_the_modifier_subtracted_once(folder):
    modifier = DipoleChargeModifier("dipole.dp", [-8], [6, 1], 1.1, 0.5)
    label = arrays()
    energy, force, virial = modifier.eval(label["coord"], label["box"], types_of())
    system = DeepmdSystem("valid", ["O", "H"], modifier=modifier._modifier)
    for pick in (slice(None), np.array([2, 0])):
        for _ in range(2):
            batch = system.read(0, pick)
            np.testing.assert_allclose(batch["energy"], (label["energy"] - energy)[pick], rtol=1e-12)
            np.testing.assert_allclose(
                batch["force"], (label["force"] - force.reshape(3, -1))[pick], rtol=1e-12
            )
            np.testing.assert_allclose(batch["virial"], (label["virial"] - virial)[pick], rtol=1e-12)
    Path("valid/set.000/virial.npy").unlink()
    batch = DeepmdSystem("valid", ["O", "H"], modifier=modifier._modifier).read(0)
    assert batch["find_virial"] == 0.0 and not batch["virial"].any()


def test_train_freeze_and_test(folder, capfd):
    assert dp("train", "input.json") == 0
    assert dp("freeze", "-o", "m.dp") == 0
    (folder / "dipole.dp").unlink()  # the model contains it
    file, model = read_model("m.dp"), DeepPot("m.dp")
    assert model.modifier_type == "dipole_charge" == file.config["modifier"]["type"]
    label, types = arrays(), types_of()
    energy, force, virial = model.eval(label["coord"], label["box"], types)
    own = {k: v for k, v in file.config.items() if k != "modifier"}
    tensors = {k: v for k, v in file.tensors.items() if not k.startswith("modifier/")}
    plain = file._replace(metadata={**file.metadata, "config": json.dumps(own)}, tensors=tensors).model()
    alone = plain.evaluate(label["coord"], label["box"], types.astype(np.int32))
    inside = {k[len("modifier/") :]: v for k, v in file.tensors.items() if k.startswith("modifier/")}
    dipole = file._replace(
        metadata={**file.metadata, "config": json.dumps(file.config["modifier"]["model"]), "kind": "dipole"},
        tensors=inside,
    )
    assert dipole.model().kind == "dipole"
    assert np.abs(force - alone["force"]).max() > 1e-2

    # dp test of the sum is the validation error of training, whose labels are modified
    (errors,) = run_test("m.dp", "valid")
    curve = read_curve()
    batches = json.loads((folder / "out.json").read_text())["training"]["validation_data"]["numb_btch"]
    assert batches == 2  # of three frames: not the same average
    found = np.sqrt(np.mean((force.reshape(3, -1) - label["force"]) ** 2))
    assert errors.rmse("f") == pytest.approx(found, rel=1e-12)
    assert errors.rmse("f") == pytest.approx(curve["rmse_f_val"][-1], rel=0.5)
    with pytest.raises(InputError, match="does not support atomic energies"):
        model.eval(label["coord"], label["box"], types, atomic=True)
    with pytest.raises(ValueError, match="needs a cell"):
        model.eval(label["coord"], None, types)
    assert dp("test", "-m", "m.dp", "-s", "valid", "-a") == 1
    assert "does not support atomic energies" in capfd.readouterr().err


def test_the_energy_bias_is_that_of_modified_labels(folder):
    assert dp("train", "input.json") == 0
    write_input(folder / "plain.json", {"training/save_ckpt": "plain"})
    assert dp("train", "plain.json") == 0
    one, other = (read_model(f"{name}-20").tensors["fitting/bias_atom_e"] for name in ("model.ckpt", "plain"))
    assert np.abs(one - other).max() > 1e-3


def test_a_continued_run_ends_as_one_in_a_piece(folder, capfd):
    assert dp("train", "input.json") == 0
    shutil.copy("model.ckpt-20", "whole.dp")
    (folder / "dipole.dp").unlink()
    assert dp("train", "input.json", "--restart", "model.ckpt-10") == 0
    assert same_tensors("model.ckpt-20", "whole.dp")
    assert "the dipole model is that of model.ckpt-10" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({f"{M}/ewald_beta": 0.4}, "modifier/ewald_beta: the input has 0.4, the model 0.5"),
        ({f"{M}/sys_charge_map": [5, 1]}, "modifier/sys_charge_map: the input has [5, 1], the model [6, 1]"),
        ({M: None}, 'modifier: the input has null, the model "dipole_charge"'),
    ],
)
def test_another_modifier_is_another_model(folder, changes, text, capfd):
    assert dp("train", "input.json") == 0
    write_input(folder / "more.json", {M: dict(SECTION), **changes})
    assert dp("train", "more.json", "--init-model", "model.ckpt") == 1
    assert text in capfd.readouterr().err


def test_compress_keeps_the_modifier(folder):
    assert dp("train", "input.json") == 0 and dp("freeze", "-o", "m.dp") == 0
    label, model = arrays(), DeepPot("m.dp")
    for words, limit in ((["--tol", "1e-4"], 1e-5), (["-s", "0.002"], 1e-9)):
        assert dp("compress", "-i", "m.dp", "-o", "c.dp", *words) == 0
        compressed = DeepPot("c.dp")
        assert compressed.compressed and compressed.modifier_type == "dipole_charge"
        for one, other in zip(
            *(m.eval(label["coord"], label["box"], types_of()) for m in (model, compressed))
        ):
            np.testing.assert_allclose(other, one, rtol=limit, atol=limit)


def test_dp_show_names_it_and_counts_what_is_trained(folder, capfd):
    assert dp("train", "input.json") == 0
    capfd.readouterr()
    assert dp("show", "--json", "model.ckpt-20") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["model"]["modifier"] == "dipole_charge" and set(found["size"]) == {
        "descriptor",
        "fitting-net",
        "total",
    }


def test_dp_verify_leaves_lammps_out(folder, capfd):
    """Its pair style gives the net alone; the others are compared, but for energies of atoms."""
    assert dp("train", "input.json") == 0
    capfd.readouterr()
    words = [w for name in ("c", "ase", "i-pi", "lammps 1 rank") for w in ("-c", name)]
    assert dp("verify", "-m", "model.ckpt-20", *words, "--json", "out.json") == 0
    assert "not run: pair_style deepmd leaves out the energy of the modifier" in capfd.readouterr().out
    rows = json.loads(Path("out.json").read_text())["clients"]
    ran = [row for row in rows if row["frames"]]
    assert len(ran) >= 2 and all(set(row["worst"]) == {"energy/atom", "force", "virial"} for row in ran)
    make_system(folder / "free", sizes=(1,), types=(0, 1, 1), keys=("coord",), pbc=False)
    assert dp("verify", "-m", "model.ckpt-20", "-s", "free") == 1
    assert "frame 0 of free/set.000: the modifier of the model" in capfd.readouterr().err


# ---- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "where", "text"),
    [
        ({"type": "dipole"}, f"{M}/type", "expected one of dipole_charge"),
        ({"model_name": ...}, f"{M}/model_name", "required and missing"),
        ({"sys_charge_map": ...}, f"{M}/sys_charge_map", "required and missing"),
        ({"sys_charge_map": [6]}, f"{M}/sys_charge_map", "expected one charge for each of the 2 types"),
        ({"sys_charge_map": [6, "1"]}, f"{M}/sys_charge_map", "list of charges"),
        ({"model_charge_map": -8}, f"{M}/model_charge_map", "list of charges"),
        ({"ewald_beta": 0}, f"{M}/ewald_beta", "above 0"),
        ({"ewald_h": -1.0}, f"{M}/ewald_h", "above 0"),
        ({"ewald_hh": 1.0}, f"{M}/ewald_hh", 'Did you mean "ewald_h"'),
    ],
)
def test_wrong_keys_are_refused(changes, where, text):
    section = {k: v for k, v in {**SECTION, **changes}.items() if v is not ...}
    with pytest.raises(InputError, match=text) as raised:
        normalize(changed({M: section}, INPUT))
    assert raised.value.where == where


def test_it_needs_a_type_map_and_energies():
    with pytest.raises(InputError, match="beside model/modifier") as raised:
        normalize(changed({M: SECTION, "model/type_map": ...}, INPUT))
    assert raised.value.where == "model/type_map"
    with pytest.raises(InputError, match="modifies energies, and the fitting net is dipole"):
        normalize(changed({**DIPOLE, M: SECTION}, INPUT))
    with pytest.raises(InputError, match="expected a section"):
        normalize(changed({M: 3}, INPUT))


def _train(folder, changes, capfd):
    write_input(folder / "bad.json", {M: {**SECTION, **changes}})
    assert dp("train", "bad.json") == 1
    return capfd.readouterr().err


def test_wrong_dipole_models_are_refused(folder, capfd):
    assert "none.dp: no such model file" in _train(folder, {"model_name": "none.dp"}, capfd)
    message = _train(folder, {"model_charge_map": [-8, 1]}, capfd)
    assert "dipole.dp: model/modifier/model_charge_map: expected 1 charge(s)" in message
    write_input(folder / "plain.json", {"training/numb_steps": 1})
    assert dp("train", "plain.json") == 0
    message = _train(folder, {"model_name": "model.ckpt-1"}, capfd)
    assert 'holds a model of kind "ener"; model/modifier/model_name wants a model of dipoles' in message
    write_input(
        folder / "bad.json", {M: {**SECTION, "sys_charge_map": [6, 1, 0]}, "model/type_map": ["O", "H", "X"]}
    )
    assert dp("train", "bad.json") == 1
    assert "it has the types O H, the energy model O H X" in capfd.readouterr().err


def test_systems_without_cell_are_refused(folder, capfd):
    (folder / "train_b" / "nopbc").touch()
    assert dp("train", "input.json") == 1
    assert (
        "train_b: is not periodic (nopbc), and model/modifier is a sum over periodic images"
        in capfd.readouterr().err
    )


# ---- classes ---------------------------------------------------------------------------------------------


def test_the_modifier_on_its_own(folder):
    label, types = arrays(), types_of()
    of = DipoleChargeModifier("dipole.dp", [-8], [6, 1], ewald_h=1.1, ewald_beta=0.5)
    energy, force, virial = of.eval(label["coord"], label["box"], types)
    assert energy.shape == (3,) and force.shape == (3, 4, 3) and virial.shape == (3, 9)
    mu = DeepDipole("dipole.dp").eval(label["coord"], label["box"], types)
    oxygen = np.flatnonzero(types == 0)
    sites = label["coord"].reshape(3, 4, 3)[:, oxygen] + mu[:, oxygen]
    both = np.concatenate([label["coord"], sites.reshape(3, -1)], axis=1)
    charge = np.tile([*np.array([6.0, 1.0])[types], *[-8.0] * len(oxygen)], (3, 1))
    expected, _, _ = EwaldRecp(1.1, 0.5).eval(both, charge, label["box"])
    np.testing.assert_allclose(energy, expected, rtol=1e-12)
    assert of.eval(label["coord"], label["box"], types, eval_fv=False)[1:] == (None, None)
    data = {
        **label,
        "type": np.tile(types, (3, 1)),
        "find_energy": 1.0,
        "find_force": 1.0,
        "find_virial": 0.0,
    }
    of.modify_data(data)
    np.testing.assert_allclose(data["energy"], label["energy"] - energy, rtol=1e-12)
    np.testing.assert_allclose(data["force"], label["force"] - force.reshape(3, -1), rtol=1e-12)
    assert np.array_equal(data["virial"], label["virial"])
    with pytest.raises(InputError, match="expected cells"):
        of.eval(label["coord"], None, types)


def test_charges_follow_the_order_of_the_dipole_models_own_input(folder, monkeypatch):
    """The reference keeps sel_type as it was written; here it rises."""
    import dpcore.infer.dipole_charge as module

    file = read_model("dipole.dp")
    config, training = file.config, file.training
    config["fitting_net"]["sel_type"] = [0, 1]
    training["input"]["model"]["fitting_net"]["sel_type"] = [1, 0]
    tensors = dict(file.tensors)
    for name in [k for k in tensors if k.startswith("fitting/net_0/")]:
        tensors[name.replace("net_0", "net_1")] = tensors[name]
    metadata = {**file.metadata, "config": json.dumps(config), "training": json.dumps(training)}
    monkeypatch.setattr(module, "read_model", lambda _: file._replace(metadata=metadata, tensors=tensors))
    config, _ = read_modifier({**SECTION, "model_charge_map": [-1, -8]}, ["O", "H"])
    assert config["model_charge_map"] == [-8, -1]


# ---- import ----------------------------------------------------------------------------------------------


def combined_graph(path, kind="dipole_charge"):
    """The reference energy model with the reference dipole model inside, as DeePMD-kit freezes DPLR."""
    message = graph_def_class()()
    message.CopyFrom(read_graph(reference_folder("se_e2_a") / "graph.pb"))
    for node in read_graph(reference_folder("dipole_atomic") / "graph.pb").node:
        copy = message.node.add()
        copy.CopyFrom(node)
        copy.name = f"dipole_charge/{node.name}"
        del copy.input[:]
        for name in node.input:
            mark = "^" if name.startswith("^") else ""
            copy.input.append(f"{mark}dipole_charge/{name[len(mark) :]}")
    # what is computed from it belongs to neither model, whatever it is
    message.node.add(name="o_dm_force", op="ProdForceSeA", input=["dipole_charge/o_rmat_deriv"])
    values = {"type": kind, "mdl_name": "dipole.pb", "mdl_charge_map": "-8", "sys_charge_map": "6 1.5"}
    for name, text in values.items():
        tensor = message.node.add(name=f"modifier_attr/{name}", op="Const").attr["value"].tensor
        tensor.dtype = 7
        tensor.string_val.append(text.encode())
    for name, value in (("ewald_h", 1.0), ("ewald_beta", 0.4)):
        tensor = message.node.add(name=f"modifier_attr/{name}", op="Const").attr["value"].tensor
        tensor.dtype = 2
        tensor.double_val.append(value)
    path.write_bytes(message.SerializeToString())
    return path


def test_a_graph_with_the_modifier_is_the_sum_of_its_models(tmp_path):
    path = combined_graph(tmp_path / "dplr.pb")
    values = reference_values("se_e2_a")
    found = DeepPot(path).eval(values["coord"], values["box"], values["type"])
    dipole = reference_folder("dipole_atomic") / "graph.pb"
    extra = DipoleChargeModifier(dipole, [-8], [6, 1.5], 1.0, 0.4).eval(
        values["coord"], values["box"], values["type"]
    )
    for key, value, more in zip(("energy", "force", "virial"), found, extra):
        expected = values[key].reshape(value.shape) + more.reshape(value.shape)
        assert np.abs(value - expected).max() <= 1e-10 * np.abs(expected).max(), key
    section = json.loads(read_tensorflow_graph(path)[0]["config"])["modifier"]
    assert section["model_charge_map"] == [-8.0] and section["sys_charge_map"] == [6.0, 1.5]
    assert section["model"]["fitting_net"]["type"] == "dipole"


def test_another_modifier_is_refused_by_name(tmp_path):
    with pytest.raises(
        InputError, match="cannot convert a model with the modifier 'other': dpcore has dipole_charge"
    ):
        read_tensorflow_graph(combined_graph(tmp_path / "dplr.pb", kind="other"))
