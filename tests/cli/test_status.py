"""`yp2p status`: its first line answers whether everything is in sync; tables; what a person should look at."""

from __future__ import annotations

import shlex
import time
from typing import Any

import pytest

from yp2p.cli.events import line
from yp2p.cli.offers import offer_lines
from yp2p.cli.status import lines
from yp2p.cli.table import table, width
from yp2p.peers.reach import Absence, Reach, why
from yp2p.sentences import THROUGH_OTHERS, Mood, Said, of_folder, of_member, summary

_NOTHING: dict[str, Any] = {"files_to_go": 0, "bytes_to_go": 0, "bytes_per_s": 0, "seconds_left": None}


def _member(name: str, *, connected: bool = True, in_sync: bool = True, behind: int = 0) -> dict[str, Any]:
    return {"id": name, "name": name, "connected": connected, "in_sync": in_sync, "behind": behind, "condition": ""}


def _folder(*members: dict[str, Any], label: str = "notes", **more: Any) -> dict[str, Any]:
    return {
        "id": "FOLDER", "label": label, "path": f"/{label}", "state": "idle", "problem": "", "is_reader": False,
        "awaiting_confirmation": False, "rules_waiting": "",
        "entries": {"here": 3, "ignored": 0, "places_to_settle": 0},
        "progress": _NOTHING, "devices": list(members), "not_synced": [], "waiting": [], "local_changes": [],
        "conflicts": [], "quarantined": [], "notices": {}, "presence": [], **more,
    }  # fmt: skip


def _status(*folders: dict[str, Any]) -> dict[str, Any]:
    return {
        "device": {"name": "laptop", "id": "OWN", "missing_addresses": [], "files_wait": False},
        "devices": [], "settings": [],
        "offers": {"made": [], "received": []},
        "store": {"problem": "", "damaged": []}, "folders": list(folders), "transfers": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (_member("desk"), "has all of it"),
        (_member("desk", in_sync=False, behind=1), "1 file behind"),
        (_member("desk", in_sync=False, behind=1400), "1,400 files behind"),
        (_member("desk", in_sync=False), "comparing"),
        (_member("desk", in_sync=False, behind=2) | {"condition": "its disk is full"},
         "its disk is full, 2 files behind"),
        (_member("pi", connected=False, in_sync=False) | {"behind": None, "lacks": 14}, "14 files behind"),
        (_member("pi", connected=False, in_sync=False) | {"behind": None, "lacks": 0}, "had all of it"),
        (_member("pi", connected=False, in_sync=False) | {"behind": None, "lacks": None}, "not connected"),
        (_member("pi", connected=False, in_sync=False) | {"behind": None}, "not connected"),
        (_member("pi", connected=False, in_sync=False) | {"behind": None, "lacks": None, "condition": THROUGH_OTHERS},
         "reached through other devices"),
    ],
)  # fmt: skip
def test_each_device_has_its_sentence(member: dict[str, Any], said: str) -> None:
    assert of_member(member).text == said


def test_what_a_reader_keeps_for_itself_is_on_no_other_device() -> None:
    said = of_folder(_folder(_DESK, is_reader=True, local_changes=_KEPT))
    assert said == Said(Mood.LOOK, "in sync with desk; 2 changes are kept on this device only")
    assert of_member(_DESK, kept=1) == Said(Mood.LOOK, "has all of it but 1 change kept here")


def test_a_device_that_is_away_and_lacks_something_is_told_with_when_it_was_seen() -> None:
    away = _member("pi", connected=False, in_sync=False) | {"lacks": 14, "last_seen": 1790000000.0}
    assert any(
        line.startswith("  pi: 14 files behind, seen 2026-09-2") for line in lines(_status(_folder(_DESK, away)))
    )
    none = away | {"lacks": 0}
    assert not any("pi: " in line for line in lines(_status(_folder(_DESK, none))))


_NOT_THERE = {"connected": False, "in_sync": False, "behind": None}
_KEPT = [{"path": "a.md", "change": "changed"}, {"path": "b.md", "change": "added"}]
_DESK, _PI = _member("desk"), _member("pi") | _NOT_THERE
_FAR, _FARTHER = (_member(name) | _NOT_THERE | {"condition": THROUGH_OTHERS} for name in ("f", "g"))


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ([], "Nothing is shared yet."),
        ([_folder()], "No other device takes part in notes yet: all of it is on this device only."),
        ([_folder(_PI)], "No other device is connected for notes: what is here may be on this device only."),
        ([_folder(_PI | {"lacks": 14})],
         "No other device is connected for notes: 14 files are, as far as it knows, on this device only."),
        ([_folder(_PI | {"lacks": 14}, _PI | {"lacks": 1})],
         "No other device is connected for notes: 1 file is, as far as it knows, on this device only."),
        ([_folder(_PI | {"lacks": 0})],
         "No other device is connected for notes: what changes now is on this device only."),
        ([_folder(_PI, state="working")], "No other device is connected for notes: what is here may be"),
        ([_folder(), _folder(_PI | {"lacks": 0}, label="code")],
         "No other device takes part in notes yet: all of it is on this device only."
         " No other device is connected for code: what changes now is on this device only."),
        ([_folder(_DESK)], "In sync: all folders are the same on all devices."),
        ([_folder(_DESK, is_reader=True, local_changes=_KEPT), _folder(_DESK, label="code")],
         "In sync with every connected device, but 2 changes in notes are kept on this device only. `yp2p folder"),
        ([_folder(_DESK, is_reader=True)], "In sync: all folders are the same on all devices."),
        ([_folder(_DESK, _PI)], "In sync with every connected device. Not connected: pi."),
        ([_folder(_DESK, _FAR, _FARTHER), _folder(_DESK, _FAR, label="code")],
         "In sync with every connected device. 2 more are reached through them. `yp2p wait --all` asks each."),
        ([_folder(_DESK, _PI, _FAR)],
         "In sync with every connected device. Not connected: pi. 1 more is reached through them. `yp2p wait"),
        ([_folder(_FAR)], "No other device is connected for notes: what is here may be on this device only."),
        ([_folder(_member("desk", in_sync=False), _FAR)], "Not in sync yet: notes is sending to desk."),
        ([_folder(_DESK), _folder(label="code")],
         "No other device takes part in code yet: all of it is on this device only."),
        ([_folder(_member("desk", in_sync=False))], "Not in sync yet: notes is sending to desk."),
        ([_folder(_member("desk", in_sync=False) | {"condition": "paused there"})],
         "Not in sync yet: notes is waiting for desk."),
        ([_folder(_member("desk", in_sync=False) | {"condition": "paused there"}, _member("lap", in_sync=False))],
         "Not in sync yet: notes is sending to lap."),
        ([_folder(_DESK), _folder(_DESK, label="code", state="working")], "Not in sync yet: code is working."),
        ([_folder(_DESK, progress=_NOTHING | {"files_to_go": 2})], "Not in sync yet: notes is receiving: 2 files"),
        ([_folder(_DESK, state="paused", problem="its disk is full")], "Not in sync: notes: its disk is full"),
        ([_folder(_DESK, awaiting_confirmation=True, problem="many files went", state="paused")],
         "Not in sync: notes waits for your decision. See below."),
        ([_folder(_DESK, problem="times are rounded")], "In sync: all folders are the same on all devices."),
        ([_folder(problem="this device is no member")], "Not in sync: notes: this device is no member"),
    ],
)  # fmt: skip
def test_the_first_line_answers_whether_it_is_in_sync(folders: list[dict[str, Any]], said: str) -> None:
    assert str(summary(_status(*folders))).startswith(said)


_AWAY = _PI | {"lacks": 14}


@pytest.mark.parametrize(
    ("folders", "mood"),
    [
        ([], Mood.UNKNOWN),
        ([_folder(_DESK)], Mood.GOOD),
        ([_folder(_DESK, _PI | {"lacks": 0})], Mood.GOOD),
        ([_folder(_DESK, _AWAY)], Mood.AWAY),
        ([_folder(_DESK, _PI | {"lacks": None})], Mood.AWAY),  # nobody knows whether it has all
        ([_folder(_DESK, _FAR)], Mood.AWAY),  # nobody asked it
        ([_folder(_DESK, _AWAY), _folder(_DESK, state="working")], Mood.BUSY),
        ([_folder(_DESK, state="what is not known yet")], Mood.BUSY),
        ([_folder(_DESK, progress=_NOTHING | {"bytes_to_go": 1})], Mood.BUSY),
        ([_folder(_DESK, _member("pi", in_sync=False))], Mood.BUSY),
        ([_folder(_DESK, state="paused")], Mood.LOOK),
        ([_folder(_DESK, paused=True, state="paused", problem="paused by you")], Mood.LOOK),
        ([_folder(_DESK, paused=True)], Mood.LOOK),  # a moment before its state says so
        ([_folder(_DESK, awaiting_confirmation=True)], Mood.LOOK),
        ([_folder(_DESK), _folder(_PI)], Mood.LOOK),
        ([_folder(_PI, problem="the directory is away")], Mood.LOOK),
    ],
)
def test_only_what_is_everywhere_looks_good(folders: list[dict[str, Any]], mood: Mood) -> None:
    said = summary(_status(*folders))
    assert said.mood is mood
    if mood not in (Mood.GOOD, Mood.AWAY):
        assert not said.text.startswith("In sync")
        assert not any(one.text.startswith("in sync") for one in map(of_folder, folders[-1:]))
    if folders:
        assert mood in [of_folder(folder).mood for folder in folders]
    if mood is Mood.GOOD:
        assert {of_folder(folder).mood for folder in folders} == {Mood.GOOD}
        members = [member for folder in folders for member in folder["devices"]]
        assert all(of_member(member).mood is Mood.GOOD for member in members if member["connected"])
        assert all(of_member(member).text == "had all of it" for member in members if not member["connected"])


def test_a_folder_says_who_lacks_something_of_it() -> None:
    said = of_folder(_folder(_DESK, _AWAY, _PI | {"name": "nas", "lacks": None}))
    assert said == Said(Mood.AWAY, "in sync with desk; not connected: nas, pi (14 files behind)")


@pytest.mark.parametrize("mark", [".", ",", ":", ";", '"', "`", "(", ")"])
def test_a_name_cannot_be_read_as_a_part_of_the_sentence(mark: str) -> None:
    name = f"pi{mark} In sync"
    quoted = '"' + name.replace('"', "'") + '"'
    away, here = _PI | {"name": name}, _member(name, in_sync=False)
    assert summary(_status(_folder(_DESK, away))).text.endswith(f"Not connected: {quoted}.")
    assert of_folder(_folder(here)).text == f"sending to {quoted}"
    assert of_folder(_folder(_member(name))).text == f"in sync with {quoted}"
    assert summary(_status(_folder(here, label=name))).text.startswith(f"Not in sync yet: {quoted} is ")
    assert f"for {quoted}:" in summary(_status(_folder(_PI, label=name))).text
    assert why(Absence(name, Reach(is_paused_there=True))).endswith(f"on {quoted}")
    assert shlex.quote(name) in why(Absence(name, Reach(), is_paused=True)), "what is typed is one word of a shell"
    joined = {"kind": "member", "id": 1, "at": 0.0, "change": "joined", "name": name, "role": "member", "folder": "f"}
    assert f"{quoted} joined, as member" in line(joined | {"label": "notes"})
    (offered,) = offer_lines({"made": [], "received": [{"name": name, "label": name, "path": "", "decision": "none"}]})
    assert offered.startswith(f"{quoted} offers you the folder {quoted}: ")


def test_of_a_device_that_is_away_the_first_line_says_what_it_lacks() -> None:
    said = summary(_status(_folder(_DESK, _AWAY), _folder(_DESK, _PI | {"lacks": 1}, label="code")))
    assert said.text == "In sync with every connected device. Not connected: pi (15 files behind)."


def test_a_store_with_a_problem_is_in_sync_with_nobody() -> None:
    status = _status(_folder(_DESK)) | {"store": {"problem": "its disk is full", "damaged": []}}
    assert summary(status) == Said(Mood.LOOK, "The store has a problem: its disk is full")


def test_what_to_type_stands_apart_from_the_sentence() -> None:
    paused = _folder(_DESK, paused=True, state="paused", problem="paused by you", path="/my notes")
    said = summary(_status(paused))
    assert said.fields() == {
        "summary": "Not in sync: notes: paused by you", "mood": "look",
        "hint": "`yp2p folder unpause '/my notes'` ends that",
    }  # fmt: skip
    assert lines(_status(paused))[0] == "Not in sync: notes: paused by you: `yp2p folder unpause '/my notes'` ends that"


def test_the_table_says_what_is_so_and_what_helps_stands_elsewhere() -> None:
    gone = _folder(_DESK, state="paused", problem="/notes is not there; put its disk back")
    shown = lines(_status(gone))
    assert shown[0] == "Not in sync: notes: /notes is not there; put its disk back"
    assert shown[3].endswith("  /notes is not there")
    assert "  /notes is not there; put its disk back" in shown[4:]


def test_of_a_pause_that_ends_by_itself_it_is_said_when() -> None:
    until = time.mktime((2031, 5, 4, 16, 30, 0, 0, 0, -1))
    paused = _folder(_DESK, paused=True, paused_until=until, state="paused", problem="paused by you", path="/notes")
    assert lines(_status(paused))[0] == (
        "Not in sync: notes: paused by you until 2031-05-04 16:30: `yp2p folder unpause /notes` ends that sooner"
    )
    assert why(Absence("pi", Reach(), is_paused=True, paused_until="16:30")) == (
        "paused here until 16:30; `yp2p device unpause pi` ends that sooner"
    )


def test_while_a_folder_is_paused_nobody_is_said_to_be_compared() -> None:
    assert of_member(_member("desk", in_sync=False), is_paused=True).text == "not compared meanwhile"
    assert of_member(_member("desk", in_sync=False, behind=2), is_paused=True).text == "2 files behind"


def test_a_member_that_is_reached_through_others_is_in_the_table_and_in_no_line_of_its_own() -> None:
    assert of_folder(_folder(_DESK, _FAR, _FARTHER)).text == "in sync with desk; 2 more are reached through these"
    device = {"id": "f", "name": "f", "connected": False, "last_seen": None, "address": None, "reason": ""}
    shown = lines(_status(_folder(_DESK, _FAR)) | {"devices": [device | {"last_error": ""}]})
    assert [line for line in shown if line.startswith(("f ", "  f"))] == ["f       reached through other devices"]


def test_what_is_well_takes_a_line_a_folder() -> None:
    shown = lines(_status(_folder(_DESK), _folder(_DESK, label="code")))
    assert shown == [
        "In sync: all folders are the same on all devices.", "",
        "Folder  Directory  Files  State",
        "notes   /notes         3  in sync with desk",
        "code    /code          3  in sync with desk", "",
        "Device  State        Address",
        "laptop  this device",
    ]  # fmt: skip


def test_ids_are_shown_on_request() -> None:
    assert not {"FOLDER", "OWN"} & set(" ".join(lines(_status(_folder(_DESK)))).split())
    assert {"FOLDER", "OWN"} <= set(" ".join(lines(_status(_folder(_DESK)), ids=True)).split())


def test_what_needs_a_person_is_below_with_what_to_type() -> None:
    waiting = _folder(_DESK, awaiting_confirmation=True, problem="60 of 80 files were deleted", state="paused")
    shown = "\n".join(lines(_status(waiting)))
    assert "60 of 80 files were deleted; nothing is deleted or written here" in shown
    assert "yp2p folder restore /notes" in shown
    many = [{"path": f"{number}", "reason": "a socket"} for number in range(12)]
    shown = "\n".join(lines(_status(_folder(_DESK, not_synced=many))))
    assert "not synced: 12" in shown
    assert "and 2 more (--json lists all)" in shown


def test_columns_are_as_wide_as_what_is_seen() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301", "\x1b")] == [3, 4, 1, 4]
    assert table(["A", "N"], [["日本", "1"], ["x", "1,000"]], right=("N",)) == [
        "A         N",
        "日本      1",
        "x     1,000",
    ]


def test_what_is_offered_is_one_line_with_what_to_type() -> None:
    status = _status(_folder(_DESK))
    offer = {"label": "my music", "name": "desk", "role": "member", "at": 0.0, "problem": "", "path": ""}
    received = [
        offer | {"decision": "none"},
        offer | {"decision": "none", "label": "old", "path": "/old"},
        offer | {"decision": "accept", "path": "/x"},
        offer | {"decision": "accept", "path": "/x", "problem": "/x cannot be used"},
    ]
    status["offers"] = {"made": [offer | {"declined": True}, offer | {"declined": False}], "received": received}
    assert lines(status)[-6:] == [
        "",
        "desk offers you the folder my music: `yp2p folder accept 'my music' DIR` takes part,"
        " `yp2p folder decline 'my music'` refuses.",
        "desk offers you the folder old: `yp2p folder accept old /old` takes part, `yp2p folder decline old` refuses.",
        "The folder my music of desk is accepted, but not here yet: desk has not answered yet.",
        "The folder my music of desk is accepted, but not here yet: /x cannot be used.",
        "desk declined the folder my music; `yp2p folder offer` offers it again, and with --withdraw takes this line"
        " away.",
    ]


def _transfer(**more: Any) -> dict[str, Any]:
    return {
        "device": "desk", "folder": "notes", "direction": "sending", "path": "film.mkv", "kind": "files", "files": 1,
        "bytes_done": 3 << 20, "bytes_total": 12 << 20, "bytes_per_s": 1 << 20, "seconds_left": 9.2, **more,
    }  # fmt: skip


def test_what_is_on_its_way_is_a_table_while_something_is() -> None:
    texts = _transfer(
        direction="receiving", path="", kind="texts", files=1200, bytes_total=None, seconds_left=None, device="pi"
    )
    status = _status(_folder(_DESK)) | {"transfers": [_transfer(), texts]}
    shown = lines(status)
    start = next(number for number, line in enumerate(shown) if line.startswith("On its way"))
    assert shown[start : start + 3] == [
        "On its way  File         Device                 Done       Rate  Left",
        "sending     film.mkv     desk    3.0 MiB of 12.0 MiB  1.0 MiB/s   9 s",
        "receiving   1,200 texts  pi                  3.0 MiB  1.0 MiB/s",
    ]
    assert "On its way" not in "\n".join(lines(_status(_folder(_DESK))))


def test_files_that_wait_for_another_connection_are_told() -> None:
    status = _status(_folder(_DESK))
    status["device"]["files_wait"] = True
    assert "Files wait: NetworkManager says that this connection is metered" in "\n".join(lines(status))


def test_of_many_files_on_their_way_some_are_shown() -> None:
    status = _status(_folder(_DESK), _folder(label="code")) | {"transfers": [_transfer()] * 12}
    shown = "\n".join(lines(status))
    assert shown.count("notes: film.mkv") == 10
    assert "and 2 more" in shown
