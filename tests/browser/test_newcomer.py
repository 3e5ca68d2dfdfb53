"""Where somebody who saw the page for the first time hesitated (docs/page.md), and what is there now."""

from __future__ import annotations

from typing import Any

from browser.conftest import OpenTab
from browser.scene import apart
from browser.tabs import Tab
from lab import Device, eventually


def _status_of(device: Device) -> dict[str, object]:
    return dict(device.status()["folders"][0])


def test_the_view_of_devices_leads_to_letting_one_in(laptop: Device, tab: Tab) -> None:
    tab.open(laptop).press("Devices")
    tab.reads("Add a device to the folder")
    tab.press("+ notes")
    tab.press("Show a code")
    tab.reads("The code that lets in one device as admin is", "Join another’s folder", "yp2p open")


def test_a_directory_that_is_not_there_is_made_once_somebody_says_so(laptop: Device, tab: Tab) -> None:
    place = laptop.dir.parent / "new" / "papers"  # HOME is the parent of the directory in these tests
    tab.open(laptop).go("share")
    tab.page.get_by_label("Directory on this device").fill("~/new/papers")
    tab.press("Share it")
    tab.reads(f"{place} does not exist yet.")
    assert not place.exists()
    tab.press("Make it, and go on")
    tab.reads("Add a device", "papers")
    tab.eventually(lambda: len(laptop.status()["folders"]) == 2, "a second folder")
    assert place.is_dir()


def test_what_is_typed_of_a_directory_has_to_be_a_whole_path(laptop: Device, tab: Tab) -> None:
    tab.expects("422")
    tab.open(laptop).go("share")
    tab.page.get_by_label("Directory on this device").fill("papers")
    tab.press("Share it")
    tab.reads("'papers' is no whole path")


def test_a_paused_folder_says_so_in_words_and_is_resumed_where_it_is_seen(pair: list[Device], tab: Tab) -> None:
    one, _ = pair
    tab.open(one)
    one.call("POST", "/v1/folder/pause", {"folder": "notes"})
    tab.reads("Not in sync: notes: paused by you", "not compared meanwhile", "Resume")
    assert "yp2p folder" not in tab.words()
    tab.press("Resume", "notes")
    tab.reads("In sync: all folders are the same on all devices.")
    assert not _status_of(one)["paused"]


def test_to_remove_a_device_says_of_which_folders_and_asks_nothing_that_is_not_so(pair: list[Device], tab: Tab) -> None:
    tab.open(pair[0]).go("devices")
    tab.press("Remove…", "desktop")
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_text("Its folders here: notes").wait_for()
    dialog.get_by_label("Yes, remove it").check()
    tab.eventually(dialog.get_by_role("button", name="Remove it").is_enabled, "it being known what it means")
    assert dialog.get_by_role("checkbox").count() == 1  # it has let nobody in


def test_those_it_has_let_in_are_removed_only_where_that_was_asked(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    papers, theirs = one.dir.with_name("papers"), two.dir.with_name("papers")
    for place in (papers, theirs):
        place.mkdir()
    one.call("POST", "/v1/share", {"path": str(papers), "label": "papers"})
    one.call("POST", "/v1/folder/offer", {"folder": "papers", "devices": ["desktop"], "role": "member"})
    eventually(lambda: bool(two.status()["offers"]["received"]))
    two.call("POST", "/v1/folder/accept", {"name": "papers", "path": str(theirs)})
    eventually(lambda: all(folder["devices"] for folder in one.status()["folders"]))
    asked: list[dict[str, object]] = []

    def preview(route: Any) -> None:
        let_in = [] if route.request.post_data_json.get("folder") else ["pi"]
        route.fulfill(json={"let_in": let_in, "nowhere_else": [], "failed": [], "invites": 0})

    def remove(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json={"folders": ["papers"], "failed": []})

    tab.page.route("**/v1/device/remove/preview", preview)
    tab.page.route("**/v1/device/remove", remove)
    tab.open(one).go("devices")
    tab.press("Remove…", "desktop")
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Remove as well").check()
    dialog.get_by_role("combobox").select_option(label="papers only")
    tab.eventually(lambda: dialog.get_by_label("Remove as well").count() == 0, "it being known what that means")
    dialog.get_by_label("Yes, remove it").check()
    dialog.get_by_role("button", name="Remove it").click()
    tab.eventually(lambda: bool(asked), "it being asked for")
    assert asked[0]["with_let_in"] is False


def test_one_file_is_brought_back_as_before_a_change(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    other, photo = one.dir / "other.md", one.dir / "photo.bin"
    other.write_text("other\n")
    photo.write_bytes(b"\x00\xff" * 100)
    one.wait()
    tab.open(one)
    tab.page.wait_for_timeout(2100)  # what changes in one second is one moment
    before = {name: (one.dir / name).read_bytes() for name in ("plan.md", "photo.bin")}
    (one.dir / "plan.md").write_text("spoilt\n")
    other.write_text("better\n")
    (two.dir / "photo.bin").unlink()
    eventually(lambda: not photo.exists())
    for name, what in (("plan.md", "laptop changed"), ("photo.bin", "desktop deleted")):
        tab.go()
        tab.go("folder", str(_status_of(one)["id"]), "at")
        tab.reads("Or as it was before one of the last changes", f"{what} {name}")
        line = tab.page.get_by_role("listitem").filter(has_text=f"{what} {name}")
        line.first.get_by_role("button").click()
        tab.press("See it as it was", name)
        tab.page.get_by_role("dialog").get_by_role("button", name="Restore only this file").click()
        tab.reads(f"{name} is what it was.")
        eventually(lambda name=name: (one.dir / name).exists() and (one.dir / name).read_bytes() == before[name])
    assert other.read_text() == "better\n"


def test_of_a_conflict_it_is_marked_what_stands_there(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    (one.dir / "plan.md").write_text("# Plan\n\nmeet at nine\nbring bread\n")
    one.wait()
    for _ in apart(one, two):
        for device, word in ((one, "ten"), (two, "eleven")):
            plan = device.dir / "plan.md"
            plan.write_text(plan.read_text().replace("nine", word))
    tab.open(one).go("folder", str(_status_of(one)["id"]), "conflicts")
    tab.reads("at ten", "at eleven", "stands there now")
    stands = "at ten" if "at ten" in (one.dir / "plan.md").read_text() else "at eleven"
    side = tab.page.locator(".side").filter(has_text="stands there now")
    assert side.count() == 1
    assert stands in side.inner_text()
    assert "Leave it as it is" not in tab.words()  # it is what one of the two other buttons does


def test_a_deleted_text_is_listed_once(pair: list[Device], tab: Tab) -> None:
    one, two = pair
    (two.dir / "plan.md").unlink()
    eventually(lambda: not (one.dir / "plan.md").exists())
    tab.open(one).go("folder", str(_status_of(one)["id"]), "trash")
    tab.reads("Put it back", "Bring back a version…")
    tab.settled()
    assert tab.words().count("plan.md") == 1 + 2  # the line, and twice what its buttons are about
    tab.press("Put it back", "plan.md")
    eventually(lambda: (one.dir / "plan.md").exists())


def test_the_editor_says_that_nothing_has_to_be_saved(laptop: Device, open_tab: OpenTab) -> None:
    first, second = open_tab(), open_tab()
    first.open(laptop).edit(laptop, "plan.md")
    first.reads("Nobody else is here. What you type is saved as you type it.")
    second.open(laptop).edit(laptop, "plan.md")
    first.reads("Also here: laptop")
    assert "Nobody else" not in first.words()
