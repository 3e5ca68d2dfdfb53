"""`yp2p logs`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from yp2p.cli import options
from yp2p.cli.options import call, json_option
from yp2p.cli.output import is_terminal, say
from yp2p.errors import NotRunning

_LEVELS = ("debug", "info", "warning", "error")
_WAIT_S = 30.0
_SHOWN_FIRST = ("at", "level", "event", "exception")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with each new line, until Ctrl-C or the end of the daemon.")
@click.option("-n", "--lines", "count", type=click.IntRange(0), default=100, help="So many of the last lines (100).")
@click.option("--level", type=click.Choice(_LEVELS), default="debug", help="Only lines of this level and above.")
@json_option
def command(follow: bool, count: int, level: str, as_json: bool) -> None:
    """Show the log of the daemon that runs: its last 1,000 lines are kept.

    Older lines, and those of a daemon that does not run, are in the journal (journalctl --user -u yp2p), or in
    daemon.log beside the store where `yp2p daemon --detach` started it. Every event is listed in docs/architecture.md.
    """
    answer = _asked({"lines": count if level == "debug" else 1000})
    wanted = _LEVELS[_LEVELS.index(level) :]
    found = [line for line in answer["lines"] if line["level"] in wanted]
    for line in found[len(found) - min(count, len(found)) :]:
        _show(line, as_json=as_json)
    if not answer["lines"] and is_terminal():
        say("The daemon has logged nothing yet.")
    if answer["elsewhere"] and is_terminal() and not as_json:
        say(f"yp2p: older lines: {answer['elsewhere']}", err=True)
    for line in _following(answer["last"]) if follow else ():
        if line["level"] in wanted:
            _show(line, as_json=as_json)


def _asked(body: dict[str, Any]) -> Any:
    try:
        return call("POST", "/v1/logs", body)
    except NotRunning as error:
        who, where = _place_of_the_stopped()
        raise NotRunning(f"{who}; what it said before it ended: {where}") from error


def _place_of_the_stopped() -> tuple[str, str]:
    """That the daemon of this home does not run, and where its log is."""
    if options.home_of_hub is not None:
        return options.NO_HUB, "`journalctl -u yp2p-hub`"
    from yp2p.config import find_paths

    log = find_paths().state / "daemon.log"
    where = str(log) if os.path.exists(log) else "`journalctl --user -u yp2p` or `journalctl -u 'yp2p@*'`"
    return "no yp2p daemon is running for this home", where


def _following(last: int) -> Iterator[dict[str, Any]]:
    while True:
        answer = call("POST", "/v1/logs", {"after": last, "lines": 1000, "wait_s": _WAIT_S})
        yield from answer["lines"]
        last = answer["last"]


def _show(line: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        import json

        say(json.dumps(line, ensure_ascii=False))
        return
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["at"]))
    fields = " ".join(f"{key}={_shown(value)}" for key, value in line.items() if key not in _SHOWN_FIRST)
    say(f"{when} {line['level']:<7} {line['event']} {fields}".rstrip())
    for row in line.get("exception", "").splitlines():
        say(f"    {row}")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
