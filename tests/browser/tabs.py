"""A real browser that looks at the page: Debian's Chromium, driven by Playwright, one tab a `Tab`.

A tab knows what went wrong in it: errors of scripts, of the content security policy, of requests. A test that expects
one says so by `expects`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from lab import Device

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, WebSocketRoute

CHROMIUM = os.environ.get("YP2P_CHROMIUM", "/usr/bin/chromium")
# Whether only a minute is spent on all of it.
SMOKE = os.environ.get("YP2P_PAGE_TESTS") == "smoke"
# A page that is on this machine shows everything sooner; a busy machine takes its time.
WAIT_S = 20.0
# What is no UTF-8 in a name is half of a surrogate pair, which the page's addresses write so.
_HALF = re.compile("[\ud800-\udfff]")
_ASKING = ("Asking yp2p…", "Opening the editor…", "Opening…")
PHONE = {"width": 320, "height": 640}
SCREEN = {"width": 1280, "height": 800}


# Names that lead to this machine, in this browser: those of strangers.
REBOUND, STRANGE = "rebound.example", "strange.example"
_RULES = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1,MAP {STRANGE} 127.0.0.1"


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """The browser, without a window. As root it has no sandbox of its own."""
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, _RULES])
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
        encoded = [
            quote(_HALF.sub(lambda half: f"!{ord(half[0]):x}.", part.replace("!", "!!")), safe="") for part in parts
        ]
        self.page.evaluate("hash => { location.hash = hash }", "#/" + "/".join(encoded))
        self.page.get_by_role("heading", level=1).first.wait_for()
        return self

    def edit(self, device: Device, path: str) -> Locator:
        """Open a text in the editor; gives what can be typed into."""
        self.go("file", device.status()["folders"][0]["id"], path, "edit")
        text = self.text()
        text.wait_for()
        self.until("Saved")
        return text

    # --- what is there --------------------------------------------------------------------------------------------

    def text(self) -> Locator:
        return self.page.get_by_role("textbox", name="Text of")

    def typed(self, words: str) -> None:
        """Type at the end of the text."""
        self.text().press("Control+End")
        self.text().press_sequentially(words)

    def state(self) -> str:
        """What the editor says of the text."""
        return str(self.page.locator(".editor-state").inner_text())

    def cut_the_line(self) -> Line:
        """The connection of the editor, which can be cut from now on; to be called before the page is opened."""
        return Line(self.page)

    def until(self, state: str) -> None:
        self.eventually(lambda: self.state() == state, f"the editor saying {state!r}")

    def eventually(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds, while the tab goes on: what Playwright carries for it is done in between only."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not hold within {WAIT_S} s; the page says\n{self.words()}"
            self.page.wait_for_timeout(30)

    def words(self) -> str:
        """All that can be read."""
        return str(self.page.locator("body").inner_text())

    def reads(self, *parts: str) -> None:
        """Wait until all of these can be read."""

        def missing() -> list[str]:
            words = self.words()
            return [part for part in parts if part not in words]

        self.eventually(lambda: not missing(), f"the page saying {parts}")

    def settled(self) -> None:
        """Wait until the view has what it asks for."""
        self.eventually(lambda: not any(word in self.words() for word in _ASKING), "the view having what it asks for")

    def mood(self) -> str:
        """What the first line of the overview looks like: `good`, `busy`, `look`, `unknown`."""
        return str(self.page.locator(".headline").get_attribute("class")).split()[-1]

    def press(self, name: str, about: str = "") -> None:
        """Press the button, or follow the link, that is called so; of several, the one about something."""
        wanted = re.compile(f"^{re.escape(name)}(?: \\(.*{re.escape(about)}.*\\))?$", re.DOTALL)
        button = self.page.get_by_role("button", name=wanted)
        button.or_(self.page.get_by_role("link", name=wanted)).first.click()

    def violations(self) -> list[str]:
        """What axe finds, as lines."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(axe_source())
        found = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations)")
        return [f"{one['id']}: {node['target']} {node['html'][:200]}" for one in found for node in one["nodes"]]

    def overflowing(self) -> list[str]:
        """What stands out of the page on the right, where that is not scrolled by itself."""
        return list(self.page.evaluate(script("overflowing.js")))


def _encoded(part: str) -> str:
    """A part of an address of the page, as web/src/route.ts writes it."""
    return quote(_HALF.sub(lambda half: f"!{ord(half[0]):x}.", part.replace("!", "!!")), safe="")


class Line:
    """The WebSockets of a tab: while they are cut none is there, and none comes."""

    def __init__(self, page: Page) -> None:
        self.is_cut = False
        self.attempts = 0
        self._open: list[WebSocketRoute] = []
        page.route_web_socket("**/v1/y/**", self._on_socket)

    def _on_socket(self, socket: WebSocketRoute) -> None:
        self.attempts += 1
        if self.is_cut:
            socket.close(code=3000)
            return
        socket.connect_to_server()
        self._open.append(socket)

    def cut(self) -> None:
        self.is_cut = True
        for socket in self._open:
            socket.close(code=3000)
        self._open.clear()

    def mend(self) -> None:
        self.is_cut = False


def address_of(device: Device, *, may_write: bool = True) -> str:
    """An address that opens the page of a device once."""
    return str(device.call("POST", "/v1/page/open", {"read_only": not may_write})["url"])


def is_done(device: Device) -> Callable[[], bool]:
    """Whether all devices have all."""
    return lambda: bool(device.call("POST", "/v1/wait", {"timeout_s": 1})["in_sync"])


def shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
