"""What all tests share.

Tests of properties say what holds, and nothing of how long it takes on a busy machine.

Where CI lets a test that failed run a second time (`--reruns 1`, see CONTRIBUTING.md), what it said at first is printed
in full: it is a fault that has to be found. More than a few of them, and the whole run has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from _pytest.terminal import TerminalReporter
from effort import EFFORT, many
from hypothesis import HealthCheck, settings

_EXAMPLES = 100  # as Hypothesis has it
_MOST_SECOND_TRIES = 3

settings.register_profile(
    EFFORT, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=many(_EXAMPLES)
)
settings.load_profile(EFFORT)


def _failed_at_first(config: pytest.Config) -> list[pytest.TestReport]:
    """What failed and was run again. Empty in a process that only runs tests for another one."""
    terminal: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    return list(terminal.stats.get("rerun", ())) if terminal is not None else []


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    for report in _failed_at_first(config):
        terminalreporter.section(f"FAILED AT FIRST: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
        for name, content in report.sections:
            terminalreporter.section(name, "-")
            terminalreporter.write_line(content)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if len(_failed_at_first(session.config)) > _MOST_SECOND_TRIES:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The time of the processor that budgets are charged with, which passes where this is called."""
    worked = [0.0]

    def work(seconds: float) -> None:
        worked[0] += seconds

    monkeypatch.setattr("yp2p.folder.budget.time", SimpleNamespace(thread_time=lambda: worked[0]))
    return work
