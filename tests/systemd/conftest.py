from __future__ import annotations

from collections.abc import Iterator

import pytest
from systemd.machines import Machine, install_wheel, open_machines


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machine]]:
    """Three machines of one LAN, for all tests: what one leaves behind the next one finds."""
    with open_machines(tmp_path_factory.mktemp("machines"), 3, install_wheel) as machines:
        yield machines
