# SPDX-License-Identifier: LGPL-3.0-or-later
"""Several models: forces of the first, and the file of their deviation."""

from __future__ import annotations

import numpy as np
import pytest
from dpcore.infer import DeepPot
from make_model import write_model
from run_lammps import HEAD, assert_same, lammps, measure, read_dump

MD = "velocity all create 300 4711\nfix 1 all nve\ntimestep 0.0005\n"
COLUMNS = ["step", "max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"]


def style(model, others, words=""):
    names = " ".join(map(str, [model, *others]))
    return f"pair_style deepmd {names} {words}\npair_coeff * * O H\n"


def predictions(paths, box):
    """Forces [m, n, 3] and virials per atom [m, 9]."""
    results = [DeepPot(path).eval(box.coord[None], box.cell[None], box.types) for path in paths]
    return np.array([r[1][0] for r in results]), np.array([r[2][0] for r in results]) / len(box.types)


def expected_row(paths, box, relative=None, relative_v=None):
    """The six numbers and the deviation of each atom, from their definitions."""
    f, v = predictions(paths, box)
    devi_f = np.sqrt(((f - f.mean(0)) ** 2).sum(-1).mean(0))
    if relative is not None:
        devi_f /= np.linalg.norm(f.mean(0), axis=-1) + relative
    devi_v = v.std(0)
    if relative_v is not None:
        devi_v /= np.abs(v.mean(0)) + relative_v
    return [
        devi_v.max(), devi_v.min(), np.sqrt((devi_v**2).mean()), devi_f.max(), devi_f.min(), devi_f.mean(),
    ], devi_f  # fmt: skip


def read(path):
    """Heading and rows."""
    lines = path.read_text().splitlines()
    return lines[0], np.array([[float(word) for word in line.split()] for line in lines[1:]], ndmin=2)


WORDS = {
    "": {},
    "relative 0.3": {"relative": 0.3},
    "relative_v 0.01": {"relative_v": 0.01},
    "relative 0 relative_v 0.2": {"relative": 0.0, "relative_v": 0.2},
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("words", WORDS)
def test_row_is_the_definition(tmp_path, model, others, box, words, ranks):
    lammps(tmp_path, HEAD + style(model, others, f"out_file md.out atomic {words}") + "run 0\n", ranks)
    heading, rows = read(tmp_path / "md.out")
    assert heading.split() == ["#", *COLUMNS, "atm_devi_f(N)"]
    numbers, atoms = expected_row([model, *others], box, **WORDS[words])
    np.testing.assert_allclose(rows[0], [0, *numbers, *atoms], rtol=1e-6)  # seven digits are written


def test_layout_of_the_file(tmp_path, model, others, box):
    lammps(tmp_path, HEAD + style(model, others) + MD + "run 0\n")
    heading, row = (tmp_path / "model_devi.out").read_text().splitlines()
    assert heading == "#       step" + "".join(f"{name:>19}" for name in COLUMNS[1:])
    assert len(row) == 12 + 6 * 19
    assert row[:12] == "           0"


def test_forces_are_those_of_the_first_model(tmp_path, model, others, box):
    expected = DeepPot(model).eval(box.coord[None], box.cell[None], box.types, atomic=True)
    assert_same(measure(tmp_path, HEAD + style(model, others, "out_freq 1")), expected)


def test_rows_come_every_out_freq_steps_and_once(tmp_path, model, others, box):
    script = HEAD + style(model, others, "out_freq 2") + MD
    script += "dump 1 all custom 2 md.dump id x y z\ndump_modify 1 sort id format float %.17g\nrun 4\nrun 2\n"
    lammps(tmp_path, script)
    _, rows = read(tmp_path / "model_devi.out")
    assert rows[:, 0].tolist() == [0, 2, 4, 6]
    for frame, row in enumerate(rows):
        moved = box._replace(coord=read_dump(tmp_path / "md.dump", frame)[:, 1:])
        numbers, _ = expected_row([model, *others], moved)
        np.testing.assert_allclose(row[1:], numbers, rtol=2e-6)


def test_trial_moves_and_line_searches_leave_one_row_for_a_step(tmp_path, model, others, box):
    """Monte Carlo moves and minimisers evaluate several times in a step."""
    swap = "fix 2 all atom/swap 1 4 29494 300 ke no types 1 2\n"
    lammps(tmp_path, HEAD + style(model, others, "out_freq 1") + MD + swap + "run 5\n")
    assert read(tmp_path / "model_devi.out")[1][:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    out = lammps(tmp_path, HEAD + style(model, others, "out_freq 1") + "thermo 1\nminimize 0 0 5 20\n")
    steps = read(tmp_path / "model_devi.out")[1][:, 0]
    assert steps.tolist() == out.thermo()["Step"].tolist()
    assert len(steps) > 2


def test_out_freq_0_writes_nothing(tmp_path, model, others, box):
    lammps(tmp_path, HEAD + style(model, others, "out_freq 0") + MD + "run 2\n")
    assert not (tmp_path / "model_devi.out").exists()


def test_restart_goes_on_in_the_file(tmp_path, model, others, box):
    lammps(tmp_path, HEAD + style(model, others, "out_freq 1") + MD + "run 2\nwrite_restart r\n")
    again = f"read_restart r\n{style(model, others, 'out_freq 1')}fix 1 all nve\nrun 2\n"
    lammps(tmp_path, again)
    heading, rows = read(tmp_path / "model_devi.out")
    assert rows[:, 0].tolist() == [0, 1, 2, 2, 3, 4]
    np.testing.assert_allclose(rows[3], rows[2], rtol=1e-5)
    # a run of its own begins anew
    lammps(tmp_path, HEAD + style(model, others, "out_freq 1") + MD + "run 1\n")
    assert read(tmp_path / "model_devi.out")[1][:, 0].tolist() == [0, 1]


def test_rows_are_kept_under_hybrid_and_where_pair_style_comes_again(tmp_path, model, others, box):
    hybrid = (
        style(model, others, "out_freq 1").replace("deepmd", "hybrid deepmd", 1).replace("* *", "* * deepmd")
    )
    script = (
        HEAD
        + hybrid
        + MD
        + "run 1\nwrite_restart r\nclear\nread_restart r\n"
        + hybrid
        + "fix 1 all nve\nrun 1\n"
    )
    lammps(tmp_path, script + style(model, others[:1], "out_freq 1") + "run 1\n")
    assert read(tmp_path / "model_devi.out")[1][:, 0].tolist() == [0, 1, 1, 2, 2, 3]


def test_two_styles_cannot_write_one_file(tmp_path, model, others, box):
    two = f"pair_style hybrid/overlay deepmd {model} {others[0]} out_file a.out deepmd {model} {others[1]} out_file "
    out = lammps(tmp_path, HEAD + two + "a.out\n", check=False)
    assert out.code != 0
    assert "out_file a.out: another pair style, partition or run is writing it" in out.errors
    lammps(tmp_path, HEAD + two + "b.out\npair_coeff * * deepmd 1 O H\npair_coeff * * deepmd 2 O H\nrun 0\n")
    for name, other in (("a.out", others[0]), ("b.out", others[1])):
        numbers, _ = expected_row([model, other], box)
        np.testing.assert_allclose(read(tmp_path / name)[1][0, 1:], numbers, rtol=1e-6)


def test_restart_without_a_pair_style_says_so(tmp_path, model, box, head):
    lammps(tmp_path, head + "run 0\nwrite_restart r\n")
    out = lammps(tmp_path, "read_restart r\nrun 0\n", check=False)
    assert out.code != 0
    assert "coeffs are not set" in out.errors or "write pair_style again" in out.errors


def test_atoms_are_in_the_order_of_their_ids_when_some_are_gone(tmp_path, model, others, box):
    script = (
        HEAD
        + style(model, others, "atomic")
        + "group gone id 3 7 8\ndelete_atoms group gone compress no\nrun 0\n"
    )
    lammps(tmp_path, script, ranks=2)
    kept = np.setdiff1d(np.arange(len(box.types)), [2, 6, 7])
    left = box._replace(coord=box.coord[kept], types=box.types[kept])
    numbers, atoms = expected_row([model, *others], left)
    np.testing.assert_allclose(read(tmp_path / "model_devi.out")[1][0, 1:], [*numbers, *atoms], rtol=1e-6)


def test_atoms_without_ids_have_no_order(tmp_path, model, others, box):
    atoms = "atom_modify id no\nregion r block 0 8 0 8 0 8\ncreate_box 2 r\ncreate_atoms 1 random 9 4711 r\n"
    script = HEAD.replace("read_data box.data\n", atoms) + style(model, others, "atomic") + "run 0\n"
    out = lammps(tmp_path, script, ranks=2, check=False)
    assert out.code != 0 and "these atoms have none (atom_modify id no)" in out.errors
    assert lammps(tmp_path, script.replace("atomic\npair_coeff", "\npair_coeff")).code == 0


def test_deviation_in_other_units(tmp_path, model, others, box):
    lammps(tmp_path, HEAD.replace("metal", "real") + style(model, others) + "run 0\n")
    numbers, _ = expected_row([model, *others], box)
    kcal = 0.0019872067 / 8.617343e-5
    np.testing.assert_allclose(
        read(tmp_path / "model_devi.out")[1][0, 1:], np.array(numbers) * kcal, rtol=1e-6
    )


def test_models_of_two_kinds_are_refused(tmp_path, model, box):
    other = write_model(tmp_path / "other.dp", sel=(40, 40), rcut=3.5)
    out = lammps(tmp_path, HEAD + style(model, [other]), check=False)
    assert out.code != 0
    assert "must agree in rcut" in out.errors and "other.dp has 3.5" in out.errors


def test_file_that_cannot_be_written(tmp_path, model, others, box):
    out = lammps(tmp_path, HEAD + style(model, others, "out_file no/where.out"), ranks=2, check=False)
    assert out.code != 0
    assert "no/where.out: cannot be opened" in out.text
