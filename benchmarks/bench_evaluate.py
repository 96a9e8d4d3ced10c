# SPDX-License-Identifier: LGPL-3.0-or-later
"""Energy, forces and virial of water boxes with the standard model, original and compressed, in the three precisions."""

from __future__ import annotations

import resource

from bench_common import PRECISIONS, THREADS, median_time, model, quick, record, water
from dpcore import _core


def main() -> None:
    short = quick(__doc__)
    print(f"threads {THREADS}")
    frame = water()
    for kind in ("original", "compressed"):
        stored = model(*frame, compressed=kind == "compressed")
        for precision in PRECISIONS:
            potential = _core.Model(stored.config, stored.tensors(), precision)
            for side, repeats in ((4, 1),) if short else ((4, 20), (8, 5), (12, 2)):
                box = water(side)
                n = len(box[2])
                seconds = median_time(lambda p=potential, b=box: p.evaluate(*b), repeats, warmup=1)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                us = 1e6 * seconds / n
                print(f"{kind}, {precision}, {n} atoms: {us:.1f} us/atom, peak memory so far {peak:.0f} MB")
                key = {"atoms": n, "model": kind, "precision": precision, "threads": THREADS}
                record("evaluate", key, {"us": us})


if __name__ == "__main__":
    main()
