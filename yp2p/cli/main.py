"""`yp2p`: the console script. Errors are sentences, exit codes as documented.

Nothing is imported before `main` runs that takes time: whoever presses Ctrl-C in that moment sees no traceback.
"""

from __future__ import annotations

import sys

# name: (module, what it does)
COMMANDS = {
    "up": ("up", "Run the daemon here and share a directory: the one command to begin with."),
    "daemon": ("daemon", "Run the daemon in the foreground."),
    "share": ("share", "Share a directory: prints the code to type on the other device."),
    "join": ("join", "Take part in a folder, with the code that the other device shows."),
    "invite": ("invite", "Print a token that lets a machine in where nobody can type a code."),
    "status": ("status", "Show this device, the others, and the folders."),
    "wait": ("wait", "Wait until every folder is in sync with every connected device."),
    "undo": ("undo", "Take back what this device changed last in a file."),
    "redo": ("redo", "Make the change again that was undone."),
    "log": ("log", "List the versions of a file, or the files that were deleted."),
    "show": ("show", "Print a file as it was."),
    "diff": ("diff", "Show what became of a file between two versions."),
    "blame": ("blame", "Show which device wrote each line of a file."),
    "restore": ("restore", "Make a file or a directory what it was."),
    "bookmark": ("bookmark", "List, put or remove the bookmarks of a file."),
    "who": ("who", "Show which devices are here, and what is edited on them."),
    "trash": ("trash", "Show, restore or empty what other devices deleted."),
    "device": ("device", "List the devices, remove a lost one, and say what each may do."),
    "recovery": ("recovery", "Keep an administrator on paper, for when all others are lost."),
    "identity": ("identity", "Show this device's ID; keep its key, or take it along to another machine."),
    "folder": ("folder", "Pause a folder, to unmount its disk; go on with one that waits for your word."),
    "notices": ("notices", "Show what happened that you may want to look at, and bring back what was removed."),
    "conflicts": ("conflicts", "List and settle what two devices changed apart."),
    "stop": ("stop", "Stop the daemon."),
    "completion": ("completion", "Print the shell completion script."),
}

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
    from yp2p.errors import YpError
    from yp2p.machine import is_passing, reason

    try:
        code = group.main(standalone_mode=False)
        output.flush()
    except YpError as error:
        return _tell(error.exit_code, f"yp2p: {error}")
    except click.exceptions.Abort:
        return _INTERRUPTED
    except click.ClickException as error:
        return _tell(error.exit_code, *output.usage_lines(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError) or not is_passing(error):
            raise
        return _tell(1, f"yp2p: {reason(error)}")
    return code if isinstance(code, int) else 0


def _tell(code: int, *lines: str) -> int:
    """Say on standard error why it did not work, if that takes anything; gives the exit code."""
    from yp2p.cli import output

    try:
        output.say(*lines, err=True)
    except (OSError, output.CannotPrint):
        pass
    return code
