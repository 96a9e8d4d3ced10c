# SPDX-License-Identifier: LGPL-3.0-or-later
"""Open and check the arrays of a data system; errors name the file, and the frame if there is one."""

from __future__ import annotations

import os
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dpcore.data.labels import Field
from dpcore.errors import InputError

__all__ = [
    "check_boxes",
    "check_finite",
    "check_forces",
    "check_weights",
    "count_frames",
    "open_array",
    "to_frames",
]

# files below this size are read at once; larger ones are mapped and read frame by frame
MAP_BYTES = 1 << 20
# numbers looked at in one go when a whole file is checked
CHUNK = 1 << 20
# no coordinate, label or parameter is larger; squares of what is below still fit single precision
LARGEST = 1e18
# how a file of numpy begins
_MAGIC = b"\x93NUMPY"


def open_array(path: Path) -> np.ndarray:
    """Return the numbers of ``path``: text if its suffix is ``.raw``, else numpy's format, mapped if large.

    Raises
    ------
    InputError
        If the file cannot be read, is cut off, or holds something else than real numbers.
    """
    if path.exists() and not path.is_file():
        raise InputError("expected a file of numbers, got a folder or a device", path)
    return _open_text(path) if path.suffix == ".raw" else _open_npy(path)


def _open_text(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # numpy on an empty file; reported as no frames
            return np.loadtxt(path, dtype=np.float64, ndmin=2)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"is not a table of numbers, one frame in a line: {error}", path) from None


def _open_npy(path: Path) -> np.ndarray:
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            _check_kind(file.read(len(_MAGIC)), path)
            file.seek(0)
            array = _map_npy(path) if size >= MAP_BYTES else None
            if array is None:
                array = np.load(file, allow_pickle=False)
                surplus = size - file.tell()
            else:
                surplus = size - array.offset - array.nbytes
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    except MemoryError:
        message = "is too large for the memory, or its header is damaged"
        raise InputError(message, path) from None
    except InputError:
        raise
    except _NOT_NUMPY as error:
        hint = " (it holds Python objects, which are never loaded)" if "object" in str(error).lower() else ""
        message = f"is not a complete numpy array file{hint}: {error}"
        raise InputError(message, path) from None
    if surplus:
        raise InputError(f"{surplus} bytes follow the array; expected a file of one array", path)
    if array.dtype.kind not in "fiu":
        raise InputError(f"expected real numbers, got an array of type {array.dtype}", path)
    return array


# what numpy raises on damaged files
_NOT_NUMPY = (
    *(ValueError, EOFError, TypeError, SyntaxError, OverflowError, RecursionError),
    tokenize.TokenError,
)


def _check_kind(magic: bytes, path: Path) -> None:
    """Refuse what is certainly no array, by its first bytes."""
    if magic.startswith(b"PK"):
        raise InputError("is an archive of several arrays; expected the .npy file of one", path)
    if magic != _MAGIC:
        raise InputError(
            "is not a complete numpy array file: "
            + ("it is empty" if not magic else f"it begins with {magic!r} instead of {_MAGIC!r}")
            + "; arrays as text belong in a system of .raw files",
            path,
        )


def _map_npy(path: Path) -> Any:
    """The file as a mapped array, None if there is no room for one more mapping."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        return None


def count_frames(coord: np.ndarray, n_atoms: int, path: Path) -> int:
    """The number of frames that an array of coordinates holds; a flat array is one frame."""
    width = 3 * n_atoms
    n_frames = 1 if coord.ndim <= 1 else coord.shape[0]
    if coord.size == 0:
        raise InputError("holds no frames", path)
    if coord.size != n_frames * width:
        raise InputError(
            f"expected shape [n_frames, {n_atoms}*3], got {list(coord.shape)}; "
            "the number of atoms comes from type.raw",
            path,
        )
    return n_frames


def to_frames(array: np.ndarray, field: Field, n_frames: int, n_atoms: int, path: Path) -> np.ndarray:
    """View `array` as [n_frames, width]; refuse another number of values, and frames in columns."""
    width = field.width(n_atoms)
    transposed = array.shape == (width, n_frames) and width != n_frames and min(width, n_frames) > 1
    if array.size != n_frames * width or transposed:
        hint = f"; {field.hint}" if field.hint else ""
        raise InputError(
            f"expected shape [{n_frames}, {width}] ({n_frames} frames as in coord, "
            f"{field.meaning(n_atoms)}), got {list(array.shape)}{hint}",
            path,
        )
    return array.reshape(n_frames, width)


def _chunks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Cut [n_frames, width] into pieces of whole frames; yield (first frame, piece)."""
    step = max(1, CHUNK // max(1, array.shape[1]))
    for begin in range(0, array.shape[0], step):
        yield begin, array[begin : begin + step]


def check_finite(array: np.ndarray, field: Field, path: Path) -> None:
    """Refuse NaN and numbers beyond `LARGEST` in [n_frames, width], naming the first frame and atom."""
    if array.dtype.kind != "f":
        return
    for begin, part in _chunks(array):
        with np.errstate(over="ignore"):  # of numbers longer than double
            size = np.abs(part.astype(np.float64, copy=False))
        if size.max() <= LARGEST:  # false for NaN
            continue
        row, column = (int(i) for i in np.argwhere(~(size <= LARGEST))[0])
        value = size[row, column]
        what = "NaN" if np.isnan(value) else f"a number of size {value:g}"
        what = "an infinite value" if np.isinf(value) else what
        at = f"atom {column // field.n_dof}" if field.atomic else f"component {column}"
        limit = f"{LARGEST:g} {field.unit}".rstrip()
        raise InputError(
            f"{what} in frame {begin + row}, {at} (counted from 0); expected finite numbers up to {limit}",
            path,
        )


def check_boxes(array: np.ndarray, path: Path) -> None:
    """Refuse boxes [n_frames, 9] without volume, naming the first frame that has one."""
    for begin, part in _chunks(array):
        cell = np.asarray(part, dtype=np.float64).reshape(-1, 3, 3)
        lengths = np.linalg.norm(cell, axis=2)
        flat = ~(np.abs(np.linalg.det(cell)) > 1e-9 * lengths.prod(axis=1))
        if not flat.any():
            continue
        row = int(np.argmax(flat))
        if not cell[row].any():
            raise InputError(
                f"the box of frame {begin + row} is all zeros; if the system is not periodic, put an empty "
                "file named nopbc beside type.raw",
                path,
            )
        raise InputError(
            f"the box of frame {begin + row} has no volume; its cell vectors are {cell[row].tolist()}", path
        )


def check_weights(array: np.ndarray, path: Path) -> None:
    """Refuse negative weights in [n_frames, n_atoms]: training would make the errors of such atoms large."""
    for begin, part in _chunks(array):
        if part.min() < 0:
            row, atom = (int(i) for i in np.argwhere(part < 0)[0])
            raise InputError(
                f"the weight of atom {atom} in frame {begin + row} (counted from 0) is {part[row, atom]:g}; "
                "expected 0 or above",
                path,
            )


def check_forces(array: np.ndarray, path: Path, limit: float = 500.0) -> str | None:
    """Return a warning if forces [n_frames, n_atoms*3] look wrong: all zero, or beyond `limit` (eV/A)."""
    largest, frame = 0.0, 0
    for begin, part in _chunks(array):
        norms = np.linalg.norm(np.asarray(part, dtype=np.float64).reshape(len(part), -1, 3), axis=2).max(
            axis=1
        )
        if norms.max() > largest:
            largest, frame = float(norms.max()), begin + int(norms.argmax())
    if largest == 0.0:
        return f"{path}: all forces are 0; delete the file if there are no force labels"
    if largest > limit:
        return f"{path}: a force of {largest:.3g} eV/A in frame {frame}; are the units eV and angstrom?"
    return None
