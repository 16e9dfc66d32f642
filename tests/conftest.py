"""Fixtures: every path test runs compiled and plain, and ends with balanced books."""
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .lab import Lab

os.environ["XDG_DATA_HOME"] = os.path.join(tempfile.gettempdir(), "rxpath-tests-no-such-folder")      # no calibration is the default here


@pytest.fixture(params=["compiled", "plain"])
def lab(request: pytest.FixtureRequest) -> Iterator[Callable[..., Lab]]:
    """lab(**options) -> Lab; the books of each are checked at the end."""
    made: list[Lab] = []

    def make(**options: Any) -> Lab:
        made.append(Lab(plain=request.param == "plain", **options))
        return made[-1]
    yield make
    for m in made:
        m.close()
