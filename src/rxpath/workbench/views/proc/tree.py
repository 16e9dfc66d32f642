"""Which texts there are, and a directory of those of /proc that programs take for it: nstat and ss by PROC_ROOT, others where it is mounted
there."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rxpath.abi.sysctls import Value
from rxpath.workbench.host import rules
from rxpath.workbench.run.moment import Moment
from rxpath.workbench.views.proc import iptables, machine, net, tools
from rxpath.workbench.words.mistakes import BadInput, writing


@dataclass(frozen=True, slots=True)
class Text:
    """file: its place in /proc, "" for what a program prints; what: as a line of help."""
    file: str
    what: str
    write: Callable[[Moment], str]


def _iptables(m: Moment) -> str:
    text = iptables.iptables_list(rules.rules(m.host, True), m.books)
    if not text:
        raise BadInput("iptables-vnL: the host has no rules: [iptables] of a host file")
    return text


TEXTS: dict[str, Text] = {
    "softnet_stat": Text("net/softnet_stat", "backlogs and squeezes of each CPU", net.softnet_stat),
    "snmp": Text("net/snmp", "counters of IP, ICMP, TCP, UDP", net.snmp),
    "netstat": Text("net/netstat", "counters of TcpExt and IpExt", net.netstat),
    "udp": Text("net/udp", "UDP sockets", net.udp),
    "tcp": Text("net/tcp", "TCP sockets", net.tcp),
    "dev": Text("net/dev", "statistics of devices", net.dev),
    "sockstat": Text("net/sockstat", "how many sockets there are, and their memory", net.sockstat),
    "interrupts": Text("interrupts", "interrupts by CPU", machine.interrupts),
    "softirqs": Text("softirqs", "softirqs by CPU", machine.softirqs),
    "stat": Text("stat", "CPU time, interrupts, switches", machine.stat),
    "uptime": Text("uptime", "seconds since the run's beginning", machine.uptime),
    "ethtool-S": Text("", "ethtool -S of each card", tools.ethtool_statistics),
    "ip-s-link": Text("", "ip -s -s link", tools.ip_s_link),
    "ss": Text("", "ss -tuanm", tools.ss),
    "iptables-vnL": Text("", "iptables -vnL of each table", _iptables),
}


def check(folder: str) -> None:
    """Before the run: can a tree be written there?  A folder that holds something else is left alone."""
    path = Path(folder)
    if not folder or (path.exists() and not path.is_dir()):
        raise BadInput(f"--proc {folder}: not a folder")
    if path.is_dir() and (others := {p.name for p in path.iterdir()} - {"net", "self", "sys", *(t.file for t in TEXTS.values())}):
        raise BadInput(f"--proc {folder}: holds other files ({sorted(others)[0]}); a new folder, or one that --proc has written")
    parent = path if path.is_dir() else path.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BadInput(f"--proc {folder} cannot be written: {'not permitted' if parent.is_dir() else 'there is no such folder'}")


def write(m: Moment, folder: str) -> None:
    """Every file of /proc that there is, the sysctls that the path reads in sys/, and self/net as in the kernel."""
    files = {text.file: text.write(m) for text in TEXTS.values() if text.file}
    files |= {f"sys/{_sysctl_file(name)}": f"{_shown(value)}\n" for name, value in m.host.sysctls().items() if value is not None}
    with writing(folder):
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        link = Path(folder) / "self" / "net"
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to("../net")


def _sysctl_file(name: str) -> str:
    """net.ipv4.conf.eth0.rp_filter; the dots of a VLAN's name are its own."""
    if name.startswith("net.ipv4.conf."):
        device, _, flag = name.removeprefix("net.ipv4.conf.").rpartition(".")
        return f"net/ipv4/conf/{device}/{flag}"
    return name.replace(".", "/")


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "\t".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
