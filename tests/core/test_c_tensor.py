# SPDX-License-Identifier: LGPL-3.0-or-later
"""DP_DeepTensor through ctypes: values, neighbour lists, errors."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from c_library import BOX, COORD, LIBRARY, TYPE, Ghosts, Handle, Library, N
from dpcore.infer import DeepPotential
from make_model import write_model, write_tensor_model

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="libdpcore is not a shared library")
KINDS = {"dipole": 3, "polar": 9}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    out = {kind: str(write_tensor_model(folder / f"{kind}.dp", kind, [1])) for kind in KINDS}
    return {**out, "ener": str(write_model(folder / "ener.dp"))}


@pytest.fixture(scope="module")
def dp():
    library = Library()
    library.lib.DP_DeepTensorGetSelTypes.restype = ctypes.POINTER(ctypes.c_int)
    return library


def run(tensor, name, args, n_local, n, k, dtype=np.float64, lists=False):
    """(global, force, virial, atomic, atomic virial) of one frame."""
    out = [np.full(size, np.nan, dtype) for size in (k, k * n * 3, k * 9)]
    virial = np.full(k * n * 9, np.nan, dtype)
    pointer, size = ctypes.POINTER(np.ctypeslib.as_ctypes_type(dtype))(), ctypes.c_int()
    code = getattr(tensor, name)(*args, *out, ctypes.byref(pointer), virial, ctypes.byref(size))
    assert code == 0, tensor.message()
    atomic = np.ctypeslib.as_array(pointer, (size.value,)).copy()
    tensor.dp.DeleteChar(ctypes.cast(pointer, ctypes.c_void_p))
    shapes = ((k,), (k, n, 3), (k, 9), (-1, k), (k, n, 9))
    return [a.reshape(s) for a, s in zip((*out, atomic, virial), shapes)]


def wanted(path, box=BOX):
    full = DeepPotential(path).eval_full(COORD[None], None if box is None else box[None], TYPE, atomic=True)
    tensor, force, virial, atomic, atom_virial = (a[0] for a in full)
    return tensor, force, virial, atomic[TYPE == 1], atom_virial


def same(found, expected, tolerance=1e-11):
    for a, b in zip(found, expected):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("kind", KINDS)
def test_properties(dp, files, kind):
    t = Handle(dp, "DeepTensor", dp.NewDeepTensor(files[kind]))
    assert t.message() == "" and t.GetCutoff() == 4.0 and t.GetNumbTypes() == 2
    assert t.GetOutputDim() == KINDS[kind] and t.GetNumbSelTypes() == 1 and t.GetSelTypes()[0] == 1
    assert dp.text(t.GetTypeMap()) == "O H"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("box", [BOX, None])
def test_one_frame(dp, files, kind, box):
    t = Handle(dp, "DeepTensor", dp.NewDeepTensorWithParam(files[kind], 0, ""))
    expected = wanted(files[kind], box)
    same(run(t, "Compute", (N, COORD, TYPE, box), N, N, KINDS[kind]), expected)
    single = (N, COORD.astype(np.float32), TYPE, None if box is None else box.astype(np.float32))
    same(run(t, "Computef", single, N, N, KINDS[kind], np.float32), expected, 1e-4)
    pointer, size = ctypes.POINTER(ctypes.c_double)(), ctypes.c_int()
    assert t.ComputeTensor(N, COORD, TYPE, box, ctypes.byref(pointer), ctypes.byref(size)) == 0
    found = np.ctypeslib.as_array(pointer, (size.value,)).reshape(-1, KINDS[kind]).copy()
    dp.DeleteChar(ctypes.cast(pointer, ctypes.c_void_p))
    same([found], [expected[3]])


@pytest.mark.parametrize("kind", KINDS)
def test_neighbour_list(dp, files, kind):
    t = Handle(dp, "DeepTensor", dp.NewDeepTensor(files[kind]))
    ghosts = Ghosts(dp)
    k, n = KINDS[kind], len(ghosts.type)
    args = (n, ghosts.coord, ghosts.type, None, n - N, ghosts.list)
    tensor, force, virial, atomic, atom_virial = run(t, "ComputeNList", args, N, n, k)
    owned = [np.zeros((k, N, w)) for w in (3, 9)]
    for a, owner in enumerate(ghosts.owner):
        owned[0][:, owner] += force[:, a]
        owned[1][:, owner] += atom_virial[:, a]
    same((tensor, owned[0], virial, atomic, owned[1]), wanted(files[kind]))


def test_errors(dp, files):
    t = Handle(dp, "DeepTensor", dp.NewDeepTensor(files["ener"]))
    assert "model of kind ener; DeepPot evaluates it" in t.message() and t.GetOutputDim() == 0
    pot = dp.open(files["dipole"])
    assert "model of kind dipole; DeepTensor evaluates it" in pot.message()
    assert "none.dp" in Handle(dp, "DeepTensor", dp.NewDeepTensor("none.dp")).message()
    assert (
        "c_name_scope"
        in Handle(dp, "DeepTensor", dp.NewDeepTensorWithParam(files["dipole"], 0, "scope")).message()
    )
    t = Handle(dp, "DeepTensor", dp.NewDeepTensor(files["dipole"]))
    assert t.Compute(N, None, TYPE, BOX, *[None] * 6) == 1 and "coord" in t.message()
    pointer = ctypes.POINTER(ctypes.c_double)()
    assert t.ComputeTensor(N, COORD, TYPE, BOX, ctypes.byref(pointer), None) == 1 and "size" in t.message()
    assert t.ComputeNList(N, COORD, TYPE, BOX, 0, None, *[None] * 6) == 1 and "nlist" in t.message()
    assert t.Compute(N, COORD, TYPE, BOX, *[None] * 6) == 0 and t.message() == ""
    assert dp.DeepTensorCompute(None, N, COORD, TYPE, BOX, *[None] * 6) == 1
