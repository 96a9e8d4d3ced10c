# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading of lcurve.out and detail files, and the pictures made of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from dpcore.errors import InputError
from dpcore.plot import plot_learning_curve, plot_parity, read_detail, read_learning_curve

HEADER = "#  step      rmse_val    rmse_trn    rmse_e_val  rmse_e_trn    rmse_f_val  rmse_f_trn         lr\n"
ROW = "{:7d}      3.00e+01    2.00e+01      3.00e-02    2.00e-02      {:.2e}    5.00e-01    1.0e-03\n"


@pytest.fixture
def curve(tmp_path):
    path = tmp_path / "lcurve.out"
    path.write_text(HEADER + "".join(ROW.format(step, 1 / (1 + step)) for step in (0, 100, 200)))
    return path


@pytest.fixture
def detail(tmp_path):
    """Two systems of 3 and 4 atoms with 5 and 6 frames; every prediction is data + 0.1."""
    rng = np.random.default_rng(7)
    kept = {}
    for name, per_atom, width in (("e", False, 1), ("f", True, 3), ("v", False, 9)):
        with open(tmp_path / f"detail.{name}.out", "w") as out:
            kept[name] = []
            for frames, atoms in ((5, 3), (6, 4)):
                data = rng.normal(size=(frames * (atoms if per_atom else 1), width))
                np.savetxt(out, np.hstack([data, data + 0.1]), header="some/system: data_x pred_x")
                kept[name].append(data)
    return tmp_path / "detail", {name: np.concatenate(data) for name, data in kept.items()}


def test_learning_curve_gives_one_array_per_column(curve):
    read = read_learning_curve(curve)
    assert list(read) == HEADER.strip("# \n").split()
    np.testing.assert_array_equal(read["step"], [0, 100, 200])
    np.testing.assert_allclose(read["rmse_f_val"], [1, 1 / 101, 1 / 201], rtol=1e-2)


def test_absent_labels_and_comment_lines_are_understood(curve):
    text = curve.read_text().replace("3.00e-02", "nan").replace("2.00e-02", "-")
    curve.write_text(text.replace(HEADER, HEADER + "# rows without reference data say nan\n"))
    read = read_learning_curve(curve)
    assert np.isnan(read["rmse_e_val"]).all() and np.isnan(read["rmse_e_trn"]).all()
    assert np.isfinite(read["rmse_f_val"]).all()


def test_a_restart_replaces_the_rows_it_repeats(curve):
    curve.write_text(curve.read_text() + HEADER + ROW.format(100, 0.7) + ROW.format(300, 0.6))
    read = read_learning_curve(curve)
    np.testing.assert_array_equal(read["step"], [0, 100, 300])
    np.testing.assert_allclose(read["rmse_f_val"][1:], [0.7, 0.6])


def test_a_last_line_cut_by_a_kill_is_passed_over(curve):
    curve.write_text(curve.read_text() + "    300      2.00e+01    1.0")
    assert read_learning_curve(curve)["step"][-1] == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER, "no rows yet"),
        ("1 2 3\n", "line 1: numbers before the header"),
        (HEADER + "  0  1.0\n" + ROW.format(100, 1), "line 2: expected 8 columns"),
        (
            HEADER + ROW.format(0, 1).replace("5.00e-01", "five") + ROW.format(1, 1),
            "line 2: could not convert",
        ),
    ],
)
def test_a_bad_learning_curve_is_named_with_its_line(tmp_path, text, words):
    (tmp_path / "lcurve.out").write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_learning_curve(tmp_path / "lcurve.out")
    assert "lcurve.out" in str(error.value)


def test_missing_files_say_which_command_writes_them(tmp_path):
    with pytest.raises(InputError, match="dp train writes it"):
        read_learning_curve(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"dp test -d .*nothing writes them"):
        read_detail(tmp_path / "nothing")


@pytest.mark.parametrize("suffix", ["", ".out", ".txt"])
def test_detail_joins_systems_and_counts_their_atoms(detail, suffix):
    prefix, data = detail
    read = read_detail(str(prefix) + suffix)
    np.testing.assert_array_equal(read["natoms"], [3] * 5 + [4] * 6)
    for key, name in (("energy", "e"), ("force", "f"), ("virial", "v")):
        reference, prediction = read[key]
        np.testing.assert_allclose(reference, data[name].squeeze())
        np.testing.assert_allclose(prediction, reference + 0.1)


def test_detail_without_forces_has_no_atom_counts(detail):
    prefix, _ = detail
    prefix.with_name("detail.f.out").unlink()
    assert set(read_detail(prefix)) == {"energy", "virial"}


def test_a_tensor_model_has_one_detail_file(tmp_path):
    np.savetxt(
        tmp_path / "detail.out", np.ones((4, 6)), header="system: data_x data_y data_z pred_x pred_y pred_z"
    )
    read = read_detail(tmp_path / "detail")
    assert set(read) == {"tensor"} and read["tensor"][1].shape == (4, 3)


def test_a_bad_detail_row_is_named_with_its_line(detail):
    prefix, _ = detail
    path = prefix.with_name("detail.v.out")
    path.write_text(path.read_text() + "1 2 3\n")
    with pytest.raises(InputError, match=r"detail\.v\.out, line 14"):
        read_detail(prefix)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_pictures_are_written_whole(tmp_path, curve, detail, suffix):
    pytest.importorskip("matplotlib")
    start = {".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix]
    written = [
        plot_learning_curve(curve, tmp_path / f"one{suffix}"),
        plot_learning_curve([curve, curve], tmp_path / f"two{suffix}", labels=["ours", "theirs"]),
        plot_parity(detail[0], tmp_path / f"parity{suffix}", title="Title"),
    ]
    for path in written:
        assert path.read_bytes().startswith(start)
    assert not list(tmp_path.glob(".*"))


def test_a_curve_without_validation_or_with_one_row_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "lcurve.out"
    path.write_text(
        "#  step         rmse      rmse_f         lr\n      0     1.0e+00     1.0e+00    1.0e-03\n"
    )
    assert plot_learning_curve(path, tmp_path / "a.png").is_file()


def test_labels_must_fit_the_files(tmp_path, curve):
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match="expected one for each"):
        plot_learning_curve([curve], tmp_path / "a.png", labels=["a", "b"])
    with pytest.raises(InputError, match="no such folder"):
        plot_learning_curve(curve, tmp_path / "nowhere" / "a.png")


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch, tmp_path, curve):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'dpcore\[plot\]'"):
        plot_learning_curve(curve, tmp_path / "a.png")
