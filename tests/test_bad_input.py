# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whatever is wrong with an input: one message that names it, no trace, no half-written file.

The kinds are in ``bad_input/``.  Each command runs in a fresh copy of a folder in which it would succeed.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from make_input import changed

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from bad_input import arrays, commands, compress, data, deep_pot, input_file, later, models, tensors
from bad_input.case import EVERYTHING, INPUT, make_folder
from dpcore.cli import main
from dpcore.config import InputError, normalize
from dpcore.infer import DeepPot
from dpcore.modelfile import read_model

CASES = {
    **{**input_file.CASES, **data.CASES, **arrays.CASES, **models.CASES, **commands.CASES},
    **{**compress.CASES, **tensors.CASES, **later.CASES},
}
SLOW = 20.0  # seconds; every refusal takes a fraction of one
# what a run that stops later may have written before, each as a whole
WRITTEN_BEFORE = {"out.json", "lcurve.out", "input_v2_compat.json", "full"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("good"), os.getcwd()
    os.chdir(folder)
    try:
        tensors.make_folder(folder)  # first: model.ckpt is that of the others
        make_folder(folder)
        later.make_folder(folder)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(template, tmp_path, monkeypatch):
    """A copy of the good folder, as the current one."""
    copy = tmp_path / "case"
    shutil.copytree(template, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture(scope="module")
def potentials(template):
    return DeepPot(template / "model.dp"), DeepPot(template / "parameters.dp")


def contents(folder):
    """Every file below a folder and its bytes; of links and pipes, that they are there."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(parent, name)
            plain = os.path.isfile(path) and not os.path.islink(path)
            found[os.path.relpath(path, folder)] = Path(path).read_bytes() if plain else None
    return found


def assert_says(message, expect):
    for part in expect:
        assert part in message, f"expected {part!r} in: {message}"


def test_there_are_hundreds_of_kinds():
    assert len(CASES) + len(deep_pot.CALLS) + len(deep_pot.PARAMETER_CALLS) >= 300


def test_the_good_folder_is_good(folder):
    assert main(["train", "input.json", "--restart", "model.ckpt"]) == 0
    assert main(["train", "input.json", "--init-frz-model", "model.dp"]) == 0
    assert main(["test", "-m", "model.dp", "-s", "data", "-d", "detail"]) == 0
    assert main(["train", "all.json"]) == 0


@pytest.mark.parametrize("name", CASES)
def test_commands_refuse(name, folder, capfd):
    if name.startswith("graph: ") and not models.GRAPH.is_file():
        pytest.skip(f"no reference models beside {models.GRAPH}")
    case = CASES[name]
    case.prepare(folder)
    before = contents(folder)
    begin = time.perf_counter()
    code = main(list(case.words))
    assert time.perf_counter() - begin < SLOW
    out, err = capfd.readouterr()
    assert code == case.code, err
    assert out == "" and "Traceback" not in err and "mistake in dpcore" not in err
    assert_says(err if code == 2 else err[err.index("DPCORE ERROR") :], case.expect)
    assert err.count("DPCORE ERROR") == (code == 1)
    after = contents(folder)
    assert {path: after.get(path) for path in before} == before
    new = set(after) - set(before)
    assert new <= WRITTEN_BEFORE
    assert all(json.loads(after[path]) for path in new if path.endswith(".json"))


@pytest.mark.parametrize("name", deep_pot.CALLS)
def test_arguments_are_refused(name, potentials):
    arguments, expect = deep_pot.CALLS[name]
    with pytest.raises(ValueError) as caught:
        potentials[0].eval(**{**deep_pot.GOOD, **arguments})
    assert_says(str(caught.value), expect)


@pytest.mark.parametrize("name", deep_pot.PARAMETER_CALLS)
def test_parameters_are_refused(name, potentials):
    arguments, expect = deep_pot.PARAMETER_CALLS[name]
    with pytest.raises(ValueError) as caught:
        potentials[1].eval(**{**deep_pot.GOOD, **deep_pot.PARAMETERS, **arguments})
    assert_says(str(caught.value), expect)


@pytest.mark.parametrize("name", deep_pot.EMPTY)
def test_no_frames_and_no_atoms_are_fine(name, potentials):
    arguments, n_frames, n_atoms = deep_pot.EMPTY[name]
    result = potentials[0].eval(**{**deep_pot.GOOD, **arguments}, atomic=True)
    shapes = [
        (n_frames, 1),
        (n_frames, n_atoms, 3),
        (n_frames, 9),
        (n_frames, n_atoms, 1),
        (n_frames, n_atoms, 9),
    ]
    assert [array.shape for array in result] == shapes
    assert not any(array.any() for array in result)


def test_a_model_works_on_after_errors(potentials):
    model = potentials[0]
    expected = model.eval(**deep_pot.GOOD)
    for arguments, _ in deep_pot.CALLS.values():
        with pytest.raises(ValueError):
            model.eval(**{**deep_pot.GOOD, **arguments})
        for one, other in zip(model.eval(**deep_pot.GOOD), expected):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "expect"),
    [
        ("none.dp", ["none.dp: no such model file", "looked for in"]),
        ("data", ["data: this is a folder"]),
        ("x" * 5000, ["cannot be read", "too long"]),
        ("a\0b", ["no such model file"]),
        ("input.json", ["input.json", "JSON text"]),
    ],
    ids=["missing", "folder", "long", "null", "json"],
)
def test_files_that_are_no_models(name, expect, folder):
    with pytest.raises(ValueError) as caught:
        DeepPot(name)
    assert_says(str(caught.value), expect)


@pytest.mark.parametrize("keyword", [{"auto_batchsize": 3}, {"head": "water"}])
def test_unknown_keywords_of_the_constructor(keyword, folder):
    with pytest.raises(TypeError, match=f'unexpected keyword "{next(iter(keyword))}"'):
        DeepPot("model.dp", **keyword)


def test_more_neighbours_than_sel_are_an_error_on_request(folder, monkeypatch, capfd):
    models.rewrite({"config": lambda text: text.replace('"sel": [10, 20]', '"sel": [10, 1]')})(folder)
    assert main(["test", "-m", "model.dp", "-s", "data"]) == 0  # a warning
    monkeypatch.setenv("DP_STRICT_SEL", "1")
    assert main(["test", "-m", "model.dp", "-s", "data"]) == 1
    err = capfd.readouterr().err
    assert_says(
        err[err.index("DPCORE ERROR") :], ["data/set.000", "more neighbours than the model's sel", "type H"]
    )


def test_no_object_is_unpickled(folder):
    data.CASES["array: objects, not unpickled"].prepare(folder)
    assert main(["train", "input.json"]) == 1
    assert not (folder / "unpickled").exists()
    np.load("data/set.000/force.npy", allow_pickle=True)
    assert (folder / "unpickled").exists()  # the object is as bad as it claims to be


def test_every_key_with_every_strange_value_is_right_or_refused_by_key():
    """No other exception, and what is let through is JSON and normalises to itself."""
    part = {"training/validation_data": {"systems": ["valid"]}}
    config = normalize(changed({**EVERYTHING, **part}, INPUT))
    refused = 0
    for key, value, given in input_file.every_input_with_a_strange_value(config):
        try:
            found = normalize(given)
        except InputError as error:
            refused += 1
            assert error.where is not None, (key, value, error)
        else:
            json.dumps(found, allow_nan=False)
            assert normalize(found) == found, (key, value)
    assert refused > 1000


@pytest.mark.parametrize("name", ["model.dp", "model.ckpt-2"])
def test_random_damage_of_a_model_file_is_noticed(name, folder):
    content = (folder / name).read_bytes()
    rng = np.random.RandomState(7)
    for _ in range(150):
        damaged = bytearray(content)
        for at in rng.randint(len(content), size=rng.randint(1, 4)):
            damaged[at] ^= 1 << rng.randint(8)
        cut = rng.randint(len(content)) if rng.rand() < 0.3 else len(content)
        if damaged[:cut] == content:
            continue
        (folder / "damaged").write_bytes(damaged[:cut])
        with pytest.raises(InputError, match="damaged"):
            read_model("damaged")


def test_the_process_itself_ends_with_the_code_and_the_message(folder):
    """Not only the function: the process, with its standard error."""
    words = [sys.executable, "-m", "dpcore.cli", "test", "-m", "model.dp", "-s", "none"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == "DPCORE ERROR   none: no such folder"
