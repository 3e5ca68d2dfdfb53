"""`yp2p check`."""

from __future__ import annotations

from typing import Any

import click

from yp2p.cli.complete import Folder
from yp2p.cli.options import call, folder_name, json_option, size_text
from yp2p.cli.output import print_json, say
from yp2p.errors import NotRunning
from yp2p.printable import plural


@click.command()
@click.argument("folder", required=False, type=Folder(), callback=lambda _context, _parameter, name: folder_name(name))
@click.option("--read", is_flag=True, help="Read the bytes of every file and of the trash as well.")
@click.option(
    "--peers", is_flag=True, help="Compare with every device that is connected; with --read, ask for its texts."
)
@click.option("--repair", is_flag=True, help="Mend what has one right answer; nothing is lost by that.")
@json_option
def command(folder: str | None, *, read: bool, peers: bool, repair: bool, as_json: bool) -> int:
    """Look whether store, files, history and trash of FOLDER, or of all folders, fit together, and say what does not.

    Everything is compared while the daemon goes on. Without a daemon it is read only, and less is looked at. The exit
    code is 1 where something was found that is not repaired.
    """
    wanted = {"folder": folder, "read": read, "peers": peers, "repair": repair}
    try:
        answer = call("POST", "/v1/check", wanted)
    except NotRunning:
        if peers or repair:
            raise
        from yp2p.check.offline import check_offline
        from yp2p.config import find_paths

        answer = check_offline(find_paths(), folder, read=read)
    code = int(any(one["result"] != "repaired" for one in answer["findings"]))
    if as_json:
        print_json(answer)
        return code
    for one in answer["findings"]:
        where = ": ".join(filter(None, (one["folder"], one["path"])))
        say(f"{where}: {one['text']}" if where else str(one["text"]), f"    {_what_becomes_of(one, repair=repair)}")
    say(*([""] if answer["findings"] else []), *_summary(answer, repair=repair))
    return code


def _what_becomes_of(one: dict[str, Any], *, repair: bool) -> str:
    if one["result"] == "repaired":
        return f"repaired: {one['repair'] or 'it is not so any more'}"
    if one["result"] == "started":
        return f"begun: {one['repair']}"
    if not one["repair"]:
        return f"what helps: {one['help']}"
    if repair:
        return f"not repaired; what helps: {one['help'] or one['mended_by']}"
    how = "" if one["mended_by"] == "of what is here" else f" {one['mended_by']}"
    return f"can be repaired{how}: {one['repair']}"


def _summary(answer: dict[str, Any], *, repair: bool) -> list[str]:
    found = [
        f"{one['folder']}: {plural(one['files'], 'file')}, {size_text(one['bytes'])}, {plural(one['texts'], 'text')}"
        " looked at"
        for one in answer["checked"]
    ]
    left = [one for one in answer["findings"] if one["result"] != "repaired"]
    mended = len(answer["findings"]) - len(left)
    if answer["restarts"]:
        found.append("The daemon starts anew, to mend its store; check again in a moment.")
    if mended:
        found.append(f"{mended:,} repaired." if mended != 1 else "1 repaired.")
    if left:
        found.append(f"{len(left):,} things do not fit." if len(left) != 1 else "1 thing does not fit.")
    elif not mended:
        found.append("All is well.")
    if not repair and any(one["repair"] for one in left):
        found.append("`yp2p check --repair` repairs what can be; nothing is lost by that.")
    return found
