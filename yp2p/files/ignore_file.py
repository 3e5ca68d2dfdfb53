"""Reading `.yp2pignore` and the settings: the rules on what this device leaves out of a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from yp2p.config import Files
from yp2p.errors import FolderError
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules, readable
from yp2p.files.inspect import Found, inspect, read_whole
from yp2p.files.root import Root
from yp2p.machine import reason as reason_of

# A text may be longer; rules that long would take minutes.
_MAX_RULES_BYTES = 1 << 20
# Who saves the file has it open for writing for a moment.
_WRITING_S, _LOOK_AGAIN_S = 0.5, 0.01


def read_rules(
    root: Root, settings: Files, to_come: str = "", agreed: str = "", here: Sequence[str] = ()
) -> tuple[IgnoreRules, str]:  # fmt: skip
    """What the settings and the file on the disk leave out, and what of the file cannot be used. Blocks.

    Args:
        to_come: what the file will say besides, once it is put in place.
        agreed: what is left out in any case, whatever the file says by now.
        here: what a person here has ignored on this device only.

    Raises:
        FolderError: what is left out is not known, so nothing may be sent.
    """
    on_disk, problem = "", ""
    try:
        on_disk = _text_on(root, settings)
    except ValueError as error:
        problem = str(error)
    both = on_disk if to_come in ("", on_disk) else f"{to_come}\n{on_disk}"
    why_not = {text: _why_not(text) for text in (both, on_disk, to_come)}
    if problem:
        text = to_come  # what it said before
    elif why_not[both] and to_come and why_not[to_come]:
        text = on_disk  # what is to come cannot be used, and never could
    elif why_not[both] and why_not[on_disk]:
        text, problem = to_come, why_not[on_disk]
    else:
        text = both
    if (problem and not text) or why_not[text]:
        reason = problem or why_not[text]
        raise FolderError(f"{IGNORE_FILE} cannot be used: {reason}; nothing is synced until that is mended")
    patterns, unused = readable(text)
    rules = IgnoreRules(settings.ignore, "\n".join(patterns), "\n".join(readable(agreed)[0]), here)
    return rules, f"{problem}; what it said before is used" if problem else unused


def _why_not(text: str) -> str:
    try:
        readable(text)
    except ValueError as error:
        return str(error)
    return ""


def _text_on(root: Root, settings: Files) -> str:
    """What the file says, byte for byte as names are: it may be no UTF-8. Raises ValueError: that cannot be told."""
    deadline = time.monotonic() + _WRITING_S
    while True:
        found = inspect(root, IGNORE_FILE, None, settings.max_text_bytes, trust_stamp=False)
        if found.found is not Found.BUSY or time.monotonic() > deadline:
            break
        time.sleep(_LOOK_AGAIN_S)  # in a worker thread
    if found.found in (Found.MISSING, Found.DIRECTORY):
        return ""
    if found.found not in (Found.TEXT, Found.BLOB):
        raise ValueError(found.reason or "it is no file")
    if found.stamp.size > _MAX_RULES_BYTES:
        raise ValueError(f"it has {found.stamp.size} bytes, more than {_MAX_RULES_BYTES}")
    text = found.text if found.found is Found.TEXT else _read(root).decode("utf-8", "surrogateescape")
    if "\x00" in text:
        raise ValueError("it has a byte 0, so it is no text, or one in UTF-16")
    return text.removeprefix("\ufeff")


def _read(root: Root) -> bytes:
    try:
        descriptor = root.open_file(IGNORE_FILE)
    except OSError as error:
        raise ValueError(reason_of(error)) from error
    try:
        return read_whole(descriptor, _MAX_RULES_BYTES)
    finally:
        os.close(descriptor)
