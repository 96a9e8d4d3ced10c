# SPDX-License-Identifier: LGPL-3.0-or-later
"""The learning curve file: a row of errors for every display of training.

    # step      rmse_val    rmse_trn    rmse_e_val  rmse_e_trn ...      lr
          0      2.67e+01    2.66e+01 ...                          1.0e-03

Columns as the reference has them; ``nan`` stands for a term without label.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from dpcore.atomic_write import write_text
from dpcore.errors import InputError

__all__ = ["LearningCurve", "average_terms", "show_terms"]

log = logging.getLogger(__name__)

Terms = Mapping[str, float]


def average_terms(terms: Sequence[Terms], weights: Sequence[float]) -> dict[str, float]:
    """Mean of the terms of several batches, weighted with their numbers of atoms.

    A batch without the label of a term does not count for it; nan if none has it.
    """
    out = {}
    for key in terms[0]:
        pairs = [(t[key], w) for t, w in zip(terms, weights) if not math.isnan(t[key])]
        total = sum(w for _, w in pairs)
        out[key] = sum(v * w for v, w in pairs) / total if pairs else math.nan
    return out


def show_terms(terms: Terms) -> str:
    """The terms that have labels, as text for the log."""
    return ", ".join(f"{key} = {value:8.2e}" for key, value in terms.items() if not math.isnan(value))


class LearningCurve:
    """Writes the file, line by line, each of them at once.

    Parameters
    ----------
    path
        ``training/disp_file``.
    columns
        Names of the terms in order: rmse, rmse_e, ...
    validation
        Whether there are columns for validation.
    after_step
        None begins the file anew.  A number continues the file of the run that stopped there: rows of
        later steps, which come again, are taken out of it.
    """

    def __init__(
        self, path: str | Path, columns: Sequence[str], validation: bool, after_step: int | None = None
    ) -> None:
        self.path = Path(path)
        self.columns = list(columns)
        self.validation = validation
        header = self._header()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kept = "" if after_step is None else self._earlier(after_step)
            if after_step is not None:
                write_text(self.path, kept)
            self._file = open(self.path, "w" if after_step is None else "a", encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", self.path) from None
        titles = [line for line in kept.splitlines(keepends=True) if line.startswith("# ")]
        if titles[-1:] != [header]:
            try:
                self._write(header)
            except InputError:
                self.close()
                raise

    def add(self, step: int, training: Terms, validation: Terms | None, lr: float) -> None:
        """Write the row of a step."""
        row = f"{step:7d}"
        for key in self.columns:
            values = (training[key],) if validation is None else (validation[key], training[key])
            row += "   " + " ".join(f"{value:11.2e}" for value in values)
        self._write(f"{row}   {lr:8.1e}\n")

    def close(self) -> None:
        """Close the file.  A row that could not be written was told of when it was added."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _header(self) -> str:
        line = f"# {'step':>5s}"
        for key in self.columns:
            names = (f"{key}_val", f"{key}_trn") if self.validation else (f"{key}_trn",)
            line += "   " + " ".join(f"{name:>11s}" for name in names)
        return f"{line}   {'lr':>8s}\n"

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", self.path) from None

    def _earlier(self, last_step: int) -> str:
        """What the file holds of steps up to `last_step`."""
        if not self.path.exists():
            return ""
        kept, dropped = [], 0
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            words = line.split()
            if not words or words[0].startswith("#"):
                kept.append(line)
            elif line.endswith("\n") and words[0].isdigit() and int(words[0]) <= last_step:
                kept.append(line)
            else:
                dropped += 1
        if dropped:
            log.info("%s: took out %d row(s) of steps after %d", self.path, dropped, last_step)
        return "".join(kept)
