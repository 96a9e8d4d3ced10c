# SPDX-License-Identifier: LGPL-3.0-or-later
"""The table of targets: training, LAMMPS, Python, memory and start-up, and ratios to DeePMD-kit where it is installed.

DPCORE_PEER names the folder of a virtual environment with DeePMD-kit and its LAMMPS (`deepmd-kit[cpu,lmp]`). Both
programs do the same with data made here: they train a few steps, freeze, compress, and run their own model, in turns.
Times are medians; in LAMMPS the better layout of ranks and threads counts. What the numbers were is in NOTES.md.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_common import (
    LMP,
    STANDARD,
    THREADS,
    environment,
    md_script,
    no_lammps,
    quick,
    run_lammps,
    run_measured,
    water,
    write_data,
)

OURS_ONLY = object()  # of rows that the peer has no counterpart of
EVAL = """import sys, time, numpy as np
start = time.perf_counter()
from {infer} import DeepPot
c, b, t = np.load("data/set.000/coord.npy")[:1], np.load("data/set.000/box.npy")[:1], np.loadtxt("data/type.raw", dtype=int)
dp = DeepPot("{model}")
dp.eval(c, b, t)
now = time.perf_counter()
first, begin, times = now - start, now + {seconds} / 4, []
while not times or now < begin + {seconds}:
    dp.eval(c, b, t)
    before, now = now, time.perf_counter()
    if now >= begin:
        times.append(now - before)
print("RESULT", first, sorted(times)[len(times) // 2])
"""


class Program:
    """dpcore, or DeePMD-kit in the environment `home`: commands, and files in a folder of its own."""

    def __init__(self, work: Path, home: Path | None, short: bool):
        self.folder = work / ("peer" if home else "ours")
        self.bin = home / "bin" if home else Path(sys.executable).parent
        self.dp = [self.bin / "dp", *(["--tf"] if home else [])]
        self.lmp = self.bin / "lmp" if home else LMP
        self.infer = "deepmd.infer" if home else "dpcore.infer"
        self.suffix = "pb" if home else "dp"
        libraries = (
            sorted(home.glob("lib/python*/site-packages/deepmd/lib/libdeepmd_lmpplugin.so")) if home else []
        )
        self.plugin = f"plugin load {libraries[0]}\n" if libraries else ""
        self.peer = home is not None
        self.layouts = {(1, THREADS)} if short else {(1, THREADS), (THREADS, 1)}
        self.memory: dict = {}  # of the last run of each kind of model, MB
        write_system(self.folder)

    def run(self, *command) -> tuple[str, float]:
        return run_measured(list(command), self.folder, environment(THREADS))

    def train(self, steps: int, precision: str = "float64") -> float:
        """Seconds of a step."""
        (self.folder / "input.json").write_text(json.dumps(training_input(steps, precision)))
        text = self.run(*self.dp, "train", "input.json")[0]
        return float(re.findall(r"average training time:\s*([0-9.eE+-]+)\s*s/batch", text)[-1])

    def make_models(self) -> None:
        self.run(*self.dp, "freeze", "-o", f"original.{self.suffix}")
        names = (f"original.{self.suffix}", f"compressed.{self.suffix}")
        self.run(*self.dp, "compress", "-i", names[0], "-o", names[1])

    def script(self, kind: str, k: int, steps: int, precision: str = "high") -> str:
        words = "" if self.peer else f" precision {precision}"
        text = md_script(k, f"deepmd {kind}.{self.suffix}{words}", steps, warm=steps // 5)
        return text.replace("pair_style", self.plugin + "pair_style")

    def md(self, kind: str, k: int, steps: int, precision: str = "high") -> tuple[float, float]:
        """Seconds for a step and the peak memory in MB of 192 k^3 atoms, in the better layout."""
        script = self.script(kind, k, steps, precision)
        seconds, memory = min(
            run_lammps(self.folder, script, *layout, lmp=self.lmp) for layout in self.layouts
        )
        return seconds / steps, memory

    def evaluate(self, kind: str, seconds: float) -> tuple[float, float]:
        """Seconds from the import to the first energy, and of one call in so many seconds after it and a quarter of them."""
        model = f"{kind}.{self.suffix}"
        code = EVAL.format(infer=self.infer, model=model, seconds=seconds)
        text = self.run(self.bin / "python", "-c", code)[0]
        first, call = re.findall(r"RESULT (\S+) (\S+)", text)[-1]
        return float(first), float(call)

    def start(self) -> float:
        """Seconds of an `lmp` that computes one energy."""
        now = time.perf_counter()
        run_lammps(self.folder, self.script("original", 1, 0), 1, THREADS, lmp=self.lmp)
        return time.perf_counter() - now


def write_system(folder: Path) -> None:
    """data/ (8 frames of 192 atoms with labels at random) and water.data of LAMMPS."""
    data = folder / "data" / "set.000"
    data.mkdir(parents=True)
    frames = [water(seed=i) for i in range(8)]
    coord, box = (np.concatenate([f[i] for f in frames]) for i in (0, 1))
    rng = np.random.default_rng(0)
    labels = {"energy": rng.normal(size=8), "force": rng.normal(size=coord.shape)}
    for name, values in {"coord": coord, "box": box, **labels}.items():
        np.save(data / f"{name}.npy", values)
    np.savetxt(data.parent / "type.raw", frames[0][2], fmt="%d")
    (data.parent / "type_map.raw").write_text("O\nH\n")
    write_data(folder / "water.data", *frames[0])


def training_input(steps: int, precision: str) -> dict:
    section = {**STANDARD, "fitting_net": {**STANDARD["fitting_net"], "precision": precision}}
    section["descriptor"] = {**STANDARD["descriptor"], "precision": precision}
    return {
        "model": section,
        "learning_rate": {"type": "exp", "start_lr": 1e-4, "stop_lr": 1e-6, "decay_steps": 100},
        "loss": {"start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1},
        "training": {
            "training_data": {"systems": ["data"], "batch_size": 1},
            "numb_steps": steps,
            "disp_freq": max(1, steps // 4),
            "save_freq": steps,
            "seed": 1,
        },
    }


def rows(short: bool, lammps: bool):
    """(name, target as a ratio to the peer, or "", unit, a function of the program, what of the peer it is held against)"""
    few = 4 if short else 100
    yield "training, fp64", 12, "ms/step", lambda p: 1e3 * p.train(few), None
    yield "training, fp32", 20, "ms/step", lambda p: 1e3 * p.train(few, "float32"), "training, fp64"
    yield None, None, "", lambda p: (p.train(4), p.make_models()), None
    for k, steps in () if not lammps else ((1, 2),) if short else ((1, 100), (3, 5)):
        n = 192 * k**3

        def md(p, kind, precision="high", k=k, steps=steps, n=n):
            seconds, p.memory[kind] = p.md(kind, k, steps, precision)
            return 1e6 * seconds / n

        for kind, target in (("original", 7 if k == 1 else 8), ("compressed", 4.5)):
            name = f"LAMMPS {n} atoms, {kind}, fp64"
            yield name, target, "us/atom/step", lambda p, md=md, kind=kind: md(p, kind), None
            yield (
                f"peak memory of that ({n}, {kind})",
                10 if k == 3 else "",
                "MB",
                lambda p, kind=kind: p.memory[kind],
                None,
            )
        for precision in ("mixed", "low"):
            row = f"LAMMPS {n} atoms, compressed, {precision}"
            yield (
                row,
                8,
                "us/atom/step",
                lambda p, md=md, w=precision: OURS_ONLY if p.peer else md(p, "compressed", w),
                name,
            )
    for kind in ("original", "compressed"):
        yield (
            f"DeepPot.eval, {kind}",
            12,
            "ms",
            lambda p, kind=kind: 1e3 * p.evaluate(kind, 0 if short else 2)[1],
            None,
        )
    yield "Python, from the import to the first energy", "", "s", lambda p: p.evaluate("original", 0)[0], None
    if lammps:
        yield "lmp, start to end with one energy", "", "s", lambda p: p.start(), None


def main() -> None:
    short = quick(__doc__)
    home = os.environ.get("DPCORE_PEER")
    if home and not (Path(home) / "bin/dp").exists():
        raise SystemExit(
            f"DPCORE_PEER={home}: expected the folder of a virtual environment with bin/dp of DeePMD-kit"
        )
    if not home:
        print("DPCORE_PEER is not set: the ratios to DeePMD-kit are left out")
    repeats = 1 if short else 3
    with tempfile.TemporaryDirectory() as name:
        programs = [Program(Path(name), h, short) for h in ([None, Path(home).resolve()] if home else [None])]
        why = next(filter(None, (no_lammps(p.lmp) for p in programs)), "")
        if why:
            print(f"{why}: the rows of LAMMPS are left out")
        peer: dict = {}
        for row, target, unit, work, against in rows(short, not why):
            found = [[work(p) for p in programs] for _ in range(repeats if row else 1)]
            if not row:
                continue
            values = [statistics.median(v) if v[0] is not OURS_ONLY else None for v in zip(*found)]
            line = f"{row}: {values[0]:.3g} {unit}"
            if home:
                peer[row] = values[1]
                other = peer[against or row]
                aim = f" (target {target})" if target else ""
                line += f", DeePMD-kit {other:.3g}{' in ' + against if against else ''}, ratio {other / values[0]:.1f}{aim}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
