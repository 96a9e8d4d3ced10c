# SPDX-License-Identifier: LGPL-3.0-or-later
"""A minimal input for training, and changed copies of it."""

import copy

MINIMAL = {
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {"type": "se_e2_a", "sel": [46, 92]},
        "fitting_net": {},
    },
    "learning_rate": {},
    "training": {"training_data": {"systems": ["data"]}, "numb_steps": 100},
}


def changed(changes, base=MINIMAL):
    """A copy of `base` with values set at paths like ``model/descriptor/rcut``."""
    out = copy.deepcopy(base)
    for path, value in changes.items():
        *sections, key = path.split("/")
        where = out
        for section in sections:
            where = where.setdefault(section, {})
        if value is ...:
            del where[key]
        else:
            where[key] = value
    return out
