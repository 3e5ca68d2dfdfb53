"""Each view of the page, with everything in it: no accessibility rule is broken, nothing stands out of a narrow screen,
names do no harm, and it can be used with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser.conftest import OpenTab
from browser.scene import HOSTILE_NAMES, UNSEEN, full_room
from browser.tabs import PHONE, SMOKE, Tab
from lab import Device

ZOOMED = {"width": 640, "height": 400}  # 1280 by 800 at 200 %


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Device]]:
    with full_room(tmp_path_factory.mktemp("room")) as found:
        yield found


# What no view has, unless a name has become markup.
_HARM = "img:not([src='icon.svg']), script:not([src]), iframe, [onerror], [onload], b, i"


def _views(device: Device) -> dict[str, tuple[str, ...]]:
    """All of them, by a name for messages."""
    status = device.status()
    folder, other = status["folders"][0]["id"], status["devices"][0]["id"]
    parts = ["", "at", "conflicts", "trash", "here", "add", "more"]
    views: dict[str, tuple[str, ...]] = {
        "overview": (),
        "devices": ("devices",),
        "one device": ("devices", other),
        "changes": ("changes",),
        "settings": ("settings",),
        "share": ("share",),
        "join": ("join",),
        "accept": ("accept", "<b>x</b>", "a\u202eb"),
        "nothing": ("there is no such page",),
        **{f"folder {part}": ("folder", folder, *filter(None, [part])) for part in parts},
    }
    for part in ("history", "lines", "read", "edit"):
        views[f"plan {part}"] = ("file", folder, "plan.md", part)
        views[f"hostile {part}"] = ("file", folder, HOSTILE_NAMES[0], part)
    for number, name in enumerate(HOSTILE_NAMES[1:]):
        views[f"hostile name {number}"] = ("file", folder, name)
    views["blob"] = ("file", folder, "photo.bin")
    views["deleted"] = ("file", folder, "gone.md")
    return views


def _each_view(tab: Tab, device: Device) -> Iterator[str]:
    views = list(_views(device).items())
    for name, parts in views[::4] if SMOKE else views:
        tab.go(*parts)
        tab.settled()
        yield name


_LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark", "reduced_motion": "reduce"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "zoomed": {"viewport": ZOOMED, "device_scale_factor": 2, "color_scheme": "dark"},
}


@pytest.mark.parametrize(
    "look", [pytest.param(one, marks=pytest.mark.smoke) if one == "phone" else one for one in _LOOKS]
)
def test_no_rule_is_broken_and_nothing_stands_out_in_any_view(room: list[Device], open_tab: OpenTab, look: str) -> None:
    settings: dict[str, Any] = _LOOKS[look]
    tab = open_tab(**settings)
    tab.open(room[0])
    found: dict[str, list[str]] = {}
    for view in _each_view(tab, room[0]):
        faults = [*tab.violations(), *(f"stands out: {one}" for one in tab.overflowing())]
        if faults:
            found[view] = faults
    assert found == {}


def test_names_do_no_harm_in_any_view(room: list[Device], tab: Tab) -> None:
    tab.open(room[0])
    for view in _each_view(tab, room[0]):
        words = tab.words()
        assert not [character for character in UNSEEN if character in words], view
        assert tab.page.title() != "bad", view
        assert tab.page.locator(_HARM).count() == 0, view
    (name,) = [name for name in HOSTILE_NAMES if name.startswith("\x1b")]
    tab.go("file", room[0].status()["folders"][0]["id"], name)
    tab.reads(r"\x1b[31mred\x07\x1b]0;title\x07.md")


# What opens within a view: the view, what is pressed, and what can be read then.
_OPENED: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
    (("devices",), ("Rename…",), "Name"),
    (("devices",), ("Remove…",), "Yes, remove it"),
    (("devices",), ("Change…",), "Role"),
    (("file", "plan.md"), ("What changed",), "cheese"),
    (("file", "plan.md"), ("Restore…",), "On all devices"),
    (("file", "plan.md", "edit"), ("Preview", "Authors"), "Plan"),
    (("folder", "conflicts"), ("Merge by hand…",), "Save it for all devices"),
    (("folder", "trash"), ("Empty the trash…",), "Remove for good"),
    (("folder", "at"), ("Ten minutes ago",), "knew nothing of"),
    (("folder", "add"), ("Show a code",), "The code that lets in one device as"),
    (("folder", "more"), ("Leave the folder…",), "Leave"),
    (("folder", "here"), (), "Only these"),
]


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_no_rule_is_broken_in_what_opens_within_a_view(room: list[Device], open_tab: OpenTab, look: str) -> None:
    settings: dict[str, Any] = _LOOKS[look]
    tab = open_tab(**settings)
    tab.expects("/v1/history/restore-directory")  # ten minutes ago there was nothing
    tab.open(room[0])
    folder = room[0].status()["folders"][0]["id"]
    found: dict[str, list[str]] = {}
    for (kind, *parts), buttons, words in _OPENED:
        tab.go(kind, *([folder] if kind in ("file", "folder") else []), *parts)
        tab.settled()
        for button in buttons:
            tab.press(button)
        tab.reads(words)
        tab.settled()
        faults = [*tab.violations(), *(f"stands out: {one}" for one in tab.overflowing())]
        if faults:
            found[f"{kind} {parts} {buttons}"] = faults
        tab.page.keyboard.press("Escape")
    assert found == {}


def test_a_question_takes_the_focus_and_gives_it_back(room: list[Device], tab: Tab) -> None:
    tab.open(room[0]).go("devices")
    tab.settled()
    tab.press("Remove…")
    is_in_it = "document.activeElement.closest('dialog') !== null"
    tab.eventually(lambda: bool(tab.page.evaluate(is_in_it)), "the question having the focus")
    tab.page.keyboard.press("Escape")
    tab.eventually(lambda: tab.page.locator("dialog").count() == 0, "the question being gone")
    assert str(tab.page.evaluate("document.activeElement.innerText")).startswith("Remove…")


@pytest.mark.parametrize("look", ["light", "phone"])
def test_the_buttons_of_a_folder_stand_together(room: list[Device], open_tab: OpenTab, look: str) -> None:
    settings: dict[str, Any] = _LOOKS[look]
    tab = open_tab(**settings)
    tab.open(room[0]).go("folder", room[0].status()["folders"][0]["id"])
    tab.settled()
    one, two = (
        tab.page.get_by_role("button", name=name, exact=True).bounding_box() for name in ("Pause", "Pause for an hour")
    )
    assert one is not None
    assert two is not None
    is_beside = two["y"] == one["y"] and 0 < two["x"] - (one["x"] + one["width"]) < 20
    is_beneath = two["x"] == one["x"] and 0 < two["y"] - (one["y"] + one["height"]) < 20
    assert is_beside or is_beneath, (one, two)
