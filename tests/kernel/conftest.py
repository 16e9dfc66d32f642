"""The real kernel is asked only where it can be: root, namespaces, tracefs, 6.18.  Elsewhere these tests are skipped with the reason."""
from collections.abc import Iterator

import pytest

from rxpath.workbench.cli import judge as command
from rxpath.workbench.judge.run import Judge


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    why = command.cannot_judge() or command.other_kernel()
    if why:
        pytest.skip(why)
    with Judge() as both:
        yield both
