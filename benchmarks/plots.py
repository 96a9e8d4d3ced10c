# SPDX-License-Identifier: LGPL-3.0-or-later
"""Draws what the benchmarks left in results.json, as PNG files beside it; needs matplotlib, skips what was not measured."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec

from bench_common import RESULTS


def curves(rows: list[dict], x: str, y: str, label) -> dict:
    """{label of a row: [(x, y) ...] in order of x}"""
    found: dict = {}
    for row in sorted(rows, key=lambda r: r[x]):
        found.setdefault(label(row), []).append((row[x], row[y]))
    return found


def draw(name: str, found: dict, xlabel: str, ylabel: str, log: str = "") -> None:
    """One panel, written to NAME.png; `log` names the logarithmic axes."""
    if not found:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.5, 3.6))
    for label, points in found.items():
        axes.plot(*zip(*points), "o-", label=label)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    path = RESULTS.with_name(f"{name}.png")
    figure.savefig(path, dpi=90)
    plt.close(figure)
    print(path)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    if find_spec("matplotlib") is None:
        print("skipped: matplotlib is not installed (pip install matplotlib); the numbers are in", RESULTS)
        return
    if not RESULTS.exists():
        raise SystemExit(f"{RESULTS}: run the benchmarks first (make bench)")
    results = json.loads(RESULTS.read_text())
    size, lammps = results.get("size", []), results.get("lammps", [])
    run = [row for row in size if row["model"] != "none"]
    step = "us per atom and step"
    draw("size_time", curves(run, "atoms", "us", lambda r: r["model"]), "atoms", step, "x")
    names = {"none": "LAMMPS without a model"}
    memory = curves(size, "atoms", "MB", lambda r: names.get(r["model"], r["model"]))
    draw("size_memory", memory, "atoms", "peak memory, MB", "xy")
    single = [row for row in lammps if row["ranks"] == 1]
    draw(
        "threads",
        curves(single, "threads", "us", lambda r: f"{r['precision']}, {r['atoms']} atoms"),
        "threads",
        step,
    )
    evaluated = results.get("evaluate", [])
    threads = max((row["threads"] for row in evaluated), default=0)
    most = [row for row in evaluated if row["threads"] == threads]
    draw(
        "precisions",
        curves(most, "atoms", "us", lambda r: f"{r['model']}, {r['precision']}"),
        "atoms",
        f"us per atom, Python, {threads} threads",
        "x",
    )


if __name__ == "__main__":
    main()
