"""Arrow's library is an extra: it is imported when somebody wants a file of it."""
from __future__ import annotations

from typing import Any

from rxpath.workbench.words.mistakes import BadInput


def pyarrow(option: str) -> Any:
    """pyarrow, or one line that says how to get it."""
    try:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError:
        raise BadInput(f"{option} needs pyarrow, which is not installed: pip install 'rxpath[parquet]'") from None
    return pyarrow
