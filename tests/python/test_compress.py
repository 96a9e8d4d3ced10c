# SPDX-License-Identifier: LGPL-3.0-or-later
"""dp compress: what it writes, prints and refuses, and that every interface takes the result."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from reference.agreement import (
    QUANTITIES,
    SINGLE_PRECISION,
    reference_folder,
    reference_values,
    relative_error,
)
from training_case import dp, make_case, read_curve
from where import ON_HOST

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import _core
from dpcore.infer import DeepPot, DeepPotential

# reference models of which DeePMD-kit's compressed form was evaluated
COMPRESSED = (
    "se_e2_a",
    "se_e2_a_exclude",
    "se_e2_a_gelu",
    "se_e2_a_softplus",
    "se_e2_a_davg0_atomener",
    "se_e2_a_f32",
    "fparam",
    "aparam",
    "nopbc",
    "se_e2_r",
    "hybrid",
)


def tensors_of(path):
    return _core.read_model_file(str(path))[1]


def metadata_of(path):
    return _core.read_model_file(str(path))[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with input.json, its data, a checkpoint, and model.dp."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_case(folder)
        assert dp("train", "input.json") == 0 and dp("freeze", "-o", "model.dp") == 0
        assert dp("compress", "-i", "model.dp", "-o", "c.dp") == 0
    return folder


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def table_of_errors(text):
    """{kind: [energy, force, virial, frames]} as printed."""
    lines = re.findall(r"(like training|random|pairs) +(\S+) +(\S+) +(\S+) +(\d+)$", text, re.MULTILINE)
    return {kind: [float(number) for number in numbers] for kind, *numbers in lines}


# ---- against DeePMD-kit -------------------------------------------------------


@pytest.fixture(params=["as evaluated", "by tables"])
def way(request, monkeypatch):
    """As compressed models are evaluated, by polynomials on pieces if they may be; and by their tables in any case."""
    monkeypatch.setenv("DP_EXACT_NETS", "0" if request.param == "as evaluated" else "1")


@pytest.mark.parametrize("name", COMPRESSED)
def test_agrees_with_what_deepmd_kit_compresses(name, tmp_path, way):
    """Same step, same range: its compressed outputs, and our original; graphs are taken as they are."""
    pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")
    graph, values = reference_folder(name) / "graph.pb", reference_values(name)
    path = tmp_path / "c.dp"
    assert dp("compress", "-i", graph, "-o", path, "-s", 0.01, "-e", 5) == 0
    parameters = {key: values.get(key) for key in ("fparam", "aparam")}
    arguments = (values["coord"], values.get("box"), values["type"])
    found, original = (
        dict(zip(QUANTITIES, _in_order(DeepPot(p).eval(*arguments, atomic=True, **parameters))))
        for p in (path, graph)
    )
    single = name in SINGLE_PRECISION
    for key in QUANTITIES:
        # its float32 tables, with nodes in float32, are 6e-5 from its own original; ours are not
        assert relative_error(found[key], values[f"c_{key}"]) <= (1e-4 if single else 1e-10), key
        for others in (values, original):
            assert relative_error(found[key], others[key]) <= (1e-5 if single else 1e-10), key


@pytest.mark.parametrize("name", ["dipole_atomic", "dipole_global", "polar_atomic", "polar_global"])
def test_models_of_tensors(name, tmp_path, capfd, way):
    """The tables give tensors and their derivatives as DeePMD-kit's nets do."""
    pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")
    graph, values = reference_folder(name) / "graph.pb", reference_values(name)
    assert dp("compress", "-i", graph, "-o", tmp_path / "c.dp") == 0
    assert f"of the {name.split('_')[0]} in place of the energy" in capfd.readouterr().err
    model = DeepPotential(tmp_path / "c.dp")
    assert model.compressed
    found = model.eval_full(values["coord"], values.get("box"), values["type"], atomic=True)
    for key, value in zip(("tensor", "force", "virial", "atom_tensor", "atom_virial"), found):
        assert relative_error(value, values[key]) <= 1e-10, key


def _in_order(results):
    """Results of eval in the order of QUANTITIES."""
    by_name = dict(zip(("energy", "force", "virial", "atom_energy", "atom_virial"), results))
    return [by_name[key] for key in QUANTITIES]


# ---- the command ---------------------------------------------------------------


def test_file_holds_the_original_and_the_recipe(here):
    original, compressed = tensors_of("model.dp"), tensors_of("c.dp")
    assert original.keys() == compressed.keys()
    assert all(np.array_equal(original[key], compressed[key]) for key in original)
    metadata = metadata_of("c.dp")
    assert metadata["model_type"] == "compressed_model" and "model_type" not in metadata_of("model.dp")
    stored = json.loads(metadata_of("model.dp")["training"])["min_nbor_dist"]
    assert json.loads(metadata["config"])["descriptor"]["compress"] == {
        "min_nbor_dist": stored, "step": 0.01, "extrapolate": 5, "check_frequency": -1, "outside": "net",
    }  # fmt: skip
    training = json.loads(metadata["training"])
    assert [d["kind"] for d in training["compression"]["deviation"]] == ["like training", "random", "pairs"]


def test_every_option_reaches_the_file(here, tmp_path):
    words = [
        "-s",
        "0.02",
        "-e",
        "3",
        "-f",
        "100",
        "--outside",
        "linear",
        "-c",
        ".",
        "-m",
        "master",
        "--head",
        "a",
    ]
    assert dp("compress", "-i", "model.dp", "-o", tmp_path / "o.dp", *words) == 0
    recipe = json.loads(metadata_of(tmp_path / "o.dp")["config"])["descriptor"]["compress"]
    del recipe["min_nbor_dist"]
    assert recipe == {"step": 0.02, "extrapolate": 3, "check_frequency": 100, "outside": "linear"}


def test_errors_are_printed_and_real(here, tmp_path, capfd):
    """The printed force error is that of the frames evaluated again; the nets and the cut-off are reached."""
    from dpcore.compression_error import make_probes
    from dpcore.modelfile import read_model

    assert dp("compress", "-i", "model.dp", "-o", tmp_path / "o.dp", "-s", 0.5, "--tol", 1) == 0
    printed = table_of_errors(capfd.readouterr().err)
    file, other = read_model("model.dp"), read_model(tmp_path / "o.dp")
    distance = file.training["min_nbor_dist"]
    probes = make_probes(file, file.model(), distance)
    for kind in ("like training", "random", "pairs"):
        worst = [0.0, 0.0, 0.0]
        for probe in (p for p in probes if p.kind == kind):
            one, two = probe.evaluate(file.model()), probe.evaluate(other.model())
            n = len(probe.types)
            for k, (key, scale) in enumerate((("energy", n), ("force", 1), ("virial", 1))):
                worst[k] = max(worst[k], np.abs(one[key] - two[key]).max() / scale)
        assert printed[kind][:3] == pytest.approx(worst, rel=0.06)
        assert printed[kind][3] == sum(len(p.coord) for p in probes if p.kind == kind)
        assert worst[1] > 1e-9
    shortest = min(_distances(p) for p in probes if p.kind == "like training")
    assert shortest == pytest.approx(distance, rel=1e-9)
    assert min(_distances(p) for p in probes if p.kind == "random") >= 0.8 * distance


@pytest.mark.skipif(not ON_HOST, reason="pieces are for CPUs")
def test_errors_are_those_of_the_tables(here, tmp_path, capfd, monkeypatch):
    """Of the steps, that is, though evaluation takes polynomials on pieces, whose error has a line of its own."""
    from dpcore.compression_error import deviations, make_probes, worst_force
    from dpcore.modelfile import read_model

    file, printed = read_model("model.dp"), {}
    probes = make_probes(file, file.model(), file.training["min_nbor_dist"])
    for word in ("0", "1"):
        monkeypatch.setenv("DP_EXACT_NETS", word)
        assert dp("compress", "-i", "model.dp", "-o", tmp_path / "o.dp") == 0
        printed[word] = capfd.readouterr().err
    nets, tables = file.model(), read_model(tmp_path / "o.dp").model()
    expected = {d.kind: d for d in deviations(nets, tables, probes)}
    for text in printed.values():
        for kind, found in table_of_errors(text).items():
            e = expected[kind]
            assert found[:3] == [float(f"{x:.1e}") for x in (e.energy, e.force, e.virial)], kind
    monkeypatch.setenv("DP_EXACT_NETS", "0")
    evaluated = deviations(nets, read_model(tmp_path / "o.dp").model(), probes)
    assert [d.force for d in evaluated] != [d.force for d in expected.values()]
    line = f"takes polynomials on pieces for the fine steps: force error {worst_force(evaluated):.1e} eV/A"
    assert line in printed["0"] and "polynomials" not in printed["1"]


def _distances(probe):
    """The shortest distance between two atoms of the frames, images included."""
    least = np.inf
    for coord, box in zip(probe.coord, probe.box):
        cell = box.reshape(3, 3)
        delta = (coord.reshape(-1, 1, 3) - coord.reshape(1, -1, 3)) @ np.linalg.inv(cell)
        r = np.linalg.norm((delta - np.round(delta)) @ cell, axis=-1)
        np.fill_diagonal(r, np.inf)
        least = min(least, r.min())
    return least


def test_tolerance_chooses_the_step(here, tmp_path, capfd):
    steps = {}
    for tolerance in (1e-4, 1e-8, 1e-10):
        assert dp("compress", "-i", "model.dp", "-o", tmp_path / "o.dp", "--tol", tolerance) == 0
        steps[tolerance] = json.loads(metadata_of(tmp_path / "o.dp")["config"])["descriptor"]["compress"][
            "step"
        ]
        worst = max(numbers[1] for numbers in table_of_errors(capfd.readouterr().err).values())
        assert worst <= tolerance
    assert steps[1e-4] > steps[1e-8] >= steps[1e-10]


def test_errors_above_the_tolerance_are_refused(here, tmp_path, capfd):
    for words in (["-s", "0.5"], ["-s", "0.01", "--tol", "1e-18"], ["--tol", "1e-18"]):
        assert dp("compress", "-i", "model.dp", "-o", tmp_path / "o.dp", *words) == 1
        assert "is above the tolerance" in capfd.readouterr().err and not (tmp_path / "o.dp").exists()


def test_twice_is_refused(here, tmp_path, capfd):
    assert dp("compress", "-i", "c.dp", "-o", tmp_path / "o.dp") == 1
    assert "c.dp: is compressed already" in capfd.readouterr().err and not (tmp_path / "o.dp").exists()


def test_undo_gives_the_original_back(here, tmp_path):
    assert dp("compress", "-i", "c.dp", "-o", tmp_path / "o.dp", "--undo") == 0
    assert (tmp_path / "o.dp").read_bytes() == (here / "model.dp").read_bytes()


@pytest.mark.parametrize("words", [["-t", "input.json"], ["input.json"]], ids=" ".join)
def test_training_script_gives_the_distance(here, tmp_path, words):
    """The manual's two ways to name it; the data give what training stored."""
    metadata = metadata_of("model.dp")
    training = json.loads(metadata["training"])
    stored = training.pop("min_nbor_dist")
    _core.write_model_file(
        str(tmp_path / "m.dp"), {**metadata, "training": json.dumps(training)}, tensors_of("model.dp")
    )
    assert dp("compress", *words, "-i", tmp_path / "m.dp", "-o", tmp_path / "o.dp") == 0
    recipe = json.loads(metadata_of(tmp_path / "o.dp")["config"])["descriptor"]["compress"]
    assert recipe["min_nbor_dist"] == stored


# ---- the other commands --------------------------------------------------------


def test_training_starts_from_it_as_from_the_original(here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path)
    curves = []
    for name in ("model.dp", "c.dp"):
        assert dp("train", "input.json", "--init-frz-model", here / name) == 0
        curves.append(read_curve())
        assert dp("freeze", "-o", f"next_{name}") == 0
    assert np.array_equal(curves[0], curves[1])
    one, other = tensors_of("next_model.dp"), tensors_of("next_c.dp")
    assert all(np.array_equal(one[key], other[key]) for key in one)
    assert "model_type" not in metadata_of("next_c.dp")
    assert "compress" not in json.loads(metadata_of("next_c.dp")["config"])["descriptor"]


def test_test_and_potential_say_what_it_is(here, capfd):
    results = {}
    for name, compressed in (("model.dp", False), ("c.dp", True)):
        assert dp("test", "-m", name, "-s", "valid") == 0
        text = capfd.readouterr().err
        assert (f"# compressed model: {name}" in text) == compressed
        results[name] = re.findall(r"RMSE.*: (\S+) eV", text)
        potential = DeepPot(name)
        assert potential.compressed == compressed == ("compressed" in repr(potential))
    assert results["model.dp"] and results["model.dp"] == results["c.dp"]


def test_verify_passes_through_programs_and_libraries(here):
    """Python, C++ and C with a compressed model give the same numbers."""
    assert dp("verify", "-m", "c.dp", "-c", "Python", "-c", "C++", "-c", "C") == 0


def test_atoms_nearer_than_the_tables_are_told_of_once(here, tmp_path, capfd):
    assert dp("compress", "-i", "model.dp", "-o", tmp_path / "o.dp", "-e", 1) == 0
    potential, original = DeepPot(tmp_path / "o.dp"), DeepPot("model.dp")
    coord = np.array([[0.0, 0, 0, 0.7, 0, 0]])
    for _ in range(2):
        found, expected = (p.eval(coord, None, [0, 1]) for p in (potential, original))
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    text = capfd.readouterr().err
    assert (
        text.count("2 neighbour(s) of atoms were nearer than the tables") == 1 and "the nearest 0.7 A" in text
    )
