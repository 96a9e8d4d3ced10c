# SPDX-License-Identifier: LGPL-3.0-or-later
"""The input file: defaults, other spellings of keys, types from the data, and the manual."""

import copy
import json
import logging

import pytest
from dpcore.config import (
    InputError,
    active_terms,
    core_config,
    gen_args,
    gen_doc,
    labels_of_loss,
    load_input,
    normalize,
    set_type_map,
)
from make_input import MINIMAL, changed
from make_system import SHARED


def at(config, path):
    for part in path.split("/"):
        config = config[part]
    return config


def test_defaults_are_those_of_the_manual():
    config = normalize({k: v for k, v in MINIMAL.items() if k != "learning_rate"})
    assert config["model"] == {
        "type_map": ["O", "H"],
        "data_stat_nbatch": 10,
        "data_stat_protect": 1e-2,
        "data_bias_nsample": 10,
        "use_srtab": None,
        "smin_alpha": None,
        "sw_rmin": None,
        "sw_rmax": None,
        "srtab_add_bias": True,
        "modifier": None,
        "descriptor": {
            "type": "se_e2_a",
            "sel": [46, 92],
            "rcut": 6.0,
            "rcut_smth": 0.5,
            "neuron": [10, 20, 40],
            "axis_neuron": 4,
            "activation_function": "tanh",
            "resnet_dt": False,
            "type_one_side": False,
            "precision": "float64",
            "trainable": True,
            "seed": None,
            "exclude_types": [],
            "set_davg_zero": False,
            "online_table": True,  # ours, not a key of the manual
        },
        "fitting_net": {
            "type": "ener",
            "numb_fparam": 0,
            "numb_aparam": 0,
            "neuron": [120, 120, 120],
            "activation_function": "tanh",
            "precision": "float64",
            "resnet_dt": True,
            "trainable": True,
            "rcond": 1e-3,
            "seed": None,
            "atom_ener": [],
        },
        "type_embedding": None,
    }
    assert config["learning_rate"] == {
        "type": "exp",
        "start_lr": 1e-3,
        "stop_lr": 1e-8,
        "decay_steps": 5000,
        "scale_by_worker": "linear",
    }
    expected = dict(start_pref_e=0.02, limit_pref_e=1, start_pref_f=1000, limit_pref_f=1)
    for term in ("v", "ae", "pf"):
        expected.update({f"start_pref_{term}": 0, f"limit_pref_{term}": 0})
    assert config["loss"] == {"type": "ener", **expected, "relative_f": None}
    assert config["training"] == {
        "training_data": {
            "systems": ["data"],
            "set_prefix": "set",
            "batch_size": "auto",
            "auto_prob": "prob_sys_size",
            "sys_probs": None,
        },
        "validation_data": None,
        "numb_steps": 100,
        "seed": None,
        "disp_file": "lcurve.out",
        "disp_freq": 1000,
        "numb_test": 1,
        "save_freq": 1000,
        "save_ckpt": "model.ckpt",
        "max_ckpt_keep": 5,
        "disp_training": True,
        "time_training": True,
        "profiling": False,
        "profiling_file": "timeline.json",
        "tensorboard": False,
        "tensorboard_log_dir": "log",
        "tensorboard_freq": 1,
    }


def test_validation_data_have_their_own_defaults():
    config = normalize(changed({"training/validation_data": {"systems": "data", "numb_batch": 3}}))
    assert config["training"]["validation_data"]["numb_btch"] == 3
    assert config["training"]["validation_data"]["batch_size"] == "auto"


def test_the_input_is_left_as_it_is_and_the_result_normalises_to_itself():
    raw = changed({"learning_rate/decay_rate": 0.95})
    before = copy.deepcopy(raw)
    config = normalize(raw)
    assert raw == before
    assert normalize(config) == config
    assert json.loads(json.dumps(config)) == config


def test_defaults_are_not_shared_between_configurations():
    normalize(MINIMAL)["model"]["fitting_net"]["neuron"].append(1)
    assert normalize(MINIMAL)["model"]["fitting_net"]["neuron"] == [120, 120, 120]


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ({"model/descriptor/type": "se_a"}, "model/descriptor/type", "se_e2_a"),
        ({"model/descriptor/n_axis_neuron": 8}, "model/descriptor/axis_neuron", 8),
        ({"model/fitting_net/n_neuron": [5]}, "model/fitting_net/neuron", [5]),
        ({"training/training_data/auto_prob_style": "prob_uniform"},
         "training/training_data/auto_prob", "prob_uniform"),
        ({"training/training_data/sys_weights": [1.0]}, "training/training_data/sys_probs", [1.0]),
        ({"training/numb_steps": ..., "training/stop_batch": 7}, "training/numb_steps", 7),
        ({"training/numb_steps": ..., "training/num_steps": 7}, "training/numb_steps", 7),
        ({"model/descriptor/precision": "default"}, "model/descriptor/precision", "float64"),
        ({"model/fitting_net/activation_function": "gelu_tf"},
         "model/fitting_net/activation_function", "gelu"),
    ],
)  # fmt: skip
def test_other_spellings_become_the_canonical_one(given, path, value):
    assert at(normalize(changed(given)), path) == value


def test_comments_are_left_out_at_every_depth():
    config = normalize(
        changed(
            {"_comment": "x", "model/_note": 1, "model/descriptor/_comment": [], "training/_a": {"b": 1},
             "loss": {"_comment": "all"}, "training/training_data/_comment": "y", "$schema": "z"}
        )
    )  # fmt: skip
    assert "_" not in {key[0] for key in _keys(config)}
    assert config == normalize(MINIMAL)


def _keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _keys(item)


def test_half_precision_is_stored_in_single_with_a_note(caplog):
    with caplog.at_level(logging.WARNING, "dpcore"):
        config = normalize(changed({"model/fitting_net/precision": "float16"}))
    assert config["model"]["fitting_net"]["precision"] == "float32"
    assert "model/fitting_net/precision" in caplog.text and "float32" in caplog.text


def test_what_the_reference_writes_into_its_own_inputs_is_accepted():
    neutral = {
        "model/type": "standard", "model/srtab_add_bias": True, "model/pair_exclude_types": [],
        "model/descriptor/env_protection": 0.0, "model/fitting_net/dim_case_embd": 0,
        "model/fitting_net/rcond": None, "learning_rate/warmup_steps": 0, "learning_rate/decay_rate": None,
        "learning_rate/stop_lr": 1e-8, "loss/start_pref_gf": 0.0, "loss/huber_delta": 0.01,
        "training/acc_freq": 1, "training/training_data/rglob_patterns": None, "validating": {},
    }  # fmt: skip
    assert normalize(changed(neutral)) == normalize(changed({"model/fitting_net/rcond": None}))


def test_decay_rate_becomes_the_final_learning_rate():
    given = {"learning_rate": {"start_lr": 2e-3, "decay_rate": 0.95, "decay_steps": 50},
             "training/numb_steps": 1000}  # fmt: skip
    lr = normalize(changed(given))["learning_rate"]
    assert lr["stop_lr"] == pytest.approx(2e-3 * 0.95**20, rel=1e-12)
    assert "decay_rate" not in lr


def test_prefactors_tell_the_terms_and_the_labels():
    loss = normalize(MINIMAL)["loss"]
    assert active_terms(loss) == {"e": "energy", "f": "force"}
    loss = normalize(changed({"loss": {"start_pref_f": 0, "limit_pref_f": 0, "limit_pref_pf": 1,
                                       "start_pref_v": 0.1}}))["loss"]  # fmt: skip
    assert active_terms(loss) == {"e": "energy", "v": "virial", "pf": "atom_pref"}
    assert labels_of_loss(loss) == ("energy", "force", "virial", "atom_pref")


# ---- type map from the data ----------------------------------------------------------------------


def test_the_type_map_may_come_from_the_data():
    config = normalize(changed({"model/type_map": ...}))
    assert config["model"]["type_map"] is None
    with pytest.raises(InputError, match="type_map"):
        core_config(config["model"])
    set_type_map(config, ["C", "N"], 2)
    assert config["model"]["type_map"] == ["C", "N"]
    set_type_map(config, ["X"], 1)
    assert config["model"]["type_map"] == ["C", "N"]


def test_types_without_names_are_numbered():
    config = normalize(changed({"model/type_map": ..., "model/descriptor/sel": "auto"}))
    set_type_map(config, None, 3)
    assert config["model"]["type_map"] == ["Type_0", "Type_1", "Type_2"]
    config = normalize(changed({"model/type_map": ...}))
    set_type_map(config, ["C"], 1)
    assert config["model"]["type_map"] == ["C", "Type_1"]
    config = normalize(changed({"model/type_map": ...}))
    with pytest.raises(InputError, match="each of the 3 types"):
        set_type_map(config, ["C", "H", "O"], 3)


def test_the_core_gets_numbers_for_sel():
    model = normalize(changed({"model/descriptor/sel": "auto:1.5"}))["model"]
    with pytest.raises(InputError, match="model/descriptor/sel"):
        core_config(model)
    core = core_config(model, [4, 8])
    assert set(core) == {"type_map", "descriptor", "fitting_net"}
    assert core["descriptor"]["sel"] == [4, 8]
    assert model["descriptor"]["sel"] == "auto:1.5"


# ---- hybrid --------------------------------------------------------------------------------------


def test_parts_of_hybrid_get_their_defaults():
    parts = [
        {"_comment": "near", "type": "se_a", "sel": [4, 8], "n_axis_neuron": 2},
        {"type": "se_r", "precision": "float16", "env_protection": 0.0},
    ]
    config = normalize(changed({"model/descriptor": {"type": "hybrid", "list": parts}}))
    first, second = config["model"]["descriptor"]["list"]
    assert (first["type"], first["axis_neuron"], first["rcut"]) == ("se_e2_a", 2, 6.0)
    assert (second["type"], second["sel"], second["precision"]) == ("se_e2_r", "auto", "float32")
    assert "axis_neuron" not in second and "env_protection" not in second
    assert normalize(config) == config
    with pytest.raises(InputError, match="still to be counted") as raised:
        core_config(config["model"])
    assert raised.value.where == "model/descriptor/list/1/sel"
    assert set(core_config(config["model"], [1, 2])["descriptor"]) == {"type", "list"}


def test_inputs_of_the_reference_models_are_read_or_refused_by_name():
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    names = sorted(p.parent.name for p in folder.glob("*/input.json"))
    assert len(names) > 10
    for name in names:
        plain = name.startswith("se_e2_a")
        plain |= name.startswith(("dipole_", "polar_"))
        if plain or name in ("fparam", "aparam", "nopbc", "se_e2_r", "se_e3", "loc_frame", "hybrid", "srtab"):
            kind = name if name in ("se_e2_r", "se_e3", "loc_frame", "hybrid") else "se_e2_a"
            assert load_input(folder / name / "input.json")["model"]["descriptor"]["type"] == kind
        else:
            with pytest.raises(InputError, match="not supported by this version"):
                load_input(folder / name / "input.json")


# ---- the manual ----------------------------------------------------------------------------------


def test_the_manual_has_every_key():
    assert [section.name for section in gen_args()] == ["model", "learning_rate", "loss", "training"]
    text = gen_doc("rst")
    for key in {k for k in _keys(normalize(MINIMAL)) if k != "type"}:
        assert f"\n{key}: \n" in text or f"{key}:" in text
    assert json.loads(gen_doc("json"))[0]["name"] == "model"
    schema = json.loads(gen_doc("json_schema"))
    assert set(schema["properties"]) >= {"model", "learning_rate", "loss", "training"}
    with pytest.raises(InputError, match='Did you mean "rst"'):
        gen_doc("rts")


def test_every_key_is_documented():
    def visit(argument):
        assert argument.doc.strip().endswith("."), argument.name
        for field in argument.sub_fields.values():
            visit(field)
        for variant in argument.sub_variants.values():
            for choice in variant.choice_dict.values():
                visit(choice)

    for section in gen_args():
        visit(section)
