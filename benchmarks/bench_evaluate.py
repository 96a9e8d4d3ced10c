# SPDX-License-Identifier: LGPL-3.0-or-later
"""Energy, forces and virial of water boxes of growing size with the standard model, also compressed."""

from __future__ import annotations

import os
import resource

from bench_common import median_time, model, water


def main() -> None:
    print(f"threads {os.environ.get('OMP_NUM_THREADS', 'all')}")
    coord, box, types = water()
    recipe = {"min_nbor_dist": 0.88, "step": 0.01, "extrapolate": 5}
    cases = [(precision, keys) for precision in ("float64", "float32") for keys in ({}, {"compress": recipe})]
    for precision, keys in cases:
        potential = model(coord, box, types, precision, **keys)
        kind = f"{precision}, compressed" if keys else precision
        for side, repeats in ((4, 20), (8, 5), (12, 2)):
            c, b, t = water(side)
            seconds = median_time(lambda p=potential, c=c, b=b, t=t: p.evaluate(c, b, t), repeats, warmup=1)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{kind}, {len(t)} atoms: {1e6 * seconds / len(t):.1f} us/atom, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
