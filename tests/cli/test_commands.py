"""Single commands, with a daemon that is made up: what they ask, and what they say."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yp2p.cli.main import main
from yp2p.cli.options import absolute
from yp2p.control.socket import find_control_socket, lock_text, read_lock
from yp2p.errors import UsageError
from yp2p.printable import minutes_text

CODE = "47-K7M-X2Q"
Answers = dict[str, Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the daemon was asked."""
    found: list[tuple[str, Any]] = []
    answers = {
        "/v1/join": {"name": "one", "path": "/d", "label": "d", "impostors": ["10.0.0.9"]},
        "/v1/join/preview": {"name": "one", "path": "/d", "label": "d", "equal": 1, "different": [], "only_here": 0,
                             "only_there": 0, "bytes_to_come": 0, "not_synced": 0, "not_chosen": 0,
                             "bytes_needed": 0, "of_unknown_size": 0, "bytes_free": 1, "no_room": "", "impostors": []},
        "/v1/share": {"code": CODE, "expires_in_s": 900},
    }  # fmt: skip

    def call(_socket: Path, _method: str, path: str, body: Any, _timeout_s: float | None) -> Any:
        found.append((path, body))
        return answers[path]

    monkeypatch.setattr("yp2p.control.call.call", call)
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run_command(*arguments: str, typed: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["yp2p", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run_command


@pytest.mark.parametrize("typed", [f"{CODE}\n", CODE, f"  {CODE}\r\nmore\n"])
def test_join_reads_the_code(typed: str, run: Any, asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    assert run("join", str(tmp_path), typed=typed.encode())[0] == 0
    body = {"code": CODE, "path": str(tmp_path), "timeout_s": None, "at": None, "choose": [], "force": False}
    assert asked == [("/v1/join", body)]


def test_join_still_takes_the_code(run: Any, asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    assert run("join", CODE, str(tmp_path))[0] == 0
    assert asked[-1][1]["code"] == CODE


def test_only_a_person_goes_on_without_room(run: Any, asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    for options, forced in (((), False), (("--force",), True)):
        code, _, err = run("join", CODE, str(tmp_path), "--choose", "docs", "--choose", f"{tmp_path}/x", *options)
        assert (code, err) == (0, "A device at 10.0.0.9 answered to the code as well, and did not know it.\n")
        ((path, body),) = asked
        assert (path, body["force"], body["choose"]) == ("/v1/join", forced, ["docs", f"{tmp_path}/x"])
        asked.clear()


def test_a_dry_run_says_how_to_go_on_with_what_was_chosen(run: Any, asked: list[Any], tmp_path: Path) -> None:
    said = run("join", "--dry-run", CODE, str(tmp_path), "--choose", "docs", "--choose", "my films")[1]
    assert "To go on: yp2p join /d --choose docs --choose 'my films'" in said
    assert "Room: 0 bytes needed" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("d",), "standard input is empty"),
        ((CODE,), "name the directory"),
        (("c", "d", "e"), "quote"),
        (("yp2p-" + "a" * 88,), "name the directory"),
    ],
)
def test_join_says_what_is_missing(arguments: tuple[str, ...], word: str, run: Any, asked: list[Any]) -> None:
    code, _, err = run("join", *arguments)
    assert (code, asked) == (2, [])
    assert word in err


def test_what_was_removed_is_said_where_the_next_one_cannot_be(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(_socket: Path, _method: str, _path: str, body: Any, _timeout_s: float | None) -> Any:
        if body["device"] != "laptop":
            raise UsageError(f"no device is called {body['device']!r}")
        return {
            "name": "laptop", "folders": ["notes"], "last_seen": None, "let_in": [], "let_in_removed": False,
            "invites_revoked": 0, "failed": [], "is_this_device": False,
        }  # fmt: skip

    monkeypatch.setattr("yp2p.control.call.call", call)
    code, out, err = run("device", "remove", "laptop", "laptop", "phone", "--yes")
    assert (code, out.count("laptop is out of notes")) == (2, 1)
    assert "no device is called 'phone'" in err
    code, out, _ = run("device", "remove", "laptop", "phone", "--yes", "--json")
    assert (code, [one["name"] for one in json.loads(out)]) == (2, ["laptop"])


def test_who_is_in_again_is_said_where_the_next_one_cannot_be(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(_socket: Path, _method: str, _path: str, body: Any, _timeout_s: float | None) -> Any:
        if body["device"] == "phone":
            raise UsageError("no single device 'phone' was let in by a removed one")
        failed = [{"folder": "photos", "reason": "only an administrator can do that"}] if body["device"] == "pi" else []
        return {"device": "ID", "name": body["device"], "folders": ["notes", "films"], "failed": failed}

    monkeypatch.setattr("yp2p.control.call.call", call)
    code, out, err = run("device", "readmit", "friend", "phone")
    assert (code, out) == (2, "friend is in again: notes, films.\n")
    assert "'phone'" in err
    code, out, _ = run("device", "readmit", "friend", "phone", "--json")
    assert (code, [one["name"] for one in json.loads(out)]) == (2, ["friend"])
    code, out, err = run("device", "readmit", "pi", "friend")
    assert (code, out) == (8, "pi is in again: notes, films.\nfriend is in again: notes, films.\n")
    assert "pi in photos: only an administrator can do that" in err


@pytest.mark.parametrize(
    ("folder", "state", "said"),
    [
        (
            {"role": "void", "let_in_by": "laptop"},
            "not in",
            "not in; laptop had let it in, and may let nobody in any more",
        ),
        ({"role": "removed", "removed_by": ["laptop", "pi"]}, "removed", "removed by laptop, pi"),
        ({"role": "removed", "removed_by": []}, "left", "left by itself"),
    ],
)
def test_why_a_device_is_out_is_said(
    folder: dict[str, Any], state: str, said: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = {
        "name": "friend", "id": "ID", "is_this_device": False, "connected": False, "last_seen": None, "version": "",
        "address": None, "reason": "", "paused": False, "known_since": None, "folders": [{"folder": "notes", **folder}],
    }  # fmt: skip
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: [device])
    for words in (("list",), ("show", "friend")):
        assert said in run("device", *words)[1]
    assert f"friend  ({state})" in run("device", "show", "friend")[1]


def test_a_join_says_that_nobody_could_tell_whether_there_is_room(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"name": "one", "path": "/d", "label": "d", "impostors": [], "room_unknown": "it is too large"}
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    code, _, err = run("join", CODE, str(tmp_path))
    assert (code, err) == (0, "Whether there is room for the files could not be told before: it is too large.\n")


def test_where_there_is_no_room_a_dry_run_offers_what_works(
    run: Any, asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {
        "name": "one", "path": "/my d", "label": "d", "equal": 0, "different": [], "only_here": 0, "only_there": 1,
        "bytes_to_come": 2, "not_synced": 0, "not_chosen": 0, "bytes_needed": 2, "of_unknown_size": 0, "bytes_free": 1,
        "no_room": "too little", "impostors": [],
    }  # fmt: skip
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    said = run("join", "--dry-run", CODE, str(tmp_path))[1]
    assert said.endswith("To go on all the same: yp2p join '/my d' --force\n")
    answer |= {"no_room": "", "bytes_free": None}
    said = run("join", "--dry-run", CODE, str(tmp_path))[1]
    assert said.endswith("To go on: yp2p join '/my d'\n")
    assert "Room: 2 bytes needed, how much is free is not known there." in said
    answer |= {"of_unknown_size": 1}
    said = run("join", "--dry-run", CODE, str(tmp_path))[1]
    assert "1 only there: they come here, at least 2 bytes" in said
    assert "Room: at least 2 bytes needed" in said


def test_who_takes_a_code_back_gives_no_role(run: Any, asked: list[Any], tmp_path: Path) -> None:
    code, _, err = run("share", str(tmp_path), "--withdraw", "--role", "reader")
    assert (code, asked) == (2, [])
    assert "leave out --role" in err
    assert run("share", str(tmp_path))[0] == 0
    assert asked[-1][1]["role"] == "admin"


@pytest.mark.parametrize(("steps", "said"), [(1, "There was only 1 change to take."), (2, "were only 2 changes to")])
def test_fewer_steps_than_asked_for_are_counted(
    steps: int, said: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"path": "f", "diff": [], "steps": steps, "removed": False, "revived": False}
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    assert said in run("undo", str(tmp_path / "f"), "--steps", "5")[1]


@pytest.mark.parametrize(("seconds", "said"), [(20.0, "1 minute"), (80.0, "1 minute"), (900.0, "15 minutes")])
def test_minutes_are_counted(seconds: float, said: str) -> None:
    assert minutes_text(seconds) == said


def _preview(**changed: Any) -> dict[str, Any]:
    return {
        "device": "7PRVK6P-XYZ", "name": "laptop", "is_this_device": False, "last_seen": 86_400.0, "connected": False,
        "folders": ["films", "notes"], "failed": [], "nowhere_else": [], "let_in": [], "invites": 0, **changed,
    }  # fmt: skip


def test_what_follows_is_said_before_a_device_is_removed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = _preview(
        nowhere_else=[{"folder": "films", "files": 3, "bytes": 5 << 20, "paths": ["a.mkv", "b.mkv"]}],
        let_in=["pi", "tv"], invites=2, failed=[{"folder": "dir2", "reason": "only an administrator of it may"}],
    )  # fmt: skip

    def call(_socket: Path, _method: str, path: str, body: Any, _timeout_s: float | None) -> Any:
        assert (path, body["device"]) == ("/v1/device/remove/preview", "7prvk6p"), "nothing is removed yet"
        return answer

    monkeypatch.setattr("yp2p.control.call.call", call)
    code, _, err = run("device", "remove", "7prvk6p")
    assert code == 2
    assert "laptop (7PRVK6P) goes out of films, notes; last seen: 1970-01-0" in err
    assert "Not out of dir2: only an administrator of it may." in err
    assert "They stay, unless you say so, whom nobody but laptop has let in: pi, tv." in err
    assert "2 invites that this device made" in err
    assert "maybe only on laptop: 3 files (5.0 MiB), a.mkv, b.mkv and more." in err
    assert "Remove laptop?" in err
    assert "with --yes" in err, "standard input has ended"
    assert "They go out as well" in run("device", "remove", "7prvk6p", "--with-those-it-let-in")[2]


def test_of_a_device_that_removes_itself_nothing_is_said_that_is_of_others(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = _preview(name="own", is_this_device=True, last_seen=None)
    answer |= {"let_in_removed": False, "invites_revoked": 0}
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    code, out, err = run("device", "remove", "own", typed=b"y\n")
    assert (code, out.startswith("This device is out of films, notes. Its files stay here")) == (0, True)
    assert "own (this device) goes out of films, notes.\n" in err
    assert "never" not in out + err


def test_where_a_device_could_not_be_removed_is_said_and_is_an_error(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = _preview(failed=[{"folder": "dir2", "reason": "only an administrator of it may; those are 'pi'"}])
    answer |= {"let_in_removed": False, "invites_revoked": 0}
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    code, out, err = run("device", "remove", "laptop", "--yes")
    assert code == 8
    assert "laptop is out of films, notes." in out
    assert "not from 'dir2': only an administrator of it may; those are 'pi'" in err
    code, out, _ = run("device", "remove", "laptop", "--yes", "--json")
    assert (code, json.loads(out)[0]["failed"][0]["folder"]) == (8, "dir2")


def test_no_advice_puts_the_code_on_a_command_line(
    run: Any, asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other users of the machine can read command lines, and be the first to join."""
    from yp2p.cli import up

    monkeypatch.setattr("yp2p.cli.share.is_terminal", lambda **_: True)
    said = [run("share", str(tmp_path))[2], run("join", "--dry-run", CODE, str(tmp_path))[1], run("--help")[1]]
    shown: list[str] = []
    monkeypatch.setattr(up, "say", lambda *lines: shown.extend(lines))
    up._explain({"path": "/d", "label": "d", "devices": 0, "expires_in_s": 900, "code": CODE, "locked": False}, "")
    readme = Path(__file__).resolve().parents[2].joinpath("README.md").read_text()
    for text in (*said, "\n".join(shown), readme):
        assert "yp2p join " in text
        assert "join 47" not in text
        assert "join CODE" not in text


def test_a_home_that_no_shell_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert absolute("~/notes") == str(tmp_path / "notes")
    (tmp_path / "~").mkdir()
    (tmp_path / "~/notes").mkdir()
    assert absolute("~/notes") == str(tmp_path / "~/notes"), "a directory that is really called so"


def test_the_lock_names_the_socket(tmp_path: Path) -> None:
    """A daemon that systemd started has another environment than cron, or a shell after `su`."""
    state, runtime = tmp_path / "state/yp2p", tmp_path / "run/yp2p"
    environment = {"XDG_STATE_HOME": str(state.parent)}
    for directory in (state, runtime):
        directory.mkdir(parents=True)
    assert find_control_socket(environment) == state / "control.sock"
    (state / "lock").write_bytes(lock_text(runtime / "control.sock"))
    assert find_control_socket(environment) == state / "control.sock", "nothing is there"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(runtime / "control.sock"))
        for found in (environment, environment | {"XDG_RUNTIME_DIR": str(tmp_path / "other")}):
            assert find_control_socket(found) == runtime / "control.sock"
    assert read_lock(state / "lock") == (str(os.getpid()), runtime / "control.sock")


@pytest.mark.parametrize("content", [b"", b"12\n", b"\xff\xfe", b"1\nrelative\n", b"1\n/cut off"])
def test_a_lock_that_names_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(content)
    assert read_lock(tmp_path / "lock")[1] is None
    assert find_control_socket({"YP2P_HOME": str(tmp_path)}) == tmp_path / "control.sock"


@pytest.mark.parametrize(("told", "said"), [(["pi"], "pi knows that."), (["pi", "pc"], "pi, pc know that.")])
def test_whoever_heard_that_a_device_left_knows_it(
    told: list[str], said: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {
        "label": "d", "path": str(tmp_path), "name": "own", "devices": told, "told": told, "problem": "",
        "deleted": None, "unknown": 0, "stays": [],
    }  # fmt: skip
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    assert said in run("folder", "leave", str(tmp_path), "--yes")[1]
