"""Twice what the reader can do, for a second; benches/overload.py does it for a minute."""
import pytest

from benches.overload import KINDS, overload

from .namespaces import needs_root

pytestmark = needs_root


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_much_is_counted_and_then_all_is_as_before(kind):
    found = overload(kind, 1.0)
    assert found.unexplained == 0, found
    assert found.read > 0 and found.refused + sum(found.lost.values()) > 0, "there was too much"
    assert found.rss[1] - found.rss[0] < 8192, "KiB: memory is flat"
    assert found.answered_s < 5
