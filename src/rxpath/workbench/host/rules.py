"""The firewall rules of a host: its file or its text, read by iptables/."""
from __future__ import annotations

import functools

from rxpath.files import read_file
from rxpath.workbench.host.file import HostError
from rxpath.workbench.host.iptables.move import NoSuchRule, moved
from rxpath.workbench.host.iptables.read import parse
from rxpath.workbench.host.iptables.ruleset import Ruleset
from rxpath.workbench.host.model.host import Host


def rules(host: Host, skip_unsupported: bool | None = None) -> Ruleset | None:
    """The host's firewall rules, parsed; None when it has none.  Raises RulesError with file and line, HostError for the file itself."""
    found, wanted = _read(host, host.iptables.skip_unsupported if skip_unsupported is None else skip_unsupported), host.iptables
    if not wanted.first and not wanted.raw:
        return found
    try:
        if found is None:
            raise NoSuchRule("there are no rules to move: file or text")
        return moved(found, wanted.first, wanted.raw)
    except NoSuchRule as error:
        raise HostError(host._source, "iptables.first" if wanted.first else "iptables.raw", str(error)) from None


LARGEST = 64 << 20                                         # iptables-save with a hundred thousand rules has 10 MB


_parse = functools.lru_cache(maxsize=4)(parse)             # each candidate of a what-if is a host with the same rules


def _read(host: Host, skip: bool) -> Ruleset | None:
    if host.iptables.text is not None:
        return _parse(host.iptables.text, f"{host._source}: iptables.text", skip_unsupported=skip)
    if host.iptables.file is None:
        return None
    try:
        text = read_file(host.iptables.file, LARGEST).decode()
    except OSError as error:
        raise HostError(host._source, "iptables", f"{host.iptables.file} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, ValueError):
        raise HostError(host._source, "iptables", f"{host.iptables.file} is not UTF-8 text") from None
    return _parse(text, host.iptables.file, skip_unsupported=skip)
