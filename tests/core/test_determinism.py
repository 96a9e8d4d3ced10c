# SPDX-License-Identifier: LGPL-3.0-or-later
"""The same input gives the same result: for every run, number of threads and order of calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import (
    assert_close,
    evaluate,
    grid_system,
    make_config,
    make_statistics,
    make_tensors,
    model,
    odd_systems,
)
from training import LOSSES, LR, START_LR, make_batch
from where import fixed_order, same_bits

TESTS = Path(__file__).resolve().parents[1]
CONFIG = make_config({"activation_function": "gelu", "resnet_dt": True, "sel": [30, 40]}, {"numb_fparam": 1})


def large_system():
    return grid_system().with_params(1, 0)


def trained_weights(config, steps=5, potential=None):
    potential = potential or core.Model.create(json.dumps(config), make_statistics(config))
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    batch = make_batch(large_system(), potential)
    for _ in range(steps):
        trainer.step(batch, LR, START_LR)
    return potential.tensors()


def results(precision="float64"):
    """Everything one process computes, as a flat dictionary."""
    config = make_config({**CONFIG["descriptor"], "precision": precision}, CONFIG["fitting_net"])
    system = large_system()
    potential = model(config, make_tensors(config))
    out = evaluate(potential, system, atomic=True)
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    gradients = trainer.gradients(make_batch(system, potential), LR, START_LR)
    out.update({f"gradient {k}": v for k, v in gradients.items()})
    out.update({f"weight {k}": v for k, v in trained_weights(config).items()})
    statistics = core.EnvStatistics(json.dumps(config["descriptor"]), 2)
    statistics.add(system.coord, system.box, system.types)
    out.update(statistics.tensors())
    return out


def in_process(threads, path, precision="float64"):
    """results() of a new process with this number of threads."""
    code = (
        f"import sys; sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / 'core')!r}]\n"
        f"import numpy, test_determinism as t; numpy.savez({str(path)!r}, **t.results({precision!r}))"
    )
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "false"}
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=300)
    with np.load(path) as stored:
        return {k: stored[k] for k in stored.files}


# ---- seeds -------------------------------------------------------------------------


def created(descriptor_seed, fitting_seed, **more):
    config = make_config({"seed": descriptor_seed, "resnet_dt": True, **more}, {"seed": fitting_seed})
    return core.Model.create(json.dumps(config), make_statistics(config)).tensors()


def test_the_same_seed_draws_the_same_networks():
    one, other = created(3, 4), created(3, 4)
    assert sorted(one) == sorted(other)
    assert all(one[k].tobytes() == other[k].tobytes() for k in one)


def test_seeds_of_the_two_nets_are_independent():
    one, other = created(3, 4), created(3, 5)
    for name in one:
        if "net_" in name:
            assert np.array_equal(one[name], other[name]) == name.startswith("descriptor"), name
    both = created(6, 6)
    a, b = both["descriptor/net_0_0/layer_1/bias"], both["fitting/net_0/layer_0/bias"]
    assert not np.any(a[:3] == b[:3])


def test_no_seed_draws_new_networks():
    one, other = created(None, 4), created(None, 4)
    assert not np.any(one["descriptor/net_0_0/layer_0/bias"] == other["descriptor/net_0_0/layer_0/bias"])


def test_single_precision_is_the_rounded_double_draw():
    double, single = created(3, 4), created(3, 4, precision="float32")
    for name in double:
        if name.startswith("descriptor/net_"):
            assert np.array_equal(single[name], double[name].astype(np.float32)), name


def test_no_two_networks_are_alike_and_all_are_normal():
    """Matrices N(0, 1/(n_in + n_out)), biases N(0, 1), time steps N(1, 0.001^2) and N(0.1, 0.001^2)."""
    config = make_config({"neuron": [20, 40, 40], "resnet_dt": True}, {"neuron": [60, 60, 60]})
    tensors = core.Model.create(json.dumps(config), make_statistics(config)).tensors()
    drawn = {k: v for k, v in tensors.items() if "net_" in k}
    assert len({v.tobytes() for v in drawn.values()}) == len(drawn)
    normal = {"matrix": [], "bias": [], "embedding idt": [], "fitting idt": []}
    for name, v in drawn.items():
        kind = name.split("/")[-1]
        if kind == "matrix":
            v = v * np.sqrt(sum(v.shape))
        elif kind == "idt":
            embedding = name.startswith("descriptor")
            v, kind = (
                (v - (1.0 if embedding else 0.1)) / 0.001,
                ("embedding idt" if embedding else "fitting idt"),
            )
        normal[kind].append(v.ravel())
    for kind, parts in normal.items():
        z = np.concatenate(parts)
        assert len(z) > 200, kind
        # five standard errors of mean, deviation and the fraction beyond one deviation
        assert abs(z.mean()) < 5 / np.sqrt(len(z)), kind
        assert abs(z.std() - 1) < 5 / np.sqrt(2 * len(z)), kind
        assert abs(np.mean(np.abs(z) > 1) - 0.3173) < 5 * np.sqrt(0.3173 * 0.6827 / len(z)), kind


# ---- runs and threads ----------------------------------------------------------------


@fixed_order
def test_training_twice_gives_the_same_bytes(tmp_path):
    files = []
    for k in range(2):
        tensors = trained_weights(CONFIG)
        files.append(tmp_path / f"model{k}")
        metadata = {"format": "dpcore-model", "config": json.dumps(CONFIG), "training": "{}"}
        core.write_model_file(str(files[-1]), metadata, tensors)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_frames_that_come_again_give_the_same_bytes():
    """Neighbour lists are kept by frame; another cell around the same coordinates is another frame."""
    potential = core.Model.create(json.dumps(CONFIG), make_statistics(CONFIG))
    system = large_system()
    rng = np.random.default_rng(5)
    frames = [
        system,
        system.moved(coord=system.coord + 0.05 * rng.normal(size=system.coord.shape)),
        system.moved(box=1.02 * system.box),
        system.moved(coord=system.coord[::-1].copy(), box=system.box[::-1].copy()),
    ]
    batches = [make_batch(one, potential) for one in frames]
    trainer = core.Trainer(potential, json.dumps(LOSSES["all"]))
    rounds = [[trainer.gradients(b, LR, START_LR) for b in batches] for _ in range(3)]
    del trainer
    for batch, *found in zip(batches, *rounds):
        alone = core.Trainer(potential, json.dumps(LOSSES["all"]))
        expected = alone.gradients(batch, LR, START_LR)
        del alone
        for gradients in found:
            for key, value in expected.items():
                assert same_bits(gradients[key], value), key
    assert any(not np.array_equal(a, b) for a, b in zip(rounds[0][0].values(), rounds[0][2].values()))


@pytest.fixture(scope="module")
def by_threads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    return {n: in_process(n, folder / f"{n}.npz") for n in (1, 2, 3)}


@fixed_order
def test_a_new_process_gives_the_same_bytes(by_threads, tmp_path):
    again = in_process(2, tmp_path / "again.npz")
    for key, value in by_threads[2].items():
        assert value.tobytes() == again[key].tobytes(), key


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_roundings_only(by_threads, threads):
    for key, value in by_threads[threads].items():
        kind = "oracle" if key.startswith("gradient") else "rounding"
        if not key.startswith("weight"):
            assert_close(value, by_threads[1][key], kind, key)


@pytest.mark.parametrize("threads", [2, 3])
def test_training_with_more_threads_follows_the_same_path(by_threads, threads):
    """Weights after five steps; the square root of small second moments enlarges roundings of the
    gradient.
    """
    for key, value in by_threads[threads].items():
        if key.startswith("weight"):
            assert_close(value, by_threads[1][key], "oracle", key)


def test_threads_in_single_precision(tmp_path):
    one, two = (in_process(n, tmp_path / f"{n}.npz", "float32") for n in (1, 2))
    for key in ("energy", "force", "virial", "atom_energy", "atom_virial"):
        assert_close(two[key], one[key], "float32", key)


# ---- concurrent calls -------------------------------------------------------------------


def test_concurrent_evaluations_of_one_potential():
    """Different inputs at the same time through one object: each gets its own result."""
    config = make_config({"sel": [30, 40]})
    potential = model(config, make_tensors(config))
    systems = [s for s in odd_systems().values()] + [large_system().moved(fparam=None)]
    expected = [evaluate(potential, s, atomic=True) for s in systems]
    start = threading.Barrier(4)

    def work(worker):
        start.wait()
        order = np.random.default_rng(worker).permutation(len(systems) * 10) % len(systems)
        return [(k, evaluate(potential, systems[k], atomic=True)) for k in order]

    with ThreadPoolExecutor(4) as pool:
        for done in pool.map(work, range(4)):
            for k, found in done:
                for key, value in expected[k].items():
                    assert same_bits(found[key], value), (k, key)


@fixed_order
def test_concurrent_work_on_several_potentials():
    """Evaluation, training and statistics in four threads, each with its own objects."""
    config = make_config({"sel": [30, 40]}, {"numb_fparam": 1})
    system = large_system()

    def work(seed):
        potential = model(config, make_tensors(config, seed))
        before = evaluate(potential, system)
        weights = trained_weights(config, 3, potential)
        return (
            before,
            weights,
            evaluate(potential, system),
            core.neighbor_stat(system.coord, system.box, system.types, 4.0, 2)[0],
        )

    expected = [work(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for found, serial in zip(pool.map(work, range(4)), expected):
            assert found[3] == serial[3]
            for mine, reference in zip(found[:3], serial[:3]):
                assert all(np.array_equal(mine[k], reference[k]) for k in reference)


def test_other_threads_of_python_run_during_a_long_call():
    """The interpreter's lock is free while the core works."""
    config = make_config({"sel": [30, 40]})
    potential = model(config, make_tensors(config))
    system = large_system()
    many = system.moved(
        coord=np.repeat(system.coord, 100, axis=0), box=np.repeat(system.box, 100, axis=0), fparam=None
    )
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.002):
            ticks.append(1)

    ticker = threading.Thread(target=tick)
    ticker.start()
    evaluate(potential, many)
    done.set()
    ticker.join()
    assert len(ticks) >= 3


def test_results_survive_the_next_call():
    """Arrays that were returned are not overwritten by later work."""
    config = make_config()
    potential = model(config, make_tensors(config))
    system = odd_systems()["triclinic"]
    first = evaluate(potential, system, atomic=True)
    kept = {k: v.copy() for k, v in first.items()}
    evaluate(potential, system.moved(coord=system.coord + 0.3 * np.sin(np.arange(18.0))), atomic=True)
    del potential
    assert all(np.array_equal(first[k], kept[k]) for k in kept)
