"""Whole devices, one of which only reads: everything of others reaches it, and nothing of it anybody."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio
from integration.test_hostile_peer import Attacker
from lab import Device, devices, eventually, tree, unexpected_lines
from programs.test_server import Client, connected
from wsproto.events import BytesMessage

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change, Deletion
from yp2p.documents.text import TextReplica, imported
from yp2p.folder.catalogue import manifest_document_id
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol import channel
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import (
    MANIFEST_DOCUMENTS,
    Ack,
    BothChanged,
    ChannelData,
    Chunks,
    Documents,
    FolderLinks,
    FolderMessage,
    FolderState,
    Leaves,
    ManifestQuery,
    ManifestVersions,
    Side,
)
from yp2p.protocol.reconcile import Leaf
from yp2p.transport.link import Link, LinkClosed


def _join(device: Device, other: Device, role: str) -> None:
    device.cli("join", other.cli("share", str(other.dir), "--role", role), str(device.dir))
    device.wait()
    other.wait()


def _folder(device: Device) -> dict[str, Any]:
    return dict(device.status()["folders"][0])


def _changes(device: Device) -> dict[str, str]:
    return {item["path"]: item["change"] for item in _folder(device)["local_changes"]}


def _become(admin: Device, device: Device, role: str) -> None:
    admin.cli("device", "role", device.name, role)
    eventually(lambda: _folder(device)["is_reader"] == (role == "reader"), what=f"{device.name} being {role}")


def test_a_reader_gets_everything_and_changes_nothing(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "reader") as (one, two, reader):
        (one.dir / "a.txt").write_text("line one\nline two\n")
        (one.dir / "b.bin").write_bytes(b"\xff\x00 a blob")
        (one.dir / "gone.txt").write_text("gone\n")
        (reader.dir / "before.txt").write_text("was here before\n")
        (reader.dir / "a.txt").write_text("another one\n")
        _join(two, one, "member")
        _join(reader, one, "reader")
        assert "only reads" in reader.cli("status")
        eventually(lambda: tree(reader.dir).get("a.txt") == b"line one\nline two\n")
        (beside,) = reader.dir.glob("a.conflict-*")
        assert beside.read_text() == "another one\n"
        eventually(lambda: _changes(reader) == {"before.txt": "added", beside.name: "added"})

        # What it changes stays there, whatever it is.
        (reader.dir / "a.txt").write_text("line one\nmine\n")
        (reader.dir / "b.bin").write_bytes(b"\xff\x00 mine")
        (reader.dir / "gone.txt").unlink()
        (reader.dir / "new.txt").write_text("new\n")
        changed = {"a.txt": "changed", "b.bin": "changed", "gone.txt": "removed", "new.txt": "added"}
        eventually(lambda: changed.items() <= _changes(reader).items(), what="the changes being shown")
        (two.dir / "c.txt").write_text("of two\n")
        (one.dir / "d.txt").write_text("of one\n")
        eventually(lambda: {"c.txt", "d.txt"} <= tree(reader.dir).keys())
        for device in (one, two, reader):
            device.wait()
        expected = {
            "a.txt": b"line one\nline two\n", "b.bin": b"\xff\x00 a blob", "gone.txt": b"gone\n",
            "c.txt": b"of two\n", "d.txt": b"of one\n",
        }  # fmt: skip
        assert tree(one.dir) == tree(two.dir) == expected
        for command in (("undo", "c.txt"), ("restore", "c.txt@1"), ("bookmark", "c.txt", "here", "--line", "1")):
            assert "may only read" in reader.fails(command[0], str(reader.dir / command[1]), *command[2:])

        # It stays there over a restart, others' changes get the place, and what was here is beside.
        reader.stop()
        (one.dir / "a.txt").write_text("line one\nline two\nline three\n")
        reader.start()
        eventually(lambda: tree(reader.dir).get("a.txt") == b"line one\nline two\nline three\n")
        assert {path.read_text() for path in reader.dir.glob("a.conflict-*")} == {"another one\n", "line one\nmine\n"}
        eventually(lambda: _changes(reader).get("gone.txt") == "removed")
        assert not (reader.dir / "gone.txt").exists()

        # What all have comes back by a word, and what was here is where the command says.
        said = reader.cli("folder", "revert")
        assert "b.bin: what was here is in .yp2p/trash/" in said
        kept = reader.dir / said.split("what was here is in ")[1].splitlines()[0]
        assert kept.read_bytes() == b"\xff\x00 mine"
        expected["a.txt"] = b"line one\nline two\nline three\n"
        eventually(lambda: expected.items() <= tree(reader.dir).items())
        eventually(lambda: set(_changes(reader).values()) == {"added"})
        assert (reader.dir / "before.txt").exists()
        reader.cli("folder", "revert", "new.txt")
        assert not (reader.dir / "new.txt").exists()
        assert "there is nothing to revert" in one.fails("folder", "revert")
        assert tree(one.dir) == tree(two.dir) == expected
        for device in (one, two, reader):
            assert unexpected_lines(device, "conflict_copy_created") == []


def test_a_role_that_changes_while_both_write(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("line one\nline two\nline three\n")
        _join(two, one, "member")
        _become(one, two, "reader")
        (two.dir / "a.txt").write_text("line one\nline two\nof two\n")
        (two.dir / "new.txt").write_text("new\n")
        eventually(lambda: _changes(two) == {"a.txt": "changed", "new.txt": "added"})
        _become(one, two, "member")
        eventually(lambda: (one.dir / "a.txt").read_text() == "line one\nline two\nof two\n")
        eventually(lambda: (one.dir / "new.txt").exists())
        eventually(lambda: _changes(two) == {})
        (one.dir / "a.txt").write_text("of one\nline two\nof two\n")
        eventually(lambda: (two.dir / "a.txt").read_text() == "of one\nline two\nof two\n")
        for device in (one, two):
            device.wait()
            assert unexpected_lines(device) == []


def test_a_machine_is_invited_to_read(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("a line\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})
        token = one.cli("invite", str(one.dir), "--role", "reader")
        two.cli("join", token, str(two.dir))
        eventually(lambda: (two.dir / "a.txt").exists())
        assert _folder(two)["is_reader"]
        shown = json.loads(one.cli("device", "list", "--json"))
        assert {device["name"]: device["folders"][0]["role"] for device in shown} == {"one": "admin", "two": "reader"}


def _of_reader(attacker: Attacker) -> list[FolderMessage]:
    """Everything that a reader could try to write with."""
    folder, document = attacker.folder, attacker.document
    replica = TextReplica.from_updates(78, attacker.updates(document))
    edit = replica.edit([Hunk(0, len(replica.text()), "of a thief\n")])
    assert edit is not None
    theirs = Manifest(79)
    for index in range(MANIFEST_DOCUMENTS):
        theirs.load(index, attacker.updates(manifest_document_id(index)))
    new = DocumentID(b"\x08" * 16)
    victims = sorted(theirs.entries.values(), key=lambda entry: entry.path)
    changes = [
        Change(EntryID(b"\x07" * 16), "thief.txt", Content.text(new, Mode.PLAIN)),
        *(Change(one.id, deletion=Deletion(one.document, replica.state_vector())) for one in victims[:1]),
        *(Change(one.id, path=f"moved-{one.path}", mode=Mode.EXECUTABLE) for one in victims[1:]),
    ]
    registers = [
        ChannelData(folder, manifest_document_id(index), channel.encode(message((update,))))
        for index, update in theirs.write(changes).items()
        for message in (channel.Updates, lambda updates: channel.Step2(updates[0]))
    ]
    leaf = Leaf(document, bytes(32), bytes(32))
    side = Side("of a thief\n", (attacker.identity.device_id,), 0)
    return [
        *registers,
        ChannelData(folder, document, channel.encode(channel.Updates((edit,)))),
        ChannelData(folder, document, channel.encode(channel.Step2(edit))),
        ChannelData(folder, document, channel.encode(channel.Answer((edit, edit)))),
        ChannelData(folder, document, channel.encode(channel.Updates((b"\xff" * 40,)))),
        ChannelData(folder, new, channel.encode(channel.Updates((imported("of a thief\n"),)))),
        Documents(folder, ((document, edit), (new, imported("of a thief\n")))),
        Leaves(folder, ((victims[0].id, leaf), (EntryID(b"\x07" * 16), leaf)), True, ()),
        Ack(folder, ((victims[0].id, leaf),)),
        FolderState(folder, bytes(32), bytes(32), bytes(32), True, 1, 0),
        FolderLinks(folder, ()),
        BothChanged(folder, victims[0].id, False, 1, "of a thief\n", "", "", (side, side)),
        Chunks(folder, ()),
    ]


@pytest.mark.long
def test_a_patched_reader_writes_nothing_while_others_do(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "reader") as (one, two, reader):
        for name in ("a.txt", "b.txt", "c.txt"):
            (one.dir / name).write_text(f"text of {name}\n")
        _join(two, one, "member")
        _join(reader, one, "reader")
        attacker = Attacker(reader, one)
        messages = _of_reader(attacker)
        reader.stop()
        rounds = 3

        async def attack() -> None:
            async with attacker.link() as link, trio.open_nursery() as nursery:
                heard, ask = trio.open_memory_channel[object](math.inf)
                nursery.start_soon(_read, link, heard)
                for _ in range(rounds):
                    for message in messages:
                        await link.send(message)
                        await trio.sleep(0.02)  # the pace of the attack
                await _is_dealt_with(link, attacker, messages, ask)
                nursery.cancel_scope.cancel()

        (one.dir / "a.txt").write_text("text of a.txt\nfrom one\n")
        trio.run(attack)
        (two.dir / "b.txt").write_text("text of b.txt\nfrom two\n")
        eventually(lambda: "from one" in (two.dir / "a.txt").read_text())
        eventually(lambda: "from two" in (one.dir / "b.txt").read_text())
        for device in (one, two):
            device.wait()
        expected = {
            "a.txt": b"text of a.txt\nfrom one\n",
            "b.txt": b"text of b.txt\nfrom two\n",
            "c.txt": b"text of c.txt\n",
        }
        assert tree(one.dir) == tree(two.dir) == expected
        assert [device for device in one.status()["devices"] if device["faults"]] == [], "nothing of it is a fault"
        assert not any("thief" in notice["text"] for notice in json.loads(one.cli("notices", "--json")))
        assert unexpected_lines(one) == []

        # It reads all that while.
        reader.start()
        eventually(lambda: tree(reader.dir) == expected)


async def _is_dealt_with(
    link: Link, attacker: Attacker, messages: list[FolderMessage], heard: trio.MemoryReceiveChannel[object]
) -> None:
    """Return when what was sent is dealt with: what follows it on each channel, and beside them, is answered."""
    while heard.statistics().current_buffer_used:
        heard.receive_nowait()
    known = {attacker.document, *map(manifest_document_id, range(MANIFEST_DOCUMENTS))}
    waiting = {message.document for message in messages if isinstance(message, ChannelData)} & known
    step_1 = channel.encode(channel.Step1(b"\x00"))
    for document in sorted(waiting):
        await link.send(ChannelData(attacker.folder, document, step_1))
    await link.send(ManifestQuery(attacker.folder))
    is_answered = False
    with trio.fail_after(30):
        while waiting or not is_answered:
            message = await heard.receive()
            is_answered |= isinstance(message, ManifestVersions)
            said = channel.decode(message.payload) if isinstance(message, ChannelData) else None
            if isinstance(message, ChannelData) and isinstance(said, channel.Step2 | channel.Answer):
                waiting.discard(message.document)


async def _read(link: Link, heard: trio.MemorySendChannel[object]) -> None:
    try:
        while True:
            heard.send_nowait(await link.receive())
    except LinkClosed:
        raise AssertionError("a reader that sends what nobody takes is not thrown out") from None


def test_a_program_on_a_reader_sees_what_others_write_and_writes_nothing(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "reader") as (one, reader):
        (one.dir / "a.txt").write_text("line one\nline two\n")
        _join(reader, one, "reader")
        with connected(reader) as sock:
            client = Client(sock, f"/v1/documents?path={quote(str(reader.dir / 'a.txt'))}&client=77")
            client.message()
            client.say(BytesMessage(channel.encode(channel.Step1(b"\x00"))))
            while not isinstance(answer := channel.decode(client.message()), channel.Step2):
                pass
            replica = TextReplica.from_updates(77, [answer.update])
            client.say(BytesMessage(channel.encode(channel.Step2(b"\x00\x00"))))  # nothing: no word of that
            update = replica.edit([Hunk(0, 0, "typed\n")])
            assert update is not None
            client.say(BytesMessage(channel.encode(channel.Updates((update,)))))
            assert "may only read" in client.denial()
            (one.dir / "a.txt").write_text("line one\nof one\nline two\n")
            while replica.text() != "typed\nline one\nof one\nline two\n":
                message = channel.decode(client.message())
                assert not isinstance(message, channel.Denied)
                if isinstance(message, channel.Updates | channel.Answer):
                    for data in message.updates:
                        replica.apply(data)
        eventually(lambda: tree(reader.dir) == tree(one.dir) == {"a.txt": b"line one\nof one\nline two\n"})
        assert unexpected_lines(reader) == []
