"""A receiving host in a test: boot it, put frames on its cable at given times, let virtual time run, look at what came of them.

    host = lab()                      # fixture of conftest.py: compiled and plain
    app = host.app(host.udp(5000))
    host.send(udp_frame()); host.run()
    assert host.ends() == {"RECEIVED": 1}

Every Lab checks at close() (the fixture calls it) that the books balance."""
import ctypes
import hashlib

from rxpath import boot, outputs
from rxpath.abi.limits import NCPU, NTHREAD
from rxpath.abi.mib import DevStat, Mib
from rxpath.abi.net import Net
from rxpath.abi.numbers import DRAIN, E1000_RXD_STAT_EOP, Kind, NicMode
from rxpath.abi.reasons import Drop
from rxpath.drivers.igb_open import igb_request_irq
from rxpath.drivers.probe import RINGS
from rxpath.drivers.rows import DRIVERS
from rxpath.drivers.veth_link import veth_newlink
from rxpath.path import Stage
from rxpath.vtime import engine, feed
from rxpath.vtime.costs import BM36
from rxpath.walltime.engine import rt_reader

from .frames import US, ip4

MAC = 0x020000000001
PAGE, PRESENT = 4096, 3 << 62                    # <linux/mm.h>; /proc/PID/pagemap: in memory, or swapped
EVERY_PACKET = (Mib.IpExt_InOctets, Mib.IpExt_InNoECTPkts, Mib.Ip_OutRequests)


class Lab:
    def __init__(self, plain: bool = False, kernel: str = "6.18", cpus: int = 2, queues: int = 1, ring: int = 256, itr_ns: int = 0,
                 hz: int = 250, one_step: bool = False, costs: dict[Stage, int] | None = None, nskb: int = 4096,
                 driver: str = "igb", cards: int = 1) -> None:
        self.boot = boot.Booted(kernel=kernel, nskb=nskb, hz=hz, plain=plain)
        self.net, self.call, self.cpus = self.boot.net, self.boot.call, cpus
        each, self.queues = queues, queues * cards
        for c in range(cpus):
            for stage, ns in (BM36 if costs is None else costs).items():
                self.net.cost[c][stage] = ns
        self.call(engine.vtime_init)(self.net, self.queues, cpus, one_step)
        if driver in ("veth", "lo"):
            self.boot.netdevs = [veth_newlink(self.net, self.call, self.boot.log, MAC, driver=DRIVERS[driver])]
            self.boot.netdev.open()
        else:
            for card in range(cards):
                self.boot.igb_open(each, ring, list(range(cpus)) if self.queues > 1 else [0], itr_ns, MAC + card, card, card * each,
                                   driver if driver in RINGS else "igb")
        if driver == "nonapi":                       # the same card under a driver without NAPI
            for q in range(queues):
                self.net.ring[q].mode = NicMode.IRQ_PER_PACKET
            igb_request_irq(self.boot.netdev)
        for q in range(self.queues):
            r = self.net.ring[q]
            c = self.net.cpu[r.cpu]
            r.next_of_cpu, c.first_queue = c.first_queue, q
        self.boot.add_address(ip4(US), 24)
        for c in range(cpus):
            self.call(engine.add_thread)(self.net, c, c, Kind.KSOFTIRQD)
        self.feed, self.net.feed_addr = boot.buffer(8 << 20)
        self.users: list[object] = []
        self.at, self.t, self.sent, self.threads = 0, 1000, 0, 0
        if driver in ("veth", "lo"):
            self.call(engine.add_sender)(self.net, NTHREAD - 1, 0)
            self.net.sim.sender_spin = 150_000
        self.drain = outputs.Drain(self.boot)
        self.outputs: list[outputs.Output] = []
        self.trail: list[outputs.Mark] = []

    # ------------------------------------------------------------ the host
    def udp(self, port: int, addr: int = 0, rcvbuf: int = 212992) -> int:
        """A bound UDP socket; its index."""
        return self.boot.udp_socket(addr, port, rcvbuf)

    def app(self, sk: int, cpu: int = 1, service: int = 200, batch: int = 1, size: int = 65536) -> int:
        """A thread asleep in recvfrom on that socket; its index.  Read what it got with data()."""
        n = NCPU + self.threads
        self.threads += 1
        self.call(engine.add_thread)(self.net, n, cpu, Kind.APP)
        th = self.net.thread[n]
        m, addr = boot.buffer(size)
        self.users.append(m)
        th.service, th.batch, th.buf_addr, th.buf_len = service, batch, addr, size
        self.call(rt_reader)(self.net, n, sk)
        return n

    # ------------------------------------------------------------ the cable
    def send(self, *frames: bytes, gap: int = 1000, at: int | None = None, card: int = 0) -> "Lab":
        """Frames on the cable, `gap` ns apart, the first `gap` after the last (or at `at`)."""
        for f in frames:
            self.t = self.t + gap if at is None else at
            at = None
            if self.at + len(f) > len(self.feed):
                self.run(self.t)
                self.at = 0
            self.feed[self.at:self.at + len(f)] = f
            while not self.call(feed.feed_frame)(self.net, self.t, self.at, len(f), len(f), 0, card):
                self.run(self.t)
            self.at += len(f) + 15 & ~15
            self.sent += 1
        return self

    def run(self, until: int | None = None) -> "Lab":
        """Virtual time until `until` (default: 50 ms after the last frame)."""
        until = self.t + 50_000_000 if until is None else until
        while self.call(engine.run)(self.net, until, 0) == DRAIN:
            self.collect()
        self.t = max(self.t, until)
        return self

    # ------------------------------------------------------------ what left
    def listen(self) -> "Lab":
        """Collect what leaves the path: see left()."""
        outputs.listen(self.boot, self.cpus)
        return self

    def collect(self, last: bool = False) -> None:
        self.outputs += self.drain.outputs(last)
        self.trail += self.drain.marks(last)

    def left(self, kind: int) -> list[outputs.Output]:
        """What has left the path so far (Out), in the order of time."""
        self.collect(last=True)
        assert self.drain.lost() == 0
        return [o for o in self.outputs if o.kind == kind]

    def stations(self, frame: int) -> list[str]:
        """The way of one frame; set net.trail = 1 before it is sent."""
        self.collect(last=True)
        return [Stage(m.stage).name for m in self.trail if m.frame == frame]

    # ------------------------------------------------------------ what came of it
    def ends(self) -> dict[str, int]:
        """How frames ended: reason -> number, the device's own losses included."""
        net = self.net
        d = {r.name: n for r in Drop if (n := sum(net.drop_stat[c][r] for c in range(self.cpus)))}
        for q in range(self.queues):
            r = net.ring[q]
            for name, n in (("RX_MISSED", r.missed), ("NIC_FILTER", r.filtered), ("RX_LENGTH", r.length_errors),
                            ("LINK_DOWN", r.link_down), ("TX_PAUSE", r.held)):
                if n:
                    d[name] = d.get(name, 0) + n
        return d

    def mib(self) -> dict[str, int]:
        """Counters that have moved: kernel name -> number.  Without the three that move with every packet, see every_packet()."""
        return {m.text(): n for m in Mib if m not in EVERY_PACKET and (n := sum(self.net.snmp[c][m] for c in range(self.cpus)))}

    def every_packet(self) -> dict[str, int]:
        return {m.text(): sum(self.net.snmp[c][m] for c in range(self.cpus)) for m in EVERY_PACKET}

    def dev_stats(self, dev: int = 0) -> dict[str, int]:
        return {d.name: n for d in DevStat if (n := sum(self.net.dev_stat[c][dev][d] for c in range(self.cpus)))}

    def received(self) -> int:
        return sum(self.net.thread[NCPU + i].received for i in range(self.threads))

    def data(self, app: int, n: int) -> bytes:
        """The first n bytes of the buffer of that thread: its last datagram."""
        return bytes(self.users[app - NCPU][:n])                # type: ignore[index]

    def queued(self) -> int:
        """Wire frames that are still under way: in rings, and in every live skb."""
        net, frames, seen = self.net, 0, set()
        for q in range(self.queues):
            r = net.ring[q]
            pb = net.buffer[q]
            frames += r.feed_tail - r.feed_head + r.spilled + pb.tail - pb.head
            frames += sum(bool(net.desc[q][i % r.size].status & E1000_RXD_STAT_EOP)
                          for i in range(r.clean_at, r.clean_at + r.hw_head - r.next_to_clean)) - (r.skb >= 0)
        for i in range(net.nskb):
            skb = net.skb[i]
            if skb.users and not skb.is_page and skb.frame >= 0:  # less than 0: a frame of ours
                if skb.share >= 0:
                    if skb.share in seen:
                        continue
                    seen.add(skb.share)
                    frames += net.share[skb.share].frames
                else:
                    frames += 1
        return frames

    def close(self) -> None:
        """offered = ended + queued, or the test fails."""
        ended = sum(self.ends().values())
        assert self.sent == ended + self.queued(), (self.sent, self.ends(), self.queued())


def whole_state(net: Net) -> str:
    """sha256 of every byte of struct Net; the addresses of this process are the only difference that may be.  Of its 1.9 GB only pages
    that were written are looked at: all others are zero."""
    net.mem_addr = net.feed_addr = net.service_addr = net.out_addr = 0
    for n in range(NCPU, NTHREAD):
        if net.thread[n].buf_addr:
            net.thread[n].buf_addr = 0
    for q in range(len(net.buffer)):
        if net.buffer[q].addr:
            net.buffer[q].addr = 0
    at, size, h = ctypes.addressof(net), ctypes.sizeof(net), hashlib.sha256()
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(at // PAGE * 8)
        pages = memoryview(pagemap.read(-(-size // PAGE) * 8)).cast("Q")
    held = memoryview(net).cast("B")                              # type: ignore[call-overload]
    assert at % PAGE == 0 and len(pages) * PAGE >= size, "a part of it was not looked at"
    for i, page in enumerate(pages):
        if page & PRESENT and any(data := held[i * PAGE:(i + 1) * PAGE].tobytes()):
            h.update(i.to_bytes(8, "little") + data)
    return h.hexdigest()
