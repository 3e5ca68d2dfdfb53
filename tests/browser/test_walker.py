"""Somebody who clicks on anything, while files change on both devices: never an error, never a wrong "in sync".

The seed and the time are chosen by YP2P_WALK_SEED and YP2P_WALK_S (`make walk`).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest
from browser.tabs import SMOKE, Tab
from lab import Device, tree

# The short walk is the same each time; the long ones explore.
SEED = int(os.environ.get("YP2P_WALK_SEED", "1" if SMOKE else str(random.SystemRandom().randrange(1 << 30))))
SECONDS = float(os.environ.get("YP2P_WALK_S", "15" if SMOKE else "30"))
# What changed is seen on the disk, compared and shown by then, on a busy machine as well.
_GRACE_S = 5.0
_CLICK_MS = 2000
# These end the walk, or make that the devices are meant to be different.
_NOT_PRESSED = (
    "Close this page", "Leave", "Remove", "Have ", "Ignore", "Change", "Move", "Share it", "Join", "Accept", "Keep ",
)  # fmt: skip
_WORDS = ["a line\n", "\n", "é 漢字 😀 ", "x", "* item\n"]

pytestmark = pytest.mark.timeout(SECONDS * 4 + 240)


class Walker:
    """One walk: what it does next is drawn; after each step nothing may be wrong."""

    def __init__(self, tab: Tab, devices: list[Device], rng: random.Random) -> None:
        self._tab = tab
        self._devices = devices
        self._rng = rng
        self._changed_at = time.monotonic()
        self.is_down = False
        self.steps: list[str] = []
        self._acts: dict[Callable[[], None], float] = {
            self._click: 12, self._type: 4, self._go_home: 3, self._back: 1, self._look: 2, self.rest: 2.5,
            self._change_a_file: 4, self._restart: 0.4, self.settle: 0.3,
        }  # fmt: skip
        self.claims = 0

    def step(self) -> None:
        (act,) = self._rng.choices(list(self._acts), weights=list(self._acts.values()))
        self.steps.append(act.__name__)
        act()
        self._is_well()

    # --- what a person does ---

    def _click(self) -> None:
        page = self._tab.page
        found = page.locator("a:visible, button:visible:enabled, summary:visible")
        names = found.all_inner_texts()
        wanted = [index for index, name in enumerate(names) if not name.strip().startswith(_NOT_PRESSED)]
        if not wanted:
            return
        index = self._rng.choice(wanted)
        self.steps[-1] = f"click {names[index]!r}"
        self._changed_at = time.monotonic()  # it may have changed something
        self._try(lambda: found.nth(index).click(timeout=_CLICK_MS))

    def _type(self) -> None:
        page = self._tab.page
        text = page.get_by_role("textbox", name="Text of")
        self._changed_at = time.monotonic()
        if text.count():
            self._try(lambda: text.click(timeout=_CLICK_MS))
            page.keyboard.insert_text(self._rng.choice(_WORDS))
            return
        fields = page.locator("input[type=search]:visible, textarea:visible")
        if fields.count():
            self._try(lambda: fields.first.fill(self._rng.choice(["a", "note", "<b>", ""]), timeout=_CLICK_MS))

    def _go_home(self) -> None:
        self._go_forward_if_left()
        if self._tab.page.evaluate("location.pathname") != "/":  # the licences are no view, and have no way back
            self._try(self._tab.page.go_back)
        self._try(lambda: self._tab.page.evaluate("location.hash = '#/'"))

    def _back(self) -> None:
        if "#/" in self._tab.page.url:
            self._try(lambda: self._tab.page.evaluate("history.back()"))
            self._go_forward_if_left()

    def _go_forward_if_left(self) -> None:
        """Back from the first view leads to the empty tab that was there before the page."""
        if self._tab.page.url.startswith("about:"):
            self._try(self._tab.page.go_forward)

    def _look(self) -> None:
        width = self._rng.choice([320, 700, 1280])
        self._tab.page.set_viewport_size({"width": width, "height": 700})

    def rest(self) -> None:
        """Long enough that what is said has to be so."""
        self._tab.page.wait_for_timeout((_GRACE_S + 0.5) * 1000)
        self._go_home()
        self._tab.page.wait_for_timeout(500)
        self._is_well()

    def settle(self) -> None:
        """Everything that was stopped goes on, and then it has to be in sync, and the page has to say so."""
        one, other = self._devices
        if self.is_down:
            other.start()
            self.is_down = False
        for device in self._devices:
            status = device.status()
            for paused in (found for found in status["devices"] if found["paused"]):
                device.call("POST", "/v1/device/unpause", {"device": paused["id"]})
            for folder in status["folders"]:
                if folder["awaiting_confirmation"]:
                    device.call("POST", "/v1/folder/confirm", {"folder": folder["id"]})
                if folder["paused"]:
                    device.call("POST", "/v1/folder/unpause", {"folder": folder["id"]})
        self._changed_at = time.monotonic()
        assert one.call("POST", "/v1/wait", {"timeout_s": 60})["in_sync"], one.status()["summary"]
        self._tab.page.bring_to_front()
        self._try(lambda: self._tab.page.keyboard.press("Escape"))  # an open question
        self._go_home()
        self._tab.eventually(self._says_in_sync, "the page saying that all is in sync")
        self._tab.page.wait_for_timeout(_GRACE_S * 1000)
        self._is_well()

    def _try(self, what: Callable[[], object]) -> None:
        from playwright.sync_api import Error

        try:
            what()
        except Error as error:
            if "crash" in str(error).lower():
                raise

    # --- what happens meanwhile ---

    def _change_a_file(self) -> None:
        device = self._rng.choice(self._devices)
        path = device.dir / f"note {self._rng.randrange(4)}.md"
        how = self._rng.choice(["append", "append", "write", "remove", "rename"])
        self._changed_at = time.monotonic()
        try:
            if how == "append":
                with path.open("a") as file:
                    file.write(self._rng.choice(_WORDS))
            elif how == "write":
                path.write_text(f"{self._rng.random()}\n")
            elif how == "remove":
                path.unlink()
            else:
                path.rename(path.with_name(f"note {self._rng.randrange(4)}.md"))
        except FileNotFoundError:
            pass  # another one took it away

    def _restart(self) -> None:
        """The other device goes, by all means that there are, or comes back."""
        other = self._devices[1]
        self._changed_at = time.monotonic()
        if self.is_down:
            other.start()
        else:
            self._rng.choice([other.kill, other.stop])()
        self.is_down = not self.is_down

    # --- what is always so ---

    def _is_well(self) -> None:
        words = self._tab.words()
        assert "This page has a fault" not in words, words
        assert "This page is closed" not in words, words
        assert self._tab.unexpected() == []
        if self._says_in_sync() and time.monotonic() - self._changed_at > _GRACE_S:
            self.claims += 1
            here, there = (tree(device.dir) for device in self._devices)
            if here != there and self._says_in_sync():
                different = sorted(path for path in here.keys() | there.keys() if here.get(path) != there.get(path))
                raise AssertionError(f"it says that all is in sync, and these differ: {different}")

    def _says_in_sync(self) -> bool:
        headlines = self._tab.page.locator("h1").all_inner_texts()  # all at once: a text that is shown has some as well
        return len(headlines) == 1 and headlines[0].startswith("In sync: all folders are the same")


@pytest.mark.smoke
def test_a_walk_finds_no_error_and_no_wrong_in_sync(pair: list[Device], tab: Tab) -> None:
    rng = random.Random(SEED)
    tab.expects("Failed to load resource", "ERR_")  # what is refused is said on the page
    tab.page.on("dialog", lambda dialog: dialog.accept())
    tab.open(pair[0])
    for number in range(3):
        (pair[0].dir / f"note {number}.md").write_text(f"# Note {number}\n")
    walker = Walker(tab, pair, rng)
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            walker.step()
        walker.settle()
        walker.rest()
    except BaseException:
        print(f"YP2P_WALK_SEED={SEED}, step {len(walker.steps)}: {walker.steps[-30:]}")
        raise
    print(f"YP2P_WALK_SEED={SEED}: {len(walker.steps)} steps, {walker.claims} times in sync, and so it was")
    assert walker.claims, "a walk on which nothing is ever said to be in sync proves nothing"
