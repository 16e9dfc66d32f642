"""The host that a user names: a host file, a case (its own host file, or the one that its settings come to), a Host, or nothing."""
from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rxpath.cable.case_file import is_case
from rxpath.workbench.host.file import HostError, apply_overrides, build, default, load, load_to_change, loads
from rxpath.workbench.host.model.host import Host

# a Host, the tables of a host file, the path of one or of a case, or None: the default host
GivenHost = Host | Mapping[str, Any] | str | Path | None


def the_host(host: GivenHost = None, overrides: Sequence[str] = (), seed: int | None = None) -> Host:
    """A Host of it, with overrides KEY=VALUE."""
    said = isinstance(host, Host) and host.seed == seed and "seed" in host._raw
    settings = [*overrides, *([f"seed={seed}"] if seed is not None and not said else [])]
    if host is None:
        host = default()
    elif isinstance(host, Mapping):
        host = build(copy.deepcopy(dict(host)), "host")
    elif not isinstance(host, Host):
        host = of_case(host) if is_case(host) else load_to_change(host) if settings else load(host)
    return apply_overrides(host, settings) if settings else host


def of_case(path: str | Path) -> Host:
    """The host of a case.  HostError: it says nothing of its host's settings."""
    return loads(case_text(path), str(path))


def case_text(path: str | Path) -> str:
    """The host file of a case, as text."""
    state = Path(path).stat()
    return _text(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(8)
def _text(path: str, *_: int) -> str:
    from rxpath.workbench.host.snapshot.compose import snapshot
    from rxpath.workbench.readings.case import open_recorded

    case = open_recorded(path)
    if case.host_text:
        return case.host_text
    reading = case.settings if case.settings.records or not case.moments else case.moments[0]
    if not reading.records:
        raise HostError(path, "", "a case that says nothing of its host's settings: --host gives them")
    return snapshot(reading).text
