"""Fixtures: every path test runs compiled and plain, and ends with balanced books."""
import os
import pathlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from .lab import Lab

HERE = pathlib.Path(__file__).parent
os.environ["XDG_DATA_HOME"] = os.path.join(tempfile.gettempdir(), "rxpath-tests-no-such-folder")      # no calibration is the default here

hypothesis.settings.register_profile("same", derandomize=True)       # every run tries the same; --hypothesis-profile=default draws others
hypothesis.settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:                # started in the background of a script: commands that are sent Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)         # would inherit that, and not hear it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes (-n) a file stays in one of them, and files that ask the kernel in the same: tracepoints are the machine's."""
    asks = {item.path for item in items if item.path.parent.name == "kernel" or item.get_closest_marker("root")}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("kernel" if item.path in asks else str(item.path.relative_to(HERE))))


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
