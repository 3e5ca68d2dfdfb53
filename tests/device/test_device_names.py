"""Names of devices that cannot be used, and why."""

from __future__ import annotations

import pytest

from yp2p.device.device_changes import _check_name
from yp2p.errors import UsageError


@pytest.mark.parametrize("name", ["laptop ", " laptop", "\tlaptop"])
def test_a_space_at_the_end_is_what_is_wrong(name: str) -> None:
    with pytest.raises(UsageError, match=r"it begins or ends with a space; leave that out$"):
        _check_name(name, is_own=False)


@pytest.mark.parametrize("name", ["x" * 65, "a\x1bb", " "])
def test_a_name_has_characters_that_can_be_printed(name: str) -> None:
    with pytest.raises(UsageError, match=r"it has 1 to 64 characters that can be printed$"):
        _check_name(name, is_own=False)
