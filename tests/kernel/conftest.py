"""The real kernel is asked only where it can be: root, namespaces, tracefs, 6.18.  Elsewhere these tests are skipped with the reason."""
from collections.abc import Iterator

import pytest

from rxpath.workbench.judge import run
from rxpath.workbench.judge.run import Judge


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    why = run.cannot_judge() or run.other_kernel()
    if why:
        pytest.skip(why)
    with Judge() as both:
        yield both
