# SPDX-License-Identifier: LGPL-3.0-or-later
"""Native model files of DeePMD-kit 3: what we write we read again, every kind and form; refusals and damage.

That the files mean the same to DeePMD-kit is tested in tests/peer/test_native_peer.py.
"""

import copy
import json

import h5py
import numpy as np
import pytest
from make_model import write_model, write_tensor_model
from make_system import make_system, random_frames
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")


from dpcore import _core
from dpcore.convert.native import read_native, write_native
from dpcore.convert.native.container import read_tree, write_tree
from dpcore.convert_backend import convert_backend
from dpcore.convert_from import convert_from
from dpcore.errors import InputError
from dpcore.infer import DeepPotential
from dpcore.modelfile import read_model
from dpcore.random_atoms import random_parameters

FORMS = (".dp", ".yaml")
# the config of `change` is put on top of the small model; see `make`
HYBRID = {
    "type": "hybrid",
    "list": [
        {"type": "se_e2_r", "sel": [9, 5], "rcut": 3.5, "neuron": [3, 6], "resnet_dt": True},
        {"type": "se_e2_a", "sel": [8, 8], "rcut": 4.0, "rcut_smth": 1.0, "neuron": [4], "axis_neuron": 3},
    ],
}
ENERGY = {
    "one side": {},
    "two sides": {"type_one_side": False, "resnet_dt": True, "neuron": [2, 4, 4]},
    "excluded": {"type_one_side": False, "exclude_types": [[0, 1]]},
    "excluded, one side": {"exclude_types": [[1, 1]]},
    "float32": {"precision": "float32", "activation_function": "gelu"},
    "softplus": {"activation_function": "softplus", "set_davg_zero": True},
    "se_e2_r": {"type": "se_e2_r"},
    "se_e3": {"type": "se_e3", "resnet_dt": True, "neuron": [2, 4, 4]},
    "hybrid": HYBRID,
    "hybrid with se_e3": {"type": "hybrid", "list": [{"type": "se_e3"}, HYBRID["list"][0]]},
}


def energy_model(path, change):
    """A model with random statistics and all parameters of a fitting net, of the descriptor `change`."""
    file = read_model(write_model(path, numb_fparam=2, numb_aparam=1))
    config = file.config
    common = {k: v for k, v in config["descriptor"].items() if k not in ("type", "axis_neuron")}

    def section(part):
        out = {**common, "type": "se_e2_a", **copy.deepcopy(part)}
        if out["type"] == "se_e2_a":
            out.setdefault("axis_neuron", 2)
        if out["type"] == "se_e3":
            out = {k: v for k, v in out.items() if k not in ("type_one_side", "exclude_types")}
        return out

    parts = change.get("list")
    config["descriptor"] = {**change, "list": [section(p) for p in parts]} if parts else section(change)
    rng = np.random.RandomState(3)
    statistics = {k: rng.uniform(0.5, 1.5, v.shape) for k, v in file.tensors.items() if "net_" not in k}
    for name in [k for k in statistics if k.startswith("descriptor/")]:
        del statistics[name]
    for k, part in enumerate(config["descriptor"].get("list", [config["descriptor"]])):
        prefix = f"descriptor/part_{k}/" if parts else "descriptor/"
        n = 1 if part["type"] == "se_e2_r" else 4
        # the average radial alone
        statistics[f"{prefix}davg"] = np.pad(rng.uniform(0, 0.1, (2, 1)), ((0, 0), (0, n - 1)))
        statistics[f"{prefix}dstd"] = rng.uniform(0.1, 0.2, (2, n))
    model = _core.Model.create(json.dumps(config), statistics)
    metadata = {
        **file.metadata,
        "config": json.dumps(config),
        "training": json.dumps({"min_nbor_dist": 0.87, "max_nbor_size": [], "source": "made up"}),
    }
    _core.write_model_file(str(path), metadata, model.tensors())
    return path


def tensor_model(path, kind, **keys):
    """A model of tensors whose scale and constants are no round numbers."""
    file = read_model(write_tensor_model(path, kind, (0,)))
    config = file.config
    tensors = dict(file.tensors)
    config["fitting_net"].update(keys)
    if keys.get("fit_diag") is False:
        layer = "fitting/net_0/layer_2"
        width = tensors[f"{layer}/bias"].size
        rng = np.random.RandomState(5)
        tensors[f"{layer}/matrix"] = rng.randn(tensors[f"{layer}/matrix"].shape[0], width**2)
        tensors[f"{layer}/bias"] = rng.randn(width**2)
    if kind == "polar":
        tensors["fitting/constant_matrix"] = np.array([1.7, 0.0])
    _core.write_model_file(str(path), {**file.metadata, "config": json.dumps(config)}, tensors)
    return path


def results(path):
    file, model = read_model(path), DeepPotential(path)
    frames = random_frames(2, 5, seed=4)
    types = np.array([0, 1, 1, 0, 1], dtype=np.int32)
    parameters = random_parameters(file, np.random.RandomState(8), 5)
    if file.kind == "ener":
        return model.eval(frames["coord"], frames["box"], types, True, *parameters)
    return model.eval_full(frames["coord"], frames["box"], types, True)


def same(one, other, limit):
    for a, b in zip(one, other):
        assert np.abs(a).max() > 0 and np.abs(a - b).max() <= limit * np.abs(a).max()


# ---- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ENERGY)
def test_an_energy_model_comes_back_as_it_was(tmp_path, name, form):
    path = energy_model(tmp_path / "m.dp", ENERGY[name])
    convert_backend(path, tmp_path / f"native{form}")
    before, after = read_model(path), read_model(tmp_path / f"native{form}")
    assert set(before.tensors) == set(after.tensors)
    for key, value in before.tensors.items():
        assert value.dtype == after.tensors[key].dtype and np.array_equal(value, after.tensors[key]), key
    assert after.kind == "ener" and after.training["min_nbor_dist"] == 0.87
    seedless = [copy.deepcopy(file.config) for file in (before, after)]
    for config in seedless:
        for part in [config["fitting_net"], *config["descriptor"].get("list", [config["descriptor"]])]:
            for key in ("seed", "online_table"):  # of the training alone
                part.pop(key, None)
    assert seedless[0] == seedless[1]
    same(results(path), results(tmp_path / f"native{form}"), 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("dipole", {}),
        ("polar", {"scale": [1.3, 0.8]}),
        ("polar", {"fit_diag": False, "scale": [0.7, 0.8]}),
        ("polar", {"shift_diag": False}),
    ],
    ids=["dipole", "polar", "matrix", "no shift"],
)
def test_a_model_of_tensors_means_the_same(tmp_path, kind, keys, form):
    """The scale goes into the last layer, so that weights differ and results do not."""
    path = tensor_model(tmp_path / "m.dp", kind, **keys)
    convert_backend(path, tmp_path / f"native{form}")
    assert DeepPotential(tmp_path / f"native{form}").get_sel_type() == [0]
    same(results(path), results(tmp_path / f"native{form}"), 1e-13)


def test_atom_ener_and_lists_of_trainable_come_back(tmp_path):
    file = read_model(energy_model(tmp_path / "m.dp", {}))
    config = file.config
    config["fitting_net"].update(atom_ener=[None, 0.7], trainable=[True, False, True])
    file.tensors["fitting/bias_atom_e"][1] = 0.7
    metadata = {**file.metadata, "config": json.dumps(config)}
    write_native(tmp_path / "n.dp", metadata, file.tensors)
    _core.write_model_file(str(tmp_path / "m.dp"), metadata, file.tensors)
    again = read_model(tmp_path / "n.dp").config["fitting_net"]
    assert again["atom_ener"] == [None, 0.7] and again["trainable"] == [True, False, True]
    same(results(tmp_path / "m.dp"), results(tmp_path / "n.dp"), 0)


def test_nets_of_pairs_stand_in_the_order_centre_first(tmp_path):
    path = energy_model(tmp_path / "m.dp", ENERGY["two sides"])
    convert_backend(path, tmp_path / "n.dp")
    nets = read_tree(tmp_path / "n.dp")["model"]["descriptor"]["embeddings"]["networks"]
    tensors = read_model(path).tensors
    for k, (centre, neighbour) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        stored = nets[k]["layers"][0]["@variables"]["w"]
        assert np.array_equal(stored, tensors[f"descriptor/net_{centre}_{neighbour}/layer_0/matrix"])


def test_scale_and_bias_of_the_outputs_are_taken_in(tmp_path):
    """E_i = net out_std + bias out_std + out_bias."""
    path = energy_model(tmp_path / "m.dp", {})
    convert_backend(path, tmp_path / "n.dp")
    tree = read_tree(tmp_path / "n.dp")
    tree["model"]["@variables"]["out_std"][0, :, 0] = [2.0, 3.0]
    tree["model"]["@variables"]["out_bias"][0, :, 0] = [0.25, -0.5]
    write_tree(tmp_path / "n.dp", tree)
    types = np.array([0, 1, 1, 0, 1])
    before, after = (results(p)[3][:, :, 0] for p in (path, tmp_path / "n.dp"))
    expected = before * np.array([2.0, 3.0])[types] + np.array([0.25, -0.5])[types]
    assert np.abs(after - expected).max() <= 1e-13 * np.abs(expected).max()


def test_files_of_the_tensorflow_backend_keep_the_meaning_of_its_graphs(tmp_path):
    """There A = Y + Y^t and the constant is not scaled; elsewhere A = (Y + Y^t)/2 and it is."""
    path = tensor_model(tmp_path / "m.dp", "polar", fit_diag=False)
    convert_backend(path, tmp_path / "n.dp")
    tree = read_tree(tmp_path / "n.dp")
    tree["model"]["fitting"]["@variables"]["scale"][:] = 2.0
    write_tree(tmp_path / "other.dp", tree)
    write_tree(tmp_path / "tf.dp", {**tree, "backend": "TensorFlow"})
    first = results(path)[3]
    constant = 1.7 * np.eye(3).ravel() * (first.any(axis=-1, keepdims=True))
    other, tf = results(tmp_path / "other.dp")[3], results(tmp_path / "tf.dp")[3]
    assert np.abs(other - 2 * first).max() <= 1e-12 * np.abs(first).max()
    assert np.abs(tf - (4 * (first - constant) + constant)).max() <= 1e-12 * np.abs(tf).max()


# ---- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_native_files_serve_as_models_and_can_be_converted(tmp_path, monkeypatch, form, capsys):
    monkeypatch.chdir(tmp_path)
    energy_model("m.dp", {})
    make_system("data", keys=("coord", "box", "energy", "fparam"))
    np.save("data/set.000/aparam.npy", np.random.RandomState(1).rand(4, 3))
    assert dp("convert-backend", "m.dp", f"native{form}") == 0
    for model in ("m.dp", f"native{form}"):
        assert dp("test", "-m", model, "-s", "data") == 0
    printed = [line for line in capsys.readouterr().err.splitlines() if "Energy RMSE" in line]
    assert len(set(printed)) == 2 and len(printed) == 8
    assert dp("convert-from", "-i", f"native{form}", "-o", "again.dp") == 0
    _core.Model.read("again.dp")
    assert (
        dp("show", f"native{form}", "model") == 0 and "native model of DeePMD-kit" in capsys.readouterr().out
    )


def test_convert_from_demands_the_form_it_is_told(tmp_path):
    convert_backend(energy_model(tmp_path / "m.dp", {}), tmp_path / "n.dp")
    convert_from("dp", tmp_path / "n.dp", tmp_path / "o")
    for wrong, message in (("yaml", "no native model in YAML"), ("pb", "not a|no ")):
        with pytest.raises(InputError, match=message):
            convert_from(wrong, tmp_path / "n.dp", tmp_path / "o")


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.pb", r"not \.pb; write \.dp or \.yaml, and let DeePMD-kit"), ("x", "not files without a suffix")],
)
def test_other_backends_are_not_written(tmp_path, name, message):
    path = energy_model(tmp_path / "m.dp", {})
    with pytest.raises(InputError, match=message):
        convert_backend(path, tmp_path / name)


def test_what_native_files_cannot_hold_is_refused(tmp_path):
    file = read_model(energy_model(tmp_path / "m.dp", {}))
    config = {**file.config, "use_srtab": "table.txt"}
    with pytest.raises(InputError, match="model/use_srtab, which the native models that dpcore writes"):
        write_native(tmp_path / "n.dp", {**file.metadata, "config": json.dumps(config)}, file.tensors)
    config = {**file.config, "descriptor": {**file.config["descriptor"], "type": "loc_frame"}}
    with pytest.raises(InputError, match="loc_frame has no form in native models"):
        write_native(tmp_path / "n.dp", {**file.metadata, "config": json.dumps(config)}, file.tensors)
    assert not (tmp_path / "n.dp").exists()


def test_the_input_is_not_overwritten(tmp_path):
    path = energy_model(tmp_path / "m.dp", {})
    with pytest.raises(InputError, match="would overwrite the input"):
        convert_backend(path, path)
    with pytest.raises(InputError, match="folder of the output does not exist"):
        convert_backend(path, tmp_path / "no/m.dp")


def test_programs_that_cannot_convert_say_how(tmp_path):
    for form, source in ((".dp", "dp"), (".yaml", "yaml")):
        convert_backend(energy_model(tmp_path / "m.dp", {}), tmp_path / f"n{form}")
        with pytest.raises(_core.Error, match=f"dp convert-from {source} -i"):
            _core.Model.read(str(tmp_path / f"n{form}"))


# ---- refusals and damage -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    convert_backend(energy_model(folder / "m.dp", HYBRID), folder / "n.dp")
    return read_tree(folder / "n.dp")


def edited(tree, where, value):
    """The tree with one place changed; ``...`` takes the key out."""
    tree = copy.deepcopy(tree)
    *path, last = where.split("/")
    node = tree
    for key in path:
        node = node[int(key) if isinstance(node, list) else key]
    last = int(last) if isinstance(node, list) else last
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return tree


PART = "model/descriptor/list/1"
CHANGES = {
    "other descriptor": (f"{PART}/type", "dpa2", "descriptor dpa2: dpcore has se_e2_a"),
    "other fitting": ("model/fitting/type", "dos", "fitting net dos: dpcore has ener, dipole, polar"),
    "lost table": (
        "model_def_script/use_srtab",
        "table.txt",
        "trained with model/use_srtab: the native file lacks it",
    ),
    "zbl": ("model/type", "zbl", r"short-range pair table \(zbl\)"),
    "spin": ("model/spin", {}, "spin model"),
    "multi-task": ("model/model_dict", {}, "multi-task model"),
    "newer layer": (
        f"{PART}/embeddings/networks/0/layers/0/@version",
        3,
        "has @version 3, dpcore knows 1 to 2",
    ),
    "newer model": ("model/@version", 9, "model: has @version 9"),
    "protection": (f"{PART}/env_protection", 1e-3, "env_protection = 0.001"),
    "excluded pairs": ("model/pair_exclude_types", [[0, 1]], "pair_exclude_types"),
    "excluded atoms": ("model/fitting/exclude_types", [0], "exclude_types"),
    "silu": (f"{PART}/embeddings/networks/1/layers/0/activation_function", "silu", "'silu'.*dpcore has tanh"),
    "half": (f"{PART}/precision", "bfloat16", "precision 'bfloat16'"),
    "no rcut": (f"{PART}/rcut", ..., "list/1/rcut: is missing; the file is damaged"),
    "text for rcut": (f"{PART}/rcut", "6", 'rcut: expected a number, got "6"'),
    "no davg": (f"{PART}/@variables/davg", None, "davg: expected an array of floats"),
    "wrong dstd": (
        f"{PART}/@variables/dstd",
        np.ones((2, 3, 4)),
        r"dstd: expected shape \[2, 16, 4\], got \[2, 3, 4\]",
    ),
    "negative dstd": (f"{PART}/@variables/dstd", -np.ones((2, 16, 4)), "not positive"),
    "NaN": (
        "model/fitting/nets/networks/0/layers/0/@variables/w",
        np.full((33, 5), np.nan),
        "not finite|rows",
    ),
    "no net": ("model/fitting/nets/networks/1", None, r"no net for the types \[1\]"),
    "few nets": ("model/fitting/nets/networks/1", ..., "expected 2 nets"),
    "no skip": (f"{PART}/../0/embeddings/networks/0/layers/1/resnet", False, "without a skip connection"),
    "type map": ("model/type_map", ["O", "O"], "different names of types"),
    "sel": (f"{PART}/sel", [1, -1], r"got \[1, -1\]"),
    "no model": ("model", ..., "without a model in it"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_be_used_is_named(tmp_path, tree, name):
    where, value, message = CHANGES[name]
    where = where.replace("list/1/../", "list/")
    for form in FORMS:
        path = tmp_path / f"x{form}"
        write_tree(path, edited(tree, where, value))
        with pytest.raises(InputError, match=message) as caught:
            read_native(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("form", FORMS)
def test_truncated_files_are_called_so(tmp_path, tree, form, share):
    path = tmp_path / f"x{form}"
    write_tree(path, tree)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="damaged|is missing|without a model"):
        read_model(path)


def test_hdf5_files_without_a_model_are_called_so(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["coord"] = np.zeros(3)
    with pytest.raises(InputError, match="HDF5 file but no model of DeePMD-kit"):
        read_model(tmp_path / "x.hdf5")


def test_arrays_that_are_missing_are_named(tmp_path, tree):
    write_tree(tmp_path / "x.dp", tree)
    with h5py.File(tmp_path / "x.dp", "a") as file:
        del file["variable_0003"]
    with pytest.raises(InputError, match="lacks the array '/variable_0003'"):
        read_native(tmp_path / "x.dp")


def test_a_failed_write_leaves_the_old_file(tmp_path, tree, monkeypatch):
    path = tmp_path / "x.yaml"
    path.write_text("old")
    monkeypatch.setattr(
        "os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(InputError, match="cannot be written: No space left"):
        write_tree(path, tree)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x.yaml"]
