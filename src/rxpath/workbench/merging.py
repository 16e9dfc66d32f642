"""Captures merged by time into one; sped up; looped, each time from other source addresses: `rxpath generate --merge`."""
from __future__ import annotations

from typing import Any

from rxpath.workbench.mistakes import BadInput


def merge(files: list[str], out: str | None, *, speed: float, loop: int, fresh: bool, progress: Any = None,
          stop: Any = None) -> tuple[int, int, int]:
    raise BadInput("generate --merge: not built yet")
