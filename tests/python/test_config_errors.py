# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad inputs: each is refused with the path of the key, the value, and what was expected."""

from math import inf, nan

import pytest
from dpcore.config import InputError, normalize, suggest
from make_input import changed

D, F, T, TD = "model/descriptor", "model/fitting_net", "training", "training/training_data"
A = {"type": "se_e2_a", "sel": [4, 8]}
SRTAB = {
    f"model/{key}": value
    for key, value in {"use_srtab": "t.txt", "smin_alpha": 0.1, "sw_rmin": 0.6, "sw_rmax": 0.9}.items()
}


def channels(numb_aparam, **more):
    """se_a_tpe with atomic parameters of neighbours."""
    return {"type": "se_a_tpe", "sel": [4, 8], "type_one_side": True, "numb_aparam": numb_aparam, **more}


def hybrid(*parts):
    return {"type": "hybrid", "list": list(parts)}


NOT_SUPPORTED = "not supported by this version"
BAD = [
    # misspelt and misplaced keys
    ({"modle": {}}, "modle", 'Did you mean "model"'),
    ({f"{D}/rcut_smt": 0.5}, f"{D}/rcut_smt", 'Did you mean "rcut_smth"'),
    ({f"{D}/axisneuron": 4}, f"{D}/axisneuron", 'Did you mean "axis_neuron"'),
    ({f"{F}/neurons": [1]}, f"{F}/neurons", 'Did you mean "neuron"'),
    ({"learning_rate/start_rl": 1}, "learning_rate/start_rl", 'Did you mean "start_lr"'),
    ({"loss/start_pref_q": 1}, "loss/start_pref_q", "Did you mean"),
    ({f"{T}/numb_stepz": 1}, f"{T}/numb_stepz", "Did you mean"),
    ({f"{TD}/batchsize": 1}, f"{TD}/batchsize", 'Did you mean "batch_size"'),
    ({"numb_steps": 3}, "numb_steps", "It belongs to training"),
    ({"model/rcut": 6.0}, "model/rcut", "It belongs to model/descriptor"),
    ({f"{T}/numb_btch": 3}, f"{T}/numb_btch", "It belongs to training/validation_data"),
    ({f"{D}/zzz": 1}, f"{D}/zzz", "Known here: .*rcut"),
    # missing and doubled keys
    ({"model": ...}, "model", "required"),
    ({D: ...}, D, "required"),
    ({F: ...}, F, "required"),
    ({f"{D}/type": ...}, f"{D}/type", "expected one of se_e2_a"),
    ({TD: ...}, TD, "required"),
    ({f"{TD}/systems": ...}, f"{TD}/systems", "required"),
    ({f"{T}/numb_steps": ...}, f"{T}/numb_steps", "required"),
    ({f"{T}/stop_batch": 100}, f"{T}/numb_steps", "given twice"),
    ({f"{F}/neuron": [1], f"{F}/n_neuron": [1]}, f"{F}/neuron", "given twice"),
    ({"learning_rate": {"decay_rate": 0.9, "stop_lr": 1e-8}}, "learning_rate/decay_rate", "keep one"),
    # kinds this version has not, and kinds that nobody has
    *[
        ({f"{D}/type": kind}, f"{D}/type", f'"{kind}" is not supported by this version')
        for kind in ("se_a_ebd_v2", "se_atten", "dpa1")
    ],
    *[
        ({f"{F}/type": kind}, f"{F}/type", f'"{kind}" is not supported by this version')
        for kind in ("global_polar", "wfc", "dos")
    ],
    ({"loss/type": "dos"}, "loss/type", NOT_SUPPORTED),
    ({"learning_rate/type": "cosine"}, "learning_rate/type", NOT_SUPPORTED),
    ({f"{D}/type": "se_e2a"}, f"{D}/type", 'Did you mean "se_e2_a"'),
    # hybrid and se_e2_r
    ({D: {"type": "hybrid"}}, f"{D}/list", "required"),
    ({D: {"type": "hybrid", "list": []}}, f"{D}/list", "list of sections, at least one"),
    ({D: {"type": "hybrid", "list": {"type": "se_a"}}}, f"{D}/list", "list of sections"),
    ({D: {"type": "hybrid", "list": [3]}}, f"{D}/list/0", "section"),
    ({D: hybrid({})}, f"{D}/list/0/type", "is missing"),
    ({D: {"type": "loc_frame", "sel_a": [4, 8]}}, f"{D}/sel_r", "required"),
    ({D: {"type": "loc_frame", "sel": [4, 8]}}, f"{D}/sel", "unknown"),
    ({D: {"type": "loc_frame", "sel_a": [4], "sel_r": [4, 8]}}, f"{D}/sel_r", "as many numbers as sel_a"),
    ({D: {"type": "loc_frame", "sel_a": [4, 8], "sel_r": [1, -1]}}, f"{D}/sel_r", "0 or above"),
    ({D: {"type": "loc_frame", "sel_a": [1, 0], "sel_r": [0, 1]}}, f"{D}/axis_rule", "two slots"),
    (
        {D: {"type": "loc_frame", "sel_a": [4, 8], "sel_r": [0, 0], "axis_rule": [0, 0, 0, 0, 1, 8] * 2}},
        f"{D}/axis_rule",
        "the second axis of type 0 has index 8; expected 0 to 7",
    ),
    (
        {D: {"type": "loc_frame", "sel_a": [4, 8], "sel_r": [0, 0], "axis_rule": [0, 0, 0, 0, 2, 0] * 2}},
        f"{D}/axis_rule",
        "names type 2",
    ),
    ({D: hybrid(A, {"type": "dpa1"})}, f"{D}/list/1/type", NOT_SUPPORTED),
    ({D: hybrid({"type": "hybrid"})}, f"{D}/list/0/type", NOT_SUPPORTED),
    ({D: channels(1, type_one_side=False)}, f"{D}/numb_aparam", "one side only; set type_one_side to true"),
    ({D: channels(-1)}, f"{D}/numb_aparam", "0 or above"),
    ({D: channels(2), f"{F}/numb_aparam": 1}, f"{D}/numb_aparam", "is 2, but 1 elsewhere in the model"),
    ({D: hybrid(channels(1), A, channels(2))}, f"{D}/list/2/numb_aparam", "is 2, but 1 elsewhere in the model"),
    ({D: channels(1), F: {"type": "dipole"}}, f"{D}/numb_aparam", "dipole has no atomic parameters"),
    ({D: hybrid(A, {"type": "se_r", "axis_neuron": 4})}, f"{D}/list/1/axis_neuron", "unknown key"),
    ({D: hybrid(A, {**A, "rcut": -1})}, f"{D}/list/1/rcut", "above 0"),
    ({D: hybrid(A, {**A, "sel": [1]})}, f"{D}/list/1/sel", "each of the 2 types"),
    ({D: hybrid(A, {**A, "axis_neuron": 99})}, f"{D}/list/1/axis_neuron", "at most the last"),
    ({D: hybrid(A, {**A, "spin": {}})}, f"{D}/list/1/spin", NOT_SUPPORTED),
    ({D: {"type": "hybrid", "list": [A], "sel": [4, 4]}}, f"{D}/sel", "unknown key"),
    ({D: {"type": "se_r", "axis_neuron": 4}}, f"{D}/axis_neuron", "unknown key"),
    ({D: {"type": "se_r", "sel": [4]}}, f"{D}/sel", "each of the 2 types"),
    ({D: {"type": "se_r", "rcut": 3.0, "rcut_smth": 3.0}}, f"{D}/rcut_smth", "below rcut"),
    ({D: hybrid(A, A), f"{F}/type": "polar"}, f"{F}/type", "polar needs .* se_e2_a or se_a_tpe; hybrid has none"),
    ({D: {"type": "se_r", "sel": [4, 8]}, F: {"type": "dipole"}}, f"{F}/type", "se_e2_r has none"),
    ({f"{F}/type": "enr"}, f"{F}/type", 'Did you mean "ener"'),
    ({"learning_rate/type": 3}, "learning_rate/type", "got 3"),
    ({"model/type_embedding": {"neuron": []}}, "model/type_embedding/neuron", "at least one layer width"),
    ({"model/type_embedding": {"neurons": [2]}}, "model/type_embedding/neurons", 'Did you mean "neuron"'),
    ({"model/type_embedding": True}, "model/type_embedding", "expected a section"),
    ({"model/type_embedding": {"use_econf_tebd": True}}, "model/type_embedding/use_econf_tebd", NOT_SUPPORTED),
    ({"model/modifier": {"type": "dipole_charge"}}, "model/modifier/model_name", "required"),
    ({"model/use_srtab": "table.txt"}, "model/smin_alpha", "is needed beside use_srtab"),
    ({**SRTAB, "model/sw_rmin": None}, "model/sw_rmin", "is needed beside use_srtab"),
    ({**SRTAB, "model/sw_rmax": 0.5}, "model/sw_rmax", "not above sw_rmin"),
    ({**SRTAB, "model/smin_alpha": 0.0}, "model/smin_alpha", "above 0"),
    ({**SRTAB, F: {"type": "dipole"}}, "model/use_srtab", "holds energies, and the fitting net is dipole"),
    ({"model/use_srtab": 3}, "model/use_srtab", "text in quotes"),
    ({"model/spin": {}}, "model/spin", NOT_SUPPORTED),
    ({"loss/use_huber": True}, "loss/use_huber", "not supported by this version"),
    ({f"{T}/mixed_precision": {}}, f"{T}/mixed_precision", "not supported by this version"),
    # sections of a wrong shape
    ({"model": 3}, "model", "section"),
    ({"training": [1]}, "training", "section"),
    ({D: "se_e2_a"}, D, "section"),
    ({TD: None}, TD, "section"),
    ({f"{T}/validation_data": "data"}, f"{T}/validation_data", "section"),
    # values
    ({"model/type_map": []}, "model/type_map", "different names"),
    ({"model/type_map": ["O", "O"]}, "model/type_map", "different names"),
    ({"model/type_map": "O H"}, "model/type_map", 'got "O H"'),
    ({"model/type_map": ["O", 1]}, "model/type_map", "names"),
    ({"model/data_stat_nbatch": 0}, "model/data_stat_nbatch", "above 0"),
    ({"model/data_stat_protect": 0.0}, "model/data_stat_protect", "above 0"),
    ({f"{D}/rcut": 0.0}, f"{D}/rcut", "above 0"),
    ({f"{D}/rcut": -1}, f"{D}/rcut", "above 0"),
    ({f"{D}/rcut": "6.0"}, f"{D}/rcut", 'got "6.0"'),
    ({f"{D}/rcut": True}, f"{D}/rcut", "got true"),
    ({f"{D}/rcut": inf}, f"{D}/rcut", "finite"),
    ({f"{D}/rcut_smth": 6.0}, f"{D}/rcut_smth", r"below rcut \(6.0\)"),
    ({f"{D}/rcut_smth": -0.1}, f"{D}/rcut_smth", "0 or above"),
    ({f"{D}/sel": [46]}, f"{D}/sel", "each of the 2 types .* got 1"),
    ({f"{D}/sel": [46, 92, 1]}, f"{D}/sel", "each of the 2 types .* got 3"),
    ({f"{D}/sel": [46, -1]}, f"{D}/sel", "0 or above"),
    ({f"{D}/sel": [0, 0]}, f"{D}/sel", "not all 0"),
    ({f"{D}/sel": 46}, f"{D}/sel", "list"),
    ({f"{D}/sel": "automatic"}, f"{D}/sel", '"auto"'),
    ({f"{D}/sel": "auto:x"}, f"{D}/sel", '"auto:factor"'),
    ({f"{D}/sel": "auto:-1"}, f"{D}/sel", '"auto:factor"'),
    ({f"{D}/neuron": []}, f"{D}/neuron", "at least one layer"),
    ({f"{D}/neuron": [10, 0]}, f"{D}/neuron", "above 0"),
    ({f"{D}/neuron": [10, 2.5]}, f"{D}/neuron", "above 0"),
    ({f"{D}/axis_neuron": 41}, f"{D}/axis_neuron", r"at most the last width of neuron \(40\)"),
    ({f"{D}/axis_neuron": 0}, f"{D}/axis_neuron", "above 0"),
    ({f"{D}/activation_function": "tan"}, f"{D}/activation_function", 'Did you mean "tanh"'),
    ({f"{D}/precision": "float46"}, f"{D}/precision", 'Did you mean "float64"'),
    ({f"{D}/resnet_dt": 1}, f"{D}/resnet_dt", "true or false"),
    ({f"{D}/trainable": "yes"}, f"{D}/trainable", "true or false"),
    ({f"{D}/seed": 1.5}, f"{D}/seed", "integer"),
    ({f"{D}/seed": 2**70}, f"{D}/seed", "63 bits"),
    ({f"{D}/exclude_types": [[0, 2]]}, f"{D}/exclude_types", "types 0 to 1"),
    ({f"{D}/exclude_types": [0, 1]}, f"{D}/exclude_types", "pairs"),
    ({f"{D}/exclude_types": [[0, 1, 1]]}, f"{D}/exclude_types", "pairs"),
    ({f"{F}/numb_fparam": -1}, f"{F}/numb_fparam", "0 or above"),
    ({f"{F}/numb_aparam": 1.0}, f"{F}/numb_aparam", "integer"),
    ({f"{F}/neuron": [24, "24"]}, f"{F}/neuron", "above 0"),
    ({f"{F}/trainable": [True, False]}, f"{F}/trainable", "expected 4 values.*got 2"),
    ({f"{F}/trainable": [1, 1, 1, 1]}, f"{F}/trainable", "true, false"),
    ({f"{F}/rcond": -1e-3}, f"{F}/rcond", "0 or above"),
    ({f"{F}/atom_ener": [1.0]}, f"{F}/atom_ener", "each of the 2 types .* got 1"),
    ({f"{F}/atom_ener": [1.0, "x"]}, f"{F}/atom_ener", "one energy"),
    ({f"{F}/atom_ener": [nan, 0.0]}, f"{F}/atom_ener", "one energy"),
    ({"learning_rate/start_lr": 0}, "learning_rate/start_lr", "above 0"),
    ({"learning_rate/stop_lr": -1e-8}, "learning_rate/stop_lr", "above 0"),
    ({"learning_rate/decay_steps": 0}, "learning_rate/decay_steps", "above 0"),
    ({"learning_rate/scale_by_worker": "cubic"}, "learning_rate/scale_by_worker", '"sqrt"'),
    ({"loss/start_pref_e": -0.1}, "loss/start_pref_e", "0 or above"),
    ({"loss/limit_pref_v": nan}, "loss/limit_pref_v", "finite"),
    ({"loss/relative_f": 0.0}, "loss/relative_f", "above 0"),
    ({"loss": {"start_pref_e": 0, "limit_pref_e": 0, "start_pref_f": 0, "limit_pref_f": 0}},
     "loss", "nothing to train on"),
    ({f"{T}/numb_steps": 0}, f"{T}/numb_steps", "above 0"),
    ({f"{T}/numb_steps": 1e6}, f"{T}/numb_steps", "integer"),
    ({f"{T}/seed": "10"}, f"{T}/seed", "integer"),
    ({f"{T}/disp_freq": 0}, f"{T}/disp_freq", "above 0"),
    ({f"{T}/save_freq": 1.5}, f"{T}/save_freq", "integer"),
    ({f"{T}/save_ckpt": ""}, f"{T}/save_ckpt", "empty"),
    ({f"{T}/disp_training": 0}, f"{T}/disp_training", "true or false"),
    ({f"{TD}/systems": []}, f"{TD}/systems", "at least one folder"),
    ({f"{TD}/systems": ""}, f"{TD}/systems", "one folder"),
    ({f"{TD}/systems": [3]}, f"{TD}/systems", "folder"),
    ({f"{TD}/batch_size": 0}, f"{TD}/batch_size", "above 0"),
    ({f"{TD}/batch_size": [1, 2]}, f"{TD}/batch_size", "each of the 1 systems, got 2"),
    ({f"{TD}/batch_size": "auto:"}, f"{TD}/batch_size", '"auto:N"'),
    ({f"{TD}/batch_size": "auto:0"}, f"{TD}/batch_size", '"auto:N"'),
    ({f"{TD}/batch_size": "mixed:4"}, f"{TD}/batch_size", '"auto"'),
    ({f"{TD}/auto_prob": "prob_size"}, f"{TD}/auto_prob", "prob_sys_size"),
    ({f"{TD}/auto_prob": "prob_sys_size;0:1"}, f"{TD}/auto_prob", "begin:end:weight"),
    ({f"{TD}/auto_prob": "prob_sys_size;2:1:0.5"}, f"{TD}/auto_prob", "begin < end"),
    ({f"{TD}/auto_prob": "prob_sys_size;0:1:0"}, f"{TD}/auto_prob", "not all 0"),
    ({f"{TD}/sys_probs": [0.5, 0.5]}, f"{TD}/sys_probs", "each of the 1 systems, got 2"),
    ({f"{TD}/sys_probs": ["a"]}, f"{TD}/sys_probs", "one number"),
    ({f"{T}/validation_data": {"systems": ["a"], "numb_btch": 0}},
     f"{T}/validation_data/numb_btch", "above 0"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "where", "message"), BAD, ids=lambda v: str(v)[:50])
def test_bad_input_is_refused_by_key(given, where, message):
    with pytest.raises(InputError, match=message) as caught:
        normalize(changed(given))
    assert caught.value.where == where
    assert str(caught.value).startswith(f"{where}: ")


def test_a_good_input_is_not_refused():
    assert normalize(changed({}))  # the base of all the bad ones


@pytest.mark.parametrize("raw", [None, [], "x", 3])
def test_something_else_than_a_dictionary_is_refused(raw):
    with pytest.raises(InputError, match="dictionary"):
        normalize(raw)


def test_suggestions_are_close_words_only():
    assert suggest("rcut_smt", ["rcut", "rcut_smth"]) == ' Did you mean "rcut_smth"?'
    assert suggest("qwerty", ["rcut", "rcut_smth"]) == ""
    assert suggest(3, ["rcut"]) == ""
