"""What the device keeps beside its folders: the store as a file, copies of it, and the key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import trio

from yp2p.check.findings import Finding, Kind
from yp2p.errors import YpError
from yp2p.identity import Identity
from yp2p.machine import reason
from yp2p.store.examine import Examined, examine
from yp2p.store.upgrade import copies
from yp2p.trust.keyfile import identity_of


def of_store(path: Path, seen: Examined) -> Iterator[Finding]:
    """What is wrong with the store."""
    if seen.problem:
        yield Finding(Kind.DAMAGED_STORE, "", str(path), f"the store is damaged: {seen.problem}")
    for table in sorted({found.table for found in seen.unsound}):
        count = sum(found.count for found in seen.unsound if found.table == table)
        rows = "a row" if count == 1 else f"{count} rows"
        text = f"the store has {rows} of the table {table!r} that no version of yp2p has written"
        yield Finding(Kind.UNSOUND_ROWS, "", str(path), text, table.encode())


def of_copies(path: Path) -> Iterator[Finding]:
    """Which copies of the store from before upgrades are damaged. Blocks."""
    for copy in copies(path):
        seen = examine(copy, rows=False)
        if seen.problem:
            text = f"this copy of the store from before an upgrade is damaged: {seen.problem}"
            yield Finding(Kind.DAMAGED_COPY, "", str(copy), text)


def of_key(path: Path, identity: Identity | None) -> Iterator[Finding]:
    """What is wrong with the file of the key. Blocks. Args: `identity` of this process; None: it is no daemon."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        found = identity_of(path.read_text())
    except FileNotFoundError:
        yield Finding(Kind.LOST_KEY, "", str(path), "the file of the device's key is gone: the next start would fail")
        return
    except (ValueError, UnicodeDecodeError):
        yield Finding(Kind.OTHER_KEY, "", str(path), "this file is to hold the device's key, and holds none")
        return
    except OSError as error:
        yield Finding(Kind.OTHER_KEY, "", str(path), f"the device's key cannot be read: {reason(error)}")
        return
    if identity is not None and found != identity:
        yield Finding(Kind.OTHER_KEY, "", str(path), "this file holds the key of another device than this one")
    if mode & 0o077:
        text = f"other users can read the device's key (mode {mode:o})"
        yield Finding(Kind.OPEN_KEY, "", str(path), text)


async def of_device(store: Path, key: Path | None, identity: Identity, *, read: bool) -> list[Finding]:
    """All of it, in threads. Args: `key` is the file of the key; None where it comes from outside."""
    found = list(of_store(store, await trio.to_thread.run_sync(examine, store)))
    if key is not None:
        found += await trio.to_thread.run_sync(lambda: list(of_key(key, identity)))
    if read:
        try:
            found += await trio.to_thread.run_sync(lambda: list(of_copies(store)))
        except (OSError, YpError):
            pass  # the store's directory says so itself
    return found
