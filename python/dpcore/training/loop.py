# SPDX-License-Identifier: LGPL-3.0-or-later
"""The loop of training: steps, displays, checkpoints."""

from __future__ import annotations

import datetime
import logging
import os
import sys
import time
from typing import Any

import numpy as np

from dpcore import _core
from dpcore.checkpoint import Checkpoints
from dpcore.config import active_terms
from dpcore.data import DataCollection, Drawn, get_rng_state
from dpcore.errors import InputError, in_set
from dpcore.learning_rate import make_learning_rate
from dpcore.modelfile import CHECKPOINT, make_metadata
from dpcore.training.interrupt import StopRequest
from dpcore.training.learning_curve import LearningCurve, average_terms, show_terms

__all__ = ["TrainingLoop"]

log = logging.getLogger(__name__)

# order of the terms in tables
_TERMS = ("e", "ae", "f", "v", "pf", "lc", "gl")


class TrainingLoop:
    """Takes a model from one step to the last.

    Parameters
    ----------
    config
        The normalised input.
    core
        The model's configuration as the core has it.
    model, trainer
        Of the core.
    data, validation
        The batches; no validation if None.
    rng
        The generator that both draw from.
    summary
        What the model file is to tell of its training; the loop adds steps and errors.
    start_step
        Steps taken already.
    restarted
        Whether an earlier run is continued: its learning curve goes on, and no row is written first.
    upcoming
        System, set and frames of the next batch where the earlier run had drawn it, else None.
    """

    def __init__(
        self,
        config: dict[str, Any],
        core: dict[str, Any],
        model: _core.Model,
        trainer: _core.Trainer,
        data: DataCollection,
        validation: DataCollection | None,
        rng: np.random.RandomState,
        summary: dict[str, Any],
        start_step: int = 0,
        restarted: bool = False,
        upcoming: Drawn | None = None,
    ) -> None:
        self._core_config = core
        self._model = model
        self._trainer = trainer
        self._data = data
        self._validation = validation
        self._rng = rng
        self._summary = summary
        self._options = config["training"]
        self._schedule = make_learning_rate(config["learning_rate"], self._options["numb_steps"])
        self.step = start_step
        self._saved_step: int | None = None
        self._rmse: dict[str, dict[str, float]] = {}
        self._checkpoints = Checkpoints(
            self._options["save_ckpt"], self._options["max_ckpt_keep"], start_step if restarted else 0
        )
        self._restarted = restarted
        self._upcoming = upcoming
        active = active_terms(config["loss"], config["model"]["fitting_net"]["type"])
        self._columns = ["rmse", *(f"rmse_{term}" for term in _TERMS if term in active)]

    def run(self) -> int:
        """Train to the last step, or until a signal asks to stop; return the exit code.

        Raises
        ------
        InputError
            Where the loss is not finite, naming the frames; the checkpoints there are stay valid.
        """
        options, schedule = self._options, self._schedule
        if self.step >= options["numb_steps"]:
            log.warning(
                "nothing to do: %d steps are done and training/numb_steps is %d",
                self.step,
                options["numb_steps"],
            )
            return 0
        log.info(
            "start training at lr %.2e (== %.2e), decay_step %d, decay_rate %f, final lr will be %.2e",
            schedule.value(self.step),
            schedule.value(self.step),
            schedule.decay_steps,
            schedule.decay_rate,
            schedule.value(options["numb_steps"]),
        )
        curve = None
        if options["disp_training"]:
            after = self.step if self._restarted else None
            curve = LearningCurve(options["disp_file"], self._columns, self._validation is not None, after)
        begin = time.perf_counter()
        bar = _Bar(self.step, options["numb_steps"])
        clock = _Clock(options["numb_steps"] - self.step, options["disp_freq"])
        with StopRequest() as stop:
            try:
                self._loop(curve, clock, bar, stop)
            finally:
                bar.close()
                if curve is not None:
                    curve.close()
            if self._saved_step != self.step:
                self._save()
        if options["time_training"]:
            log.info("%s", clock.summary())
        finished = self.step >= options["numb_steps"]
        if finished:
            log.info("finished training")
        else:
            log.warning(
                "stopped by %s after %d of %d steps; resume with: dp train INPUT --restart %s",
                stop.name,
                self.step,
                options["numb_steps"],
                options["save_ckpt"],
            )
        log.info("wall time: %.3f s", time.perf_counter() - begin)
        return 0 if finished else stop.exit_code

    def _loop(self, curve: LearningCurve | None, clock: _Clock, bar: _Bar, stop: StopRequest) -> None:
        options = self._options
        last, disp_freq, save_freq = options["numb_steps"], options["disp_freq"], options["save_freq"]
        rate = self._schedule.value
        start_rate = rate(0)
        first = not self._restarted
        if first:
            self._data.draw()  # not used: the reference looks at a batch to learn its arrays
        if self._upcoming is None:
            self._upcoming = self._data.draw()
        while self.step < last and stop.name is None:
            begin = time.perf_counter()
            batch = self._data.read(self._upcoming)
            if first:
                first = False
                if curve is not None:
                    self._display(curve, batch)
                    begin = time.perf_counter()
            try:
                self._trainer.step(batch, rate(self.step), start_rate)
            except _core.Error as error:
                raise self._failure(error, batch) from None
            self.step += 1
            # as in the reference, before the batches of validation, which come from the same generator
            self._upcoming = self._data.draw()
            clock.add(time.perf_counter() - begin)
            bar.update()
            if self.step % disp_freq == 0:
                begin = time.perf_counter()
                if curve is not None:
                    self._display(curve, batch)
                if options["time_training"]:
                    text = clock.interval(time.perf_counter() - begin, last - self.step)
                    log.info("batch %7d %s", self.step, text)
            if save_freq > 0 and self.step % save_freq == 0:
                self._save()

    def _display(self, curve: LearningCurve, batch: dict[str, Any]) -> None:
        """Evaluate the batch of the last step, and fresh ones of validation; write a row."""
        lr = self._schedule.value(self.step)
        training = self._evaluate(self._data, [batch], lr)
        validation = None
        if self._validation is not None:
            count = self._options["validation_data"]["numb_btch"]
            batches = [self._validation.get_batch() for _ in range(count)]
            validation = self._evaluate(self._validation, batches, lr)
        curve.add(self.step, training, validation, lr)
        log.info("batch %7d: trn: %s, lr = %8.2e", self.step, show_terms(training), lr)
        self._rmse = {"trn": training}
        if validation is not None:
            log.info("batch %7d: val: %s", self.step, show_terms(validation))
            self._rmse["val"] = validation

    def _evaluate(self, data: DataCollection, batches: list[dict[str, Any]], lr: float) -> dict[str, float]:
        start = self._schedule.value(0)
        terms = []
        for batch in batches:
            try:
                found = self._trainer.losses(batch, lr, start)
            except _core.Error as error:
                raise self._failure(error, batch, data) from None
            if not np.isfinite(found["rmse"]):
                raise self._failure("the loss is not finite", batch, data)
            terms.append({key: found[key] for key in self._columns})
        return average_terms(terms, [batch["natoms"] for batch in batches])

    def _failure(
        self, error: Exception | str, batch: dict[str, Any], data: DataCollection | None = None
    ) -> InputError:
        """What to raise where a batch cannot be used: which frames, and which checkpoint is still good."""
        last = self._checkpoints.newest
        text = error if isinstance(error, str) else in_set(error, batch["frames"])
        good = "no checkpoint was written yet" if last is None else f"the last good checkpoint is {last}"
        return InputError(
            f"training stopped after {self.step} steps: {text}; {good}. Look at these frames, and if they "
            "are sound try a lower learning_rate/start_lr",
            (data or self._data).origin(batch),
        )

    def _save(self) -> None:
        state = {
            "step": self.step,
            "rng": get_rng_state(self._rng),
            "upcoming": [*self._upcoming[:2], self._upcoming[2].tolist()],
            "training_data": self._data.get_state(),
            "validation_data": None if self._validation is None else self._validation.get_state(),
        }
        training = {**self._summary, "numb_steps": self.step, "rmse": self._rmse}
        metadata = make_metadata(CHECKPOINT, self._core_config, training, state)
        path = self._checkpoints.save(self.step, metadata, {**self._model.tensors(), **self._trainer.state()})
        self._saved_step = self.step
        log.info("saved checkpoint %s", path)


class _Clock:
    """Adds up the time of steps: since the last display, and after the first steps, which are slower."""

    def __init__(self, n_steps: int, disp_freq: int) -> None:
        self._excluded = disp_freq if n_steps >= 2 * disp_freq else min(10, n_steps // 2)
        self._count = 0
        self._total = 0.0
        self._skipped = 0.0
        self._interval = 0.0
        self._interval_begin = time.perf_counter()
        self._interval_count = 0

    def add(self, seconds: float) -> None:
        """Count a step."""
        self._count += 1
        self._total += seconds
        self._interval += seconds
        self._interval_count += 1
        if self._count == self._excluded:
            self._skipped = self._total

    def interval(self, testing: float, steps_left: int) -> str:
        """The times since the last call as text, and what is left at that speed."""
        now = time.perf_counter()
        count = max(1, self._interval_count)
        left = datetime.timedelta(seconds=round(steps_left * (now - self._interval_begin) / count))
        text = (
            f"training time {self._interval:.2f} s, testing time {testing:.2f} s, "
            f"{1e3 * self._interval / count:.2f} ms/batch, {left} left"
        )
        self._interval, self._interval_begin, self._interval_count = 0.0, now, 0
        return text

    def summary(self) -> str:
        """The mean time of a step."""
        excluded = self._excluded if self._count > self._excluded else 0
        seconds = self._total - (self._skipped if excluded else 0.0)
        mean = seconds / max(1, self._count - excluded)
        return f"average training time: {mean:.6f} s/batch (exclude first {excluded} batches)"


class _Bar:
    """A progress bar, on a terminal only."""

    def __init__(self, done: int, total: int) -> None:
        self._bar = None
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, initial=done, desc="training", unit="batch", leave=False, dynamic_ncols=True
            )

    def update(self) -> None:
        """A step is done."""
        if self._bar is not None:
            self._bar.update()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
