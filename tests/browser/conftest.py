"""Fixtures: a browser for the whole run, and for each test tabs in which nothing may go wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser.tabs import SCREEN, Tab, chromium
from lab import Device, devices, unexpected_lines

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

OpenTab = Callable[..., Tab]
# What is in the log because a person, or a test, did it.
_OF_PEOPLE = ("folder_paused", "program_refused", "mass_deletion_paused", "conflict_copy_created")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if "YP2P_PAGE" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="needs a browser: make page"))


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    from playwright.sync_api import sync_playwright  # only where it is installed

    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with chromium(playwright) as found:
        yield found


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[OpenTab]:
    """Opens a tab of its own; at the end nothing went wrong in any."""
    tabs: list[Tab] = []
    contexts = []

    def open_one(**settings: Any) -> Tab:
        context = browser.new_context(**{"viewport": SCREEN, **settings})
        contexts.append(context)
        tabs.append(Tab(context))
        return tabs[-1]

    yield open_one
    faults = [fault for tab in tabs for fault in tab.unexpected()]
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def tab(open_tab: OpenTab) -> Tab:
    return open_tab()


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Device]:
    """A device that shares a folder called `notes` with nobody."""
    with devices(tmp_path, "laptop") as (one,):
        (one.dir / "plan.md").write_text("# Plan\n\nmilk\nbread\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
        one.wait()
        yield one
        assert unexpected_lines(one, *_OF_PEOPLE) == []


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    """Two devices that share a folder."""
    with devices(tmp_path, "laptop", "desktop") as (one, two):
        (one.dir / "plan.md").write_text("# Plan\n\nmilk\nbread\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
        two.join(one)
        one.wait()
        yield [one, two]
        assert unexpected_lines(one, *_OF_PEOPLE) == []
        assert unexpected_lines(two, *_OF_PEOPLE) == []
