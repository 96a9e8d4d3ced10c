# SPDX-License-Identifier: LGPL-3.0-or-later
"""Cost of an atom and step, and peak memory, of water in LAMMPS from 192 to 98,304 atoms, original and compressed model.

SIZES=192,5184 chooses other numbers of atoms (192 k^3; 1,119,744 takes 2.4 GB), MODELS=original or compressed, SKIN the
neighbour skin in A. The memory of LAMMPS alone is measured with pair_style zero and the same full neighbour list.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench_common import (
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
    try:
        sizes = [
            int(n) for n in os.environ.get("SIZES", "192" if short else "192,1536,12288,98304").split(",")
        ]
        skin = float(os.environ.get("SKIN", "2.0"))
    except ValueError as error:
        raise SystemExit(f"SIZES, SKIN: {error}; expected SIZES=192,1536 and SKIN=2.0") from None
    kinds = os.environ.get("MODELS", "original,compressed").split(",")
    if not set(kinds) <= {"original", "compressed"}:
        raise SystemExit(f"MODELS: expected original, compressed or both with a comma, got {','.join(kinds)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = water()
        write_data(folder / "water.data", *frame)
        for kind in kinds:
            write_model(folder / f"{kind}.dp", model(*frame, compressed=kind == "compressed"))
        for n in sizes:
            k = round((max(n, 1) / 192) ** (1 / 3))
            if n < 192 or 192 * k**3 != n:
                raise SystemExit(f"SIZES: expected 192 k^3 atoms (192, 1536, 5184, 12288 ...), got {n}")
            steps = 2 if short else max(10, min(500, 200_000 // n))
            for kind in [*kinds, None]:
                script = md_script(k, f"deepmd {kind}.dp" if kind else "zero 6.0 full", steps, skin=skin)
                seconds, peak = run_lammps(folder, script, 1, THREADS)
                time = f"{1e6 * seconds / steps / n:.1f} us/atom/step" if kind else "-"
                print(
                    f"{kind or 'LAMMPS alone'}, {n} atoms, skin {skin} A: {time}, peak memory {peak:.0f} MB",
                    flush=True,
                )
                key = {"atoms": n, "model": kind or "none", "skin": skin, "threads": THREADS}
                record("size", key, {"us": 1e6 * seconds / steps / n, "MB": peak})


if __name__ == "__main__":
    main()
