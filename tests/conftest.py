"""What all tests share.

Tests of properties say what holds, and nothing of how long it takes on a busy machine.

Where CI lets a test that failed run a second time (`--reruns 1`, see CONTRIBUTING.md), what it said at first is printed
in full: it is a fault that has to be found. More than a few of them, and the whole run has failed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from types import GeneratorType, SimpleNamespace

import pytest
from _pytest.terminal import TerminalReporter
from effort import EFFORT, many
from hypothesis import HealthCheck, settings
from trio._core._run import unrolled_run
from trio.lowlevel import in_trio_run

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


def _too_much(config: pytest.Config) -> str:
    """Why a run has failed though each test passed in the end; empty where it has not."""
    at_first = _failed_at_first(config)
    if len(at_first) > _MOST_SECOND_TRIES:
        return f"{len(at_first)} tests failed at first, and {_MOST_SECOND_TRIES} may"
    if any(report.when != "call" for report in at_first):
        return "what failed at first was no test but what was set up for some, or its end: they did not all run again"
    return ""


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    for report in _failed_at_first(config):
        terminalreporter.section(f"FAILED AT FIRST: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
        for name, content in report.sections:
            terminalreporter.section(name, "-")
            terminalreporter.write_line(content)
    if reason := _too_much(config):
        terminalreporter.write_line(f"The run has failed: {reason}.", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _too_much(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_runtest_setup() -> None:
    """A test that took too long may have been ended in trio's own code, and then its loop still counts as running: each
    later test of the process would fail."""
    if in_trio_run():
        for one in gc.get_objects():
            if isinstance(one, GeneratorType) and one.gi_code is unrolled_run.__code__:
                with suppress(Exception):  # it says that it was abandoned
                    one.close()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The time of the processor that budgets are charged with, which passes where this is called."""
    worked = [0.0]

    def work(seconds: float) -> None:
        worked[0] += seconds

    monkeypatch.setattr("yp2p.folder.budget.time", SimpleNamespace(thread_time=lambda: worked[0]))
    return work
