# SPDX-License-Identifier: LGPL-3.0-or-later
"""One training step (energy and force loss) of the standard water model, with and without on-line tables."""

from __future__ import annotations

import json

import numpy as np
from bench_common import THREADS, median_time, model, quick, record, water
from dpcore import _core


def main() -> None:
    short = quick(__doc__)
    coord, box, types = water()
    rng = np.random.default_rng(0)
    batch = {
        "coord": coord,
        "box": box,
        "type": types,
        "energy": np.zeros(1),
        "find_energy": 1.0,
        "force": rng.normal(size=coord.shape),
        "find_force": 1.0,
    }
    print(f"{len(types)} atoms, threads {THREADS}")
    for precision in ("float64", "float32"):
        for table in (True, False):
            trainer = _core.Trainer(model(coord, box, types, precision, online_table=table), json.dumps({}))
            seconds = median_time(lambda t=trainer: t.step(batch, 1e-3, 1e-3), 1 if short else 30)
            nets = "tables" if table else "exact nets"
            print(f"{precision}, {nets}: {1e3 * seconds:.2f} ms/step")
            record(
                "training", {"precision": precision, "nets": nets, "threads": THREADS}, {"ms": 1e3 * seconds}
            )


if __name__ == "__main__":
    main()
