# SPDX-License-Identifier: LGPL-3.0-or-later
"""Input files: JSON, YAML, the layouts of older versions, and errors that name file, line and column."""

import json

import pytest
from dpcore.config import InputError, convert_old_format, load_input, normalize, read_input, version_of
from make_input import MINIMAL, changed

VERSION_0 = {
    "_comment": "old", "use_smooth": True, "sel_a": [16, 32], "rcut_smth": 5.8, "rcut": 6.0,
    "filter_neuron": [20, 40, 80], "filter_resnet_dt": False, "n_axis_neuron": 12,
    "n_neuron": [240, 240], "resnet_dt": True, "coord_norm": True, "type_fitting_net": False,
    "systems": ["a", "b"], "set_prefix": "set", "stop_batch": 1000, "batch_size": [1, 2],
    "start_lr": 0.005, "decay_steps": 50, "decay_rate": 0.95,
    "start_pref_e": 0.02, "limit_pref_e": 8, "start_pref_f": 1000, "limit_pref_f": 1,
    "start_pref_v": 0, "limit_pref_v": 0, "seed": 7, "disp_file": "curve", "disp_freq": 10,
    "numb_test": 2, "save_freq": 20, "save_ckpt": "m", "load_ckpt": "m", "disp_training": True,
    "time_training": False, "profiling": False, "profiling_file": "t.json",
}  # fmt: skip


def test_version_0_is_rewritten():
    assert version_of(VERSION_0) == 0
    config = normalize(VERSION_0)
    descriptor, fitting = config["model"]["descriptor"], config["model"]["fitting_net"]
    assert (descriptor["type"], descriptor["sel"], descriptor["axis_neuron"]) == ("se_e2_a", [16, 32], 12)
    assert (descriptor["neuron"], descriptor["rcut_smth"], descriptor["seed"]) == ([20, 40, 80], 5.8, 7)
    assert (fitting["neuron"], fitting["resnet_dt"], fitting["seed"]) == ([240, 240], True, 7)
    assert config["learning_rate"]["stop_lr"] == pytest.approx(0.005 * 0.95**20)
    assert config["loss"]["limit_pref_e"] == 8
    training = config["training"]
    assert training["training_data"]["systems"] == ["a", "b"]
    assert training["training_data"]["batch_size"] == [1, 2]
    assert (training["numb_steps"], training["seed"], training["disp_file"]) == (1000, 7, "curve")
    assert normalize(config) == config


@pytest.mark.parametrize("smooth", [False, ...])
def test_version_0_without_smoothness_is_loc_frame(smooth):
    rule = [0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0]
    config = normalize(changed({"use_smooth": smooth, "sel_r": [4, 8], "axis_rule": rule}, VERSION_0))
    assert config["model"]["descriptor"] == {
        "type": "loc_frame", "sel_a": [16, 32], "sel_r": [4, 8], "rcut": 6.0, "axis_rule": rule,
    }  # fmt: skip
    assert config["model"]["fitting_net"]["seed"] == 7 and normalize(config) == config


def test_version_1_is_rewritten():
    raw = changed({"training": {"systems": "data", "set_prefix": "set", "batch_size": 4, "sys_prob": None,
                                "auto_prob_style": "prob_uniform", "stop_batch": 500},
                   "learning_rate": {"start_lr": 1e-3, "decay_rate": 0.9, "decay_steps": 100}})  # fmt: skip
    assert version_of(raw) == 1
    config = normalize(raw)
    assert config["training"]["training_data"] == {
        "systems": "data",
        "set_prefix": "set",
        "batch_size": 4,
        "sys_probs": None,
        "auto_prob": "prob_uniform",
    }
    assert config["training"]["numb_steps"] == 500
    assert config["learning_rate"]["stop_lr"] == pytest.approx(1e-3 * 0.9**5)
    assert "systems" in raw["training"]


def test_todays_format_is_not_touched():
    assert version_of(MINIMAL) == 2
    assert convert_old_format(MINIMAL) is MINIMAL


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"use_smooth": 1}, "use_smooth", "true .* or false"),
        ({"sel_b": [1]}, "sel_b", 'Did you mean "sel_a"'),
        ({"rcut_smth": ...}, "rcut_smth", "missing"),
        ({"stop_batch": ...}, "training/numb_steps", "required"),
        ({"n_neuron": ..., "fitting_neuron": [0]}, "model/fitting_net/neuron", "above 0"),
    ],
)
def test_bad_input_of_version_0_is_refused(changes, where, message):
    with pytest.raises(InputError, match=message) as caught:
        normalize(changed(changes, VERSION_0))
    assert caught.value.where == where


def test_a_missing_model_is_not_taken_for_version_0():
    with pytest.raises(InputError, match="required"):
        normalize({"training": MINIMAL["training"], "learning_rate": {}})


def test_yaml_and_json_give_the_same(tmp_path):
    yaml = pytest.importorskip("yaml")
    (tmp_path / "a.json").write_text(json.dumps(MINIMAL))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(MINIMAL))
    (tmp_path / "a.yml").write_text(yaml.safe_dump(MINIMAL))
    configs = [load_input(tmp_path / name) for name in ("a.json", "a.yaml", "a.yml")]
    assert configs[0] == configs[1] == configs[2] == normalize(MINIMAL)


def test_yaml_reads_numbers_and_names_as_people_mean_them(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "a.yaml"
    path.write_text("a: 1e-3\nb: [No, Y, O]\nc: true\nd: 1.0E5\ne: .5\nf: 3\ng: null\nh: -2.e+1\n")
    assert read_input(path) == {
        "a": 1e-3, "b": ["No", "Y", "O"], "c": True, "d": 1e5, "e": 0.5, "f": 3, "g": None, "h": -20.0,
    }  # fmt: skip


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode())
    assert load_input(path) == normalize(MINIMAL)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"a": 1,\n "b": }', r"line 2, column 7"),
        ("a.json", '{"a": 1,\n}', r"line 2, column 1.*comma|line 1.*comma"),
        ("a.json", '{"a": 1 // no\n}', "JSON has no comments"),
        ("a.json", "", "not valid JSON at line 1, column 1"),
        ("a.json", '{"a": 1, "a": 2}', 'key "a" is given twice'),
        ("a.json", '{"a": NaN}', "NaN"),
        ("a.json", "[1]", "dictionary"),
        ("a.json", b"\xff\xfe{}", "UTF-8"),
        ("a.yaml", "a: [1\nb: 2\n", "line 2"),
        ("a.yaml", "a: 1\na: 2\n", 'line 2, column 1: the key "a" is given twice'),
        ("a.yaml", "", "nothing"),
        ("a.yaml", "a: !!python/object:os.system x\n", "not valid YAML"),
        ("a.txt", "{}", ".json, .yaml or .yml"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path, name, text, message):
    if name.endswith(".yaml"):
        pytest.importorskip("yaml")
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        load_input(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such input file") as caught:
        load_input(tmp_path / "none.json")
    assert "none.json" in str(caught.value)


def test_an_error_in_a_file_names_key_and_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(changed({"model/descriptor/rcut": -1})))
    with pytest.raises(InputError, match=r"^model/descriptor/rcut: .*a\.json"):
        load_input(path)
