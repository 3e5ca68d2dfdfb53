"""`yp2p`: the console script. Errors are sentences, exit codes as documented.

Imports that take time happen inside `main`, so that Ctrl-C during the start prints no traceback.
"""

from __future__ import annotations

import sys

# What the help lists, in its order. name: (module, what it does)
_LISTED: dict[str, dict[str, tuple[str, str]]] = {
    "Begin": {
        "up": ("up", "Run the daemon here and share a directory: the one command to begin with."),
        "share": ("share", "Share a directory: prints the code to type on the other device."),
        "join": ("join", "Take part in a folder, with the code that the other device shows."),
    },
    "See how it stands": {
        "status": ("status", "Show this device, the others, and the folders."),
        "doctor": ("doctor", "Look for what is wrong here, on the network and with other devices, and say what helps."),
        "wait": ("wait", "Wait until every folder is in sync with every connected device."),
        "who": ("who", "Show which devices are here, and what is edited on them."),
        "notices": ("notices", "Show what happened that you may want to look at, and bring back what was removed."),
        "conflicts": ("conflicts", "List and settle what two devices changed apart."),
    },
    "Files as they were": {
        "log": ("log", "List the versions of a file, or the files that were deleted."),
        "show": ("show", "Print a file as it was."),
        "diff": ("diff", "Show what became of a file between two versions."),
        "blame": ("blame", "Show which device wrote each line of a file."),
        "undo": ("undo", "Take back what this device changed last in a file."),
        "redo": ("redo", "Make the change again that was undone."),
        "restore": ("restore", "Make a file or a directory what it was."),
        "trash": ("trash", "Show, restore or empty what other devices deleted."),
        "bookmark": ("bookmark", "List, put or remove the bookmarks of a file."),
    },
    "Folders and devices": {
        "folder": (
            "folder",
            "List, offer and accept folders; rename, move, pause or leave one, and answer what one asks.",
        ),
        "limit": ("limit", "Limit how fast files are sent and received, or show the limits."),
        "device": ("device", "List the devices and why one is not connected; rename, pause or remove one."),
        "invite": ("invite", "Print a token that lets a machine in where nobody can type a code."),
        "identity": ("identity", "Show this device's ID; keep its key, or take it along to another machine."),
        "recovery": ("recovery", "Keep an administrator on paper, for when all others are lost."),
    },
    "The program": {
        "daemon": ("daemon", "Run the daemon in the foreground."),
        "stop": ("stop", "Stop the daemon."),
        "completion": ("completion", "Print the shell completion script."),
        "help": ("help", "Explain a command."),
    },
}
COMMANDS = {name: command for commands in _LISTED.values() for name, command in commands.items()}
SECTIONS = {title: list(commands) for title, commands in _LISTED.items()}

_INTERRUPTED = 130


def main() -> None:
    """Run the command that the command line names, and exit."""
    try:
        code = _run()
    except BrokenPipeError:  # whoever read what is printed has gone
        code = 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    try:
        from yp2p.cli import output

        output.give_up()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


def _run() -> int:
    """Carry it out and give the exit code. Raises BrokenPipeError, KeyboardInterrupt."""
    import click

    from yp2p.cli import output
    from yp2p.cli.group import group
    from yp2p.cli.usage import sentence
    from yp2p.errors import YpError
    from yp2p.machine import is_passing, reason

    try:
        code = group.main(prog_name="yp2p", standalone_mode=False)
        output.flush()
    except YpError as error:
        return _tell(error.exit_code, str(error))
    except click.exceptions.Abort:
        return _INTERRUPTED
    except click.ClickException as error:
        return _tell(error.exit_code, sentence(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError) or not is_passing(error):
            raise
        return _tell(1, reason(error))
    return code if isinstance(code, int) else 0


def _tell(code: int, message: str) -> int:
    """Say on standard error why it did not work, if that takes anything; gives the exit code.

    A program that asked for JSON gets it as JSON, on standard error as well: standard output holds answers only.
    """
    from yp2p.cli import output

    try:
        if "--json" in sys.argv[1:]:
            output.print_json({"error": message, "exit_code": code}, err=True)
        else:
            output.say(f"yp2p: {message}", err=True)
    except (OSError, output.CannotPrint):
        pass
    return code
