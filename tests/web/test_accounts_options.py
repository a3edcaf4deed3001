"""How many accounts a browser may hold, checked when the middleware is built."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import ConfigurationError
from coatcheck.web.settings import Options, Settings
from coatcheck.web.starlette import SessionMiddleware
from tests.web._site import World


@pytest.mark.parametrize("given", [1, 0, -1, 26, True, "5", 2.0])
def test_a_wrong_number_is_refused_when_it_is_built(given: Any) -> None:
    """C-20: how many accounts one browser may hold is checked with the other options, all faults at once."""
    with pytest.raises(ConfigurationError) as caught:
        SessionMiddleware(
            lambda *_: None,  # type: ignore[arg-type]  # never called
            sessions=World().sessions,
            accounts=given,
            sign_in_url="javascript:x",
        )
    assert any("accounts=" in fault and "between 2 and 25" in fault for fault in caught.value.faults)
    assert len(caught.value.faults) == 2


def test_a_name_that_leaves_no_room_is_refused_when_it_is_built() -> None:
    """C-20: browsers drop more than 4096 octets; the second cookie's name is the longer one."""
    name = "s" * (4096 - 70)
    Settings(Options(cookie_name=name))
    with pytest.raises(ConfigurationError, match="4096 octets"):
        Settings(Options(cookie_name=name, accounts=2))
