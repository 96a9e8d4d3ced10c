# SPDX-License-Identifier: LGPL-3.0-or-later
"""The model file: round trips, damaged and foreign files, failed writes, tensors that do not fit."""

from __future__ import annotations

import json
import os
import struct
import zlib

import numpy as np
import pytest
from dpcore import _core as core
from gradcheck import evaluate, make_config, make_tensors, model, odd_systems

CONFIG = make_config({"resnet_dt": True}, {"numb_fparam": 1, "numb_aparam": 2, "atom_ener": [None, -1.5]})
SYSTEM = odd_systems()["triclinic"].with_params(1, 2)
TENSORS = {
    "doubles": np.linspace(-1, 1, 12).reshape(3, 4),
    "singles": np.array([1.5, -np.float32(1e-30), np.float32(3e38)], dtype=np.float32),
    "ints": np.array([[-(2**31)], [2**31 - 1]], dtype=np.int32),
    "longs": np.array([-(2**63), 2**63 - 1], dtype=np.int64),
    "number": np.array(3.25),
    "none": np.zeros((2, 0, 3)),
    "not finite": np.array([np.nan, np.inf, -0.0]),
    "名前/ü": np.arange(5.0),
}
METADATA = {
    "format": "dpcore-model",
    "config": json.dumps(CONFIG),
    "text": 'quotes " and \\ and \n and \t and \x01 and 水 and 😀',
    "empty": "",
    "checksum like": '"checksum":"crc32:12345678"',
}


def write(path, metadata=METADATA, tensors=TENSORS):
    core.write_model_file(str(path), metadata, tensors)
    return path


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / "good")


def refused(path, pattern):
    """The error of reading `path`: it starts with the path, and contains the pattern."""
    with pytest.raises(core.Error, match=pattern) as caught:
        core.read_model_file(str(path))
    assert str(caught.value).startswith(str(path)), str(caught.value)
    return str(caught.value)


# ---- round trips -------------------------------------------------------------------


def test_everything_comes_back(good):
    metadata, tensors = core.read_model_file(str(good))
    assert metadata == {**METADATA, "format_version": "1"}
    assert sorted(tensors) == sorted(TENSORS)
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype and tensors[name].shape == value.shape, name
        assert tensors[name].tobytes() == value.tobytes(), name


def test_layout_is_that_of_safetensors(good):
    """Read by hand: length, JSON header padded to 8, tensors back to back; the checksum is that of zlib."""
    raw = good.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__")
    assert (8 + length) % 8 == 0 and metadata["format_version"] == "1"
    kinds = {"F64": "<f8", "F32": "<f4", "I32": "<i4", "I64": "<i8"}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: (item[1]["data_offsets"], item[0])):
        begin, stop = entry["data_offsets"]
        assert begin == end
        end = stop
        data = np.frombuffer(raw[8 + length + begin : 8 + length + stop], kinds[entry["dtype"]])
        assert data.tobytes() == TENSORS[name].tobytes() and entry["shape"] == list(TENSORS[name].shape)
    assert 8 + length + end == len(raw)
    key = b'"checksum":"crc32:'
    digits = metadata["checksum"].split(":")[1].encode()
    at = raw.index(key + digits) + len(key)
    assert int(digits, 16) == zlib.crc32(raw[:at] + b"0" * 8 + raw[at + 8 :])


def test_arrays_of_any_layout_are_written_by_value(tmp_path):
    base = np.arange(24.0).reshape(2, 3, 4)
    tensors = {"fortran": np.asfortranarray(base), "strided": base[:, ::2, ::-1], "transposed": base.T}
    _, found = core.read_model_file(str(write(tmp_path / "a", tensors=tensors)))
    assert all(np.array_equal(found[k], v) for k, v in tensors.items())


@pytest.mark.parametrize("dtype", ["f2", ">f8", "u1", "c16", "U3", "O", "?", "u4"])
def test_other_types_of_numbers_are_refused(tmp_path, dtype):
    with pytest.raises(core.Error, match="'x'.*expected dtype float64"):
        write(tmp_path / "a", tensors={"x": np.ones(3).astype(dtype)})
    assert not (tmp_path / "a").exists()


def test_a_model_survives_the_file(tmp_path):
    potential = model(CONFIG, make_tensors(CONFIG))
    path = write(
        tmp_path / "graph.pb", {"format": "dpcore-model", "config": potential.config}, potential.tensors()
    )
    again = core.Model.read(str(path))
    assert json.loads(again.config) == CONFIG
    before, after = (evaluate(p, SYSTEM, atomic=True) for p in (potential, again))
    assert all(np.array_equal(before[k], after[k]) for k in before)
    assert (again.ntypes, again.dim_fparam, again.dim_aparam, again.type_map) == (2, 1, 2, ["A", "B"])


@pytest.mark.parametrize("name", ["modèle d'eau.dp", "模型", "a b\tc", "😀", "x" * 200])
def test_names_of_files(tmp_path, name):
    path = write(tmp_path / name)
    assert sorted(core.read_model_file(str(path))[1]) == sorted(TENSORS)
    refused(tmp_path / (name[:100] + "-missing"), "does not exist")


def test_names_of_tensors_of_a_model():
    """The names that files written today must keep for ever."""
    config = make_config(
        {"neuron": [1, 3, 6], "resnet_dt": True, "exclude_types": [[0, 1]]}, {"neuron": [4, 4]}
    )
    layers = ("layer_0/matrix", "layer_0/bias", "layer_0/idt", "layer_1/matrix", "layer_1/bias")
    expected = {"descriptor/davg", "descriptor/dstd", "fitting/bias_atom_e"}
    for pair in ("0_0", "1_1"):
        expected |= {
            f"descriptor/net_{pair}/{k}" for k in (*layers, "layer_2/matrix", "layer_2/bias", "layer_2/idt")
        }
    fitting = ("layer_0/matrix", "layer_0/bias", "layer_1/matrix", "layer_1/bias", "layer_1/idt")
    for t in (0, 1):
        expected |= {f"fitting/net_{t}/{k}" for k in (*fitting, "layer_2/matrix", "layer_2/bias")}
    tensors = make_tensors(config)
    assert set(tensors) == expected
    shapes = {k: v.shape for k, v in tensors.items()}
    assert shapes["descriptor/net_0_0/layer_1/matrix"] == (1, 3) and shapes["descriptor/davg"] == (2, 4)
    assert shapes["fitting/net_1/layer_0/matrix"] == (12, 4) and shapes["fitting/net_1/layer_2/matrix"] == (
        4,
        1,
    )
    one_side = make_tensors(make_config({"type_one_side": True, "exclude_types": [[0, 1]]}))
    assert {k.split("/")[1] for k in one_side if k.startswith("descriptor/net")} == {"net_0", "net_1"}


# ---- damaged and foreign files -------------------------------------------------------


def test_every_truncation_is_noticed(good):
    raw = good.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    sizes = {
        0,
        1,
        7,
        8,
        9,
        100,
        length,
        length + 7,
        length + 8,
        length + 9,
        len(raw) - 1,
        *range(200, len(raw), 97),
    }
    for size in sorted(sizes):
        good.write_bytes(raw[:size])
        refused(good, "empty|truncated")
    good.write_bytes(raw + b"\0")
    refused(good, "longer")


def test_every_changed_byte_is_noticed(good):
    raw = good.read_bytes()
    original = core.read_model_file(str(good))
    for at in sorted({*range(0, 16), *range(16, len(raw), 13), len(raw) - 1}):
        changed = bytearray(raw)
        changed[at] ^= 0x10
        good.write_bytes(bytes(changed))
        try:
            found = core.read_model_file(str(good))
        except core.Error as e:
            assert str(e).startswith(str(good))
        else:  # nothing that matters: the case of a hexadecimal digit of the checksum
            assert found[0] == original[0]


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_do_no_harm(good, seed):
    rng = np.random.default_rng(seed)
    raw = good.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    for _ in range(200):
        changed = bytearray(raw)
        for at in rng.integers(0, length + 8, rng.integers(1, 4)):
            changed[at] = rng.integers(0, 256)
        good.write_bytes(bytes(changed))
        try:
            core.read_model_file(str(good))
        except core.Error:
            pass


FOREIGN = {
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
    "zip": (b"PK\x03\x04" + bytes(50), "zip"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(50), r"\.npy"),
    "gzip": (b"\x1f\x8b" + bytes(50), "gzip"),
    "JSON": (b'{"model": {"type_map": []}}', "JSON"),
    "text": (b"hello, this is a text file\n", "text"),
    "HTML": (b"<!DOCTYPE html><html></html>", "HTML"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
    "graph as text": (b'node {\n  name: "t"\n  op: "Const"\n}\n', "convert-from pbtxt"),
    "graph": (b"\x0a\x0e\x0a\x05t_box\x12\x05Const" + bytes(40), "convert-from pb"),
    "noise": (bytes(range(255, -1, -1)), "not known"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_recognised(tmp_path, name):
    content, pattern = FOREIGN[name]
    path = tmp_path / "frozen_model.pb"
    path.write_bytes(content)
    refused(path, f"(?s)not a model file.*{pattern}|{pattern}")


def test_what_is_no_file(tmp_path):
    refused(tmp_path / "nothing", "does not exist")
    refused(tmp_path, "folder")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a regular file")
    with pytest.raises(core.Error):
        core.read_model_file("")


def edited(good, edit):
    """Rewrite the header with edit(header) and without a checksum."""
    raw = good.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header["__metadata__"]["checksum"] = "none"
    edit(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    good.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def test_files_without_checksum_can_be_read(good):
    edited(good, lambda header: None)
    metadata, tensors = core.read_model_file(str(good))
    assert metadata == {**METADATA, "format_version": "1"} and np.array_equal(
        tensors["doubles"], TENSORS["doubles"]
    )


HEADERS = {
    "newer version": (lambda h: h["__metadata__"].update(format_version="2"), "newer.*update"),
    "other format": (lambda h: h["__metadata__"].update(format="pt"), "not a model of dpcore.*pt"),
    "no format": (lambda h: h["__metadata__"].pop("format"), "not a model of dpcore.*format"),
    "no metadata": (lambda h: h.pop("__metadata__"), "not a model of dpcore"),
    "unknown type": (lambda h: h["doubles"].update(dtype="F16"), "doubles.*F16|F16.*doubles"),
    "negative shape": (lambda h: h["doubles"].update(shape=[-3, -4]), "doubles"),
    "other shape": (lambda h: h["doubles"].update(shape=[3, 5]), "doubles"),
    "huge shape": (lambda h: h["doubles"].update(shape=[2**62, 2**62]), "doubles"),
    "overlap": (lambda h: h["doubles"].update(data_offsets=[8, 104]), "damaged.*hole"),
    "outside": (lambda h: h["doubles"].update(data_offsets=[10**9, 10**9 + 96]), "damaged|truncated"),
    "backwards": (lambda h: h["doubles"].update(data_offsets=[96, 0]), "doubles"),
    "hole": (lambda h: h.pop("doubles"), "damaged.*hole"),
    "list": (lambda h: h.update(doubles=[1, 2]), "doubles"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_do_not_make_sense(good, name):
    edit, pattern = HEADERS[name]
    edited(good, edit)
    refused(good, f"(?s){pattern}")
    with pytest.raises(core.Error):
        core.Model.read(str(good))


# ---- writing -----------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file(good):
    before = good.read_bytes()
    for metadata, tensors in (
        ({"format": "something else"}, TENSORS),
        ({}, TENSORS),
        (METADATA, {"x": np.ones(3, dtype=np.float16)}),
        (METADATA, {"__metadata__": np.ones(3)}),
        (METADATA, {"": np.ones(3)}),
    ):
        with pytest.raises(core.Error):
            write(good, metadata, tensors)
        assert good.read_bytes() == before
    assert os.listdir(good.parent) == [good.name]


def test_a_write_that_is_impossible_says_so(tmp_path, good):
    missing = tmp_path / "no folder" / "model"
    with pytest.raises(core.Error, match="no folder"):
        write(missing)
    with pytest.raises(core.Error, match=str(tmp_path)):
        write(tmp_path)
    assert os.listdir(tmp_path) == [good.name]


def test_a_full_disk_leaves_the_old_file(good):
    """A limit on the size of files stands for the full disk."""
    import resource
    import signal

    before = good.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(core.Error, match=good.name):
            write(good, tensors={"large": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert good.read_bytes() == before and os.listdir(good.parent) == [good.name]


def test_a_replaced_file_keeps_permissions_and_links(tmp_path, good):
    good.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(good.name)
    write(link, tensors={"x": np.ones(2)})
    assert link.is_symlink() and not good.is_symlink()
    assert list(core.read_model_file(str(good))[1]) == ["x"]
    assert good.stat().st_mode & 0o777 == 0o640


# ---- tensors that do not fit the config ------------------------------------------------------


def names_of_tensors():
    return sorted(make_tensors(CONFIG))


@pytest.mark.parametrize(
    "name", [*names_of_tensors()[::5], "descriptor/davg", "descriptor/dstd", "fitting/bias_atom_e"]
)
def test_a_wrong_tensor_is_named(name):
    tensors = make_tensors(CONFIG)
    value = tensors[name]
    cases = {
        "missing": None,
        "shape": value.reshape(-1)[:-1],
        "dimension": value[None],
        "not finite": np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value),
        "infinite": np.where(np.arange(value.size).reshape(value.shape) == 0, np.inf, value),
    }
    for case, wrong in cases.items():
        changed = {k: v for k, v in tensors.items() if k != name}
        if wrong is not None:
            changed[name] = wrong
        with pytest.raises(core.Error, match=name):
            model(CONFIG, changed)
            pytest.fail(case)


@pytest.mark.parametrize(
    "name",
    [
        "descriptor/net_2_0/layer_0/matrix",
        "descriptor/net_0/layer_0/matrix",
        "descriptor/net_0_0/layer_3/matrix",
        "descriptor/net_0_0/layer_0/idt",
        "fitting/net_2/layer_0/bias",
        "something",
    ],
)
def test_a_tensor_too_many_is_named(name):
    with pytest.raises(core.Error, match=name):
        model(CONFIG, {**make_tensors(CONFIG), name: np.ones(3)})


@pytest.mark.parametrize("name", ["fparam_avg", "fparam_istd", "aparam_avg", "aparam_istd"])
def test_parameters_the_model_does_not_have_are_refused(name):
    config = make_config()
    with pytest.raises(core.Error, match=name):
        model(config, {**make_tensors(config), f"fitting/{name}": np.ones(1)})
