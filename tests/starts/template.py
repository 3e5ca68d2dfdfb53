"""Two devices with two folders, a row in each table of the store of one: made once, and copied for each case.

The copy stands where the original stood: the store has the paths of its folders. Both devices are put back, so nothing
that one case did is seen by the next.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from lab import Device, eventually, tree

from yp2p.folder.notices import NoticeKind
from yp2p.identity import Identity
from yp2p.store import tables
from yp2p.trust.statements import Role, Signer

MAIN, OTHER = "main", "other"
BLOB = b"\x00\xff" * 80_000
FILES = {
    "a.txt": b"one\ntwo\nthree\n",
    "here.txt": b"".join(b"line %d of here\n" % number for number in range(20)),
    "there.txt": b"".join(b"line %d of there\n" % number for number in range(20)),
    "d/b.txt": b"other\n" * 40,
    "d/e/deep.txt": b"deep\n",
    "twin.txt": b"twin\n" * 3,
    "victim.txt": b"may be damaged\n" * 5,
    "blob": BLOB,
    "small.bin": b"\xfe\x00\x01",
}


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Pair:
    """The device that is damaged, and an honest one; `restore` makes both what they were."""

    def __init__(self, base: Path) -> None:
        self._kept = base / "kept"
        self._base = base / "live"
        ports = free_port(), free_port()
        settings = {"YP2P_DISCOVERY__MDNS": "false", "YP2P_LOG__LEVEL": "info"}
        self.victim, self.peer = (
            Device(
                self._base, name, **settings, YP2P_LISTEN__PORT=str(own),
                YP2P_DISCOVERY__STATIC=f"127.0.0.1:{other}",
            )
            for name, own, other in (("victim", *ports), ("peer", *reversed(ports)))
        )  # fmt: skip
        self.victim.others, self.peer.others = [self.peer], [self.victim]

    def folder(self, device: Device, name: str) -> Path:
        return device.dir / name

    def make(self) -> None:
        """Let two devices work together for a while, and keep what they have come to."""
        victim, peer = self.victim, self.peer
        for device in (victim, peer):
            for name in (MAIN, OTHER):
                self.folder(device, name).mkdir(parents=True)
        for name in (MAIN, OTHER):
            for path, content in FILES.items():
                file = self.folder(peer, name) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            (self.folder(peer, name) / "link").symlink_to("a.txt")
            (self.folder(peer, name) / "empty").mkdir()
            (self.folder(peer, name) / "goes.txt").write_bytes(b"it goes\n" * 9)
        peer.start()
        victim.start()
        for name in (MAIN, OTHER):
            code = peer.call("POST", "/v1/share", {"path": str(self.folder(peer, name)), "label": name})["code"]
            body = {"code": code, "path": str(self.folder(victim, name)), "timeout_s": None}
            victim.call("POST", "/v1/join", body)
        victim.wait()
        self._work(victim, peer)
        victim.wait()
        victim.stop()
        peer.stop()
        with closing(sqlite3.connect(victim.home / "store.db")) as store, store:
            _fill(store)
        for device in (victim, peer):
            device.log.unlink()
        shutil.copytree(self._base, self._kept, symlinks=True)

    def _work(self, victim: Device, peer: Device) -> None:
        here, there = self.folder(victim, MAIN), self.folder(peer, MAIN)
        with (here / "a.txt").open("ab") as file:
            file.write(b"four\n")
        (there / "goes.txt").unlink()
        eventually(lambda: tree(here) == tree(there), what="the first edits arriving")
        (there / "a.txt").write_bytes(b"one\nTWO\nthree\nfour\n")
        eventually(lambda: tree(here) == tree(there), what="the second edits arriving")

    def restore(self) -> None:
        """Put both devices back. They must not run."""
        shutil.rmtree(self._base, ignore_errors=True)
        shutil.copytree(self._kept, self._base, symlinks=True)

    def end(self) -> None:
        for device in (self.victim, self.peer):
            device.kill()


def folder_id(store: sqlite3.Connection, label: str = MAIN) -> bytes:
    return bytes(store.execute("SELECT id FROM folder WHERE label = ?", (label,)).fetchone()[0])


def _fill(store: sqlite3.Connection) -> None:
    """A row in the tables that two peaceful devices leave empty, as `main` would have it."""
    folder = folder_id(store)
    entry, document, base_seq = store.execute(
        "SELECT entry, document, base_seq FROM file WHERE folder = ? AND path = ?", (folder, b"victim.txt")
    ).fetchone()
    stranger = Identity(bytes(32))
    content = os.urandom(32)
    kind = NoticeKind.REMOVED_OTHERS_TEXT.value
    statement = Signer(stranger, folder).grant((), stranger.public, Role.ADMINISTRATOR, "name")  # type: ignore[arg-type]
    number = tables.notice.last_number(lambda query, parameters: store.execute(query, parameters).fetchall()) + 1
    last = store.execute("SELECT max(seq) FROM log").fetchone()[0]
    for sql, parameters in [
        tables.statement.insert(folder, statement.encode()),  # type: ignore[arg-type]
        tables.rules.save_agreed(folder, "*.log\n"),  # type: ignore[arg-type]
        tables.served.insert(folder, b"victim.txt", document),
        tables.base.save(folder, entry, 1e10, document, b"\x00\x00", content),  # type: ignore[arg-type]
        tables.notice.insert(number, folder, 1e10, kind, b"victim.txt", "a text", entry, b""),  # type: ignore[arg-type]
        ("INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?, 0, 0)", (last, folder, document, last)),
        ("INSERT OR REPLACE INTO former VALUES (?, ?, ?, ?, 1, ?, ?, NULL, 0)",
         (folder, b"was.txt", entry, document, content, base_seq)),
        ("INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?, '.yp2p/tmp/x', 1, ?, ?, 0, 1)",
         (folder, entry, b"victim.txt", document, base_seq, content)),
        ("INSERT OR REPLACE INTO unread VALUES (?, ?, ?, ?, NULL, NULL, x'', 0, 0)",
         (folder, entry, content, base_seq)),
        ("INSERT OR REPLACE INTO pack VALUES (?, ?, ?, ?, 0, 1, x'', x'')", (last, folder, document, last)),
        ("INSERT OR REPLACE INTO day VALUES ('2026-01-01', 1)", ()),
    ]:  # fmt: skip
        store.execute(sql, parameters)
