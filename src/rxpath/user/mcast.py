"""The groups that a socket has joined: ip_mc_join_group() and its kind of net/ipv4/igmp.c.

The device's own list is network/'s, the card's filter drivers/'s: Booted.join_group() does all three."""
import errno
from typing import Any

from .._compile import entry, path_function
from ..abi.net import Net
from ..abi.sock import sock
from .errors import error


@path_function
def mcast_unlink(net: Net, sk: sock, m: int) -> None:
    gone = net.mcast[m]
    if sk.mc_list == m:
        sk.mc_list = gone.next
    else:
        before = net.mcast[sk.mc_list]
        while before.next != m:
            before = net.mcast[before.next]
        before.next = gone.next
    gone.next = net.mcast_free
    net.mcast_free = m


@entry
def mcast_leave(net: Net, i: int, m: int) -> None:
    mcast_unlink(net, net.socks[i], m)


@path_function
def ip_mc_drop_socket(net: Net, sk: sock) -> None:
    """close(): its memberships go."""
    while sk.mc_list >= 0:
        mcast_unlink(net, sk, sk.mc_list)


def join(b: Any, i: int, group: int, ifindex: int, source: int = 0) -> bool:
    """IP_ADD_MEMBERSHIP, with a source IP_ADD_SOURCE_MEMBERSHIP.  Is there one more membership?"""
    net = b.net
    sk = net.socks[i]
    if group >> 28 != 14:
        raise error(errno.EINVAL, "IP_ADD_MEMBERSHIP")
    for m in memberships(net, sk):
        row = net.mcast[m]
        if (row.addr_lo, row.ifindex) != (group, ifindex):
            continue
        if source == 0:                              # a member already, if only of some sources
            raise error(errno.EADDRINUSE, "IP_ADD_MEMBERSHIP")
        if row.src_lo == source:
            raise error(errno.EADDRNOTAVAIL, "IP_ADD_SOURCE_MEMBERSHIP")
        if row.src_lo == 0:                          # from now on a member of that source only
            row.src_lo = source
            return False
    if net.mcast_free >= 0:
        m = net.mcast_free
        net.mcast_free = net.mcast[m].next
    elif net.nmcast < len(net.mcast):
        m = net.nmcast
        net.nmcast += 1
    else:
        raise error(errno.ENOBUFS, "IP_ADD_MEMBERSHIP")
    row = net.mcast[m]
    row.addr_lo, row.addr_hi, row.ifindex, row.src_lo, row.src_hi, row.next = group, 0, ifindex, source, 0, sk.mc_list
    sk.mc_list = m
    return True


def leave(b: Any, i: int, group: int, ifindex: int, source: int = 0) -> None:
    """IP_DROP_MEMBERSHIP"""
    net = b.net
    for m in memberships(net, net.socks[i]):
        row = net.mcast[m]
        if (row.addr_lo, row.ifindex, row.src_lo) == (group, ifindex, source):
            b.call(mcast_leave)(net, i, m)
            return
    raise error(errno.EADDRNOTAVAIL, "IP_DROP_MEMBERSHIP")


def memberships(net: Net, sk: sock) -> list[int]:
    found, m = [], sk.mc_list
    while m >= 0:
        found.append(m)
        m = net.mcast[m].next
    return found
