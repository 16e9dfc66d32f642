"""The other half of the pass over a capture (census.py counts who talks to whom): what has to be known of its senders before their frames
are put onto the cable.

Which sources leave checksums to their card: an IP checksum of 0, or a UDP or TCP checksum that is just the sum of the pseudo header, which
a capture shows that was made before the card had made them.  A source is judged as a whole: see sources_left()."""
import ipaddress
from typing import Any

from .._compile import Mem, be16, be32, byte, path_function, reset_struct
from ..abi.capture import LEFT_IP, LEFT_TCP, LEFT_UDP, scan_t
from ..abi.numbers import IP_MF, IP_OFFSET, TCPHDR_RST
from ..abi.survey import NSOURCE_SUMS, WAYS, source_sums, survey_t
from ..skb import csum_fold, csum_partial
from .wire import ip_sum_left, ipv4_at, l4_left_kind, l4_sum_left, pseudo_sum

SURE = 16                       # checksums of a source that are summed, to tell made ones from damaged ones
MADE = 2                        # for each checksum that a source has made, at least so many that it left to its card
TCP_FLAGS = 13


@path_function
def survey_frame(v: survey_t, s: scan_t, mem: Mem) -> None:
    """One Ethernet frame, at s.rec_at."""
    end = s.rec_at + s.rec_caplen
    ip = ipv4_at(mem, s.rec_at, end)
    if ip >= 0:
        v.left += survey_sums(source_of(v, be32(mem, ip + 12)), mem, ip, end, s.rec_caplen >= s.rec_len)


@path_function
def source_of(v: survey_t, address: int) -> source_sums:
    """Its place.  A full set gives up whom it has seen least of, but nobody who leaves checksums to his card."""
    x = v.sums[v.last]
    if x.used and x.address == address:
        return x
    at = (address * 0x9E3779B1 >> 12 & NSOURCE_SUMS // WAYS - 1) * WAYS
    worst, least = at, 1 << 62
    for i in range(at, at + WAYS):
        x = v.sums[i]
        if x.used == 0 or x.address == address:
            x.used, x.address, v.last = 1, address, i
            return x
        seen = x.ip_made + (x.ip_left + x.udp_left + x.tcp_left << 20)
        if seen < least:
            worst, least = i, seen
    x = v.sums[worst]
    reset_struct(x)
    x.used, x.address, v.last = 1, address, worst
    return x


@path_function
def survey_sums(x: source_sums, mem: Mem, ip: int, end: int, whole: bool) -> int:
    """Count the checksums of a packet; returns how many of them were left.  whole: no snap length has cut it.  Only the first few of a
    kind are summed; a reset is left out, which Linux sums itself."""
    left = 0
    if ip_sum_left(mem, ip):
        x.ip_left += 1
        left = 1
    else:
        x.ip_made += 1
    kind = l4_left_kind(mem, ip, end)
    if kind == LEFT_UDP:
        if l4_sum_left(mem, ip, kind):
            x.udp_left += 1
            left += 1
        elif x.udp_made >= SURE or not whole or l4_sum_right(mem, ip, end):
            x.udp_made += 1
    elif kind == LEFT_TCP:
        if l4_sum_left(mem, ip, kind):
            x.tcp_left += 1
            left += 1
        elif byte(mem, ip + (byte(mem, ip) & 15) * 4 + TCP_FLAGS) & TCPHDR_RST == 0:
            if x.tcp_made >= SURE or not whole or l4_sum_right(mem, ip, end):
                x.tcp_made += 1
    return left


@path_function
def l4_sum_right(mem: Mem, ip: int, end: int) -> bool:
    """Of a fragment, whose rest is elsewhere: taken so."""
    ihl = (byte(mem, ip) & 15) * 4
    n = be16(mem, ip + 2) - ihl
    if be16(mem, ip + 6) & (IP_MF | IP_OFFSET) or ip + ihl + n > end:
        return True
    return csum_fold(csum_partial(mem, ip + ihl, n, pseudo_sum(mem, ip, n))) == 0


def sources_left(v: Any) -> dict[str, int]:
    """The sources that leave checksums to their card, LEFT_* of each: of a kind most are unmade.  (Not all: Linux itself makes those of
    what a connection that has ended still answers, and some hosts leave only large sends to the card.)"""
    found: dict[str, int] = {}
    for x in v.sums if v.left else ():
        if x.ip_left or x.udp_left or x.tcp_left:
            counts = ((LEFT_IP, x.ip_left, x.ip_made), (LEFT_UDP, x.udp_left, x.udp_made), (LEFT_TCP, x.tcp_left, x.tcp_made))
            kinds = sum(kind for kind, left, made in counts if left and made * MADE <= left)
            if kinds:
                found[str(ipaddress.IPv4Address(x.address))] = kinds
    return found


def share_left(v: Any) -> dict[str, tuple[int, float]]:
    """Of each source that has left checksums: how many, and which share of those of its kind that were looked at."""
    found: dict[str, tuple[int, float]] = {}
    for x in v.sums if v.left else ():
        counts = ((x.ip_left, x.ip_made), (x.udp_left, x.udp_made), (x.tcp_left, x.tcp_made))
        left, share = max((left, left / (left + made)) if left else (0, 0.0) for left, made in counts)
        if left:
            found[str(ipaddress.IPv4Address(x.address))] = int(left), share
    return found
