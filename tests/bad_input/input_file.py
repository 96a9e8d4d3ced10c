# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad input files of training."""

from __future__ import annotations

import json

from bad_input.case import INPUT, Case, replaced_by_folder, write, write_input
from make_input import changed

D, F, T, TD = "model/descriptor", "model/fitting_net", "training", "training/training_data"
L, V = "learning_rate", "training/validation_data"
NAN, INF = float("nan"), float("inf")


def _raw(text, *expect, name="input.json"):
    return Case(["train", name], [name, *expect], write(name, text))


FILES = {
    "no such file": Case(["train", "none.json"], ["none.json: no such input file"]),
    "a folder": Case(["train", "x.json"], ["x.json: cannot be read"], replaced_by_folder("x.json")),
    "unknown suffix": Case(
        ["train", "input.txt"], ["input.txt", ".json, .yaml or .yml"], write("input.txt", json.dumps(INPUT))
    ),
    "no suffix": Case(
        ["train", "input"], ["input: expected a file whose name ends in"], write("input", "{}")
    ),
    "empty": _raw("", "not valid JSON at line 1, column 1"),
    "a number": _raw("3", "expected a dictionary of sections", "got a int"),
    "a list": _raw("[1]", "expected a dictionary of sections", "got a list"),
    "null": _raw("null", "expected a dictionary of sections", "got nothing"),
    "not UTF-8": _raw(b'{"model": "\xff"}', "is not UTF-8 text (byte 11)"),
    "trailing comma": _raw(
        '{"model": {\n  "a": 1,\n}}', "line 3, column 1", "a comma before the closing bracket?"
    ),
    "missing comma": _raw('{"a": 1\n "b": 2}', "line 2, column 2", '"b": 2'),
    "a comment": _raw('{\n// rcut\n"a": 1}', "line 2, column 1", "JSON has no comments"),
    "cut off": _raw('{"model": {"type_map": ["O"', "not valid JSON at line 1"),
    "single quotes": _raw("{'model': 1}", "line 1, column 2", "double quotes"),
    "True of Python": _raw('{"a": True}', "line 1, column 7"),
    "a key twice": _raw('{"model": 1, "model": 2}', 'the key "model" is given twice'),
    "NaN": _raw('{"a": NaN}', "NaN is not a number that JSON knows"),
    "an integer of 5000 digits": _raw('{"a": ' + "1" * 5000 + "}", "thousands of digits"),
    "nested deeply": _raw("[" * 500 + "]" * 500, "input.json"),
    "nested deeply in a section": _raw('{"a":' * 300 + "1" + "}" * 300, "nested too deeply"),
    "nested beyond the parser": _raw("[" * 100000, "nested too deeply"),
    "YAML with a tab": _raw("model:\n\t a: 1", "line 2, column 1", name="i.yaml"),
    "YAML with a key twice": _raw("a: 1\na: 2", "line 2, column 1", "given twice", name="i.yaml"),
    "YAML with a list as key": _raw("? [a]\n: 1", "line 1, column 3", "has to be text", name="i.yaml"),
    "YAML that contains itself": _raw("model: &a\n  x: *a\n", "nested too deeply", name="i.yaml"),
    "YAML that runs code": _raw(
        'a: !!python/object/apply:os.mkdir ["hacked"]', "line 1, column 4", "python/object", name="i.yaml"
    ),
    "YAML that blows up": _raw(
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(9 * ['*' + a])}]\n" for a, b in zip("abcdef", "bcdefg")),
        "holds more than 1000000 values",
        name="i.yaml",
    ),
    "YAML with an unknown alias": _raw("a: *b", "undefined alias", name="i.yaml"),
    "YAML of two documents": _raw("a: 1\n---\nb: 2", "line 2", "another document", name="i.yaml"),
    "YAML with a wrong number": _raw(
        "a: !!int x", "line 1, column 4", '"x" cannot be read as int', name="i.yaml"
    ),
    "YAML, empty": _raw("", "expected a dictionary of sections", name="i.yml"),
}


def _key(changes, where, *expect):
    return Case(["train", "input.json"], [f"{where}: ", *expect], lambda folder: write_input(folder, changes))


def _flat(folder):
    write_input(folder, base={"use_smooth": True, "sel_a": [1, 2], "rcut": 4.0, "rcut_smt": 1.0})


KEYS = {
    # keys
    "misspelt section": _key({"modle": {}}, "modle", 'Did you mean "model"?'),
    "misspelt key": _key({f"{D}/rcut_smt": 0.5}, f"{D}/rcut_smt", 'Did you mean "rcut_smth"?'),
    "misspelt key of the fitting net": _key({f"{F}/nueron": [2]}, f"{F}/nueron", 'Did you mean "neuron"?'),
    "misspelt key of training": _key({f"{T}/save_frq": 2}, f"{T}/save_frq", 'Did you mean "save_freq"?'),
    "misspelt key of the data": _key({f"{TD}/sytems": ["a"]}, f"{TD}/sytems", 'Did you mean "systems"?'),
    "misspelt key of the rate": _key({f"{L}/stop_rl": 1}, f"{L}/stop_rl", 'Did you mean "stop_lr"?'),
    "misspelt key of the loss": _key({"loss/start_pref_g": 1}, "loss/start_pref_g", "unknown key"),
    "key of another section": _key({"model/rcut": 6.0}, "model/rcut", "It belongs to model/descriptor"),
    "key of nowhere": _key({f"{D}/zzz": 1}, f"{D}/zzz", "unknown key", "Known here: "),
    "key under two names": _key({f"{T}/stop_batch": 3}, f"{T}/numb_steps", "given twice", '"stop_batch"'),
    "misspelt key of version 0": Case(
        ["train", "input.json"], ["rcut_smt: ", 'Did you mean "rcut_smth"?'], _flat
    ),
    # sections
    "no model": _key({"model": ...}, "model", "required and missing"),
    "no training": _key({"training": ...}, "training", "required and missing"),
    "no descriptor": _key({D: ...}, D, "required and missing"),
    "no fitting net": _key({F: ...}, F, "required and missing"),
    "no training data": _key({TD: ...}, TD, "required and missing"),
    "no systems": _key({f"{TD}/systems": ...}, f"{TD}/systems", "required and missing"),
    "no steps": _key({f"{T}/numb_steps": ...}, f"{T}/numb_steps", "required and missing"),
    "model is a list": _key({"model": [1]}, "model", "expected a section", "got [1]"),
    "descriptor is text": _key({D: "se_e2_a"}, D, "expected a section", '"se_e2_a"'),
    "validation is text": _key({V: "valid"}, V, "expected a section", '"valid"'),
    # kinds
    "no kind of descriptor": _key({f"{D}/type": ...}, f"{D}/type", "is missing", "se_e2_a"),
    "misspelt descriptor": _key({f"{D}/type": "se_e2a"}, f"{D}/type", 'Did you mean "se_e2_a"?'),
    "hybrid without a list": _key({D: {"type": "hybrid"}}, f"{D}/list", "required and missing"),
    "hybrid with an empty list": _key({D: {"type": "hybrid", "list": []}}, f"{D}/list", "at least one"),
    "hybrid of text": _key(
        {D: {"type": "hybrid", "list": ["se_a"]}}, f"{D}/list/0", "expected a section", '"se_a"'
    ),
    "hybrid of hybrid": _key(
        {D: {"type": "hybrid", "list": [{"type": "hybrid"}]}},
        f"{D}/list/0/type",
        "not supported",
        "se_e2_a, se_e2_r",
    ),
    "misspelt key in a part": _key(
        {D: {"type": "hybrid", "list": [{"type": "se_r", "rcutt": 4.0}]}},
        f"{D}/list/0/rcutt",
        'Did you mean "rcut"?',
    ),
    "sel of one type in a part": _key(
        {D: {"type": "hybrid", "list": [{"type": "se_r"}, {"type": "se_r", "sel": [4]}]}},
        f"{D}/list/1/sel",
        "each of the 2 types",
    ),
    "axis_neuron of se_e2_r": _key(
        {D: {"type": "se_e2_r", "axis_neuron": 4}}, f"{D}/axis_neuron", "unknown key"
    ),
    "later descriptor": _key({f"{D}/type": "dpa1"}, f"{D}/type", '"dpa1" is not supported', "se_e2_a"),
    "misspelt fitting net": _key({f"{F}/type": "enre"}, f"{F}/type", 'Did you mean "ener"?'),
    "later fitting net": _key({f"{F}/type": "dos"}, f"{F}/type", '"dos" is not supported', "ener"),
    "later loss": _key({"loss/type": "dos"}, "loss/type", '"dos" is not supported', "ener"),
    "kind of rate is a list": _key({f"{L}/type": ["exp"]}, f"{L}/type", 'got ["exp"]', "expected one of exp"),
    "later key": _key({"model/spin": {"use_spin": [True]}}, "model/spin", "is not supported by this version"),
    "unknown modifier": _key(
        {"model/modifier": {"type": "x"}}, "model/modifier/type", "one of dipole_charge"
    ),
    # descriptor
    "sel of one type too few": _key({f"{D}/sel": [10]}, f"{D}/sel", "each of the 2 types", "got 1: [10]"),
    "sel of one type too many": _key({f"{D}/sel": [1, 2, 3]}, f"{D}/sel", "each of the 2 types", "got 3"),
    "negative sel": _key({f"{D}/sel": [10, -1]}, f"{D}/sel", "got [10, -1]", "0 or above"),
    "sel of zeros": _key({f"{D}/sel": [0, 0]}, f"{D}/sel", "not all 0"),
    "sel beyond 32 bits": _key({f"{D}/sel": [2**32 + 10, 20]}, f"{D}/sel", "[4294967306, 20]", "2147483647"),
    "sel that sums beyond 32 bits": _key({f"{D}/sel": [2**31 - 1] * 2}, f"{D}/sel", "2147483647 together"),
    "sel of text": _key({f"{D}/sel": "atuo"}, f"{D}/sel", '"atuo"', '"auto:factor"'),
    "sel with a factor of 0": _key({f"{D}/sel": "auto:0"}, f"{D}/sel", '"auto:0"', "above 0"),
    "sel with a huge factor": _key(
        {f"{D}/sel": "auto:1e300"}, f"{D}/sel", "auto:1e300", "expected a factor near 1"
    ),
    "negative rcut": _key({f"{D}/rcut": -6.0}, f"{D}/rcut", "got -6.0", "above 0"),
    "rcut of text": _key({f"{D}/rcut": "6.0"}, f"{D}/rcut", 'got "6.0"', "number"),
    "rcut of true": _key({f"{D}/rcut": True}, f"{D}/rcut", "got true", "number"),
    "rcut of 400 digits": _key({f"{D}/rcut": 10**400}, f"{D}/rcut", "number above 0"),
    "rcut beyond single precision": _key({f"{D}/rcut": 1e300}, f"{D}/rcut", "got 1e+300", "3.4e+38"),
    "rcut of a whole box too many": _key(
        {f"{D}/rcut": 2000.0}, "data/set.000", "frame 0", "cut-off of 2000 A"
    ),
    "negative rcut_smth": _key({f"{D}/rcut_smth": -1}, f"{D}/rcut_smth", "got -1", "0 or above"),
    "rcut_smth at rcut": _key({f"{D}/rcut_smth": 4.0}, f"{D}/rcut_smth", "must be below rcut (4.0); got 4.0"),
    "rcut_smth above rcut": _key({f"{D}/rcut_smth": 5}, f"{D}/rcut_smth", "must be below rcut (4.0); got 5"),
    "no layers": _key({f"{D}/neuron": []}, f"{D}/neuron", "got []", "at least one layer width"),
    "layer of width 0": _key({f"{D}/neuron": [3, 0]}, f"{D}/neuron", "got [3, 0]", "above 0"),
    "layer of width 2.5": _key({f"{F}/neuron": [2.5]}, f"{F}/neuron", "got [2.5]", "integer"),
    "layer beyond 32 bits": _key({f"{F}/neuron": [10**12]}, f"{F}/neuron", "at most 2147483647"),
    "axis_neuron too large": _key(
        {f"{D}/axis_neuron": 7}, f"{D}/axis_neuron", "last width of neuron (6); got 7"
    ),
    "axis_neuron of 0": _key({f"{D}/axis_neuron": 0}, f"{D}/axis_neuron", "got 0", "above 0"),
    "unknown activation": _key(
        {f"{D}/activation_function": "tahn"}, f"{D}/activation_function", 'Did you mean "tanh"?'
    ),
    "unknown precision": _key({f"{F}/precision": "float46"}, f"{F}/precision", 'Did you mean "float64"?'),
    "resnet_dt of text": _key({f"{D}/resnet_dt": "no"}, f"{D}/resnet_dt", 'got "no"', "true or false"),
    "seed of text": _key({f"{D}/seed": "1"}, f"{D}/seed", 'got "1"', "integer"),
    "excluded type out of range": _key(
        {f"{D}/exclude_types": [[0, 2]]}, f"{D}/exclude_types", "pair [0, 2]", "types 0 to 1"
    ),
    "excluded types are no pairs": _key({f"{D}/exclude_types": [0, 1]}, f"{D}/exclude_types", "pairs"),
    "names of types twice": _key(
        {"model/type_map": ["O", "O"]}, "model/type_map", '["O", "O"]', "different names"
    ),
    "names of types in one text": _key({"model/type_map": "O H"}, "model/type_map", 'got "O H"', "list"),
    # fitting net
    "negative numb_fparam": _key({f"{F}/numb_fparam": -1}, f"{F}/numb_fparam", "got -1", "0 or above"),
    "atom_ener of one type too few": _key({f"{F}/atom_ener": [1.0]}, f"{F}/atom_ener", "2 types", "got 1"),
    "atom_ener of text": _key({f"{F}/atom_ener": ["a", 0]}, f"{F}/atom_ener", '["a", 0]', "energy in eV"),
    "atom_ener beyond all sums": _key(
        {f"{F}/atom_ener": [1e308, 1e308]}, f"{F}/atom_ener", "not finite", "eV"
    ),
    "trainable of wrong length": _key(
        {f"{F}/trainable": [True]}, f"{F}/trainable", "expected 3 values", "got 1"
    ),
    "trainable of numbers": _key({f"{F}/trainable": [1, 1, 1]}, f"{F}/trainable", "true, false"),
    "negative rcond": _key({f"{F}/rcond": -0.1}, f"{F}/rcond", "got -0.1", "0 or above"),
    # learning rate and loss
    "start_lr of 0": _key({f"{L}/start_lr": 0}, f"{L}/start_lr", "got 0", "above 0"),
    "negative stop_lr": _key({f"{L}/stop_lr": -1e-8}, f"{L}/stop_lr", "got -1e-08", "above 0"),
    "start_lr that single precision makes 0": _key(
        {f"{L}/start_lr": 1e-50}, f"{L}/start_lr", "got 1e-50", "1.2e-38"
    ),
    "decay_steps of 0": _key({f"{L}/decay_steps": 0}, f"{L}/decay_steps", "got 0", "above 0"),
    "two final rates": _key({f"{L}/decay_rate": 0.9}, f"{L}/decay_rate", "stop_lr", "keep one of the two"),
    "rate that grows beyond all numbers": _key(
        {f"{L}/stop_lr": ..., f"{L}/decay_rate": 10.0, f"{T}/numb_steps": 10**6},
        f"{L}/decay_rate",
        "10.0 makes the learning rate",
        "infinite",
    ),
    "prefactors of 0": _key(
        {f"loss/{edge}_pref_{term}": 0 for edge in ("start", "limit") for term in "ef"},
        "loss",
        "all prefactors are 0",
    ),
    "negative prefactor": _key({"loss/limit_pref_f": -1}, "loss/limit_pref_f", "got -1", "0 or above"),
    "prefactor beyond single precision": _key({"loss/start_pref_e": 1e300}, "loss/start_pref_e", "3.4e+38"),
    "relative_f of 0": _key({"loss/relative_f": 0}, "loss/relative_f", "got 0", "above 0"),
    # training
    "no steps at all": _key({f"{T}/numb_steps": 0}, f"{T}/numb_steps", "got 0", "above 0"),
    "steps of a float": _key({f"{T}/numb_steps": 1e6}, f"{T}/numb_steps", "got 1000000.0", "integer"),
    "steps of 400 digits": _key({f"{T}/numb_steps": 10**400}, f"{T}/numb_steps", "at most 2147483647"),
    "disp_freq of 0": _key({f"{T}/disp_freq": 0}, f"{T}/disp_freq", "got 0", "above 0"),
    "no name for the curve": _key({f"{T}/disp_file": " "}, f"{T}/disp_file", "must not be empty"),
    "null character in a name": _key({f"{T}/save_ckpt": "a\0b"}, f"{T}/save_ckpt", "null character"),
    "no folders": _key({f"{TD}/systems": []}, f"{TD}/systems", "got []", "at least one folder"),
    "systems of numbers": _key({f"{TD}/systems": [3]}, f"{TD}/systems", "got [3]", "folder"),
    "batch_size of 0": _key({f"{TD}/batch_size": 0}, f"{TD}/batch_size", "got 0", "above 0"),
    "batch_size of text": _key({f"{TD}/batch_size": "auto:x"}, f"{TD}/batch_size", '"auto:x"', '"auto:N"'),
    "batch_size of 50 digits": _key({f"{TD}/batch_size": "auto:" + "9" * 50}, f"{TD}/batch_size", '"auto:N"'),
    "batch_size of two systems": _key({f"{TD}/batch_size": [1, 2]}, f"{TD}/batch_size", "1 systems, got 2"),
    "auto_prob of another rule": _key({f"{TD}/auto_prob": "prob"}, f"{TD}/auto_prob", '"prob_uniform"'),
    "auto_prob beyond the systems": _key(
        {f"{TD}/auto_prob": "prob_sys_size;0:9:1"}, f"{TD}/auto_prob", "block 0:9", "the 1 systems"
    ),
    "sys_probs of wrong length": _key({f"{TD}/sys_probs": [0.5, 0.5]}, f"{TD}/sys_probs", "1 systems, got 2"),
    "sys_probs that do not sum to 1": _key(
        {f"{TD}/sys_probs": [0.3]}, f"{TD}/sys_probs", "sum to 0.3", "expected 1"
    ),
    "numb_btch of 0": _key({V: {"systems": ["valid"], "numb_btch": 0}}, f"{V}/numb_btch", "got 0", "above 0"),
    "curve over the input": _key(
        {f"{T}/disp_file": "input.json"}, f"{T}/disp_file", "overwrite the input file"
    ),
    "curve over a folder": _key({f"{T}/disp_file": "data"}, f"{T}/disp_file", "data is a folder"),
    "checkpoints over a file": _key(
        {f"{T}/save_ckpt": "model.dp"}, "model.dp", "choose another training/save_ckpt"
    ),
    "checkpoints below a file": _key(
        {f"{T}/save_ckpt": "model.dp/ckpt"}, "model.dp", "cannot make this folder"
    ),
    "auto without neighbours": _key(
        {f"{D}/sel": "auto", f"{D}/rcut": 0.2, f"{D}/rcut_smth": 0.1}, f"{D}/sel", "no atom", "give a list"
    ),
}

CASES = {
    **{f"file: {name}": case for name, case in FILES.items()},
    **{f"key: {name}": case for name, case in KEYS.items()},
}

# values put at every key in turn: each is right, or refused by key
STRANGE_VALUES = [
    *(None, True, -1, 0, 2.5, 10**400, NAN, INF, "", "x", "a\0", "auto:1e309", "prob_sys_size;0:1:1e400"),
    *([], {}, [-1, -1], ["a"], [[0, 1, 2]], object()),
]


def every_input_with_a_strange_value(config):
    """(key, value, input) for every key of a normalised input and every strange value; ``...``: no key."""

    def keys(section, path=""):
        for key, value in section.items():
            yield f"{path}{key}"
            if isinstance(value, dict):
                yield from keys(value, f"{path}{key}/")

    for key in keys(config):
        for value in [..., *STRANGE_VALUES]:
            yield key, value, changed({key: value}, config)
