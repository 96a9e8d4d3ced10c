# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``dp compress`` refuses, and compressed models that were spoilt."""

from __future__ import annotations

import json

import numpy as np
from bad_input.case import Case, both, nothing, put, replaced_by_folder, write
from bad_input.models import change_bytes, rewrite, set_config

RECIPE = {"min_nbor_dist": 0.9, "step": 0.01, "extrapolate": 5}


def _compress(prepare, *expect, words=(), model="model.dp", output="new.dp", code=1):
    return Case(["compress", "-i", model, "-o", output, *words], expect, prepare, code)


def _distance(value):
    """Another shortest distance in model.dp; ``...`` takes it out."""

    def change(text):
        training = json.loads(text)
        if value is ...:
            del training["min_nbor_dist"]
        else:
            training["min_nbor_dist"] = value
        return json.dumps(training)

    return rewrite({"training": change})


def _recipe(**changes):
    """Make model.dp a compressed one with a recipe that is wrong somewhere."""
    recipe = {key: value for key, value in {**RECIPE, **changes}.items() if value is not ...}
    return set_config("descriptor/compress", recipe)


OPTIONS = {
    "no step": _compress(nothing, "--step: expected a number above 0, got 0.0", words=["-s", "0"]),
    "step that is no number": _compress(
        nothing, "--step: expected a number above 0, got nan", words=["-s", "nan"]
    ),
    "step in words": _compress(nothing, "invalid float value: 'fine'", words=["-s", "fine"], code=2),
    "negative tolerance": _compress(
        nothing, "--tol: expected a number above 0, got -1.0", words=["--tol", "-1"]
    ),
    "table that ends before its range": _compress(
        nothing, "--extrapolate: expected a number from 1 on, got 0.5", words=["-e", "0.5"]
    ),
    "infinite table": _compress(
        nothing, "--extrapolate: expected a number from 1 on, got inf", words=["-e", "inf"]
    ),
    "endless table": _compress(nothing, "model.dp", "intervals; choose a larger step", words=["-s", "1e-9"]),
    "frequency in parts": _compress(nothing, "invalid int value: '0.5'", words=["-f", "0.5"], code=2),
    "unknown end": _compress(nothing, "invalid choice: 'zero'", words=["--outside", "zero"], code=2),
    "two scripts": _compress(
        nothing, "a.json and b.json are both given as training script", words=["a.json", "-t", "b.json"]
    ),
    "model in place of the script": _compress(
        nothing, "other.dp: is taken for the training's input file", "given with -i", words=["other.dp"]
    ),
    "script that is not needed and not there": _compress(
        nothing, "none.json: no such input file", words=["-t", "none.json"]
    ),
    **{
        f"frequency {number}": _compress(
            nothing,
            "--frequency: expected -1, or a number of frames from 1",
            f"got {number}",
            words=["-f", number],
        )
        for number in ("0", "-2", "5000000000")
    },
    "undo with a step": _compress(
        nothing, "--undo: has no use for --step and --tol", words=["--undo", "-s", "0.1", "--tol", "1"]
    ),
    "error above the tolerance": _compress(
        nothing,
        "model.dp: the force error",
        "above the tolerance 1e-30 (--tol)",
        "no step from 0.1 to 0.001 keeps it",
        words=["--tol", "1e-30"],
    ),
    "straight lines behind a short table": _compress(
        nothing,
        "nearer than the tables reach",
        "larger --extrapolate or --outside net",
        words=["-e", "1", "--outside", "linear", "--tol", "1e-12"],
    ),
    "error of a large step": _compress(
        nothing, "model.dp: the force error", "smaller --step", words=["-s", "1", "--tol", "1e-12"]
    ),
}

FILES = {
    "no model": _compress(nothing, "none.dp: no such model file", model="none.dp"),
    "a checkpoint": _compress(nothing, "model.ckpt-2: is a checkpoint", "dp freeze", model="model.ckpt-2"),
    "a model cut off": _compress(change_bytes(lambda content: content[:300]), "model.dp", "truncated"),
    "a model without config": _compress(rewrite({"config": ...}), '"config"', "not written by dpcore"),
    "text": _compress(nothing, "input.json", "JSON text", model="input.json"),
    "over its input": _compress(nothing, "model.dp: the output would overwrite the input", output="model.dp"),
    "in no folder": _compress(
        nothing, "no/new.dp: the folder of the output", "create it first", output="no/new.dp"
    ),
    "over a folder": _compress(replaced_by_folder("new.dp"), "new.dp: cannot write: this is a folder"),
    "twice": _compress(_recipe(), "model.dp: is compressed already", "--undo"),
    "undo of an original": _compress(nothing, "model.dp: is not compressed", words=["--undo"]),
    "no distance": _compress(
        _distance(None), "model.dp: does not tell the shortest distance", "input file with -t"
    ),
    "no word of a distance": _compress(_distance(...), "model.dp: does not tell the shortest distance"),
    "negative distance": _compress(
        _distance(-1.0), "model.dp: its min_nbor_dist is -1.0; expected a distance"
    ),
    "distance in words": _compress(_distance("short"), "model.dp: its min_nbor_dist is 'short'"),
    "distance beyond the cut-off": _compress(_distance(7.0), "model.dp", "min_nbor_dist below rcut"),
    "tiny distance": _compress(_distance(1e-9), "model.dp", "intervals", "check min_nbor_dist"),
    "all pairs excluded": _compress(
        both(
            set_config("descriptor/exclude_types", [[0, 0], [0, 1], [1, 1]]),
            rewrite(
                tensors={
                    f"descriptor/net_{a}_{b}/layer_{k}/{part}": ...
                    for a in (0, 1)
                    for b in (0, 1)
                    for k in (0, 1)
                    for part in ("matrix", "bias")
                }
            ),
        ),
        "model.dp: has no embedding net that can be tabulated",
    ),
    "no script": _compress(_distance(None), "none.json: no such input file", words=["-t", "none.json"]),
    "script that is none": _compress(
        both(_distance(None), write("s.json", "{")), "s.json", words=["-t", "s.json"]
    ),
    "script with lost data": _compress(
        both(
            _distance(None),
            lambda folder: (folder / "s.json").write_text(
                (folder / "input.json").read_text().replace('"data"', '"lost"')
            ),
        ),
        "lost: no such folder",
        words=["-t", "s.json"],
    ),
    "script with bad data": _compress(
        both(_distance(None), put("set.000/coord.npy", (0, 0), np.nan)),
        "data/set.000/coord.npy",
        "NaN in frame 0",
        words=["input.json"],
    ),
}

RECIPES = {
    name: Case(["test", "-m", "model.dp", "-s", "data"], ["model.dp", *expect], prepare)
    for name, prepare, expect in (
        ("recipe without a step", _recipe(step=...), ["compress/step: this key is missing"]),
        (
            "recipe in words",
            set_config("descriptor/compress", "yes"),
            ["compress: expected a section with keys"],
        ),
        ("recipe with a list", _recipe(extrapolate=[5]), ["compress/extrapolate: value of the wrong kind"]),
        ("recipe with an unknown end", _recipe(outside="zero"), ["expected net or linear, got 'zero'"]),
        ("recipe for too long a table", _recipe(step=1e-300), ["intervals; choose a larger step"]),
    )
}

CASES = {
    **{f"compress: {name}": case for name, case in OPTIONS.items()},
    **{f"compress: {name}": case for name, case in FILES.items()},
    **{f"compress: {name}": case for name, case in RECIPES.items()},
}
