"""Which strings are text, which UTF-8 can encode, and which are the name of a file, which has any bytes but 0."""

from __future__ import annotations

import os


def is_text(value: str) -> bool:
    """Whether a string is all characters, without halves of surrogate pairs."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_file_name(value: str) -> bool:
    """Whether a string stands for the bytes of a path, as `os.fsdecode` makes one of any bytes."""
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False
