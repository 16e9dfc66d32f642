"""/proc/net of a run: snmp, netstat, softnet_stat, dev, udp, tcp, sockstat.  net/ipv4/proc.c, net/core/net-procfs.c, net/ipv4/udp.c,
net/ipv4/tcp_ipv4.c.  What the path does not have is 0, as in a kernel that has not met it."""
from __future__ import annotations

from collections.abc import Mapping

from rxpath.abi.kernels import version
from rxpath.abi.mib import has
from rxpath.abi.numbers import IPPROTO, TCP
from rxpath.network.ip_output import IP_TTL
from rxpath.workbench.run.moment import Moment, Sock
from rxpath.workbench.views.proc import names

U32 = 0xFFFFFFFF
# columns of softnet_stat by the version that brought the last of them [S, V, M]
SOFTNET_COLUMNS = (("6.4", 15), ("5.10", 13), ("3.11", 11), ("0", 10))


def _two_lines(group: str, listed: list[str], counters: Mapping[str, int]) -> str:
    values = (str(counters.get(f"{group}.{name}", 0)) for name in listed)
    return f"{group}: {' '.join(listed)}\n{group}: {' '.join(values)}\n"


def snmp(m: Moment) -> str:
    """/proc/net/snmp"""
    kernel, sysctls = m.host.kernel, m.host.sysctls()
    settings = {"Ip.Forwarding": 1 if sysctls.get("net.ipv4.ip_forward") in (1, True) else 2,
                "Ip.DefaultTTL": IP_TTL,
                "Tcp.RtoAlgorithm": 1, "Tcp.RtoMin": 200, "Tcp.RtoMax": 120_000, "Tcp.MaxConn": -1}
    counters = m.books.snmp | settings | {"Ip.OutTransmits": m.books.snmp.get("Ip.OutRequests", 0)}     # none is held back or dropped
    types = list(names.ICMP_TYPES)
    icmp = ["InMsgs", "InErrors", "InCsumErrors", *(f"In{t}" for t in types), "OutMsgs", "OutErrors",
            *(c for c in ("OutRateLimitGlobal", "OutRateLimitHost") if has(f"Icmp.{c}", kernel)), *(f"Out{t}" for t in types)]
    messages = [(f"{way}Type{number}", n) for way in ("In", "Out")
                for number, name in sorted((number, name) for name, number in names.ICMP_TYPES.items())
                if (n := counters.get(f"Icmp.{way}{name}", 0))]
    return "".join([
        _two_lines("Ip", names.of("Ip", names.IP, kernel), counters), _two_lines("Icmp", icmp, counters),
        *(_two_lines("IcmpMsg", [t for t, _ in row], {f"IcmpMsg.{t}": n for t, n in row})
          for row in (messages[i:i + 16] for i in range(0, len(messages), 16))),
        *(_two_lines(group, names.of(group, listed, kernel), counters)
          for group, listed in (("Tcp", names.TCP), ("Udp", names.UDP), ("UdpLite", names.UDP)))])


def netstat(m: Moment) -> str:
    """/proc/net/netstat"""
    return "".join(_two_lines(group, names.of(group, listed, m.host.kernel), m.books.netstat)
                   for group, listed in (("TcpExt", names.TCP_EXT), ("IpExt", names.IP_EXT)))


def softnet_stat(m: Moment) -> str:
    """/proc/net/softnet_stat"""
    columns = next(n for since, n in SOFTNET_COLUMNS if version(since) <= version(m.host.kernel))
    rows = []
    for q, waiting, processing in zip(m.books.softnet, m.input_queue, m.process_queue, strict=True):
        row = (q["processed"], q["dropped"], q["time_squeeze"], 0, 0, 0, 0, 0, 0, q["received_rps"], q["flow_limit_count"],
               waiting + processing, q["cpu"], waiting, processing)
        rows.append(" ".join(f"{n & U32:08x}" for n in row[:columns]) + "\n")
    return "".join(rows)


def statistics(m: Moment) -> list[tuple[str, Mapping[str, int]]]:
    """Each device with its rtnl_link_stats64; lo is there on every host."""
    found: list[tuple[str, Mapping[str, int]]] = [(card.name, card.device) for card in m.cards]
    found += [(vlan.name, vlan.device) for vlan in m.vlans]
    return found if any(name == "lo" for name, _ in found) else [("lo", m.lo), *found]


def dev(m: Moment) -> str:
    """/proc/net/dev"""
    rows = ["Inter-|   Receive                                                |  Transmit\n"
            " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"]
    for name, stats in statistics(m):
        def of(key: str, stats: Mapping[str, int] = stats) -> int:
            return stats.get(key, 0)
        frame = of("rx_length_errors") + of("rx_over_errors") + of("rx_crc_errors") + of("rx_frame_errors")
        rows.append(f"{name:>6}: {of('rx_bytes'):7} {of('rx_packets'):7} {of('rx_errors'):4} "
                    f"{of('rx_dropped') + of('rx_missed_errors'):4} {of('rx_fifo_errors'):4} {frame:5} {0:10} {of('multicast'):9} "
                    f"{of('tx_bytes'):8} {of('tx_packets'):7} {of('tx_errors'):4} {of('tx_dropped'):4} {0:4} {0:5} {0:7} {0:10}\n")
    return "".join(rows)


def _end(address: int, port: int) -> str:
    """An address as a little-endian machine prints it."""
    return f"{int.from_bytes(address.to_bytes(4, 'big'), 'little'):08X}:{port:04X}"


def _row(number: str, s: Sock, refs: int) -> str:
    return (f"{number}: {_end(s.address, s.port)} {_end(s.peer, s.peer_port)} {s.state:02X} {s.tx_queue & U32:08X}:{s.rx_queue & U32:08X} "
            f"{s.timer:02X}:{s.timer_ticks:08X} {s.retransmits:08X} {0:5} {0:8} {s.inode} {refs} {0:016x}")


def udp(m: Moment) -> str:
    """/proc/net/udp: a line for each socket, padded to 127 columns; sl is the bucket of its port.  Nobody's pointer is shown."""
    head = ("   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops")
    return "".join(f"{line:127}\n" for line in (head, *(f"{_row(f'{s.bucket:5}', s, 2)} {s.drops & U32}" for s in m.udp)))


def tcp(m: Moment) -> str:
    """/proc/net/tcp, padded to 149 columns.  The congestion window is TCP's first, 10: the path sends next to nothing."""
    lines = ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"]
    for i, s in enumerate(m.tcp):
        row = _row(f"{i:4}", s, 1 if s.whole else 3 if s.timer == 3 else 0)
        lines.append(f"{row} {s.rto_ticks} {s.ato_ticks} {s.ack_flags} 10 {0 if s.state == TCP.LISTEN else -1}" if s.whole else row)
    return "".join(f"{line:149}\n" for line in lines)


def sockstat(m: Moment) -> str:
    """/proc/net/sockstat: used counts the sockets of this table only, mem is in pages."""
    whole = [s for s in m.tcp if s.whole]
    in_use = [s for s in whole if s.protocol == IPPROTO.TCP]
    orphans = [s for s in whole if s.orphan]
    waiting = [s for s in m.tcp if s.timer == 3]
    return (f"sockets: used {len(in_use) + len(m.udp)}\n"
            f"TCP: inuse {len(in_use)} orphan {len(orphans)} tw {len(waiting)} alloc {len(whole)} mem {m.tcp_pages}\n"
            f"UDP: inuse {len(m.udp)} mem {m.udp_pages}\nUDPLITE: inuse 0\nRAW: inuse 0\n"
            f"FRAG: inuse {m.reassemblies} memory {m.fragment_bytes}\n")
