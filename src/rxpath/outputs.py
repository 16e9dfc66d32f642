"""What leaves the path as bytes: the copies that taps take, the frames that this host sends, the packets of LOG lines; and the trail.

A station only writes into its own CPU's rings (net.out + its share of net.out_addr, net.trail_ring).  Python drains them with drain_out()
and drain_trail(), which merge the rings by (time, CPU, sequence): the order of the records is that of virtual time, whatever the order
in which the engine worked.  A record may be drained once no CPU can still write an earlier one: `before` is the engine's own time,
net.sim.now, when it has returned.  A ring that is half full asks for that: sim.full, and the loops return.  The other half is for what
one packet's way still writes; what does not fit even there is counted in out_lost.

Records as they are drained, each rounded up to 8 bytes:
    t, cpu, kind, frame, dev, arg, len, caplen (8 little-endian words), then caplen bytes
    t, cpu, frame, stage, cost, ctx, arg, skb (8 words): the trail's
    t, cpu, kind, arg, frame (5 words): the timeline's (abi/timeline.py)"""
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ._compile import Mem, entry, mem_at, memcpy, pages, path_function, put_be16, put_le64, region
from .abi.limits import NCPU, NOUT, NTRAIL
from .abi.net import Net
from .abi.numbers import ETH_ALEN, ETH_P_8021AD, ETH_P_8021Q, NEVER, VLAN_HLEN, Out
from .abi.skbuff import sk_buff
from .abi.timeline import NOPEN, NTIMELINE, WINDOW_SHIFT, Slice
from .skb import skb_copy_bits
from .turn import come_back

OUT_BYTES = 16 << 20            # a CPU's share: half of it holds two taps' copies of a full poll of 64 kB packets
RECORD, SLICE_RECORD = 64, 40
CHUNK = 4 << 20                 # what Python drains at a time


@path_function
def out_begin(net: Net, cpu: int, n: int) -> int:
    """Where in out memory the next n bytes of this CPU go, in one piece; -1: nobody listens, or there is no room."""
    c = net.cpu[cpu]
    if net.out_addr == 0:
        return -1
    at = c.out_write % net.out_size
    if at + n > net.out_size:                        # not round the corner
        c.out_write += net.out_size - at
        at = 0
    if c.out_head - c.out_tail >= NOUT or c.out_write + n - c.out_read > net.out_size:
        c.out_lost += 1
        return -1
    return cpu * net.out_size + at


@path_function
def out_end(net: Net, cpu: int, kind: int, frame: int, dev: int, arg: int, length: int, caplen: int) -> None:
    """The record of the bytes that now lie there."""
    c = net.cpu[cpu]
    o = net.out[cpu][c.out_head % NOUT]
    o.t, o.kind, o.offset, o.len, o.caplen, o.frame, o.dev, o.arg = c.now, kind, c.out_write, length, caplen, frame, dev, arg
    c.out_head += 1
    c.out_write += caplen
    if c.out_head - c.out_tail >= NOUT >> 1 or c.out_write - c.out_read >= net.out_size >> 1 or (net.sim.reacts and kind == Out.TX):
        net.sim.full = 1
        come_back(net, cpu)


@path_function
def emit_frame(net: Net, cpu: int, kind: int, skb: sk_buff, dev: int, arg: int, snaplen: int) -> int:
    """A copy of the frame from its Ethernet header on, over all its buffers, a stripped VLAN tag put back.  Returns the bytes copied."""
    mem = mem_at(net.mem_addr)
    head = skb.data - skb.mac_header
    tag = VLAN_HLEN if skb.vlan else 0
    length = head + skb.len + tag
    caplen = min(length, snaplen)
    to = out_begin(net, cpu, caplen + VLAN_HLEN)
    if to < 0:
        return 0
    out = mem_at(net.out_addr)
    if tag and caplen >= 2 * ETH_ALEN + VLAN_HLEN:
        memcpy(out, to, mem, skb.mac_header, 2 * ETH_ALEN)
        put_be16(out, to + 2 * ETH_ALEN, ETH_P_8021Q if skb.vlan == 1 else ETH_P_8021AD)
        put_be16(out, to + 2 * ETH_ALEN + 2, skb.vlan_tci)
        done, start = 2 * ETH_ALEN + VLAN_HLEN, 2 * ETH_ALEN
    else:
        done, start = 0, 0
    if head > start:
        n = min(head - start, caplen - done)
        memcpy(out, to + done, mem, skb.mac_header + start, n)
        done += n
    if done < caplen:
        done += skb_copy_bits(net, skb, 0, out, to + done, caplen - done)
    out_end(net, cpu, kind, skb.frame, dev, arg, length, done)
    return done


# ---------------------------------------------------------------- Python's side
@path_function
def out_earliest(net: Net, before: int) -> int:
    """The CPU with the earliest undrained output before that time, -1: none."""
    best, best_t = -1, before
    for cpu in range(NCPU):
        c = net.cpu[cpu]
        if c.out_head != c.out_tail:
            o = net.out[cpu][c.out_tail % NOUT]
            if o.t < best_t:
                best, best_t = cpu, o.t
    return best


@entry
def drain_out(net: Net, before: int, buf: Mem, size: int) -> int:
    """Outputs before that time into buf, as many as fit; returns the bytes written.  0: there is none (or not even one fits)."""
    done = 0
    while True:
        cpu = out_earliest(net, before)
        if cpu < 0:
            return done
        c = net.cpu[cpu]
        o = net.out[cpu][c.out_tail % NOUT]
        if done + RECORD + o.caplen + 8 > size:
            return done
        put_le64(buf, done, o.t)
        put_le64(buf, done + 8, cpu)
        put_le64(buf, done + 16, o.kind)
        put_le64(buf, done + 24, o.frame)
        put_le64(buf, done + 32, o.dev)
        put_le64(buf, done + 40, o.arg)
        put_le64(buf, done + 48, o.len)
        put_le64(buf, done + 56, o.caplen)
        if o.caplen:
            memcpy(buf, done + RECORD, mem_at(net.out_addr), cpu * net.out_size + o.offset % net.out_size, o.caplen)
        done += (RECORD + o.caplen + 7) & ~7
        c.out_read = o.offset + o.caplen
        c.out_tail += 1
        if c.out_tail == c.out_head:
            c.out_read = c.out_write


@path_function
def trail_earliest(net: Net, before: int) -> int:
    best, best_t = -1, before
    for cpu in range(NCPU):
        c = net.cpu[cpu]
        if c.trail_head != c.trail_tail:
            m = net.trail_ring[cpu][c.trail_tail % NTRAIL]
            if m.t < best_t:
                best, best_t = cpu, m.t
    return best


@entry
def drain_trail(net: Net, before: int, buf: Mem, size: int) -> int:
    """Trail marks before that time into buf, as many as fit; returns the bytes written."""
    done = 0
    while done + RECORD <= size:
        cpu = trail_earliest(net, before)
        if cpu < 0:
            return done
        c = net.cpu[cpu]
        m = net.trail_ring[cpu][c.trail_tail % NTRAIL]
        put_le64(buf, done, m.t)
        put_le64(buf, done + 8, cpu)
        put_le64(buf, done + 16, m.frame)
        put_le64(buf, done + 24, m.stage)
        put_le64(buf, done + 32, m.cost)
        put_le64(buf, done + 40, m.ctx)
        put_le64(buf, done + 48, m.arg)
        put_le64(buf, done + 56, m.skb)
        done += RECORD
        c.trail_tail += 1
    return done


@path_function
def timeline_earliest(net: Net, before: int) -> int:
    best, best_t = -1, before
    for cpu in range(net.sim.ncpu):
        line = net.timeline[cpu]
        if line.head != line.tail:
            m = net.timeline_ring[cpu][line.tail % NTIMELINE]
            if m.t < best_t:
                best, best_t = cpu, m.t
    return best


@path_function
def timeline_follow(net: Net, cpu: int, kind: int, arg: int, frame: int) -> None:
    """What is open after a mark: a slice that ends takes along what was begun in it."""
    line, what = net.timeline[cpu], kind >> 1 & 127
    if what == Slice.END:
        return
    if kind & 1 == 0:
        if line.depth < NOPEN:
            o = net.timeline_open[cpu][line.depth]
            o.kind, o.arg, o.frame = kind, arg, frame
            line.depth += 1
        return
    for i in range(line.depth - 1, -1, -1):
        if net.timeline_open[cpu][i].kind >> 1 & 127 == what:
            line.depth = i
            return


@path_function
def put_slice(buf: Mem, at: int, t: int, cpu: int, kind: int, arg: int, frame: int) -> int:
    """Returns where the next one goes."""
    put_le64(buf, at, t)
    put_le64(buf, at + 8, cpu)
    put_le64(buf, at + 16, kind)
    put_le64(buf, at + 24, arg)
    put_le64(buf, at + 32, frame)
    return at + SLICE_RECORD


@entry
def drain_timeline(net: Net, before: int, stride: int, buf: Mem, size: int) -> int:
    """Marks of the timeline before that time into buf, as many as fit; returns the bytes written.  Of every `stride` windows the first is
    told (0: none is).  The first mark of a CPU at or after the beginning of such a window comes after what is open there: Slice.OPEN."""
    done = 0
    while done + SLICE_RECORD * (NOPEN + 2) <= size:
        cpu = timeline_earliest(net, before)
        if cpu < 0:
            return done
        line = net.timeline[cpu]
        m = net.timeline_ring[cpu][line.tail % NTIMELINE]
        window = m.t >> WINDOW_SHIFT
        if stride > 0:
            told = window - window % stride
            if line.window < told:
                done = put_slice(buf, done, told << WINDOW_SHIFT, cpu, Slice.OPEN << 1, line.depth, -1)
                for i in range(line.depth):
                    o = net.timeline_open[cpu][i]
                    done = put_slice(buf, done, told << WINDOW_SHIFT, cpu, o.kind, o.arg, o.frame)
            if window == told:
                done = put_slice(buf, done, m.t, cpu, m.kind, m.arg, m.frame)
        timeline_follow(net, cpu, m.kind, m.arg, m.frame)
        line.window = window
        line.tail += 1
    return done


class Output(NamedTuple):
    """A frame that left the path.  kind: Out; arg: number of the tap, queue, or rule; length: on the wire."""
    t: int
    cpu: int
    kind: int
    frame: int
    dev: int
    arg: int
    length: int
    data: bytes


class Mark(NamedTuple):
    """A station of a packet's way.  skb: its index; arg: what the station said; of an end (kfree_skb) see end() and where()."""
    t: int
    cpu: int
    frame: int
    stage: int
    cost: int
    ctx: int
    arg: int
    skb: int

    def end(self) -> int:
        """Of an end: how, as in turn.trail_end()."""
        return self.arg & 0xFF

    def where(self) -> int:
        """Of an end: the station at which it was."""
        return self.arg >> 8


_WORDS, _SLICE = struct.Struct("<8q"), struct.Struct("<5q")


class Drain:
    """Reads the rings of one state.  Call outputs() and marks() whenever the engine has returned, and with `last=True` at the end."""

    def __init__(self, booted: Any) -> None:
        self.net, self.call = booted.net, booted.call
        self.buf = pages(CHUNK)
        self.mem: Any = memoryview(self.buf) if booted.plain else self.buf

    def _chunks(self, f: Any, last: bool) -> Iterator[int]:
        before = NEVER if last else self.net.sim.now
        while n := self.call(f)(self.net, before, self.mem, CHUNK):
            yield n

    def outputs(self, last: bool = False) -> Iterator[Output]:
        """Frames that left, in the order of virtual time."""
        for n in self._chunks(drain_out, last):
            chunk, at = bytes(memoryview(self.buf)[:n]), 0
            while at < n:
                t, cpu, kind, frame, dev, arg, length, caplen = _WORDS.unpack_from(chunk, at)
                yield Output(t, cpu, kind, frame, dev, arg, length, chunk[at + RECORD:at + RECORD + caplen])
                at += RECORD + caplen + 7 & ~7
        self.net.sim.full = 0

    def marks(self, last: bool = False) -> Iterator[Mark]:
        """The trail, in the order of virtual time."""
        for n in self._chunks(drain_trail, last):
            for words in _WORDS.iter_unpack(bytes(memoryview(self.buf)[:n])):
                yield Mark(*words)
        self.net.sim.full = 0

    def timeline(self, stride: int = 1, last: bool = False) -> Iterator[tuple[int, ...]]:
        """Marks of the timeline, in the order of virtual time: t, cpu, kind, arg, frame.  stride: as drain_timeline() has it."""
        before = NEVER if last else self.net.sim.now
        while n := self.call(drain_timeline)(self.net, before, stride, self.mem, CHUNK):
            yield from _SLICE.iter_unpack(bytes(memoryview(self.buf)[:n]))
        self.net.sim.full = 0

    def lost(self) -> int:
        """Records that found no room: 0, or somebody did not drain."""
        return sum(self.net.cpu[c].out_lost + self.net.cpu[c].trail_lost for c in range(NCPU))


def listen(booted: Any, cpus: int = NCPU) -> None:
    """Give the path memory for its outputs; until then it copies none."""
    if not booted.net.out_addr:
        booted.out_memory = pages(cpus * OUT_BYTES)
        booted.net.out_size = OUT_BYTES
        booted.net.out_addr = region(booted.out_memory)
