"""The pictures of docs/page.md: three devices with some folders, and the page of one of them in Chromium.

    make web && PYTHONPATH=.:tests python docs/page/pictures.py

writes them beside this file anew (a minute). It needs `playwright`, `pillow` and Chromium (Debian: chromium).
"""

from __future__ import annotations

import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import Device, devices, eventually
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("YP2P_CHROMIUM", "/usr/bin/chromium")
_WIDE, _NARROW = {"width": 1000, "height": 720}, {"width": 320, "height": 640}
_COLOURS = 64

_TODO = "# To do\n\n- [ ] buy milk\n- [x] water the plants\n- [ ] call the plumber\n\nSee [the plan](plan.md).\n"
_BREAD = "# Bread\n\n1. flour, 500 g\n2. water, 350 g\n3. salt\n\n| step | hours |\n| --- | --- |\n| rise | 4 |\n"

# What is shown of this machine's paths, as it would be at somebody's home.
_AT_HOME = """home => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(home, "/home/me");
  for (const input of document.querySelectorAll("input")) {
    if (input.value.includes(home)) input.value = input.value.replaceAll(home, "/home/me");
  }
}"""


class Scene:
    """Three devices after some days of use, as far as a minute allows."""

    def __init__(self, laptop: Device, desktop: Device, pi: Device) -> None:
        self.laptop, self.desktop, self.pi = laptop, desktop, pi
        self.before = 0.0  # when all had the same, and nothing had been changed

    def at(self, device: Device, name: str) -> Path:
        place = device.dir.with_name(name)
        place.mkdir(exist_ok=True)
        return place

    def share(self, name: str, *others: Device) -> None:
        for other in others:
            asked = {"path": str(self.at(self.laptop, name)), "label": name}
            code = self.laptop.call("POST", "/v1/share", asked)["code"]
            other.call("POST", "/v1/join", {"code": code, "path": str(self.at(other, name))})

    def tell(self) -> None:
        self._write()
        self.share("notes", self.desktop, self.pi)
        self.share("photos", self.desktop)
        self.share("code", self.desktop)
        self.laptop.wait(120)
        self.desktop.wait(60)
        self.before = time.time()
        self._edit()
        self._conflict()
        self._leave_behind()

    def _write(self) -> None:
        notes, photos, code = (self.at(self.laptop, name) for name in ("notes", "photos", "code"))
        for path, text in {"todo.md": _TODO, "plan.md": "one\ntwo\nthree\n", "recipes/bread.md": _BREAD}.items():
            (notes / path).parent.mkdir(exist_ok=True)
            (notes / path).write_text(text)
        (notes / "journal").mkdir()
        for day in range(1, 29):
            (notes / f"journal/2026-11-{day:02}.md").write_text(f"Day {day}\n")
        for number in range(40):
            (photos / f"IMG_{1000 + number}.jpg").write_bytes(random.Random(number).randbytes(200_000))
        for number in range(2_000):
            part = code / f"module{number // 50:02}" / f"part{number % 50:02}.py"
            part.parent.mkdir(exist_ok=True)
            part.write_text(f"VALUE = {number}\n")

    def _edit(self) -> None:
        here, there = (self.at(one, "notes") / "todo.md" for one in (self.laptop, self.desktop))
        there.write_text(here.read_text().replace("the plumber", "the plumber on Monday\n- [ ] buy beans"))
        eventually(lambda: "beans" in here.read_text())
        self.laptop.wait()
        here.write_text(here.read_text().replace("buy milk", "buy milk and butter"))
        self.laptop.wait()
        (self.at(self.laptop, "notes") / "old.md").write_text("what nobody needs\n")
        self.laptop.wait()
        (self.at(self.desktop, "notes") / "old.md").unlink()
        (self.at(self.desktop, "photos") / "IMG_1003.jpg").unlink()
        eventually(lambda: not (self.at(self.laptop, "photos") / "IMG_1003.jpg").exists())
        self.laptop.wait()

    def _conflict(self) -> None:
        """Both change one line apart."""
        plan = self.at(self.laptop, "notes") / "plan.md"
        self.desktop.stop()
        plan.write_text("one\ntwo, by train\nthree\n")
        shown: Callable[[], str] = lambda: self.laptop.call("POST", "/v1/history/show", {"path": str(plan)})["text"]  # noqa: E731
        eventually(lambda: "train" in shown())
        (self.at(self.desktop, "notes") / "plan.md").write_text("one\ntwo, by bicycle\nthree\n")
        self.desktop.start()
        eventually(lambda: bool(self.laptop.call("POST", "/v1/conflicts", {"folder": "notes"})))
        self.laptop.wait()
        self.desktop.wait()

    def _leave_behind(self) -> None:
        """The third device is away, and files are on their way to the second one."""
        self.pi.stop()
        films = self.at(self.desktop, "films")
        self.desktop.call("POST", "/v1/share", {"path": str(films), "label": "films", "page": True})
        offer = {"folder": "films", "devices": ["laptop"], "role": "member"}
        self.desktop.call("POST", "/v1/folder/offer", offer)

    def send_large(self) -> None:
        self.laptop.call("POST", "/v1/limits/set", {"upload": 1_000_000})
        (self.at(self.laptop, "photos") / "harbour.mov").write_bytes(random.Random(0).randbytes(60_000_000))
        eventually(lambda: bool(self.laptop.status()["transfers"]))


class Camera:
    """Chromium on the page of a device."""

    def __init__(self, browser: Browser, device: Device, home: Path, *, is_dark: bool = False, is_narrow: bool = False):
        self._home = str(home / device.name)
        scheme = "dark" if is_dark else "light"
        self.page: Page = browser.new_page(viewport=_NARROW if is_narrow else _WIDE, color_scheme=scheme)
        self.page.goto(device.call("POST", "/v1/page/open", {})["url"])
        self.page.wait_for_selector(".headline.good, .headline.busy, .headline.away")

    def go(self, address: str) -> Page:
        self.page.evaluate("address => { location.hash = address }", address)
        self.page.wait_for_timeout(200)
        self.page.wait_for_selector("text=Asking yp2p", state="detached")
        self.page.wait_for_timeout(500)
        return self.page

    def take(self, name: str) -> None:
        self.page.evaluate(_AT_HOME, self._home)
        picture = Image.open(io.BytesIO(self.page.screenshot()))
        small = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        small.save(HERE / f"{name}.png", optimize=True)


def views(camera: Camera, folders: dict[str, str]) -> None:
    """A picture of each view."""
    notes, photos, code = folders["notes"], folders["photos"], folders["code"]
    for name, address in {
        "files": f"#/folder/{code}",
        "conflicts": f"#/folder/{notes}/conflicts",
        "trash": f"#/folder/{photos}/trash",
        "more": f"#/folder/{notes}/more",
        "lines": f"#/file/{notes}/todo.md/lines",
        "read": f"#/file/{notes}/recipes%2Fbread.md/read",
        "edit": f"#/file/{notes}/todo.md/edit",
        "devices": "#/devices",
        "join": "#/join",
        "changes": "#/changes",
        "settings": "#/settings",
    }.items():
        camera.go(address)
        camera.take(name)


def questions(camera: Camera, folders: dict[str, str], moment: float) -> None:
    """What is seen after a click."""
    page = camera.go(f"#/file/{folders['notes']}/todo.md")
    page.get_by_role("button", name="What changed").first.click()
    page.wait_for_selector(".text-line")
    camera.take("history")
    page = camera.go(f"#/folder/{folders['notes']}/add")
    page.get_by_role("button", name="Show a code").click()
    page.wait_for_selector(".code")
    camera.take("add")
    page = camera.go(f"#/folder/{folders['notes']}/at")
    page.get_by_label("Day and time").fill(time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment)))
    page.wait_for_timeout(1500)
    camera.take("at")
    page = camera.go(f"#/folder/{folders['notes']}/here")
    page.get_by_label("Only these").check()
    page.wait_for_timeout(500)
    camera.take("here")
    page = camera.go("#/devices")
    page.get_by_role("button", name="Remove…").last.click()
    page.wait_for_timeout(800)
    camera.take("remove")


def tell(base: Path) -> None:
    with devices(base, "laptop", "desktop", "pi") as (laptop, desktop, pi), sync_playwright() as playwright:
        scene = Scene(laptop, desktop, pi)
        scene.tell()
        folders = {one["label"]: one["id"] for one in laptop.status()["folders"]}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        camera = Camera(browser, laptop, base)
        camera.take("overview")
        views(camera, folders)
        questions(camera, folders, scene.before)
        scene.send_large()
        for name, options in {"transfer": {}, "dark": {"is_dark": True}, "phone": {"is_narrow": True}}.items():
            looked: dict[str, Any] = options
            Camera(browser, laptop, base, **looked).take(name)
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        tell(Path(base))


if __name__ == "__main__":
    sys.exit(main())
