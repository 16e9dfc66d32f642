"""Readings of made-up hosts: what moved is said, two Readings of records come out."""
from rxpath.workbench.doctor.tasks import Task, Tasks
from rxpath.workbench.readings.records import (
    Channels,
    Coalesce,
    Conntrack,
    CpuTimes,
    DriverInfo,
    EthtoolStats,
    Interrupts,
    Irq,
    Link,
    Program,
    Reading,
    Rings,
    RuleCount,
    Rules,
    Skmem,
    Snmp,
    Sockstat,
    Softnet,
    SoftnetRow,
    Stat,
    Sysctls,
    TcpSocket,
    TcpSockets,
    UdpSocket,
    UdpSockets,
    Value,
)

SECONDS, BASE = 10.0, 1_000_000                             # what counters had before
KNOWN = {"Ip": ("InReceives", "InHdrErrors", "InAddrErrors", "InDiscards", "ReasmFails", "ReasmTimeout"),
         "Icmp": ("OutDestUnreachs",), "Udp": ("InDatagrams", "NoPorts", "InErrors", "RcvbufErrors", "InCsumErrors", "MemErrors"),
         "TcpExt": ("IPReversePathFilter", "ListenDrops", "ListenOverflows", "TCPReqQFullDrop", "TCPBacklogDrop", "RcvPruned"),
         "IpExt": ("InNoRoutes", "InTruncatedPkts", "InNoECTPkts", "InECT1Pkts", "InECT0Pkts", "InCEPkts")}
LINK = ("rx_packets", "rx_bytes", "rx_errors", "rx_dropped", "rx_missed_errors", "rx_fifo_errors", "rx_over_errors", "rx_nohandler")


def host(**what):
    """(before, after).  cpu: {number: shares}, softnet: {number: what moved}, snmp: {"Udp.InErrors": moved}, card: see _card, sockets:
    keywords of _socket, ...  What is not said did not move; what is None is not in the readings."""
    return [Reading(tuple(_records(at, **what)), time=100.0 + SECONDS * at) for at in (0, 1)]


def _records(at, cpu=None, softnet=None, snmp=None, card=None, sockets=None, tasks=None, sysctl=None, sockstat=None, conntrack=None,
             rules=None, listeners=None, without=(), old=False):
    cpu = {0: {"idle": 0.9}, 1: {"idle": 1.0}} if cpu is None else cpu
    if "stat" not in without:
        yield Stat({n: _times(at, **share) for n, share in cpu.items()})
    if "softnet" not in without:
        rows = {n: (softnet or {}).get(n, {}) for n in {**cpu, **(softnet or {})}}
        yield Softnet(tuple(_softnet(at, n, **moved) for n, moved in rows.items()), True)
    if "snmp" not in without:
        yield Snmp({g: {n: BASE + at * (snmp or {}).get(f"{g}.{n}", 0) for n in names if not (old and n == "MemErrors")}
                    for g, names in KNOWN.items()})
    if card is not None:
        yield from _card(at, **card)
    if sockets is not None:
        yield UdpSockets(tuple(_socket(at, **s) for s in sockets))
    if tasks is not None:
        yield Tasks(tuple(Task(pid, tid, name, on, int(at * SECONDS * run * 1e9), None if wait is None else int(at * SECONDS * wait * 1e9))
                          for pid, tid, name, on, run, wait in tasks), 100 + SECONDS * at)
    if sysctl is not None:
        yield Sysctls({name: str(value) for name, value in sysctl.items()})
    if sockstat is not None:
        yield Sockstat(sockstat)
    if conntrack is not None:
        yield Conntrack({"drop": BASE + at * conntrack["drop"], "insert_failed": BASE}, conntrack["entries"], conntrack["most"])
    if rules is not None:
        yield Rules("iptables-save", tuple(RuleCount("filter", "INPUT", i, target, text, BASE + at * moved)
                                           for i, (target, text, moved) in enumerate(rules, 1)))
    if listeners is not None:
        yield TcpSockets(tuple(TcpSocket(4, "0.0.0.0", 80, state="LISTEN", recv_q=r, send_q=s) for r, s in listeners))


def _times(at, idle=0.0, soft=0.0, hard=0.0, steal=0.0):
    ticks = SECONDS * 100 * at
    rest = max(1 - idle - soft - hard - steal, 0)
    return CpuTimes(500 + ticks * rest, 0, 500, 1000 + ticks * idle, 0, 100 + ticks * hard, 100 + ticks * soft, 10 + ticks * steal)


def _softnet(at, cpu, processed=1000, dropped=0, time_squeeze=0, received_rps=0, flow_limit_count=0, backlog_len=0):
    return SoftnetRow(cpu, BASE + at * processed, BASE + at * dropped, BASE + at * time_squeeze, 0, BASE + at * received_rps,
                      BASE + at * flow_limit_count, backlog_len)


def _card(at, name="eth0", driver="igb", stats=None, link=None, ring=(256, 4096), queues=1, usecs=3, irq=None, cpus=2, adaptive=False):
    """stats: {name: moved} of ethtool -S, None: not read.  irq: {queue: {cpu: moved}}."""
    yield Link(device=name, stats={n: BASE + at * (link or {}).get(n, 0) for n in LINK})
    if driver is not None:
        yield DriverInfo(device=name, driver=driver, bus_info="0000:01:00.0")
    if stats is not None:
        yield EthtoolStats(device=name, values=tuple(Value(n, BASE + at * moved) for n, moved in stats.items()))
    if ring is not None:
        yield Rings(device=name, current={"rx": ring[0]}, maximum={"rx": ring[1]})
    if queues is not None:
        yield Channels(device=name, current={"rx": 0, "combined": queues})
    if usecs is not None:
        yield Coalesce(device=name, values={"rx-usecs": usecs}, words={"adaptive-rx": adaptive})
    irq = {0: {0: 1000}} if irq is None else irq
    yield Interrupts(tuple(range(cpus)), tuple(
        Irq(str(40 + q), tuple(BASE * (c in moved) + at * moved.get(c, 0) for c in range(cpus)), actions=(f"{name}-TxRx-{q}",))
        for q, moved in irq.items()))


def _socket(at, port=5000, drops=0, r=0, rb=212992, pid=700, name="reader", mem=True):
    return UdpSocket(4, "0.0.0.0", port, state="UNCONN", drops=BASE + at * drops, inode=9000 + port, recv_q=r,
                     skmem=Skmem(r=r, rb=rb, d=BASE + at * drops) if mem else None, programs=(Program(name, pid),) if pid else ())


def sampled(what, port=5000, drops=(), memory=(), rb=212992):
    """The same, with looks at a socket's queue in between: drops and memory of each, a tenth of a second apart."""
    before, after = host(**what)
    looks = [Reading((UdpSockets((_look(port, d, m, rb),)),), time=before.time + 0.1 * (i + 1))
             for i, (d, m) in enumerate(zip(drops, memory, strict=True))]
    return [before, *looks, after]


def _look(port, drops, memory, rb):
    return UdpSocket(4, "0.0.0.0", port, state="UNCONN", drops=BASE + drops, inode=9000 + port, recv_q=memory)
