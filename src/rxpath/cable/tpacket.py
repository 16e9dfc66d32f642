"""Blocks of a packet socket's ring, TPACKET_V3 (<linux/if_packet.h>, net/packet/af_packet.c), as Enhanced Packet Blocks of pcapng: what
`rxpath record` has kept becomes what pcapng.py reads.  Called by ring_source.py, block after block.

The kernel has taken VLAN tags out of the frames before a packet socket sees them: they are put back.  Everything that a block says of
itself is checked against its length: it comes from a file."""
from .._compile import Mem, byte, entry, le16, le32, mem_at, memcpy, path_function, put_be16, put_le16, put_le32
from ..abi.capture import MAX_CAPLEN
from ..abi.tpacket import ring_block_t
from .pcap import PACKET_OUTGOING
from .pcapng import EPB, EPB_FLAGS

BLOCK_HDR = 48                  # struct tpacket_block_desc
NUM_PKTS, FIRST_PKT, BLK_LEN = 12, 16, 20
NEXT, SEC, NSEC, SNAPLEN, LEN, STATUS, MAC, VLAN_TCI, VLAN_TPID = 0, 4, 8, 12, 16, 20, 24, 32, 36       # struct tpacket3_hdr
PACKET_HDR = 48
PKTTYPE = PACKET_HDR + 10       # sll_pkttype of the sockaddr_ll behind it
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
ETH_P_8021Q, ETH_ALEN, VLAN_HLEN = 0x8100, 6, 4
EPB_MOST = 28 + MAX_CAPLEN + VLAN_HLEN + 3 + 16             # bytes of one record
INBOUND, OUTBOUND = 1, 2


@entry
def ring_block(r: ring_block_t, addr: int, length: int) -> int:
    """A block of `length` bytes at addr: 1 if its head can be true, else it is counted and has no packets."""
    mem = mem_at(addr)
    r.at, r.left, r.end = 0, 0, length
    if length < BLOCK_HDR:
        r.bad += 1
        return 0
    r.at, r.left = le32(mem, FIRST_PKT), le32(mem, NUM_PKTS)
    if r.left and (r.at < BLOCK_HDR or r.at > length or le32(mem, BLK_LEN) > length):
        r.bad += 1
        r.left = 0
        return 0
    return 1


@path_function
def ring_packet(r: ring_block_t, mem: Mem, out: Mem) -> int:
    """The packet at r.at as a record at r.out.  0: it does not lie in its block."""
    at = r.at
    mac, caplen, length, status = at + le16(mem, at + MAC), le32(mem, at + SNAPLEN), le32(mem, at + LEN), le32(mem, at + STATUS)
    if caplen > MAX_CAPLEN or mac + caplen > r.end or mac < at + PACKET_HDR:
        return 0
    tag = 0
    if status & TP_STATUS_VLAN_VALID and caplen >= 2 * ETH_ALEN:
        tag = VLAN_HLEN
    o = r.out
    padded = caplen + tag + 3 & ~3
    size = 28 + padded + 12 + 4
    ns = le32(mem, at + SEC) * 1_000_000_000 + le32(mem, at + NSEC)
    put_le32(out, o, EPB)
    put_le32(out, o + 4, size)
    put_le32(out, o + 8, r.face)
    put_le32(out, o + 12, ns >> 32)
    put_le32(out, o + 16, ns & 0xFFFFFFFF)
    put_le32(out, o + 20, caplen + tag)
    put_le32(out, o + 24, length + tag)
    put_le32(out, o + 28 + padded - 4, 0)                   # the padding
    if tag:
        memcpy(out, o + 28, mem, mac, 2 * ETH_ALEN)
        tpid = ETH_P_8021Q
        if status & TP_STATUS_VLAN_TPID_VALID:
            tpid = le16(mem, at + VLAN_TPID)
        put_be16(out, o + 28 + 2 * ETH_ALEN, tpid)
        put_be16(out, o + 30 + 2 * ETH_ALEN, le32(mem, at + VLAN_TCI) & 0xFFFF)
        memcpy(out, o + 32 + 2 * ETH_ALEN, mem, mac + 2 * ETH_ALEN, caplen - 2 * ETH_ALEN)
    else:
        memcpy(out, o + 28, mem, mac, caplen)
    end = o + 28 + padded
    way = INBOUND
    if byte(mem, at + PKTTYPE) == PACKET_OUTGOING:
        way = OUTBOUND
    put_le16(out, end, EPB_FLAGS)
    put_le16(out, end + 2, 4)
    put_le32(out, end + 4, way)
    put_le32(out, end + 8, 0)
    put_le32(out, end + 12, size)
    r.out = o + size
    r.packets += 1
    return 1


@entry
def ring_records(r: ring_block_t, addr: int, into: int, room: int) -> int:
    """Records of the block at addr, as many as fit into `room` bytes at `into`; r.out says how many bytes.  Returns packets left."""
    mem, out = mem_at(addr), mem_at(into)
    r.out = 0
    while r.left > 0 and r.out + EPB_MOST <= room:
        if r.at + PACKET_HDR + 20 > r.end or ring_packet(r, mem, out) == 0:
            r.bad += 1
            r.left = 0
            break
        step = le32(mem, r.at + NEXT)
        r.left -= 1
        if r.left and (step < PACKET_HDR or r.at + step > r.end):
            r.bad += 1
            r.left = 0
        r.at += step
    return r.left
