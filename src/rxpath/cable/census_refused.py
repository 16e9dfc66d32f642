"""When a UDP port opened and closed: port unreachable says that it is closed, a datagram that its host sends from it that it is open.

Called by census.py and census_said.py for each in the order of the capture; surroundings.py reads what came of it."""
from .._compile import cold, path_function
from ..abi.census import NCHANGE, NREFUSED, WAYS, census_refused, census_t
from .census_tables import census_hash


@path_function
def census_refused_of(c: census_t, hi: int, lo: int, port: int) -> int:
    """Its place, or the one that it may take; -1: none."""
    at = census_hash(lo, hi, port)
    for k in range(WAYS):
        i = at + k & NREFUSED - 1
        r = c.refused[i]
        if r.used == 0 or (r.lo == lo and r.hi == hi and r.port == port):
            return i
    return -1


@path_function
def census_change(r: census_refused, record: int) -> None:
    if r.n < NCHANGE:
        r.at[r.n] = record
    r.n += 1
    r.closed = 1 - r.closed


@cold
@path_function
def census_refuses(c: census_t, hi: int, lo: int, port: int, record: int) -> None:
    """A datagram to this port, that record, was refused just now."""
    i = census_refused_of(c, hi, lo, port)
    if i < 0:
        return
    r = c.refused[i]
    if r.used == 0:
        r.used, r.hi, r.lo, r.port = 1, hi, lo, port
        c.nrefused += 1
        c.refused_port[port >> 5] |= 1 << (port & 31)
    if r.closed == 0:
        census_change(r, record)
    r.last = c.records


@path_function
def census_speaks(c: census_t, hi: int, lo: int, port: int) -> None:
    """A host has sent a datagram from this port."""
    if c.nrefused == 0 or c.refused_port[port >> 5] >> (port & 31) & 1 == 0:
        return
    i = census_refused_of(c, hi, lo, port)
    if i < 0 or c.refused[i].used == 0:
        return
    r = c.refused[i]
    r.sent += 1
    if r.closed:
        census_change(r, r.last)

