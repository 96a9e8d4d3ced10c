# SPDX-License-Identifier: LGPL-3.0-or-later
"""The two files in which DeePMD-kit 3 keeps a native model: a tree of dicts, lists, numbers and arrays.

.dp    HDF5: the attribute ``json`` of the root has the tree; in place of an array stands the name of a data set
.yaml  an array is ``{"@class": "np.ndarray", "@is_variable": true, "dtype": ..., "value": nested lists}``

Arrays stand below keys ``@variables`` alone.
"""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any, Callable

import numpy as np

from dpcore.errors import InputError

__all__ = ["NATIVE", "SUFFIXES", "read_tree", "recognise", "write_tree"]

NATIVE = {"dp": "HDF5", "yaml": "YAML"}
SUFFIXES = {".dp": "dp", ".yaml": "yaml", ".yml": "yaml"}
_HDF5 = b"\x89HDF\r\n\x1a\n"
_VARIABLES = "@variables"
# lines that the top of a native YAML file has, whatever its length, and a training input has not
_YAML = re.compile(
    rb"^(\s*['\"]@class['\"]|['\"]?(@variables|backend|model_def_script|software)['\"]?):", re.MULTILINE
)


def recognise(path: str | Path) -> str | None:
    """``"dp"``, ``"yaml"``, or None for files of other forms and what is no file; the content decides."""
    if not os.path.isfile(path):  # a pipe would wait for its writer
        return None
    try:
        with open(path, "rb") as file:
            head = file.read(1 << 12)
    except OSError:
        return None
    if head.startswith(_HDF5):
        return "dp"
    return "yaml" if b"\0" not in head and _YAML.search(head) else None


def read_tree(path: str | Path) -> dict[str, Any]:
    """The tree of a native file, with numpy arrays in it.

    Raises
    ------
    InputError
        If the file is damaged or truncated, or no native model.
    """
    form = recognise(path)
    if form is None:
        raise InputError("is no native model of DeePMD-kit (HDF5 or YAML)", path)
    tree = _read_hdf5(path) if form == "dp" else _read_yaml(path)
    if not isinstance(tree, dict) or not isinstance(tree.get("model"), dict):
        raise InputError(
            f"is {'an HDF5' if form == 'dp' else 'a YAML'} file without a model in it (no key 'model'); give the "
            "file that dp freeze or dp convert-backend of DeePMD-kit 3 wrote",
            path,
        )
    return tree


def _read_hdf5(path: str | Path) -> Any:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("json")
            if text is None:
                raise InputError(
                    "is an HDF5 file but no model of DeePMD-kit: its root has no attribute 'json'; is it a data "
                    "set?",
                    path,
                )

            def load(name: Any) -> np.ndarray:
                if not isinstance(name, str) or name not in file:
                    raise InputError(f"lacks the array {name!r} that its tree names; it is damaged", path)
                return np.asarray(file[name][()])

            return _with_arrays(json.loads(text), load)
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"cannot be read as HDF5, it is truncated or damaged: {error}", path) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"its tree is no JSON ({error}); the file is damaged", path) from None


def _read_yaml(path: str | Path) -> Any:
    import yaml

    def load(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        try:
            return np.asarray(value["value"], dtype=np.dtype(str(value["dtype"])))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"has an array that is damaged: {error}", path) from None

    try:
        with open(path, "rb") as file:
            tree = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return _with_arrays(tree, load)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        place = " ".join(str(error).split())[:200]
        raise InputError(f"cannot be read as YAML, it is truncated or damaged: {place}", path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from None


def _with_arrays(node: Any, load: Callable[[Any], Any], below: bool = False) -> Any:
    """A copy in which what stands for an array is one; ``below``: within ``@variables``."""
    if isinstance(node, dict):
        if node.get("@is_variable"):
            return load(node)
        return {key: _with_arrays(value, load, below or key == _VARIABLES) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_arrays(value, load, below) for value in node]
    return load(node) if below and node is not None else node


def write_tree(path: str | Path, tree: dict[str, Any]) -> None:
    """Write a tree; the suffix of the name (`SUFFIXES`) tells the form. It appears as a whole or not at all."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    content = _to_hdf5(tree) if SUFFIXES[path.suffix.lower()] == "dp" else _to_yaml(tree)
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path) from None
    finally:
        partial.unlink(missing_ok=True)


def _to_hdf5(tree: dict[str, Any]) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        count = 0

        def save(array: np.ndarray) -> str:
            nonlocal count
            name = f"/variable_{count:04d}"
            checked = array.ndim > 0 and array.size > 0  # by sums that every reader of HDF5 looks at
            file.create_dataset(name, data=array, fletcher32=checked)
            count += 1
            return name

        text = json.dumps(_without_arrays(tree, save), separators=(",", ":"))
        file.attrs["json"] = text
    return buffer.getvalue()


def _to_yaml(tree: dict[str, Any]) -> bytes:
    import yaml

    def save(array: np.ndarray) -> dict[str, Any]:
        return {
            "@class": "np.ndarray",
            "@is_variable": True,
            "@version": 1,
            "dtype": array.dtype.name,
            "value": array.tolist(),
        }

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(_without_arrays(tree, save), Dumper=dumper).encode()


def _without_arrays(node: Any, save: Callable[[np.ndarray], Any]) -> Any:
    if isinstance(node, dict):
        return {key: _without_arrays(value, save) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_arrays(value, save) for value in node]
    return save(node) if isinstance(node, np.ndarray) else node
