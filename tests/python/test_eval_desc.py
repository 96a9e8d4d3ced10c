# SPDX-License-Identifier: LGPL-3.0-or-later
"""Descriptors of atoms: eval_descriptor against the numpy oracle, and the files of dp eval-desc."""

import json
import resource
import signal
from unittest import mock

import numpy as np
import pytest
from gradcheck import make_config, make_tensors
from make_model import write_model, write_tensor_model
from make_system import make_system
from reference import se_e2_a as oracle
from reference.agreement import relative_error
from training_case import dp

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import _core
from dpcore.errors import InputError
from dpcore.eval_desc import _names, eval_desc
from dpcore.infer import DeepDipole, DeepPot
from dpcore.modelfile import read_model

TYPES = np.array([0, 1, 1, 0, 1], dtype=np.int32)


def frames(n_frames=3, seed=0):
    rng = np.random.RandomState(seed)
    box = np.tile((np.eye(3) * 5 + rng.uniform(-0.5, 0.5, (3, 3))).ravel(), (n_frames, 1))
    grid = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2], [2, 2, 2]]) + 0.3
    return (grid + rng.uniform(-0.3, 0.3, (n_frames, 5, 3))).reshape(n_frames, -1), box


def expected(path, coord, box, types):
    """The descriptors that the oracle gives its fitting net."""
    metadata, tensors = _core.read_model_file(str(path))
    config = json.loads(metadata["config"])
    out = []

    def keep(settings, tensors, centre, descriptor, fparam, aparam):
        out.append(descriptor)
        return 0.0, np.zeros_like(descriptor)

    with mock.patch.object(oracle, "fitting_energy", keep):
        for k, row in enumerate(coord):
            cell = None if box is None else box[k].reshape(3, 3)
            for i in range(len(types)):
                none = np.zeros((len(types), 0))
                oracle.atomic_energy(config, tensors, row.reshape(-1, 3), cell, types, i, none[0], none)
    return np.array(out).reshape(len(coord), len(types), -1)


@pytest.mark.parametrize(
    "descriptor",
    [
        {},
        {"type_one_side": False, "exclude_types": [[0, 1]]},
        {"sel": [1, 2]},
        {"precision": "float32"},
    ],
    ids=["one side", "two sides", "overflow", "float32"],
)
@pytest.mark.parametrize("periodic", [True, False])
def test_descriptors_are_those_of_the_oracle(tmp_path, descriptor, periodic):
    descriptor = dict(descriptor)
    path = write_model(tmp_path / "m.dp", sel=descriptor.pop("sel", (20, 20)), **descriptor)
    coord, box = frames()
    box = box if periodic else None
    found = DeepPot(path).eval_descriptor(coord, box, TYPES)
    assert found.shape == (3, 5, DeepPot(path).get_dim_descriptor()) and found.dtype == np.float64
    limit = 1e-5 if descriptor.get("precision") == "float32" else 1e-11
    assert relative_error(found, expected(path, coord, box, TYPES)) <= limit


@pytest.mark.parametrize("kind", ["se_e2_r", "se_e3", "loc_frame", "hybrid"])
def test_other_descriptors_are_those_of_the_oracle(tmp_path, kind):
    config = make_config({"type": kind, "rcut": 4.9})  # loc_frame needs two neighbours of each atom
    metadata = {**read_model(write_model(tmp_path / "m.dp")).metadata, "config": json.dumps(config)}
    _core.write_model_file(str(tmp_path / "m.dp"), metadata, make_tensors(config))
    coord, box = frames()
    found = DeepPot(tmp_path / "m.dp").eval_descriptor(coord, box, TYPES)
    assert relative_error(found, expected(tmp_path / "m.dp", coord, box, TYPES)) <= 1e-11


def test_types_that_a_model_of_tensors_does_not_select_have_descriptors(tmp_path):
    path = write_tensor_model(tmp_path / "d.dp", sel_type=(0,))
    coord, box = frames()
    found = DeepDipole(path).eval_descriptor(coord, box, TYPES)
    assert relative_error(found, expected(path, coord, box, TYPES)) <= 1e-11


def test_atoms_that_the_model_does_not_see_have_zeros(tmp_path):
    model = DeepPot(write_model(tmp_path / "m.dp"))
    coord, box = frames()
    some = TYPES.copy()
    some[2] = -1
    found = model.eval_descriptor(coord, box, some)
    left = model.eval_descriptor(coord.reshape(3, 5, 3)[:, some >= 0], box, some[some >= 0])
    assert not found[:, 2].any() and np.array_equal(found[:, some >= 0], left)


def test_arguments_are_checked(tmp_path):
    model = DeepPot(write_model(tmp_path / "m.dp", numb_fparam=2))
    coord, box = frames()
    assert model.eval_descriptor(coord, box, TYPES, dtype="fp32").dtype == np.float32
    with pytest.raises(InputError, match="dtype: expected one of native, fp64, fp32"):
        model.eval_descriptor(coord, box, TYPES, dtype="fp16")
    with pytest.raises(InputError, match="mixed_type"):
        model.eval_descriptor(coord, box, TYPES, mixed_type=True)
    coord[1, 4] = np.nan
    with pytest.raises(ValueError, match=r"frame 1.*atom 1"):
        model.eval_descriptor(coord, box, TYPES)


# ---- dp eval-desc --------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a model that takes frame parameters, which descriptors do not need."""
    monkeypatch.chdir(tmp_path)
    write_model("m.dp", numb_fparam=1)
    return tmp_path


def test_a_file_for_each_system_with_the_frames_of_all_sets(here):
    sets = make_system(here / "data/a", sizes=(3, 2))
    make_system(here / "data/b", sizes=(1,), pbc=False, keys=("coord",))
    assert dp("eval-desc", "-m", "m.dp", "-s", "data", "-o", "out/desc") == 0
    found = np.load(here / "out/desc/a.npy")
    coord, box = (np.concatenate([s[key] for s in sets]) for key in ("coord", "box"))
    assert np.array_equal(found, DeepPot("m.dp").eval_descriptor(coord, box, [0, 1, 1]))
    assert np.load(here / "out/desc/b.npy").shape == (1, 3, 12)
    assert sorted(p.name for p in (here / "out/desc").iterdir()) == ["a.npy", "b.npy"]


def test_systems_of_one_name_get_files_of_their_own(here):
    for name in ("a/data", "b/data", "c"):
        make_system(here / name)
    (here / "list").write_text("a/data\nb/data\nc\n")
    written = eval_desc("m.dp", datafile="list", dtype="fp32")
    assert [p.name for p in written] == ["a_data.npy", "b_data.npy", "c.npy"]
    assert np.load(written[0]).dtype == np.float32
    (here / "list").write_text("c\n./c\n")
    with pytest.raises(InputError, match="listed twice"):
        eval_desc("m.dp", datafile="list")


def test_bad_frames_are_named_and_nothing_is_left(here):
    make_system(here / "data", sizes=(3,), types=(0, 1, 1))
    coord = np.load(here / "data/set.000/coord.npy")
    coord[2, :3] = coord[2, 3:6]
    np.save(here / "data/set.000/coord.npy", coord)
    with pytest.raises(InputError, match=r"set\.000, frames 0 to 2: frame 2: atoms 0 and 1 .*same position"):
        eval_desc("m.dp", "data")
    assert not list((here / "desc").iterdir())


def test_an_output_that_is_a_file_is_refused(here, capsys):
    make_system(here / "data")
    (here / "desc").write_text("")
    assert dp("eval-desc", "-m", "m.dp", "-s", "data") == 1
    assert "cannot make this folder" in capsys.readouterr().err


def test_names_of_folders_that_come_out_alike_end():
    """a_b/c and a/b/c have one name at every depth."""
    assert _names(["/p_q/d", "/p/q/d", "/z/q/d"]) == ["_p_q_d_0", "_p_q_d_1", "z_q_d"]


def test_a_disk_that_is_full_is_an_error(tmp_path):
    """Not a signal, as of a file that is mapped."""
    model = write_model(tmp_path / "m.dp")
    make_system(tmp_path / "s", types=TYPES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256, limits[1]))
        with pytest.raises(InputError, match="s.npy: cannot be written: File too large"):
            eval_desc(model, tmp_path / "s", output=tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not list((tmp_path / "out").iterdir())
