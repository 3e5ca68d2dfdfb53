"""`yp2p`: the console script. Errors are sentences, exit codes as documented.

Imports that take time happen inside `main`, so that Ctrl-C during the start prints no traceback.
"""

from __future__ import annotations

import sys

# What the help lists, in its order. name: (module, what it does)
_LISTED: dict[str, dict[str, tuple[str, str]]] = {
    "Begin": {
        "up": ("up", "Run the daemon here and share a directory: how the first device begins."),
        "share": ("share", "Share a directory: prints the code to type on the other device."),
        "join": ("join", "Take part in a folder, with the code that the other device shows."),
    },
    "See what is going on": {
        "status": ("status", "Show whether everything is in sync, the folders and the devices."),
        "doctor": ("doctor", "Look for what is wrong here, on the network and with other devices, and say what helps."),
        "open": ("open", "Open the page in your browser: everything at a glance, and an editor."),
        "events": ("events", "Show what happens, as it happens: links, changed files, transfers, conflicts."),
        "check": ("check", "Look whether store, files, history and trash fit together; --repair mends them."),
        "wait": ("wait", "Wait until every folder is in sync with every connected device."),
        "who": ("who", "Show which devices are connected, and which files are being edited."),
        "notices": ("notices", "Show what you may want to look at, and bring back removed text."),
        "conflicts": ("conflicts", "List and settle what two devices changed at the same time."),
    },
    "Programs that edit": {
        "read": ("read", "Print a file, and the name of exactly this version of it."),
        "edit": ("edit", "Edit a file, made of exactly the version that was read."),
        "mcp": ("mcp", "Serve files to an MCP client, for agents."),
        "lsp": ("lsp", "Serve an editor that speaks the Language Server Protocol."),
    },
    "Undo and history": {
        "log": ("log", "List the versions of a file, or the files that were deleted."),
        "show": ("show", "Print a file as it was."),
        "diff": ("diff", "Show the differences between two versions of a file."),
        "blame": ("blame", "Show which device wrote each line of a file, and when."),
        "undo": ("undo", "Undo the last change that this device made to a file."),
        "redo": ("redo", "Redo what was undone."),
        "restore": ("restore", "Bring back a version of a file, or a whole directory."),
        "trash": ("trash", "List, restore or empty what other devices deleted."),
        "purge": ("purge", "Remove the history of a file, here and on other devices: a password saved by mistake."),
        "bookmark": ("bookmark", "List, set or remove the bookmarks of a file."),
    },
    "Folders and devices": {
        "folder": (
            "folder",
            "List, offer and accept folders; rename, move, pause or leave one; ignore files, or have only some.",
        ),
        "limit": ("limit", "Limit how fast files are sent and received, or show the limits."),
        "device": ("device", "List the devices and why one is not connected; rename, pause or remove one."),
        "invite": ("invite", "Print a token for a machine on which nobody can type a code."),
        "identity": ("identity", "Show this device's ID; export its key, or import one."),
        "recovery": ("recovery", "Make a recovery key on paper, in case all administrators are lost."),
    },
    "The program": {
        "daemon": ("daemon", "Run the daemon, in the foreground or (--detach) in the background."),
        "service": ("service", "Have systemd run yp2p, from a login on or from the start of the machine on."),
        "reload": ("reload", "Have the daemon read its settings again."),
        "stop": ("stop", "Stop the daemon."),
        "link": ("link", "Carry a link over standard input and output, for ssh."),
        "logs": ("logs", "Show the log of the daemon, and follow it."),
        "debug": ("debug", "Gather what somebody needs who looks for a fault."),
        "metrics": ("metrics", "Print what the daemon does, in numbers, for Prometheus."),
        "client": ("client", "Connect an editor that has a plugin of Teamtype."),
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
