# SPDX-License-Identifier: LGPL-3.0-or-later
"""The C interface, called through ctypes: values, neighbour lists, threads, errors."""

from __future__ import annotations

import ctypes
import re
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from c_library import BOX, COORD, LIBRARY, RESULTS, TYPE, Ghosts, Handle, Library, N, assert_same, expected
from dpcore.infer import DeepPot
from make_model import write_model

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="libdpcore is not a shared library")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    return {
        "a": str(write_model(folder / "a.dp")),
        "b": str(write_model(folder / "b.dp", seed=7)),
        "parameters": str(write_model(folder / "parameters.dp", numb_fparam=1, numb_aparam=2)),
        "neighbours": str(write_model(folder / "neighbours.dp", neighbor_aparam=2)),
        "shorter": str(write_model(folder / "shorter.dp", rcut=3.0)),
    }


@pytest.fixture(scope="module")
def dp():
    return Library()


def test_properties(dp, files):
    pot = dp.open(files["parameters"])
    assert pot.message() == ""
    assert pot.GetCutoff() == 4.0 and pot.GetNumbTypes() == 2
    assert pot.GetDimFParam() == 1 and pot.GetDimAParam() == 2 and pot.GetDimChgSpin() == 0
    assert not pot.IsAParamNAll() and not pot.HasDefaultFParam()
    assert dp.text(pot.GetTypeMap()) == "O H"
    assert dp.DeepBaseModelGetCutoff(pot.pointer) == 4.0 and dp.DeepBaseModelGetDimAParam(pot.pointer) == 2
    devi = dp.open(files["a"], files["b"])
    assert devi.GetCutoff() == 4.0 and devi.GetNumbTypes() == 2 and devi.GetDimFParam() == 0


# ---- values --------------------------------------------------------------------------------------


def test_one_frame(dp, files):
    found = dp.open(files["a"]).run("Compute", (N, COORD, TYPE, BOX), N)
    assert_same({k: v[0] for k, v in found.items()}, expected(files["a"]))


def test_without_a_cell(dp, files):
    found = dp.open(files["a"]).run("Compute", (N, COORD, TYPE, None), N)
    assert_same({k: v[0] for k, v in found.items()}, expected(files["a"], box=None))


def test_single_precision(dp, files):
    args = (N, COORD.astype(np.float32), TYPE, BOX.astype(np.float32))
    found = dp.open(files["a"]).run("Computef", args, N, dtype=np.float32)
    # coordinates of some A rounded to float32, times second derivatives of some 10 eV/A^2
    assert_same({k: v[0] for k, v in found.items()}, expected(files["a"]), tolerance=1e-4)


def test_precision_of_evaluation(dp, files):
    """Not that of the arguments."""
    for word in ("mixed", "low"):
        pot = Handle(dp, "DeepPot", dp.NewDeepPotWithPrecision(files["a"], word))
        found = pot.run("Compute", (N, COORD, TYPE, BOX), N)
        wanted = dict(zip(RESULTS, DeepPot(files["a"], precision=word).eval(COORD, BOX, TYPE, atomic=True)))
        np.testing.assert_allclose(found["force"][0, 0], wanted["force"][0], rtol=0, atol=1e-12)
        assert found["energy"][0, 0] != expected(files["a"])["energy"][0]
    stored = Handle(dp, "DeepPot", dp.NewDeepPotWithPrecision(files["a"], None))
    found = stored.run("Compute", (N, COORD, TYPE, BOX), N)
    assert_same({k: v[0] for k, v in found.items()}, expected(files["a"]))
    wrong = Handle(dp, "DeepPot", dp.NewDeepPotWithPrecision(files["a"], "half"))
    assert wrong.message() == "precision: expected high, mixed or low, got 'half'"


def test_frames_and_parameters(dp, files):
    coord, box = np.stack([COORD, COORD * 1.02, COORD[::-1].copy()]), np.stack([BOX, BOX, 1.1 * BOX])
    fparam = np.array([0.3, -0.2, 0.5])
    aparam = np.linspace(-1, 1, 3 * N * 2)
    pot = dp.open(files["parameters"])
    wanted = expected(files["parameters"], coord, box, fparam=fparam, aparam=aparam)
    for name, extra in (("Compute2", ()), ("Compute3", (None,))):
        found = pot.run(name, (3, N, coord, TYPE, box, fparam, aparam, *extra), N, frames=3)
        assert_same({k: v[0] for k, v in found.items()}, wanted)


def test_frames_of_different_atoms(dp, files):
    types = np.array([TYPE, TYPE[::-1]])
    coord = np.stack([COORD, COORD])
    found = dp.open(files["a"]).run("ComputeMixedType", (2, N, coord, types, None, None, None), N, frames=2)
    for k in range(2):
        wanted = expected(files["a"], box=None, types=types[k])
        assert_same({q: v[0, k : k + 1] for q, v in found.items()}, wanted)


def test_every_result_may_be_left_out(dp, files):
    pot = dp.open(files["a"])
    wanted = expected(files["a"])
    for skipped in (*RESULTS, "all"):
        out = {k: np.full(np.shape(v), np.nan) for k, v in wanted.items()}
        given = [None if skipped in (k, "all") else out[k] for k in RESULTS]
        assert pot.Compute(N, COORD, TYPE, BOX, *given) == 0
        for k, g in zip(RESULTS, given):
            assert g is None or np.abs(g - wanted[k]).max() <= 1e-12, f"{k} without {skipped}"


def test_several_models(dp, files):
    found = dp.open(files["a"], files["b"]).run("Compute", (N, COORD, TYPE, BOX), N, models=2)
    for m, name in enumerate("ab"):
        assert_same({k: v[m] for k, v in found.items()}, expected(files[name]))
    assert np.abs(found["force"][0] - found["force"][1]).max() > 1e-4
    coord = np.stack([COORD, 1.02 * COORD])
    args = (2, N, coord, TYPE, None, None, None)
    found = dp.open(files["a"], files["b"]).run("Compute2", args, N, frames=2, models=2)
    for m, name in enumerate("ab"):
        assert_same({k: v[m] for k, v in found.items()}, expected(files[name], coord, None))


def test_model_from_memory(dp, files):
    size = ctypes.c_int()
    pointer = dp.ReadFileToChar2(files["a"], ctypes.byref(size))
    content = Path(files["a"]).read_bytes()
    assert ctypes.string_at(pointer, size.value) == content
    pot = Handle(dp, "DeepPot", dp.NewDeepPotWithParam2("some name", 0, ctypes.c_void_p(pointer), size))
    dp.DeleteChar(pointer)
    found = pot.run("Compute", (N, COORD, TYPE, BOX), N)
    assert_same({k: v[0] for k, v in found.items()}, expected(files["a"]))


# ---- neighbour lists -----------------------------------------------------------------------------


def test_ghosts_give_the_periodic_frame(dp, files):
    pot, ghosts = dp.open(files["a"]), Ghosts(dp)
    wanted = expected(files["a"])
    wanted["atom_virial"] = wanted["atom_virial"].sum(axis=1, keepdims=True)
    for ago in (0, 1):
        args = (ghosts.n, ghosts.coord, ghosts.type, None, ghosts.n - N, ghosts.list, ago)
        found = {k: v[0] for k, v in pot.run("ComputeNList", args, ghosts.n).items()}
        folded = ghosts.folded(found)
        folded["atom_virial"] = folded["atom_virial"].sum(axis=1, keepdims=True)
        assert_same(folded, wanted)


def test_ghosts_with_parameters_frames_models_and_marked_neighbours(dp, files):
    ghosts = Ghosts(dp, mark=1 << 30)
    assert dp.NlistSetMask(ghosts.list, 0x1FFFFFFF) == 0
    coord = np.stack([ghosts.coord, 1.01 * ghosts.coord])
    fparam, aparam = np.array([0.3, -0.2]), np.linspace(-1, 1, 2 * N * 2).reshape(2, -1)
    pots = dp.open(files["parameters"], files["parameters"])
    args = (2, ghosts.n, coord, ghosts.type, None, ghosts.n - N, ghosts.list, 0, fparam, aparam)
    found = pots.run("ComputeNList2", args, ghosts.n, frames=2, models=2)
    for f, scale in enumerate((1.0, 1.01)):
        wanted = expected(files["parameters"], scale * COORD, scale * BOX, fparam=fparam[f], aparam=aparam[f])
        for m in range(2):
            folded = ghosts.folded({k: v[m, f : f + 1] for k, v in found.items()})
            for key in ("energy", "force", "virial", "atom_energy"):
                assert np.abs(folded[key] - wanted[key]).max() <= 1e-12, key


def test_ghosts_have_atomic_parameters_of_their_own(dp, files):
    pot, ghosts = dp.open(files["neighbours"]), Ghosts(dp)
    assert pot.IsAParamNAll() and dp.DeepBaseModelIsAParamNAll(pot.pointer) and pot.GetDimAParam() == 2
    aparam = np.linspace(-1, 1, 2 * N).reshape(N, 2)
    wanted = expected(files["neighbours"], aparam=aparam)
    found = pot.run("Compute2", (1, N, COORD, TYPE, BOX, None, aparam), N, frames=1)
    assert_same({k: v[0] for k, v in found.items()}, wanted)
    everyone = np.ascontiguousarray(aparam[ghosts.owner])
    args = (1, ghosts.n, ghosts.coord, ghosts.type, None, ghosts.n - N, ghosts.list, 0, None, everyone)
    found = pot.run("ComputeNList2", args, ghosts.n, frames=1)
    folded = ghosts.folded({k: v[0] for k, v in found.items()})
    for key in ("energy", "force", "virial", "atom_energy"):
        assert np.abs(folded[key] - wanted[key]).max() <= 1e-12, key
    other = expected(files["neighbours"], aparam=-aparam)
    assert np.abs(other["energy"] - wanted["energy"]).max() > 1e-3
    devi = dp.open(files["neighbours"], files["parameters"])
    assert "parameters" in devi.message()


def test_ghosts_in_single_precision(dp, files):
    ghosts = Ghosts(dp)
    args = (ghosts.n, ghosts.coord.astype(np.float32), ghosts.type, None, ghosts.n - N, ghosts.list, 0)
    found = dp.open(files["a"]).run("ComputeNListf", args, ghosts.n, dtype=np.float32)
    folded, wanted = ghosts.folded({k: v[0] for k, v in found.items()}), expected(files["a"])
    for key in ("energy", "force", "virial", "atom_energy"):
        assert np.abs(folded[key] - wanted[key]).max() <= 1e-4, key  # as in test_single_precision


# ---- threads -------------------------------------------------------------------------------------


def test_threads_with_one_model_get_the_same_numbers(dp, files):
    pot = dp.open(files["a"])
    lists = [Ghosts(dp, shift=0.1 * k) for k in range(4)]
    frames = [COORD * (1 + 0.01 * k) for k in range(4)]

    def work(k):
        g = lists[k]
        with_list = (g.n, g.coord, g.type, None, g.n - N, g.list, 0)
        return pot.run("Compute", (N, frames[k], TYPE, BOX), N), pot.run("ComputeNList", with_list, g.n)

    alone = [work(k) for k in range(4)]
    assert alone[0][0]["energy"] != alone[1][0]["energy"]
    failures = []

    def repeat(k):
        bad = np.array([np.nan, *COORD[1:]])
        for _ in range(10):
            for found, wanted in zip(work(k), alone[k]):
                failures.extend(q for q in RESULTS if not np.array_equal(found[q], wanted[q]))
            if k == 3:  # a thread that fails does not disturb the others
                if pot.Compute(N, bad, TYPE, BOX, *[None] * 5) != 1 or "atom 0" not in pot.message():
                    failures.append("no error")

    threads = [threading.Thread(target=repeat, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# ---- errors --------------------------------------------------------------------------------------


def test_a_model_that_is_not_there(dp, tmp_path):
    pot = dp.open(str(tmp_path / "absent.dp"))
    assert "absent.dp" in pot.message() and "exist" in pot.message()
    assert pot.GetCutoff() == 0 and pot.GetNumbTypes() == 0 and pot.GetTypeMap() is None
    assert pot.Compute(N, COORD, TYPE, BOX, *[None] * 5) == 1
    assert "absent.dp" in pot.message()


def test_models_that_differ(dp, files):
    devi = dp.open(files["a"], files["shorter"])
    assert re.search(r"rcut: .*a\.dp has 4 A, .*shorter\.dp has 3 A", devi.message())
    assert devi.Compute(N, COORD, TYPE, BOX, *[None] * 5) == 1
    assert "number of frame parameters" in dp.open(files["a"], files["parameters"]).message()
    none = Handle(dp, "DeepPotModelDevi", dp.NewDeepPotModelDevi(None, 2))
    assert "no model files" in none.message()


def test_constructors_refuse_what_is_wrong(dp, files):
    for args, words in (
        ((None, 0, None, 0), "NULL"),
        ((files["a"], 0, None, 5), "5 bytes at a NULL pointer"),
        ((files["a"], 0, b"x", -1), "-1 bytes"),
        (("name.dp", 0, b"nonsense", 8), "name.dp"),
    ):
        assert words in Handle(dp, "DeepPot", dp.NewDeepPotWithParam2(*args)).message()
    assert "WithParam2" in Handle(dp, "DeepPot", dp.NewDeepPotWithParam(files["a"], 0, b"content")).message()
    assert Handle(dp, "DeepPot", dp.NewDeepPotWithParam(files["a"], 0, b"")).message() == ""


NAN_COORD = np.array([*COORD[:4], np.nan, *COORD[5:]])
PARAMS = (np.array([0.1]), np.zeros(2 * N))
WRONG = {
    "no coord": ("Compute2", (1, N, None, TYPE, BOX, *PARAMS), "coord: the pointer is NULL"),
    "no types": ("Compute2", (1, N, COORD, None, BOX, *PARAMS), "atype: the pointer is NULL"),
    "negative atoms": ("Compute2", (1, -1, COORD, TYPE, BOX, *PARAMS), "natoms: .* -1"),
    "no frames": ("Compute2", (0, N, COORD, TYPE, BOX, *PARAMS), "nframes: .* 0"),
    "no fparam": ("Compute2", (1, N, COORD, TYPE, BOX, None, PARAMS[1]), "fparam: the pointer is NULL"),
    "no aparam": ("Compute2", (1, N, COORD, TYPE, BOX, PARAMS[0], None), "aparam: .* NULL, expected 12"),
    "nan": ("Compute2", (1, N, NAN_COORD, TYPE, BOX, *PARAMS), "frame 0: .*atom 1 "),
    "nan fparam": (
        "Compute2",
        (1, N, COORD, TYPE, BOX, NAN_COORD[4:5], PARAMS[1]),
        "fparam: .*finite",
    ),
    "nan aparam": (
        "Compute2",
        (1, N, COORD, TYPE, BOX, PARAMS[0], NAN_COORD[:12]),
        "aparam: .* value 4",
    ),
    "flat cell": ("Compute2", (1, N, COORD, TYPE, 0 * BOX, *PARAMS), "frame 0"),
    "type": ("Compute2", (1, N, COORD, TYPE + 1, BOX, *PARAMS), "atom 1 has type 2"),
    "parameters by the short call": ("Compute", (N, COORD, TYPE, BOX), "fparam"),
    "no list": ("ComputeNList2", (1, N, COORD, TYPE, None, 0, None, 0, *PARAMS), "nlist: the pointer"),
    "ghosts": ("ComputeNList2", (1, N, COORD, TYPE, None, N + 1, None, 0, *PARAMS), "nghost: 7 ghosts of 6"),
    "mixed": ("ComputeMixedType", (1, N, COORD, TYPE + 1, None, *PARAMS), "frame 0 taken alone"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(dp, files, case):
    name, args, words = WRONG[case]
    pot = dp.open(files["parameters"])
    results = np.full((5, 9 * N), 7.0)
    assert getattr(pot, name)(*args, *results) == 1
    assert re.search(words, pot.message()), pot.message()
    assert (results == 7.0).all()  # nothing was written
    assert pot.GetNumbTypes() == 2 and pot.message() != ""  # asking for properties does not hide the error
    assert pot.Compute2(1, N, COORD, TYPE, BOX, *PARAMS, *[None] * 5) == 0
    assert pot.message() == ""


def list_of(dp, centres, counts, rows):
    """DP_NewNlist and what it points to, which must be kept."""
    kept = [np.array(x, dtype=np.intc) for x in (centres, counts, *rows)]
    first = (ctypes.c_void_p * len(rows))(*(r.ctypes.data for r in kept[2:]))
    return dp.NewNlist(len(centres), kept[0], kept[1], first), (kept, first)


@pytest.mark.parametrize(
    "centres, counts, rows, words",
    [
        ([6], [0], [[]], "centre 6 is not one of the 6 local atoms"),
        ([0, 0], [1, 1], [[1], [2]], "atom 0 is a centre twice"),
        ([0], [1], [[6]], "atom 0 has neighbour 6, but there are 6 atoms"),
        ([0], [1], [[-1]], "neighbour -1"),
        ([0], [-2], [[]], "atom 0 has -2 neighbours"),
    ],
)
def test_wrong_lists(dp, files, centres, counts, rows, words):
    pot = dp.open(files["a"])
    nlist, kept = list_of(dp, centres, counts, rows)
    assert pot.ComputeNList(N, COORD, TYPE, None, 0, nlist, 0, *[None] * 5) == 1
    assert words in pot.message()
    assert pot.ComputeNList(N, COORD, TYPE, None, 0, nlist, 1, *[None] * 5) == 1
    assert "none for this number of atoms" in pot.message()
    dp.DeleteNlist(nlist)
    del kept


def test_null_handles(dp):
    assert dp.DeepPotCompute(None, N, COORD, TYPE, BOX, *[None] * 5) == 1
    assert dp.text(dp.DeepPotCheckOK(None)) == "DeepPot: the handle is NULL"
    assert dp.text(dp.DeepPotModelDeviCheckOK(None)) == "DeepPotModelDevi: the handle is NULL"
    assert dp.text(dp.NlistCheckOK(None)) == "Nlist: the handle is NULL"
    assert dp.DeepPotGetCutoff(None) == 0 and dp.DeepPotModelDeviGetNumbTypes(None) == 0
    assert dp.NlistSetMask(None, 1) == 1
    for name in ("DeleteDeepPot", "DeleteDeepPotModelDevi", "DeleteNlist", "DeleteChar"):
        getattr(dp, name)(None)
    empty = dp.NewNlist(3, None, None, None)
    assert dp.text(dp.NlistCheckOK(empty)) == ""
    dp.DeleteNlist(empty)


def test_a_list_without_arrays(dp, files):
    pot, nlist = dp.open(files["a"]), dp.NewNlist(3, None, None, None)
    assert pot.ComputeNList(N, COORD, TYPE, None, 0, nlist, 0, *[None] * 5) == 1
    assert "an array is missing" in pot.message()
    dp.DeleteNlist(nlist)


def test_a_file_that_cannot_be_read(dp, tmp_path):
    for path in (tmp_path / "absent", tmp_path, Path("/dev/zero")):
        size = ctypes.c_int()
        pointer = dp.ReadFileToChar2(str(path), ctypes.byref(size))
        message = dp.text(pointer)
        assert str(path) in message and size.value == -len(message)
        assert dp.ReadFileToChar(str(path)) is None


# ---- maps of atoms -------------------------------------------------------------------------------


def test_selection_by_type(dp):
    atype, chosen = np.array([1, 0, 2, 1, 2, 0], dtype=np.intc), np.array([2, 1], dtype=np.intc)
    forward, backward = np.full(6, -9, dtype=np.intc), np.full(6, -9, dtype=np.intc)
    n, ghosts = ctypes.c_int(), ctypes.c_int()
    counts = [ctypes.byref(n), backward, ctypes.byref(ghosts)]
    assert dp.SelectByType(6, atype, 2, 2, chosen, forward, *counts) == 0
    assert forward.tolist() == [0, -1, 1, 2, 3, -1] and backward[:4].tolist() == [0, 2, 3, 4]
    assert n.value == 4 and ghosts.value == 1
    values, out = np.arange(12, dtype=np.intc), np.zeros(8, dtype=np.intc)
    assert dp.SelectMapInt(values, forward, 2, 6, 4, out) == 0
    assert out.tolist() == [0, 1, 4, 5, 6, 7, 8, 9]
    assert dp.SelectMapInt(values, forward, 2, 6, 3, out) == 1  # does not fit
    assert dp.SelectByType(6, None, 2, 2, chosen, None, None, None, None) == 1
