"""Routes and neighbours."""
from .._compile import i64, struct


@struct(align=64)
class fib_alias:
    key_hi: i64
    key_lo: i64
    plen: i64
    type: i64                   # RTN
    oif: i64                    # device index
    gw_lo: i64
    next: i64
    prefsrc: i64


@struct()
class neighbour:
    addr_hi: i64
    addr_lo: i64
    mac: i64
    state: i64
    next: i64
