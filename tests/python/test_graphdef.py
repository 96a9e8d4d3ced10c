# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tensors of a GraphDef message, in each form that graphs store them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("google.protobuf", reason="reading graphs needs protobuf")

from dpcore.convert.graphdef import decode_tensor, graph_def_class
from dpcore.errors import InputError

# ---- tensors ---------------------------------------------------------------


def tensor_message(dtype, shape, **fields):
    tensor = graph_def_class()().node.add().attr["value"].tensor
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for key, value in fields.items():
        if key == "tensor_content":
            tensor.tensor_content = value
        else:
            getattr(tensor, key).extend(value)
    return tensor


@pytest.mark.parametrize(
    ("dtype", "shape", "fields", "expected"),
    [
        pytest.param(1, [2], {"float_val": [1.5, -2.5]}, np.float32([1.5, -2.5]), id="float"),
        pytest.param(2, [], {"double_val": [0.1]}, np.float64(0.1), id="scalar"),
        pytest.param(2, [2, 2], {"double_val": [3.0]}, np.full((2, 2), 3.0), id="one for all"),
        pytest.param(2, [4], {"double_val": [1.0, 2.0]}, np.array([1.0, 2.0, 2.0, 2.0]), id="last repeated"),
        pytest.param(3, [3], {}, np.zeros(3, np.int32), id="none is zero"),
        pytest.param(9, [2], {"int64_val": [-1, 1 << 40]}, np.int64([-1, 1 << 40]), id="int64"),
        pytest.param(10, [2], {"bool_val": [True, False]}, np.array([True, False]), id="bool"),
        pytest.param(19, [2], {"half_val": [0x3C00, 0xC000]}, np.float16([1.0, -2.0]), id="half"),
        pytest.param(
            2,
            [2, 1],
            {"tensor_content": np.array([1.0, 2.0], "<f8").tobytes()},
            np.array([[1.0], [2.0]]),
            id="packed",
        ),
        pytest.param(1, [0], {}, np.zeros(0, np.float32), id="nothing"),
    ],
)
def test_tensors_are_decoded(dtype, shape, fields, expected):
    found = decode_tensor(tensor_message(dtype, shape, **fields), "here")
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_strings_are_decoded():
    found = decode_tensor(tensor_message(7, [2], string_val=[b"O H"]), "here")
    assert found.tolist() == [b"O H", b"O H"]


@pytest.mark.parametrize(
    ("dtype", "shape", "fields", "message"),
    [
        pytest.param(2, [2], {"tensor_content": bytes(8)}, "needs 16 bytes, found 8", id="short"),
        pytest.param(2, [1], {"double_val": [1.0, 2.0]}, "2 values for a tensor of 1", id="long"),
        pytest.param(8, [1], {}, "DT_COMPLEX64 are not supported", id="complex"),
        pytest.param(2, [1 << 40], {"double_val": [1.0]}, "implausible shape", id="huge"),
        pytest.param(2, [-1], {}, "no definite shape", id="unknown shape"),
    ],
)
def test_bad_tensors_are_errors(dtype, shape, fields, message):
    with pytest.raises(InputError, match=f"here: .*{message}"):
        decode_tensor(tensor_message(dtype, shape, **fields), "here")
