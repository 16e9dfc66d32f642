"""What the counters, sockets and interrupts of a run's host say at one moment: what views/proc writes as the kernel and its tools print it.

A moment is between two slices of the engine: nobody has begun anything at or after it, and what a CPU had begun before is done.

    watch = Moments([1_500_000_000])                        # and always the end
    replay("first", moments=watch)
    watch.found[-1]"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rxpath._compile import numbers
from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import DevStat
from rxpath.abi.net import UDP_HASH
from rxpath.abi.numbers import IPPROTO, TCP, VLAN_VID_MASK, Softirq, Th
from rxpath.abi.timer import TW_TIMER
from rxpath.path import Stage
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run import books
from rxpath.workbench.run.assemble import LO
from rxpath.workbench.run.books import Books, CardBooks
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words.mistakes import BadInput
from rxpath.workbench.words.units import duration_ns

USER_HZ = 100                                               # ticks a second in which /proc tells times
FIRST_VECTOR = 24                                           # the interrupts below are the IO-APIC's


@dataclass(frozen=True, slots=True)
class Vector:
    """An interrupt of a card's queue.  number: in the order of request_irq(); entry: of the card's MSI-X table, 0 being the card's own."""
    number: int
    name: str
    card: int
    entry: int
    counts: list[int]                                       # by CPU


@dataclass(frozen=True, slots=True)
class Local:
    """Interrupts of one CPU's own, and switches between threads."""
    timer: int                                              # ticks and high-resolution timers
    reschedule: int
    function_call: int
    switches: int


@dataclass(frozen=True, slots=True)
class Sock:
    """A socket, a request of a SYN queue or a connection in TIME_WAIT.  Queues are bytes; timer: 0 none, 1 retransmission, 3 TIME_WAIT, and
    in how many ticks of USER_HZ it goes off."""
    protocol: int
    state: TCP
    address: int
    port: int
    peer: int
    peer_port: int
    inode: int
    rx_queue: int = 0
    tx_queue: int = 0
    bucket: int = 0
    drops: int = 0
    rmem: int = 0                                           # sk_rmem_alloc
    rcvbuf: int = 0
    sndbuf: int = 0
    forward: int = 0                                        # sk_forward_alloc
    backlog: int = 0
    backlog_limit: int = 0                                  # of a listener
    timer: int = 0
    timer_ticks: int = 0
    retransmits: int = 0
    rto_ticks: int = 0
    ato_ticks: int = 0
    ack_flags: int = 0                                      # quick << 1 | pingpong
    orphan: bool = False
    whole: bool = True                                      # a struct sock, not a small stand-in


@dataclass(frozen=True, slots=True)
class Vlan:
    """A VLAN device.  below: the device it stands on."""
    name: str
    below: str
    mac: int
    mtu: int
    device: dict[str, int]                                  # its statistics


@dataclass(frozen=True, slots=True)
class Moment:
    """t_ns: of virtual time; epoch_ns: its 0, in ns since 1970."""
    t_ns: int
    epoch_ns: int
    host: Host
    books: Books
    cards: list[CardBooks]                                  # of each device that is simulated
    lo: dict[str, int]                                      # statistics of lo, where it is none of these
    softirqs: list[list[int]]                               # runs of each type, by CPU
    vectors: list[Vector]
    locals: list[Local]                                     # by CPU
    udp: list[Sock]                                         # in the order of the kernel's table
    tcp: list[Sock]                                         # listeners, connections, requests, TIME_WAIT
    input_queue: list[int]                                  # packets of each CPU's input_pkt_queue, and of its process_queue
    process_queue: list[int]
    reassemblies: int
    fragment_bytes: int
    udp_pages: int
    tcp_pages: int
    threads: int
    running: int
    vlans: list[Vlan]


class Moments:
    """Taken while a run goes on; replay() attaches it before the first frame.  at: ns of virtual time; the last moment is the end."""

    def __init__(self, at: Sequence[int] = ()) -> None:
        self.at, self.found = sorted(at), list[Moment]()

    def attach(self, m: Machine) -> None:
        self.machine = m
        m.stops = [(t, self.take) for t in self.at]

    def take(self) -> None:
        self.found.append(read(self.machine))

    def finish(self) -> None:
        """The run is over.  BadInput: it ended before a moment that was asked for."""
        self.take()
        late = self.at[len(self.found) - 1:]
        if late and not self.machine.time.stopped:
            raise BadInput(f"--at {_seconds(late[0])}: the run ends at {_seconds(self.found[-1].t_ns)} of virtual time")


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.9g}s"


def checked_at(text: str | None) -> list[int]:
    """Of --at: the moments, none if it is not given."""
    if text is None:
        return []
    try:
        ns = duration_ns(text)
        if ns <= 0:
            raise ValueError("more than 0")
    except ValueError as error:
        raise BadInput(f"--at {text}: {error}") from None
    return [ns]


def read(m: Machine) -> Moment:
    """Everything, now."""
    net, host = m.net, m.host
    read_books = books.read(m)
    counted = [[net.dev_stat[c][LO][d] for d in DevStat] for c in range(host.cpus)]
    states = [net.thread[t.index].state for t in m.threads]
    return Moment(
        net.sim.now, m.leaving.epoch_ns, host, read_books, [books.device(m, nd) for nd in m.boot.netdevs],  # type: ignore[attr-defined]
        {d.name: sum(row[d] for row in counted) for d in DevStat},
        [[net.sd[c].raised[s] - (net.sd[c].pending >> s & 1) for s in Softirq] for c in range(host.cpus)],
        _vectors(m), [_local(m, c) for c in range(host.cpus)], list(_udp(m)), list(_tcp(m)),
        [net.input[c].len for c in range(host.cpus)], [net.sd[c].process_len for c in range(host.cpus)],
        net.frag_nqueues, net.frag_mem, net.udp_memory, net.tcp_memory,
        len(m.threads) + host.cpus, sum(s in (Th.RUNNABLE, Th.RUNNING) for s in states), _vlans(m))


def _vlans(m: Machine) -> list[Vlan]:
    """In the order in which they were made; named as ip link names them, eth0.5, or after both tags, eth0.5.7."""
    net = m.net
    names, found = {nd.index: (nd.name, m.host.devices[i].mtu) for i, nd in enumerate(m.boot.netdevs)}, list[Vlan]()
    for i in range(net.nvlan):
        number = net.vlan_dev[i]
        dev = net.dev[number]
        below, mtu = names[dev.real_dev]
        names[number] = f"{below}.{dev.vlan_id & VLAN_VID_MASK}", mtu
        found.append(Vlan(names[number][0], below, dev.mac, mtu,
                          {d.name: sum(net.dev_stat[c][number][d] for c in range(m.host.cpus)) for d in DevStat}))
    return found


def _vectors(m: Machine) -> list[Vector]:
    """Each card's own interrupt comes first, then those of its queues: as request_irq() numbers them."""
    found, number = [], FIRST_VECTOR
    for card, nd in enumerate(m.boot.netdevs):
        if not nd.driver.has_interrupts:
            continue
        for n, q in enumerate(nd.pool(nd.queues)):
            ring = m.net.ring[q]
            counts = [ring.irqs if c == ring.cpu else 0 for c in range(m.host.cpus)]
            found.append(Vector(number + 1 + n, nd.vector(n), card, 1 + n, counts))
        number += 1 + nd.queues
    return found


def _local(m: Machine, cpu: int) -> Local:
    c, counted = m.net.cpu[cpu], numbers(m.net.stage_count[cpu])
    return Local(counted[Stage.TICK] + counted[Stage.TIMER], c.ipis - c.function_calls, c.function_calls, c.switches)


def _udp(m: Machine) -> Iterator[Sock]:
    """Bucket by bucket; in a bucket the newest first."""
    net = m.net
    buckets = {net.socks[i].port % UDP_HASH for i in range(net.nsock) if net.socks[i].protocol == IPPROTO.UDP and net.socks[i].in_use}
    for bucket in sorted(buckets):
        i = net.udp_hash[bucket] - 1
        while i >= 0:
            sk = net.socks[i]
            if sk.protocol == IPPROTO.UDP:
                yield Sock(sk.protocol, TCP(sk.state), sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport, inode(i),
                           rx_queue=sk.rmem_alloc - sk.deficit, bucket=bucket, drops=sk.drops, rmem=sk.rmem_alloc, rcvbuf=sk.rcvbuf,
                           sndbuf=sk.sndbuf, forward=sk.forward_alloc, backlog=sk.backlog_len)
            i = sk.hnext


def inode(i: int) -> int:
    """Of a socket: any number that no other has."""
    return 10_000 + i


def _tcp(m: Machine) -> Iterator[Sock]:
    net = m.net
    found = [_connection(m, i) for i in range(net.nsock) if net.socks[i].protocol == IPPROTO.TCP and net.socks[i].in_use]
    yield from (s for s in found if s.state == TCP.LISTEN)
    yield from (s for s in found if s.state not in (TCP.LISTEN, TCP.CLOSE))
    for i in range(net.req_used):
        r = net.reqs[i]
        if r.in_use:
            yield Sock(IPPROTO.TCP, TCP.SYN_RECV, r.saddr_lo, r.lport, r.daddr_lo, r.rport, 0, timer=1,
                       timer_ticks=_ticks(m, r.timeout), retransmits=r.num_timeout, whole=False)
    now = net.sim.now // net.sysctl[Sysctl.jiffy_ns]
    free, i = set(), net.tw_free
    while i >= 0:
        free.add(i)
        i = net.tws[i].next
    for i in range(net.tw_used):
        if i not in free:
            w = net.tws[i]
            yield Sock(IPPROTO.TCP, TCP(w.substate), w.saddr_lo, w.lport, w.daddr_lo, w.rport, 0, timer=3,
                       timer_ticks=_ticks(m, net.timers[TW_TIMER + i].expires - now), whole=False)


def _connection(m: Machine, i: int) -> Sock:
    sk, tp = m.net.socks[i], m.net.tcp[i]
    listens = sk.state == TCP.LISTEN
    now = m.net.sim.now // m.net.sysctl[Sysctl.jiffy_ns]
    return Sock(sk.protocol, TCP(sk.state), sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport, inode(i),
                rx_queue=tp.ack_backlog if listens else tp.rcv_nxt - tp.copied_seq & 0xFFFFFFFF,
                tx_queue=0 if listens else tp.write_seq - tp.snd_una & 0xFFFFFFFF,
                drops=sk.drops, rmem=sk.rmem_alloc, rcvbuf=sk.rcvbuf, sndbuf=sk.sndbuf, forward=sk.forward_alloc, backlog=sk.backlog_len,
                backlog_limit=tp.max_ack_backlog, timer=int(bool(tp.write_pending) and not listens),
                timer_ticks=_ticks(m, tp.write_timeout - now) if tp.write_pending and not listens else 0, retransmits=tp.retransmits,
                rto_ticks=_ticks(m, tp.rto) if not listens else USER_HZ, ato_ticks=_ticks(m, tp.ack_ato) if not listens else 0,
                ack_flags=0 if listens else tp.ack_quick << 1 | int(tp.ack_pingpong > 0), orphan=bool(tp.dead))


def _ticks(m: Machine, jiffies: int) -> int:
    """jiffies_delta_to_clock_t()"""
    return max(0, jiffies) * USER_HZ // m.host.ticks
