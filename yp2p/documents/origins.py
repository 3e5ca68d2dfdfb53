"""Who made a file and on which day, as it stands in the name of a conflict copy: `desk-2026-11-29`.

It is a part of a file name that another device may have written, and every device has to make the same name of it. So
it is not made safe when it is read: it is used as it is, or not at all. What is used are words of letters and digits
with one `-` between them, in normal form (NFC), and a day. Which characters are letters is asked of Unicode 3.2, which
Python has beside the newest version: that is the same for all.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from unicodedata import ucd_3_2_0 as unicode

# Of the name of a device. The longest mark of a conflict copy leaves most of a name of 255 bytes to the file.
MAX_DEVICE_BYTES = 40
_DAY_BYTES = 10
MAX_ORIGIN_BYTES = MAX_DEVICE_BYTES + 1 + _DAY_BYTES
_ORIGIN = re.compile(r"(?:(.+)-)?([0-9]{4}-[0-9]{2}-[0-9]{2})")

_NO_APOSTROPHES = str.maketrans("", "", "'\u2019")


def origin_of(device: str, at: float) -> str:
    """What a name says of a file that a device of this name made at `at` (seconds since 1970, a day of this place)."""
    day = datetime.fromtimestamp(at).astimezone().date().isoformat()
    name = _words(device)
    while len(name.encode()) > MAX_DEVICE_BYTES:
        name = _words(name[:-1])
    return f"{name}-{day}" if name else day


def decode_origin(value: bytes) -> str:
    """What `origin_of` gave somewhere; empty where it can be nothing of the kind."""
    try:
        origin = value[: MAX_ORIGIN_BYTES + 1].decode()
    except UnicodeDecodeError:
        return ""
    found = _ORIGIN.fullmatch(origin)
    if found is None or len(value) > MAX_ORIGIN_BYTES or not _is_day(found[2]):
        return ""
    return origin if found[1] is None or _words(found[1]) == found[1] else ""


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).year >= 1970
    except ValueError:
        return False


def _words(name: str) -> str:
    """The letters and digits of a name, with `-` for all that is between them."""
    normal = unicode.normalize("NFC", name.translate(_NO_APOSTROPHES))
    return "-".join("".join(c if _is_of_word(c) else " " for c in normal).split())


def _is_of_word(character: str) -> bool:
    if character.isascii():
        return character.isalnum()
    return unicode.category(character)[0] in "LMN"
