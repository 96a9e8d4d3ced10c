# SPDX-License-Identifier: LGPL-3.0-or-later
"""What DeePMD-kit gives for frames: run by its own Python, called through `evaluate`.

    PEER/bin/python tests/peer/evaluate.py INPUT.npz OUTPUT.npz MODEL ...

INPUT has coord, type and maybe box, fparam, aparam.  OUTPUT has ``<k>/energy``, ``force``, ``virial``,
``atom_energy``, ``atom_virial`` of an energy model, ``atomic`` of tensors, and ``descriptor`` of the k-th
model; what the peer's backend cannot give is left out.
"""

from __future__ import annotations

import sys

import numpy as np


def evaluate(folder, frames, *models):
    """Results of the peer for frames (a dict of arrays), a dict for each model; `folder` is for files."""
    from peer import make_cases

    np.savez(folder / "frames.npz", **frames)
    python = make_cases.peer_environment() / "bin" / "python"
    words = [str(python), __file__, "frames.npz", "results.npz", *map(str, models)]
    make_cases.run(words, folder)
    with np.load(folder / "results.npz") as stored:
        found = {key: stored[key] for key in stored.files}
    return [
        {key.split("/")[1]: value for key, value in found.items() if key.startswith(f"{k}/")}
        for k in range(len(models))
    ]


def convert(folder, source, target):
    """``dp convert-backend`` of the peer."""
    from peer import make_cases

    make_cases.run([str(make_cases.peer_command()), "convert-backend", str(source), str(target)], folder)


def main(frames, results, *models):
    from deepmd.infer import DeepPotential

    with np.load(frames) as stored:
        given = {key: stored[key] for key in stored.files}
    out = {}
    for k, path in enumerate(models):
        model = DeepPotential(path)
        where = (given["coord"], given.get("box"), given["type"])
        parameters = {key: given[key] for key in ("fparam", "aparam") if key in given}
        try:
            out[f"{k}/descriptor"] = model.eval_descriptor(*where, **parameters)
        except NotImplementedError:
            pass
        if type(model).__name__ != "DeepPot":
            out[f"{k}/atomic"] = model.eval(*where, atomic=True)
            continue
        names = ("energy", "force", "virial", "atom_energy", "atom_virial")
        values = model.eval(*where, atomic=True, **parameters)
        # the numpy backend has no derivatives: NaN, or None
        out.update(
            {
                f"{k}/{name}": value
                for name, value in zip(names, values)
                if value is not None and not np.isnan(np.asarray(value, dtype=float)).all()
            }
        )
    np.savez(results, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
