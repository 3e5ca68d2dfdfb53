"""What people come to the page for, from the first click to the disk of the other device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import OpenTab
from browser.tabs import Tab
from lab import Device, devices


def _read(device: Device, path: str) -> str:
    file = device.dir / path
    return file.read_text() if file.exists() else ""


def _folder(device: Device) -> str:
    return str(device.status()["folders"][0]["id"])


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[list[Device]]:
    """Two devices that know nothing of each other."""
    with devices(tmp_path, "laptop", "desktop") as found:
        (found[0].dir / "plan.md").write_text("# Plan\n\nmilk\nbread\n")
        yield found


@pytest.mark.smoke
def test_pairing_two_devices_with_a_page_on_each(strangers: list[Device], open_tab: OpenTab) -> None:
    one, two = strangers
    here, there = open_tab(), open_tab()
    here.open(one).reads("Nothing is shared yet.")
    here.press("Share a folder")
    here.page.get_by_label("Directory on this device").fill(str(one.dir))
    here.page.get_by_label("What to call it").fill("notes")
    here.press("Share it")
    here.press("Show a code")
    here.reads("The code that lets in one device as admin is")
    assert here.page.get_by_role("radio", name="reader").is_disabled()  # the code would not follow
    code = here.page.locator(".code").inner_text()
    there.open(two).press("Join another’s folder")
    there.page.get_by_label("The code that the other device shows").fill(code)
    there.page.get_by_label("Directory on this device").fill(str(two.dir))
    there.press("See what would happen")
    there.reads("notes", "laptop", "1 file (")
    assert _read(two, "plan.md") == ""
    there.press("Join")
    here.reads("desktop has joined")
    assert here.page.get_by_role("radio", name="reader").is_enabled()
    there.eventually(lambda: _read(two, "plan.md") == _read(one, "plan.md"), "the file having come")
    for tab in (here, there):
        tab.go()
        tab.reads("In sync: all folders are the same on all devices.")
        assert tab.mood() == "good"


def test_a_wrong_code_is_told_on_both_pages(strangers: list[Device], open_tab: OpenTab) -> None:
    one, two = strangers
    one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
    here, there = open_tab(), open_tab()
    here.open(one).go("folder", _folder(one), "add")
    here.press("Show a code")
    code = here.page.locator(".code").inner_text()
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    there.open(two).go("join")
    there.expects("Failed to load resource")
    there.page.get_by_label("The code that the other device shows").fill(wrong)
    there.page.get_by_label("Directory on this device").fill(str(two.dir))
    there.press("See what would happen")
    there.page.get_by_role("alert").filter(has_text=re.compile("code", re.IGNORECASE)).first.wait_for()
    assert two.status()["folders"] == []


def test_what_cannot_be_looked_at_is_joined_all_the_same(strangers: list[Device], open_tab: OpenTab) -> None:
    one, two = strangers
    code = one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})["code"]
    there = open_tab()
    there.open(two).go("join")
    there.expects("Failed to load resource")
    reason = json.dumps({"error": "'notes' has too many entries; join without looking", "exit_code": 9})
    there.page.route("**/v1/join/preview", lambda route: route.fulfill(status=409, body=reason))
    there.page.get_by_label("The code that the other device shows").fill(code)
    there.page.get_by_label("Directory on this device").fill(str(two.dir))
    there.press("See what would happen")
    there.page.get_by_role("alert").filter(has_text="join without looking").first.wait_for()
    assert two.status()["folders"] == []
    there.press("Join without looking")
    there.eventually(lambda: _read(two, "plan.md") == _read(one, "plan.md"), "the file having come")


def test_a_pause_of_an_hour_ends_by_itself_and_says_when(pair: list[Device], tab: Tab) -> None:
    one, _ = pair
    tab.open(one).go("folder", _folder(one))
    tab.press("Pause for an hour")
    tab.reads("goes on by itself", "paused by you until ")
    assert one.status()["folders"][0]["paused_until"] is not None
    tab.press("Resume")
    tab.eventually(lambda: not one.status()["folders"][0]["paused"], "it going on")


def test_removing_a_device(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    tab.open(one).go("devices")
    tab.press("Remove…", "desktop")
    dialog = tab.page.get_by_role("dialog")
    assert dialog.get_by_role("button", name="Remove it").is_disabled()
    dialog.get_by_label("Yes, remove it").check()
    dialog.get_by_role("button", name="Remove it").click()
    tab.eventually(lambda: one.status()["folders"][0]["devices"] == [], "it being removed")
    (one.dir / "plan.md").write_text("after the removal\n")
    tab.go()
    tab.reads("on no other device yet")
    assert "after the removal" not in _read(two, "plan.md")


@pytest.mark.parametrize(
    ("button", "then"),
    [
        pytest.param("Keep this", ["ours"], marks=pytest.mark.smoke),
        ("Keep other", ["theirs"]),
        ("Keep both", ["ours", "theirs"]),
        ("Leave it as it is", None),
        ("Merge by hand…", ["settled"]),
    ],
)
def test_settling_a_conflict(pair: list[Device], tab: Tab, button: str, then: list[str] | None) -> None:
    one, two = pair
    _apart(one, two)
    before = _read(one, "plan.md")
    tab.open(one).reads("1 conflict in")
    tab.page.get_by_role("link", name="1 conflict in").click()
    tab.reads("milk ours", "milk theirs")
    is_swapped = "desktop" in tab.page.get_by_role("heading", level=4).first.inner_text()
    if button == "Merge by hand…":
        tab.press(button)
        area = tab.page.get_by_role("textbox", name="The whole text")
        area.fill("# Plan\n\nmilk settled\nbread\n")
        tab.press("Save it for all devices")
    else:
        tab.page.get_by_role("button", name=re.compile(f"^{button}")).click()
    tab.reads("There is none: no two devices")
    wanted = then
    if is_swapped and button in ("Keep this", "Keep other"):
        wanted = ["theirs"] if then == ["ours"] else ["ours"]
    for device in (one, two):
        if wanted is None:
            assert _read(device, "plan.md") == before
        else:
            tab.eventually(lambda d=device: all(f"milk {w}" in _read(d, "plan.md") for w in wanted), "both having it")
    if wanted is not None and len(wanted) == 1:
        assert _read(two, "plan.md").count("milk") == 1
    tab.go()
    tab.reads("In sync: all folders are the same on all devices.")


def _apart(one: Device, two: Device) -> None:
    """Both change one line while they hear nothing of each other."""
    two.stop()
    for device, word in ((one, "ours"), (two, "theirs")):
        plan = device.dir / "plan.md"
        plan.write_text(plan.read_text().replace("milk", f"milk {word}"))
    two.start()
    one.wait()
    two.wait()


def test_a_version_of_a_file_is_looked_at_and_restored(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    (two.dir / "plan.md").write_text("# Plan\n\nnothing\n")
    two.wait()
    tab.open(one).go("file", _folder(one), "plan.md")
    tab.reads("Versions on this device", "desktop")
    tab.page.get_by_role("button", name="What changed").first.click()
    tab.reads("nothing")
    tab.page.get_by_role("button", name="Restore…").first.click()
    tab.reads("bread")
    tab.page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
    tab.eventually(lambda: "milk" in _read(two, "plan.md") and "bread" in _read(two, "plan.md"), "it being back")


def test_the_folder_of_before_is_looked_at_and_restored(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    tab.open(one).go("folder", _folder(one), "at")
    tab.page.wait_for_timeout(1500)  # so that there is a second before
    moment = tab.page.evaluate("Math.floor(Date.now() / 1000)")
    tab.page.wait_for_timeout(1500)
    (two.dir / "plan.md").write_text("changed\n")
    two.wait()
    # The field has minutes; ten minutes ago there was nothing: the step of seconds is asked for by its value.
    shown = tab.page.evaluate(
        "at => { const d = new Date(at * 1000), two = (n) => String(n).padStart(2, '0');"
        " return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}"
        "T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}` }",
        moment,
    )
    tab.page.get_by_label("Day and time").fill(shown)
    tab.page.get_by_label("Day and time").press("Enter")
    tab.reads("1 file would be different from now", "becomes what it was")
    tab.press("See it as it was", "plan.md")
    tab.reads("bread")
    tab.page.keyboard.press("Escape")
    assert _read(two, "plan.md") == "changed\n"
    tab.press("Restore the whole folder…")
    tab.page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
    tab.eventually(lambda: "bread" in _read(two, "plan.md") and "bread" in _read(one, "plan.md"), "it being back")


def test_what_another_device_deleted_is_put_back(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    (one.dir / "photo.bin").write_bytes(b"\x00\xff" * 100)
    one.wait()
    (two.dir / "photo.bin").unlink()
    (two.dir / "plan.md").unlink()
    two.wait()
    tab.open(one).go("folder", _folder(one), "trash")
    tab.press("Put it back", "photo.bin")
    tab.eventually(lambda: (two.dir / "photo.bin").exists(), "the file being back there, too")
    tab.press("Bring back a version…", "plan.md")
    tab.reads("It is deleted.")
    tab.page.get_by_role("button", name="Restore…").first.click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
    tab.eventually(lambda: "bread" in _read(two, "plan.md"), "the text being back there, too")


def test_many_deletions_wait_for_a_word(pair: list[Device], tab: Tab) -> None:
    one, _ = pair
    for number in range(60):
        (one.dir / f"{number}.txt").write_text(f"{number}\n")
    one.wait()
    tab.open(one)
    for number in range(60):
        (one.dir / f"{number}.txt").unlink()
    tab.reads("For you to decide", "Not in sync")
    assert tab.mood() == "look"
    tab.press("Undo it, on all devices")
    tab.eventually(lambda: all((one.dir / f"{number}.txt").exists() for number in range(60)), "all being back")
    tab.reads("In sync: all folders are the same on all devices.")


def test_a_notice_leads_to_what_was_removed(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    (two.dir / "plan.md").write_text("# Plan\n\nmilk\nbread\nby the desktop\n")
    two.wait()
    (one.dir / "plan.md").write_text("# Plan\n\nmilk\nbread\n")  # a save that takes it out at once
    one.wait()
    tab.open(one).reads("Notices of this week")
    tab.press("Bring it back", "plan.md")
    tab.eventually(lambda: "by the desktop" in _read(two, "plan.md"), "it being back")


def test_settings_are_changed_and_last(pair: list[Device], tab: Tab) -> None:
    one, _ = pair
    tab.open(one).go("settings")
    tab.reads("Bandwidth", "All settings")
    tab.page.get_by_label(re.compile("^Sen", re.IGNORECASE)).first.fill("500")
    tab.press("Set")
    tab.reads("Now: sending 500 MiB a second")
    tab.page.reload()
    tab.reads("Bandwidth")
    assert tab.page.get_by_label(re.compile("^Sen", re.IGNORECASE)).first.input_value() == "500"


def test_a_folder_is_called_otherwise_and_moved(laptop: Device, tab: Tab, tmp_path: Path) -> None:
    tab.open(laptop).go("folder", _folder(laptop), "more")
    tab.page.get_by_label("What it is called on this device").fill("papers & <b>")
    tab.press("Rename")
    tab.reads("papers & <b>")
    place = tmp_path / "elsewhere"
    tab.page.get_by_label(re.compile("^Where|^Its directory|^Directory", re.IGNORECASE)).first.fill(str(place))
    tab.press("Move")
    tab.eventually(lambda: (place / "plan.md").exists(), "it being moved")


def test_pausing_and_going_on(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    tab.open(one).go("folder", _folder(one))
    tab.press("Pause")
    tab.reads("Resume")
    (two.dir / "plan.md").write_text("written meanwhile\n")
    tab.go()
    tab.reads("Not in sync")
    assert tab.mood() == "look"
    tab.go("folder", _folder(one))
    tab.press("Resume")
    tab.eventually(lambda: _read(one, "plan.md") == "written meanwhile\n", "it going on")
    tab.go()
    tab.reads("In sync: all folders are the same on all devices.")


def test_a_transfer_is_seen_while_it_is_under_way(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    one.call("POST", "/v1/limits/set", {"upload": 500_000})
    tab.open(two)
    (one.dir / "film.bin").write_bytes(b"\x00\xff" * 2_000_000)
    tab.reads("On its way", "film.bin", "From laptop")
    assert tab.mood() == "busy"
    one.call("POST", "/v1/limits/set", {"reset": True})
    tab.reads("In sync: all folders are the same on all devices.")
    assert "On its way" not in tab.words()


def test_nothing_is_called_in_sync_while_the_daemon_does_not_answer(pair: list[Device], tab: Tab) -> None:
    one, _ = pair
    tab.expects("Failed to load resource", "ERR_")
    tab.open(one).reads("In sync: all folders are the same on all devices.")
    one.stop()
    tab.reads("No connection to yp2p")
    assert "In sync" not in tab.page.get_by_role("heading", level=1).inner_text()
    assert tab.mood() == "unknown"


def test_a_device_that_goes_away_is_said(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    tab.open(one).reads("In sync: all folders are the same on all devices.")
    two.kill()
    tab.reads("No other device is connected")
    assert tab.mood() == "look"
    two.start()
    tab.reads("In sync: all folders are the same on all devices.")


def test_a_page_that_may_only_look_changes_nothing(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    tab.expects("403", "WebSocket")
    tab.open(one, may_write=False).reads("In sync: all folders are the same on all devices.")
    tab.go("folder", _folder(one))
    button = tab.page.get_by_role("button", name="Pause", exact=True)
    if button.count() and button.is_enabled():
        button.click()
        tab.reads("only look")
    assert one.status()["folders"][0]["state"] != "paused"
    assert two.status()["folders"][0]["state"] != "paused"


def test_the_address_of_an_editor_shows_the_text_where_nothing_can_be_written(laptop: Device, tab: Tab) -> None:
    tab.open(laptop, may_write=False).go("file", _folder(laptop), "plan.md", "edit")
    tab.reads("bread")
    assert tab.page.locator(".editor-state").count() == 0


def test_a_file_is_found_by_its_name(laptop: Device, tab: Tab) -> None:
    (laptop.dir / "sub").mkdir()
    for number in range(30):
        (laptop.dir / f"sub/note {number}.md").write_text(f"{number}\n")
    laptop.wait()
    tab.open(laptop).go("folder", _folder(laptop))
    tab.page.get_by_label("Search by name").fill("NOTE 17")
    tab.reads("1 file with “NOTE 17”")
    tab.page.get_by_role("link", name="sub/note 17.md").click()
    tab.reads("17")
    assert "note%2017.md" in tab.page.url


def test_everything_is_reached_with_the_keyboard_alone(laptop: Device, tab: Tab) -> None:
    """From the first key to a letter in a file, and out of the editor again."""
    tab.open(laptop).reads("notes")
    keyboard = tab.page.keyboard

    def to(name: str) -> None:
        for _ in range(60):
            keyboard.press("Tab")
            focused = str(tab.page.evaluate("document.activeElement?.innerText ?? ''"))
            if focused.strip().startswith(name):
                outline = tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{name} does not show that it has the focus"
                return
        raise AssertionError(f"Tab does not lead to {name}")

    to("To the content")
    keyboard.press("Enter")
    to("notes")
    keyboard.press("Enter")
    tab.reads("Search by name", "plan.md")
    to("plan.md")
    keyboard.press("Enter")
    to("Edit")
    keyboard.press("Enter")
    tab.until("Saved")
    for _ in range(40):
        keyboard.press("Tab")
        inside = "document.activeElement?.shadowRoot?.activeElement?.getAttribute('role') ?? ''"
        if tab.page.evaluate(inside) == "textbox":
            break
    keyboard.type("typed ")
    tab.until("Saved")
    tab.eventually(lambda: _read(laptop, "plan.md").startswith("typed "), "the file having it")
    keyboard.press("Tab")  # it is no trap
    assert tab.page.evaluate(inside) != "textbox"


@pytest.mark.parametrize(
    ("button", "then"),
    [
        ("Keep this", {"new.md": "made by {this}\n"}),
        ("Keep other", {"new.md": "made by {other}\n"}),
        ("Keep both", None),
    ],
)
def test_settling_two_files_of_one_name(pair: list[Device], tab: Tab, button: str, then: dict[str, str] | None) -> None:
    one, two = pair
    two.stop()
    for device, word in ((one, "laptop"), (two, "desktop")):
        (device.dir / "new.md").write_text(f"made by {word}\n")
    two.start()
    one.wait()
    two.wait()
    files = {path.name: path.read_text() for path in one.dir.glob("new*")}
    assert sorted(files.values()) == ["made by desktop\n", "made by laptop\n"]
    tab.open(one).go("folder", _folder(one), "conflicts")
    tab.reads("made by laptop", "made by desktop", "stands beside it")
    tab.page.get_by_role("button", name=re.compile(f"^{button}")).click()
    tab.reads("There is none: no two devices")
    this = files["new.md"].split()[-1]
    other = "desktop" if this == "laptop" else "laptop"

    def is_settled(device: Device) -> bool:
        found = {path.name: path.read_text() for path in device.dir.glob("new*")}
        if then is None:
            return sorted(found.values()) == sorted(files.values())
        return found == {name: text.format(this=this, other=other) for name, text in then.items()}

    for device in pair:
        tab.eventually(lambda d=device: is_settled(d), f"it being settled on {device.name}")
