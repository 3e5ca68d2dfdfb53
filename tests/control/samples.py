"""Answers of real daemons to every request of the local API, and events of every kind: samples for docs/api.md.

    PYTHONPATH=.:tests python -m control.samples

writes `samples.json` beside this file anew (half a minute). A test asks again and compares what the answers are made
of. What the few seconds of this story do not bring about is stated below, by hand.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Device, devices, eventually

from yp2p.control.call import EventStream

FILE = Path(__file__).with_name("samples.json")

# Stated by hand: what needs more devices, or more time.
STATED: dict[str, dict[str, Any]] = {
    "POST /v1/conflicts/merge": {
        "body": {"path": "/home/me/notes/plan.md", "before": "one\ntwo\n", "text": "one\ntwo, of both\n"},
        "answer": {
            "path": "plan.md",
            "settled": 1,
            "changed": True,
            "is_edit": True,
            "trash": [],
            "stands": ["plan.md"],
            "root": "/home/me/notes",
        },
    },
    "POST /v1/device/readmit": {
        "body": {"device": "pi", "folder": "notes"},
        "answer": {"device": "pi", "name": "pi", "folders": ["notes"], "failed": [], "unheard": []},
    },
}
STATED_EVENTS: dict[str, dict[str, Any]] = {
    "lost": {"kind": "lost", "missed": 1234, "id": 1790000000001234, "at": 1790000000.5},
}


class Story:
    """What was asked, and what came."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}

    def ask(self, device: Device, request: str, body: Any = None) -> Any:
        """A request like `POST /v1/share`; the first answer to each is kept."""
        method, path = request.split(" ")
        answer = device.call(method, path, body)
        self.answers.setdefault(request, {"body": body, "answer": answer})
        return answer

    @contextmanager
    def following(self, device: Device, *kinds: str) -> Iterator[None]:
        """Keep the last event of each kind meanwhile."""
        stream = EventStream(device.home / "control.sock", [("kind", kind) for kind in kinds])

        def read() -> None:
            for event in stream:
                if not kinds or event["kind"] in kinds:
                    self.events[event["kind"]] = event

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            stream.interrupt()
            thread.join(5)
            stream.close()

    def until(self, device: Device, request: str, body: Any, is_so: Callable[[Any], bool]) -> Any:
        """Ask until the answer is so, and keep that one."""
        method, path = request.split(" ")
        eventually(lambda: is_so(device.call(method, path, body)), what=request)
        return self.ask(device, request, body)


def tell(base: Path) -> Story:
    """Three devices, `laptop`, `desktop` and `pi`, and everything that can be asked of them."""
    story = Story()
    (base / "index.html").write_text("<!doctype html>")
    settings = {"YP2P_PAGE__DIRECTORY": str(base)}
    with devices(base, "laptop", "desktop", "pi", **settings) as (laptop, desktop, pi), story.following(laptop):
        _meet(story, laptop, desktop)
        before = _edit(story, laptop, desktop)
        _settle(story, laptop, desktop)
        _look_back(story, laptop, before)
        _delete(story, laptop, desktop)
        _change_folders(story, laptop, desktop)
        _offer(story, laptop, desktop)
        _change_devices(story, laptop, desktop, pi)
        _only_read(story, laptop, desktop)
        _open(story, laptop)
        _end(story, laptop, desktop, pi)
    return story


def _meet(story: Story, laptop: Device, desktop: Device) -> None:
    for name, text in {"todo.md": "milk\nbread\nrice\n", "plan.md": "one\ntwo\nthree\n"}.items():
        (laptop.dir / name).write_text(text)
    (laptop.dir / ".yp2pignore").write_text("*.tmp\n")
    (laptop.dir / "photo.jpg").write_bytes(bytes(range(256)) * 4096)
    code = story.ask(laptop, "POST /v1/share", {"path": str(laptop.dir), "label": "notes"})["code"]
    wanted = {"code": code, "path": str(desktop.dir)}
    story.ask(desktop, "POST /v1/join/preview", wanted)
    story.ask(desktop, "POST /v1/join", wanted)
    laptop.wait()
    desktop.wait()
    story.ask(laptop, "POST /v1/wait", {"timeout_s": 30.0})


def _edit(story: Story, laptop: Device, desktop: Device) -> float:
    """Edit one file on both; gives the moment between the two edits."""
    (desktop.dir / "todo.md").write_text("milk\nbread\nrice\nbeans, of which there were none\n")
    eventually(lambda: "beans" in (laptop.dir / "todo.md").read_text())
    laptop.wait()
    (laptop.dir / "todo.md").read_text()  # for certain: what was read above may have been read while it was put there
    between = time.time()
    (laptop.dir / "todo.md").write_text("milk\nbread and butter\nrice\n")
    eventually(lambda: "beans" not in (desktop.dir / "todo.md").read_text())
    laptop.wait()
    return between


def _settle(story: Story, laptop: Device, desktop: Device) -> None:
    """Both change one line apart."""
    desktop.stop()
    (laptop.dir / "plan.md").write_text("one\ntwo, of the laptop\nthree\n")
    eventually(
        lambda: "laptop" in laptop.call("POST", "/v1/history/show", {"path": str(laptop.dir / "plan.md")})["text"]
    )
    (desktop.dir / "plan.md").write_text("one\ntwo, of the desktop\nthree\n")
    desktop.start()
    plan = {"path": str(laptop.dir / "plan.md")}
    eventually(lambda: bool(laptop.call("POST", "/v1/conflicts", {"folder": "notes"})))
    laptop.wait()
    desktop.wait()
    story.ask(laptop, "POST /v1/conflicts", {"folder": "notes"})
    story.ask(laptop, "POST /v1/conflicts/marked", plan)
    story.ask(laptop, "GET /v1/notices")
    story.ask(laptop, "POST /v1/conflicts/resolve", plan | {"keep": "both"})
    desktop.wait()


def _look_back(story: Story, laptop: Device, before: float) -> None:
    todo = {"path": str(laptop.dir / "todo.md")}
    first = {"version": story.ask(laptop, "POST /v1/history/log", todo)["versions"][0]["version"]}
    story.ask(laptop, "POST /v1/history/show", todo | {"when": first})
    story.ask(laptop, "POST /v1/history/diff", todo | {"one": first})
    story.ask(laptop, "POST /v1/history/blame", todo)
    version = story.ask(laptop, "POST /v1/read", todo | {"name": "agent"})["version"]
    block = {"search": "milk\n", "replace": "two bottles of milk\n"}
    edit = todo | {"version": version, "blocks": [block]}
    story.ask(laptop, "POST /v1/edit", {"edits": [edit], "name": "agent"})
    story.ask(laptop, "POST /v1/undo/by", todo | {"name": "agent"})
    story.ask(laptop, "POST /v1/files", {"folder": "notes", "glob": "*.md"})
    story.ask(laptop, "POST /v1/files/search", {"folder": "notes", "text": "milk"})
    story.ask(laptop, "POST /v1/history/authors", todo | {"clients": [12345]})
    story.ask(laptop, "POST /v1/undo", todo)
    story.ask(laptop, "POST /v1/redo", todo)
    story.ask(laptop, "POST /v1/bookmarks/set", todo | {"name": "here", "place": {"line": 2}})
    story.ask(laptop, "POST /v1/bookmarks", todo)
    story.ask(laptop, "POST /v1/history/restore", todo | {"when": first})
    directory = {"path": str(laptop.dir), "at": before, "dry_run": True}
    story.ask(laptop, "POST /v1/history/restore-directory", directory)
    number = next(one["number"] for one in laptop.call("GET", "/v1/notices") if one["can_be_brought_back"])
    story.ask(laptop, "POST /v1/notices/restore", {"number": number})
    story.ask(laptop, "GET /v1/status")
    story.ask(laptop, "GET /v1/devices")
    story.ask(laptop, "GET /v1/limits")
    story.ask(laptop, "POST /v1/limits/set", {"device": "desktop", "upload": 2_000_000})
    story.ask(laptop, "POST /v1/limits/set", {"device": "desktop", "reset": True})
    story.ask(laptop, "POST /v1/doctor", {"device": "desktop"})
    by_hand = laptop.dir / ".yp2p/trash/by-hand.txt"
    by_hand.write_text("put here by hand\n")
    story.ask(laptop, "POST /v1/check", {"folder": "notes", "read": True, "repair": False})
    by_hand.unlink()
    story.ask(laptop, "POST /v1/folder/usage", {"folder": "notes"})


def _delete(story: Story, laptop: Device, desktop: Device) -> None:
    (laptop.dir / "old.md").write_text("what nobody needs\n")
    laptop.wait()
    (desktop.dir / "photo.jpg").unlink()
    (desktop.dir / "old.md").unlink()
    story.until(laptop, "POST /v1/trash", {"folder": "notes"}, bool)
    story.until(laptop, "POST /v1/history/deleted", {"folder": "notes"}, bool)
    story.ask(laptop, "POST /v1/trash/restore", {"folder": "notes", "names": ["photo.jpg"]})
    story.ask(laptop, "POST /v1/trash/empty", {"folder": "notes"})
    for decision in ("confirm", "restore"):  # of a mass deletion
        for number in range(80):
            (laptop.dir / f"{decision}-{number}.txt").write_text(f"{decision} {number}\n")
        laptop.wait()
        desktop.wait()
        for number in range(80):
            (desktop.dir / f"{decision}-{number}.txt").unlink()
        eventually(lambda: any(one.status()["folders"][0]["awaiting_confirmation"] for one in (laptop, desktop)))
        both = (laptop, desktop)  # where it began, and where it comes then, maybe in several parts
        while not all(one.call("POST", "/v1/wait", {"timeout_s": 1.0})["in_sync"] for one in both):
            for one in both:
                if one.status()["folders"][0]["awaiting_confirmation"]:
                    story.ask(one, f"POST /v1/folder/{decision}", {"folder": "notes"})


def _change_folders(story: Story, laptop: Device, desktop: Device) -> None:
    story.ask(laptop, "POST /v1/folder/names", {"folder": "notes"})
    story.ask(laptop, "POST /v1/folder/files", {"folder": "notes", "search": "md", "limit": 2})
    story.ask(laptop, "POST /v1/folder/choose", {"folder": "notes"})
    story.ask(laptop, "POST /v1/folder/ignore", {"folder": "notes", "add": ["*.iso"]})
    story.ask(laptop, "POST /v1/folder/place", {"path": str(laptop.dir.with_name("papers"))})
    story.ask(laptop, "POST /v1/folder/pause", {"folder": "notes"})
    story.ask(laptop, "POST /v1/folder/unpause", {"folder": "notes"})
    moved = laptop.dir.with_name("moved")
    story.ask(laptop, "POST /v1/folder/move", {"folder": "notes", "path": str(moved)})
    laptop.call("POST", "/v1/folder/move", {"folder": "notes", "path": str(laptop.dir)})
    desktop.call("POST", "/v1/folder/rename", {"folder": str(desktop.dir), "label": "notes of mine"})
    story.ask(desktop, "POST /v1/folder/rename", {"folder": "notes of mine", "label": "notes"})
    laptop.wait()
    (laptop.dir / ".yp2pignore").write_text("")
    eventually(lambda: bool(desktop.status()["folders"][0]["rules_waiting"]))
    story.ask(desktop, "POST /v1/agree", {"folder": "notes"})


def _offer(story: Story, laptop: Device, desktop: Device) -> None:
    with story.following(desktop, "offer"):
        _make_offers(story, laptop, desktop)
        eventually(lambda: "offer" in story.events)  # not of one that came and went within a moment
    _answer_offers(story, laptop, desktop)


def _make_offers(story: Story, laptop: Device, desktop: Device) -> None:
    for name in ("music", "films"):
        (laptop.dir.with_name(name)).mkdir()
        laptop.call("POST", "/v1/share", {"path": str(laptop.dir.with_name(name)), "label": name, "page": True})
        story.ask(laptop, "POST /v1/folder/offer", {"folder": name, "devices": ["desktop"], "role": "member"})
        eventually(lambda name=name: name in [one["label"] for one in desktop.status()["offers"]["received"]])


def _answer_offers(story: Story, laptop: Device, desktop: Device) -> None:
    place = desktop.dir.with_name("music")
    place.mkdir()
    story.ask(desktop, "POST /v1/folder/accept/preview", {"name": "music", "path": str(place)})
    story.ask(desktop, "POST /v1/folder/accept", {"name": "music", "path": str(place)})
    story.ask(desktop, "POST /v1/folder/decline", {"name": "films"})
    story.ask(laptop, "POST /v1/folder/offer/withdraw", {"folder": "films", "devices": ["desktop"]})
    story.ask(desktop, "POST /v1/folder/leave", {"folder": "music"})


def _change_devices(story: Story, laptop: Device, desktop: Device, pi: Device) -> None:
    story.ask(laptop, "POST /v1/device/rename", {"device": "desktop", "name": "tower"})
    laptop.call("POST", "/v1/device/rename", {"device": "tower", "name": ""})
    story.ask(laptop, "POST /v1/device/pause", {"device": "desktop"})
    story.ask(laptop, "POST /v1/device/unpause", {"device": "desktop"})
    laptop.call("POST", "/v1/share", {"path": str(laptop.dir)})
    story.ask(laptop, "POST /v1/share/withdraw", {"path": str(laptop.dir)})
    token = story.ask(laptop, "POST /v1/invite", {"folder": "notes", "role": "member"})["token"]
    pi.call(
        "POST", "/v1/join", {"code": token, "path": str(pi.dir), "at": f"127.0.0.1:{laptop.status()['device']['port']}"}
    )
    story.ask(laptop, "POST /v1/invite/revoke", {})
    story.ask(laptop, "POST /v1/device/remove/preview", {"device": "pi", "folder": "notes"})
    story.ask(laptop, "POST /v1/device/remove", {"device": "pi", "folder": "notes"})


def _only_read(story: Story, laptop: Device, desktop: Device) -> None:
    words = story.ask(laptop, "POST /v1/recovery/make", {"folder": "notes"})["words"]
    story.ask(laptop, "POST /v1/device/role", {"device": "desktop", "folder": "notes", "role": "reader"})
    eventually(lambda: bool(desktop.status()["folders"][0]["is_reader"]))
    (desktop.dir / "todo.md").write_text("what only stands here\n")
    eventually(lambda: bool(desktop.status()["folders"][0]["local_changes"]))
    story.ask(desktop, "POST /v1/revert", {"folder": "notes"})
    story.ask(desktop, "POST /v1/recovery/use", {"words": words, "folder": "notes"})


def _open(story: Story, laptop: Device) -> None:
    """The page, whose files these daemons have in a directory of their own."""
    opened = story.ask(laptop, "POST /v1/page/open", {})
    story.ask(laptop, "POST /v1/page/used", {"number": opened["number"], "wait_s": 0.0})
    story.ask(laptop, "POST /v1/page/close", {})


def _end(story: Story, laptop: Device, desktop: Device, pi: Device) -> None:
    story.ask(laptop, "POST /v1/purge", {"path": str(laptop.dir / "plan.md"), "with_file": True})
    eventually(lambda: bool(desktop.call("GET", "/v1/purges")["asked"]))
    (asked,) = desktop.call("GET", "/v1/purges")["asked"]
    story.ask(desktop, "POST /v1/purge/answer", {"number": asked["number"], "agree": True})
    eventually(lambda: not laptop.call("GET", "/v1/purges")["asked"][0]["silent"])
    story.ask(laptop, "GET /v1/purges")
    key = pi.status()["device"]["key"]
    story.ask(laptop, "POST /v1/device/replace", {"device": "desktop", "by": key, "folder": "notes"})
    story.ask(laptop, "POST /v1/logs", {"lines": 2})
    story.ask(laptop, "GET /v1/metrics")
    story.ask(laptop, "GET /v1/settings")
    story.ask(laptop, "POST /v1/settings/reload", {})
    story.ask(pi, "POST /v1/device/rotate", {})
    story.ask(desktop, "POST /v1/stop", {})
    laptop.call("POST", "/v1/stop", {})
    eventually(lambda: "stopping" in story.events.get("daemon", {}).values())


# --- making it fit to print ------------------------------------------------------------------------------------------

_PLACES = re.compile(r"/[^\"]*?/(laptop|desktop|pi)/(dir|moved|music|films|papers|home|log)")
_AT_HOME = {"dir": "notes", "moved": "Documents/notes", "home": ".local/state/yp2p", "log": "yp2p.log"}


def printable(story: Story, base: Path) -> dict[str, Any]:
    """The samples, with places of a home in the place of those of this machine, which are below `base`."""
    found = {"answers": dict(sorted(story.answers.items())), "events": dict(sorted(story.events.items()))}
    text = json.dumps(found, indent=1)
    text = _PLACES.sub(lambda place: f"/home/me/{_AT_HOME.get(place[2], place[2])}", text)
    return dict(json.loads(text.replace(str(base), "/home/me")))


def difference(sample: Any, fresh: Any, free: Sequence[str] = (), where: str = "") -> str:
    """Where and how the two are not made of the same: the fields of objects, and what is in them, as far as it is there
    in both; empty where they are.

    Args:
        free: how the ways end to what may be anything.
        where: the way to what is compared.
    """
    if sample is None or fresh is None or where.endswith(tuple(free)):
        return ""
    if isinstance(sample, dict) and isinstance(fresh, dict):
        if odd := sample.keys() ^ fresh.keys():
            return f"{where}: {sorted(odd)} in only one of both"
        parts = [difference(sample[name], fresh[name], free, f"{where}.{name}") for name in sample]
        return next(filter(None, parts), "")
    if isinstance(sample, list) and isinstance(fresh, list):
        return difference(sample[0], fresh[0], free, f"{where}[0]") if sample and fresh else ""
    if isinstance(sample, int | float) and isinstance(fresh, int | float):
        are_alike = isinstance(sample, bool) == isinstance(fresh, bool)
    else:
        are_alike = type(sample) is type(fresh)
    return "" if are_alike else f"{where}: {sample!r} and {fresh!r}"


def main() -> None:
    base = Path(tempfile.mkdtemp())
    try:
        FILE.write_text(json.dumps(printable(tell(base), base), indent=1) + "\n")
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(main())
