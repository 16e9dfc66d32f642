"""Frames out of a ring that the kernel shares with us, by compiled code: a packet socket's (backends/packet.py) and AF_XDP's
(backends/xdp.py).  Each batch is copied to the path's memory, its place is given back, and the host has its turns.

Called by live.py, under the host's lock.  Documentation/networking/packet_mmap.rst, af_xdp.rst."""
from enum import IntEnum

from .._compile import (
    Mem,
    entry,
    le16,
    le32,
    le32_acquire,
    le64,
    mem_at,
    memcpy,
    path_function,
    put_be16,
    put_le32_release,
    put_le64,
)
from ..abi.net import Net
from ..abi.numbers import FEED_CSUM_GOOD, FEED_IP_CSUM_GOOD, Trail
from ..cable.feed import feed_steered
from ..cable.tpacket import (
    ETH_ALEN,
    ETH_P_8021Q,
    FIRST_PKT,
    LEN,
    MAC,
    NUM_PKTS,
    SNAPLEN,
    STATUS,
    TP_STATUS_VLAN_TPID_VALID,
    TP_STATUS_VLAN_VALID,
    VLAN_HLEN,
    VLAN_TCI,
    VLAN_TPID,
)
from ..drivers.nic_rx import nic_pull
from .engine import rt_all_turns

BLOCK_STATUS, TP_STATUS_USER = 8, 1                  # of struct tpacket_block_desc
TP_STATUS_CSUMNOTREADY, TP_STATUS_CSUM_VALID = 8, 128                      # of a frame of a packet socket's ring
XDP_DESC = 16                                        # bytes of a struct xdp_desc: address in the UMEM, length, options
U32 = 0xFFFFFFFF


class RingWord(IntEnum):
    """Words of 64 bits between live.py and rt_serve_packet(), rt_serve_xdp(): the batch's first byte in feed memory, the bytes that a frame
    has there, frames of a batch; frames of a call; what was done, counted up; MORE: a call has left some; SENDS: something leaves."""
    INTO = 0
    ROOM = 1
    MOST = 2
    BUDGET = 3
    FRAMES = 4
    BYTES = 5
    CUT = 6
    REFUSED = 7
    MORE = 8
    SENDS = 9


class PacketWord(IntEnum):
    """And of a packet socket's ring: its geometry; the block that is read, where in it, frames left there."""
    BLOCK_BYTES = 10
    BLOCKS = 11
    BLOCK = 12
    AT = 13
    LEFT = 14


class XdpWord(IntEnum):
    """And of AF_XDP's: entries of a ring, bytes of a chunk; where in the mapped rings their producer, consumer and entries lie."""
    ENTRIES = 10
    CHUNK = 11
    RX_PRODUCER = 12
    RX_CONSUMER = 13
    RX_DESC = 14
    FILL_PRODUCER = 15
    FILL_DESC = 16


RING_WORDS = 17


@path_function
def ring_enough(net: Net, s: Mem, done: int) -> bool:
    """The budget is spent, or somebody has to drain what leaves and what was seen."""
    return done >= le64(s, 8 * RingWord.BUDGET) or (done > 0 and (net.sim.full > 0 or net.trail != Trail.UNWATCHED))


@path_function
def ring_count(s: Mem, word: int, n: int) -> None:
    put_le64(s, 8 * word, le64(s, 8 * word) + n)


@path_function
def ring_counts(net: Net, s: Mem, frames: int, total: int, cut: int, refused: int) -> None:
    """A batch is on the cable: DMA takes it in, so that its place may be filled again."""
    ring_count(s, RingWord.FRAMES, frames)
    ring_count(s, RingWord.BYTES, total)
    ring_count(s, RingWord.CUT, cut)
    ring_count(s, RingWord.REFUSED, refused)
    for q in range(net.nring):
        nic_pull(net, -1, q, net.sim.now)


@path_function
def ring_sends(net: Net, cpus: int) -> int:
    """Has a CPU something for live.py to take away?"""
    sends = 0
    for i in range(cpus):
        cpu = net.cpu[i]
        if cpu.out_head != cpu.out_tail:
            sends = 1
    return sends


# ---------------------------------------------------------------- TPACKET_V3
@entry
def rt_serve_packet(net: Net, ring_at: int, words_at: int, cpus: int, now: int) -> int:
    return packet_serve(net, ring_at, words_at, cpus, now)


@path_function
def packet_serve(net: Net, ring_at: int, words_at: int, cpus: int, now: int) -> int:
    """From each block that the kernel has handed over a batch, then the host's turns, again until nothing is left or the budget is spent.
    The ring's address, that of its words (RingWord, PacketWord).  Returns when the next turn is due, -1: there were no frames."""
    ring, s = mem_at(ring_at), mem_at(words_at)
    net.sim.now = max(net.sim.now, now)
    due, done = -1, 0
    put_le64(s, 8 * RingWord.MORE, 0)
    while le64(s, 8 * PacketWord.LEFT) or packet_next_block(ring, s):
        if ring_enough(net, s, done):
            put_le64(s, 8 * RingWord.MORE, 1)
            break
        done += packet_feed(net, ring, s)
        if le64(s, 8 * PacketWord.LEFT) == 0:
            packet_give_back(ring, s)
        due = rt_all_turns(net, cpus, now)
    put_le64(s, 8 * RingWord.SENDS, ring_sends(net, cpus))
    return due


@path_function
def packet_next_block(ring: Mem, s: Mem) -> int:
    """The frames of the next block that is ours and has any; 0: there is none."""
    while True:
        base = le64(s, 8 * PacketWord.BLOCK) * le64(s, 8 * PacketWord.BLOCK_BYTES)
        if le32_acquire(ring, base + BLOCK_STATUS) & TP_STATUS_USER == 0:
            return 0
        left = le32(ring, base + NUM_PKTS)
        if left:
            put_le64(s, 8 * PacketWord.LEFT, left)
            put_le64(s, 8 * PacketWord.AT, base + le32(ring, base + FIRST_PKT))
            return left
        packet_give_back(ring, s)


@path_function
def packet_give_back(ring: Mem, s: Mem) -> None:
    """The block is the kernel's again."""
    block = le64(s, 8 * PacketWord.BLOCK)
    put_le32_release(ring, block * le64(s, 8 * PacketWord.BLOCK_BYTES) + BLOCK_STATUS, 0)
    put_le64(s, 8 * PacketWord.BLOCK, (block + 1) % le64(s, 8 * PacketWord.BLOCKS))


@path_function
def packet_feed(net: Net, ring: Mem, s: Mem) -> int:
    """The next frames of the block, a batch at most, arrive now.  How many were taken."""
    into, room, most = le64(s, 8 * RingWord.INTO), le64(s, 8 * RingWord.ROOM), le64(s, 8 * RingWord.MOST)
    feed, at, left = mem_at(net.feed_addr), le64(s, 8 * PacketWord.AT), le64(s, 8 * PacketWord.LEFT)
    k, total, cut, refused = 0, 0, 0, 0
    while left > 0 and k < most:
        caplen, status, mac, to = le32(ring, at + SNAPLEN), le32(ring, at + STATUS), at + le16(ring, at + MAC), into + k * room
        tag, flags = 0, 0
        if status & TP_STATUS_VLAN_VALID and caplen >= 2 * ETH_ALEN:
            tag = VLAN_HLEN
        if caplen != le32(ring, at + LEN) or caplen + tag > room:
            cut += 1
        else:
            if tag:
                tpid = ETH_P_8021Q
                if status & TP_STATUS_VLAN_TPID_VALID:
                    tpid = le16(ring, at + VLAN_TPID)
                memcpy(feed, to, ring, mac, 2 * ETH_ALEN)
                put_be16(feed, to + 2 * ETH_ALEN, tpid)
                put_be16(feed, to + 2 * ETH_ALEN + 2, le32(ring, at + VLAN_TCI) & 0xFFFF)
                memcpy(feed, to + 2 * ETH_ALEN + VLAN_HLEN, ring, mac + 2 * ETH_ALEN, caplen - 2 * ETH_ALEN)
            else:
                memcpy(feed, to, ring, mac, caplen)
            if status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID):
                flags = FEED_CSUM_GOOD | FEED_IP_CSUM_GOOD
            if feed_steered(net, net.sim.now, to, caplen + tag, caplen + tag, flags, 0, 0) < 0:
                refused += 1
            total += caplen + tag
            k += 1
        at += le32(ring, at)
        left -= 1
    put_le64(s, 8 * PacketWord.AT, at)
    put_le64(s, 8 * PacketWord.LEFT, left)
    ring_counts(net, s, k, total, cut, refused)
    return k


# ---------------------------------------------------------------- AF_XDP
@entry
def rt_serve_xdp(net: Net, umem_at: int, rx_at: int, fill_at: int, words_at: int, cpus: int, now: int) -> int:
    return xdp_serve(net, umem_at, rx_at, fill_at, words_at, cpus, now)


@path_function
def xdp_serve(net: Net, umem_at: int, rx_at: int, fill_at: int, words_at: int, cpus: int, now: int) -> int:
    """A batch of the descriptors that the kernel has produced, their chunks back into the fill ring, then the host's turns, again until
    nothing is left or the budget is spent.  The addresses of the UMEM, of both rings, and of the words (RingWord, XdpWord).  Returns when
    the next turn is due, -1: there were no frames."""
    umem, rx, fill, s = mem_at(umem_at), mem_at(rx_at), mem_at(fill_at), mem_at(words_at)
    net.sim.now = max(net.sim.now, now)
    due, done = -1, 0
    put_le64(s, 8 * RingWord.MORE, 0)
    while True:
        at = le32(rx, le64(s, 8 * XdpWord.RX_CONSUMER))
        ready = le32_acquire(rx, le64(s, 8 * XdpWord.RX_PRODUCER)) - at & U32
        if ready == 0:
            break
        if ring_enough(net, s, done):
            put_le64(s, 8 * RingWord.MORE, 1)
            break
        n = min(ready, le64(s, 8 * RingWord.MOST))
        xdp_feed(net, umem, rx, fill, s, at, n)
        done += n
        due = rt_all_turns(net, cpus, now)
    put_le64(s, 8 * RingWord.SENDS, ring_sends(net, cpus))
    return due


@path_function
def xdp_feed(net: Net, umem: Mem, rx: Mem, fill: Mem, s: Mem, at: int, n: int) -> None:
    """The frames of n descriptors from `at` on arrive now.  The fill ring always has room: it has as many entries as there are chunks for
    receiving."""
    into, room, mask = le64(s, 8 * RingWord.INTO), le64(s, 8 * RingWord.ROOM), le64(s, 8 * XdpWord.ENTRIES) - 1
    feed, descs, chunks = mem_at(net.feed_addr), le64(s, 8 * XdpWord.RX_DESC), le64(s, 8 * XdpWord.FILL_DESC)
    back, whole = le32(fill, le64(s, 8 * XdpWord.FILL_PRODUCER)), ~(le64(s, 8 * XdpWord.CHUNK) - 1)
    k, total, refused = 0, 0, 0
    for i in range(n):
        desc = descs + XDP_DESC * (at + i & mask)
        address, length, to = le64(rx, desc), le32(rx, desc + 8), into + k * room
        if length <= room:
            memcpy(feed, to, umem, address, length)
            if feed_steered(net, net.sim.now, to, length, length, 0, 0, 0) < 0:
                refused += 1
            total += length
            k += 1
        put_le64(fill, chunks + 8 * (back + i & mask), address & whole)
    put_le32_release(rx, le64(s, 8 * XdpWord.RX_CONSUMER), at + n & U32)
    put_le32_release(fill, le64(s, 8 * XdpWord.FILL_PRODUCER), back + n & U32)
    ring_counts(net, s, k, total, n - k, refused)
