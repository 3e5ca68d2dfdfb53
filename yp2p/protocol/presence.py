"""What a device says of itself in awareness: known keys, of known types and bounded, and no others.

::

    {"device": name, "id": device ID, "files": [{"path", "since", and for a program "line", "name", "color", "client",
     "cursor", "anchor"}]}

It is read once, where it comes in. A text that could not be written down (half a surrogate pair) is made one that can;
an item that is about no path, or of no moment, is left out. So whoever shows it need not expect anything else.
"""

from __future__ import annotations

from typing import Any

from yp2p.protocol.cursor import MAX_CLIENT
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES
from yp2p.protocol.names import path_problem

# An ID with its dashes has 63 characters.
_MAX_ID, _MAX_NAME, _MAX_COLOR = 64, 100, 9
# What fits into a state (`awareness.MAX_STATE_BYTES`) are fewer.
MAX_FILES = 512
_MAX_LINE = 1 << 31
_END_OF_TIME = 1 << 33  # in the year 2242
_POSITION_KEYS = frozenset({"type", "tname", "item", "assoc"})


def read_state(state: dict[str, Any]) -> dict[str, Any]:
    """What a device said of itself, as far as it can be used."""
    files = state.get("files")
    items = [_item(one) for one in files[:MAX_FILES]] if isinstance(files, list) else []
    return {
        "device": _text(state.get("device"), MAX_DEVICE_NAME_BYTES),
        "id": _text(state.get("id"), _MAX_ID),
        "files": [item for item in items if item is not None],
    }


def _text(value: object, most: int) -> str:
    return value[:most].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _item(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict) or not _is_path(value.get("path")) or not _is_time(value.get("since")):
        return None
    found: dict[str, Any] = {"path": value["path"], "since": value["since"]}
    for key, most in (("line", _MAX_LINE), ("client", MAX_CLIENT)):
        if type(value.get(key)) is int and 0 <= value[key] <= most:
            found[key] = value[key]
    for key, most in (("name", _MAX_NAME), ("color", _MAX_COLOR)):
        if isinstance(value.get(key), str):
            found[key] = _text(value[key], most)
    for key in ("cursor", "anchor"):
        if _is_position(value.get(key)):
            found[key] = value[key]
    return found


def _is_path(value: object) -> bool:
    try:
        return isinstance(value, str) and path_problem(value) is None
    except UnicodeEncodeError:  # what is no escaped byte of a name
        return False


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME


def _is_position(value: object) -> bool:
    """Whether it may be one: what it says is for `documents/positions.py` to read."""
    if not isinstance(value, dict) or not value.keys() <= _POSITION_KEYS:
        return False
    item = value.get("item")
    parts = [*item.items()] if isinstance(item, dict) else [(item, None)]
    return all(_is_plain(part) for pair in (*parts, *value.items()) for part in pair if part is not item)


def _is_plain(value: object) -> bool:
    return (
        value is None or type(value) is int or (isinstance(value, str) and value.isascii() and len(value) <= _MAX_NAME)
    )
