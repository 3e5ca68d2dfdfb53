"""`yp2p check` over two daemons: faults planted in files and stores, found by name, mended, and nothing lost."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually, tree

from yp2p.trust.keyfile import text_of

pytestmark = pytest.mark.long

LONG = bytes(range(256)) * 1200  # of two chunks
FILES = {
    "rotten.txt": b"a text that its disk damages\n" * 9, "peer.bin": LONG, "swap-a.bin": LONG[:900],
    "swap-b.bin": LONG[900:2500], "digest.txt": b"a text whose digest is wrong\n", "stale.bin": LONG[7:777],
    "broken.txt": b"a text whose log is damaged\n", "gap.txt": b"a text whose log has a gap\n",
    "gone.txt": b"a text whose log is gone\n", "unstored.txt": b"a text whose row is gone\n", "chunks.bin": LONG + b"!",
    "pack.txt": b"a text with a pack\n", "step.txt": b"a text with an undo step\n", "fine.txt": b"a text\n",
}  # fmt: skip


def _sql(device: Device, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(device.home / "store.db", timeout=20)) as store, store:
        return store.execute(statement, values).fetchall()


def _document(device: Device, path: str) -> bytes:
    found: bytes = _sql(device, "SELECT document FROM file WHERE path = ?", path.encode())[0][0]
    return found


def _folder(device: Device) -> bytes:
    found: bytes = _sql(device, "SELECT id FROM folder")[0][0]
    return found


def _write_as_nobody(device: Device, path: str, data: bytes) -> None:
    """Change the bytes of a file while no daemon runs; its row goes along with the times, which nobody can set back."""
    place = device.dir / path
    with place.open("r+b") as file:
        file.write(data)
        file.truncate()
    status = os.lstat(place)
    _sql(
        device, "UPDATE file SET size = ?, mtime_ns = ?, ctime_ns = ? WHERE path = ?",
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, path.encode(),
    )  # fmt: skip


def _flip(device: Device, path: str) -> None:
    data = bytearray((device.dir / path).read_bytes())
    data[len(data) // 2] ^= 1
    _write_as_nobody(device, path, data)


def _check(device: Device, **wanted: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = device.call("POST", "/v1/check", wanted, 120)["findings"]
    return found


def _names(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["kind"], one["path"]) for one in found}


def _trash(device: Device) -> dict[str, bytes]:
    base = device.dir / ".yp2p/trash"
    return {str(p.relative_to(base)).partition("/")[2]: p.read_bytes() for p in base.rglob("*") if p.is_file()}


def _edit(device: Device, path: str, times: int) -> None:
    """Save a text so often, each time as a row of its own."""
    for number in range(times):
        place = device.dir / path
        rows = len(_sql(device, "SELECT 1 FROM log WHERE document = ?", _document(device, path)))
        place.write_bytes(place.read_bytes() + f"line {number}\n".encode())
        eventually(
            lambda rows=rows: len(_sql(device, "SELECT 1 FROM log WHERE document = ?", _document(device, path))) > rows  # type: ignore[misc]
        )


def test_damaged_files_are_made_whole_and_what_nobody_has_is_named(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", YP2P_SCRUB__PERCENT="0") as (one, two):
        for name, data in FILES.items():
            (one.dir / name).write_bytes(data)
        two.join(one)
        for device in (one, two):
            device.wait()
        two.stop()
        (one.dir / "nobody.bin").write_bytes(LONG[3:])
        eventually(lambda: _sql(one, "SELECT 1 FROM file WHERE path = ?", b"nobody.bin") != [])
        one.stop()
        for name in ("rotten.txt", "peer.bin", "nobody.bin"):
            _flip(one, name)
        damaged = {name: (one.dir / name).read_bytes() for name in ("rotten.txt", "peer.bin", "nobody.bin")}
        _write_as_nobody(one, "swap-a.bin", FILES["swap-b.bin"])
        _write_as_nobody(one, "swap-b.bin", FILES["swap-a.bin"])
        _sql(one, "UPDATE file SET document = zeroblob(16) WHERE path = ?", b"stale.bin")
        _sql(one, "UPDATE digest SET version = zeroblob(32) WHERE document = ?", _document(one, "digest.txt"))
        offline = one.run("check", "--read", "--json")
        assert offline.returncode == 1
        for kind in ("damaged-file", "swapped-file", "wrong-digest"):
            assert kind in offline.stdout
        one.start()

        planted = {
            ("damaged-file", "rotten.txt"), ("damaged-file", "peer.bin"), ("damaged-file", "nobody.bin"),
            ("swapped-file", "swap-a.bin"), ("swapped-file", "swap-b.bin"), ("wrong-digest", "digest.txt"),
        }  # fmt: skip
        assert _names(_check(one, read=True)) - {("stale-row", "stale.bin")} == planted
        said = one.run("check", "--read")
        assert said.returncode == 1
        assert "rotten.txt: the bytes of this text changed on the disk, and nobody wrote to it" in said.stdout
        before = tree(one.dir)
        two.start()
        eventually(lambda: all(peer["connected"] for peer in one.status()["devices"]))

        repaired = _check(one, read=True, repair=True)
        results = {(one["kind"], one["path"]): one["result"] for one in repaired}
        assert results.pop(("damaged-file", "nobody.bin")) != "repaired"
        assert set(results.values()) == {"repaired"}, results
        assert {name: data for name, data in tree(one.dir).items() if name != "nobody.bin"} == FILES
        assert tree(one.dir)["nobody.bin"] == before["nobody.bin"] == damaged["nobody.bin"], "it stays as it is"
        kept = _trash(one)
        assert (kept["rotten.txt"], kept["peer.bin"]) == (damaged["rotten.txt"], damaged["peer.bin"])
        assert tree(two.dir) == FILES, "nothing of it was spread"
        (shown,) = one.status()["folders"]
        assert [item["path"] for item in shown["scrub"]["damaged"]] == ["nobody.bin"]
        assert "damaged on this disk, and on no device that is connected: 1" in one.cli("status")
        (one.dir / "nobody.bin").write_bytes(LONG[3:])  # a person has a copy
        for device in (one, two):
            device.wait()
        assert _check(one, read=True, peers=True) == []
        assert one.cli("check", "--read", "--peers").endswith("All is well.")
        assert tree(one.dir) == tree(two.dir)


def _rows_of_the_manifest(one: Device) -> list[int]:
    query = "SELECT min(seq) FROM log WHERE hex(document) LIKE ? GROUP BY document"
    return [seq for (seq,) in _sql(one, query, b"yp2p-manifest".hex().upper() + "%")]


def _plant_in_the_store(one: Device) -> set[tuple[str, str]]:
    """Faults of the store while its daemon works."""
    folder = _folder(one)
    _sql(one, "UPDATE log SET data = CAST(x'00' || data AS BLOB) WHERE document = ?", _document(one, "broken.txt"))
    rows = _sql(one, "SELECT seq FROM log WHERE document = ? ORDER BY seq", _document(one, "gap.txt"))
    _sql(one, "DELETE FROM log WHERE seq = ?", rows[1][0])
    _sql(one, "DELETE FROM log WHERE document = ?", _document(one, "gone.txt"))
    _sql(one, "UPDATE log SET data = CAST(x'00' || data AS BLOB) WHERE seq = ?", _rows_of_the_manifest(one)[0])
    _sql(one, "UPDATE chunks SET hashes = zeroblob(length(hashes))")
    _sql(one, "DELETE FROM file WHERE path = ?", b"unstored.txt")
    _sql(one, "INSERT INTO statement VALUES (?, x'010203')", folder)
    _sql(one, "INSERT INTO served VALUES (?, x'2e2e2f78', zeroblob(16))", folder)
    _sql(one, "INSERT INTO step VALUES (999999, ?, ?, 999999, 1.5, 0)", folder, _document(one, "step.txt"))
    last = _sql(one, "SELECT max(seq) FROM log WHERE document = ?", _document(one, "pack.txt"))[0][0]
    _sql(
        one, "INSERT INTO pack VALUES (?, ?, ?, ?, 1.5, 1, x'', x'00')", last, folder, _document(one, "pack.txt"),
        last - 1,
    )  # fmt: skip
    store = str(one.home / "store.db")
    return {
        ("damaged-history", "broken.txt"), ("damaged-history", "gap.txt"), ("damaged-history", "gone.txt"),
        ("damaged-manifest", ""), ("wrong-chunks", "chunks.bin"), ("wrong-chunks", "peer.bin"),
        ("unstored-row", "unstored.txt"), ("bad-statement", ""), ("unsound-rows", store), ("stray-step", "step.txt"),
        ("stray-step", "gap.txt"),
        ("damaged-pack", "pack.txt"),
    }  # fmt: skip


def _plant_beside(one: Device) -> set[tuple[str, str]]:
    """Faults beside the store: the key, and the trash."""
    (one.dir / ".yp2p/trash/by-hand.txt").write_text("put here by hand\n")
    (one.home / "device.key").unlink()
    return {("stray-trash", ".yp2p/trash/by-hand.txt"), ("lost-key", str(one.home / "device.key"))}


def test_what_the_store_lost_is_taken_from_memory_and_from_the_other_device(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", YP2P_SCRUB__PERCENT="0") as (one, two):
        for name, data in FILES.items():
            (one.dir / name).write_bytes(data)
        two.join(one)
        for device in (one, two):
            device.wait()
        for name in ("broken.txt", "gap.txt"):
            _edit(one, name, 3)
        for device in (one, two):
            device.wait()
        before, key = tree(one.dir), (one.home / "device.key").read_text()
        planted = _plant_in_the_store(one) | _plant_beside(one)
        assert _names(_check(one)) == planted
        repaired = _check(one, repair=True)
        assert _names(repaired) == planted
        assert {one["result"] for one in repaired} == {"repaired"}, repaired
        assert _check(one, read=True, peers=True) == []
        assert tree(one.dir) == tree(two.dir) == before
        assert (one.home / "device.key").read_text() == key
        assert _trash(one)["by-hand.txt"] == b"put here by hand\n"
        aside = "".join(row for (row,) in _sql(one, "SELECT row FROM aside"))
        for table in ("log(", "chunks(", "statement(", "served(", "step(", "pack("):
            assert table in aside, table
        # Life goes on, also after a start.
        assert one.stop() == 0
        one.start()
        for name in ("broken.txt", "gone.txt"):
            (two.dir / name).write_bytes((two.dir / name).read_bytes() + b"one more\n")
        eventually(
            lambda: all((one.dir / name).read_bytes().endswith(b"one more\n") for name in ("broken.txt", "gone.txt"))
        )
        for device in (one, two):
            device.wait()
        assert _check(one, read=True, peers=True) == []
        assert [name for name in tree(one.dir) if ".conflict-" in name] == []


def _other_key(one: Device) -> Callable[[], object]:
    from yp2p.identity import Identity

    key = one.home / "device.key"
    right = key.read_text()
    key.write_text(text_of(Identity(bytes(32))))
    return lambda: key.write_text(right)


def _damaged_copy(one: Device) -> Callable[[], object]:
    copy = one.home / "store.db.schema-3"
    copy.write_bytes((one.home / "store.db").read_bytes()[:5000] + b"\xff" * 5000)
    return copy.unlink


def _damaged_trash(one: Device) -> Callable[[], object]:
    (place,) = (one.dir / ".yp2p/trash").rglob("deleted.txt")
    right = place.read_bytes()
    place.write_bytes(b"X" + right[1:])
    return lambda: place.write_bytes(right)


def _lost_marker(one: Device) -> Callable[[], object]:
    marker = one.dir / ".yp2p/marker"
    right = marker.read_text()
    marker.unlink()
    eventually(lambda: one.status()["folders"][0]["problem"] != "")
    return lambda: marker.write_text(right)


def test_what_is_for_a_person_to_decide_is_named_and_left(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", YP2P_SCRUB__PERCENT="0") as (one, two):
        for name in ("fine.txt", "deleted.txt"):
            (one.dir / name).write_bytes(FILES["fine.txt"])
        two.join(one)
        for device in (one, two):
            device.wait()
        (two.dir / "deleted.txt").unlink()
        eventually(lambda: "deleted.txt" in _trash(one))
        assert _check(one, read=True) == []  # from now on it is known what the trash holds
        for plant, kind in (
            (_other_key, "other-key"), (_damaged_copy, "damaged-copy"), (_damaged_trash, "damaged-trash"),
            (_lost_marker, "lost-marker"),
        ):  # fmt: skip
            put_back = plant(one)
            found = _check(one, read=True, repair=True)
            assert [(one["kind"], one["result"]) for one in found] == [(kind, "found")]
            assert "what helps: " in one.run("check", "--read").stdout
            put_back()
            eventually(lambda: not one.status()["folders"][0]["problem"])  # noqa: B023
            assert _check(one, read=True) == []


def _damage_a_page(one: Device) -> None:
    """Overwrite the middle of the pages of one index."""
    _sql(one, "PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = (page for (page,) in _sql(one, "SELECT rootpage FROM sqlite_schema WHERE name = 'step_document'"))
    with (one.home / "store.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


def test_a_damaged_page_of_the_store_is_mended_by_a_start(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", YP2P_SCRUB__PERCENT="0") as (one, two):
        for name, data in FILES.items():
            (one.dir / name).write_bytes(data)
        two.join(one)
        for device in (one, two):
            device.wait()
        _damage_a_page(one)
        (found,) = _check(one)
        assert found["kind"] == "damaged-store"
        answer = one.call("POST", "/v1/check", {"repair": True}, 60)
        assert answer["restarts"]
        assert [item["result"] for item in answer["findings"]] == ["started"]
        eventually(lambda: one.log.read_text().count("daemon_started") == 2)
        for device in (one, two):
            device.wait()
        assert tree(one.dir) == tree(two.dir) == FILES
        assert _check(one, read=True, peers=True) == []
        assert one.status()["store"]["damaged"] != []
