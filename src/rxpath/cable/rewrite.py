"""A looped capture's frames from other senders: source addresses changed where they lie, checksums mended (RFC 1624).

Called by scan.py for every reading but the first, when fresh addresses were asked for.  The first and the last octet stay, so that no
address becomes a multicast, loopback or broadcast one; the two between differ from loop to loop."""
from .._compile import Mem, be16, be32, byte, path_function, put_be16, put_be32
from ..abi.numbers import ETH_HLEN, ETH_P_8021Q, ETH_P_IP, IP_HLEN, IP_OFFSET, IPPROTO, VLAN_HLEN


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
    ip, end = frame + ETH_HLEN, frame + caplen
    if caplen < ETH_HLEN + IP_HLEN:
        return
    kind = be16(mem, frame + 12)
    if kind == ETH_P_8021Q:
        kind = be16(mem, frame + 16)
        ip += VLAN_HLEN
    if kind != ETH_P_IP or ip + IP_HLEN > end or byte(mem, ip) >> 4 != 4:
        return
    old = be32(mem, ip + field)
    if old >> 28 >= 14 or old >> 24 == 127 or old >> 24 == 0:
        return
    new = old ^ (loop & 0xFFFF) << 8
    put_be32(mem, ip + field, new)
    csum_mend(mem, ip + 10, old, new)
    if be16(mem, ip + 6) & IP_OFFSET:                       # a later fragment has no transport header
        return
    l4, proto = ip + (byte(mem, ip) & 15) * 4, byte(mem, ip + 9)
    if proto == IPPROTO.UDP and l4 + 8 <= end and be16(mem, l4 + 6):
        csum_mend(mem, l4 + 6, old, new)
        if be16(mem, l4 + 6) == 0:                          # 0 would say: none
            put_be16(mem, l4 + 6, 0xFFFF)
    elif proto == IPPROTO.TCP and l4 + 18 <= end:
        csum_mend(mem, l4 + 16, old, new)
