"""Whose is a setting of --set: the traffic's or the host's?  Asked before either is read."""
from __future__ import annotations

from collections.abc import Iterable

ROOM = "traffic."


def split(overrides: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(settings of the traffic, settings of the host) of --set: traffic.0.rate=200kpps is the traffic's."""
    given = tuple(overrides)
    return tuple(s for s in given if s.strip().startswith(ROOM)), tuple(s for s in given if not s.strip().startswith(ROOM))
