# SPDX-License-Identifier: LGPL-3.0-or-later
"""Models that DeePMD-kit compresses give the same numbers here, also where atoms are nearer than the tables reach."""

import numpy as np
import pytest
from dpcore.infer import DeepPotential
from peer import make_cases
from peer.evaluate import evaluate
from peer.test_training_equality_peer import folder  # noqa: F401
from reference.agreement import QUANTITIES, reference_folder, reference_values, relative_error

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        make_cases.peer_command() is None,
        reason=f"DeePMD-kit is not installed in {make_cases.peer_environment()} (set DPCORE_PEER)",
    ),
]
# with tables of step 0.01; those with resnet_dt and type embedding are refused by the peer
REFERENCE = (
    "se_e2_a",
    "se_e2_a_exclude",
    "se_e2_a_f32",
    "se_e2_a_davg0_atomener",
    "fparam",
    "aparam",
    "nopbc",
    "se_e2_r",
    "se_e3",
    "hybrid",
    "dipole_atomic",
    "polar_global",
)
# steps that do not divide the range, where the peer takes rows that belong to other places
ODD = {
    "se_e2_a": ["-s", "0.03"],
    "se_e3": ["-s", "0.007", "-e", "3"],
    "se_e2_a_f32": ["-s", "0.05", "-e", "7"],
}
CASES = ("two_side_exclude", "se_e2_r", "se_e2_r_float32", "hybrid", "srtab_hybrid", "polar_matrix")
NAMES = ("energy", "force", "virial", "atom_energy", "atom_virial")


def compress(where, model, *words):
    """``dp compress`` of the peer."""
    words = ["--tf", "compress", "-i", str(model), "-o", "compressed.pb", *map(str, words)]
    make_cases.run([str(make_cases.peer_command()), *words], where)
    return where / "compressed.pb"


def results(path, frames):
    """What we give, under the peer's names; and whether atoms were outside of tables."""
    model = DeepPotential(path)
    assert model.compressed
    where = (frames["coord"], frames.get("box"), frames["type"])
    if model.model_type != "ener":
        return {"atomic": model.eval(*where)}, model
    given = {key: frames[key] for key in ("fparam", "aparam") if key in frames}
    return dict(zip(NAMES, model.eval(*where, atomic=True, **given))), model


def with_near_atoms(frames):
    """Six frames, in which an atom comes as near as 0.03 A to one of another type if there is one; without cell."""
    coord = np.repeat(frames["coord"][:1], 6, axis=0).reshape(6, -1, 3)
    other = int(np.argmax(frames["type"] != frames["type"][0])) or 1
    coord[:, other] = coord[:, 0] + np.array([0.03, 0.1, 0.2, 0.4, 0.6, 0.8])[:, None] * [0.36, 0.48, 0.8]
    out = {"coord": coord.reshape(6, -1), "type": frames["type"]}
    for key in ("fparam", "aparam"):
        if key in frames:
            out[key] = np.repeat(frames[key][:1], 6, axis=0)
    return out


def assert_same(path, frames, where, single):
    """Of float32 models forces of near atoms are large, and their rounding with them."""
    (expected,) = evaluate(where, frames, path.name)
    found, model = results(path, frames)
    for key, value in found.items():
        assert relative_error(value, expected[key]) <= (3e-5 if single else 1e-10), key
    return model


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_models(name, tmp_path):
    """Measured 9e-15 of forces, 2e-13 of virials; float32 2e-7."""
    values, path = reference_values(name), compress(tmp_path, reference_folder(name) / "graph.pb")
    single = name.endswith("f32")
    found, _ = results(path, values)
    for key in QUANTITIES if "energy" in found else ():
        assert relative_error(found[key], values[f"c_{key}"]) <= (1e-5 if single else 1e-10), key
    model = assert_same(path, with_near_atoms(values), tmp_path, single)
    if "energy" in found:
        assert model._model.outside_tables()["pairs"] > 0


@pytest.mark.parametrize("name", ODD)
def test_odd_steps(name, tmp_path):
    values = reference_values(name)
    path = compress(tmp_path, reference_folder(name) / "graph.pb", *ODD[name])
    assert_same(path, with_near_atoms(values), tmp_path, name.endswith("f32"))


@pytest.mark.parametrize("name", CASES)
def test_other_models(name, tmp_path, folder):  # noqa: F811
    case = make_cases.make_case(name, folder)
    (tmp_path / "table.txt").write_bytes((case / "table.txt").read_bytes())
    (tmp_path / "data").symlink_to(case / "data")
    path = compress(tmp_path, case / "start.pb", "-t", case / "input.json")
    frames = {key: np.load(case / "data" / "set.000" / f"{key}.npy") for key in ("coord", "box")}
    frames["type"] = np.loadtxt(case / "data" / "type.raw", dtype=np.int32)
    assert_same(path, frames, tmp_path, "float32" in name)
    if "srtab" not in name:
        assert_same(path, with_near_atoms(frames), tmp_path, "float32" in name)
