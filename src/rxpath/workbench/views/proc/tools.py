"""What ethtool -S, ip -s link and ss print of a run: ethtool 6.1, iproute2 6.1.  Blanks at the ends of lines of ss are left out."""
from __future__ import annotations

from collections.abc import Mapping

from rxpath.abi.numbers import IPPROTO, TCP
from rxpath.workbench.run.moment import Moment, Sock
from rxpath.workbench.views.proc.net import statistics
from rxpath.workbench.words.units import ipv4_text, mac_text

LINK_OF_LO = "link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"
WMEM_DEFAULT = 212_992                                      # of a socket that has set nothing: nothing is sent by UDP here
STATES = {TCP.ESTABLISHED: "ESTAB", TCP.SYN_SENT: "SYN-SENT", TCP.SYN_RECV: "SYN-RECV", TCP.FIN_WAIT1: "FIN-WAIT-1",
          TCP.FIN_WAIT2: "FIN-WAIT-2", TCP.TIME_WAIT: "TIME-WAIT", TCP.CLOSE: "UNCONN", TCP.CLOSE_WAIT: "CLOSE-WAIT",
          TCP.LAST_ACK: "LAST-ACK", TCP.LISTEN: "LISTEN", TCP.CLOSING: "CLOSING", TCP.NEW_SYN_RECV: "SYN-RECV"}


def ethtool_statistics(m: Moment, card: str | None = None) -> str:
    """ethtool -S CARD: the counters that the simulated card has, in its driver's order; each card where none is named."""
    texts = []
    for c in m.cards:
        if card in (None, c.name):
            rows = "".join(f"     {name}: {n}\n" for name, n in c.ethtool.items())
            texts.append((f"NIC statistics:\n{rows}" if rows else "no stats available\n", c.name))
    if len(texts) == 1:
        return texts[0][0]
    return "\n".join(f"# ethtool -S {name}\n{text}" for text, name in texts)


def ip_s_link(m: Moment) -> str:
    """ip -s -s link"""
    return "".join(f"{i}: {_link(m, name)}{_table(stats)}" for i, (name, stats) in enumerate(statistics(m), 1))


def _link(m: Moment, name: str) -> str:
    """A device's two lines above its statistics."""
    nic, vlan = next((d for d in m.host.devices if d.name == name), None), next((v for v in m.vlans if v.name == name), None)
    flags, mtu, qdisc, state, mac = "BROADCAST,MULTICAST,UP,LOWER_UP", 65536, "noqueue", "UP", ""
    if vlan is not None:
        name, mtu, mac = f"{name}@{vlan.below}", vlan.mtu, mac_text(vlan.mac)
    elif nic is not None:
        mtu, qdisc, mac = nic.mtu, "mq", mac_text(_mac(nic.nic.mac))
    if name == "lo":
        flags, qdisc, state, mac = "LOOPBACK,UP,LOWER_UP", "noqueue", "UNKNOWN", ""
    return (f"{name}: <{flags}> mtu {mtu} qdisc {qdisc} state {state} mode DEFAULT group default qlen 1000\n"
            f"    {f'link/ether {mac} brd ff:ff:ff:ff:ff:ff' if mac else LINK_OF_LO}\n")


def _mac(text: str) -> int:
    return int(text.replace(":", ""), 16)


def _table(stats: Mapping[str, int]) -> str:
    """The four pairs of lines of print_stats64(), their columns as wide as the widest number."""
    def of(*keys: str) -> list[int]:
        return [stats.get(key, 0) for key in keys]
    receive = ("RX: ", ("bytes", "packets", "errors", "dropped", " missed", "  mcast"),
               of("rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_missed_errors", "multicast"))
    receive_errors = ("RX errors:", ("length", "   crc", "  frame", "   fifo", "overrun"),
                      of("rx_length_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_over_errors"))
    transmit = ("TX: ", ("bytes", "packets", "errors", "dropped", "carrier", "collsns"),
                of("tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_carrier_errors", "collisions"))
    transmit_errors = ("TX errors:", ("aborted", "  fifo", " window", "heartbt", "transns"), [0] * 5)
    widths = [10, 7, 6, 7, 7, 7]
    for _, _, values in (receive, transmit):
        widths = [max(w, len(str(n))) for w, n in zip(widths, values, strict=True)]
    for _, _, values in (receive_errors, transmit_errors):
        widths[1:] = [max(w, len(str(n))) for w, n in zip(widths[1:], values, strict=True)]
    lines = []
    for head, columns, values in (receive, receive_errors, transmit, transmit_errors):
        first = 0 if len(columns) == 6 else 1
        wide = widths[first:]
        indent = "    "
        if first:
            title = f"{indent}{head}" + " ".join(f"{c.strip():>{w if i else w + widths[0] - len(head) + 1}}"
                                                 for i, (c, w) in enumerate(zip(columns, wide, strict=True)))
            row = indent + " " * (widths[0] + 1) + " ".join(f"{n:>{w}}" for n, w in zip(values, wide, strict=True)) + " "
        else:
            title = f"{indent}{head}" + " ".join(f"{c.strip():>{w if i else w - len(head)}}"
                                                 for i, (c, w) in enumerate(zip(columns, wide, strict=True)))
            row = indent + " ".join(f"{n:>{w}}" for n, w in zip(values, wide, strict=True)) + " "
        lines += [title if first else f"{title}{' ' * 11}", row]       # an empty column of compressed ones
    return "".join(f"{line}\n" for line in lines)


def ss(m: Moment) -> str:
    """ss -tuanm: UDP in the order of the kernel's table, then TCP."""
    rows = [("udp" if s.protocol == IPPROTO.UDP else "tcp", STATES[s.state], str(s.rx_queue),
             str(s.backlog_limit if s.state == TCP.LISTEN else s.tx_queue), f"{ipv4_text(s.address)}:", str(s.port),
             f"{ipv4_text(s.peer)}:", str(s.peer_port) if s.peer_port else "*") for s in (*m.udp, *m.tcp)]
    head = ("Netid", "State", "Recv-Q", "Send-Q", "Local Address:", "Port", "Peer Address:", "Port")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: tuple[str, ...], last: str = "") -> str:
        shown = [f"{c:>{w}}" if i in (4, 6) else f"{c:<{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return (" ".join(shown[:4]) + f" {shown[4]}{shown[5]} {shown[6]}{shown[7]}{last}").rstrip()

    lines = [line(head, "Process")]
    for cells, s in zip(rows, (*m.udp, *m.tcp), strict=True):
        lines.append(line(cells))
        if s.whole:
            lines.append(f"\t skmem:{_skmem(s)}")
    return "".join(f"{text}\n" for text in lines)


def _skmem(s: Sock) -> str:
    return f"(r{s.rmem},rb{s.rcvbuf},t0,tb{s.sndbuf or WMEM_DEFAULT},f{s.forward},w0,o0,bl{s.backlog},d{s.drops})"
