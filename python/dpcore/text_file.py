# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading text that a user names, whatever is behind the name."""

from __future__ import annotations

from pathlib import Path

from dpcore.errors import InputError

__all__ = ["read_text"]

_MOST = 64  # MiB: no list, input or curve is that long; a device such as /dev/zero has no end


def read_text(path: str | Path, expected: str, most: int = _MOST) -> str:
    """The text of a file or a pipe, UTF-8.

    Parameters
    ----------
    expected
        What should be there, for messages.
    most
        MiB that are read; more is refused.

    Raises
    ------
    FileNotFoundError
        If there is none.
    InputError
        If it cannot be read, is longer, or is no text.
    """
    try:
        with open(path, "rb") as file:
            content = file.read((most << 20) + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}; expected {expected}", path) from None
    if len(content) > most << 20:
        raise InputError(f"is longer than {most} MiB; expected {expected}", path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start}); expected {expected}", path) from None
    if "\0" in text:
        raise InputError(f"is not a text file, it has bytes of value 0; expected {expected}", path)
    return text
