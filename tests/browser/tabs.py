"""A real browser that looks at the page: Debian's Chromium, driven by Playwright, one tab a `Tab`.

A tab knows what went wrong in it: errors of scripts, of the content security policy, of requests. A test that expects
one says so by `expects`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from lab import Device, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

CHROMIUM = os.environ.get("YP2P_CHROMIUM", "/usr/bin/chromium")
# A page that is on this machine shows everything sooner; a busy machine takes its time.
WAIT_S = 20.0
PHONE = {"width": 320, "height": 640}
SCREEN = {"width": 1280, "height": 800}


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """The browser, without a window. As root it has no sandbox of its own."""
    from playwright.sync_api import sync_playwright  # only where it is installed

    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, *arguments])
        try:
            yield browser
        finally:
            browser.close()


def script(name: str) -> str:
    """One of the scripts beside this module, as a function."""
    return Path(__file__).with_name(name).read_text()


def axe_source() -> str:
    return Path(os.environ["YP2P_PAGE"], "node_modules/axe-core/axe.min.js").read_text()


class Tab:
    """One tab of a browser, and what went wrong in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT_S * 1000)
        self.faults: list[str] = []
        self._expected: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.faults.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def expects(self, *parts: str) -> None:
        """Faults with one of these words in them are none in this test."""
        self._expected.extend(parts)

    def unexpected(self) -> list[str]:
        return [fault for fault in self.faults if not any(part in fault for part in self._expected)]

    # --- going somewhere ------------------------------------------------------------------------------------------

    def open(self, device: Device, *, may_write: bool = True) -> Tab:
        """Open the page of a device, as `yp2p open` does."""
        self.page.goto(address_of(device, may_write=may_write))
        self.page.get_by_role("heading", level=1).first.wait_for()
        return self

    def go(self, *parts: str) -> Tab:
        """To a view, by its address."""
        self.page.evaluate("hash => { location.hash = hash }", "#/" + "/".join(quote(part, safe="") for part in parts))
        self.page.get_by_role("heading", level=1).first.wait_for()
        return self

    def edit(self, device: Device, path: str) -> Locator:
        """Open a text in the editor; gives what can be typed into."""
        self.go("file", device.status()["folders"][0]["id"], path, "edit")
        text = self.text()
        text.wait_for()
        self.until("Saved", "the text being there")
        return text

    # --- what is there --------------------------------------------------------------------------------------------

    def text(self) -> Locator:
        return self.page.get_by_role("textbox", name="Text of")

    def state(self) -> str:
        """What the editor says of the text."""
        return str(self.page.locator(".editor-state").inner_text())

    def until(self, state: str, what: str = "") -> None:
        eventually(
            lambda: self.state() == state, WAIT_S, f"{what or 'the editor'} said {state!r}, not {self.state()!r}"
        )

    def words(self) -> str:
        """All that can be read."""
        return str(self.page.locator("body").inner_text())

    def reads(self, *parts: str) -> None:
        """Wait until all of these can be read."""

        def missing() -> list[str]:
            words = self.words()
            return [part for part in parts if part not in words]

        eventually(lambda: not missing(), WAIT_S, f"the page saying {parts}; it says\n{self.words()}\n")

    def mood(self) -> str:
        return str(self.page.locator("[data-mood]").first.get_attribute("data-mood"))

    def press(self, name: str) -> None:
        """Press the button that is called so."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def violations(self) -> list[str]:
        """What axe finds, as lines."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(axe_source())
        found = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations)")
        return [f"{one['id']}: {node['target']} {node['html'][:200]}" for one in found for node in one["nodes"]]

    def overflowing(self) -> list[str]:
        """What stands out of the page on the right, where that is not scrolled by itself."""
        return list(self.page.evaluate(script("overflowing.js")))


def address_of(device: Device, *, may_write: bool = True) -> str:
    """An address that opens the page of a device once."""
    return str(device.call("POST", "/v1/page/open", {"may_write": may_write})["url"])


def is_done(device: Device) -> Callable[[], bool]:
    """Whether all devices have all."""
    return lambda: bool(device.call("POST", "/v1/wait", {"timeout_s": 1})["in_sync"])


def shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
