# SPDX-License-Identifier: LGPL-3.0-or-later
"""Twenty training steps of DeePMD-kit repeated from the same weights: same learning curve, same weights.

The runs are made by make_cases.py where the peer is installed (DPCORE_PEER), once for each version
of that script and cases.py, and kept in the folder for temporary files.

The curve agrees to the digits printed, and every tensor ends within LIMIT of the distance it moved; the
acceptance limit is 1e-4. In double 1e-8 is reached, the error of our on-line tables (3e-11 or
less without them). The inputs of loc_frame that are zero but for rounding (an axis in its own frame) have
gradients of rounding alone, of which Adam makes steps: 1e-6.

In float32 an element of the gradient carries an error of about 1e-7 of the largest one of its
tensor (sums of a few hundred terms of either sign, eps = 6e-8).  A step of Adam is m/sqrt(v), so an
element that is rho times the largest goes wrong by 1e-7/rho of its step: 1e-5 for rho = 0.01, and
as much again for the weight's own rounding, 6e-8 of a weight of order one that moved by 0.01 in
all.  Elements with smaller rho are few, so that tensors end some 1e-6 to some 1e-5 apart (measured:
2e-5 at most; the core in double from the same weights is as far from either).  1e-4 holds.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore import _core as core
from dpcore.convert import read_tensorflow_graph
from dpcore.grammar import descriptor_parts
from dpcore.infer import DeepPot, DipoleChargeModifier
from dpcore.learning_rate import make_learning_rate
from peer import cases, make_cases

SCRIPTS = [Path(make_cases.__file__), Path(cases.__file__)]
LIMIT = {"float64": 1e-7, "float32": 1e-4}
LIMIT_OF_LOC_FRAME = 2e-5
# of a quantity of the curve: an energy per atom is a small difference
SLACK = {"float64": 1e-8, "float32": 5e-6}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        make_cases.peer_command() is None,
        reason=f"DeePMD-kit is not installed in {make_cases.peer_environment()} (set DPCORE_PEER)",
    ),
]


class Case:
    """One run of the peer: start, end, curve, batch and schedule."""

    def __init__(self, folder):
        self.input = json.loads((folder / "input.json").read_text())
        metadata, self.start = read_tensorflow_graph(folder / "start.pb")
        _, self.end = read_tensorflow_graph(folder / "end.pb")
        self.config = json.loads(metadata["config"])
        self.kind = self.config["fitting_net"]["type"]
        self.precision = self.config["fitting_net"]["precision"]
        types = [part["type"] for _, part in descriptor_parts(self.config["descriptor"])]
        self.limit = LIMIT_OF_LOC_FRAME if "loc_frame" in types else LIMIT[self.precision]
        lines = (folder / "lcurve.out").read_text().splitlines()
        self.columns = lines[0].split()[2:]
        self.rows = [line.split() for line in lines if not line.startswith("#")]
        arrays = {p.stem: np.load(p) for p in (folder / "data" / "set.000").glob("*.npy")}
        self.batch = {"type": np.loadtxt(folder / "data" / "type.raw", dtype=np.int32, ndmin=1), **arrays}
        selected = np.isin(self.batch["type"], self.config["fitting_net"].get("sel_type", []))
        for key, value in arrays.items():
            self.batch[f"find_{key}"] = 1.0
            if key.startswith("atomic_"):  # the files hold all atoms
                n_frames, n_atoms = len(value), len(selected)
                self.batch[key] = value.reshape(n_frames, n_atoms, -1)[:, selected].reshape(n_frames, -1)

        if "modifier" in self.config:
            section = self.config["modifier"]
            keys = ("model_charge_map", "sys_charge_map", "ewald_h", "ewald_beta")
            DipoleChargeModifier(folder / "dipole.pb", *(section[key] for key in keys)).modify_data(
                self.batch
            )

    def rate(self, step):
        """The learning rate by the package's schedule."""
        section, steps = self.input["learning_rate"], self.input["training"]["numb_steps"]
        return make_learning_rate(section, steps).value(step)

    def follow(self):
        """The same steps by the core: the quantities of the curve after each, and the weights at the end."""
        potential = core.Model(json.dumps(self.config), self.start)
        trainer = core.Trainer(potential, json.dumps(self.input["loss"]))
        curve = []
        for step in range(len(self.rows)):
            lr = self.rate(step)
            curve.append({**trainer.losses(self.batch, lr, self.rate(0)), "lr": lr})
            if step + 1 < len(self.rows):
                trainer.step(self.batch, lr, self.rate(0))
        return curve, potential.tensors()

    def trained(self):
        fixed = ["modifier/"]
        if not self.config.get("type_embedding", {}).get("trainable", True):
            fixed.append("type_embedding/")
        fixed += [f"fitting/net_{t}/" for t in (0, 1) if t not in self.batch["type"]]
        if any(e is not None for e in self.config["fitting_net"].get("atom_ener", [])):
            fixed.append("fitting/net/layer_2/bias")  # cancels in E - E(vacuum) where types share the net
        return sorted(k for k in self.start if "/layer_" in k and not k.startswith(tuple(fixed)))


@pytest.fixture(scope="module")
def folder():
    digest = hashlib.sha256(b"".join(script.read_bytes() for script in SCRIPTS)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"dpcore-peer-{os.getuid()}-{digest}"


@pytest.fixture(scope="module", params=sorted(make_cases.CASES))
def case(request, folder):
    return Case(make_cases.make_case(request.param, folder))


def distance(a, b):
    return float(np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64)))


def test_case_is_what_it_should_be(case):
    """Twenty steps, every wanted column, and weights that moved."""
    assert [int(row[0]) for row in case.rows] == list(range(21))
    loss = case.input["loss"]
    wanted = {"rmse_trn", "rmse_e_trn", "rmse_f_trn", "rmse_v_trn", "rmse_ae_trn", "lr"}
    if loss["type"] == "tensor":
        wanted = {"rmse_trn", "lr"}
        wanted |= {f"rmse_{k}_trn" for k, p in (("lc", "pref_atomic"), ("gl", "pref")) if loss[p]}
    assert set(case.columns) == wanted | ({"rmse_pf_trn"} if "start_pref_pf" in loss else set())
    assert sorted(case.start) == sorted(case.end)
    for name in case.trained():
        assert distance(case.end[name], case.start[name]) > 1e-3, name
    found, written = (
        [part.get("sel", part.get("sel_r")) for _, part in descriptor_parts(model["descriptor"])]
        for model in (case.config, case.input["model"])
    )
    assert found == written


def test_predictions_contain_the_modifier(folder, monkeypatch):
    """What the peer evaluates with the model at the end, dipole model and Ewald sum included."""
    monkeypatch.setenv("DP_EXACT_NETS", "1")
    path = make_cases.make_case("dipole_charge", folder)
    coord, box = (np.load(path / "data" / "set.000" / f"{name}.npy") for name in ("coord", "box"))
    types = np.loadtxt(path / "data" / "type.raw", dtype=int)
    found = dict(zip(("energy", "force", "virial"), DeepPot(path / "end.pb").eval(coord, box, types)))
    with np.load(path / "ref.npz") as expected:
        for key, value in found.items():
            assert np.abs(value - expected[key]).max() <= 1e-10 * np.abs(expected[key]).max(), key


def test_learning_curve(case):
    curve, _ = case.follow()
    for row, found in zip(case.rows, curve):
        for key, text in zip(case.columns, row[1:]):
            value = float(found[key.removesuffix("_trn")])
            if key == "lr":
                assert f"{value:.1e}" == text, row[0]
                continue
            # half a unit of the last printed digit, and what the runs differ by where that falls between two
            unit = 10.0 ** (np.floor(np.log10(abs(float(text)))) - 2)
            limit = 0.5 * unit + SLACK[case.precision] * abs(value)
            assert abs(value - float(text)) <= limit, (row[0], key, text, value)


def test_weights_after_the_last_step(case):
    _, found = case.follow()
    for name in case.trained():
        assert found[name].dtype == case.end[name].dtype == case.precision and np.all(
            np.isfinite(found[name])
        ), name
        moved, apart = distance(case.end[name], case.start[name]), distance(found[name], case.end[name])
        assert apart <= case.limit * moved, f"{name}: {apart / moved:.1e} of the distance moved"


@pytest.mark.parametrize("change", ["one label", "learning rate", "one weight"])
def test_a_small_change_is_noticed(case, change):
    """The comparison above is sharp: none of these would pass."""
    case = copy.deepcopy(case)
    if change == "one label":
        of_energies = (
            ("force", 4) if len(case.batch["type"]) > 1 else ("virial", 4)
        )  # a lone atom feels no force
        key, at = {"dipole": ("dipole", 1), "polar": ("polarizability", 4)}.get(case.kind, of_energies)
        case.batch[key] = case.batch[key] + 1e-2 * (np.arange(case.batch[key].shape[1]) == at)
    elif change == "learning rate":
        case.input["learning_rate"]["start_lr"] *= 1.001
    else:
        name = case.trained()[0]
        case.start[name] = case.start[name] * (1 + 1e-3)
    with pytest.raises(AssertionError):
        test_weights_after_the_last_step(case)
