"""Named facts that the rules' conditions ask for: each a number (or a text) of the host, a card, a CPU or a socket, or Missing with the
reading that would tell.  docs/doctor-rules.md lists them.  Those of cards are in card_facts.py, those of sockets in socket_facts.py."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from rxpath.workbench.doctor.cards import queue_packets, queues, vectors
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.doctor.rules import Missing, Scope, Value
from rxpath.workbench.doctor.tasks import ksoftirqd_share
from rxpath.workbench.readings.records import Conntrack, Link, Reading, Rules, Softnet, TcpSockets
from rxpath.workbench.readings.settings import Surroundings

Of = Callable[[Evidence, str], float | str]
F = TypeVar("F", bound=Of)


class Fact(NamedTuple):
    """counters: of protocols, by Group.Name, that it comes from."""

    scope: Scope
    unit: str
    doc: str
    of: Of
    counters: tuple[str, ...] = ()


FACTS: dict[str, Fact] = {}
RCVBUF = ("Udp.RcvbufErrors", "Udp6.RcvbufErrors", "UdpLite.RcvbufErrors")
ALONE = "lo"                                                # packets there never were on a wire


def fact(scope: Scope, unit: str, doc: str, *counters: str) -> Callable[[F], F]:
    """The function's name is the fact's.  counters: of protocols, that it comes from."""
    def keep(of: F) -> F:
        FACTS[of.__name__] = Fact(scope, unit, doc, of, counters)
        return of
    return keep


class Known(Mapping[str, Value]):
    """The facts of one subject, each worked out when it is asked for, once."""

    def __init__(self, e: Evidence, scope: Scope, subject: str = "") -> None:
        self.e, self.scope, self.subject = e, scope, subject
        self._own: dict[str, Value] = {}
        self._host: dict[str, Value] = e.memo.setdefault("facts of the host", {})

    def __getitem__(self, name: str) -> Value:
        row = FACTS[name]
        found = self._host if row.scope == "host" else self._own
        if name not in found:
            try:
                found[name] = row.of(self.e, "" if row.scope == "host" else self.subject)
            except NotKnown as missing:
                found[name] = Missing(missing.reading)
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, row in FACTS.items() if row.scope in ("host", self.scope))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def summed(e: Evidence, *counters: str) -> int:
    """Counters of protocols together, by Group.Name.  A host may have no IPv6 and no UDP-Lite: they lost nothing there."""
    found = 0
    for counter in counters:
        group, _, name = counter.partition(".")
        try:
            found += e.snmp(group, name)
        except NotKnown:
            if group not in ("Udp6", "UdpLite", "UdpLite6", "Ip6"):
                raise
    return found


def moving(name: str, doc: str, *counters: str, unit: str = "packets") -> None:
    """A fact that is a sum of counters of protocols."""
    FACTS[name] = Fact("host", unit, f"{doc}: {', '.join(counters)}", lambda e, _: summed(e, *counters), counters)


# ---------------------------------------------------------------- the readings
@fact("host", "s", "time between the first and the last reading")
def seconds(e: Evidence, _: str) -> float:
    return e.seconds


@fact("host", "0 or 1", "the complaint is latency (--latency)")
def complaint_latency(e: Evidence, _: str) -> float:
    return e.latency


@fact("host", "counters", "counters that went backwards: reset, or narrower than thought")
def resets(e: Evidence, _: str) -> float:
    return len(e.resets)


@fact("host", "text", "their names")
def reset_names(e: Evidence, _: str) -> str:
    return ", ".join(e.resets[:3]) + (f" and {len(e.resets) - 3} more" if len(e.resets) > 3 else "")


# ---------------------------------------------------------------- UDP
moving("rcvbuf_lost", "full receive buffers of UDP sockets", *RCVBUF, unit="datagrams")
moving("udp_memory_lost", "refused for udp_mem", "Udp.MemErrors", "Udp6.MemErrors", unit="datagrams")
moving("csum_errors", "wrong checksums", "Udp.InCsumErrors", "Udp6.InCsumErrors", unit="datagrams")
moving("no_ports", "for closed ports", "Udp.NoPorts", "Udp6.NoPorts", unit="datagrams")
moving("unreachables_sent", "port unreachable and the like", "Icmp.OutDestUnreachs", unit="messages")


@fact("host", "datagrams", "InErrors beyond RcvbufErrors, InCsumErrors and MemErrors, which it contains", "Udp.InErrors", "Udp6.InErrors")
def in_errors_rest(e: Evidence, _: str) -> float:
    rest = 0
    for group in ("Udp", "Udp6"):
        try:
            rest += max(e.snmp(group, "InErrors") - sum(e.snmp(group, n) for n in ("RcvbufErrors", "InCsumErrors", "MemErrors")), 0)
        except NotKnown:
            if group == "Udp":
                raise
    return rest


@fact("host", "0 or 1", "this kernel counts MemErrors (5.11 and later)")
def counts_memory(e: Evidence, _: str) -> float:
    if not e.has_snmp("Udp", "InErrors"):
        raise NotKnown("/proc/net/snmp")
    return e.has_snmp("Udp", "MemErrors")


@fact("host", "of 1", "memory of all UDP sockets over the largest of udp_mem")
def udp_mem_fill(e: Evidence, _: str) -> float:
    return e.sockstat("UDP", "mem") / max(e.number("net.ipv4.udp_mem", 2), 1)


# ---------------------------------------------------------------- IP
moving("ip_received", "packets that IP saw (merged ones once)", "Ip.InReceives")
moving("ip_damaged", "malformed headers, packets that are too short", "Ip.InHdrErrors", "IpExt.InTruncatedPkts", "Ip6.InHdrErrors",
       "Ip6.InTruncatedPkts")
moving("ip_misaddressed", "not this host's addresses", "Ip.InAddrErrors", "IpExt.InNoRoutes", "Ip6.InAddrErrors", "Ip6.InNoRoutes")
moving("ip_bad", "both together", "Ip.InHdrErrors", "IpExt.InTruncatedPkts", "Ip6.InHdrErrors", "Ip6.InTruncatedPkts",
       "Ip.InAddrErrors", "IpExt.InNoRoutes", "Ip6.InAddrErrors", "Ip6.InNoRoutes")
moving("ip_discards", "no memory, in IP", "Ip.InDiscards", "Ip6.InDiscards")
moving("rp_filter", "reverse path filter", "TcpExt.IPReversePathFilter")
moving("reasm_fails", "reassemblies that failed", "Ip.ReasmFails", "Ip6.ReasmFails", unit="failures")
moving("tcp_lost", "dropped at TCP sockets", "TcpExt.TCPBacklogDrop", "TcpExt.RcvPruned", "TcpExt.TCPRcvQDrop", "TcpExt.TCPZeroWindowDrop",
       unit="segments")


@fact("host", "packets a second", "packets that IP saw")
def ip_rate(e: Evidence, _: str) -> float:
    return e.snmp("Ip", "InReceives") / e.seconds


@fact("host", "packets", "on the wire for each packet that IP saw: the sum of IpExt's ECN counters over InReceives")
def gro_factor(e: Evidence, _: str) -> float:
    seen = e.snmp("Ip", "InReceives")
    if not seen:
        raise NotKnown("a time with IP packets")
    return sum(e.snmp("IpExt", n) for n in ("InNoECTPkts", "InECT1Pkts", "InECT0Pkts", "InCEPkts")) / seen


@fact("host", "of 1", "failures of reassembly that are timeouts")
def reasm_timeout_share(e: Evidence, _: str) -> float:
    fails = summed(e, "Ip.ReasmFails", "Ip6.ReasmFails")
    return min(summed(e, "Ip.ReasmTimeout", "Ip6.ReasmTimeout") / fails, 1.0) if fails else 0.0


@fact("host", "of 1", "memory of fragments over ipfrag_high_thresh")
def frag_fill(e: Evidence, _: str) -> float:
    return e.sockstat("FRAG", "memory") / max(e.number("net.ipv4.ipfrag_high_thresh"), 1)


@fact("host", "packets", "drop and insert_failed of connection tracking")
def conntrack_lost(e: Evidence, _: str) -> float:
    return e.conntrack("drop") + e.conntrack("insert_failed")


@fact("host", "of 1", "connections over nf_conntrack_max")
def conntrack_fill(e: Evidence, _: str) -> float:
    record = e.setting(lambda r: next((c for c in r.of(Conntrack, "") if c.entries is not None), None))
    entries = record.entries if record is not None and record.entries is not None else e.number("net.netfilter.nf_conntrack_count")
    most = record.most if record is not None and record.most else e.number("net.netfilter.nf_conntrack_max")
    return entries / max(most, 1)


def _rules(e: Evidence) -> list[tuple[str, int]]:
    """(rule, packets) of what drops or refuses."""
    def counted(reading: Reading) -> Rules | None:
        return next((x for x in reading.of(Rules, "") if any(rule.packets is not None for rule in x.rules)), None)

    found = []
    for rule in e.between(counted, "iptables-save -c").rules:
        if rule.target in ("DROP", "REJECT") and rule.packets:
            name = f"{rule.table} {rule.chain} {f'rule {rule.number}' if rule.number else 'policy'}"
            found.append((f"{name} ({rule.text.strip()[:60]})" if rule.number else name, rule.packets))
    return sorted(found, key=lambda r: -r[1])


@fact("host", "packets", "dropped or rejected by rules of the firewall")
def rules_lost(e: Evidence, _: str) -> float:
    return sum(n for _, n in _rules(e))


@fact("host", "text", "the rule that dropped most")
def rules_most(e: Evidence, _: str) -> str:
    found = _rules(e)
    return f"{found[0][0]}, {found[0][1]:,}" if found else "none"


# ---------------------------------------------------------------- TCP
@fact("host", "connections", "refused at listeners, nothing twice: ListenDrops contains ListenOverflows", "TcpExt.ListenDrops",
      "TcpExt.ListenOverflows", "TcpExt.TCPReqQFullDrop")
def listen_lost(e: Evidence, _: str) -> float:
    return max(e.snmp("TcpExt", "ListenDrops"), e.snmp("TcpExt", "ListenOverflows"), e.snmp("TcpExt", "TCPReqQFullDrop"))


@fact("host", "0 or 1", "a listener's queue was full when it was looked at")
def listener_full(e: Evidence, _: str) -> float:
    listeners = [s for r in e.samples(TcpSockets) for s in r.sockets if s.state == "LISTEN"]
    if not listeners:
        raise NotKnown("ss -tlmn")
    return any(s.recv_q > s.send_q > 0 for s in listeners)


# ---------------------------------------------------------------- CPUs together
@fact("host", "CPUs", "CPUs in the readings")
def cpus(e: Evidence, _: str) -> float:
    return len(e.softnet)


@fact("host", "packets", "counted by softnet_stat on all CPUs")
def processed(e: Evidence, _: str) -> float:
    return sum(m.processed for m in e.softnet.values())


@fact("host", "packets a second", "the same")
def rx_rate(e: Evidence, _: str) -> float:
    return processed(e, "") / e.seconds


@fact("host", "passes", "passes of net_rx_action that ended early, on all CPUs")
def time_squeeze(e: Evidence, _: str) -> float:
    return sum(m.time_squeeze for m in e.softnet.values())


@fact("host", "packets", "refused by backlogs of all CPUs")
def backlog_lost_all(e: Evidence, _: str) -> float:
    return sum(m.dropped for m in e.softnet.values())


def _busiest(e: Evidence) -> tuple[int, float]:
    """The CPU that receives most, by its NET_RX softirqs or softnet_stat's packets, whichever shows more to one CPU."""
    counts = {cpu: m.processed for cpu, m in e.softnet.items()}
    whole = sum(counts.values())
    if not whole:
        raise NotKnown("a time with packets")
    cpu = max(counts, key=lambda c: (counts[c], -c))
    return cpu, counts[cpu] / whole


@fact("host", "CPU", "the CPU that receives most packets (softnet_stat)")
def rx_cpu(e: Evidence, _: str) -> float:
    return _busiest(e)[0]


@fact("host", "of 1", "its share of all packets")
def rx_share(e: Evidence, _: str) -> float:
    return _busiest(e)[1]


@fact("host", "of 1", "of that CPU's time in interrupts and softirqs")
def rx_busy(e: Evidence, _: str) -> float:
    cpu = _busiest(e)[0]
    return e.share(cpu, "soft") + e.share(cpu, "hard")


def _wired(e: Evidence) -> list[str]:
    """Devices that packets came through from a wire: not loopback, not what stands on another device."""
    above = {x.device for r in e.readings for x in r.of(Link, "") if x.kind or x.parent}
    return [d for d in e.devices if d != ALONE and d not in above]


@fact("host", "packets", "received by the cards")
def nic_packets(e: Evidence, _: str) -> float:
    return sum(e.standard(d, "rx_packets") for d in _wired(e))


@fact("host", "times", "softnet_stat's packets for each packet of a card")
def rounds(e: Evidence, _: str) -> float:
    around = e.setting(lambda r: r.first(Surroundings))
    if around is not None and around.container:             # softnet_stat is the machine's, the devices are the namespace's
        raise NotKnown("rxpath doctor outside of the container")
    packets = nic_packets(e, "")
    if not packets:
        raise NotKnown("a time with packets of a card")
    return processed(e, "") / packets


@fact("host", "packets", "softnet_stat's packets beyond the cards'")
def rounds_extra(e: Evidence, _: str) -> float:
    return max(processed(e, "") - nic_packets(e, ""), 0)


@fact("host", "device", "the card that received most")
def busy_device(e: Evidence, _: str) -> str:
    wired = _wired(e)
    if not wired:
        raise NotKnown("/proc/net/dev")
    return max(wired, key=lambda d: e.standard(d, "rx_packets"))


@fact("host", "queues", "its receive queues")
def busy_queues(e: Evidence, _: str) -> float:
    return queues(e, busy_device(e, ""))


@fact("host", "of 1", "of its interrupts that went to the busiest CPU")
def irq_share(e: Evidence, _: str) -> float:
    every = vectors(e, busy_device(e, ""))
    whole = sum(sum(v.moved.values()) for v in every)
    if not whole:
        raise NotKnown("/proc/interrupts with its vectors")
    cpu = int(rx_cpu(e, ""))
    return sum(v.moved.get(cpu, 0) for v in every) / whole


@fact("host", "of 1", "packets of its busiest queue")
def queue_share(e: Evidence, _: str) -> float:
    found = queue_packets(e, busy_device(e, ""))
    return max(found.values()) / max(sum(found.values()), 1)


# ---------------------------------------------------------------- one CPU
@fact("cpu", "packets", "refused by its backlog")
def backlog_lost(e: Evidence, cpu: str) -> float:
    return e.on(int(cpu)).dropped


@fact("cpu", "interrupts", "that other CPUs sent it for RPS")
def received_rps(e: Evidence, cpu: str) -> float:
    found = e.on(int(cpu)).received_rps
    if found is None:
        raise NotKnown("softnet_stat with 10 columns (Linux 2.6.35 and later)")
    return found


@fact("cpu", "packets", "refused by the flow limit (the backlog's count contains them)")
def flow_limited(e: Evidence, cpu: str) -> float:
    return e.on(int(cpu)).flow_limit_count or 0             # no column: no flow limit


@fact("cpu", "of 1", "of what its backlog refused that was the flow limit")
def flow_limit_share(e: Evidence, cpu: str) -> float:
    return flow_limited(e, cpu) / max(backlog_lost(e, cpu), 1)


@fact("cpu", "of 1", "of its time in softirqs")
def soft(e: Evidence, cpu: str) -> float:
    return e.share(int(cpu), "soft")


def _row(reading: Reading, cpu: str) -> tuple[int, int] | None:
    for s in reading.of(Softnet):
        for row in s.rows:
            if row.cpu == int(cpu):
                return row.dropped, row.backlog_len if row.backlog_len is not None else (row.input_qlen or 0) + (row.process_qlen or 0)
    return None


@fact("cpu", "of 1", "the longest backlog that was seen, over netdev_max_backlog")
def backlog_fill(e: Evidence, cpu: str) -> float:
    seen = [row[1] for r in e.readings if (row := _row(r, cpu)) is not None]
    if len(seen) < 3:
        raise NotKnown("samples of softnet_stat: rxpath doctor on the host itself")
    return max(seen) / max(e.number("net.core.netdev_max_backlog"), 1)


@fact("cpu", "of 1", "of the stretches of a tenth of a second in which its backlog refused packets")
def backlog_spread(e: Evidence, cpu: str) -> float:
    return e.spread(lambda r: None if (row := _row(r, cpu)) is None else row[0])


@fact("cpu", "of 1", "of its time that ksoftirqd took")
def ksoftirqd(e: Evidence, cpu: str) -> float:
    return ksoftirqd_share(e, int(cpu))


@fact("cpu", "ms", "the same")
def ksoftirqd_ms(e: Evidence, cpu: str) -> float:
    return ksoftirqd_share(e, int(cpu)) * e.seconds * 1000
