"""Escapes the characters in text of others that a terminal would obey or not show.

Names, texts and messages come from other devices, and from whoever can make a file. Some characters control the
terminal: they move the cursor over earlier output, change the title, or make the terminal type something. Others are
invisible, and make one name look like another one.
"""

from __future__ import annotations

import time
import unicodedata

# Scripts need the first two between letters, emoji the second; none of them is obeyed.
_KEPT = frozenset("\u200c\u200d\t")
# What sentences are made of: a name that has any of it could pretend to be one.
_MARKS = frozenset('.,:;"`()')


def printable(text: str) -> str:
    """One line of text in which every character can be seen; `\\x1b` and the like stand for what cannot.

    A line end is written out as well: whoever prints decides where a line ends. A tab stays.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _KEPT or _is_space(c) else _written_out(c) for c in text)


def called(name: str) -> str:
    """A name of others within a sentence: in quotes where it could be read as a part of the sentence, or as its end."""
    if not set(name) & _MARKS:
        return name
    quoted = name.replace('"', "'")
    return f'"{quoted}"'


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def plural(count: int, one: str, many: str = "") -> str:
    """How many of something: `1 file`, `1,200 files`; `many` where an s is not enough."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def minutes_text(seconds: float) -> str:
    """A time for people: `1 minute`, `15 minutes`; never none at all."""
    return plural(max(1, round(seconds / 60)), "minute")


def clock_text(at: float) -> str:
    """A moment (seconds since 1970) for people, in this machine's time zone: without the day where it is today."""
    moment, today = time.localtime(at), time.localtime()
    return time.strftime("%H:%M" if moment[:3] == today[:3] else "%Y-%m-%d %H:%M", moment)


def size_text(count: int) -> str:
    """A number of bytes for people."""
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.1f} {units[0]}" if units[0] != "bytes" else plural(count, "byte")
