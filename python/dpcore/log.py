# SPDX-License-Identifier: LGPL-3.0-or-later
"""Log lines on the console and in a file, and progress bars that do not tear them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dpcore.errors import InputError

__all__ = ["LEVELS", "parse_level", "progress", "set_log"]

# the words and digits of the command line's --log-level
LEVELS = {
    "DEBUG": logging.DEBUG,
    "3": logging.DEBUG,
    "INFO": logging.INFO,
    "2": logging.INFO,
    "WARNING": logging.WARNING,
    "1": logging.WARNING,
    "ERROR": logging.ERROR,
    "0": logging.ERROR,
}

CONSOLE_FORMAT = "DPCORE %(levelname)-7s %(message)s"
FILE_FORMAT = "[%(asctime)s] DPCORE %(levelname)-7s %(name)-45s %(message)s"


class _ConsoleHandler(logging.StreamHandler):
    """Writes to the present sys.stderr and lets progress bars stand below the log."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        tqdm = sys.modules.get("tqdm")
        if tqdm is None:
            super().emit(record)
        else:
            with tqdm.tqdm.external_write_mode(file=sys.stderr):
                super().emit(record)


def parse_level(level: str | int) -> int:
    """Turn a word or digit of ``--log-level`` into a level of `logging`."""
    name = str(level).upper()
    if name not in LEVELS:
        raise InputError(f"got {level}; expected one of {', '.join(LEVELS)}", "--log-level")
    return LEVELS[name]


def set_log(level: str | int = "INFO", path: str | Path | None = None) -> logging.Logger:
    """Send the log of the package to the console, and to a file as well if `path` is given.

    The console shows messages from `level` on; the file holds the same with the time and the module.
    Calling it again replaces what an earlier call set up.
    """
    number = parse_level(level)
    logger = logging.getLogger("dpcore")
    for handler in list(logger.handlers):
        if getattr(handler, "_dpcore", False):
            logger.removeHandler(handler)
            handler.close()
    logger.setLevel(number)
    logger.propagate = False
    _add(logger, _ConsoleHandler(), CONSOLE_FORMAT)
    if path is not None:
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _add(logger, logging.FileHandler(path, mode="a", encoding="utf-8"), FILE_FORMAT)
        except OSError as error:
            raise InputError(f"the log cannot be written: {error.strerror}", path) from None
    return logger


def _add(logger: logging.Logger, handler: logging.Handler, text: str) -> None:
    handler.setFormatter(logging.Formatter(text))
    handler._dpcore = True  # type: ignore[attr-defined]
    logger.addHandler(handler)


def progress(items: Iterable[Any], title: str, total: int | None = None) -> Iterable[Any]:
    """Go through `items` behind a progress bar, shown on a terminal only and after a second."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return items
    from tqdm import tqdm

    return tqdm(items, desc=title, total=total, delay=1.0, leave=False, dynamic_ncols=True)
