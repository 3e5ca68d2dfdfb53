"""The editor of the page: what is typed in it is in the file and on the other screens, and what it says is so."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import OpenTab
from browser.scene import UNSEEN
from browser.tabs import Tab, script
from kept_files import kept_by_systemd
from lab import Device, devices


def test_what_is_typed_is_in_the_file(laptop: Device, tab: Tab) -> None:
    text = tab.open(laptop).edit(laptop, "plan.md")
    text.press("Control+End")
    text.press_sequentially("cheese 😀\n")
    tab.until("Saved")
    path = laptop.dir / "plan.md"
    tab.eventually(lambda: path.read_text() == "# Plan\n\nmilk\nbread\ncheese 😀\n", "the file having what was typed")


def test_what_is_saved_on_the_disk_is_in_the_editor(laptop: Device, tab: Tab) -> None:
    text = tab.open(laptop).edit(laptop, "plan.md")
    path = laptop.dir / "plan.md"
    path.write_text(path.read_text() + "eggs\n")
    tab.eventually(lambda: "eggs" in text.inner_text(), "the editor having what was saved")


@pytest.mark.smoke
def test_two_tabs_a_second_device_and_an_editor_on_the_disk_have_one_text(
    pair: list[Device], open_tab: OpenTab
) -> None:
    one, two = pair
    first, second, third = open_tab(), open_tab(), open_tab()
    texts = [
        first.open(one).edit(one, "plan.md"),
        second.open(one).edit(one, "plan.md"),
        third.open(two).edit(two, "plan.md"),
    ]
    for number, text in enumerate(texts):
        text.press("Control+Home")
        for _ in range(number):
            text.press("ArrowDown")
        text.press("End")
        text.press_sequentially(f" <{number}>")
    on_disk = two.dir / "plan.md"
    first.eventually(lambda: "<2>" in on_disk.read_text() and "<0>" in on_disk.read_text(), "all of it on the disk")
    on_disk.write_text(on_disk.read_text() + "from the disk\n")

    def all_have_it() -> bool:
        found = [text.inner_text() for text in texts]
        return all("from the disk" in each and f"<{number}>" in each for each in found for number in range(3))

    first.eventually(all_have_it, "all of the screens having all of it")
    for tab in (first, second, third):
        tab.until("Saved")
    first.eventually(lambda: (one.dir / "plan.md").read_bytes() == on_disk.read_bytes(), "both files being the same")
    assert texts[0].inner_text() == texts[1].inner_text() == texts[2].inner_text()


def test_others_are_seen_by_name_and_where_they_are(pair: list[Device], open_tab: OpenTab) -> None:
    one, two = pair
    here, there = open_tab(), open_tab()
    here.open(one).edit(one, "plan.md")
    text = there.open(two).edit(two, "plan.md")
    text.press("Control+Home")
    here.reads("Also here: desktop")
    caret = here.page.locator(".yp-caret-name")
    here.eventually(lambda: caret.all_inner_texts() == ["desktop"], "the caret of the other one")
    before = caret.bounding_box()
    text.press("Control+End")
    here.eventually(lambda: caret.bounding_box() != before, "the caret having moved")
    there.page.close()
    here.eventually(lambda: "Also here" not in here.words(), "the other one having gone")


def test_a_preview_shows_what_markdown_means(laptop: Device, tab: Tab) -> None:
    (laptop.dir / "a.md").write_text("# Title\n\n<script>document.title = 'bad'</script>\n\n* one\n")
    tab.open(laptop).edit(laptop, "a.md")
    tab.press("Preview")
    shown = tab.page.get_by_role("region", name="Preview")
    assert shown.get_by_role("heading").inner_text() == "Title"
    assert shown.get_by_role("listitem").inner_text() == "one"
    assert "<script>" in shown.inner_text()
    assert tab.page.title() != "bad"


def test_who_wrote_which_line(pair: list[Device], open_tab: OpenTab) -> None:
    one, two = pair
    path = two.dir / "plan.md"
    path.write_text(path.read_text() + "by the desktop\n")
    two.wait()
    tab = open_tab()
    text = tab.open(one).edit(one, "plan.md")
    tab.eventually(lambda: "by the desktop" in text.inner_text(), "the line of the other one")
    tab.press("Authors")
    authors = tab.page.locator(".yp-author")
    tab.eventually(
        lambda: [name.strip() for name in authors.all_inner_texts() if name.strip()] == ["laptop", "desktop"],
        "the authors",
    )


@pytest.mark.smoke
def test_what_is_typed_offline_is_counted_and_kept_and_stored_later(laptop: Device, tab: Tab) -> None:
    line = tab.cut_the_line()
    tab.open(laptop).edit(laptop, "plan.md")
    line.cut()
    tab.until("Offline: the device does not answer. Everything is saved")
    tab.typed("abc")
    tab.until("Offline: 3 edits kept in this tab")
    tab.go("devices")  # to another view: it is kept all the same, and said
    tab.reads("plan.md: 3 edits in this tab only.")
    folder = laptop.status()["folders"][0]["id"]
    tab.go("file", folder, "plan.md", "edit")
    tab.until("Offline: 3 edits kept in this tab")
    assert "abc" in tab.text().inner_text()
    assert "abc" not in (laptop.dir / "plan.md").read_text()
    line.mend()
    tab.until("Saved")
    tab.eventually(lambda: "abc" in (laptop.dir / "plan.md").read_text(), "the file having it")


def test_a_tab_goes_on_where_the_daemon_is_started_anew_with_what_was_typed_meanwhile(tmp_path: Path, tab: Tab) -> None:
    tab.expects("Failed to load resource", "WebSocket", "ERR_")
    with kept_by_systemd(tmp_path, "laptop") as systemd:
        laptop = systemd.device
        (laptop.dir / "plan.md").write_text("# Plan\n")
        laptop.call("POST", "/v1/share", {"path": str(laptop.dir), "label": "notes"})
        laptop.wait()
        tab.open(laptop).edit(laptop, "plan.md")
        tab.typed("abc")
        tab.until("Saved")
        systemd.hear()
        for stop, words in ((laptop.stop, "def"), (laptop.kill, "ghi")):
            stop()
            tab.reads("No connection to yp2p")
            tab.until("Offline: the device does not answer. Everything is saved")
            tab.typed(words)
            tab.until("Offline: 3 edits kept in this tab")
            systemd.start()
            tab.until("Saved")
            tab.eventually(lambda: "No connection to yp2p" not in tab.words(), "the page knowing again")
        tab.eventually(lambda: "abcdefghi" in (laptop.dir / "plan.md").read_text(), "the file having it")
        tab.page.reload()
        tab.until("Saved")


_SEEN = """is => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => is });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_tab_that_nobody_sees_has_no_connection_unless_it_has_something_to_store(laptop: Device, tab: Tab) -> None:
    sockets: list[Any] = []
    tab.page.on("websocket", lambda one: sockets.append(one))
    tab.open(laptop).edit(laptop, "plan.md")
    tab.page.evaluate(_SEEN, "hidden")
    tab.eventually(lambda: all(one.is_closed() for one in sockets), "the connection being ended")
    path = laptop.dir / "plan.md"
    path.write_text(path.read_text() + "eggs\n")
    tab.page.evaluate(_SEEN, "visible")
    tab.eventually(lambda: "eggs" in tab.text().inner_text(), "the editor having what came meanwhile")
    tab.until("Saved")
    assert len(sockets) == 2


def test_what_was_typed_in_a_view_that_was_left_is_stored_without_it(laptop: Device, tab: Tab) -> None:
    line = tab.cut_the_line()
    tab.open(laptop).edit(laptop, "plan.md")
    line.cut()
    tab.typed("abc")
    tab.until("Offline: 3 edits kept in this tab")
    tab.go("devices")
    tab.reads("plan.md: 3 edits in this tab only.")
    line.mend()
    tab.eventually(lambda: "abc" in (laptop.dir / "plan.md").read_text(), "the file having it")
    tab.eventually(lambda: "in this tab only" not in tab.words(), "the page saying no more of it")


def test_nothing_is_called_saved_before_the_daemon_has_stored_it(laptop: Device, tab: Tab) -> None:
    tab.open(laptop).edit(laptop, "plan.md")
    os.kill(laptop.pid, signal.SIGSTOP)
    try:
        tab.typed("abc")
        tab.until("Saving 3 edits…")
        tab.page.wait_for_timeout(500)
        assert tab.state() == "Saving 3 edits…"
    finally:
        os.kill(laptop.pid, signal.SIGCONT)
    tab.until("Saved")


def test_a_page_that_was_closed_gives_back_what_is_in_it_alone(laptop: Device, tab: Tab) -> None:
    tab.expects("401", "ERR_", "Failed to load resource")
    line = tab.cut_the_line()
    tab.open(laptop).edit(laptop, "plan.md")
    line.cut()
    tab.typed("abc")
    tab.until("Offline: 3 edits kept in this tab")
    tab.page.evaluate(
        """fetch("/v1/session/end", { method: "POST", body: "{}", headers: {
          "Content-Type": "application/json",
          Authorization: `Bearer ${sessionStorage.getItem("yp2p-token")}`,
        } }).then((answer) => answer.text())"""
    )
    tab.reads("plan.md: 3 edits in this tab only.", "This page is closed")
    tab.page.get_by_text("The whole text, to copy").click()
    assert tab.page.get_by_role("textbox", name="The whole text").input_value().endswith("bread\nabc")
    attempts = line.attempts
    tab.page.wait_for_timeout(6000)
    assert line.attempts == attempts  # nobody asks a page that is closed


def test_a_file_that_is_renamed_is_followed(pair: list[Device], open_tab: OpenTab) -> None:
    one, two = pair
    tab = open_tab()
    tab.open(one).edit(one, "plan.md")
    tab.typed("before ")
    tab.until("Saved")
    two.wait()
    (two.dir / "plan.md").rename(two.dir / "renamed.md")
    tab.reads("This file is called renamed.md now (on desktop).")
    tab.eventually(lambda: "renamed.md" in tab.page.url, "the address being that of the new name")
    tab.until("Saved")
    tab.typed("after")
    tab.until("Saved")
    tab.eventually(lambda: "before after" in (one.dir / "renamed.md").read_text(), "the file having it")
    assert not (one.dir / "plan.md").exists()


def test_a_file_that_is_deleted_is_brought_back_by_what_is_typed(laptop: Device, tab: Tab) -> None:
    tab.open(laptop).edit(laptop, "plan.md")
    (laptop.dir / "plan.md").unlink()
    tab.reads("This file was deleted (on laptop). What you write here brings it back.")
    assert "bread" in tab.text().inner_text()
    tab.typed("cheese")
    tab.until("Saved")
    path = laptop.dir / "plan.md"
    tab.eventually(lambda: path.exists() and path.read_text().endswith("bread\ncheese"), "the file being back")


def test_a_file_that_is_no_text_any_more_leaves_its_text_in_the_tab(laptop: Device, tab: Tab) -> None:
    line = tab.cut_the_line()
    tab.open(laptop).edit(laptop, "plan.md")
    line.cut()
    tab.typed("abc")
    tab.until("Offline: 3 edits kept in this tab")
    (laptop.dir / "plan.md").write_bytes(b"\x00\xff" * 50)
    tab.eventually(lambda: tab.state().startswith("Closed: this file is no text any more"), "the editor saying so")
    line.mend()
    assert tab.state().endswith("3 edits kept in this tab")
    assert "abc" in tab.text().inner_text()
    tab.page.once("dialog", lambda dialog: dialog.accept())
    tab.press("Open what is there now")
    tab.eventually(lambda: tab.state().startswith("Closed:"), "the editor saying that it is no text")
    assert (laptop.dir / "plan.md").read_bytes() == b"\x00\xff" * 50


def test_a_file_that_took_the_name_meanwhile_is_not_written_into(laptop: Device, tab: Tab) -> None:
    line = tab.cut_the_line()
    tab.open(laptop).edit(laptop, "plan.md")
    line.cut()
    tab.typed("abc")
    tab.until("Offline: 3 edits kept in this tab")
    path = laptop.dir / "plan.md"
    path.rename(laptop.dir / "old.md")
    laptop.wait()
    tab.eventually(lambda: "old.md" in tab.page.url, "the renamed file being followed")
    path.write_text("another file\n")
    laptop.wait()
    line.mend()
    tab.until("Saved")
    tab.eventually(lambda: (laptop.dir / "old.md").read_text().endswith("abc"), "its own file having it")
    assert path.read_text() == "another file\n"


def test_where_a_device_only_reads_nothing_can_be_typed(pair: list[Device], open_tab: OpenTab) -> None:
    one, two = pair
    desktop = next(found for found in one.status()["devices"] if found["name"] == "desktop")
    one.call("POST", "/v1/device/role", {"device": desktop["id"], "role": "reader"})
    tab = open_tab()
    tab.eventually(lambda: bool(two.status()["folders"][0]["is_reader"]), "it being a reader")
    tab.open(two).go("file", two.status()["folders"][0]["id"], "plan.md", "edit")
    tab.until("You can only read this text")
    shown = tab.page.locator(".cm-content")
    assert shown.get_attribute("contenteditable") == "false"
    (one.dir / "plan.md").write_text("# Plan\n\nfrom the laptop\n")
    tab.eventually(lambda: "from the laptop" in shown.inner_text(), "it being live")


def test_what_no_file_can_hold_is_given_back_with_the_reason(tmp_path: Path, open_tab: OpenTab) -> None:
    with devices(tmp_path, "small", YP2P_FILES__MAX_TEXT_BYTES="1100") as (one,):
        (one.dir / "a.md").write_text("a" * 1090)
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
        one.wait()
        tab = open_tab()
        text = tab.open(one).edit(one, "a.md")
        text.press("Control+End")
        tab.page.keyboard.insert_text("b" * 50)
        tab.reads("the text would have more than 1100 bytes")
        tab.until("Saved")
        assert text.inner_text() == "a" * 1090
        tab.press("Close this message")
        assert "1100 bytes" not in tab.words()


def test_undo_takes_back_what_was_typed_here_and_nothing_else(laptop: Device, open_tab: OpenTab) -> None:
    here, there = open_tab(), open_tab()
    here.open(laptop).edit(laptop, "plan.md")
    there.open(laptop).edit(laptop, "plan.md")
    here.typed("mine")
    there.eventually(lambda: "mine" in there.text().inner_text(), "what was typed first")
    there.typed("theirs")
    here.eventually(lambda: "minetheirs" in here.text().inner_text(), "both")
    here.text().press("Control+z")
    here.eventually(lambda: there.text().inner_text().endswith("theirs"), "both")
    assert "mine" not in there.text().inner_text()
    here.press("Redo")
    there.eventually(lambda: "mine" in there.text().inner_text(), "what was redone")


def test_line_ends_of_a_file_stay_when_it_is_edited(laptop: Device, tab: Tab) -> None:
    path = laptop.dir / "crlf.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    text = tab.open(laptop).edit(laptop, "crlf.txt")
    text.press("Control+Home")
    text.press("End")
    text.press("Enter")
    text.press_sequentially("between")
    text.press("Control+End")
    text.press("Backspace")
    tab.until("Saved")
    tab.eventually(lambda: path.read_bytes() == b"\xef\xbb\xbfone\r\nbetween\r\ntwo", "the file")


@pytest.mark.parametrize(
    "path", ["with space & ü%.md", "sub/deep #1?.txt", b"no\xffutf8.txt".decode("utf-8", "surrogateescape")]
)
def test_any_name_can_be_edited(laptop: Device, tab: Tab, path: str) -> None:
    file = laptop.dir / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("x\n")
    laptop.wait()
    tab.open(laptop).edit(laptop, path)
    tab.typed("y")
    tab.until("Saved")
    tab.eventually(lambda: file.read_text() == "x\ny", "the file having it")


_NAME = "<img src=x onerror=document.title='bad'>\u202e\x1b[31m" + "x" * 300
_STATES = [
    {"user": {"name": _NAME, "color": "red;} * {display: none"}, "cursor": None},
    {
        "user": {"name": _NAME, "color": "#ff0000"},
        "cursor": {"anchor": {"tname": "other"}, "head": {"tname": "\u202e"}},
    },
    {"user": {"name": {"a": []}, "color": 7}, "cursor": {"anchor": 1, "head": []}},
    {"user": "nobody", "cursor": {"anchor": {"item": {"client": -1, "clock": 1e308}}, "head": {"type": {}}}},
    {"__proto__": {"name": "x"}, "user": {"constructor": 1, "name": ""}, "cursor": "x"},
]


@pytest.mark.parametrize("state", _STATES, ids=range(len(_STATES)))
def test_what_others_say_of_themselves_does_no_harm(laptop: Device, open_tab: OpenTab, state: object) -> None:
    here, other = open_tab(), open_tab()
    here.open(laptop).edit(laptop, "plan.md")
    other.open(laptop)
    other.page.evaluate(script("speaks.js"), [f"{laptop.status()['folders'][0]['id']}/plan.md", json.dumps(state)])
    here.reads("Also here: ")
    shown = here.page.locator(".editor-people").inner_text()
    assert len(shown) < 100
    assert not [character for character in UNSEEN if character in shown]
    assert here.page.title() != "bad"
    assert here.page.locator(".editor-people *:not(bdi)").count() == 0
    here.typed("goes on")
    here.until("Saved")
