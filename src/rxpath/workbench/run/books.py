"""The books of a run: what the state says after (or during) it, as plain values.  The report for a person, the JSON object and the
library's face are all made from this; nothing else reads counters out of the state.

The invariant: offered = delivered + queued + sum(dropped), in frames of the wire, at any moment between two slices of the engine."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from rxpath._compile import numbers
from rxpath.abi import protocols
from rxpath.abi.mib import DevStat, Mib
from rxpath.abi.numbers import Kind, Pausing
from rxpath.abi.protocols import Seen
from rxpath.abi.reasons import DELIVERED, LOSSES, Drop
from rxpath.drivers.net_device import NetDevice
from rxpath.path import STATIONS, Stage
from rxpath.vtime.setup import cpu_time
from rxpath.workbench.run import connections
from rxpath.workbench.run.connections import TcpLedger
from rxpath.workbench.run.latency import Latency, counts, latency_of
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.run.spent import Spent, by_program
from rxpath.workbench.words.doc import doc

CONTEXTS = ("hardirq", "softirq", "syscall", "application", "idle")


class Imbalance(AssertionError):
    """The books do not balance: our bug, never the user's."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time of one CPU in ns; the five add up to the time that has passed.  ksoftirqd is a part of softirq; switching between threads
    is in syscall."""
    cpu: int
    hardirq: int
    softirq: int
    ksoftirqd: Annotated[int, doc("of softirq, in a kernel thread")]
    syscall: int
    application: int
    idle: int


@dataclass(frozen=True, slots=True)
class SocketBooks:
    name: str
    proto: Annotated[str, doc("its protocol", enum=["udp", "tcp"])]
    address: str
    port: int
    received: Annotated[int, doc("datagrams read; of a TCP listener: reads of its connections")]
    queued: Annotated[int, doc("datagrams unread; segments unread of all its connections")]
    drops: Annotated[int, doc("the drops column of /proc/net/udp; of a listener: SYNs and last ACKs")]
    queue_max: Annotated[int, doc("datagrams queued, at most; segments of any one connection")]
    rmem_max: Annotated[int, doc("sk_rmem_alloc at most, bytes of truesize; of any one connection")]
    rcvbuf: Annotated[int, doc("sk_rcvbuf; of the connection with most memory")]
    lock_wait_ns: Annotated[int, doc("time that all CPUs together waited for its lock")]
    burst_needs: Annotated[int, doc("bytes of buffer that the burst which lost most would have filled, at least; 0: none was lost")]
    connections: Annotated[int, doc("TCP connections that came of it")] = 0


@dataclass(frozen=True, slots=True)
class Connections:
    """TCP connections that a thread has served."""
    accepted: int
    closed: Annotated[int, doc("of these, closed by the program because the peer had")]
    reset: Annotated[int, doc("of these, by a reset")]
    bytes: Annotated[int, doc("read from all of them")]


@dataclass(frozen=True, slots=True)
class AppBooks:
    name: str
    thread: int
    cpu: int
    received: int
    app_ns: int
    syscall_ns: int
    wakeups: int
    latency: Latency
    done: Latency                                           # the same to the end of its work on each
    pauses: int                                             # times that it stood still, and for how long
    paused_ns: int
    connections: Connections | None = None                  # of a thread that serves TCP; what it received are messages then


@dataclass(frozen=True, slots=True)
class SenderBooks:
    """Who sends to a device without a ring: a task of this host, whose time is part of its CPU's syscall and application.  late_max_ns: by
    how much one of its calls began too late, because the ones before or others on its CPU took so long."""
    device: str
    cpu: int
    calls: Annotated[int, doc("send(), sendmmsg()")]
    frames: int
    syscall_ns: Annotated[int, doc("of its CPU's syscall: its calls")]
    application_ns: Annotated[int, doc("of its CPU's application: it looks at its clock")]
    late_max_ns: Annotated[int, doc("by how much one of its calls began too late")]


@dataclass(frozen=True, slots=True)
class Stalled:
    """What a hypervisor took from a CPU."""
    cpu: int
    stalls: int
    hardirq_ns: Annotated[int, doc("of its hardirq: what was taken while it had work")]


@dataclass(frozen=True, slots=True)
class Queue:
    """A receive queue; those of all cards are numbered through."""
    queue: int
    cpu: Annotated[int, doc("affinity of its interrupt")]
    frames: Annotated[int, doc("frames that came for it")]
    missed: Annotated[int, doc("of these, lost because the ring was full")]
    interrupts: int
    fill_max: Annotated[int, doc("descriptors in use, at most")]
    size: int
    burst_needs: Annotated[int, doc("descriptors that the burst which lost most would have filled, at least; 0: none was lost")]
    card: Annotated[str, doc("with several cards: whose")] = ""


@dataclass(frozen=True, slots=True)
class CardBooks:
    """A card's own statistics: what ethtool -S and ip -s link show."""
    name: Annotated[str, doc("interface name")]
    driver: Annotated[str, doc("the driver that is simulated")]
    frames: Annotated[int, doc("frames of the wire that came for it")]
    ethtool: Annotated[dict[str, int], doc("its ethtool -S")]
    device: Annotated[dict[str, int], doc("its ip -s link")]


@dataclass(frozen=True, slots=True)
class Unhandled:
    """Frames of a protocol that nobody handles: how and where they ended, what they are."""
    reason: Annotated[str, doc("UNHANDLED_PROTO, IP_NOPROTO or NOT_MODELLED")]
    station: Annotated[str, doc("where they ended")]
    what: Annotated[str, doc("EtherType, LLC, IP protocol or tunnel, by its name")]
    frames: Annotated[int, doc("frames of the wire")]


@dataclass(frozen=True, slots=True)
class Rule:
    """An iptables rule, or the policy of a chain, that counted a packet."""
    table: str
    chain: str
    line: Annotated[int, doc("of the rules' file; of a policy, its chain's")]
    target: str
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Books:
    offered: int
    delivered: int
    queued: int
    dropped: dict[str, int]
    lost_at: dict[str, dict[str, int]]                      # the same by reason and station
    received: int                                           # of the delivered: an application read it
    consumed: int                                           # the kernel was its end
    arp: int                                                # of these, in ARP
    elapsed_ns: int
    cpus: list[Cpu]
    queues: list[Queue]
    sockets: list[SocketBooks]
    apps: list[AppBooks]
    latency: Latency                                        # to the return of the receiving call
    done: Latency                                           # to the end of the program's work on it
    spent: list[Spent]                                      # where that time went, by program; empty: it was not asked
    snmp: dict[str, int]
    netstat: dict[str, int]
    softnet: list[dict[str, int]]
    device: dict[str, int]                                  # of the first card
    ethtool: dict[str, int]
    cards: list[CardBooks]                                  # with several: of each
    high_water: dict[str, Any]
    copies: dict[str, int]
    stations: dict[str, int]                                # how often each was entered
    rules: list[Rule]
    unhandled: list[Unhandled]                              # most first
    tcp: TcpLedger | None                                   # of the capture's connections; None: it has none
    senders: list[SenderBooks]                              # of devices without a ring
    stalls: list[Stalled]                                   # of CPUs that stalled

    def check(self) -> None:
        """offered = delivered + queued + dropped, or Imbalance."""
        ended = self.delivered + self.queued + self.frames_dropped
        if self.offered != ended:
            raise Imbalance(f"the books do not balance: {self.offered} frames offered, but {self.delivered} delivered "
                            f"+ {self.queued} queued + {self.frames_dropped} dropped = {ended}")

    @property
    def frames_dropped(self) -> int:
        """For whatever reason."""
        return sum(self.dropped.values())

    @property
    def unit(self) -> str:
        """What latencies are of: datagrams, messages where all programs serve TCP, both: reads."""
        kinds = {a.connections is not None for a in self.apps if a.latency.count}
        return "reads" if len(kinds) == 2 else "messages" if True in kinds else "datagrams"

    @property
    def interrupts(self) -> int:
        """Of all queues."""
        return sum(q.interrupts for q in self.queues)

    def cpu_ns(self) -> dict[str, int]:
        """Totals of all CPUs."""
        return {k: sum(getattr(c, k) for c in self.cpus) for k in CONTEXTS}

    def working(self) -> list[Cpu]:
        """CPUs that did something."""
        return [c for c in self.cpus if c.idle < self.elapsed_ns]

    def softnet_sum(self, column: str) -> int:
        """A column of softnet_stat, all CPUs together."""
        return sum(row[column] for row in self.softnet)

    def number_on_card(self, queue: int) -> int:
        """A queue as its card numbers it."""
        return sum(q.card == self.queues[queue].card for q in self.queues[:queue])


def _texts(*groups: str) -> tuple[tuple[Mib, str], ...]:
    return tuple((m, m.text()) for m in Mib if m.name.split("_")[0] in groups)


SNMP, NETSTAT = _texts("Ip", "Icmp", "Udp", "Tcp"), _texts("IpExt", "TcpExt")       # the files of /proc/net that have them


def busy_ns(cpu_ns: Mapping[str, int]) -> int:
    """CPU time of everything, from that of each context."""
    return sum(n for context, n in cpu_ns.items() if context != "idle")


def per_frame(ns: int, frames: int) -> float:
    return ns / max(frames, 1)


def read(m: Machine) -> Books:
    """Everything that the state of a simulation says, now."""
    net, ncpu = m.net, m.host.cpus
    ended = _added(net.drop_stat[c] for c in range(ncpu))
    ends = {r: ended[r] for r in Drop}
    at = {r: numbers(net.drop_at[r]) for r in LOSSES if ends[r]}
    lost_at = {r: {s: at[r][s] for s in STATIONS if at[r][s]} for r in at}
    for q in m.rings:
        ring = net.ring[q]
        for reason, n in ((Drop.RX_MISSED, ring.missed), (Drop.NIC_FILTER, ring.filtered), (Drop.RX_LENGTH, ring.length_errors),
                          (Drop.LINK_DOWN, ring.link_down), (Drop.TX_PAUSE, ring.held)):
            if n:                                           # the device's own, before there was an skb
                ends[reason] += n
                places = lost_at.setdefault(reason, {})
                places[Stage.nic_dma] = places.get(Stage.nic_dma, 0) + n
    counted = _added(net.snmp[c] for c in range(ncpu))
    mib = {m: counted[m] for m in Mib}
    cards = [device(m, nd) for nd in m.boot.netdevs]
    stations = _stations(net, ncpu)
    apps, latency, done = _apps(m)
    several = len(cards) > 1
    queues = [Queue(q, r.cpu, r.arrived, r.missed, r.irqs, r.fill_max, r.size, r.burst_needs, m.boot.netdevs[r.nic].name if several else "")
              for q, r in enumerate(net.ring[i] for i in m.rings)]
    sockets = _sockets(m)
    return Books(
        offered=net.offered,
        delivered=sum(ends[r] for r in DELIVERED),
        queued=m.frames_queued(),
        dropped={r.name: n for r, n in ends.items() if n and r not in DELIVERED},
        lost_at={r.name: {s.name: n for s, n in places.items()} for r, places in lost_at.items()},
        received=ends[Drop.RECEIVED], consumed=ends[Drop.CONSUMED], arp=min(stations.get("arp_process", 0), ends[Drop.CONSUMED]),
        elapsed_ns=net.sim.now,
        cpus=[_cpu(m, c) for c in range(ncpu)],
        queues=queues, sockets=sockets, apps=apps, latency=latency, done=done, spent=by_program(m, _programs(apps)),
        snmp={text: mib[m] for m, text in SNMP}, netstat={text: mib[m] for m, text in NETSTAT},
        softnet=[_softnet(net, c) for c in range(ncpu)],
        device=cards[0].device, ethtool=cards[0].ethtool, cards=cards if several else [],
        high_water=_high_water(m, queues, sockets),
        copies={"taps": mib[Mib.Rxpath_TapFrames], "clones": mib[Mib.Rxpath_Copies], "fragments": mib[Mib.Ip_ReasmReqds],
                "reassembled": mib[Mib.Ip_ReasmOKs], "gro_merged": stations.get("skb_gro_receive", 0), "sent": m.sent_frames()},
        stations=stations, rules=_rules(m), unhandled=_unhandled(m, lost_at),
        tcp=connections.read(m),
        senders=[_sender(m, *s) for s in m.senders],
        stalls=[Stalled(c, net.cpu[c].stalls, net.cpu[c].stalled_ns) for c in range(ncpu) if net.cpu[c].stalls],
    )


def _unhandled(m: Machine, lost_at: dict[Drop, dict[Stage, int]]) -> list[Unhandled]:
    """By EtherType, LLC's SAP, IP protocol, tunnel."""
    if not lost_at.keys() & {Drop.UNHANDLED_PROTO, Drop.NOT_MODELLED, Drop.IP_NOPROTO}:
        return []
    found = []
    net: Any = m.net
    types = {net.ptype_not_modelled[i] for i in range(net.nnot_modelled)}
    for kind in Seen:
        for number, n in enumerate(numbers(net.unhandled[kind])):
            if n and kind == Seen.PROTOCOL:
                reason, station = Drop.NOT_MODELLED if net.inet_not_modelled[number] else Drop.IP_NOPROTO, Stage.ip_protocol_deliver_rcu
            elif n and kind == Seen.TUNNEL:
                reason, station = Drop.NOT_MODELLED, Stage.udp_queue_rcv_one_skb
            elif n:
                known = kind == Seen.ETHERTYPE and number in types
                reason, station = Drop.NOT_MODELLED if known else Drop.UNHANDLED_PROTO, Stage.__netif_receive_skb_core
            else:
                continue
            found.append(Unhandled(reason.name, station.name, protocols.seen(kind, number), int(n)))
    return sorted(found, key=lambda u: (-u.frames, u.what))


def _sender(m: Machine, device: str, q: int, thread: int) -> SenderBooks:
    ring, th = m.net.ring[q], m.net.thread[thread]
    return SenderBooks(device, th.cpu, th.calls, ring.arrived - ring.staged, th.ran_sys_ns, th.ran_app_ns, ring.late_max)


def _rules(m: Machine) -> list[Rule]:
    """iptables -vnL: what was counted."""
    if m.rules is None:
        return []
    from rxpath.network.ip_tables_setup import rule_counters

    flat = m.rules.rules
    out = []
    for i, packets, octets in rule_counters(m.boot):
        rule = flat[i]
        target = ("policy " if rule.pseudo else "") + rule.target_name
        if packets:
            out.append(Rule(rule.table, rule.chain, rule.line, target, packets, octets))
    return out


def _added(rows: Iterable[Any]) -> list[int]:
    """What arrays of i64 of several CPUs hold together."""
    return list(map(sum, zip(*map(numbers, rows), strict=True)))


def _stations(net: Any, ncpu: int) -> dict[str, int]:
    count = _added(net.stage_count[c] for c in range(ncpu))
    return {s.name: count[s] for s in STATIONS if count[s]}


def _cpu(m: Machine, i: int) -> Cpu:
    t = cpu_time(m.net, i, m.net.sim.now)
    return Cpu(i, t.hardirq, t.softirq, m.net.cpu[i].ksoftirqd_ns, t.syscall, t.application, t.idle)


def _softnet(net: Any, i: int) -> dict[str, int]:
    sd, backlog = net.sd[i], net.input[i]
    return {"cpu": i, "processed": sd.processed, "dropped": backlog.dropped, "time_squeeze": sd.time_squeeze,
            "received_rps": sd.received_rps, "flow_limit_count": backlog.flow_count, "backlog_len": backlog.len + sd.process_len}


def device(m: Machine, nd: NetDevice) -> CardBooks:
    """ethtool -S; the device's statistics as ip -s link shows them, with those of the other end."""
    net = m.net
    counted = _added(net.dev_stat[c][nd.index] for c in range(m.host.cpus))
    dev = {d.name: counted[d] for d in DevStat}
    own = nd.ethtool("get_ethtool_stats") if "get_ethtool_stats" in nd.ethtool_ops else {}
    return CardBooks(nd.name, nd.driver.name, sum(net.ring[q].arrived for q in nd.pool()), own,
                     dev | nd.ndo("ndo_get_stats64") | nd.beyond(nd))


def _sockets(m: Machine) -> list[SocketBooks]:
    out = []
    for s in m.sockets:
        sk, tp = m.net.socks[s.index], m.net.tcp[s.index]
        mine = SocketBooks(s.name, s.proto, s.address, s.port, sk.packets, sk.qlen + sk.backlog_qlen, sk.drops, sk.qlen_max,
                           sk.rmem_max_seen, sk.rcvbuf, sk.lock.spin_ns, sk.burst_needs)
        out.append(_with_connections(m, s.index, mine) if s.proto == "tcp" and tp.born else mine)
    return out


def _with_connections(m: Machine, listener: int, mine: SocketBooks) -> SocketBooks:
    """A listener: what its connections have been, those that have ended (tcp_child_ends()) and those that are open.  Its drops are its own:
    those of a connection count duplicates, too, and the ledger (connections.py) says what was lost."""
    net = m.net
    tp, gen = net.tcp[listener], net.socks[listener].gen
    received, queued, longest, spin = tp.born_packets, 0, tp.born_qlen_max, mine.lock_wait_ns
    rmem, rcvbuf = tp.born_rmem_max, tp.born_rcvbuf
    for i in range(net.nsock):
        child = net.tcp[i]
        if child.born_of == listener and child.born_gen == gen:
            sk = net.socks[i]
            received, queued, spin = received + sk.packets, queued + sk.qlen + sk.backlog_qlen, spin + sk.lock.spin_ns
            longest = max(longest, sk.qlen_max)
            if sk.rmem_max_seen >= rmem:
                rmem, rcvbuf = sk.rmem_max_seen, sk.rcvbuf
    return replace(mine, received=int(received), queued=int(queued), queue_max=int(longest), rmem_max=int(rmem),
                   rcvbuf=int(rcvbuf or mine.rcvbuf), lock_wait_ns=int(spin), connections=int(tp.born))


def _apps(m: Machine) -> tuple[list[AppBooks], Latency, Latency]:
    """(each thread, all of them to the return of the call, all to the end of the work)"""
    net, apps = m.net, []
    for t in m.threads:
        th = net.thread[t.index]
        latency = latency_of(counts(net.latency[t.index], th.latency_max) if th.received else [], th.latency_sum, th.latency_max)
        done = latency_of(counts(net.served[t.index], th.served_max) if th.served else [], th.served_sum, th.served_max)
        under_way = max(net.sim.now - th.paused_at, 0) if th.pausing == Pausing.UNDER_WAY else 0
        serves = Connections(th.opened, th.closed, th.resets, th.read_bytes) if th.kind == Kind.STREAM else None
        apps.append(AppBooks(t.name, t.number, th.cpu, th.received, th.ran_app_ns, th.ran_sys_ns, th.woken, latency, done, th.pauses,
                             th.paused_ns + under_way, serves))
    return apps, Latency.sum([a.latency for a in apps]), Latency.sum([a.done for a in apps])


def _programs(apps: list[AppBooks]) -> dict[str, Latency]:
    """To the end of the work, of each program."""
    return {name: Latency.sum([a.done for a in apps if a.name == name]) for name in dict.fromkeys(a.name for a in apps)}


def _high_water(m: Machine, queues: list[Queue], sockets: list[SocketBooks]) -> dict[str, Any]:
    net = m.net
    return {
        "ring": [{"queue": q.queue, "max": q.fill_max, "of": q.size} for q in queues],
        "backlog": [{"cpu": c, "max": net.input[c].len_max, "of": m.backlog_limit} for c in range(m.host.cpus)],
        "socket": [{"socket": s.name, "max": s.rmem_max, "of": s.rcvbuf} for s in sockets],
        "fragments": {"max": int(net.frag_mem_max), "of": m.fragment_limit},
    }
