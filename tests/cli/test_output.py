"""What commands print: others' names and lines give a terminal no orders; what cannot be printed is a sentence."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import yp2p.cli
from yp2p.cli.main import COMMANDS, main
from yp2p.printable import printable

# A title, the cursor up, a line end, an 8-bit order, text from right to left, another line end, what cannot be encoded.
HOSTILE = "a\x1b]0;x\x07\x1b[1A\r\nb\x9b2Jc\u202ed\u2028\udcff\x7f"
PLAIN = r"a\x1b]0;x\x07\x1b[1A\r\nb\x9b2Jc\u202ed\u2028\udcff\x7f"
_ORDERS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2028", "\udcff"} - {"\n", "\t"}


def test_what_a_terminal_obeys_or_hides_is_written_out() -> None:
    assert printable(HOSTILE) == PLAIN
    assert printable("été, 日本\u3000語, \u0645\u06cc\u200c\u062e, 👩\u200d👧,\ttab") == (
        "été, 日本\u3000語, \u0645\u06cc\u200c\u062e, 👩\u200d👧,\ttab"
    )


def test_no_command_prints_elsewhere() -> None:
    """Whatever a command prints goes through `output.py`, which makes it plain."""
    ways_out = {
        "click.echo", "click.secho", "click.prompt", "click.confirm", "click.clear", "click.echo_via_pager", "print",
        "sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "os.write",
    }  # fmt: skip
    found: list[str] = []
    for path in sorted(Path(yp2p.cli.__file__).parent.glob("*.py")):
        if path.stem == "output":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in ("click", "sys", "os"):
                found += [f"{path.name} imports {name.name}" for name in node.names]
            if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in ways_out:
                found.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
    assert found == []


def _status() -> dict[str, Any]:
    folder = {
        "id": "FOLDER", "label": HOSTILE, "path": HOSTILE, "state": "idle", "problem": HOSTILE,
        "awaiting_confirmation": True, "rules_waiting": HOSTILE,
        "entries": {"total": 1, "here": 1, "ignored": 1, "places_to_settle": 1},
        "progress": {"files_to_go": 1, "bytes_to_go": 1, "bytes_per_s": 1, "seconds_left": 1},
        "devices": [{"name": HOSTILE, "connected": True, "in_sync": True, "behind": 0}],
        "not_synced": [{"path": HOSTILE, "reason": HOSTILE}], "waiting": [{"path": HOSTILE, "reason": HOSTILE}],
        "is_reader": True, "local_changes": [{"path": HOSTILE, "change": HOSTILE}],
        "conflicts": [HOSTILE], "notices": {HOSTILE: 1},
        "quarantined": [{"path": HOSTILE, "document": "", "device": HOSTILE, "retry_in_s": 1}],
        "presence": [{"device": HOSTILE, "open": [HOSTILE],
                      "files": [{"path": HOSTILE, "name": HOSTILE, "line": 1, "since": 0}]}],
    }  # fmt: skip
    device = {
        "name": HOSTILE,
        "id": "ID",
        "address": HOSTILE,
        "connected": True,
        "last_error": HOSTILE,
        "faults": 1,
        "last_seen": 0,
        "reason": "",
        "paused": False,
        "version": HOSTILE,
    }
    away = device | {"connected": False, "reason": HOSTILE}  # fmt: skip
    own = {"name": HOSTILE, "id": "ID", "missing_addresses": [HOSTILE], "files_wait": True}
    offer = {"label": HOSTILE, "name": HOSTILE, "role": "member", "at": 0, "declined": True, "path": HOSTILE}
    received = [offer | {"decision": decision, "problem": HOSTILE} for decision in ("none", "accept")]
    return {
        "device": own, "devices": [device, away], "folders": [folder], "store": {"problem": "", "damaged": [HOSTILE]},
        "settings": [{"setting": HOSTILE, "problem": HOSTILE}], "offers": {"made": [offer], "received": received},
        "transfers": [
            {"device": HOSTILE, "folder": HOSTILE, "direction": "sending", "path": HOSTILE, "kind": "files", "files": 1,
             "bytes_done": 1, "bytes_total": 2, "bytes_per_s": 1, "seconds_left": 1.0},
        ],
    }  # fmt: skip


_VERSION = {
    "version": 1,
    "at": 0,
    "devices": [HOSTILE],
    "writers": [HOSTILE],
    "added": 1,
    "removed": 1,
    "text": HOSTILE,
}
_DIFF = {"path": HOSTILE, "diff": [f"+{HOSTILE}"], "steps": 1, "removed": False, "revived": True, "note": HOSTILE}
ANSWERS: dict[str, Any] = {
    "/v1/page/open": {"url": HOSTILE, "port": 1, "number": 1, "may_write": True, "expires_in_s": 60.0, "idle_s": 60.0},
    "/v1/page/close": {"closed": True},
    "/v1/status": _status(),
    "/v1/folder/choose": {"label": HOSTILE, "everything": False, "paths": [HOSTILE], "made_here": [HOSTILE],
                          "missing": [HOSTILE], "not_here": 1, "leaving": 1},
    "/v1/share": {"code": HOSTILE, "expires_in_s": 60},
    "/v1/share/withdraw": {"code": HOSTILE, "label": HOSTILE},
    "/v1/join/preview": {"path": HOSTILE, "label": HOSTILE, "name": HOSTILE, "equal": 1, "different": [HOSTILE],
                         "only_here": 1, "only_there": 1, "bytes_to_come": 1, "not_synced": 1, "not_chosen": 1,
                         "bytes_needed": 2, "of_unknown_size": 0, "bytes_free": 1, "no_room": HOSTILE,
                         "impostors": [HOSTILE]},
    "/v1/folder/offer": {"label": HOSTILE, "role": "member", "devices": [{"name": HOSTILE, "connected": False}]},
    "/v1/folder/offer/withdraw": {"label": HOSTILE, "devices": [{"name": HOSTILE}]},
    "/v1/folder/accept": {"label": HOSTILE, "path": HOSTILE, "joined": False, "waits_for": [HOSTILE]},
    "/v1/folder/accept/preview": {"path": HOSTILE, "label": HOSTILE, "name": HOSTILE, "equal": 1,
                                  "different": [HOSTILE], "only_here": 1, "only_there": 1, "bytes_to_come": 1,
                                  "not_synced": 1, "not_chosen": 1, "bytes_needed": 2, "of_unknown_size": 0,
                                  "bytes_free": 1, "no_room": HOSTILE},
    "/v1/folder/decline": {"label": HOSTILE, "devices": [{"name": HOSTILE}]},
    "/v1/devices": [{"name": HOSTILE, "id": "ID", "is_this_device": False, "connected": False, "last_seen": 0,
                     "version": HOSTILE, "address": HOSTILE, "reason": HOSTILE, "paused": False, "known_since": 1,
                     "folders": [{"folder": HOSTILE, "role": "removed", "removed_by": [HOSTILE]},
                                 {"folder": HOSTILE, "role": "void", "let_in_by": HOSTILE},
                                 {"folder": HOSTILE, "role": "member", "let_in_by": HOSTILE, "behind": 7,
                                  "condition": ""}]}],
    "/v1/device/remove/preview": {
        "device": "ID", "name": HOSTILE, "is_this_device": False, "last_seen": None, "connected": False,
        "folders": [HOSTILE], "failed": [{"folder": HOSTILE, "reason": HOSTILE}], "let_in": [HOSTILE], "invites": 1,
        "nowhere_else": [{"folder": HOSTILE, "files": 2, "bytes": 1, "paths": [HOSTILE]}],
    },
    "/v1/device/remove": {
        "name": HOSTILE, "folders": [HOSTILE], "last_seen": None, "let_in": [{"device": "x", "name": HOSTILE}],
        "let_in_removed": False, "invites_revoked": 2, "failed": [], "is_this_device": False, "unheard": [HOSTILE],
    },
    "/v1/check": {
        "findings": [
            {"kind": "damaged-file", "folder": HOSTILE, "path": HOSTILE, "text": HOSTILE, "device": HOSTILE,
             "mended_by": mended_by, "result": result, "repair": repair, "help": HOSTILE}
            for result in ("found", "repaired", "started", "left")
            for mended_by in ("by a person", "of what is here") for repair in ("", HOSTILE)
        ],
        "checked": [{"folder": HOSTILE, "files": 1, "bytes": 1, "texts": 1, "devices": 1}], "restarts": True,
    },
    "/v1/doctor": {"port": 1, "devices": [
        {"name": HOSTILE, "connected": False, "reason": HOSTILE, "paused": False, "in_the_way": True, "check": None},
        {"name": HOSTILE, "connected": True, "last_error": "", "version": HOSTILE, "address": HOSTILE,
         "check": {"ahead_s": 9999, "reached": "refused", "reaches": "no_way", "has_clone": True}},
    ]},
    "/v1/device/readmit": {"device": "ID", "name": HOSTILE, "folders": [HOSTILE], "failed": [], "unheard": [HOSTILE]},
    "/v1/device/role": {"device": "ID", "name": HOSTILE, "folder": HOSTILE, "role": "reader", "unheard": [HOSTILE]},
    "/v1/device/rotate": {"device": "ID", "key": "KEY", "folders": [HOSTILE]},
    "/v1/device/replace": {"name": HOSTILE, "by": HOSTILE, "folders": [HOSTILE], "last_seen": None, "failed": [],
                           "let_in": [{"folder": HOSTILE, "role": "member"}], "unheard": [HOSTILE]},
    "/v1/folder/ignore": {"label": HOSTILE, "here": [HOSTILE], "settings": [HOSTILE]},
    "/v1/folder/usage": {
        "store": {"path": HOSTILE, "bytes": 1},
        "folders": [{
            "label": HOSTILE, "path": HOSTILE, "file_bytes": 1, "history": {"changes": 1, "bytes": 1},
            "not_here": {"files": 1, "bytes": 1},
            "entries": {"texts": 1, "other_files": 1, "symlinks": 1, "empty_directories": 1},
            "trash": {"files": None, "bytes": None, "problem": HOSTILE},
        }],
    },
    "/v1/folder/leave": {
        "label": HOSTILE, "path": HOSTILE, "name": HOSTILE, "devices": [HOSTILE], "connected": [], "told": [],
        "problem": HOSTILE, "only_here": {"files": 1, "bytes": 1}, "trash": {"files": 1, "bytes": 1}, "unknown": 1,
        "deleted": {"files": 1, "bytes": 1, "only_here": {"files": 1, "bytes": 1}},
        "stays": [{"path": HOSTILE, "reason": HOSTILE}],
    },
    "/v1/metrics": f'a{{b="{HOSTILE}"}} 1'.replace("\n", "\\n") + "\n",  # as the library writes it
    "/v1/logs": {"last": 1, "elsewhere": HOSTILE,
                 "lines": [{"at": 0, "level": "info", "event": HOSTILE, "folder": HOSTILE, "exception": HOSTILE}]},
    "/v1/purge": {
        "label": HOSTILE, "path": HOSTILE, "texts": 1, "versions": 2, "trash": {"files": 1, "bytes": 5},
        "copies": [HOSTILE], "kept_trash": [HOSTILE], "temporary": 1, "deleted": 1, "unchanged": [HOSTILE],
        "held": [HOSTILE], "unknown": 1, "set_aside": 1, "kept_stores": [HOSTILE], "devices": [HOSTILE],
        "unerased": HOSTILE, "asked": [1],
    },
    "/v1/purges": {
        "purged": [{"folder": HOSTILE, "path": HOSTILE, "at": 1.0, "device": HOSTILE, "erased": False}],
        "asked": [{"number": 1, "folder": HOSTILE, "device": HOSTILE, "is_own": False, "paths": [HOSTILE], "at": 1.0,
                   "answer": "waits", "done_in_s": 7200.0, "answers": [{"device": HOSTILE, "answer": "done"}],
                   "silent": [HOSTILE]}],
    },
    "/v1/purge/answer": {"number": 1, "folder": HOSTILE, "agreed": True},
    "/v1/limits": {
        "upload": 1, "download": 0, "set_here": True,
        "devices": [{"id": "ID", "name": HOSTILE, "upload": 1, "download": 0, "set_here": True}],
        "metered": {"setting": "pause", "connection": "yes", "files_wait": True},
    },
    "/v1/settings/reload": {"applied": [HOSTILE], "from_a_start": [HOSTILE]},
    "/v1/recovery/make": {"words": HOSTILE, "folder": HOSTILE, "name": HOSTILE, "unheard": [HOSTILE]},
    "/v1/recovery/use": {"folder": HOSTILE, "name": HOSTILE, "unheard": [HOSTILE]},
    "/v1/invite": {"token": HOSTILE, "folder": HOSTILE, "expires_at": 0},
    "/v1/wait": {"in_sync": True, "connected": [HOSTILE], "alone": [HOSTILE]},
    "/v1/history/log": {
        "path": HOSTILE, "kind": "text", "deleted": True, "came_from": HOSTILE,
        "versions": [_VERSION | {"line": {"number": 1, "text": HOSTILE, "removed": True}}],
        "names": [{"path": HOSTILE, "until": 0, "device": HOSTILE}],
    },
    "/v1/history/deleted": [{"at": 0, "path": HOSTILE}],
    "/v1/history/show": {"text": "text\n"},
    "/v1/history/blame": {"lines": [{"device": HOSTILE, "name": HOSTILE, "at": 0, "text": HOSTILE, "merged": []},
                                    {"device": HOSTILE, "name": None, "at": 0, "text": HOSTILE, "merged": [HOSTILE]}]},
    "/v1/read": {"path": HOSTILE, "text": "text\n", "version": "1-0123456789abcdef", "note": HOSTILE},
    "/v1/edit": {"done": False, "files": [{
        "path": HOSTILE, "from": "1-0123456789abcdef", "version": "2-0123456789abcdef", "changed": True,
        "diff": [f"+{HOSTILE}"], "between": {"authors": [{"device": HOSTILE, "name": HOSTILE}], "diff": [HOSTILE]},
        "both": [{"line": 1, "stands": HOSTILE, "yours": HOSTILE, "theirs": HOSTILE}],
        "not_applied": [{"number": 1, "reason": HOSTILE, "text": HOSTILE}], "note": HOSTILE,
    }]},
    "/v1/undo/by": [{"path": HOSTILE, "diff": [f"+{HOSTILE}"], "coarse": True, "note": HOSTILE}],
    "/v1/history/diff": _DIFF, "/v1/history/restore": _DIFF, "/v1/undo": _DIFF, "/v1/redo": _DIFF,
    "/v1/history/restore-directory": {"done": [{"action": "restored", "path": HOSTILE, "reason": HOSTILE}]},
    "/v1/bookmarks": [{"line": 1, "column": 1, "name": HOSTILE}],
    "/v1/revert": {"reverted": [{"path": HOSTILE, "kept": HOSTILE}], "skipped": [{"path": HOSTILE, "reason": HOSTILE}]},
    "/v1/trash": [{"removed_at": "2026-01-01T1000", "bytes": 1, "path": HOSTILE, "item": HOSTILE}],
    "/v1/trash/restore": {"skipped": [{"path": HOSTILE, "reason": HOSTILE}], "restored": []},
    "/v1/notices": [{"number": 1, "at": 0, "path": HOSTILE, "kind": HOSTILE, "text": HOSTILE,
                     "can_be_brought_back": True, "can_be_settled": True}],
    "/v1/conflicts": [
        {"kind": "file", "root": HOSTILE, "path": HOSTILE, "beside": HOSTILE, "this": _VERSION, "other": _VERSION},
        {"kind": "text", "root": HOSTILE, "path": HOSTILE, "line": 1, "number": 1, "reported_by": HOSTILE,
         "this": _VERSION, "other": _VERSION},
    ],
}  # fmt: skip
SHOWN = [
    ("status",), ("status", "--ids"), ("limit",), ("metrics",), ("logs",), ("events",),
    ("share", "."), ("share", ".", "--withdraw"),
    ("join", "--dry-run", "47-K7MX2Q", "."), ("wait",), ("log", "f"), ("log", "--deleted"),
    ("show", "f@1"), ("diff", "f"), ("blame", "f"), ("restore", "f@1"), ("restore", ".", "--at", "1h ago", "--yes"),
    ("undo", "f"), ("undo", "f", "--by", HOSTILE), ("redo", "f"),
    ("read", "f"), ("edit", "f", "--from", "1-0"),
    ("bookmark", "f"), ("who",), ("trash", "list"), ("trash", "restore", "--all"),
    ("notices",), ("conflicts",), ("purge",), ("purge", HOSTILE, "--yes"), ("purge", HOSTILE, "--dry-run"),
    ("purge", "--agree", "1"), ("purge", "--refuse", "1"),
    ("completion", "bash"), ("log", HOSTILE, HOSTILE),
    ("check",), ("check", HOSTILE, "--read", "--peers", "--repair"),
    ("doctor",), ("doctor", HOSTILE), ("folder", "choose", "f"), ("device", "list"), ("device", "show", "ID"),
    ("device", "remove", HOSTILE, "--yes"), ("device", "readmit", HOSTILE),
    ("device", "remove", HOSTILE, "--replaced-by", HOSTILE, "--yes"), ("device", "rotate", "--yes"), ("invite", "."),
    ("open", "--no-browser"), ("open", "--close"), ("recovery", "make"),
    ("recovery", "use"), ("device", "role", HOSTILE, "reader"), ("help", "wait"), ("reload",),
    ("folder", "list"), ("folder", "leave", HOSTILE, "--dry-run"), ("folder", "leave", HOSTILE, "--yes"),
    ("folder", "revert", HOSTILE), ("folder", "ignore", HOSTILE), ("folder", "usage"),
    ("folder", "offer", HOSTILE, HOSTILE), ("folder", "offer", HOSTILE, HOSTILE, "--withdraw"),
    ("folder", "accept", HOSTILE, "."), ("folder", "accept", HOSTILE, ".", "--dry-run"), ("folder", "decline", HOSTILE),
]  # fmt: skip


class _Events(list[dict[str, Any]]):
    """The events of a daemon, which then ends."""

    def __init__(self, _socket: object, _query: object) -> None:
        of = {"label": HOSTILE, "name": HOSTILE, "at": 0}
        super().__init__(
            [
                {**of, "kind": "link", "connected": False, "reason": HOSTILE},
                {**of, "kind": "file", "path": HOSTILE, "was": HOSTILE, "change": HOSTILE, "devices": [HOSTILE]},
                {**of, "kind": "notice", "path": HOSTILE, "text": HOSTILE},
            ]
        )

    def close(self) -> None:
        pass


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command whose daemon gives `ANSWERS`; gives the exit code and what it printed."""
    monkeypatch.setattr("yp2p.control.call.call", lambda _socket, _method, path, *_: ANSWERS[path])
    monkeypatch.setattr("yp2p.cli.events.EventStream", _Events)

    def run_command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["yp2p", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run_command


def test_every_command_that_shows_something_is_tried() -> None:
    # They need a daemon, or tell nothing of others.
    silent = {"up", "daemon", "stop", "identity", "debug", "link", "service", "client", "mcp", "lsp"}
    assert {arguments[0] for arguments in SHOWN} == COMMANDS.keys() - silent


@pytest.mark.parametrize("arguments", SHOWN, ids=lambda arguments: printable(" ".join(arguments)))
def test_names_and_lines_of_others_are_made_plain(
    arguments: tuple[str, ...], run: Callable[..., tuple[int, str, str]], monkeypatch: Any
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\n")))
    _, out, err = run(*arguments)
    assert out + err
    assert not _ORDERS & set(out + err)
    assert "\nb" not in out + err, "a name begins no line"
    assert "Traceback" not in err


def test_json_is_ascii_and_says_the_same(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("status", "--json")
    assert code == 0
    assert out.isascii()
    assert not _ORDERS & set(out)
    assert json.loads(out) == ANSWERS["/v1/status"]


def test_a_version_into_a_pipe_is_exact(run: Callable[..., tuple[int, str, str]], monkeypatch: Any) -> None:
    text = "été\r\n\x1b[1m bold\n"
    monkeypatch.setitem(ANSWERS, "/v1/history/show", {"text": text})
    assert run("show", "f@1") == (0, text, "")
    monkeypatch.setattr("yp2p.cli.output.is_terminal", lambda: True)
    assert run("show", "f@1") == (0, "été\\r\n\\x1b[1m bold\n", "")


def test_what_an_encoding_lacks_is_written_out(run: Callable[..., tuple[int, str, str]], monkeypatch: Any) -> None:
    item = {"removed_at": "2026-01-01T1000", "bytes": 1, "path": "日本", "item": "x"}
    monkeypatch.setitem(ANSWERS, "/v1/trash", [item])
    latin = io.TextIOWrapper(io.BytesIO(), "iso-8859-1")
    monkeypatch.setattr(sys, "stdout", latin)
    assert run("trash", "list")[0] == 0
    assert rb"\u65e5\u672c" in latin.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("show", "f@1"), ("completion", "bash")])
def test_a_full_standard_output_is_a_sentence(
    arguments: tuple[str, ...], run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, _, err = run(*arguments)
    assert code == 1
    sentence = "standard output cannot be written: No space left on device; make room on its disk"
    assert (json.loads(err)["error"] if "--json" in arguments else err) == (
        sentence if "--json" in arguments else f"yp2p: {sentence}\n"
    )


def test_help_on_a_full_standard_output_is_a_sentence() -> None:
    command = [sys.executable, "-c", "from yp2p.cli.main import main; main()", "wait", "--help"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "yp2p: No space left on device; make room on its disk\n"


@pytest.mark.parametrize("where", ["yp2p.cli.group.group.main", "yp2p.control.call.call", "yp2p.cli.output.flush"])
def test_ctrl_c_is_no_fault(where: str, run: Callable[..., tuple[int, str, str]], monkeypatch: Any) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    code, _, err = run("status")
    assert (code, err.strip()) == (130, "")


def test_a_log_on_a_terminal_is_plain() -> None:
    program = (
        "import logging, structlog, sys; from yp2p.config import Log; from yp2p.logs import set_up_logs\n"
        "set_up_logs(Log(format='text')); text = sys.argv[1]\n"
        "structlog.get_logger().warning('folder_paused', folder=text, reason=text)\n"
        "logging.getLogger('zeroconf').warning(text)\n"
        "try: raise ValueError(text)\n"
        "except ValueError: structlog.get_logger().exception('request_failed')"
    )
    done = subprocess.run([sys.executable, "-c", program, HOSTILE], capture_output=True, text=True, check=True)
    assert done.stderr.count(PLAIN) >= 3
    assert not (_ORDERS - {"\x1b"}) & set(done.stderr)
    assert "\x1b]" not in done.stderr


def test_what_libraries_say_is_said_once_a_minute_without_a_traceback() -> None:
    """trio logs a traceback ten times a second while no more files may be open; zeroconf, for packets of anybody."""
    program = (
        "import logging; from yp2p.config import Log; from yp2p.logs import set_up_logs\n"
        "set_up_logs(Log(format='text')); log = logging.getLogger('trio.serve_listeners')\n"
        "for n in range(100):\n"
        "    try: raise OSError(24, 'Too many open files')\n"
        "    except OSError: log.error('accept returned %s', n, exc_info=True)\n"
        "    logging.getLogger('yp2p').error('ours %s', n)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.count("accept returned") == 1
    assert done.stderr.count("ours") == 100
    assert "Traceback" not in done.stderr
