# SPDX-License-Identifier: LGPL-3.0-or-later
"""compute deeptensor/atom gives what DeepDipole and DeepPolar give."""

from __future__ import annotations

import re

import numpy as np
import pytest
from dpcore.infer import DeepPotential
from make_model import write_tensor_model
from run_lammps import HEAD, lammps, read_dump

ZERO = "pair_style zero 4.0 full\npair_coeff * *\n"


def run(folder, model, words="", group="all", pair=ZERO, columns=3, before="", **more):
    """Per-atom rows in the order of the atoms; None if lmp failed, and its output."""
    names = " ".join(f"c_t[{k + 1}]" for k in range(columns))
    script = (
        HEAD
        + before
        + pair
        + (
            f"compute t {group} deeptensor/atom {model} {words}\n"
            f"dump d all custom 1 out.dump id {names}\ndump_modify d sort id format float %.17g\nrun 0\n"
        )
    )
    out = lammps(folder, script, **more)
    return (read_dump(folder / "out.dump")[:, 1:] if out.code == 0 else None), out


def expected(model, box, types=None):
    return DeepPotential(model).eval(box.coord[None], box.cell[None], box.types if types is None else types)[
        0
    ]


@pytest.mark.parametrize("kind, columns", [("dipole", 3), ("polar", 9)])
@pytest.mark.parametrize("ranks", [1, 2])
def test_tensors_equal_those_of_python(tmp_path, box, kind, columns, ranks):
    model = write_tensor_model(tmp_path / "m.dp", kind, sel=(40, 40))
    found, _ = run(tmp_path, model, columns=columns, ranks=ranks)
    wanted = expected(model, box)
    assert np.abs(wanted[box.types == 0]).min() > 0 and not wanted[box.types == 1].any()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())


def test_names_of_types_and_a_group(tmp_path, box):
    model = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    found, _ = run(tmp_path, model, "H O", "some", before="group some id 1:20\n")
    wanted = expected(model, box, 1 - box.types)
    wanted[20:] = 0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())


def test_beside_pair_style_deepmd(tmp_path, box, model, head):
    tensors = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    found, _ = run(tmp_path, tensors, pair=head[len(HEAD) :])
    np.testing.assert_allclose(found, expected(tensors, box), rtol=0, atol=1e-11)


def test_unlikely_masses_are_a_warning(tmp_path, box):
    model = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    sentence = "compute deeptensor/atom: atom type 1 is {} for the model"
    assert sentence.format("O") not in run(tmp_path, model)[1].errors
    assert sentence.format("H") in run(tmp_path, model, "H O")[1].errors
    assert sentence.format("O") in run(tmp_path, model, before="mass 1 55.8\n")[1].errors


def test_precision(tmp_path, box):
    model = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    high = expected(model, box)
    for words in ("O H precision low", "precision low"):
        found, _ = run(tmp_path, model, words)
        assert 0 < np.abs(found - high).max() <= 5e-6 * np.abs(high).max()


@pytest.mark.parametrize(
    "pair, words, message",
    [
        (ZERO, "O H precision half", "expected high, mixed or low, got 'half'"),
        ("pair_style zero 2.0 full\npair_coeff * *\n", "", "the model needs neighbours within 4.0"),
        (ZERO, "O", "atom: expected a name for each of the 2 atom types"),
        (ZERO, "O X", "X"),
    ],
)
def test_what_cannot_be_computed_is_refused(tmp_path, box, pair, words, message):
    model = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    _, out = run(tmp_path, model, words, pair=pair, check=False)
    assert out.code != 0 and "deeptensor/atom" in out.text and message in out.errors, out.text[-2000:]


def test_atoms_at_one_place_are_named_by_their_ids(tmp_path, box):
    model = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    x, y, z = box.coord[3]
    _, out = run(tmp_path, model, before=f"set atom 7 x {x:.17g} y {y:.17g} z {z:.17g}\n", check=False)
    found = re.search(r"deeptensor/atom: step 0: atoms (\d+) and (\d+) ", out.errors)
    assert out.code != 0 and found and set(found.groups()) == {"4", "7"}, out.errors


def test_models_of_another_kind_are_refused(tmp_path, box, model):
    tensors = write_tensor_model(tmp_path / "m.dp", sel=(40, 40))
    _, out = run(tmp_path, model, check=False)
    assert out.code != 0 and "needs one of dipoles or polarizabilities" in out.errors
    out = lammps(tmp_path, HEAD + f"pair_style deepmd {tensors}\npair_coeff * *\n", check=False)
    assert out.code != 0 and "model of kind dipole" in out.errors
    _, out = run(tmp_path, tmp_path / "none.dp", check=False)
    assert out.code != 0 and "none.dp: No such file or directory (" in out.errors


def test_files_that_are_no_models_are_refused(tmp_path, box):
    """A device would never end."""
    content = bytearray(write_tensor_model(tmp_path / "m.dp", sel=(40, 40)).read_bytes())
    (tmp_path / "cut.dp").write_bytes(content[:300])
    content[-5] ^= 1
    (tmp_path / "flipped.dp").write_bytes(content)
    for name, message in (
        ("/dev/zero", "/dev/zero: this is a device"),
        (tmp_path, "Is a directory"),
        (tmp_path / "cut.dp", "cut.dp: the file is truncated"),
        (tmp_path / "flipped.dp", "flipped.dp: the file is damaged"),
    ):
        _, out = run(tmp_path, name, check=False, ranks=2, timeout=30)
        assert out.code != 0 and f"compute deeptensor/atom: {name}" in out.errors and message in out.errors
