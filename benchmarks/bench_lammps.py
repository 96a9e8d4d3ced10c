# SPDX-License-Identifier: LGPL-3.0-or-later
"""Molecular dynamics of water boxes in LAMMPS with the standard model, by precision and by layout of ranks and threads.

bench_size.py has more sizes, targets.py the comparison with DeePMD-kit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench_common import (
    PRECISIONS,
    THREADS,
    md_script,
    model,
    no_lammps,
    quick,
    record,
    run_lammps,
    water,
    write_data,
    write_model,
)


def main() -> None:
    short = quick(__doc__)
    if no_lammps():
        print(f"skipped: {no_lammps()}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = water()
        write_data(folder / "water.data", *frame)
        write_model(folder / "water.dp", model(*frame))
        layouts = [(1, THREADS)] if short else sorted({(1, 1), (1, THREADS), (THREADS, 1)})
        for k, steps in ((1, 2),) if short else ((1, 200), (3, 20)):
            n = 192 * k**3
            for precision in PRECISIONS:
                for ranks, threads in layouts:
                    pair = f"deepmd water.dp precision {precision}"
                    script = md_script(k, pair, steps, warm=steps // 5)
                    seconds, peak = run_lammps(folder, script, ranks, threads)
                    us = 1e6 * seconds / steps / n
                    print(
                        f"{precision}, {n} atoms, {ranks} ranks x {threads} threads: "
                        f"{us:.1f} us/atom/step, peak memory {peak:.0f} MB",
                        flush=True,
                    )
                    key = {"atoms": n, "precision": precision, "ranks": ranks, "threads": threads}
                    record("lammps", key, {"us": us, "MB": peak})


if __name__ == "__main__":
    main()
