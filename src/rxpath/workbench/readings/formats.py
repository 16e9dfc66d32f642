"""The formats: how each is recognised, by a first line, a row of its own, the command above it or a file's name, and who reads it.
The table of docs/host-readings.md is made from this list."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import cpu, drop_tools, ethtool, exporter, firewall, iproute, netstat, places, proc_net, sockets, sysctl
from .lines import Block
from .records import Record

Parse = Callable[[Block], list[Record]]


@dataclass(frozen=True)
class Format:
    """head: a line that begins a text of it.  row: a line that is of it wherever it stands, and goes on with one that is open.  weak: a row
    only where nothing else is open.  said: what a command or a file's name looks like (blanks for _ and /); its group is the device."""

    name: str
    parse: Parse
    head: str = ""
    row: str = ""
    weak: str = ""
    said: str = ""
    what: str = ""
    whole: bool = False                 # by its name alone: whatever its lines look like


_PROC = r"(?:^|.* )(?:proc (?:\S+ )?)?(?:net )?"
_GROUP = r"(?:Ip|Icmp|IcmpMsg|Tcp|Udp|UdpLite|TcpExt|IpExt|MPTcpExt|Sctp|[A-Z]\w+Ext)"
_NUD = r"(?:REACHABLE|STALE|PERMANENT|FAILED|NOARP|DELAY|PROBE|INCOMPLETE)"
_PREFIX = r"(?:IcmpMsg|Icmp6|Icmp|IpExt|Ip6|Ip|MPTcpExt|TcpExt|Tcp|UdpLite6|UdpLite|Udp6|Udp)"


def _ethtool(short: str, *long: str) -> str:
    options = "|".join([rf"-\w*{short}", *(f"--{name}" for name in long)])
    return rf"(?:.* )?ethtool ?(?:-I |--include-statistics |--json )?(?:{options})(?: (\S+(?: \S+)*))?$"


FORMATS: tuple[Format, ...] = (
    Format("/proc/net/softnet_stat", proc_net.softnet_stat, row=r"\s*[0-9a-fA-F]{8}(?: +[0-9a-fA-F]{8}){3,14}\s*$",
           said=rf"{_PROC}softnet[ -]stat\S*$", what="9 to 15 columns, wrapped by a mail too"),
    Format("/proc/net/snmp, netstat", proc_net.snmp, row=rf"\s*{_GROUP}: +(?:[A-Z]\w*|-?\d+)(?: |$)",
           said=r"(?:.* )?(?:proc (?:\S+ )?net |^)(?:snmp|netstat)$", what="by pairs of lines and by name, any order and number"),
    Format("/proc/net/snmp6", proc_net.snmp6, row=rf"\s*{_PREFIX}[A-Z]\w*\s+-?\d+\s*$", said=rf"{_PROC}snmp6$",
           what="the only place of UDP over IPv6"),
    Format("/proc/net/dev", proc_net.dev, head=r"\s*Inter-\|", row=r"\s*[^\s:|]+(?::[^\s:]+)?:\s*\d+(?:\s+\d+){15}\s*$|\s*face +\|",
           said=rf"{_PROC}dev$", what="16 numbers for each device"),
    Format("/proc/net/udp, tcp", sockets.proc_sockets, head=r"\s*sl\s+local_address", row=r"\s*\d+: [0-9A-F]{8,32}:[0-9A-F]{4} ",
           said=r"(?:.* )?(?:proc (?:\S+ )?net |^)(?:udp|tcp|udplite)6?$", what="and udp6, tcp6; drops since 2.6.27"),
    Format("/proc/net/sockstat", proc_net.sockstat, row=r"\s*(?:sockets|TCP6?|UDP6?|UDPLITE6?|RAW6?|FRAG6?): (?:used|inuse) \d",
           said=rf"{_PROC}sockstat6?$", what="and sockstat6"),
    Format("/proc/net/packet", proc_net.packet, head=r"\s*sk +RefCnt +Type", said=rf"{_PROC}packet$", what="who taps"),
    Format("/proc/net/arp", proc_net.arp, head=r"\s*IP address\s+HW type", said=rf"{_PROC}arp$"),
    Format("/proc/net/stat/nf_conntrack", proc_net.conntrack_stat, head=r"\s*entries +\w+ +found",
           row=r"\s*[0-9a-f]{8}(?:\s+[0-9a-f]{8}){15,}", said=rf"{_PROC}stat nf conntrack$", what="summed over CPUs"),
    Format("conntrack -S", proc_net.conntrack_s, row=r"\s*cpu=\d+\s+\w+=\d", said=r"(?:.* )?conntrack ?-S$"),
    Format("/proc/interrupts, softirqs", cpu.interrupts, head=r"\s*CPU0(?:\s+CPU\d{1,5})*\s*$", row=r"\s*CPU\d{1,5}(?:\s+CPU\d{1,5})*\s*$",
           weak=r"\s*(?:\d+|NMI|LOC|NET_RX|NET_TX):\s+\d+(?:\s|$)(?!.*:\s*\d+$)", said=r"(?:.* )?(?:interrupts|softirqs)\S*$",
           what="columns are the CPUs that are online; x86, arm64, s390"),
    Format("/proc/stat", cpu.stat,
           row=r"\s*(?:cpu\d* +\d+(?: +\d+){3,}|btime \d+|ctxt \d+|intr \d+ .*|procs_\w+ \d+|processes \d+|softirq \d+ .*)$",
           said=r"(?:.* )?proc stat$|stat$"),
    Format("/proc/schedstat", cpu.schedstat, head=r"\s*version 1\d\s*$", row=r"\s*(?:domain\d+ |timestamp \d+$|cpu\d+(?: \d+){9}$)",
           said=r"(?:.* )?schedstat$",
           what="time that tasks waited for a CPU"),
    Format("ethtool -S", ethtool.statistics, head=r"\s*(?:NIC|PHY) statistics(?: for \S+)?:|\s*Standard stats for ",
           weak=r"(?=.*(?:[rt]x|_|\[|[Pp]ackets|[Bb]ytes))\s*[\[A-Za-z][^=|]*:\s*\d+\s*$", said=_ethtool("S", "statistics"),
           what="with or without its first line; names with colons; blocks of queues kept"),
    Format("ethtool -g", ethtool.rings, head=r"\s*Ring parameters for \S+:", said=_ethtool("g", "show-ring"), what="--json too"),
    Format("ethtool -l", ethtool.channels, head=r"\s*Channel parameters for \S+:", said=_ethtool("l", "show-channels"), what="--json too"),
    Format("ethtool -c", ethtool.coalesce, head=r"\s*Coalesce parameters for \S+:",
           weak=r"\s*(?:Adaptive RX: |(?:rx|tx)-usecs(?:-\w+)?: )", said=_ethtool("c", "show-coalesce"),
           what="--json too"),
    Format("ethtool -k", ethtool.features, head=r"\s*(?:Features|Offload parameters) for \S+:",
           row=r"\s*[a-z][\w-]+: (?:on|off)(?: \[(?:fixed|requested (?:on|off)|not requested)\])\s*$",
           weak=r"\s*[a-z][a-z-]+-[a-z-]+: (?:on|off)\s*$", said=_ethtool("k", "show-features", "show-offload"), what="--json too"),
    Format("ethtool -i", ethtool.driver_info, head=r"\s*driver: \S+\s*$", said=_ethtool("i", "driver")),
    Format("ethtool -x", ethtool.indirection, head=r"\s*RX flow hash indirection table for \S+",
           said=_ethtool("x", "show-rxfh-indir", "show-rxfh"), what="table, key, function; --json too"),
    Format("ethtool -a", ethtool.pause, head=r"\s*Pause parameters for \S+:", said=_ethtool("a", "show-pause"), what="-I and --json too"),
    Format("ethtool -n rx-flow-hash", ethtool.flow_hash, head=r"\s*(?:TCP|UDP|SCTP|AH|ESP|AH/ESP|IPSEC \S+) over IPV?[46] flows use",
           said=r"(?:.* )?ethtool (?:-n|-u|--show-nfc|--show-ntuple) (\S+) rx-flow-hash .*$"),
    Format("ethtool -n", ethtool.flow_rules, head=r"\s*\d+ RX rings available", row=r"\s*(?:Filter: \d+$|Total \d+ rules)",
           said=_ethtool("[nu]", "show-nfc", "show-ntuple")),
    Format("ethtool DEVICE", ethtool.settings, head=r"\s*Settings for \S+:", said=r"(?:.* )?ethtool ([a-z]\S*(?: \S+)*)$",
           what="speed and link"),
    Format("ip -s link, ip addr", iproute.links, row=r"\s*\d{1,9}: \S+: <[A-Z_0-9,-]*>",
           said=r"(?:.* )?ip ?(?:-\S+ )*(?:-s ?)*-?(?:link|l|addr|address|a|maddr)\b.*$|ip(?:-\w+)*-link$", what="-s, -s -s, -d and -j"),
    Format("ip route", iproute.routes,
           row=r"\s*(?:(?:unicast|local|broadcast|multicast|anycast|unreachable|throw|blackhole|prohibit) )?"
               r"(?:default|[0-9a-f]{1,4}[.:][0-9a-f.:]+(?:/\d+)?) +(?:via|dev|proto|table|scope)\b" rf"(?!.* {_NUD}$)",
           said=r"(?:.* )?ip ?(?:-\S+ )*(?:route|r)\b.*$", what="-j too; a route for each of several next hops"),
    Format("/proc/net/route", iproute.proc_route, head=r"\s*Iface\s+Destination\s+Gateway", said=rf"{_PROC}route$"),
    Format("ip neigh", iproute.neighbours,
           row=rf"\s*[0-9a-f]{{1,4}}[.:][0-9a-f.:]+ dev \S+ (?:lladdr \S+ )?.*{_NUD}$",
           said=r"(?:.* )?ip ?(?:-\S+ )*(?:neigh\w*|n)\b.*$"),
    Format("ss", sockets.ss, head=r"\s*(?:Netid\s+)?State\s+Recv-Q\s+Send-Q\s",
           row=r"\s*(?:udp|tcp|u_str|u_dgr|nl|raw|p_raw|p_dgr|mptcp|icmp6|u_seq|v_str)\s+(?:UNCONN|ESTAB|LISTEN|TIME-WAIT|SYN-|FIN-|CLOS)",
           weak=r"\s*(?:UNCONN|ESTAB|LISTEN)\s+\d+\s+\d+\s+\S+:", said=r"(?:.* )?ss(?: .*|-\w+)?$",
           what="-u, -t, -m, -n, -p, -e, -i, with and without Netid"),
    Format("netstat -anu", netstat.netstat_sockets, head=r"\s*(?:Active Internet connections|Proto +Recv-Q)",
           row=r"\s*(?:tcp|udp|raw|udplite)6?\s+\d+\s+\d+\s+\S+:(?:\d+|\*)\s+\S+:", said=r"(?:.* )?netstat ?-\w*[altup]\w*.*$"),
    Format("netstat -s", netstat.netstat_s, row=rf"\s*(?:{_PREFIX}|\w+Ext):\s*$", said=r"(?:.* )?netstat ?-\w*s\w*(?: .*)?$",
           what="sentences of net-tools 1.60 and 2.10, in English"),
    Format("netstat -i", netstat.netstat_i, head=r"\s*Kernel Interface table", row=r"\s*Iface +MTU ", said=r"(?:.* )?netstat ?-\w*i\w*$"),
    Format("ifconfig", netstat.ifconfig, row=r"\s*\S+: flags=\d+<|\S+\s+Link encap:", said=r"(?:.* )?ifconfig\b.*$", what="old and new"),
    Format("nstat", netstat.nstat, head=r"\s*#kernel", row=rf"\s*{_PREFIX}[A-Z]\w*\s+-?\d+\s+\d+[.,]\d+\s*$",
           said=r"(?:.* )?nstat\b.*$", what="-az, -j; without -a increases"),
    Format("mpstat", cpu.mpstat, head=r"\s*Linux \d\S{0,80} \([^)]{0,80}\)\s", row=r"\s*\S+(?: [AP]M)?\s+CPU\s+(?:%\w+|\S+/s)",
           said=r"(?:.* )?mpstat\b.*$", what="-P ALL, -o JSON; without interval it is since boot"),
    Format("lscpu", cpu.lscpu, head=r"\s*Architecture:\s|CPU\s+NODE\s|# ?CPU,",
           said=r"(?:.* )?lscpu(?: .*)?$",
           what="-p, -e, -J"),
    Format("uname", cpu.uname, row=r"\s*Linux (?:version \d|\S+ \d+\.\d+\S* #)", said=r"(?:.* )?(?:uname\b.*|proc version)$",
           what="and /proc/version"),
    Format("date, uptime", cpu.moment,
           row=r"\s*(?:[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(?: [AP]M)? \S+ \d{4}$|\d\d:\d\d:\d\d up +\d|"
               r"[12]\d{9}(?:\.\d+)?$|\d{1,12}\.\d\d \d{1,14}\.\d\d$)",
           said=r"(?:.* )?(?:date\b.*|uptime|time|timestamp)$"),
    Format("sysctl", sysctl.sysctl,
           row=r"\s*(?:-\s*)?(?:net|kernel|vm|fs|dev|user|abi|debug|sunrpc|crypto)[./][\w./*@:-]+\s*=|\s*/proc/sys/\w+/[\w./-]+(?::|\s*=)|"
               r".*(?:permission denied on key|sysctl: cannot stat|sysctl: reading key)",
           said=r"(?:.* )?sysctl(?:\b.*|\.conf|\.d .*)$", what="-a, sysctl.conf, grep . /proc/sys/..."),
    Format("/proc/sys", sysctl.proc_sys,
           said=r"(?:.*[ /])?proc[ /]sys[ /](?:net|kernel|vm|fs|dev)[ /].+$", what="a file of it, by its path", whole=True),
    Format("/proc/irq, /sys/class/net", places.places, row=r"\s*/(?:proc/irq/\d+/\w*affinity\w*|sys/(?:class/net|devices/\S*/net)/\S+):",
           said=r"(?:.*[ /])?proc[ /]irq[ /]\d+[ /](?:smp|effective).+$|(?:.*[ /])?sys[ /]class[ /]net[ /].+$",
           what="affinities, RPS, RFS, XPS, NAPI settings, PCI numbers: a file, or grep . /proc/irq/*/smp_affinity_list", whole=True),
    Format("/proc/net/igmp", places.igmp, head=r"\s*Idx\s+Device\s+: Count Querier", said=rf"{_PROC}igmp$", what="groups that were joined"),
    Format("/proc/cmdline", places.command_line, said=r"(?:.* )?proc cmdline$", whole=True),
    Format(".config", places.config, row=r"\s*CONFIG_HZ=\d+\s*$", said=r"(?:.* )?boot config-\S+$|(?:.* )?zcat proc config$",
           what="CONFIG_HZ alone"),
    Format("lspci -nn", places.lspci, row=r"\s*(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.\d [A-Z]\w", said=r"(?:.* )?lspci\b.*$",
           what="network cards, with their numbers"),
    Format("iptables-save", firewall.iptables_save, row=r"\s*(?:\*(?:filter|nat|mangle|raw|security)$|:\w\S* \S+ \[\d+:\d+\]|"
           r"(?:\[\d+:\d+\] )?-[AI] \S+ |COMMIT$|# (?:Generated by|Completed on) )", said=r"(?:.* )?ip6?tables-save\S*.*$"),
    Format("iptables -nvL", firewall.iptables_list, row=r"\s*Chain \S+ \((?:policy |\d+ references?)",
           said=r"(?:.* )?ip6?tables ?(?:.*-\w*L|-nvL).*$",
           what="with counters; K and M are rounded unless -x"),
    Format("nft list ruleset", firewall.nft, row=r"\s*table (?:ip|ip6|inet|arp|bridge|netdev) \S+ ?\{", said=r"(?:.* )?nft\b.*$",
           what="rules and counters; not what they do"),
    Format("perf script", drop_tools.perf_script, row=r".*\bkfree_skb: skbaddr=", said=r"(?:.* )?perf[ -](?:script|kfree.skb).*$",
           what="skb:kfree_skb, with reasons since 5.17; trace_pipe too"),
    Format("perf trace", drop_tools.perf_trace, row=r".*\bkfree_skb\(skbaddr: ", said=r"(?:.* )?perf trace.*$",
           what="refused: reasons by number"),
    Format("dropwatch", drop_tools.dropwatch, row=r"\s*(?:\d+ drops at |drop at: )", said=r"(?:.* )?dropwatch\b.*$"),
    Format("retis", drop_tools.retis, row=r".*\bdrop \((?:reason )?[A-Z][A-Z0-9_/]+\)|\s*\d{9,20} (?:\([^)]*\) )?\[.*\[tp\]",
           said=r"(?:.* )?retis\b.*$"),
    Format("pwru", drop_tools.pwru, row=r"\s*0x[0-9a-f]{12,16}\s+\d+\s", head=r"\s*SKB\s+CPU\s+PROCESS", said=r"(?:.* )?pwru\b.*$"),
    Format("node_exporter", exporter.node_exporter, row=r"\s*(?:# (?:HELP|TYPE) \w|node_\w+(?:\{.*\})?\s+[-+\d.eNI])",
           said=r"(?:.*\S)?\.prom$|(?:.* )?curl .*9100/metrics.*$", what="one scrape is one reading"),
)
BY_NAME = {f.name: f for f in FORMATS}


def _joined(kind: str) -> re.Pattern[str]:
    """One expression that says which format's it is."""
    return re.compile("|".join(f"(?P<f{i}>{getattr(f, kind)})" for i, f in enumerate(FORMATS) if getattr(f, kind)))


HEAD, ROW, WEAK = _joined("head"), _joined("row"), _joined("weak")
# commands that name a device first: the device may be called "my_dev", which ends like /proc/net/dev
SAID = sorted(((re.compile(f.said), f) for f in FORMATS if f.said), key=lambda said: said[0].groups == 0)


def which(pattern: re.Pattern[str], text: str) -> Format | None:
    """The format whose expression matches at the start of a line."""
    match = pattern.match(text)
    return FORMATS[int(match.lastgroup[1:])] if match and match.lastgroup else None
