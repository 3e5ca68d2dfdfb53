"""A room with everything that a page can show: history, conflicts, trash, notices, and names that are meant to harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import Device, devices

# Markup, what turns text around, what terminals obey, the longest name there is, and bytes that are no text.
HOSTILE_NAMES = [
    "<img src=x onerror=document.title='bad'>.md",
    "\"><script>document.title='bad'<%2Fscript>.md",
    "javascript:alert(1).md",
    "\u202egnp.exe\u2066.md",
    "\x1b[31mred\x07\x1b]0;title\x07.md",
    "two\nlines\tand\rmore.md",
    "x" * 252 + ".md",
    "漢" * 84 + ".md",
    "&lt;b&gt; &#x202e; %3Cb%3E.md",
    "#open=abc?x=1&y.md",
    "a!dcff.b!!.md",
    b"no \xff\xfe utf8.md".decode("utf-8", "surrogateescape"),
    "e\u0301\u200b\u200d\ufeff.md",
]
# Of devices and folders only what can be printed is a name.
HOSTILE_DEVICE = '<b>desk</b> "onload=x <script>'
HOSTILE_LABEL = "<i>notes</i> & '100 %'"
# What may be in no text that a page shows: it would turn what stands beside it, or is invisible.
UNSEEN = "\u202e\u2066\x1b\x07\x00"


def apart(one: Device, two: Device) -> Iterator[None]:
    """While they hear nothing of each other."""
    two.stop()
    yield
    two.start()
    one.wait()
    two.wait()


@contextmanager
def full_room(base: Path) -> Iterator[list[Device]]:
    """A laptop, a desktop, and a pi that is off."""
    with devices(base, "laptop", "desktop", "pi") as (one, two, three):
        for name in HOSTILE_NAMES:
            (one.dir / name).write_text("first\nsecond\nthird\n")
        (one.dir / "plan.md").write_text("# Plan\n\nmilk\nbread\n")
        (one.dir / "gone.md").write_text("a text\n")
        (one.dir / "photo.bin").write_bytes(b"\x00\xff" * 4000)
        (one.dir / "gone.bin").write_bytes(b"\x00\xfe" * 400)
        (one.dir / "sub").mkdir()
        (one.dir / "sub/deep.txt").write_text("deep\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": HOSTILE_LABEL})
        two.join(one)
        three.join(one)
        one.call("POST", "/v1/device/rename", {"device": two.status()["device"]["id"], "name": HOSTILE_DEVICE})
        for device in (one, two, three):
            device.wait()
        three.stop()
        for line in ("butter", "cheese"):
            with (two.dir / "plan.md").open("a") as file:
                file.write(f"{line}\n")
            two.wait()
            one.wait()
        (two.dir / "gone.md").unlink()
        (two.dir / "gone.bin").unlink()
        two.wait()
        for _ in apart(one, two):
            for device, word in ((one, "ours"), (two, "theirs")):
                plan = device.dir / "plan.md"
                plan.write_text(plan.read_text().replace("milk", f"milk {word}"))
                hostile = device.dir / HOSTILE_NAMES[0]
                hostile.write_text(f"first {word}\nsecond\nthird\n")
                (device.dir / "new.md").write_text(f"made by {word}\n" * 3)
        yield [one, two, three]
