# SPDX-License-Identifier: LGPL-3.0-or-later
"""DeepPot: shapes, orders, what it accepts and what it refuses."""

import logging
import pickle
import subprocess
import sys

import numpy as np
import pytest
from make_system import SHARED, random_frames

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

import dpcore
from dpcore.infer import DeepPot, DeepPotential
from make_model import write_model

TYPES = [0, 1, 1, 0]
N = len(TYPES)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return DeepPot(write_model(tmp_path_factory.mktemp("model") / "m.pb"))


@pytest.fixture(scope="module")
def with_parameters(tmp_path_factory):
    return DeepPot(write_model(tmp_path_factory.mktemp("model") / "m.pb", numb_fparam=2, numb_aparam=3))


@pytest.fixture
def frames():
    data = random_frames(3, N, seed=5)
    return data["coord"], data["box"]


# ---- what it returns -----------------------------------------------------------------------------


def test_shapes_and_sums(model, frames):
    energy, force, virial, atom_energy, atom_virial = model.eval(*frames, TYPES, atomic=True)
    assert energy.shape == (3, 1) and force.shape == (3, N, 3) and virial.shape == (3, 9)
    assert atom_energy.shape == (3, N, 1) and atom_virial.shape == (3, N, 9)
    assert all(a.dtype == np.float64 for a in (energy, force, virial, atom_energy, atom_virial))
    np.testing.assert_allclose(atom_energy.sum(axis=1), energy, rtol=1e-13)
    np.testing.assert_allclose(atom_virial.sum(axis=1), virial, atol=1e-13)
    short = model.eval(*frames, TYPES)
    assert len(short) == 3
    for one, other in zip(short, (energy, force, virial)):
        np.testing.assert_array_equal(one, other)


def test_forces_are_minus_the_derivative_of_the_energy(model, frames):
    coord, box = (array[:1] for array in frames)
    force = model.eval(coord, box, TYPES)[1].ravel()
    assert np.abs(force).max() > 1e-4
    h = 1e-4
    for k in range(3 * N):
        step = np.zeros(3 * N)
        step[k] = h
        plus, minus = (model.eval(coord + s, box, TYPES)[0].item() for s in (step, -step))
        assert force[k] == pytest.approx(-(plus - minus) / (2 * h), abs=1e-8)


@pytest.mark.parametrize("shape", [(3, N * 3), (3, N, 3), (3 * N * 3,)])
def test_coordinates_of_any_shape(model, frames, shape):
    expected = model.eval(*frames, TYPES)[1]
    np.testing.assert_array_equal(model.eval(frames[0].reshape(shape), frames[1], TYPES)[1], expected)
    cells = frames[1].reshape(3, 3, 3).tolist()
    np.testing.assert_array_equal(model.eval(frames[0].tolist(), cells, np.array(TYPES))[1], expected)


def test_frames_do_not_see_each_other_and_atoms_keep_their_order(model, frames):
    energy, force, virial = model.eval(*frames, TYPES)
    alone = model.eval(frames[0][1], frames[1][1], TYPES)
    np.testing.assert_allclose(alone[1][0], force[1], rtol=1e-12, atol=1e-14)
    order = np.array([2, 0, 3, 1])
    swapped = frames[0].reshape(3, N, 3)[:, order]
    result = model.eval(swapped, frames[1], np.array(TYPES)[order])
    np.testing.assert_allclose(result[0], energy, rtol=1e-13)
    np.testing.assert_allclose(result[1], force[:, order], atol=1e-13)
    np.testing.assert_allclose(result[2], virial, atol=1e-13)


def test_without_cell_images_are_not_seen(model, frames):
    coord = frames[0][:1].reshape(N, 3) - frames[0][:1].reshape(N, 3).mean(axis=0)
    free = model.eval(coord, None, TYPES)
    wide = model.eval(coord, np.diag([50.0] * 3), TYPES)
    for one, other in zip(free, wide):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert np.abs(free[0] - model.eval(coord, frames[1][0], TYPES)[0]).max() > 1e-8


def test_periodic_along_some_vectors_only(model, frames):
    """A slab is the crystal with a cell so high that its images do not meet."""
    coord, box = frames[0][:1], frames[1][:1]
    high = box.reshape(3, 3).copy()
    high[2] *= 10
    slab = model.eval(coord, box, TYPES, pbc=(True, True, False))
    for one, other in zip(slab, model.eval(coord, high, TYPES)):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert np.abs(slab[0] - model.eval(coord, box, TYPES)[0]).max() > 1e-8
    for one, other in zip(model.eval(coord, box, TYPES, pbc=[False] * 3), model.eval(coord, None, TYPES)):
        np.testing.assert_array_equal(one, other)
    for wrong in ((True, True), True, (1, 2, 0), ("x", "y", "z")):
        with pytest.raises(ValueError, match="pbc: expected three booleans"):
            model.eval(coord, box, TYPES, pbc=wrong)
    with pytest.raises(ValueError, match=r"pbc: got \[True, False, False\] without cells"):
        model.eval(coord, None, TYPES, pbc=(True, False, False))


def test_no_frames_and_no_atoms(model):
    energy, force, virial = model.eval(np.empty((0, 3 * N)), np.empty((0, 9)), TYPES)
    assert energy.shape == (0, 1) and force.shape == (0, N, 3) and virial.shape == (0, 9)
    energy, force, _ = model.eval(np.empty((2, 0)), None, [])
    assert energy.tolist() == [[0.0], [0.0]] and force.shape == (2, 0, 3)


def test_what_the_model_tells_of_itself(model, with_parameters):
    assert model.get_ntypes() == 2 and model.get_type_map() == ["O", "H"] and model.get_rcut() == 4.0
    assert (model.get_dim_fparam(), model.get_dim_aparam()) == (0, 0)
    assert (with_parameters.get_dim_fparam(), with_parameters.get_dim_aparam()) == (2, 3)
    assert model.model_type == "ener" and model.modifier_type is None and not model.has_efield
    assert isinstance(model.model_version, str)
    assert not model.has_fparam and with_parameters.has_fparam and with_parameters.has_aparam
    with pytest.raises(NotImplementedError):
        model.get_sel_type()


# ---- parameters ----------------------------------------------------------------------------------


def test_forms_of_parameters(with_parameters, frames):
    rng = np.random.default_rng(1)
    fparam, aparam = rng.random((3, 2)), rng.random((3, N, 3))

    def evaluate(f, a):
        return with_parameters.eval(*frames, TYPES, fparam=f, aparam=a)[0]

    expected = evaluate(fparam, aparam)
    np.testing.assert_array_equal(evaluate(fparam.ravel().tolist(), aparam.ravel()), expected)
    same_frame = evaluate(np.tile(fparam[0], (3, 1)), np.tile(aparam[0], (3, 1, 1)))
    np.testing.assert_array_equal(evaluate(fparam[0], aparam[0]), same_frame)
    same_atom = evaluate(fparam, np.tile(aparam[0, 0], (3, N, 1)))
    np.testing.assert_array_equal(evaluate(fparam, aparam[0, 0]), same_atom)
    assert np.abs(same_atom - expected).max() > 1e-8


def test_parameters_of_wrong_size(model, with_parameters, frames):
    good = {"fparam": np.zeros(2), "aparam": np.zeros(3)}
    cases = [
        ({"fparam": None}, r"fparam: the model needs 2 frame parameter\(s\), none were given"),
        ({"aparam": None}, r"aparam: the model needs 3 atomic parameter\(s\), none were given"),
        ({"fparam": np.zeros(5)}, r"fparam: expected 3\*2 numbers \(nframes\*d\) or 2 for all frames; got"),
        ({"aparam": np.zeros((2, 2))}, r"aparam: expected 3\*4\*3 numbers .* got shape \[2, 2\]"),
    ]
    for change, message in cases:
        with pytest.raises(ValueError, match=message):
            with_parameters.eval(*frames, TYPES, **{**good, **change})
    with pytest.raises(ValueError, match="fparam: the model takes no frame parameters"):
        model.eval(*frames, TYPES, fparam=[1.0])
    assert len(model.eval(*frames, TYPES, fparam=[], aparam=None)) == 3


# ---- what it refuses -----------------------------------------------------------------------------


def change(array, frame, index, value):
    out = array.copy()
    out[frame, index] = value
    return out


def test_arguments_that_cannot_be_used(model, frames):
    coord, box = frames
    cases = [
        ((coord[:, :-1], box, TYPES), r"coords: expected shape \[nframes, 4\*3\], got \[3, 11\]"),
        ((coord, box[:2], TYPES), r"cells: expected shape \[3, 9\] .* got \[2, 9\]"),
        ((coord, box, [0, 1, 1, 2]), "atom_types: atom 3 has type 2; the model knows types 0 to 1"),
        ((coord, box, [0, 1, 1, 0.5]), "atom_types: expected integers"),
        ((coord, box, ["O", "H", "H", "O"]), "atom_types: expected integers"),
        ((coord, box, [TYPES, TYPES, TYPES]), r"atom_types: .*got shape \[3, 4\]"),
        (("abc", box, TYPES), "coords: expected an array of numbers"),
        ((change(coord, 1, 7, np.nan), box, TYPES), r"frame 1.*atom 2"),
        ((change(coord, 2, 0, np.inf), None, TYPES), r"frame 2.*atom 0"),
        ((coord, change(box, 1, 4, np.nan), TYPES), r"frame 1"),
        ((coord, np.zeros((3, 9)), TYPES), r"frame 0"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            model.eval(*arguments)


def test_what_later_versions_may_have(model, frames):
    with pytest.raises(ValueError, match="efield"):
        model.eval(*frames, TYPES, efield=np.zeros((3, N, 3)))
    with pytest.raises(ValueError, match="mixed_type"):
        model.eval(*frames, TYPES, mixed_type=True)


def test_keywords_of_the_reference(tmp_path):
    path = write_model(tmp_path / "m.pb")
    DeepPot(str(path), load_prefix="x", default_tf_graph=True, auto_batch_size=True, head=None)
    with pytest.raises(
        TypeError, match='unexpected keyword "auto_batchsize". Did you mean "auto_batch_size"'
    ):
        DeepPot(path, auto_batchsize=4)
    assert isinstance(DeepPotential(path), DeepPot)
    assert dpcore.DeepPot is DeepPot


# ---- more ----------------------------------------------------------------------------------------


def test_too_many_neighbours_are_told_once(tmp_path, frames, caplog, monkeypatch):
    model = DeepPot(write_model(tmp_path / "m.pb", sel=(1, 1)))
    with caplog.at_level(logging.WARNING, "dpcore"):
        model.eval(*frames, TYPES)
        model.eval(*frames, TYPES)
    (record,) = caplog.records
    assert "more neighbours of a type than the model's sel [1, 1], by up to" in record.getMessage()
    monkeypatch.setenv("DP_STRICT_SEL", "1")
    with pytest.raises(ValueError, match="DP_STRICT_SEL"):
        model.eval(*frames, TYPES)


def test_a_model_can_be_pickled_without_its_file(tmp_path, frames):
    path = write_model(tmp_path / "m.pb")
    model = DeepPot(path)
    blob = pickle.dumps(model)
    path.unlink()
    copy = pickle.loads(blob)
    np.testing.assert_array_equal(copy.eval(*frames, TYPES)[1], model.eval(*frames, TYPES)[1])
    assert "m.pb" in repr(copy)


def test_importing_is_quick_and_quiet(tmp_path):
    code = (
        "import sys, dpcore; assert 'numpy' not in sys.modules; from dpcore.infer import DeepPot; "
        "assert not {'dargs', 'yaml', 'google.protobuf', 'matplotlib', 'tqdm'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.skipif(not (SHARED / "reference" / "se_e2_a").is_dir(), reason="no reference models")
def test_a_graph_of_the_reference_is_read_as_it_is(caplog):
    folder = SHARED / "reference" / "se_e2_a"
    reference = np.load(folder / "ref.npz")
    with caplog.at_level(logging.INFO, "dpcore"):
        model = DeepPot(folder / "graph.pb")
    assert [r.getMessage() for r in caplog.records if "converted in memory" in r.getMessage()]
    energy, force, _ = model.eval(reference["coord"], reference["box"], reference["type"])
    np.testing.assert_allclose(energy, reference["energy"], rtol=1e-12)
    np.testing.assert_allclose(force, reference["force"], atol=1e-10)
