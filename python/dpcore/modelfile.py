# SPDX-License-Identifier: LGPL-3.0-or-later
"""Model files and checkpoints: read them whatever they are, and make their metadata.

Both are the container of ``dpcore._core.read_model_file``; a checkpoint holds the state of training
besides, under names that begin with ``trainer/``.
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dpcore import __version__, _core
from dpcore.errors import InputError
from dpcore.grammar import descriptor_parts

__all__ = ["CHECKPOINT", "FROZEN", "KINDS", "ModelFile", "make_metadata", "read_model", "without_nan"]

log = logging.getLogger(__name__)

FROZEN = "dpcore-model"
CHECKPOINT = "dpcore-checkpoint"
STATE_PREFIX = "trainer/"
KINDS = ("ener", "dipole", "polar")


class ModelFile(NamedTuple):
    """What a model file or a checkpoint holds.

    Attributes
    ----------
    path
        Where it was read from.
    metadata
        Text by key: ``format``, ``kind``, ``config``, ``training`` and, in a checkpoint, ``trainer``.
    tensors
        Arrays by name, those of the state of training included.
    foreign
        What the file itself is, if it is another program's and was converted in memory; else "".
    """

    path: Path
    metadata: dict[str, str]
    tensors: dict[str, np.ndarray]
    foreign: str = ""

    @property
    def is_checkpoint(self) -> bool:
        """Whether training can go on from it."""
        return self.metadata["format"] == CHECKPOINT

    @property
    def kind(self) -> str:
        """What the model predicts, one of `KINDS`."""
        return self.metadata.get("kind", "ener")

    @property
    def config(self) -> dict[str, Any]:
        """The model: type map, descriptor, fitting net."""
        return self._json("config")

    @property
    def training(self) -> dict[str, Any]:
        """How the model came about; {} if the file does not tell."""
        return self._json("training") if "training" in self.metadata else {}

    def input_section(self, *keys: str) -> dict[str, Any]:
        """A section of the input that the model was trained with; {} where the file does not tell."""
        found: Any = self.training.get("input")
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def trainer(self) -> dict[str, Any]:
        """Where training stands (checkpoints): the step, and the state of the order of frames."""
        return self._json("trainer")

    def model_tensors(self) -> dict[str, np.ndarray]:
        """The arrays of the model."""
        return {k: v for k, v in self.tensors.items() if not k.startswith(STATE_PREFIX)}

    def trainer_tensors(self) -> dict[str, np.ndarray]:
        """The arrays of the state of training."""
        return {k: v for k, v in self.tensors.items() if k.startswith(STATE_PREFIX)}

    def require_nets(self, consequence: str) -> None:
        """Raise InputError where a model compressed by DeePMD-kit has tables in place of embedding nets.

        Parameters
        ----------
        consequence
            What cannot be done without nets, such as "training cannot start from it".
        """
        parts = descriptor_parts(self.config["descriptor"])
        if any((part.get("compress") or {}).get("stored") for _, part in parts):
            raise InputError(
                "was compressed by DeePMD-kit, which leaves tables in place of the embedding nets: "
                f"{consequence}; give the original model",
                self.path,
            )

    def model(self, precision: str | None = None) -> _core.Model:
        """The model, ready to evaluate.

        Parameters
        ----------
        precision
            ``"high"``, ``"mixed"`` or ``"low"``; ``""``: as the environment variable DP_INTERFACE_PREC
            says; None: that of the file.
        """
        if self.kind not in KINDS:
            raise InputError(
                f'holds a model of kind "{self.kind}", which this version does not know', self.path
            )
        try:
            model = _core.Model(self._text("config"), self.model_tensors(), precision)
        except _core.Error as error:
            raise InputError(str(error), self.path) from None
        if model.kind != self.kind:
            raise InputError(
                f'is said to hold a model of kind "{self.kind}", but its config is of kind "{model.kind}"; '
                "the file is damaged",
                self.path,
            )
        return model

    def _text(self, key: str) -> str:
        if key not in self.metadata:
            raise InputError(f'the file has no "{key}"; it was not written by dpcore', self.path)
        return self.metadata[key]

    def _json(self, key: str) -> dict[str, Any]:
        try:
            value = json.loads(self._text(key))
        except json.JSONDecodeError as error:
            raise InputError(f'"{key}" of the file is not JSON ({error}); it is damaged', self.path) from None
        if not isinstance(value, dict):
            raise InputError(f'"{key}" of the file is not a JSON object; it is damaged', self.path)
        return value


def read_model(path: str | Path) -> ModelFile:
    """Read a model file or a checkpoint of dpcore, or a model of DeePMD-kit (TensorFlow graph, .dp, .yaml).

    The content tells what it is, not the name.  A foreign model is converted in memory, with a line in the log.

    Raises
    ------
    InputError
        If there is no such file, or it is none of these, damaged, or of a newer version.
    """
    path = Path(path)
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long
        raise InputError(f"cannot be read: {error.strerror}", path) from None
    if not there:
        hint = "" if path.is_absolute() else f" (looked for in {Path.cwd()})"
        raise InputError(f"no such model file{hint}", path)
    foreign = ""
    try:
        metadata, tensors = _core.read_model_file(str(path))
    except _core.Error as error:
        from dpcore.convert import read_any, recognise

        native = recognise(path)
        if native is None and "TensorFlow graph" not in str(error):  # the core says what it seems to be
            raise InputError(str(error)) from None
        foreign = "TensorFlow graph of DeePMD-kit" if native is None else "native model of DeePMD-kit 3"
        metadata, tensors = read_any(path)
        log.info("%s is a %s, converted in memory (dp convert-from writes a file)", path, foreign)
        for note in json.loads(metadata["training"]).get("notes", []):
            log.warning("%s: %s", path, note)
    return ModelFile(path, metadata, tensors, foreign)


def make_metadata(
    kind_of_file: str, config: dict[str, Any], training: dict[str, Any], trainer: dict[str, Any] | None = None
) -> dict[str, str]:
    """The metadata of a file.

    Parameters
    ----------
    kind_of_file
        `FROZEN` or `CHECKPOINT`.
    config
        The model (`dpcore.config.core_config`).
    training
        How it came about: min_nbor_dist (A), max_nbor_size, input, numb_steps, source, rmse, ...
    trainer
        State of training that is not an array.
    """
    out = {
        "format": kind_of_file,
        "dpcore_version": __version__,
        "kind": config["fitting_net"]["type"],
        "config": json.dumps(config),
        "training": json.dumps(without_nan(training), allow_nan=False),
    }
    if trainer is not None:
        out["trainer"] = json.dumps(trainer, allow_nan=False)
    return out


def without_nan(value: Any) -> Any:
    """A copy in which numbers that JSON has no words for are None."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
