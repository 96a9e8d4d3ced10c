# SPDX-License-Identifier: LGPL-3.0-or-later
"""TensorFlow ``GraphDef`` files, read without TensorFlow.

A frozen graph is one Protocol Buffers message.  The schema below holds only the
fields that a DeePMD-kit graph uses; it is built in memory when the first graph
is read, in a descriptor pool of its own, so that it cannot clash with an
installed TensorFlow.  ``google.protobuf`` is imported at that moment too:
``import dpcore`` does not pay for it.

Field numbers: the public ``.proto`` files of TensorFlow (graph, node_def,
attr_value, tensor, tensor_shape, types).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.errors import InputError

_PACKAGE = "dpcore_graphdef"

# Names of tensorflow.DataType by number.  The numbers above 100 are the
# "reference" types of old graphs.
_DTYPE_NAMES = {
    0: "DT_INVALID",
    1: "DT_FLOAT",
    2: "DT_DOUBLE",
    3: "DT_INT32",
    4: "DT_UINT8",
    5: "DT_INT16",
    6: "DT_INT8",
    7: "DT_STRING",
    8: "DT_COMPLEX64",
    9: "DT_INT64",
    10: "DT_BOOL",
    11: "DT_QINT8",
    12: "DT_QUINT8",
    13: "DT_QINT32",
    14: "DT_BFLOAT16",
    15: "DT_QINT16",
    16: "DT_QUINT16",
    17: "DT_UINT16",
    18: "DT_COMPLEX128",
    19: "DT_HALF",
    20: "DT_RESOURCE",
    21: "DT_VARIANT",
    22: "DT_UINT32",
    23: "DT_UINT64",
    24: "DT_FLOAT8_E5M2",
    25: "DT_FLOAT8_E4M3FN",
    29: "DT_INT4",
    30: "DT_UINT4",
}

# Bytes of the largest tensor that may be given by fewer values than elements.
_LARGEST_FILLED = 1 << 28

# dtype number -> (numpy type, the repeated field that holds short tensors)
_DTYPES = {
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("i1", "int_val"),
    9: ("<i8", "int64_val"),
    10: ("?", "bool_val"),
    19: ("<f2", "half_val"),
}

# message -> [(field, number, type, repeated?, oneof?)]; a type that is not a
# scalar names another message (or the enum DataType).
_MESSAGES: dict[str, list[tuple[str, int, str, bool, bool]]] = {
    "Dim": [("size", 1, "int64", False, False), ("name", 2, "string", False, False)],
    "TensorShapeProto": [
        ("dim", 2, "Dim", True, False),
        ("unknown_rank", 3, "bool", False, False),
    ],
    "TensorProto": [
        ("dtype", 1, "DataType", False, False),
        ("tensor_shape", 2, "TensorShapeProto", False, False),
        ("version_number", 3, "int32", False, False),
        ("tensor_content", 4, "bytes", False, False),
        ("float_val", 5, "float", True, False),
        ("double_val", 6, "double", True, False),
        ("int_val", 7, "int32", True, False),
        ("string_val", 8, "bytes", True, False),
        ("int64_val", 10, "int64", True, False),
        ("bool_val", 11, "bool", True, False),
        ("half_val", 13, "int32", True, False),
    ],
    "ListValue": [
        ("s", 2, "bytes", True, False),
        ("i", 3, "int64", True, False),
        ("f", 4, "float", True, False),
        ("b", 5, "bool", True, False),
        ("type", 6, "DataType", True, False),
        ("shape", 7, "TensorShapeProto", True, False),
        ("tensor", 8, "TensorProto", True, False),
    ],
    "AttrValue": [
        ("list", 1, "ListValue", False, True),
        ("s", 2, "bytes", False, True),
        ("i", 3, "int64", False, True),
        ("f", 4, "float", False, True),
        ("b", 5, "bool", False, True),
        ("type", 6, "DataType", False, True),
        ("shape", 7, "TensorShapeProto", False, True),
        ("tensor", 8, "TensorProto", False, True),
    ],
    "NodeDef": [
        ("name", 1, "string", False, False),
        ("op", 2, "string", False, False),
        ("input", 3, "string", True, False),
        ("device", 4, "string", False, False),
        ("attr", 5, "NodeDef.AttrEntry", True, False),
    ],
    "VersionDef": [
        ("producer", 1, "int32", False, False),
        ("min_consumer", 2, "int32", False, False),
        ("bad_consumers", 3, "int32", True, False),
    ],
    "GraphDef": [
        ("node", 1, "NodeDef", True, False),
        ("version", 3, "int32", False, False),
        ("versions", 4, "VersionDef", False, False),
    ],
}


@lru_cache(maxsize=1)
def graph_def_class() -> type:
    """The message class ``GraphDef``, built at the first call.

    Raises ``InputError`` when the PyPI package ``protobuf`` is not installed.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise InputError(
            "reading TensorFlow graphs needs the Python package protobuf "
            f"({error}); install it with `pip install protobuf`"
        ) from error

    field_types = descriptor_pb2.FieldDescriptorProto
    schema = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    dtype = schema.enum_type.add(name="DataType")
    for number, name in _DTYPE_NAMES.items():
        dtype.value.add(name=name, number=number)
        if number > 0:
            dtype.value.add(name=f"{name}_REF", number=number + 100)

    def add_field(message, name, number, kind, repeated, oneof):
        field = message.field.add(name=name, number=number)
        field.label = field_types.LABEL_REPEATED if repeated else field_types.LABEL_OPTIONAL
        if kind[0].islower():
            field.type = getattr(field_types, f"TYPE_{kind.upper()}")
        else:
            is_enum = kind == "DataType"
            field.type = field_types.TYPE_ENUM if is_enum else field_types.TYPE_MESSAGE
            field.type_name = f".{_PACKAGE}.{kind}"
        if oneof:
            if not message.oneof_decl:
                message.oneof_decl.add(name="value")
            field.oneof_index = 0

    for message_name, fields in _MESSAGES.items():
        message = schema.message_type.add(name=message_name)
        for field in fields:
            add_field(message, *field)
        if message_name == "NodeDef":  # map<string, AttrValue> attr
            entry = message.nested_type.add(name="AttrEntry")
            entry.options.map_entry = True
            add_field(entry, "key", 1, "string", False, False)
            add_field(entry, "value", 2, "AttrValue", False, False)

    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema)
    descriptor = pool.FindMessageTypeByName(f"{_PACKAGE}.GraphDef")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def detect_format(path: Path, head: bytes) -> str:
    """Tell ``"pb"`` (binary graph) from ``"pbtxt"`` (text graph) by content.

    ``head`` is the beginning of the file.  Files known to be something else
    (dpcore's own models, HDF5, zip, gzip, JSON, YAML, ...) raise ``InputError``
    that says what they are and what to do.
    """
    if not head:
        raise InputError("the file is empty", path)
    foreign = _foreign_kind(head)
    if foreign:
        raise InputError(f"this is {foreign}", path)
    # Every node of a binary graph carries control characters (field tags and
    # lengths); the text form is printable.
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        if head[0] != 0x0A:
            raise InputError(
                f"not a TensorFlow graph: a binary graph begins with byte "
                f"0x0a, this file with 0x{head[0]:02x}; expected the frozen model "
                "that `dp freeze` of DeePMD-kit wrote (.pb or .pbtxt)",
                path,
            )
        return "pb"
    text = head.decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and line[0] != "#"), "")
    if not first.startswith(("node", "versions", "version", "library")):
        raise InputError(
            f"not a TensorFlow graph: a text graph begins with `node {{`, "
            f"this file with {first[:40]!r}; expected the frozen model that "
            "`dp freeze` of DeePMD-kit wrote (.pb or .pbtxt)",
            path,
        )
    return "pbtxt"


def _foreign_kind(head: bytes) -> str:
    """What a file is when it is certainly not a TensorFlow graph, else ''."""
    if len(head) >= 9 and head[8:9] == b"{":
        if int.from_bytes(head[:8], "little") < 1 << 32:
            return (
                "a dpcore model (or another safetensors file), not a TensorFlow "
                "graph; a dpcore model needs no conversion"
            )
    signatures = {
        b"\x89HDF": "an HDF5 file (a .dp model of DeePMD-kit 3?), not a TensorFlow "
        "graph; freeze it to .pb with DeePMD-kit: `dp convert-backend model.dp model.pb`",
        b"PK\x03\x04": "a zip archive (a PyTorch .pth/.pt2 model or an .npz file?), not a "
        "TensorFlow graph; convert it with DeePMD-kit: "
        "`dp convert-backend model.pth model.pb`",
        b"\x1f\x8b": "gzip-compressed; unpack it first",
        b"\x08\x01": "a TensorFlow SavedModel, not a frozen graph; freeze the "
        "checkpoint with `dp freeze` of DeePMD-kit",
        b"version https://git-lfs": "a Git LFS pointer, not the model itself; fetch "
        "the file with `git lfs pull`",
        b"model_checkpoint_path": "the index of TensorFlow checkpoints; freeze them "
        "first with `dp freeze` of DeePMD-kit",
        b"{": "a JSON file, not a TensorFlow graph; give the frozen model (.pb or .pbtxt)",
    }
    for magic, kind in signatures.items():
        if head.startswith(magic):
            return kind
    return ""


def read_graph(path: str | Path, expected_format: str = "auto") -> Any:
    """Read a frozen graph, binary or text, recognised by its content.

    Parameters
    ----------
    path
        The file; its name does not matter.
    expected_format
        ``"auto"``, or ``"pb"`` / ``"pbtxt"`` to demand one of the two.

    Returns the ``GraphDef`` message.  A missing, empty, truncated, corrupt or
    foreign file raises ``InputError``.
    """
    path = Path(path)
    if path.is_char_device() or path.is_block_device():
        raise InputError("this is a device; expected the file of a graph", path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the graph: {error.strerror}", path) from error
    found = detect_format(path, content[:4096])
    if expected_format not in ("auto", found):
        raise InputError(
            f"expected a graph in the form {expected_format!r}, but the content "
            f"is {found!r}; use `auto` (the default) or {found!r}",
            path,
        )
    graph = graph_def_class()()
    from google.protobuf import message, text_format

    try:
        if found == "pb":
            graph.ParseFromString(content)
        else:
            text_format.Parse(content, graph, allow_unknown_field=True)
    except message.DecodeError as error:
        raise InputError(
            f"the binary graph is truncated or corrupt ({error}); copy or freeze the model again",
            path,
        ) from error
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        why = str(error) or "its text cannot be decoded"
        raise InputError(
            f"the text graph is truncated or corrupt ({why}); copy or convert the model again",
            path,
        ) from error
    if not graph.node:
        raise InputError("the graph has no nodes; it is truncated or not a model", path)
    return graph


def decode_tensor(tensor: Any, where: str) -> np.ndarray:
    """The values of a ``TensorProto`` as an array of its shape.

    Packed bytes (``tensor_content``) and the repeated fields ``*_val`` are both
    understood.  With fewer values than elements the last value fills the rest;
    with no value at all the tensor is zero (empty strings).  Strings come as an
    object array of ``bytes``.

    ``where`` names file and node in the errors (``InputError``).
    """
    shape = tuple(int(dim.size) for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise InputError(f"the tensor has no definite shape: {shape}", where)
    n_elements = 1
    for size in shape:
        n_elements *= size
    if tensor.dtype == 7:
        strings = _filled(list(tensor.string_val), n_elements, b"", where)
        array = np.empty(n_elements, dtype=object)
        array[:] = strings
        return array.reshape(shape)
    if tensor.dtype not in _DTYPES:
        name = _DTYPE_NAMES.get(tensor.dtype, str(tensor.dtype))
        raise InputError(f"tensors of type {name} are not supported", where)
    dtype, field = _DTYPES[tensor.dtype]
    dtype = np.dtype(dtype)
    if tensor.tensor_content:
        n_bytes = n_elements * dtype.itemsize
        if len(tensor.tensor_content) != n_bytes:
            raise InputError(
                f"shape {list(shape)} of {dtype} needs {n_bytes} bytes, found "
                f"{len(tensor.tensor_content)}; the file is corrupt",
                where,
            )
        return np.frombuffer(tensor.tensor_content, dtype=dtype).reshape(shape).copy()
    values = list(getattr(tensor, field))
    if n_elements * dtype.itemsize > _LARGEST_FILLED:
        raise InputError(f"implausible shape {list(shape)}; the file is corrupt", where)
    if field == "half_val":  # the bits of a float16, one integer each
        bits = np.array(_filled(values, n_elements, 0, where), dtype="<u2")
        return bits.view("<f2").reshape(shape)
    return np.array(_filled(values, n_elements, 0, where), dtype=dtype).reshape(shape)


def _filled(values: list, n_elements: int, zero: Any, where: str) -> list:
    """``values`` extended with its last one (or with ``zero``) to n_elements."""
    if len(values) > n_elements:
        raise InputError(
            f"{len(values)} values for a tensor of {n_elements} elements; the file is corrupt",
            where,
        )
    if len(values) == n_elements:
        return values
    return values + [values[-1] if values else zero] * (n_elements - len(values))
