# SPDX-License-Identifier: LGPL-3.0-or-later
"""One data system: layouts, renumbering, missing labels, and errors that name file, frame and atom."""

import io
import logging

import numpy as np
import pytest
from dpcore.data import LABELS, DeepmdSystem
from dpcore.data import files as data_files
from dpcore.errors import InputError
from make_system import SHARED, make_system

ALL = ("coord", "box", *LABELS)


def load(path):
    return np.load(path, allow_pickle=False)


def edit(path, change):
    """Rewrite an array file with what `change` makes of it."""
    array = load(path)
    out = change(array)
    np.save(path, array if out is None else out)


def read_all(system):
    return [system.read(index) for index in range(len(system.set_sizes))]


def test_reads_every_set_in_the_order_of_names(tmp_path):
    sets = make_system(tmp_path, sizes=(4, 2, 3), keys=ALL)
    system = DeepmdSystem(tmp_path, ["O", "H"])
    assert (system.n_atoms, system.n_frames, system.set_sizes, system.pbc) == (3, 9, [4, 2, 3], True)
    assert system.types.dtype == np.int32 and system.types.tolist() == [0, 1, 1]
    assert system.type_counts(3).tolist() == [1, 2, 0]
    for arrays, got in zip(sets, read_all(system)):
        for key in ALL:
            assert got[key].dtype == np.float64
            np.testing.assert_array_equal(got[key].reshape(arrays[key].shape), arrays[key])
        assert got["energy"].ndim == 1
        assert got["coord"].shape == (len(got["energy"]), 9)
        assert all(got[f"find_{label}"] == 1.0 for label in LABELS)
        assert got["fparam"] is None and got["aparam"] is None


def test_picks_frames(tmp_path):
    (arrays,) = make_system(tmp_path, sizes=(6,))
    got = DeepmdSystem(tmp_path).read(0, np.array([4, 1, 4]))
    np.testing.assert_array_equal(got["coord"], arrays["coord"][[4, 1, 4]])
    got = DeepmdSystem(tmp_path).read(0, slice(1, 3))
    np.testing.assert_array_equal(got["energy"], arrays["energy"][1:3])


def test_large_files_are_mapped_and_read_alike(tmp_path, monkeypatch):
    (arrays,) = make_system(tmp_path, sizes=(50,), keys=ALL)
    monkeypatch.setattr(data_files, "MAP_BYTES", 0)
    monkeypatch.setattr(data_files, "CHUNK", 16)
    system = DeepmdSystem(tmp_path)
    got = system.read(0, np.arange(10, 20))
    assert type(got["coord"]) is np.ndarray
    np.testing.assert_array_equal(got["force"], arrays["force"][10:20])


def test_labels_not_wanted_or_not_there_are_zeros(tmp_path):
    make_system(tmp_path, keys=("coord", "box", "energy", "virial"))
    got = DeepmdSystem(tmp_path, labels=("energy", "force")).read(0)
    assert [got[f"find_{label}"] for label in LABELS] == [1.0, 0.0, 0.0, 0.0, 0.0]
    shapes = [got[label].shape for label in LABELS]
    assert shapes == [(4,), (4, 9), (4, 9), (4, 3), (4, 3)]
    assert not got["force"].any() and not got["virial"].any()


def test_labels_may_be_in_some_sets_only(tmp_path):
    make_system(tmp_path, sizes=(1, 3))
    (tmp_path / "set.001" / "force.npy").unlink()
    system = DeepmdSystem(tmp_path)
    assert [got["find_force"] for got in read_all(system)] == [1.0, 0.0]
    assert system.found("force") == 0.25 and system.found("energy") == 1.0 and system.found("virial") == 0.0


def test_single_precision_and_integers_become_double(tmp_path):
    (arrays,) = make_system(tmp_path, dtype=np.float32, keys=ALL)
    edit(tmp_path / "set.000" / "energy.npy", lambda a: np.arange(len(a)))
    got = DeepmdSystem(tmp_path).read(0)
    np.testing.assert_array_equal(got["force"], arrays["force"].astype(np.float64))
    np.testing.assert_array_equal(got["energy"], [0.0, 1.0, 2.0, 3.0])
    assert all(got[label].dtype == np.float64 for label in LABELS)


def test_text_systems(tmp_path):
    (arrays,) = make_system(tmp_path, sizes=(5,), keys=ALL, text=True)
    system = DeepmdSystem(tmp_path, ["H", "O"])
    got = system.read(0)
    assert system.types.tolist() == [1, 0, 0]
    for key in ALL:
        np.testing.assert_array_equal(got[key].reshape(arrays[key].shape), arrays[key])


def test_sets_go_before_text(tmp_path):
    make_system(tmp_path, sizes=(5,), text=True)
    make_system(tmp_path, sizes=(2,), seed=9)
    assert DeepmdSystem(tmp_path).n_frames == 2


def test_a_flat_array_is_one_frame_and_other_layouts_of_the_same_numbers_are_read(tmp_path):
    (arrays,) = make_system(tmp_path, sizes=(1,), keys=ALL)
    for key in ALL:
        edit(tmp_path / "set.000" / f"{key}.npy", np.ravel)
    np.testing.assert_array_equal(DeepmdSystem(tmp_path).read(0)["coord"], arrays["coord"])
    (arrays,) = make_system(tmp_path, sizes=(4,), keys=ALL)
    folder = tmp_path / "set.000"
    edit(folder / "coord.npy", lambda a: a.reshape(4, 3, 3))
    edit(folder / "box.npy", lambda a: a.reshape(4, 3, 3))
    edit(folder / "energy.npy", lambda a: a.reshape(4, 1))
    edit(folder / "atom_ener.npy", lambda a: a.reshape(1, -1))
    got = DeepmdSystem(tmp_path).read(0)
    for key in ("coord", "box", "energy", "atom_ener"):
        np.testing.assert_array_equal(got[key], arrays[key])


def test_a_system_without_periodicity_has_no_box(tmp_path):
    make_system(tmp_path, pbc=False)
    system = DeepmdSystem(tmp_path)
    assert not system.pbc and system.read(0)["box"] is None
    np.save(tmp_path / "set.000" / "box.npy", np.zeros((4, 9)))
    assert DeepmdSystem(tmp_path).read(0)["box"] is None


def test_parameters_are_read_where_the_model_has_them(tmp_path):
    (arrays,) = make_system(tmp_path, keys=("coord", "box", "fparam", "aparam"))
    got = DeepmdSystem(tmp_path, numb_fparam=2, numb_aparam=3).read(0)
    np.testing.assert_array_equal(got["fparam"], arrays["fparam"])
    np.testing.assert_array_equal(got["aparam"], arrays["aparam"])


@pytest.mark.parametrize(
    ("names", "type_map", "expected"),
    [
        (("O", "H"), ["O", "H"], [0, 1, 1]),
        (("O", "H"), ["H", "C", "O"], [2, 0, 0]),
        (("O", "H", "Xx"), ["O", "H"], [0, 1, 1]),  # a name that no atom has
        (None, ["O", "H"], [0, 1, 1]),
        (("O", "H"), None, [0, 1, 1]),
    ],
)
def test_types_are_renumbered_by_name(tmp_path, names, type_map, expected):
    make_system(tmp_path, names=names)
    system = DeepmdSystem(tmp_path, type_map)
    assert system.types.tolist() == expected
    assert system.type_map == (type_map or (list(names) if names else None))


def test_another_set_prefix(tmp_path):
    make_system(tmp_path, sizes=(2, 3))
    (tmp_path / "set.001").rename(tmp_path / "part.001")
    assert DeepmdSystem(tmp_path, set_prefix="part").set_sizes == [3]
    with pytest.raises(InputError, match=r"neither a folder other\.\* nor coord\.raw"):
        DeepmdSystem(tmp_path, set_prefix="other")


def test_all_frames_can_be_gone_through_in_pieces(tmp_path):
    sets = make_system(tmp_path, sizes=(5, 2))
    pieces = list(DeepmdSystem(tmp_path).chunks(max_numbers=20))
    assert [(index, begin, len(coord)) for index, begin, coord, _ in pieces] == [
        (0, 0, 2), (0, 2, 2), (0, 4, 1), (1, 0, 2),
    ]  # fmt: skip
    np.testing.assert_array_equal(
        np.concatenate([p[2] for p in pieces]), np.concatenate([s["coord"] for s in sets])
    )
    assert pieces[0][3].shape == (2, 9)


def test_opening_reads_no_labels(tmp_path):
    make_system(tmp_path)
    (tmp_path / "set.000" / "force.npy").write_bytes(b"broken")
    system = DeepmdSystem(tmp_path)
    with pytest.raises(InputError, match=r"force\.npy"):
        system.read(0)


# what a user can get wrong: (what to do to a good system, part of the place, message)


def _nan(name, row, column):
    def change(path):
        def put(array):
            array.reshape(len(array), -1)[row, column] = np.nan

        edit(path / "set.000" / f"{name}.npy", put)

    return change


def _shape(name, change):
    return lambda path: edit(path / "set.000" / f"{name}.npy", change)


def _write(name, text):
    return lambda path: (path / name).write_text(text)


def _remove(name):
    return lambda path: (path / name).unlink()


def _truncate(path):
    file = path / "set.000" / "coord.npy"
    file.write_bytes(file.read_bytes()[:-40])


def _pickle(path):
    np.save(path / "set.000" / "energy.npy", np.array([None, 1], dtype=object), allow_pickle=True)


def _archive(path):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    (path / "set.000" / "coord.npy").write_bytes(buffer.getvalue())


def _zero_box(path):
    def put(array):
        array[2] = 0.0

    edit(path / "set.000" / "box.npy", put)


def _flat_box(path):
    def put(array):
        array[1, 6:9] = array[1, 0:3]

    edit(path / "set.000" / "box.npy", put)


BAD = {
    "no type.raw": (_remove("type.raw"), "", "no type.raw"),
    "types are names": (_write("type.raw", "O H H"), "type.raw", 'got "O"'),
    "types are not whole": (_write("type.raw", "0 1.5 1"), "type.raw", 'got "1.5"'),
    "negative type": (_write("type.raw", "0 -1 1"), "type.raw", "atom 1 has type -1"),
    "no atoms": (_write("type.raw", "\n"), "type.raw", "no atoms"),
    "unknown type": (_write("type_map.raw", "O Xx"), "type_map.raw", '"Xx" is not in the type map .*O H'),
    "too few names": (_write("type_map.raw", "O"), "type_map.raw", "names 1 types, but type.raw has type 1"),
    "type without a name": (
        lambda p: ((p / "type_map.raw").unlink(), (p / "type.raw").write_text("0 2 1")),
        "type.raw",
        r"atom 1 has type 2, but the model has types 0 to 1 \(O H\)",
    ),
    "no sets": (lambda p: (p / "set.000").rename(p / "old"), "", r"neither a folder set\.\*"),
    "no coordinates": (_remove("set.000/coord.npy"), "set.000/coord.npy", "no such file"),
    "no box": (_remove("set.000/box.npy"), "set.000/box.npy", "no such file.*nopbc"),
    "more atoms in type.raw": (_write("type.raw", "0 1 1 1"), "coord.npy", r"n_frames, 4\*3\], got \[4, 9\]"),
    "coordinates of one frame by atom": (
        _shape("coord", lambda a: a[0].reshape(3, 3)), "coord.npy", r"n_frames, 3\*3\], got \[3, 3\]"),
    "no frames": (_shape("coord", lambda a: a[:0]), "coord.npy", "no frames"),
    "fewer energies": (_shape("energy", lambda a: a[:3]), "energy.npy", r"\[4, 1\] .*got \[3\]"),
    "energies of atoms": (
        _shape("energy", lambda a: np.zeros((4, 3))), "energy.npy", r"got \[4, 3\]; .*atom_ener"),
    "six virial components": (
        _shape("virial", lambda a: a[:, :6]), "virial.npy", r"\[4, 9\] .*got \[4, 6\]; all nine"),
    "forces in columns": (_shape("force", lambda a: a.T.copy()), "force.npy", r"\[4, 9\] .*got \[9, 4\]"),
    "box of three lengths": (_shape("box", lambda a: a[:, ::4]), "box.npy", r"\[4, 9\] .*got \[4, 3\]"),
    "NaN coordinate": (_nan("coord", 2, 7), "coord.npy", "NaN in frame 2, atom 2"),
    "NaN force": (_nan("force", 3, 3), "force.npy", "NaN in frame 3, atom 1"),
    "NaN energy": (_nan("energy", 1, 0), "energy.npy", "NaN in frame 1"),
    "NaN virial": (_nan("virial", 0, 8), "virial.npy", "NaN in frame 0, component 8"),
    "infinite energy": (_shape("energy", lambda a: np.full(4, np.inf)),
                        "energy.npy", "infinite value in frame 0"),
    "box of zeros": (_zero_box, "box.npy", "box of frame 2 is all zeros.*nopbc"),
    "box without volume": (_flat_box, "box.npy", "box of frame 1 has no volume"),
    "cut off": (_truncate, "coord.npy", "not a complete numpy array file"),
    "not an array": (_write("set.000/coord.npy", "1 2 3"), "coord.npy", "not a complete numpy array file"),
    "empty file": (_write("set.000/coord.npy", ""), "coord.npy", "not a complete numpy array file"),
    "objects": (_pickle, "energy.npy", "not a complete numpy array file"),
    "an archive": (_archive, "coord.npy", "archive of several arrays"),
    "complex numbers": (_shape("energy", lambda a: a + 0j), "energy.npy", "real numbers, got .*complex128"),
    "words": (_shape("energy", lambda a: a.astype(str)), "energy.npy", "expected real numbers"),
    "mixed types": (
        lambda p: np.save(p / "set.000" / "real_atom_types.npy", np.zeros((4, 3))),
        "set.000",
        "not supported",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mapped", [False, True], ids=["read", "mapped"])
@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_refused_by_file(tmp_path, monkeypatch, case, mapped):
    spoil, place, message = BAD[case]
    path = tmp_path / "system"
    make_system(path, keys=ALL)
    read_all(DeepmdSystem(path, ["O", "H"]))  # good before it is spoiled
    spoil(path)
    if mapped:
        monkeypatch.setattr(data_files, "MAP_BYTES", 1)
        monkeypatch.setattr(data_files, "CHUNK", 7)
    with pytest.raises(InputError, match=message) as caught:
        read_all(DeepmdSystem(path, ["O", "H"]))
    assert caught.value.where.startswith(str(path)) and caught.value.where.endswith(place)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 2 3\n1 2\n", "one frame in a line"), ("1 2 x\n", "one frame in a line"), ("", "no frames")],
)
def test_bad_text_is_refused(tmp_path, text, message):
    make_system(tmp_path, text=True)
    (tmp_path / "coord.raw").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        DeepmdSystem(tmp_path)
    assert caught.value.where.endswith("coord.raw")


def test_missing_parameters_are_named(tmp_path):
    make_system(tmp_path)
    with pytest.raises(InputError, match="numb_fparam") as caught:
        DeepmdSystem(tmp_path, numb_fparam=1)
    assert caught.value.where.endswith("fparam.npy")
    make_system(tmp_path, keys=("coord", "box", "aparam"))
    with pytest.raises(InputError, match=r"expected shape \[4, 6\].*numb_aparam"):
        DeepmdSystem(tmp_path, numb_aparam=2).read(0)


@pytest.mark.parametrize("name", ["data.hdf5", "data.lmdb", "data.hdf5#/a", "frames.extxyz"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="reads no other"):
        DeepmdSystem(tmp_path / name)


def test_paths_that_are_no_systems_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        DeepmdSystem(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="got a file"):
        DeepmdSystem(tmp_path / "file")
    make_system(tmp_path / "below")
    with pytest.raises(InputError, match="as text, not in a list"):
        DeepmdSystem(tmp_path)


def test_unknown_labels_are_refused(tmp_path):
    make_system(tmp_path)
    with pytest.raises(InputError, match='Did you mean "virial"'):
        DeepmdSystem(tmp_path, labels=("virials",))


@pytest.mark.parametrize(("factor", "message"), [(0.0, "all forces are 0"), (1e4, "are the units")])
def test_strange_forces_are_met_with_a_warning(tmp_path, caplog, factor, message):
    make_system(tmp_path)
    edit(tmp_path / "set.000" / "force.npy", lambda a: a * factor)
    with caplog.at_level(logging.WARNING, "dpcore"):
        system = DeepmdSystem(tmp_path)
        system.read(0)
        system.read(0)
    assert caplog.text.count(message) == 1 and "force.npy" in caplog.text


def test_the_shared_data_are_read():
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}")
    system = DeepmdSystem(folder / "water" / "data_1", ["H", "O"])
    assert system.set_sizes == [80, 80] and system.n_atoms == 192
    assert system.type_counts(2).tolist() == [128, 64]
    got = system.read(1, slice(0, 2))
    assert got["box"].shape == (2, 9) and got["find_force"] == 1.0 and got["find_virial"] == 0.0
    system = DeepmdSystem(folder / "nopbc" / "C4H3O1")
    assert not system.pbc and system.type_map == ["C", "H", "O"] and system.read(0)["box"] is None
    system = DeepmdSystem(folder / "fparam" / "e3000_i2000", ["Be"], numb_fparam=1, numb_aparam=1)
    got = system.read(2)
    assert got["fparam"].shape == (got["coord"].shape[0], 1)
    assert got["aparam"].shape == (got["coord"].shape[0], system.n_atoms)
