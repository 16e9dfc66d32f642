"""A looped capture's frames from other senders: source addresses changed where they lie, checksums mended (RFC 1624).

Called by scan.py for every reading but the first, when fresh addresses were asked for.  The first and the last octet stay, so that no
address becomes a multicast, loopback or broadcast one; the two between differ from loop to loop."""
from .._compile import Mem, be16, be32, offsetof, path_function, put_be16, put_be32, struct_at
from ..abi.headers import frame_ipv4, iphdr, tcphdr, udphdr
from ..abi.numbers import IP_OFFSET, IPPROTO, UDP_HLEN

IP_CHECK, UDP_CHECK, TCP_CHECK = offsetof(iphdr, "check"), offsetof(udphdr, "check"), offsetof(tcphdr, "check")


@path_function
def csum_mend(mem: Mem, at: int, old: int, new: int) -> None:
    """The checksum at `at` of data in which a 32-bit word has changed (RFC 1624, equation 3)."""
    total = (~be16(mem, at) & 0xFFFF) + (~(old >> 16) & 0xFFFF) + (~old & 0xFFFF) + (new >> 16) + (new & 0xFFFF)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    put_be16(mem, at, ~total & 0xFFFF)


@path_function
def fresh_address(mem: Mem, frame: int, caplen: int, loop: int, field: int) -> None:
    """Another address at `field` of the IPv4 header (12: the source's, 16: the destination's).  Anything else is left alone."""
    at, end = frame_ipv4(mem, frame, caplen), frame + caplen
    if at < 0:
        return
    ip = struct_at(iphdr, mem, at)
    if ip.version != 4:
        return
    old = be32(mem, at + field)
    if old >> 28 >= 14 or old >> 24 == 127 or old >> 24 == 0:
        return
    new = old ^ (loop & 0xFFFF) << 8
    put_be32(mem, at + field, new)
    csum_mend(mem, at + IP_CHECK, old, new)
    if ip.frag_off & IP_OFFSET:                             # a later fragment has no transport header
        return
    l4 = at + ip.ihl * 4
    if ip.protocol == IPPROTO.UDP and l4 + UDP_HLEN <= end:
        uh = struct_at(udphdr, mem, l4)
        if uh.check:
            csum_mend(mem, l4 + UDP_CHECK, old, new)
            if uh.check == 0:                               # 0 would say: none
                uh.check = 0xFFFF
    elif ip.protocol == IPPROTO.TCP and l4 + TCP_CHECK + 2 <= end:
        csum_mend(mem, l4 + TCP_CHECK, old, new)
