"""desk(**options) -> Desk, compiled and plain."""
from collections.abc import Callable

import pytest

from .desk import Desk


@pytest.fixture(params=["compiled", "plain"])
def desk(request: pytest.FixtureRequest) -> Callable[..., Desk]:
    return lambda **options: Desk(request.param == "plain", **options)
