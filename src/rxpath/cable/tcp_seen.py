"""Connections of the receiver that a capture shows to be real (survey.py): the table by which the reader of the capture knows their
segments.

It has NTCPSEEN places; of connections beyond, the ports of the server's end are known, and all segments from or to those count."""
from typing import Any

from .._compile import entry, forget, le64, mem_at, path_function, region
from ..abi.limits import NTCPSEEN
from ..abi.net import Net

ROW = 48                        # bytes: source, destination, ports (source << 16 | destination) of what comes in, mss, full, wscale


@path_function
def tcp_seen_slot(net: Net, saddr: int, daddr: int, ports: int) -> int:
    """Where the connection is, or would be."""
    h = (saddr * 0x9E3779B1 ^ daddr * 0x85EBCA77 ^ ports * 0xC2B2AE3D) & 0x7FFF_FFFF_FFFF
    at = (h >> 13 ^ h >> 29) & NTCPSEEN * 2 - 1
    while True:
        x = net.tcp_seen[at]
        if x.used == 0 or (x.saddr == saddr and x.daddr == daddr and x.ports == ports):
            return at
        at = at + 1 & NTCPSEEN * 2 - 1


@entry
def tcp_seen_add(net: Net, addr: int, n: int) -> None:
    """n rows at addr."""
    mem = mem_at(addr)
    for i in range(min(n, NTCPSEEN)):
        saddr, daddr, ports = le64(mem, i * ROW), le64(mem, i * ROW + 8), le64(mem, i * ROW + 16)
        x = net.tcp_seen[tcp_seen_slot(net, saddr, daddr, ports)]
        x.used, x.saddr, x.daddr, x.ports, x.wscale = 1, saddr, daddr, ports, le64(mem, i * ROW + 40)
        x.mss, x.full = le64(mem, i * ROW + 24), le64(mem, i * ROW + 32)
        if x.mss and (net.tcp_seen_mss == 0 or x.mss < net.tcp_seen_mss):
            net.tcp_seen_mss = x.mss


def tcp_seen_load(b: Any, rows: bytes, ports: tuple[int, ...] = ()) -> None:
    """The connections of a capture, a ROW each, and the ports that stand for those that found no place in its list."""
    net: Net = b.net
    buf = bytearray(rows)
    if buf:
        addr = region(buf)
        b.call(tcp_seen_add)(net, addr, len(buf) // ROW)
        forget(addr)
    for port in ports:
        net.tcp_seen_port[port >> 5] |= 1 << (port & 31)
    net.tcp_seen_spilled, net.ntcp_seen = int(bool(ports)), len(buf) // ROW + len(ports)
