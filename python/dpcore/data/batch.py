# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which frames make a batch: sizes, order within a system, probabilities of systems."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from dpcore.errors import InputError, show
from dpcore.grammar import auto_batch_atoms, auto_prob_blocks

__all__ = [
    "FrameSampler",
    "batch_sizes",
    "get_rng_state",
    "make_rng",
    "n_batches",
    "set_rng_state",
    "system_probabilities",
]


def make_rng(seed: int | None, rank: int = 0) -> np.random.RandomState:
    """The one generator of random numbers behind the order of frames and systems.

    Parameters
    ----------
    seed
        ``training/seed``; None draws one from the system.
    rank
        Index of the worker in parallel training, so that workers see different frames.
    """
    return np.random.RandomState(None if seed is None else [rank, seed % 2**32])


def get_rng_state(rng: np.random.RandomState) -> dict[str, Any]:
    """The state of `rng` as values that JSON can hold."""
    kind, keys, position, has_gauss, gauss = rng.get_state()
    return {"kind": kind, "keys": _pack(keys), "position": position, "gauss": [has_gauss, gauss]}


def set_rng_state(rng: np.random.RandomState, state: dict[str, Any]) -> None:
    """Put `rng` where it was when `get_rng_state` was called."""
    keys = _unpack(state["keys"]).astype(np.uint32)
    rng.set_state((state["kind"], keys, int(state["position"]), *state["gauss"]))


def _pack(values: np.ndarray) -> str:
    return base64.b64encode(np.asarray(values).astype("<u4").tobytes()).decode("ascii")


def _unpack(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<u4").astype(np.int64)


def batch_sizes(spec: int | str | Sequence[int], n_atoms: Sequence[int], where: str) -> list[int]:
    """Frames in a batch for each system.

    Parameters
    ----------
    spec
        A number, a list of one for each system, ``auto`` (32 atoms) or ``auto:N``: the smallest number
        of frames that hold N atoms.
    n_atoms
        Atoms in a frame of each system.
    where
        Key path for errors.
    """
    atoms = auto_batch_atoms(spec)
    if atoms is not None:
        return [-(-atoms // n) for n in n_atoms]
    if isinstance(spec, int):
        return [spec] * len(n_atoms)
    if isinstance(spec, str) or len(spec) != len(n_atoms):
        raise InputError(
            f"expected a number, auto, auto:N or one number for each of the {len(n_atoms)} systems, "
            f"got {show(spec)}",
            where,
        )
    return [int(n) for n in spec]


def n_batches(set_sizes: Sequence[int], batch_size: int) -> int:
    """Batches in one pass over a system: whole ones of each set, at least one a set."""
    return sum(max(1, size // batch_size) for size in set_sizes)


def system_probabilities(
    batches: Sequence[int], auto_prob: str, sys_probs: Sequence[float] | None, where: str
) -> np.ndarray:
    """Probability that a batch comes from each system, [n_systems], summing to 1.

    Parameters
    ----------
    batches
        Numbers of batches of the systems.
    auto_prob
        ``prob_uniform``, ``prob_sys_size`` or ``prob_sys_size;begin:end:weight;...``.
    sys_probs
        Overrides `auto_prob`: one number for each system; negative ones share what the others leave.
    where
        Key path of the data section, for errors.
    """
    sizes = np.asarray(batches, dtype=np.float64)
    if sys_probs is not None:
        return _given(sizes, np.asarray(sys_probs, dtype=np.float64), f"{where}/sys_probs")
    if auto_prob == "prob_uniform":
        return np.full(len(sizes), 1.0 / len(sizes))
    blocks = auto_prob_blocks(auto_prob)
    if blocks is None:
        raise InputError(f"unknown rule {show(auto_prob)}", f"{where}/auto_prob")
    if not blocks:
        return sizes / sizes.sum()
    total = sum(weight for *_, weight in blocks)
    out = np.zeros(len(sizes))
    for begin, end, weight in blocks:
        if end > len(sizes):
            raise InputError(
                f"block {begin}:{end} ends beyond the {len(sizes)} systems", f"{where}/auto_prob"
            )
        if out[begin:end].any():
            raise InputError(f"block {begin}:{end} overlaps an earlier one", f"{where}/auto_prob")
        out[begin:end] = sizes[begin:end] / sizes[begin:end].sum() * (weight / total)
    return out


def _given(sizes: np.ndarray, given: np.ndarray, where: str) -> np.ndarray:
    if len(given) != len(sizes):
        raise InputError(f"expected one number for each of the {len(sizes)} systems, got {len(given)}", where)
    free = given < 0
    rest = 1.0 - given[~free].sum()
    if rest < -1e-6 or (abs(rest) > 1e-6 and not free.any()):
        raise InputError(
            f"the numbers that are not negative sum to {1.0 - rest:.6g}; expected 1, or less if negative "
            "ones are to share the rest",
            where,
        )
    out = np.where(free, 0.0, given)
    if free.any():
        out[free] = max(rest, 0.0) * sizes[free] / sizes[free].sum()
    return out / out.sum()


class FrameSampler:
    """Hands out the frames of one system, batch by batch.

    The sets are gone through in turn, for ever.  A set's frames are shuffled when it is begun and are
    handed out in that order; when fewer than a batch are left, the next set is begun and the remainder
    waits for the next shuffle.  A set smaller than a batch is handed out whole.  A lone set is shuffled
    anew from the order it is in, as the reference does, so that equal seeds give equal frames.

    Parameters
    ----------
    set_sizes
        Frames of each set.
    batch_size
        Frames wanted at a time.
    rng
        Shared by everything that draws; only shuffles draw from it here.
    """

    def __init__(self, set_sizes: Sequence[int], batch_size: int, rng: np.random.RandomState) -> None:
        self.set_sizes = list(set_sizes)
        self.batch_size = batch_size
        self._rng = rng
        self._begun = 0  # sets begun so far
        self._cursor = 0
        self._order = np.empty(0, dtype=np.int64)

    def next(self) -> tuple[int, np.ndarray]:
        """Return (index of the set, indices of the frames in it)."""
        if self._cursor + self.batch_size > len(self._order):
            order = np.arange(self.set_sizes[self._begun % len(self.set_sizes)], dtype=np.int64)
            self._rng.shuffle(order)
            again = self._begun > 0 and len(self.set_sizes) == 1
            self._order = self._order[order] if again else order
            self._begun += 1
            self._cursor = 0
        frames = self._order[self._cursor : self._cursor + self.batch_size]
        self._cursor += self.batch_size
        return (self._begun - 1) % len(self.set_sizes), frames

    def get_state(self) -> dict[str, Any]:
        """Where the sampler stands, as values that JSON can hold."""
        return {"begun": self._begun, "cursor": self._cursor, "order": _pack(self._order)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go where the sampler stood when `get_state` was called."""
        self._begun = int(state["begun"])
        self._cursor = int(state["cursor"])
        self._order = _unpack(state["order"])
