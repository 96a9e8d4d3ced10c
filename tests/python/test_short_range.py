# SPDX-License-Identifier: LGPL-3.0-or-later
"""The file of a short-range table, and training, continuing, freezing and compressing with one."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("dpcore._core", reason="the compiled core is not built")

from dpcore import _core
from dpcore.config import InputError
from dpcore.infer import DeepPot
from dpcore.modelfile import read_model
from dpcore.pair_table import read_pair_table
from training_case import dp, make_case, read_curve, same_tensors, write_input

R = 0.2 + 0.05 * np.arange(57)  # to 3 A
COLUMNS = [c * np.exp(-2 * R) / R * np.maximum(0.0, 1 - R / R[-1]) ** 2 for c in (30.0, 20.0, 10.0)]
KEYS = {"model/use_srtab": "table.txt", "model/smin_alpha": 0.1, "model/sw_rmin": 0.8, "model/sw_rmax": 2.6}


def write_table(path="table.txt", r=R, columns=COLUMNS, fmt="%.12g"):
    np.savetxt(path, np.column_stack([r, *columns]), fmt=fmt)


def pieces(table):
    """(info, coefficients [types, types, intervals, 4])"""
    info = table["short_range/tab_info"]
    return info, table["short_range/tab_data"].reshape(int(info[3]), int(info[3]), int(info[2]), 4)


# ---- the file ------------------------------------------------------------------------------


def test_the_spline_goes_through_the_points_and_is_smooth(tmp_path):
    write_table(tmp_path / "t.txt")
    info, data = pieces(read_pair_table(tmp_path / "t.txt", ["A", "B"], 3.0))
    np.testing.assert_allclose(info, [0.2, 0.05, 56, 2], rtol=1e-12)
    assert np.array_equal(data[0, 1], data[1, 0])
    for (a, b), values in zip([(0, 0), (0, 1), (1, 1)], COLUMNS):
        a3, a2, a1, a0 = data[a, b].T
        np.testing.assert_allclose(a0, values[:-1], atol=1e-10)
        np.testing.assert_allclose(a3 + a2 + a1 + a0, values[1:], atol=1e-10)
        scale = np.abs(a1).max()
        np.testing.assert_allclose((3 * a3 + 2 * a2 + a1)[:-1], a1[1:], atol=1e-12 * scale)
        np.testing.assert_allclose((6 * a3 + 2 * a2)[:-1], (2 * a2)[1:], atol=1e-12 * scale)
        assert a1[0] == 0.0 and abs((3 * a3 + 2 * a2 + a1)[-1]) < 1e-12 * scale


def test_a_shorter_table_is_continued_to_the_cut_off(tmp_path, caplog):
    zero = [np.where(R > 2.9, 0.0, column) for column in COLUMNS]
    write_table(tmp_path / "zeros.txt", columns=zero)
    info, data = pieces(read_pair_table(tmp_path / "zeros.txt", ["A", "B"], 4.03))
    assert info[2] == 77 and not caplog.text  # to 4.05 A
    assert np.abs(data[:, :, 60:]).max() < 1e-3 * np.abs(data).max()
    write_table(tmp_path / "more.txt", columns=[column + 0.1 for column in COLUMNS])
    info, data = pieces(read_pair_table(tmp_path / "more.txt", ["A", "B"], 4.03))
    assert "ends at 3 A with energies that are not zero" in caplog.text
    assert info[2] == 76  # the last point is before the cut-off
    assert np.abs(data[:, :, -1].sum(axis=-1)).max() < 1e-10  # and there all energies are zero
    assert data[0, 0, 57, 3] < 0.1


def test_comments_and_digits_of_the_distances_do_not_matter(tmp_path):
    write_table(tmp_path / "a.txt")
    text = (tmp_path / "a.txt").read_text()
    (tmp_path / "b.txt").write_text("# r AA AB BB\n\n" + text.replace("\n", "   # a comment\n"))
    one, other = (read_pair_table(tmp_path / name, ["A", "B"], 3.0) for name in ("a.txt", "b.txt"))
    assert all(np.array_equal(one[key], other[key]) for key in one)
    third = 0.1 + np.arange(60) / 30  # 0.0333: not evenly spaced to the last digit
    write_table(tmp_path / "c.txt", third, [np.exp(-third)], "%.6f")
    assert pieces(read_pair_table(tmp_path / "c.txt", ["A"], 2.0))[0][2] == 59


def lines(change):
    """The lines of a good table, changed."""

    def write(path):
        write_table(path)
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return write


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda path: path.write_text(""), "at least two distances, got 0"),
        (lines(lambda rows: rows[:1]), "at least two distances, got 1"),
        (lines(lambda rows: [row.rsplit(" ", 1)[0] for row in rows]), r"line 1: expected 4 columns.*O-O, O-H, H-H.*got 3"),
        (lines(lambda rows: [row + " 1.0" for row in rows]), "line 1: expected 4 columns.* got 5"),
        (lines(lambda rows: [*rows[:5], rows[5].rsplit(" ", 1)[0], *rows[6:]]), "line 6: expected 4 columns"),
        (lines(lambda rows: [*rows[:3], "r O H", *rows[3:]]), "line 4: expected numbers, got 'r O H'"),
        (lines(lambda rows: [*rows[:3], rows[3].rsplit(" ", 1)[0] + " nan", *rows[4:]]), "line 4: .*not finite"),
        (lines(lambda rows: rows[:3] + rows[4:]), r"line 4: the distance 0\.4 A is not .* 0\.35 A; .*evenly spaced"),
        (lines(lambda rows: rows[::-1]), "expected them to rise"),
        (lines(lambda rows: ["-0.05 1 1 1", "0.0 1 1 1", "0.05 1 1 1"]), "expected them to rise from 0 or above"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused_by_line(tmp_path, write, text):
    path = tmp_path / "table.txt"
    write(path)
    with pytest.raises(InputError, match=f"table.txt: .*{text}"):
        read_pair_table(path, ["O", "H"], 3.0)


# ---- training and what follows ---------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with data, an input and its table."""
    monkeypatch.chdir(tmp_path)
    make_case(tmp_path, KEYS)
    write_table()
    return tmp_path


def frames():
    coord, box = (np.load(f"valid/set.000/{name}.npy") for name in ("coord", "box"))
    return coord, box, np.loadtxt("valid/type.raw", dtype=int)


def test_train_freeze_test_and_compress(folder, capfd):
    assert dp("train", "input.json") == 0
    curve = read_curve()
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0] and np.all(np.isfinite(curve["rmse_f_val"]))
    shutil.move("table.txt", "lost.txt")  # checkpoint and model hold it
    assert dp("freeze", "-o", "m.dp") == 0 and dp("test", "-m", "m.dp", "-s", "valid") == 0
    file = read_model("m.dp")
    assert file.config["smin_alpha"] == 0.1 and file.config["srtab_add_bias"] is True
    model = DeepPot("m.dp")
    energy, force, virial, atom_energy, atom_virial = model.eval(*frames(), atomic=True)
    np.testing.assert_allclose(atom_energy.sum(axis=1), energy, rtol=1e-12)
    np.testing.assert_allclose(atom_virial.sum(axis=1), virial, rtol=1e-6, atol=1e-9)
    # the table takes part: without it the forces are others
    config = {k: v for k, v in file.config.items() if k in ("type_map", "descriptor", "fitting_net")}
    tensors = {k: v for k, v in file.model_tensors().items() if not k.startswith("short_range/")}
    plain = _core.Model(json.dumps(config), tensors).evaluate(*frames())
    assert np.abs(plain["force"] - force).max() > 1e-3

    assert dp("compress", "-i", "m.dp", "-o", "c.dp", "--tol", "1e-4") == 0
    compressed = DeepPot("c.dp")
    assert compressed.compressed
    for one, other in zip((energy, force, virial), compressed.eval(*frames())):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)
    assert not np.array_equal(compressed.eval(*frames())[1], force)


def test_a_continued_run_ends_as_one_in_a_piece(folder, capfd):
    assert dp("train", "input.json") == 0
    shutil.copy("model.ckpt-20", "whole.dp")
    assert dp("train", "input.json", "--restart", "model.ckpt-10") == 0
    assert same_tensors("model.ckpt-20", "whole.dp")
    assert "the table is that of" not in capfd.readouterr().err


def test_the_table_of_the_model_stays_when_training_starts_from_it(folder, capfd):
    assert dp("train", "input.json") == 0 and dp("freeze", "-o", "m.dp") == 0
    write_table(columns=[2 * column for column in COLUMNS])
    write_input(folder / "more.json", {**KEYS, "training/numb_steps": 1})
    capfd.readouterr()
    assert dp("train", "more.json", "--init-frz-model", "m.dp") == 0
    assert "the table is that of m.dp, and table.txt differs" in capfd.readouterr().err
    before, after = (read_model(name).tensors["short_range/tab_data"] for name in ("m.dp", "model.ckpt-1"))
    assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model/sw_rmax": 2.5}, "sw_rmax: the input has 2.5, the model 2.6"),
        ({"model/use_srtab": None}, 'use_srtab: the input has null, the model "table.txt"'),
    ],
)
def test_another_switch_or_none_is_another_model(folder, changes, text, capfd):
    assert dp("train", "input.json") == 0
    write_input(folder / "more.json", {**KEYS, **changes})
    assert dp("train", "more.json", "--init-model", "model.ckpt") == 1
    assert text in capfd.readouterr().err


def test_atoms_of_the_data_nearer_than_the_table_are_named(folder, capfd):
    coord = np.load("train_b/set.000/coord.npy")
    coord[:, 3:6] = coord[:, :3] + [0.15, 0.0, 0.0]
    np.save("train_b/set.000/coord.npy", coord)
    assert dp("train", "input.json") == 1
    found = re.search(r"train_b/set.000, .*frame \d: atoms (0 and 1|1 and 0) are nearer than 0\.2 A, where the "
                      r"short-range table \(use_srtab\) begins", capfd.readouterr().err)  # fmt: skip
    assert found


def test_switches_that_do_nothing_or_jump_are_told(folder, capfd):
    write_input(folder / "input.json", {**KEYS, "model/sw_rmax": 4.5, "training/numb_steps": 1})
    assert dp("train", "input.json") == 0
    assert "model/sw_rmax: 4.5 A is beyond the cut-off of 4 A; the energy jumps" in capfd.readouterr().err
    write_input(folder / "input.json", {"model/sw_rmax": 2.5, "training/numb_steps": 1})
    assert dp("train", "input.json") == 0
    assert "model/sw_rmax has no effect without model/use_srtab" in capfd.readouterr().err
