"""Every capture that others made: it replays with the books balanced, or it is refused in one clear line."""
import pytest

import rxpath
from rxpath.cable.source import CaptureError
from rxpath.workbench.views import as_json as report_json

from ..cable import captures


def test_every_shared_capture_replays_with_balanced_books_or_says_why_not():
    paths = captures.shared_captures()
    if not paths:
        pytest.skip("no folder of captures beside the repository (shared/data/captures)")
    ran = refused = 0
    for path in paths:
        try:
            run = report_json.build(rxpath.replay(path))
        except CaptureError as e:
            assert "\n" not in str(e) and len(str(e)) < 400, path
            refused += 1
            continue
        assert run["offered"] == run["delivered"] + run["queued"] + sum(run["dropped"].values()), path
        ran += 1
    assert ran > 250 and ran > refused
