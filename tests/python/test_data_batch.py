# SPDX-License-Identifier: LGPL-3.0-or-later
"""Batches: their sizes, the order of frames, how often systems are drawn, and going on after a stop."""

import copy
import json
import logging

import numpy as np
import pytest
from dpcore.data import (
    DataCollection,
    FrameSampler,
    expand_systems,
    get_rng_state,
    make_rng,
    set_rng_state,
)
from dpcore.data.batch import batch_sizes, n_batches, system_probabilities
from dpcore.errors import InputError
from make_system import SHARED, make_system


def collection(paths, rng=None, **keys):
    section = {"systems": [str(p) for p in paths], "batch_size": 1, **keys}
    return DataCollection(section, rng or make_rng(1), ["O", "H"])


# ---- sizes and probabilities ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (3, [3, 3, 3]),
        ([1, 2, 3], [1, 2, 3]),
        ("auto", [1, 4, 32]),
        ("auto:100", [1, 13, 100]),
        ("auto:192", [1, 24, 192]),
        ("auto:193", [2, 25, 193]),
    ],
)
def test_batch_sizes(spec, expected):
    assert batch_sizes(spec, [192, 8, 1], "x") == expected


@pytest.mark.parametrize("spec", [[1, 2], "automatic"])
def test_bad_batch_sizes(spec):
    with pytest.raises(InputError, match="each of the 3 systems"):
        batch_sizes(spec, [1, 1, 1], "x")


@pytest.mark.parametrize(
    ("sets", "size", "expected"), [([80], 1, 80), ([80, 80], 30, 4), ([5, 80], 7, 12), ([3, 2], 10, 2)]
)
def test_batches_in_a_pass(sets, size, expected):
    assert n_batches(sets, size) == expected


@pytest.mark.parametrize(
    ("auto_prob", "sys_probs", "expected"),
    [
        ("prob_uniform", None, [0.25] * 4),
        ("prob_sys_size", None, [0.1, 0.2, 0.3, 0.4]),
        ("prob_sys_size;0:2:0.5;2:4:0.5", None, [1 / 6, 1 / 3, 3 / 14, 2 / 7]),
        ("prob_sys_size;0:1:1;2:3:3", None, [0.25, 0, 0.75, 0]),
        ("prob_uniform", [0.7, 0.1, 0.2, 0.0], [0.7, 0.1, 0.2, 0.0]),
        ("prob_uniform", [0.4, -1, -1, 0.1], [0.4, 0.2, 0.3, 0.1]),
        ("prob_uniform", [-1, -1, -1, -1], [0.1, 0.2, 0.3, 0.4]),
        ("prob_uniform", [1.0, -1, 0, 0], [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_probabilities_of_systems(auto_prob, sys_probs, expected):
    got = system_probabilities([10, 20, 30, 40], auto_prob, sys_probs, "data")
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    assert got.sum() == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize(
    ("auto_prob", "sys_probs", "where", "message"),
    [
        ("prob_sys_size;0:5:1", None, "data/auto_prob", "beyond the 4 systems"),
        ("prob_sys_size;0:2:1;1:4:1", None, "data/auto_prob", "overlaps"),
        ("prob_other", None, "data/auto_prob", "unknown rule"),
        ("prob_uniform", [1.0], "data/sys_probs", "each of the 4 systems, got 1"),
        ("prob_uniform", [0.5, 0.4, 0, 0], "data/sys_probs", "sum to 0.9"),
        ("prob_uniform", [0.9, 0.4, -1, -1], "data/sys_probs", "sum to 1.3"),
    ],
)
def test_bad_probabilities(auto_prob, sys_probs, where, message):
    with pytest.raises(InputError, match=message) as caught:
        system_probabilities([10, 20, 30, 40], auto_prob, sys_probs, "data")
    assert caught.value.where == where


# ---- order of frames -----------------------------------------------------------------------------


def test_a_pass_gives_every_frame_once():
    sampler = FrameSampler([6], 2, make_rng(3))
    for _ in range(4):
        seen = np.concatenate([sampler.next()[1] for _ in range(3)])
        assert sorted(seen) == list(range(6))


def test_sets_take_turns_and_remainders_wait():
    sampler = FrameSampler([5, 3], 2, make_rng(3))
    drawn = [sampler.next() for _ in range(6)]
    assert [index for index, _ in drawn] == [0, 0, 1, 0, 0, 1]
    assert all(len(frames) == 2 for _, frames in drawn)
    assert len(set(np.concatenate([drawn[0][1], drawn[1][1]]))) == 4


def test_a_set_smaller_than_a_batch_is_given_whole():
    sampler = FrameSampler([3, 10], 4, make_rng(3))
    assert [len(sampler.next()[1]) for _ in range(6)] == [3, 4, 4, 3, 4, 4]


def test_equal_seeds_give_equal_frames_and_others_do_not():
    def draw(seed):
        sampler = FrameSampler([50], 5, make_rng(seed))
        return np.concatenate([sampler.next()[1] for _ in range(25)])

    np.testing.assert_array_equal(draw(4), draw(4))
    assert (draw(4) != draw(5)).any()


def test_workers_see_different_frames():
    assert make_rng(1, 0).random_sample() != make_rng(1, 1).random_sample()
    assert make_rng(-1).random_sample() == make_rng(2**32 - 1).random_sample()


def test_systems_are_drawn_as_numpy_would(tmp_path):
    for i, size in enumerate((1, 2, 3)):
        make_system(tmp_path / str(i), sizes=(size,))
    data = collection([tmp_path / str(i) for i in range(3)], rng=np.random.RandomState(5))
    other = np.random.RandomState(5)
    samplers = [FrameSampler([n], 1, other) for n in (1, 2, 3)]
    for _ in range(50):
        batch = data.get_batch()
        index = other.choice(3, p=data.probabilities)
        assert batch["system"] == index
        np.testing.assert_array_equal(batch["frames"], samplers[index].next()[1])


def test_frames_of_a_fixed_system(tmp_path):
    sets = make_system(tmp_path / "a", sizes=(4,))
    make_system(tmp_path / "b", sizes=(4,), seed=7)
    data = collection([tmp_path / "a", tmp_path / "b"], batch_size=3)
    batch = data.get_batch(0)
    assert (batch["system"], batch["set"], batch["natoms"], len(batch["frames"])) == (0, 0, 3, 3)
    np.testing.assert_array_equal(batch["coord"], sets[0]["coord"][batch["frames"]])
    assert str(tmp_path / "a" / "set.000") in data.origin(batch)


# energies plus 29900 eV of the frames which DeePMD-kit 3.2.0 drew with seed 10 from data_0, data_1 and
# data_2: ten from each in turn, then twelve by the probabilities of the systems
REFERENCE_ENERGIES = """
    -43.691406250 -43.646484375 -42.181640625 -43.914062500 -44.001953125 -43.765625000 -42.830078125
    -44.236328125 -42.361328125 -43.742187500 -43.761718750 -44.193359375 -44.398437500 -42.517578125
    -42.164062500 -43.376953125 -43.044921875 -44.929687500 -43.814453125 -42.908203125 -43.289062500
    -43.750000000 -43.406250000 -43.105468750 -43.488281250 -43.664062500 -44.509765625 -43.746093750
    -44.359375000 -44.425781250 -43.156250000 -44.076171875 -44.144531250 -44.283203125 -43.859375000
    -42.470703125 -43.609375000 -44.357421875 -44.250000000 -43.894531250 -44.544921875 -43.906250000
"""


def test_the_reference_draws_the_same_frames():
    folder = SHARED / "data" / "water"
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}")
    systems = [str(folder / f"data_{i}") for i in range(3)]
    data = DataCollection({"systems": systems, "batch_size": 1}, make_rng(10), ["O", "H"])
    drawn = [data.get_batch(index)["energy"][0] for index in range(3) for _ in range(10)]
    drawn += [data.get_batch()["energy"][0] for _ in range(12)]
    np.testing.assert_array_equal(np.array(drawn) + 29900.0, [float(e) for e in REFERENCE_ENERGIES.split()])


def test_a_lone_set_is_shuffled_from_the_order_it_is_in():
    sampler, other = FrameSampler([6], 6, make_rng(3)), make_rng(3)
    order = np.arange(6)
    for _ in range(3):
        shuffle = np.arange(6)
        other.shuffle(shuffle)
        order = order[shuffle]
        np.testing.assert_array_equal(sampler.next()[1], order)


# ---- going on after a stop -----------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 7, 23])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path, steps):
    for name, sizes in (("a", (5, 3)), ("b", (4,)), ("c", (1,))):
        make_system(tmp_path / name, sizes=sizes)
    paths = [tmp_path / name for name in "abc"]
    rng = make_rng(2)
    data = collection(paths, rng, batch_size=2)
    for _ in range(steps):
        data.get_batch()
    saved = json.loads(json.dumps({"data": data.get_state(), "rng": get_rng_state(rng)}))
    expected = [copy.copy(data.get_batch()) for _ in range(30)]
    rng = make_rng(None)
    data = collection(paths, rng, batch_size=2)
    set_rng_state(rng, saved["rng"])
    assert data.set_state(saved["data"])
    for want in expected:
        got = data.get_batch()
        assert (got["system"], got["set"]) == (want["system"], want["set"])
        np.testing.assert_array_equal(got["coord"], want["coord"])


def test_changed_data_start_anew_with_a_warning(tmp_path, caplog):
    make_system(tmp_path / "a", sizes=(4,))
    state = collection([tmp_path / "a"]).get_state()
    make_system(tmp_path / "a", sizes=(5,))
    with caplog.at_level(logging.WARNING, "dpcore"):
        assert not collection([tmp_path / "a"]).set_state(state)
    assert "starts anew" in caplog.text


# ---- collections ---------------------------------------------------------------------------------


def test_a_folder_is_searched_at_any_depth(tmp_path):
    for name in ("b/x", "a", "b/y/z"):
        make_system(tmp_path / name)
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    expected = [str(tmp_path / name) for name in ("a", "b/x", "b/y/z")]
    assert expand_systems(str(tmp_path)) == expected
    make_system(tmp_path)
    assert expand_systems(str(tmp_path)) == [*expected, str(tmp_path)]
    assert expand_systems(["p", "q"]) == ["p", "q"]


@pytest.mark.parametrize(("name", "message"), [("none", "no such folder"), ("empty", "no data system")])
def test_a_folder_without_systems_is_refused(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        expand_systems(str(tmp_path / name))
    with pytest.raises(InputError, match="at least one system"):
        expand_systems([])


def test_names_of_types_must_agree_without_a_type_map(tmp_path):
    make_system(tmp_path / "a", names=("O", "H"))
    make_system(tmp_path / "b", names=("O", "H", "C"))
    make_system(tmp_path / "c", names=None)
    make_system(tmp_path / "d", names=("H", "O"))

    def types_of(*names):
        section = {"systems": [str(tmp_path / n) for n in names]}
        data = DataCollection(section, make_rng(1))
        return data.type_map, data.n_types

    assert types_of("a", "b", "c") == (["O", "H", "C"], 3)
    assert types_of("c") == (None, 2)
    with pytest.raises(InputError, match="names the types H O, but .*a names them O H"):
        types_of("a", "d")
    (tmp_path / "c" / "type.raw").write_text("0 1 2")
    with pytest.raises(InputError, match="type 2 occurs"):
        types_of("a", "c")


def test_the_table_tells_what_is_there(tmp_path):
    make_system(tmp_path / "a", sizes=(4, 4), keys=("coord", "box", "energy", "force"))
    (tmp_path / "a" / "set.001" / "force.npy").unlink()
    make_system(tmp_path / "b", sizes=(8,), pbc=False, keys=("coord",))
    data = collection([tmp_path / "a", tmp_path / "b"], batch_size=2)
    lines = data.summary()
    assert "training" in lines[0] and "found 2 system(s)" in lines[1]
    assert lines[2].split() == "system natoms frames bch_sz n_bch prob pbc labels".split()
    assert lines[3].split()[-8:] == "3 8 2 4 5.000e-01 T energy force(50%)".split()
    assert lines[4].split()[-7:] == "3 8 2 4 5.000e-01 F -".split()


def test_many_systems_are_listed_in_part_and_counted(tmp_path, monkeypatch):
    for i in range(5):
        make_system(tmp_path / str(i))
    monkeypatch.setattr("dpcore.data.collection._MAX_LINES", 2)
    lines = collection([tmp_path / str(i) for i in range(5)]).summary()
    assert "3 more systems" in lines[-2]


def test_labels_that_the_loss_asks_for_and_are_missing(tmp_path, caplog):
    make_system(tmp_path / "a", keys=("coord", "box", "energy"))
    make_system(tmp_path / "b", keys=("coord", "box", "energy", "force"))
    data = collection([tmp_path / "a", tmp_path / "b"])
    with caplog.at_level(logging.WARNING, "dpcore"):
        data.check_labels(("energy", "force", "virial"))
    assert "no training system has virial labels" in caplog.text
    assert "50.0 % of the training frames have force labels" in caplog.text
    assert "energy labels" not in caplog.text
    with pytest.raises(InputError, match=r"none of the labels .*\(virial\)"):
        data.check_labels(("virial",))


def test_batches_larger_than_a_set_are_met_with_a_warning(tmp_path, caplog):
    make_system(tmp_path / "a", sizes=(4, 2))
    with caplog.at_level(logging.WARNING, "dpcore"):
        collection([tmp_path / "a"], batch_size=3)
    assert "required batch size is larger than the size of the dataset" in caplog.text
    assert "set.001 (3 > 2)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "dpcore"):
        collection([tmp_path / "a"], batch_size="auto:300")
    assert caplog.text == ""


def test_errors_name_the_key(tmp_path):
    make_system(tmp_path / "a")
    for keys, where in [
        ({"batch_size": [1, 2]}, "training/training_data/batch_size"),
        ({"auto_prob": "prob_sys_size;0:3:1"}, "training/training_data/auto_prob"),
        ({"sys_probs": [0.5]}, "training/training_data/sys_probs"),
    ]:
        with pytest.raises(InputError) as caught:
            collection([tmp_path / "a"], **keys)
        assert caught.value.where == where
