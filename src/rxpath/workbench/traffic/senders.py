"""Who sends: never the receiver itself.  A host drops a packet that claims to come from one of its own addresses (IP_LOCAL_SOURCE), so that
a spec whose senders include one would lose frames that no host settings could save."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from rxpath.cable.generate import Range
from rxpath.drivers.rows import is_lo
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.words import units

FIRST = 0x0A000002                                          # 10.0.0.2: who sends if nobody is named
ELSEWHERE = 0xC6120002                                      # 198.18.0.2, of the networks for benchmarks (RFC 2544)
ALL_HOSTS = 0xFFFFFFFF


def own_addresses(host: Host | None, receivers: Iterable[Range]) -> tuple[Range, ...]:
    """The receiver's addresses: those of the host, and those that the traffic goes to.  None where a host takes what comes from itself: on
    lo, or with accept_local."""
    if host is not None and (is_lo(host.nic.driver) or host.conf("accept_local")):
        return ()
    found = [(a, a) for a in (units.cidr(text)[0] for text in host.addresses)] if host is not None else []
    found += [(first, last) for first, last in receivers if first >> 28 != 14 and first != ALL_HOSTS]
    return tuple(sorted(found))


def without(ranges: Sequence[Range], own: Sequence[Range]) -> tuple[Range, ...]:
    """The ranges without the receiver's addresses; their order stays."""
    left = list(ranges)
    for first, last in own:
        left = [part for a, b in left
                for part in (((a, b),) if b < first or last < a else ((a, first - 1), (last + 1, b))) if part[0] <= part[1]]
    return tuple(left)


def anybody(own: Sequence[Range]) -> Range:
    """A sender where none is named: 10.0.0.2 or, if that is the receiver's, the next address that is not."""
    for start in (FIRST, ELSEWHERE):
        at = start
        for first, last in own:
            if first <= at <= last:
                at = last + 1
        if at >> 8 == start >> 8 and at & 0xFF != 0xFF:
            return at, at
    return ELSEWHERE, ELSEWHERE
