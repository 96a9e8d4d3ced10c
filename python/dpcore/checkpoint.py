# SPDX-License-Identifier: LGPL-3.0-or-later
"""Checkpoints on disk: their names, which of them are kept, and how one is found.

``<save_ckpt>-<step>``  the checkpoint after so many steps, one file
``<save_ckpt>``         symbolic link to the newest
``checkpoint``          text beside them that lists those kept, oldest first, and the newest
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dpcore.atomic_write import write_text
from dpcore.errors import InputError

__all__ = ["Checkpoints", "find_checkpoint"]

log = logging.getLogger(__name__)

LIST_NAME = "checkpoint"
_ENTRY = re.compile(r'(model_checkpoint_path|all_model_checkpoint_paths):\s*"(.*)"\s*\Z')


class Checkpoints:
    """Writes the checkpoints of one training and removes those that are too many.

    Parameters
    ----------
    prefix
        ``training/save_ckpt``; its folder is made if it is not there.
    keep
        How many of the newest are kept; 0 keeps all.
    start_step
        Step that training starts from.  Above 0, the checkpoints that the list names up to this step
        are counted among those to keep.

    Attributes
    ----------
    newest
        The file written last, None before the first.
    """

    def __init__(self, prefix: str | Path, keep: int = 5, start_step: int = 0) -> None:
        self.prefix = Path(prefix)
        self.keep = keep
        self.newest: Path | None = None
        if self.prefix.exists() and not self.prefix.is_symlink():
            raise InputError(
                "is no link to a checkpoint, so it is not replaced by one; move it away, or choose another "
                "training/save_ckpt",
                self.prefix,
            )
        try:
            self.prefix.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot make this folder for checkpoints: {error.strerror}"
            raise InputError(message, self.prefix.parent) from None
        self._kept: list[Path] = []
        if start_step > 0:
            for name in _read_list(self._list)[1]:
                step = _step_of(name, self.prefix.name)
                if step is not None and step <= start_step and (self.prefix.parent / name).is_file():
                    self._kept.append(self.prefix.parent / name)

    @property
    def _list(self) -> Path:
        return self.prefix.parent / LIST_NAME

    def save(self, step: int, metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> Path:
        """Write the checkpoint of a step; all of it appears, or nothing of it.

        Raises
        ------
        InputError
            If a number is not finite: such a model is of no use and replaces none.
        """
        from dpcore import _core

        bad = next((k for k, v in tensors.items() if v.dtype.kind == "f" and not np.isfinite(v).all()), None)
        if bad is not None:
            raise InputError(
                f"after step {step} the parameters '{bad}' are not all finite; no checkpoint was written"
                + (f", the last one is {self.newest}" if self.newest else "")
                + ". A lower learning_rate/start_lr may help"
            )
        path = self.prefix.with_name(f"{self.prefix.name}-{step}")
        _core.write_model_file(str(path), dict(metadata), dict(tensors))
        self.newest = path
        self._link(path)
        self._kept = [p for p in self._kept if p != path] + [path]
        surplus = self._kept[: -self.keep] if self.keep > 0 else []
        self._kept = self._kept[len(surplus) :]
        self._write_list()
        for old in surplus:
            old.unlink(missing_ok=True)
        return path

    def _link(self, path: Path) -> None:
        partial = self.prefix.with_name(f".{self.prefix.name}.{os.getpid()}")
        try:
            partial.unlink(missing_ok=True)
            os.symlink(path.name, partial)
            os.replace(partial, self.prefix)
        except OSError as error:  # a file system without links
            partial.unlink(missing_ok=True)
            log.warning("%s: cannot be linked to %s: %s", self.prefix, path.name, error.strerror)

    def _write_list(self) -> None:
        lines = [f'model_checkpoint_path: "{self._kept[-1].name}"']
        lines += [f'all_model_checkpoint_paths: "{path.name}"' for path in self._kept]
        write_text(self._list, "\n".join(lines) + "\n")


def find_checkpoint(where: str | Path) -> Path:
    """The checkpoint that a command line means.

    Parameters
    ----------
    where
        A file; a folder, of which the list names the newest; or a prefix (``model.ckpt``), of which the
        checkpoint of the highest step is taken if there is no such file.

    Raises
    ------
    InputError
        If there is none, or it is one of TensorFlow.
    """
    path = Path(where)
    if path.is_file():
        return path
    if path.is_dir():
        return _newest_in(path)
    steps = {}
    if path.parent.is_dir():
        for other in path.parent.iterdir():
            step = _step_of(other.name, path.name)
            if step is not None and other.is_file():
                steps[step] = other
    if steps:
        return steps[max(steps)]
    _refuse_tensorflow(path)
    hint = "" if path.is_absolute() else f" (looked for in {Path.cwd()})"
    raise InputError(f"no such checkpoint{hint}; dp train writes them as training/save_ckpt says", path)


def _newest_in(folder: Path) -> Path:
    newest, _ = _read_list(folder / LIST_NAME)
    if newest is None:
        raise InputError(
            f'holds no checkpoint: there is no list named "{LIST_NAME}" in it, which dp train writes beside '
            "its checkpoints; give the folder in which dp train was run, or a checkpoint",
            folder,
        )
    path = folder / newest
    if path.is_file():
        return path
    _refuse_tensorflow(path)
    raise InputError(f"names the checkpoint {newest}, which is not there", folder / LIST_NAME)


def _read_list(path: Path) -> tuple[str | None, list[str]]:
    """The newest checkpoint of a list, None without one, and all of them."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None, []
    except UnicodeDecodeError:
        raise InputError("is not a list of checkpoints", path) from None
    found: dict[str, list[str]] = {}
    for match in filter(None, map(_ENTRY.match, lines)):
        found.setdefault(match[1], []).append(match[2])
    return found.get("model_checkpoint_path", [None])[0], found.get("all_model_checkpoint_paths", [])


def _step_of(name: str, prefix: str) -> int | None:
    """The step of the checkpoint ``<prefix>-<step>``; None for another name."""
    head, _, step = name.rpartition("-")
    return int(step) if head == prefix and step.isdigit() and step.isascii() else None


def _refuse_tensorflow(path: Path) -> None:
    if path.with_name(f"{path.name}.index").exists() or path.with_name(f"{path.name}.meta").exists():
        raise InputError(
            "is a checkpoint of TensorFlow, which dpcore does not read; freeze it with DeePMD-kit and start "
            "from the graph (dp train INPUT --init-frz-model GRAPH)",
            path,
        )
