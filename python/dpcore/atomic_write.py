# SPDX-License-Identifier: LGPL-3.0-or-later
"""Text files that appear as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from dpcore.errors import InputError

__all__ = ["write_text"]


def write_text(path: str | Path, text: str) -> None:
    """Write a file under a temporary name beside it and rename it.

    Raises
    ------
    InputError
        If it cannot be written; a file that was there is as it was.
    """
    path = Path(path)
    if not path.name:
        raise InputError("expected the name of a file, got an empty one", path)
    target = Path(os.path.realpath(path))  # a link stays a link
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():  # a device such as /dev/null stays one
            target.write_text(text, encoding="utf-8")
            return
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"cannot be written: {error.strerror}", path) from None
