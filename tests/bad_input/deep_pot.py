# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bad arguments of `DeepPot`."""

from __future__ import annotations

import numpy as np
from bad_input.case import TYPES
from make_system import random_frames

_FRAMES = random_frames(4, len(TYPES), seed=3)
COORD, BOX = _FRAMES["coord"], _FRAMES["box"]
GOOD = {"coords": COORD, "cells": BOX, "atom_types": list(TYPES)}
PARAMETERS = {"fparam": [0.1, 0.2], "aparam": [0.1, 0.2, 0.3]}
NAN, INF = np.nan, np.inf


def _with(array, index, value):
    out = np.array(array, dtype=float)
    out[index] = value
    return out


def _on_top(offset=(0.0, 0.0, 0.0)):
    return _with(COORD[:1], (0, slice(3, 6)), COORD[0, :3] + offset)


# what is given besides or instead of GOOD: (arguments, what the message holds)
_COORDS = {
    "nothing": (None, "coords", "got [1]"),
    "text": ("abc", "coords", "array of numbers"),
    "texts of numbers": (COORD.astype(str), "coords", "array of numbers"),
    "complex": (COORD + 0j, "coords", "complex128"),
    "dates": (np.zeros((1, 9), "M8[s]"), "coords", "datetime64"),
    "a dictionary": ({}, "coords", "array of numbers"),
    "ragged": ([[1.0, 2.0], [3.0]], "coords", "array of numbers"),
    "of an atom too few": (COORD[:, :6], "coords", "[nframes, 3*3], got [4, 6]", "atom_types"),
    "of a number too few": (COORD[:, :8], "coords", "[nframes, 3*3], got [4, 8]"),
    "in columns": (COORD.T, "coords", "got [9, 4]", "follow each other"),
    "NaN": (_with(COORD, (2, 4), NAN), "frame 2", "atom 1", "finite positions"),
    "infinite": (_with(COORD, (0, 8), INF), "frame 0", "atom 2", "finite positions"),
    "1e12": (_with(COORD, (3, 0), 1e12), "frame 3", "atom 0", "at most 1e+09"),
    "1e300": (_with(COORD, (3, 0), -1e300), "frame 3", "atom 0", "at most 1e+09"),
    "None among numbers": (np.array([[0.0] * 8 + [None]] * 4, dtype=object), "atom 2", "finite positions"),
}
_CELLS = {
    "of fewer frames": (BOX[:2], "cells", "[4, 9] for the 4 frames", "got [2, 9]", "None means not periodic"),
    "three lengths": ([8.0, 8.0, 8.0], "cells", "[4, 9]", "got [3]"),
    "a number": (8.0, "cells", "[4, 9]", "got [1]"),
    "empty": ([], "cells", "[4, 9]", "got [0]"),
    "False": (False, "cells", "array of numbers"),
    "text": ("none", "cells", "array of numbers"),
    "complex": (BOX * 1j, "cells", "complex128"),
    "in columns": (BOX.T, "cells", "got [9, 4]"),
    "zeros": (BOX * 0, "frame 0", "box", "no volume"),
    "zeros in a frame": (_with(BOX, 3, 0.0), "frame 3", "no volume", "(0, 0, 0)"),
    "singular": (np.tile([1.0, 0, 0, 0, 1, 0, 1, 1, 0], (4, 1)), "frame 0", "no volume"),
    "NaN": (_with(BOX, (1, 3), NAN), "frame 1", "box", "not all numbers are finite"),
    "in the wrong unit": (BOX * 1e-4, "frame 0", "images", "is the box in A?"),
    "of 1e300": (BOX * 1e300, "frame 0", "no volume"),
    "of 1e-200": (BOX * 1e-200, "frame 0", "no volume"),
}
_TYPES = {
    "beyond the model": ([0, 1, 2], "atom_types", "atom 2 has type 2", "types 0 to 1"),
    "below -1": ([0, -2, 1], "atom_types", "atom 1 has type -2"),
    "floats": ([0, 1, 1.5], "atom_types", "expected integers, got [0.0, 1.0, 1.5]"),
    "NaN": ([0, 1, NAN], "atom_types", "expected integers"),
    "names": (["O", "H", "H"], "atom_types", 'expected integers, got ["O", "H", "H"]'),
    "booleans": ([True, False, True], "atom_types", "expected integers"),
    "beyond 32 bits": ([0, 1, 2**32], "atom_types", "expected integers", "4294967296"),
    "beyond 64 bits": ([0, 1, 2**64], "atom_types", "expected integers"),
    "complex": ([0, 1, 1j], "atom_types", "expected integers"),
    "of each frame": ([list(TYPES)] * 4, "atom_types", "the same for all frames", "[4, 3]"),
    "a number": (0, "atom_types", "got shape []"),
    "nothing": (None, "atom_types", "got shape []"),
    "ragged": ([[0], [1, 1]], "atom_types", "expected natoms integers"),
    "of no atoms": ([], "coords", "got [4, 9]"),
}

CALLS = {
    **{f"coords {name}": ({"coords": value}, expect) for name, (value, *expect) in _COORDS.items()},
    **{f"cells {name}": ({"cells": value}, expect) for name, (value, *expect) in _CELLS.items()},
    **{f"types {name}": ({"atom_types": value}, expect) for name, (value, *expect) in _TYPES.items()},
    "atoms at one place": ({"coords": _on_top(), "cells": None}, ["frame 0: atoms 0 and 1", "same position"]),
    "atoms at one place in the last of many frames": (
        {"coords": np.concatenate([np.tile(COORD, (800, 1)), _on_top()]), "cells": None},
        ["frame 3200: atoms 0 and 1", "same position"],
    ),
    "an atom on an image": (
        {"coords": _on_top((8.0, 0, 0)), "cells": BOX[:1]},
        ["frame 0: atoms 0 and 1", "same position"],
    ),
    "frame parameters for none": ({"fparam": [1.0]}, ["fparam", "takes no frame parameters", "got 1"]),
    "atomic parameters for none": ({"aparam": [1.0]}, ["aparam", "takes no atomic parameters"]),
    "an electric field": ({"efield": COORD}, ["efield", "not supported"]),
    "mixed types": ({"mixed_type": True}, ["mixed_type", "not supported"]),
}
PARAMETER_CALLS = {
    "no frame parameters": ({"fparam": None}, ["fparam", "needs 2 frame parameter(s)"]),
    "no atomic parameters": ({"aparam": None}, ["aparam", "needs 3 atomic parameter(s)"]),
    "frame parameters of another number": (
        {"fparam": [1.0, 2, 3]},
        ["fparam", "4*2 numbers", "got shape [3]"],
    ),
    "atomic parameters of another number": (
        {"aparam": [1.0, 2]},
        ["aparam", "4*3*3 numbers", "got shape [2]"],
    ),
    "frame parameters of text": ({"fparam": "x"}, ["fparam", "array of numbers"]),
    "complex frame parameters": ({"fparam": [1j, 0]}, ["fparam", "complex128"]),
    "NaN in frame parameters": (
        {"fparam": _with(np.ones((4, 2)), (2, 1), NAN)},
        ["fparam", "nan in frame 2"],
    ),
    "infinity in atomic parameters": (
        {"aparam": _with(np.ones((4, 9)), (1, 7), INF)},
        ["aparam", "inf in frame 1, atom 2 (counted from 0)"],
    ),
}

# calls without frames or atoms: (arguments, frames, atoms)
EMPTY = {
    "no frames": ({"coords": np.zeros((0, 9)), "cells": np.zeros((0, 9))}, 0, 3),
    "no frames and no cell": ({"coords": np.zeros((0, 9)), "cells": None}, 0, 3),
    "an empty list": ({"coords": [], "cells": None}, 0, 3),
    "no atoms": ({"coords": np.zeros((4, 0)), "atom_types": []}, 4, 0),
    "no atoms and no cell": ({"coords": np.zeros((2, 0)), "cells": None, "atom_types": []}, 2, 0),
    "nothing at all": ({"coords": [], "cells": None, "atom_types": []}, 1, 0),
}
