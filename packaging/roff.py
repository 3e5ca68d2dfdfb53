"""Text as man(7) has it."""

from __future__ import annotations

import re

_CODE = re.compile(r"`([^`]+)`")


def escaped(text: str) -> str:
    """Words that stand for themselves: no escape, no hyphen that a terminal cannot search for."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def prose(text: str) -> str:
    """A paragraph, with what stands in backquotes in bold; no line of it is a request."""
    line = "".join(
        rf"\fB{escaped(part)}\fR" if number % 2 else escaped(part) for number, part in enumerate(_CODE.split(text))
    )
    return rf"\&{line}" if line[:1] in (".", "'") else line


def literal(lines: list[str]) -> list[str]:
    """Lines that stay as they are."""
    return [".PP", ".nf", *(rf"\&{escaped(line)}" for line in lines), ".fi"]


def head(name: str, section: int, version: str, manual: str) -> list[str]:
    """No date: the same sources make the same page."""
    return [f'.TH "{name.upper()}" "{section}" "" "yp2p {version}" "{manual}"', ".ad l", ".nh"]


def page(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
