"""Presence: everybody speaks for itself, and nobody can fill it up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from yp2p.errors import InvalidUpdate
from yp2p.identity import DeviceID, format_device_id
from yp2p.peers.presence import MAX_CLIENTS_PER_PEER, FolderPresence
from yp2p.programs.programs import cleaned, fitting
from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence
from yp2p.protocol.presence import read_state

OWN, BEA, CAT, DAN = (DeviceID(bytes([n]) * 32) for n in (1, 2, 3, 4))


class Wire:
    """A session that remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[Presence] = []

    def send_awareness(self, data: bytes) -> None:
        self.sent += awareness.decode(data)


def _state(device: DeviceID, open_file: str = "a.txt") -> dict[str, Any]:
    return {"device": "name", "id": format_device_id(device), "files": [{"path": open_file, "since": 1}]}


def _said(client: int, clock: int, state: dict[str, Any] | None) -> bytes:
    return awareness.encode([Presence(client, clock, state)])


def _room() -> tuple[FolderPresence, Wire, Wire]:
    presence = FolderPresence(11, OWN)
    bea, cat = Wire(), Wire()
    presence.joined(BEA, bea)
    presence.joined(CAT, cat)
    return presence, bea, cat


def test_what_one_says_of_itself_reaches_the_others_and_goes_with_it() -> None:
    presence, bea, cat = _room()
    presence.received(BEA, _said(22, 1, _state(BEA)), 0.0)
    assert [state["id"] for state in presence.present()] == [format_device_id(BEA)]
    assert [p.client for p in cat.sent] == [22]
    assert bea.sent == [], "nothing goes back"
    presence.left(BEA, bea)
    assert presence.present() == []
    assert cat.sent[-1].state is None


@pytest.mark.parametrize("how", ["its link ended", "it said nothing for long"])
def test_in_a_large_folder_nobody_is_passed_on_who_left_since(how: str) -> None:
    """What is said again waits for the next bundle; who hears it then would show somebody who is gone."""
    presence = FolderPresence(11, OWN, is_large=lambda: True)
    bea, cat = Wire(), Wire()
    presence.joined(BEA, bea)
    presence.joined(CAT, cat)
    presence.received(BEA, _said(22, 1, _state(BEA)), 0.0)
    presence.received(BEA, _said(22, 2, _state(BEA)), 1.0)
    assert [one.clock for one in cat.sent] == [1], "the second waits"
    if how == "its link ended":
        presence.left(BEA, bea)
        assert cat.sent.pop().state is None
    presence.tick(2.0 if how == "its link ended" else 60.0)
    assert presence.present() == []
    assert [one.clock for one in cat.sent] == [1]


def test_who_sleeps_goes_although_the_link_is_there_and_comes_back() -> None:
    changes: list[int] = []
    presence = FolderPresence(11, OWN, lambda: changes.append(1))
    cat = Wire()
    presence.joined(BEA, Wire())
    presence.joined(CAT, cat)
    presence.received(BEA, _said(22, 1, _state(BEA)), 0.0)
    presence.received(CAT, _said(33, 1, _state(CAT)), 0.0)
    presence.received(BEA, _said(22, 2, _state(BEA)), 20.0)
    said = len(changes)
    presence.tick(31.0)
    assert [state["id"] for state in presence.present()] == [format_device_id(BEA)]
    assert len(changes) == said + 1
    presence.received(CAT, _said(33, 2, _state(CAT)), 40.0)
    assert len(presence.present()) == 2
    presence.tick(45.0)
    assert len(presence.present()) == 2
    presence.tick(60.0)
    assert [state["id"] for state in presence.present()] == [format_device_id(CAT)]


def test_who_is_awake_says_so_before_it_is_taken_to_sleep_and_nobody_is_woken_by_that() -> None:
    changes: list[int] = []
    presence, bea, _ = _room()
    other = FolderPresence(22, BEA, lambda: changes.append(1))
    other.joined(OWN, Wire())
    presence.set_own(_state(OWN))
    for now in range(0, 300, 5):
        presence.tick(float(now))
        for said in bea.sent:
            other.received(OWN, awareness.encode([said]), float(now))
        bea.sent.clear()
        other.tick(float(now))
        assert [state["id"] for state in other.present()] == [format_device_id(OWN)]
    assert len(changes) == 1


def test_nobody_speaks_for_a_device_that_is_here() -> None:
    presence, _, _ = _room()
    presence.received(BEA, _said(22, 1, _state(BEA, "mine.txt")), 0.0)
    for client, clock in ((22, 9), (33, 1)):
        presence.received(CAT, _said(client, clock, _state(BEA, "forged.txt")), 0.0)
    presence.received(CAT, _said(22, 10, None), 0.0)
    presence.received(CAT, _said(44, 1, _state(OWN, "forged.txt")), 0.0)
    presence.received(CAT, _said(11, 99, _state(CAT, "forged.txt")), 0.0)
    assert [cleaned(state)["open"] for state in presence.present()] == [["mine.txt"]]


def test_an_older_link_that_ends_takes_nothing_from_the_newer_one() -> None:
    presence, old, _ = _room()
    newer = Wire()
    presence.joined(BEA, newer)
    presence.received(BEA, _said(22, 1, _state(BEA)), 0.0)
    presence.left(BEA, old)
    assert [state["id"] for state in presence.present()] == [format_device_id(BEA)]
    presence.received(CAT, _said(33, 1, _state(CAT)), 0.0)
    assert [said.client for said in newer.sent] == [33], "it is told over the newer link"


def test_devices_out_of_reach_are_relayed_as_long_as_somebody_vouches() -> None:
    presence, _, cat = _room()
    for peer in (BEA, CAT):
        presence.received(peer, _said(55, 1, _state(DAN)), 0.0)
    presence.received(BEA, _said(55, 1, None), 0.0)
    assert len(presence.present()) == 1, "the other one still vouches"
    presence.left(CAT, cat)
    assert presence.present() == []


def test_one_peer_cannot_fill_the_room() -> None:
    presence, _, cat = _room()
    for client in range(100, 100 + 2 * MAX_CLIENTS_PER_PEER):
        presence.received(BEA, _said(client, 1, {"id": f"invented {client}"}), float(client))
    assert len(presence.present()) == MAX_CLIENTS_PER_PEER
    presence.received(CAT, _said(66, 1, _state(CAT)), 0.0)
    assert any(state["id"] == format_device_id(CAT) for state in presence.present())
    sent = len(cat.sent)
    for clock in range(2, 1000):
        presence.received(BEA, _said(100, clock, {"id": "invented 100"}), 1000.0)
    assert len(cat.sent) - sent < 100, "a peer that says too much is not heard"
    presence.tick(1010.0)
    assert cat.sent[-1].clock == 999, "but its last word is"


def test_those_who_left_make_room() -> None:
    states = awareness.AwarenessStates()
    for client in range(3 * awareness.MAX_CLIENTS):
        states.apply([Presence(client, 1, {"id": str(client)})], own=0)
        states.apply([Presence(client, 2, None)], own=0)
    assert states.apply([Presence(9999, 1, {"id": "new"})], own=0)


def test_a_state_is_never_larger_than_others_take() -> None:
    files = [{"path": f"Документы/Заметки о работе/поездка в горы {number:02}.md", "since": 1} for number in range(40)]
    state = fitting({"device": "name", "id": "id", "files": files})
    assert 5 < len(state["files"]) < 40
    (presence,) = awareness.decode(awareness.encode([Presence(1, 1, state)]))
    assert presence.state == state


@pytest.mark.parametrize(
    "files", [5, None, "x", [5], [{}], [{"path": 5, "since": 1}], [{"path": "a", "since": 1e300}],
              [{"path": "a", "since": 1, "line": "x"}], [{"path": "a", "since": 1, "device": "somebody else"}]]
)  # fmt: skip
def test_what_is_of_another_shape_is_left_out(files: object) -> None:
    good = {"path": "b", "since": 2}
    assert cleaned({"device": "name", "id": "id", "files": files})["files"] == []
    mixed = [*files, good] if isinstance(files, list) else [good]
    state = cleaned({"device": "name", "id": "id", "files": mixed})
    assert state == {"device": "name", "id": "id", "open": ["b"], "files": [good]}


_HALF = "\ud800"


def test_what_cannot_be_shown_does_not_come_in() -> None:
    presence, _, cat = _room()
    said = {
        _HALF: 1, "device": _HALF + "bea", "id": format_device_id(BEA), "other": "key",
        "files": [
            {"path": "a.txt", "since": 1, "line": 2, "name": _HALF, _HALF: 1, "cursor": {"tname": _HALF}},
            {"path": f"{_HALF}.txt", "since": 1}, {"path": "../a", "since": 1},
            {"path": "b.txt", "since": float("inf")},
            {"path": "b.txt", "since": True}, {"path": "b.txt", "since": 1, "line": 1e9, "client": -1}, "c.txt", None,
            {"path": "c.txt", "since": 1, "cursor": {"item": {"client": 1, "clock": 2}, "assoc": -1}},
        ],
    }  # fmt: skip
    presence.received(BEA, _said(22, 1, said), 0.0)
    (shown,) = presence.present()
    assert shown == cat.sent[-1].state == {
        "device": "?bea", "id": format_device_id(BEA),
        "files": [
            {"path": "a.txt", "since": 1, "line": 2, "name": "?"},
            {"path": "b.txt", "since": 1},
            {"path": "c.txt", "since": 1, "cursor": {"item": {"client": 1, "clock": 2}, "assoc": -1}},
        ],
    }  # fmt: skip
    awareness.as_json(shown).encode()
    json.dumps(cleaned(shown), ensure_ascii=False).encode()


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [[]], True, 1e400])
@pytest.mark.parametrize("key", ["device", "id", "files"])
def test_a_key_of_another_type_is_as_none(key: str, value: object) -> None:
    shown = read_state({"device": "name", "id": "id", "files": [], key: value})
    assert {name: type(one) for name, one in shown.items()} == {"device": str, "id": str, "files": list}


def test_what_is_said_too_fast_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    presence, _, _ = _room()
    read: list[bytes] = []
    decode = awareness.decode
    monkeypatch.setattr(awareness, "decode", lambda data: (read.append(data), decode(data))[1])
    for clock in range(1, 500):
        presence.received(BEA, _said(22, clock, _state(BEA)), 0.0)
    assert len(read) < 200, "those that were taken, and what another device was told of them"
    presence.received(BEA, b"no awareness at all", 0.0)
    presence.tick(1.0)


def test_a_large_message_counts_for_several(monkeypatch: pytest.MonkeyPatch) -> None:
    presence, _, _ = _room()
    read: list[bytes] = []
    decode = awareness.decode
    monkeypatch.setattr(awareness, "decode", lambda data: (read.append(data), decode(data))[1])
    files = [{"path": "a" * 100, "since": 1}] * 50
    states = [Presence(client, 1, {"id": "x", "device": "x", "files": files}) for client in range(100, 110)]
    assert awareness.MAX_MESSAGE_BYTES * 0.9 < len(awareness.encode(states)) <= awareness.MAX_MESSAGE_BYTES
    for _ in range(20):
        presence.received(BEA, awareness.encode(states), 0.0)
    assert 1 <= len(read) <= 8


def test_who_comes_back_over_a_new_link_is_there_at_once() -> None:
    ours, theirs = FolderPresence(11, OWN), FolderPresence(22, BEA)
    ours.set_own(_state(OWN))
    for _ in range(3):
        link, back = Wire(), Wire()
        theirs.joined(OWN, back)
        ours.joined(BEA, link)
        theirs.received(OWN, awareness.encode(link.sent), 0.0)
        assert [state["id"] for state in theirs.present()] == [format_device_id(OWN)]
        ours.left(BEA, link)
        theirs.left(OWN, back)
        assert theirs.present() == []


def test_much_is_said_in_several_messages_and_one_that_is_too_large_is_refused() -> None:
    """To read what all may say together takes half a second, in which nobody else is served."""
    presence, _, _ = _room()
    files = [{"path": "a" * 100, "since": 1}] * 50
    for peer, first in ((BEA, 100), (CAT, 200)):
        for client in range(first, first + 20):
            presence.received(peer, _said(client, 1, {"id": "x", "device": "x", "files": files}), 100.0 * client)
    dan, sizes = Wire(), list[int]()
    send = dan.send_awareness
    dan.send_awareness = lambda data: (sizes.append(len(data)), send(data))[1]  # type: ignore[method-assign]
    presence.joined(DAN, dan)
    assert {one.client for one in dan.sent} == {*range(100, 120), *range(200, 220)}
    assert len(sizes) >= 3
    assert max(sizes) <= awareness.MAX_MESSAGE_BYTES
    with pytest.raises(InvalidUpdate, match="more than 65536"):
        presence.received(DAN, awareness.encode(dan.sent), 10_000.0)
