# SPDX-License-Identifier: LGPL-3.0-or-later
"""Results of clients against those of the first one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dpcore.clients import Client, ClientError, Frame, NotInstalled, NotRun, Result

__all__ = ["QUANTITIES", "Row", "differences"]

QUANTITIES = ("energy/atom", "force", "virial", "atom energy", "atom virial")


def differences(result: Result, reference: Result) -> dict[str, float]:
    """The largest difference of each quantity that both have; NaN stays, other shapes are infinitely far."""
    out = {}
    for name, one, other in zip(QUANTITIES, result, reference):
        if one is None or other is None:
            continue
        n_atoms = len(reference.force) if name == "energy/atom" else 1
        same = np.shape(one) == np.shape(other)
        out[name] = float(np.max(np.abs(np.subtract(one, other)), initial=0.0)) / n_atoms if same else np.inf
    return out


@dataclass
class Row:
    """What came out for one client.

    Attributes
    ----------
    client
        Its name.
    worst
        Largest difference of each quantity; absent: not compared.
    frames
        Frames that it has evaluated.
    note
        Why it did not run, or what is wrong.
    failed
        Whether there is something wrong.
    """

    client: str
    worst: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    note: str = ""
    failed: bool = False

    @property
    def state(self) -> str:
        """ok, FAILED, or that it did not run."""
        return "FAILED" if self.failed else "ok" if self.frames else "not run"

    def evaluate(self, client: Client, model: str | Path, frame: Frame, folder: Path) -> Result | None:
        """What the client gives; None, with a note, if it gives nothing."""
        try:
            result = client.evaluate(model, frame, folder)
        except NotInstalled as reason:
            self.note = f"not installed: {reason}"
        except NotRun as reason:
            self.note = f"not run: {reason}"
        except (ClientError, ValueError, OSError) as error:
            self.fail(str(error))
        else:
            self.frames += 1
            return result
        return None

    def add(self, found: dict[str, float], limit: float, what: str) -> None:
        """Keep the largest differences; above the limit, or with NaN, the client has failed."""
        for name, value in found.items():
            old = self.worst.get(name, 0.0)
            self.worst[name] = old if old >= value or old != old else value  # NaN stays
            if not value <= limit:
                self.fail(f"{name} of {what} is off by {value:.1e}")

    def fail(self, note: str) -> None:
        """Something is wrong; the first note stays."""
        if not self.failed:
            self.note, self.failed = note, True
